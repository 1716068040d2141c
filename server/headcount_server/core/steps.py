"""Answers in steps: generators that may be left alone for a while between two steps.

A step takes about a millisecond at most where that can be arranged. Between two steps the audience
must stay as it is; who drives the steps sees to that, or begins again. Work that reads nothing of
the audience can be set *apart*: whoever drives the steps may have it done in another thread. Once
an answer has *settled* on what it read, it goes on whatever becomes of the audience.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")


class Apart(Generic[T]):
    """Work that reads only what never changes, such as published bitmaps.

    Args:
        work: to be done once, by any thread, while the steps wait.
        cost_ns: nanoseconds that it takes, about.
    """

    __slots__ = ("_result", "_work", "cost_ns")

    def __init__(self, work: Callable[[], T], cost_ns: float) -> None:
        self._work = work
        self._result: list[T] = []
        self.cost_ns = cost_ns

    def do(self) -> None:
        """Does the work; what it raises is raised here."""
        self._result.append(self._work())

    @property
    def result(self) -> T:
        """What it came to, once it is done."""
        (result,) = self._result
        return result


class Settled:
    """A step after which nothing of the audience is read."""


SETTLED: Final = Settled()
Steps = Generator[Apart[Any] | Settled | None, None, T]


def apart(work: Callable[[], T], cost_ns: float) -> Steps[T]:
    """A step for work that may be done apart; the result of it."""
    step = Apart(work, cost_ns)
    yield step
    return step.result


def finish(steps: Steps[T]) -> T:
    """All steps at once, here."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        if isinstance(step, Apart):
            step.do()
