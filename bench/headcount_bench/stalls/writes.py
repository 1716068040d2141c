"""Bulk loads: batches made up and encoded before they are sent, a few on their way at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from headcount.v1 import ingest_service_pb2 as pb

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.workload.dataset import AS_OF, AUDIENCE, KEY_DIGITS

_ROWS = 10_000
_EVENT_BATCHES = 100
_IN_FLIGHT = 3
_DAY_US = 86_400_000_000
_DAYS = 300
_AS_OF_US = round(AS_OF.timestamp() * 1e6)
_COUNTRIES = ("DE", "FR", "IT")


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk load.

    Attributes:
        batches: how many there are.
        make: makes the batch of a number.
    """

    title: str
    batches: int
    make: Callable[[int], pb.StreamWritesRequest]

    def encoded(self) -> list[bytes]:
        """All batches."""
        return [self.make(number).SerializeToString() for number in range(self.batches)]


def _few_columns(number: int) -> pb.StreamWritesRequest:
    request, columns = _upsert(f"few{number:04d}-{{}}".format)
    columns.add(name="age").integers.values.extend([16 + i % 75 for i in range(_ROWS)])
    countries = columns.add(name="country").coded_texts
    countries.dictionary.extend(_COUNTRIES)
    countries.codes.extend([i % 3 for i in range(_ROWS)])
    return request


def _cells(number: int) -> pb.StreamWritesRequest:
    """As the command line sends a CSV file: every column as text."""
    request, columns = _upsert(f"cell{number:04d}-{{}}".format)
    _texts(columns, number)
    return request


def _changes(number: int, shift: int = 0) -> pb.StreamWritesRequest:
    """Other values for subscribers whom generated data sets have; a shift gives others again."""
    first = number * _ROWS + 1
    request, columns = _upsert(lambda i: f"s{first + i:0{KEY_DIGITS}d}")
    _texts(columns, number + shift)
    return request


def _texts(columns: Any, number: int) -> None:
    places = range(number, number + _ROWS)
    for name, values in (
        ("country", [_COUNTRIES[i % 3] for i in places]),
        ("city", [f"city {i % 500}" for i in places]),
        ("gender", ["female" if i % 2 else "male" for i in places]),
        ("age", [str(16 + i % 75) for i in places]),
        ("plan", ["pro" if i % 5 else "free" for i in places]),
        ("status", ["active" if i % 8 else "unsubscribed" for i in places]),
        ("interests", [f"running|interest {i % 150}" for i in places]),
        ("signup_date", [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in places]),
        ("lifetime_spend", [f"{i % 900}.{i % 90 + 10}" for i in places]),
        ("email", [f"somebody{i * 7}@mail{i % 90}.example" for i in places]),
    ):
        columns.add(name=name).texts.values.extend(values)


def _events(number: int) -> pb.StreamWritesRequest:
    request = pb.StreamWritesRequest()
    request.record_events.audience = AUDIENCE
    columns = request.record_events.columns
    columns.event = "open"
    people = [1 + (i * 37 + number * 11) % 3_000 for i in range(_ROWS)]
    columns.keys.texts.extend([f"s{i:0{KEY_DIGITS}d}" for i in people])
    span = _DAYS * _DAY_US // (_ROWS * _EVENT_BATCHES)
    begin = _AS_OF_US - _DAYS * _DAY_US + number * _ROWS * span
    columns.times.integers.values.extend([begin + i * span for i in range(_ROWS)])
    columns.columns.add(name="campaign").texts.values.extend(["a campaign"] * _ROWS)
    return request


def _upsert(key: Callable[[int], str]) -> tuple[pb.StreamWritesRequest, Any]:
    request = pb.StreamWritesRequest()
    request.upsert_subscribers.audience = AUDIENCE
    columns = request.upsert_subscribers.columns
    columns.keys.texts.extend([key(i) for i in range(_ROWS)])
    return request, columns.columns


BULKS = {
    "load": Bulk("a bulk load: 10,000 new subscribers, 2 attributes, a batch", 60, _few_columns),
    "load-text": Bulk("the same, 10 attributes as cells of text", 20, _cells),
    "changes": Bulk("10,000 subscribers changed in all 10, a batch", 20, _changes),
    "load-events": Bulk("10,000 events over 300 days, a batch", _EVENT_BATCHES, _events),
}
CHANGED_AGAIN = Bulk("as changes, with other values", 20, partial(_changes, shift=1))


async def send_batches(
    channel: grpc.aio.Channel, batches: Iterable[bytes], until: float
) -> list[float]:
    """Sends batches, a few at a time, until a time of the performance counter, at least one.

    Returns:
        Milliseconds from when each was sent to its acknowledgement.

    Raises:
        BenchFault: one was refused.
    """
    call: Any = channel.stream_stream("/headcount.v1.IngestService/StreamWrites")()
    sent: asyncio.Queue[float | None] = asyncio.Queue(_IN_FLIGHT)

    async def send() -> None:
        for number, batch in enumerate(batches):
            if number and time.perf_counter() > until:
                break
            await sent.put(time.perf_counter())
            await call.write(batch)
        await sent.put(None)
        await call.done_writing()

    times: list[float] = []
    sending = asyncio.create_task(send())
    try:
        while (begin := await sent.get()) is not None:
            answer = pb.StreamWritesResponse.FromString(await call.read())
            if answer.HasField("refused"):
                raise BenchFault(f"a batch was refused: {answer.refused.message}", FAILED)
            times.append((time.perf_counter() - begin) * 1e3)
    finally:
        sending.cancel()
        call.cancel()
    return times
