"""Events that stream in while counts are asked for, at a rate of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from headcount.v1 import ingest_service_pb2 as pb

from headcount_bench.load.pace import Pace, Recorded

BATCH_EVENTS = 1_000
_BATCHES_PER_S = 20  # or more, where a batch would be larger than that many events


@dataclass(frozen=True, slots=True)
class Writes:
    """Events of one type, of keys taken in turn, at the time that they are sent.

    Attributes:
        rate: events a second.
    """

    audience: str
    event: str
    keys: Sequence[str | int]
    rate: float

    @property
    def size(self) -> int:
        """Events of one batch."""
        return min(BATCH_EVENTS, max(1, round(self.rate / _BATCHES_PER_S)))

    def batch(self, number: int) -> pb.StreamWritesRequest:
        """The batch of a number, from 0."""
        request = pb.StreamWritesRequest()
        columns = request.record_events.columns
        request.record_events.audience = self.audience
        columns.event = self.event
        first = number * self.size
        chosen = [self.keys[(first + i) % len(self.keys)] for i in range(self.size)]
        if isinstance(chosen[0], str):
            columns.keys.texts.extend([str(key) for key in chosen])
        else:
            columns.keys.numbers.extend([int(key) for key in chosen])
        columns.times.integers.values.extend([time.time_ns() // 1_000] * self.size)
        return request


async def write_on(
    channel: grpc.aio.Channel, writes: Writes, duration_s: float, recorded: Recorded
) -> int:
    """Writes at the rate for that long over one stream; returns how many events were taken."""
    method: Any = channel.stream_stream(
        "/headcount.v1.IngestService/StreamWrites",
        request_serializer=pb.StreamWritesRequest.SerializeToString,
        response_deserializer=pb.StreamWritesResponse.FromString,
    )
    call, clock = method(), time.perf_counter
    pace = Pace(writes.rate / writes.size, duration_s, clock())
    accepted = number = 0
    try:
        while (due := pace.take()) is not None:
            slept = clock() < due
            if slept:
                await asyncio.sleep(due - clock())
            woke = clock()
            await call.write(writes.batch(number))
            answer = await call.read()
            if not isinstance(answer, pb.StreamWritesResponse):  # the end of the stream
                recorded.fail("stream")
                break
            if answer.HasField("refused"):
                recorded.fail(answer.refused.reason)
            else:
                accepted += answer.accepted.accepted_count
                recorded.add(due, woke, slept, clock())
            number += 1
    except grpc.aio.AioRpcError as error:
        recorded.fail(error.code().name)
    finally:
        call.cancel()
    return accepted
