"""One measurement of the engine in this process: load, ask, look at the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headcount_bench.inprocess import budgets, memory
from headcount_bench.inprocess.asking import Figures, ask_all
from headcount_bench.inprocess.loading import Loaded, load
from headcount_bench.machine import stamp
from headcount_bench.resources import require_memory
from headcount_bench.workload.dataset import Dataset
from headcount_bench.workload.questions import QUESTIONS, Question

_SUBSCRIBER_BYTES = 450  # with what loading takes for a while
_EVENT_BYTES = 50
_BYTES = 500 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured.

    Attributes:
        resident_bytes: of the process after all questions.
        loaded_bytes: of the process after loading, before the first question.
        peak_bytes: the most that the process ever had.
        memory: bytes by index.
    """

    data: Dataset
    loaded: Loaded
    figures: Sequence[Figures]
    loaded_bytes: int
    resident_bytes: int
    peak_bytes: int
    memory: dict[str, int]


def measure(data: Dataset, repeats: int, progress: Callable[[str, int], None]) -> Run:
    """Loads a data set and asks the standard questions; those of events only where there are any.

    Args:
        data: checked already.
        repeats: rounds of each way of asking.
        progress: is told "subscribers", "events" or "rounds" and how many more are done.

    Raises:
        BenchFault: there is too little memory.
    """
    manifest = data.manifest
    needed = _BYTES + manifest.subscribers * _SUBSCRIBER_BYTES + manifest.events * _EVENT_BYTES
    require_memory(needed, f"loading {data.directory}")
    loaded = load(data, progress)
    after = memory.resident_bytes()
    questions = QUESTIONS if manifest.events else [one for one in QUESTIONS if not _behaves(one)]
    figures = ask_all(loaded.audience, questions, manifest.as_of_us, repeats, progress)
    return Run(
        data, loaded, figures, after, memory.resident_bytes(), memory.peak_bytes(),
        memory.by_index(loaded.audience),
    )  # fmt: skip


def as_lines(run: Run) -> list[dict[str, Any]]:
    """Raw results: a line of the load and memory, and one a question."""
    manifest = run.data.manifest
    begin = {
        **stamp(), "command": "engine", "subscribers": manifest.subscribers,
        "events": manifest.events, "seed": manifest.seed,
    }  # fmt: skip
    rates = {
        name: {**asdict(rate), "rows_per_s": rate.rows_per_s}
        for name, rate in (("subscribers", run.loaded.subscribers), ("events", run.loaded.events))
    }
    lines: list[dict[str, Any]] = [{
        **begin, "result": "load", "rates": rates, "loaded_bytes": run.loaded_bytes,
        "resident_bytes": run.resident_bytes, "peak_bytes": run.peak_bytes, "memory": run.memory,
    }]  # fmt: skip
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
