"""One measurement of the engine in this process: load, ask, look at the memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from headcount_bench.inprocess import budgets, memory
from headcount_bench.inprocess.asking import Figures, ask_all
from headcount_bench.inprocess.disk import Kept, keep
from headcount_bench.inprocess.keeping import leave
from headcount_bench.inprocess.loading import Loaded, Rate, load
from headcount_bench.inprocess.starting import Start, start
from headcount_bench.machine import stamp
from headcount_bench.resources import require_memory
from headcount_bench.workload.dataset import AUDIENCE, Dataset
from headcount_bench.workload.questions import QUESTIONS, Question

_SUBSCRIBER_BYTES = 280
_EVENT_BYTES = 30
_BYTES = 500 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured.

    Attributes:
        begun: machine, commit and time of the begin.
        resident_bytes: of the process after all questions.
        loaded_bytes: of the process after loading, before the first question.
        peak_bytes: the most that the process ever had.
        memory: bytes by index, after all questions.
        loaded_memory: bytes by index, before the first question.
        kept: a snapshot of it, where one was asked for.
        start: from a snapshot in place of the files, where that was asked for.
    """

    begun: Mapping[str, Any]
    data: Dataset
    subscribers: Rate
    events: Rate
    figures: Sequence[Figures]
    loaded_bytes: int
    resident_bytes: int
    peak_bytes: int
    memory: dict[str, int]
    loaded_memory: dict[str, int]
    kept: Kept | None
    start: Start | None


def measure(
    data: Dataset,
    repeats: int,
    progress: Callable[[str, int], None],
    with_disk: bool = False,
    kept: Path | None = None,
) -> Run:
    """Loads a data set and asks the standard questions; those of events only where there are any.

    Args:
        data: checked already.
        repeats: rounds of each way of asking.
        progress: is told "subscribers", "events" or "rounds" and how many more are done.
        with_disk: whether to write a snapshot at the end, and load it.
        kept: directory of a snapshot of these files to start from, in place of loading them, with
            indexes built as an idle server does; where there is none, one is left there.

    Raises:
        BenchFault: there is too little memory or disk.
    """
    manifest, begun = data.manifest, stamp()
    needed = needed_bytes(manifest.subscribers, manifest.events)
    require_memory(needed, f"loading {data.directory}")
    loaded, started = _loaded(data, progress, kept)
    after, sizes = memory.resident_bytes(), memory.by_index(loaded.audience)
    questions = QUESTIONS if manifest.events else [one for one in QUESTIONS if not _behaves(one)]
    figures = ask_all(loaded.audience, questions, manifest.as_of_us, repeats, progress)
    run = Run(
        begun, data, loaded.subscribers, loaded.events, figures, after, memory.resident_bytes(),
        memory.peak_bytes(), memory.by_index(loaded.audience), sizes, None, started,
    )  # fmt: skip
    if not with_disk:
        return run
    state = loaded.state
    del loaded  # so that what is written goes before it is loaded
    return replace(run, kept=keep(state, manifest.as_of_us, needed))


def _loaded(
    data: Dataset, progress: Callable[[str, int], None], kept: Path | None
) -> tuple[Loaded, Start | None]:
    """From the snapshot, else from the files."""
    found = start(data, kept) if kept is not None else None
    if found is not None:
        state, started = found
        nothing = Rate(0, 0.0, 0.0, 0.0, 0)
        return Loaded(state, state.audience(AUDIENCE), nothing, nothing), started
    loaded = load(data, progress)
    if kept is not None:
        leave(loaded.state, data, kept)
    return loaded, None


def needed_bytes(subscribers: int, events: int) -> int:
    """About the memory that a measurement takes, with what loading takes for a while."""
    return _BYTES + subscribers * _SUBSCRIBER_BYTES + events * _EVENT_BYTES


def as_lines(run: Run) -> list[dict[str, Any]]:
    """Raw results: a line of the load and memory, and one a question."""
    manifest = run.data.manifest
    begin = {
        **run.begun, "command": "engine", "subscribers": manifest.subscribers,
        "events": manifest.events, "seed": manifest.seed, "started": run.start is not None,
    }  # fmt: skip
    rates = {
        name: {**asdict(rate), "rows_per_s": rate.rows_per_s}
        for name, rate in (("subscribers", run.subscribers), ("events", run.events))
    }
    lines: list[dict[str, Any]] = [{
        **begin, "result": "load", "rates": rates, "loaded_bytes": run.loaded_bytes,
        "resident_bytes": run.resident_bytes, "peak_bytes": run.peak_bytes, "memory": run.memory,
        "loaded_memory": run.loaded_memory,
        "start": asdict(run.start) if run.start is not None else None,
    }]  # fmt: skip
    if run.kept is not None:
        lines.append({**begin, "result": "snapshot", **asdict(run.kept)})
    for one in run.figures:
        ways = {way: asdict(one.times(way)) for way in one.samples}
        lines.append({
            **begin, "result": "question", "id": one.question.id, "title": one.question.title,
            "kind": one.question.kind.value, "rules": one.question.rules, "answer": one.answer,
            "first_ms": one.first, "ms": ways, "is_met": budgets.is_met(one),
        })  # fmt: skip
    return lines


def _behaves(question: Question) -> bool:
    return any("did " in rule or "inactive" in rule for rule in question.rules)
