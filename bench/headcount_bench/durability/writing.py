"""Durable events a second through the service: in batches, and one by one from many clients.

A closed loop: each client sends its next write when the last one is acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from headcount.v1 import ingest_service_pb2 as pb

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.load.calls import OPTIONS
from headcount_bench.load.pace import LONGEST_US, histogram

AUDIENCE, EVENT = "durable", "open"
SCHEMA = """
[audience]
key = "string"
[attributes]
country = "keyword"
[events.open]
dimensions = ["campaign"]
"""
BATCH_EVENTS = 1_000
_SERVICE = "/headcount.v1.IngestService"
_CONNECTIONS_MAX = 8
Write = Callable[[int], Awaitable[None]]  # writes one batch or event, of a number


@dataclass(slots=True)
class Written:
    """Figures of one way of writing; ``latency`` in microseconds."""

    sync: str
    way: str
    clients: int
    events: int = 0
    elapsed_s: float = 0.0
    server_cpu_s: float = 0.0
    latency: Any = field(default_factory=histogram)

    @property
    def events_per_s(self) -> float:
        """Acknowledged events a second."""
        return self.events / self.elapsed_s

    @property
    def cpu_us_per_event(self) -> float:
        """Microseconds of the server's processor for an event."""
        return self.server_cpu_s * 1e6 / max(1, self.events)

    def ms(self, percent: float) -> float:
        """The time to the acknowledgement that ``percent`` of the writes stay within."""
        return self.latency.get_value_at_percentile(percent) / 1_000


def key_of(number: int) -> str:
    """A subscriber's key."""
    return f"s{number:07d}"


def batch_of(number: int, people: int, size: int = BATCH_EVENTS) -> pb.RecordEventsRequest:
    """Events as columns, of people far from each other, at the present time."""
    request = pb.RecordEventsRequest(audience=AUDIENCE)
    columns = request.columns
    columns.event = EVENT
    first = number * 7_919
    columns.keys.texts.extend([key_of((first + i * 104_729) % people) for i in range(size)])
    columns.times.integers.values.extend([time.time_ns() // 1_000] * size)
    campaign = columns.columns.add(name="campaign").coded_texts
    campaign.dictionary.extend(["spring", "summer"])
    campaign.codes.extend([i & 1 for i in range(size)])
    return request


def event_of(number: int, people: int) -> pb.RecordEventsRequest:
    """One event as a row."""
    request = pb.RecordEventsRequest(audience=AUDIENCE)
    row = request.rows.add(event=EVENT)
    row.key.text = key_of(number * 104_729 % people)
    row.time.FromMicroseconds(time.time_ns() // 1_000)
    row.dimensions["campaign"] = "spring"
    return request


async def written(
    address: str, written: Written, duration_s: float, people: int, *, single: bool, stream: bool
) -> Written:
    """Writes for that long and fills in the figures.

    Args:
        address: of the server, which has the audience with ``people`` subscribers.
        written: says by how many clients.
        duration_s: for how long.
        people: how many subscribers there are.
        single: whether a write is one event, or a batch.
        stream: whether a client writes over a stream of its own, or with unary calls.

    Raises:
        BenchFault: a write was refused.
    """
    count = min(written.clients, _CONNECTIONS_MAX)
    channels = [grpc.aio.insecure_channel(address, OPTIONS) for _ in range(count)]
    make = event_of if single else batch_of
    size = 1 if single else BATCH_EVENTS
    begin = time.perf_counter()
    end = begin + duration_s

    async def client(number: int) -> None:
        channel = channels[number % count]
        write = _streaming(channel) if stream else _unary(channel)
        turn = number
        while time.perf_counter() < end:
            request = make(turn, people)
            turn += written.clients
            sent = time.perf_counter()
            await write(request)
            micros = round((time.perf_counter() - sent) * 1e6)
            written.latency.record_value(min(LONGEST_US, max(1, micros)))
            written.events += size

    try:
        await asyncio.gather(*(client(number) for number in range(written.clients)))
    except grpc.aio.AioRpcError as error:
        raise BenchFault(f"a write was refused: {error.details()}", FAILED) from None
    finally:
        written.elapsed_s = time.perf_counter() - begin
        for channel in channels:
            await channel.close()
    return written


def _unary(channel: grpc.aio.Channel) -> Callable[[pb.RecordEventsRequest], Awaitable[object]]:
    return channel.unary_unary(
        f"{_SERVICE}/RecordEvents",
        request_serializer=pb.RecordEventsRequest.SerializeToString,
        response_deserializer=pb.RecordEventsResponse.FromString,
    )  # pyright: ignore[reportReturnType]


def _streaming(channel: grpc.aio.Channel) -> Callable[[pb.RecordEventsRequest], Awaitable[object]]:
    method: Any = channel.stream_stream(
        f"{_SERVICE}/StreamWrites",
        request_serializer=pb.StreamWritesRequest.SerializeToString,
        response_deserializer=pb.StreamWritesResponse.FromString,
    )
    call = method()

    async def write(request: pb.RecordEventsRequest) -> None:
        await call.write(pb.StreamWritesRequest(record_events=request))
        answer = await call.read()
        if not isinstance(answer, pb.StreamWritesResponse) or answer.HasField("refused"):
            told = answer.refused.message if isinstance(answer, pb.StreamWritesResponse) else "end"
            raise BenchFault(f"a write was refused: {told}", FAILED)

    return write
