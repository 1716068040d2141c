"""Leaving the event loop to others after work that kept them waiting."""

from __future__ import annotations

import asyncio
import time

_TURNS = 4  # of the loop at least: a call needs some to arrive and to be answered
_IDLE_S = 0.00005  # a turn in which nobody had anything to do takes less


async def leave_turn(spent_s: float = 0.0) -> None:
    """Returns when the others have had as long, or have nothing more to do.

    One turn of the loop isn't enough: calls that came meanwhile are accepted one by one, and each
    takes several turns until it is answered.

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
