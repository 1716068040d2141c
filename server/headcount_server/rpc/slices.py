"""Long answers in slices: between two of them everybody else has a turn.

An answer reflects one revision. Its steps are taken while the audience stays as it is; where a
write comes in between, the answer begins again while writes wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from headcount_server.core.query import Ask
from headcount_server.core.steps import Steps
from headcount_server.engine.interface import Engine
from headcount_server.engine.turns import leave_turn
from headcount_server.errors import NotFound

T = TypeVar("T")
SLICE_S = 0.001


class Slices:
    """Answers questions to an engine in slices."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer(self, ask: Ask, start: Callable[[Ask], Steps[T]]) -> tuple[T, Ask]:
        """What steps come to, and the ask that it is the answer to.

        Args:
            ask: made just now, nothing awaited since.
            start: begins; called again, with the ask for the later revision, where a write came.

        Raises:
            HeadcountError: what the steps raise.
            NotFound: the audience is gone.
        """
        name, revision = ask.audience.name, ask.audience.revision
        found = _Slice(start(ask))
        while not found.is_done():
            await leave_turn(SLICE_S)
            if self._engine.audience(name) is not ask.audience or ask.audience.revision != revision:
                break
        else:
            return found.value, ask
        async with self._engine.still():
            present = self._engine.audience(name)
            if present.create_time_us != ask.audience.create_time_us:
                raise NotFound(f'audience "{name}" was deleted', resource="audience", name=name)
            ask = ask.at(ask.now_us, present)
            found = _Slice(start(ask))
            while not found.is_done():
                await leave_turn(SLICE_S)
            return found.value, ask


class _Slice(Generic[T]):
    """Steps that are under way; ``value`` is there once they are done."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self.value: T

    def is_done(self) -> bool:
        """Takes steps for the time of a slice, one at least; whether that was the last."""
        end = time.perf_counter() + SLICE_S
        try:
            while True:
                next(self._steps)
                if time.perf_counter() >= end:
                    return False
        except StopIteration as stop:
            self.value = stop.value
            return True
