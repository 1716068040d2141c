"""Writes a data set, row group by row group.

What the files hold depends on sizes and seed alone, not on how many rows a group has. Memory is
32 bytes a subscriber and what two row groups need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from headcount_bench.faults import BenchFault
from headcount_bench.resources import require_disk, require_memory
from headcount_bench.workload import dataset, events, subscribers
from headcount_bench.workload.dataset import Manifest
from headcount_bench.workload.vocabulary import EVENTS

SUBSCRIBERS_MAX = 10**dataset.KEY_DIGITS - 1
GROUP_ROWS = 1 << 20
_SUBSCRIBER_DISK_BYTES = 27  # in the files, compressed, and a sixth more
_EVENT_DISK_BYTES = 10
_SUBSCRIBER_MEMORY_BYTES = 32
_MEMORY_BYTES = 500 << 20  # beside what each subscriber takes
_COMPRESSION = "zstd"

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to generate.

    Attributes:
        subscribers: how many.
        events_per_subscriber: how many events each has on average.
        seed: another seed, other people and events.
        out: directory of the files.
        group_rows: rows written at once, at least.
    """

    subscribers: int
    events_per_subscriber: float
    seed: int
    out: Path
    group_rows: int = GROUP_ROWS

    @property
    def events(self) -> int:
        """How many events there will be, but for very few."""
        return round(self.subscribers * self.events_per_subscriber)

    @property
    def disk_bytes(self) -> int:
        """About what the files take."""
        return (
            self.subscribers * _SUBSCRIBER_DISK_BYTES + self.events * _EVENT_DISK_BYTES + (1 << 20)
        )

    @property
    def memory_bytes(self) -> int:
        """About what generating takes."""
        return self.subscribers * _SUBSCRIBER_MEMORY_BYTES + _MEMORY_BYTES


def check(plan: Plan) -> None:
    """Raises BenchFault where it can't be done: sizes, disk, memory, a directory in use."""
    if not 1 <= plan.subscribers <= SUBSCRIBERS_MAX:
        raise BenchFault(f"--subscribers must be 1 to {SUBSCRIBERS_MAX:,}")
    if dataset.manifest_file(plan.out).exists():
        raise BenchFault(f"{plan.out}: there is a data set already; name another directory")
    if plan.out.exists() and not plan.out.is_dir():
        raise BenchFault(f"{plan.out}: it is a file; name a directory")
    what = f"a data set of {plan.subscribers:,} subscribers and {plan.events:,} events"
    require_disk(plan.out, plan.disk_bytes, what)
    require_memory(plan.memory_bytes, what)


def generate(plan: Plan, progress: Progress) -> Manifest:
    """Writes all files.

    Args:
        plan: what ``check`` let pass.
        progress: is told "subscribers" or "events" and how many more rows are written.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    dataset.schema_file(plan.out).write_text(dataset.SCHEMA)
    people = _write_subscribers(plan, progress)
    counts = _write_events(plan, people, progress) if plan.events else dict[str, int]()
    manifest = Manifest(
        plan.subscribers,
        plan.events_per_subscriber,
        sum(counts.values()),
        counts,
        plan.seed,
        dataset.DAYS,
        dataset.AS_OF.isoformat().replace("+00:00", "Z"),
        np.__version__,
    )
    dataset.write_manifest(plan.out, manifest)
    return manifest


def _write_subscribers(plan: Plan, progress: Progress) -> events.People:
    activity = np.empty(plan.subscribers, np.float64)
    engagement = np.empty(plan.subscribers, np.float32)
    signup = np.empty(plan.subscribers, np.int32)
    start = 0
    with _writer(dataset.subscriber_file(plan.out), dataset.SUBSCRIBER_FIELDS) as write:
        for block in subscribers.blocks(plan.subscribers, plan.seed):
            rows = slice(start, start + block.columns.num_rows)
            activity[rows] = block.activity
            engagement[rows] = block.engagement
            signup[rows] = block.signup_days
            start = rows.stop
            write(block.columns)
            progress("subscribers", block.columns.num_rows)
    return events.People(np.cumsum(activity, out=activity), engagement, signup)


def _write_events(plan: Plan, people: events.People, progress: Progress) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with _writer(dataset.event_file(plan.out), dataset.EVENT_FIELDS) as write:
        waiting: list[events.Events] = []
        for day in events.days(people, plan.events, plan.seed):
            waiting.append(day)
            numbers: NDArray[np.int64] = np.bincount(day.kinds, minlength=len(EVENTS))
            counts.update(dict(zip(EVENTS, numbers.tolist(), strict=True)))
            if sum(map(len, waiting)) >= plan.group_rows:
                _write_together(write, waiting, progress)
        _write_together(write, waiting, progress)
    return {name: counts[name] for name in EVENTS}


def _write_together(
    write: Callable[[pa.RecordBatch], None], waiting: list[events.Events], progress: Progress
) -> None:
    if not waiting:
        return
    together = events.joined(waiting)
    waiting.clear()
    if len(together):
        write(together.columns())
        progress("events", len(together))


@contextmanager
def _writer(path: Path, fields: pa.Schema) -> Generator[Callable[[pa.RecordBatch], None]]:
    with parquet.ParquetWriter(path, fields, compression=_COMPRESSION) as writer:

        def write(batch: pa.RecordBatch) -> None:
            writer.write_batch(batch, row_group_size=batch.num_rows)

        yield write
