"""Cheap reads at a fixed rate beside one companion after the other, on a server of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from headcount.v1 import query_service_pb2 as pb

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.load.beside import Stall, reads_beside
from headcount_bench.load.calls import OPTIONS
from headcount_bench.machine import stamp
from headcount_bench.serving import Server
from headcount_bench.stalls.companions import Companion, Times
from headcount_bench.workload.dataset import AS_OF, AUDIENCE, Dataset
from headcount_bench.workload.questions import find

READ = ("s01", "s05", "s11")  # asked in turn; each is about a millisecond at most once it is warm
_IDLE_S, _IDLE_SHARE, _SETTLED_S = 0.5, 0.05, 60.0


@dataclass(frozen=True, slots=True)
class Beside:
    """Reads beside a companion; ``times`` are milliseconds of what the companion did."""

    companion: Companion
    stall: Stall
    times: Times

    @property
    def median_ms(self) -> float:
        """Of the companion; 0 where it did nothing."""
        return float(np.median(self.times)) if self.times else 0.0


async def measure(
    server: Server,
    chosen: Sequence[Companion],
    seconds: float,
    rate: float,
    tell: Callable[[str], None],
) -> list[Beside]:
    """Reads beside each, once the server has built what it builds while it is idle.

    Raises:
        BenchFault: a question or a batch was refused.
    """
    requests = [pb.CountRequest(audience=AUDIENCE, rule_text=find(name).rule) for name in READ]
    for request in requests:
        request.as_of.FromDatetime(AS_OF)
    found: list[Beside] = []
    async with grpc.aio.insecure_channel(server.address, OPTIONS) as channel:
        for companion in chosen:
            tell(f"reading beside {companion.title}")
            try:
                if companion.ready is not None:
                    await companion.ready(channel)
                await _idle(server)
                found.append(await _beside(server, channel, companion, requests, seconds, rate))
            except grpc.aio.AioRpcError as error:
                raise BenchFault(f"{companion.title}: {error.details()}", FAILED) from None
    return found


async def _beside(
    server: Server,
    channel: grpc.aio.Channel,
    companion: Companion,
    requests: Sequence[pb.CountRequest],
    seconds: float,
    rate: float,
) -> Beside:
    times: Times = []

    async def run() -> None:
        times.extend(await companion.run(channel, time.perf_counter() + seconds))

    stall = await reads_beside(server.address, requests, companion.name, run, rate)
    return Beside(companion, stall, times)


async def _idle(server: Server) -> None:
    """Waits until the server's process does next to nothing, or for a minute."""
    until = time.perf_counter() + _SETTLED_S
    while time.perf_counter() < until:
        before = server.cpu_s()
        await asyncio.sleep(_IDLE_S)
        if server.cpu_s() - before < _IDLE_SHARE * _IDLE_S:
            return


def as_lines(data: Dataset, rate: float, measured: Sequence[Beside]) -> list[dict[str, Any]]:
    """Raw results: a line a companion."""
    begin = {
        **stamp(), "command": "stalls", "subscribers": data.manifest.subscribers,
        "events": data.manifest.events, "rate": rate,
    }  # fmt: skip
    return [
        {
            **begin, "beside": one.companion.name, "title": one.companion.title,
            "elapsed_s": one.stall.elapsed_s, "done": len(one.times),
            "median_ms": one.median_ms, "longest_ms": max(one.times, default=0.0),
            "reads": one.stall.reads.count, "errors": one.stall.reads.errors,
            "p50_ms": one.stall.reads.ms(50), "p99_ms": one.stall.reads.ms(99),
            "max_ms": one.stall.reads.max_ms,
        }
        for one in measured
    ]  # fmt: skip
