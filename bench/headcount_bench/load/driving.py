"""Drives one mode of load with a number of workers, and writes beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from headcount.v1 import query_service_pb2 as pb

from headcount_bench.load.calls import OPTIONS, Mode, Send, Typist, batch, unary
from headcount_bench.load.pace import Pace, Recorded
from headcount_bench.load.writing import Writes, write_on
from headcount_bench.serving import Server

_CONNECTIONS_MAX = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What load is put on a server.

    Attributes:
        requests: the questions, asked in turn.
        rate: calls a second.
        concurrency: calls that may wait for answers at once.
        duration_s: for how long.
        batch_size: rules in one call of ``Mode.BATCH``.
        writes: what is written meanwhile; None: nothing.
    """

    requests: Sequence[pb.CountRequest]
    rate: float
    concurrency: int
    duration_s: float
    batch_size: int
    writes: Writes | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One mode's figures.

    Attributes:
        elapsed_s: from the first call to the last answer.
        server_cpu_s: of the server's process in that time, writes included; 0: not known.
        written: events that were acknowledged meanwhile.
    """

    mode: Mode
    reads: Recorded
    writes: Recorded
    written: int
    elapsed_s: float
    server_cpu_s: float

    @property
    def calls_per_s(self) -> float:
        """Answers a second."""
        return self.reads.count / self.elapsed_s

    @property
    def cpu_us_per_call(self) -> float:
        """Microseconds of the server's processor for a call; 0: not known."""
        return self.server_cpu_s * 1e6 / max(1, self.reads.count)


async def drive(server: Server, mode: Mode, plan: Plan) -> Measured:
    """Puts load on a server until all calls are answered."""
    count = min(plan.concurrency, _CONNECTIONS_MAX)
    channels = [grpc.aio.insecure_channel(server.address, OPTIONS) for _ in range(count)]
    typists: list[Typist] = []
    sends: list[Send] = []
    for number in range(plan.concurrency):
        channel = channels[number % count]
        if mode is Mode.STREAM:
            typists.append(Typist(channel, plan.requests))
            sends.append(typists[-1].send)
        elif mode is Mode.BATCH:
            sends.append(batch(channel, plan.requests, plan.batch_size))
        else:
            sends.append(unary(channel, plan.requests))
    try:
        for send in sends:  # connected, and asked once, before it counts
            await send(0)
        return await _measured(server, mode, plan, sends, channels[0])
    finally:
        for typist in typists:
            typist.close()
        for channel in channels:
            await channel.close()


async def _measured(
    server: Server, mode: Mode, plan: Plan, sends: Sequence[Send], channel: grpc.aio.Channel
) -> Measured:
    reads, writes = Recorded(), Recorded()
    cpu_s = server.cpu_s()
    begin = time.perf_counter()
    writing: asyncio.Task[int] | None = None
    if plan.writes is not None:
        writing = asyncio.create_task(write_on(channel, plan.writes, plan.duration_s, writes))
    pace = Pace(plan.rate, plan.duration_s, begin)
    await asyncio.gather(*(work(send, pace, reads) for send in sends))
    elapsed = time.perf_counter() - begin
    written = 0 if writing is None else await writing
    return Measured(mode, reads, writes, written, elapsed, server.cpu_s() - cpu_s)


async def work(send: Send, pace: Pace, reads: Recorded) -> None:
    """One worker: sends calls when they are due, one at a time, until none is."""
    clock = time.perf_counter
    number = 0
    while (due := pace.take()) is not None:
        slept = clock() < due
        if slept:
            await asyncio.sleep(due - clock())
        woke = clock()
        try:
            await send(number)
        except grpc.aio.AioRpcError as error:
            reads.fail(error.code().name)
        except ValueError as error:
            reads.fail(str(error))
        else:
            reads.add(due, woke, slept, clock())
        number += 1
