"""Asks the standard questions of an audience in this process, and times them.

A question is asked as the service asks the engine: its rule is read before (a server keeps the
trees of the texts that it read), then bound, evaluated and counted.

Four ways of asking: *first* is the very first ask after loading, which builds indexes that later
questions share; *no blocks* finds neither roll-ups of behaviour nor results of earlier look-ups;
*cold* finds roll-ups, but no results; *warm* finds what the last ask left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from headcount_server.core import query
from headcount_server.core.audience import Audience
from headcount_server.core.query import Ask
from headcount_server.core.query.breakdown import By
from headcount_server.core.rules.parser import parse
from headcount_server.limits import DEFAULT_LIMITS

from headcount_bench.workload.questions import Kind, Question

Answer = int | dict[str, int] | list[list[int]]


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one question asked several times, by the clock.

    ``cpu_median`` is of the processor: it is less where others used the processor too, and more
    where several threads were at work.
    """

    median: float
    p95: float
    p99: float
    cpu_median: float
    count: int


@dataclass(slots=True)
class Figures:
    """What one question gave; times are milliseconds.

    Attributes:
        answer: a count, a count for each value, or the matrix of an overlap.
        first: the very first ask.
        samples: the times of the other ways of asking, by the clock and of the processor.
    """

    question: Question
    answer: Answer = 0
    first: float = 0.0
    samples: dict[str, list[tuple[float, float]]] = field(
        default_factory=dict[str, list[tuple[float, float]]]
    )

    def times(self, way: str) -> Times:
        """The times of a way of asking."""
        found = np.array(self.samples[way])
        median, p95, p99 = np.percentile(found[:, 0], [50, 95, 99]).tolist()
        return Times(median, p95, p99, float(np.median(found[:, 1])), len(found))

    def shown(self) -> int:
        """One number that stands for the answer: the count, or the sum of all counts."""
        match self.answer:
            case int():
                return self.answer
            case dict():
                return sum(self.answer.values())
            case _:
                return sum(map(sum, self.answer))


def asker(audience: Audience, question: Question, now_us: int) -> Callable[[], Answer]:
    """A function that answers the question at ``now_us``, its rules read already."""
    rules = [parse(rule, DEFAULT_LIMITS) for rule in question.rules]
    by = [By(question.by)]

    def count() -> Answer:
        return query.count(Ask(audience, now_us), rules[0]).total

    def breakdown() -> Answer:
        found = query.breakdown(Ask(audience, now_us), rules[0], by, None)
        return {value.value: value.count for value in found.breakdowns[0].values}

    def overlap() -> Answer:
        return [list(row) for row in query.overlap(Ask(audience, now_us), rules, False).rows]

    return {Kind.COUNT: count, Kind.BREAKDOWN: breakdown, Kind.OVERLAP: overlap}[question.kind]


def ask_all(
    audience: Audience,
    questions: Sequence[Question],
    now_us: int,
    repeats: int,
    progress: Callable[[str, int], None],
) -> list[Figures]:
    """Asks every question in every way; rounds go over all questions, so none has the caches alone.

    Args:
        audience: loaded, never asked.
        questions: in the order in which they are asked first.
        now_us: what they are asked at.
        repeats: rounds of each way.
        progress: is told "rounds" and 1 after each.
    """
    askers = [asker(audience, question, now_us) for question in questions]
    figures = [Figures(question) for question in questions]
    for figure, ask in zip(figures, askers, strict=True):
        (figure.first, _), figure.answer = _timed(ask)
    ways: dict[str, Callable[[], None]] = {
        "no blocks": lambda: forget(audience, blocks=True),
        "cold": lambda: forget(audience, blocks=False),
        "warm": lambda: None,
    }
    for way, before in ways.items():
        rounds = max(repeats // 10, 3) if way == "no blocks" else repeats
        for _ in range(rounds):
            for figure, ask in zip(figures, askers, strict=True):
                before()
                elapsed, answer = _timed(ask)
                assert answer == figure.answer, f"{figure.question.id} changed its answer"
                figure.samples.setdefault(way, []).append(elapsed)
            progress("rounds", 1)
        for ask in askers:  # builds what the next way finds
            ask()
    return figures


def rounds_of(repeats: int) -> int:
    """How many rounds ``ask_all`` makes in all."""
    return 2 * repeats + max(repeats // 10, 3)


def forget(audience: Audience, blocks: bool) -> None:
    """Drops results of earlier asks, and with ``blocks`` roll-ups of behaviour too."""
    audience.lookups.clear()
    if blocks:
        audience.buckets.clear()


def _timed(ask: Callable[[], Answer]) -> tuple[tuple[float, float], Answer]:
    """Milliseconds by the clock and of the processor, and the answer."""
    begin, cpu = time.perf_counter_ns(), time.process_time_ns()
    answer = ask()
    end, cpu_end = time.perf_counter_ns(), time.process_time_ns()
    return ((end - begin) / 1e6, (cpu_end - cpu) / 1e6), answer
