"""Leaving the event loop to others after work that kept them waiting."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from headcount_server.core.steps import Apart, Steps

T = TypeVar("T")
_TURNS = 4  # of the loop at least: a call needs some to arrive and to be answered
_IDLE_S = 0.00005  # a turn in which nobody had anything to do takes less
_LONG_S = 0.005  # who was kept waiting for longer may have more to ask once answered
_LONGER_S = 0.02
_PAUSE_S = 0.001  # to wait for that
_PAUSE_CPU_S = 0.0001  # a pause in which the loop had nothing to do takes less of the processor


class Turn:
    """Work in slices: whoever waits has a turn in between.

    Args:
        slice_s: of work, before others get their turn.
    """

    def __init__(self, slice_s: float) -> None:
        self._slice_s = slice_s
        self._since = time.perf_counter()

    @property
    def spent_s(self) -> float:
        """For how long nobody else has had a turn."""
        return time.perf_counter() - self._since

    async def finish(self, steps: Steps[T]) -> T:
        """What steps come to."""
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                return stop.value
            if isinstance(step, Apart):
                step.do()
            await self.pause()

    async def pause(self) -> None:
        """Leaves the turn to others if the slice is over."""
        spent_s = self.spent_s
        if spent_s > self._slice_s:
            await leave_turn(spent_s)
            self._since = time.perf_counter()


async def leave_turn(spent_s: float = 0.0) -> None:
    """Returns when the others have had as long, or have nothing more to do.

    One turn of the loop isn't enough: calls that came meanwhile are accepted one by one, and each
    takes several turns until it is answered. After a long wait there are more of them than callers
    sent at once, and the next come only when these have read their answers: so nothing to do for a
    moment isn't nothing to do.

    Args:
        spent_s: how long they were kept waiting.
    """
    end = time.perf_counter() + spent_s
    turns = idle = 0
    while turns < _TURNS or idle < _TURNS:
        before = time.perf_counter()
        await asyncio.sleep(0)
        now = time.perf_counter()
        turns += 1
        idle = idle + 1 if now - before < _IDLE_S else 0
        if now >= end and turns >= _TURNS:
            return
    if spent_s >= _LONG_S:
        await _until_quiet(end, 2 if spent_s >= _LONGER_S else 1)


async def _until_quiet(end: float, pauses: int) -> None:
    """Returns when the loop had nothing to do for so many pauses, or at ``end``."""
    quiet = 0
    while quiet < pauses and time.perf_counter() < end:
        used_s = time.thread_time()
        await asyncio.sleep(_PAUSE_S)
        quiet = quiet + 1 if time.thread_time() - used_s < _PAUSE_CPU_S else 0
