"""Long answers in slices: between two of them everybody else has a turn.

An answer reflects one revision. Its steps are taken while the audience stays as it is; where a
write comes in between, the answer begins again while writes wait. Work that its steps set apart is
done in a thread; a step that says that the answer has settled ends all care for writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from headcount_server.core.query import Ask
from headcount_server.core.steps import Apart, Settled, Steps
from headcount_server.engine.interface import Engine
from headcount_server.engine.turns import leave_turn
from headcount_server.errors import NotFound
from headcount_server.rpc.calls import Threads

T = TypeVar("T")
SLICE_S = 0.001
APART_NS_MIN = 500_000  # a thread is not worth waking for less


class _After(Enum):
    """Where a slice left the steps."""

    DONE = auto()
    UNDER_WAY = auto()
    SETTLED = auto()


class Slices:
    """Answers questions to an engine in slices.

    Args:
        engine: has the audiences.
        threads: where work is done apart.
    """

    def __init__(self, engine: Engine, threads: Threads) -> None:
        self._engine = engine
        self._threads = threads

    async def answer(self, ask: Ask, start: Callable[[Ask], Steps[T]]) -> tuple[T, Ask]:
        """What steps come to, and the ask that it is the answer to.

        Args:
            ask: made just now, nothing awaited since.
            start: begins; called again, with the ask for the later revision, where a write came.

        Raises:
            HeadcountError: what the steps raise.
            NotFound: the audience is gone.
        """
        found = _Slices(start(ask))
        async with AsyncExitStack() as stack:
            is_still = False
            while (after := found.take()) is _After.UNDER_WAY:
                await self._leave(found)
                if not is_still and self._has_changed(ask):
                    await stack.enter_async_context(self._engine.still())
                    is_still = True
                    ask = self._present(ask)
                    found = _Slices(start(ask))
        while after is not _After.DONE:
            await self._leave(found)
            after = found.take()
        return found.value, ask

    async def _leave(self, found: _Slices[Any]) -> None:
        """Returns when others had their turn, and what is set apart is done."""
        work, found.apart = found.apart, None
        if work is None:
            await leave_turn(SLICE_S)
        else:
            await self._threads.apart(work.do)

    def _has_changed(self, ask: Ask) -> bool:
        present = self._engine.audience(ask.audience.name)
        return present is not ask.audience or present.revision != ask.revision

    def _present(self, ask: Ask) -> Ask:
        """The same ask of the audience as it is now."""
        name = ask.audience.name
        present = self._engine.audience(name)
        if present.create_time_us != ask.audience.create_time_us:
            raise NotFound(f'audience "{name}" was deleted', resource="audience", name=name)
        return ask.at(ask.now_us, present)


class _Slices(Generic[T]):
    """Steps that are under way; ``value`` is there once they are done.

    Attributes:
        apart: what is to be done before the next slice.
    """

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self.apart: Apart[Any] | None = None
        self.value: T

    def take(self) -> _After:
        """Takes steps for the time of a slice, one at least."""
        end = time.perf_counter() + SLICE_S
        try:
            while True:
                step = next(self._steps)
                if isinstance(step, Settled):
                    return _After.SETTLED
                if isinstance(step, Apart):
                    if step.cost_ns >= APART_NS_MIN:
                        self.apart = step
                        return _After.UNDER_WAY
                    step.do()
                if time.perf_counter() >= end:
                    return _After.UNDER_WAY
        except StopIteration as stop:
            self.value = stop.value
            return _After.DONE
