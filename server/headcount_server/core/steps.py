"""Answers in steps: generators that may be left alone for a while between two steps.

A step takes about a millisecond at most where that can be arranged. Between two steps the audience
must stay as it is; who drives the steps sees to that, or begins again.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]


def finish(steps: Steps[T]) -> T:
    """All steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
