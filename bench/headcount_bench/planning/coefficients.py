"""Measured coefficients: what generated data sets of several sizes took, and what types cost.

They are kept beside this module as JSON, with the machine and the commit that they were measured
on, and are made anew by ``headcount-bench plan --calibrate``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.growth.points import Point
from headcount_bench.machine import stamp
from headcount_bench.planning.types import Cost

OWN = Path(__file__).with_name("coefficients.json")
MIX = ("s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s14")
SIZES_MIN = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """What a generated data set of one size took.

    Attributes:
        event_counts: event type to number of events.
        memory: bytes by index after all questions (see ``inprocess.memory``).
        disk: bytes of a snapshot by index, named as in ``memory``.
        resident_bytes: of the process after all questions.
        subscriber_s: seconds of the processor to load one subscriber.
        event_s: the same of one event.
        start_s: seconds of the processor to load the snapshot.
        count_ms: of the processor, mean of the standard counts without kept results.
        subscriber_log: bytes of the log for one subscriber.
        event_log: the same for one event.
    """

    subscribers: int
    event_counts: Mapping[str, int]
    memory: Mapping[str, int]
    disk: Mapping[str, int]
    resident_bytes: int
    subscriber_s: float
    event_s: float
    start_s: float
    count_ms: float
    subscriber_log: float
    event_log: float

    @property
    def events(self) -> int:
        """Of all types."""
        return sum(self.event_counts.values())


@dataclass(frozen=True, slots=True)
class Coefficients:
    """All of them.

    Attributes:
        measured: machine, commit and time.
        samples: by rising size.
        types: see ``types.measure_types``.
    """

    measured: Mapping[str, Any]
    samples: Sequence[Sample]
    types: Mapping[str, Cost]


def sample_of(point: Point, event_counts: Mapping[str, int]) -> Sample:
    """What a measured point says.

    Raises:
        BenchFault: it lacks the snapshot or a standard count.
    """
    if point.snapshot is None:
        raise BenchFault(
            f"the results for {point.subscribers:,} subscribers have no snapshot; measure with"
            " headcount-bench engine --disk"
        )
    load = point.load
    rates = {name: load["rates"][name] for name in ("subscribers", "events")}
    times = {line["id"]: line["ms"]["cold"]["cpu_median"] for line in point.questions}
    return Sample(
        point.subscribers,
        event_counts,
        load["memory"],
        _as_memory(point.snapshot["files"]),
        load["resident_bytes"],
        rates["subscribers"]["engine_cpu_seconds"] / point.subscribers,
        rates["events"]["engine_cpu_seconds"] / max(point.events, 1),
        point.snapshot["load_cpu_seconds"],
        sum(times[name] for name in MIX) / len(MIX),
        rates["subscribers"]["log_bytes"] / point.subscribers,
        rates["events"]["log_bytes"] / max(point.events, 1),
    )


def write(path: Path, samples: Sequence[Sample], types: Mapping[str, Cost]) -> None:
    """Writes coefficients, with the machine of now.

    Raises:
        BenchFault: it can't be written, or the sizes are too few.
    """
    if len(samples) < SIZES_MIN:
        raise BenchFault(f"{SIZES_MIN} sizes or more are needed to see how costs grow")
    found = Coefficients(stamp(), sorted(samples, key=lambda one: one.subscribers), types)
    try:
        path.write_text(json.dumps(asdict(found), indent=1) + "\n")
    except OSError as error:
        raise BenchFault(f"{path}: it can't be written: {error.strerror}", FAILED) from None


def read(path: Path = OWN) -> Coefficients:
    """The coefficients of a file.

    Raises:
        BenchFault: there is none, or it is none.
    """
    try:
        plain = json.loads(path.read_text())
        return Coefficients(
            plain["measured"],
            [Sample(**one) for one in plain["samples"]],
            {name: Cost(**cost) for name, cost in plain["types"].items()},
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BenchFault(f"{path}: it holds no coefficients: {error}") from None


def _as_memory(files: Mapping[str, int]) -> dict[str, int]:
    """Parts of a snapshot by the names that indexes have in memory."""
    found: dict[str, int] = {}
    for part, size in files.items():
        name = part.removeprefix("attribute.").replace("event.", "events.", 1)
        found[name] = found.get(name, 0) + size
    return found
