"""Reads at a fixed rate while something else goes on, and what they had to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc
from headcount.v1 import query_service_pb2 as pb

from headcount_bench.load.calls import OPTIONS, unary
from headcount_bench.load.driving import work
from headcount_bench.load.pace import Pace, Recorded

RATE = 200.0  # reads a second
_WORKERS = 16
_LONGEST_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Stall:
    """Reads while something went on.

    Attributes:
        beside: what went on.
        elapsed_s: for how long.
        reads: latencies from when a read was due.
    """

    beside: str
    elapsed_s: float
    reads: Recorded


async def reads_beside(
    address: str,
    requests: Sequence[pb.CountRequest],
    beside: str,
    run: Callable[[], Awaitable[object]],
    rate: float = RATE,
) -> Stall:
    """Asks questions in turn, ``rate`` a second, until ``run`` has returned."""
    reads = Recorded()
    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        send = unary(channel, requests)
        for number in range(len(requests)):
            await send(number)
        begin = time.perf_counter()
        pace = Pace(rate, _LONGEST_S, begin)
        workers = [asyncio.create_task(work(send, pace, reads)) for _ in range(_WORKERS)]
        try:
            await run()
        finally:
            elapsed = time.perf_counter() - begin
            pace.stop()
            await asyncio.gather(*workers)
    return Stall(beside, elapsed, reads)
