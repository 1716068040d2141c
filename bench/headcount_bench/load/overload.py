"""More callers than a server takes: what is answered, what is refused, and how it is afterwards.

Every caller asks again as soon as it has its answer, so there are always as many calls waiting as
there are callers. A caller that was refused waits a little, as a client that tries again does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2
from headcount.v1 import query_service_pb2 as pb

from headcount_bench.load.calls import OPTIONS, Send, unary
from headcount_bench.load.driving import work
from headcount_bench.load.pace import Pace, Recorded
from headcount_bench.serving import Server

HEALTH_RATE = 10.0  # checks a second, on a connection of their own
_PAUSE_S = 0.1  # after a refusal
_LONGEST_S = 3_600.0
_MEMORY_S = 0.1  # between looks at the server's memory
_STREAMS = 1_000  # of one connection; servers refuse more, and clients wait then


@dataclass(slots=True)
class Overload:
    """What one number of callers met.

    Attributes:
        callers: at once.
        elapsed_s: from the first call to the last answer.
        answers: of the callers, each timed from when it was sent.
        health: checks of health meanwhile, from when they were due.
        before_bytes: the server's memory; 0 where its process isn't known.
        most_bytes: the most that it had.
        after_ms: a count once all callers were gone.
    """

    callers: int
    elapsed_s: float = 0.0
    answers: Recorded = field(default_factory=Recorded)
    health: Recorded = field(default_factory=Recorded)
    before_bytes: int = 0
    most_bytes: int = 0
    after_ms: float = 0.0

    @property
    def answered_per_s(self) -> float:
        """Answers a second."""
        return self.answers.count / self.elapsed_s if self.elapsed_s else 0.0


async def overload(
    server: Server,
    requests: Sequence[pb.CountRequest],
    callers: int,
    duration_s: float,
    deadline_s: float,
) -> Overload:
    """Has so many callers ask in turn for that long.

    Args:
        server: that answers.
        requests: what is asked.
        callers: at once; they share connections of 1,000 calls each.
        duration_s: no caller asks again after that; those that wait are waited for.
        deadline_s: of each call.
    """
    found = Overload(callers, before_bytes=_memory(server))
    found.most_bytes = found.before_bytes
    count = -(-callers // _STREAMS)
    channels = [grpc.aio.insecure_channel(server.address, OPTIONS) for _ in range(count)]
    apart = grpc.aio.insecure_channel(server.address, OPTIONS)
    await _checked(apart)(0)  # connected before it counts
    health = Pace(HEALTH_RATE, _LONGEST_S, time.perf_counter())
    watching: list[asyncio.Task[None]] = []
    try:
        watching = [
            asyncio.create_task(work(_checked(apart), health, found.health)),
            asyncio.create_task(_watch_memory(server, found)),
        ]
        begin = time.perf_counter()
        sends = [unary(channels[i % count], requests, deadline_s) for i in range(callers)]
        await asyncio.gather(
            *(_call(send, i, begin + duration_s, found.answers) for i, send in enumerate(sends))
        )
        found.elapsed_s = time.perf_counter() - begin
        begin = time.perf_counter()
        await unary(apart, requests)(0)
        found.after_ms = (time.perf_counter() - begin) * 1e3
    finally:
        health.stop()
        for task in watching[1:]:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for channel in (*channels, apart):
            await channel.close()
    return found


async def _call(send: Send, number: int, until: float, answers: Recorded) -> None:
    """One caller, until the time is up, and once at least."""
    clock = time.perf_counter
    begin = clock()
    while True:
        try:
            await send(number)
        except grpc.aio.AioRpcError as error:
            answers.fail(error.code().name)
            await asyncio.sleep(_PAUSE_S)
        else:
            answers.add(begin, begin, True, clock())
        number += 1
        begin = clock()
        if begin >= until:
            return


def _checked(channel: grpc.aio.Channel) -> Send:
    call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
    request = health_pb2.HealthCheckRequest().SerializeToString()

    async def send(number: int) -> None:
        await call(request)

    return send


async def _watch_memory(server: Server, found: Overload) -> None:
    while True:
        found.most_bytes = max(found.most_bytes, _memory(server))
        await asyncio.sleep(_MEMORY_S)


def _memory(server: Server) -> int:
    return 0 if server.pid is None else psutil.Process(server.pid).memory_info().rss
