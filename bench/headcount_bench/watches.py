"""What watches cost while events stream in, and how fast a change is told.

Every write brings one new subscriber, so a watch of everyone changes with each; it stands last,
after the watches that are measured. For each acknowledged write the time until the
first update that reflects it is taken.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import deque
from collections.abc import Awaitable
from dataclasses import asdict, dataclass

from headcount.v1 import ingest_service_pb2 as pb
from headcount_client import AsyncClient
from headcount_client.demo.loading import AUDIENCE

STREAM = 999  # rules in one stream, the watch of everyone apart
WRITE_EVERY_S = 0.05
EVENTS = ("sent", "open", "click", "purchase")
CATEGORIES = ("shoes", "jackets", "bags", "home", "toys", "books")


@dataclass(frozen=True, slots=True)
class WatchFigures:
    """One number of watches at one rate of events.

    Attributes:
        written_per_s: how many of the events were acknowledged.
        cpu: the server's processor time over time, 1.0 for one whole core.
        idle_cpu: the same without watches.
        recount_cpu: what counting every rule ten times a second would take.
        client_cpu: of the client, which writes and reads on the same machine.
        p50_ms, p99_ms: from a write's acknowledgement to the update that reflects it.
    """

    watches: int
    events_per_s: float
    written_per_s: float
    cpu: float
    idle_cpu: float
    recount_cpu: float
    client_cpu: float
    updates_per_s: float
    p50_ms: float
    p99_ms: float

    def as_dict(self) -> dict[str, int | float]:
        """Plain values for JSON."""
        return asdict(self)


def rules(count: int) -> list[str]:
    """So many different rules of attributes and behaviour."""
    countries = ("DE", "FR", "US", "AT", "CH")
    return [
        f'country = "{countries[n % 5]}" and age >= {18 + n % 60} and did {EVENTS[n % 4]} at least'
        f" {1 + n % 3} times in last {7 + n % 83} days"
        for n in range(count)
    ]


async def measure(address: str, count: int, events_per_s: int, seconds: float) -> WatchFigures:
    """Watches while events stream in.

    Args:
        address: of a server with the made-up audience.
        count: how many watches.
        events_per_s: how many events to write in a second.
        seconds: how long.
    """
    async with AsyncClient(address, timeout_s=600) as client:
        asked = rules(count)
        keys = await _keys(client)
        recount = await _recount_s(client, asked) * 10
        idle, _ = await cpu_share(
            client, _written(client, keys, events_per_s, seconds / 2, deque())
        )
        watching = _Watching(client)
        async with asyncio.TaskGroup() as group:
            tasks = await watching.start(group, asked)
            await asyncio.sleep(1.0)
            before, own = watching.received, time.process_time()
            work = _written(client, keys, events_per_s, seconds, watching.acknowledged)
            cpu, took = await cpu_share(client, work)
            written = (watching.written() * int(events_per_s * WRITE_EVERY_S)) / took
            client_cpu = (time.process_time() - own) / took
            await asyncio.sleep(1.0)
            updates = (watching.received - before) / took
            for task in tasks:
                task.cancel()
    p50, p99 = _quantiles(watching.latencies_s)
    return WatchFigures(
        count,
        events_per_s,
        written,
        cpu,
        idle,
        recount,
        client_cpu,
        updates,
        1_000 * p50,
        1_000 * p99,
    )


class _Watching:
    """The streams, and what they tell of."""

    def __init__(self, client: AsyncClient) -> None:
        self.received = 0
        self.acknowledged: deque[tuple[int, float]] = deque()
        self.latencies_s: list[float] = []
        self._client = client

    async def start(self, group: asyncio.TaskGroup, asked: list[str]) -> list[asyncio.Task[None]]:
        """Watches rules, and everyone after them; returns when all first counts are there."""
        parts = [asked[start : start + STREAM] for start in range(0, len(asked), STREAM)]
        found: list[asyncio.Task[None]] = []
        for part in parts:
            ready = asyncio.Event()
            found.append(group.create_task(self._watch(part, part is parts[-1], ready)))
            await ready.wait()
        return found

    def written(self) -> int:
        """How many writes were acknowledged."""
        return len(self.acknowledged) + len(self.latencies_s)

    async def _watch(self, asked: list[str], is_last: bool, ready: asyncio.Event) -> None:
        marked = [*asked, "everyone"] if is_last else asked
        first = len(marked)
        async for update in self._client.watch(AUDIENCE, marked):
            self.received += 1
            first -= 1
            if not first:
                ready.set()
            if update.index == len(asked):
                now = time.perf_counter()
                while self.acknowledged and self.acknowledged[0][0] <= update.revision:
                    self.latencies_s.append(now - self.acknowledged.popleft()[1])


def _quantiles(latencies: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile; 0 of nothing."""
    if len(latencies) < 2:
        return (latencies[0], latencies[0]) if latencies else (0.0, 0.0)
    ends = statistics.quantiles(latencies, n=100, method="inclusive")
    return ends[49], ends[98]


async def _keys(client: AsyncClient) -> list[str]:
    """All keys in an order of no meaning, so that a batch is of anybody."""
    keys = [str(key) async for key in client.export_members(AUDIENCE, "everyone")]
    random.Random(1).shuffle(keys)
    return keys


async def _recount_s(client: AsyncClient, asked: list[str]) -> float:
    """Engine time of counting every rule once, from some of them, warm."""
    sample = asked[:: max(1, len(asked) // 100)]
    times: list[float] = []
    for _ in range(2):
        times = [(await client.count(AUDIENCE, rule)).engine_ms for rule in sample]
    return statistics.mean(times) / 1_000 * len(asked)


async def cpu_share(client: AsyncClient, work: Awaitable[None]) -> tuple[float, float]:
    """Processor time over time while ``work`` is done, and how long that took."""
    before, begin = await client.get_server_status(), time.perf_counter()
    await work
    took = time.perf_counter() - begin
    after = await client.get_server_status()
    assert before.cpu_duration is not None
    assert after.cpu_duration is not None
    return (after.cpu_duration - before.cpu_duration).total_seconds() / took, took


async def _written(
    client: AsyncClient,
    keys: list[str],
    events_per_s: int,
    seconds: float,
    acknowledged: deque[tuple[int, float]],
) -> None:
    """Writes events at a rate, in batches, and notes when each was acknowledged."""
    size = int(events_per_s * WRITE_EVERY_S)
    types, properties = _properties(size + 1)
    begin = time.perf_counter()
    number = 0
    while (now := time.perf_counter() - begin) < seconds:
        if not size or now < number * WRITE_EVERY_S:
            await asyncio.sleep(min(WRITE_EVERY_S, 0.01) if size else 0.5)
            continue
        number += 1
        now_us = time.time_ns() // 1_000
        start = number * size % (len(keys) - size)
        columns = pb.EventColumns(
            keys=pb.Keys(texts=[*keys[start : start + size], f"new-{now_us}"]),
            times=pb.Column(integers=pb.Integers(values=[now_us] * (size + 1))),
            events=types,
            columns=properties,
        )
        answer = await client.record_events(AUDIENCE, columns=columns, create_missing=True)
        acknowledged.append((answer.revision, time.perf_counter()))


def _properties(rows: int) -> tuple[pb.Column, list[pb.Column]]:
    """Types of so many events, in turn, and what they have: campaigns, and purchases more."""
    codes = [n % len(EVENTS) for n in range(rows)]
    bought = [code == EVENTS.index("purchase") for code in codes]
    types = pb.Column(coded_texts=pb.CodedTexts(dictionary=EVENTS, codes=codes))
    campaigns = [f"bench-{n}" for n in range(50)]
    amounts = pb.Decimals(scale=2, unscaled=[500 + 37 * n % 20_000 for n in range(rows)])
    categories = pb.CodedTexts(dictionary=CATEGORIES, codes=[n // 4 % 6 for n in range(rows)])
    spread = [n // 4 % 50 for n in range(rows)]
    return types, [
        pb.Column(name="campaign", coded_texts=pb.CodedTexts(dictionary=campaigns, codes=spread)),
        pb.Column(name="category", coded_texts=categories, present=bought),
        pb.Column(name="amount", decimals=amounts, present=bought),
    ]
