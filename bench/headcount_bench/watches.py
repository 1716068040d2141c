"""What watches cost while events stream in, and how fast a change is told.

Every write brings one new subscriber, so a watch of everyone changes with each; it stands last in
its stream, after the watches that are measured. For each acknowledged write the time until the
first update that reflects it is taken.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from headcount.v1 import ingest_service_pb2 as pb
from headcount_client import AsyncClient
from headcount_client.demo.loading import AUDIENCE

STREAM = 1_000  # rules in one stream
WRITE_EVERY_S = 0.05
EVENTS = ("sent", "open", "click", "purchase")


@dataclass(frozen=True, slots=True)
class WatchFigures:
    """One number of watches at one rate of events.

    Attributes:
        cpu: the server's processor time over time, 1.0 for one whole core.
        idle_cpu: the same without watches.
        recount_cpu: what counting every rule ten times a second would take.
        p50_ms, p99_ms: from a write's acknowledgement to the update that reflects it.
    """

    watches: int
    events_per_s: float
    cpu: float
    idle_cpu: float
    recount_cpu: float
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
        keys = [key async for key in _some(client)]
        recount = await _recount_s(client, asked) * 10
        idle, _ = await cpu_share(
            client, _written(client, keys, events_per_s, seconds / 2, deque())
        )
        acknowledged: deque[tuple[int, float]] = deque()
        latencies: list[float] = []
        received = [0]
        parts = [asked[start : start + STREAM] for start in range(0, count, STREAM)]
        ready = asyncio.Event()
        tasks = [
            asyncio.create_task(_watch(client, part, received, acknowledged, latencies, ready))
            for part in parts
        ]
        await ready.wait()
        while received[0] < count:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        before = received[0]
        work = _written(client, keys, events_per_s, seconds, acknowledged)
        cpu, took = await cpu_share(client, work)
        await asyncio.sleep(1.0)
        updates = (received[0] - before) / took
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    p50 = statistics.median(latencies) if latencies else 0.0
    p99 = (
        statistics.quantiles(latencies, n=100, method="inclusive")[-1]
        if len(latencies) > 1
        else 0.0
    )
    return WatchFigures(count, events_per_s, cpu, idle, recount, updates, 1_000 * p50, 1_000 * p99)


async def _some(client: AsyncClient) -> AsyncIterator[str]:
    page = await client.list_members_page(AUDIENCE, "everyone", page_size=10_000)
    for key in page.keys:
        yield str(key)


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
    begin = time.perf_counter()
    number = 0
    while (now := time.perf_counter() - begin) < seconds:
        if not size or now < number * WRITE_EVERY_S:
            await asyncio.sleep(min(WRITE_EVERY_S, 0.01) if size else 0.5)
            continue
        number += 1
        moment = datetime.now(UTC)
        start = number * size % (len(keys) - size)
        columns = pb.EventColumns(
            keys=pb.Keys(texts=[*keys[start : start + size], f"new-{moment.timestamp()}"]),
            times=pb.Column(integers=pb.Integers(values=[int(moment.timestamp())] * (size + 1))),
            events=pb.Column(texts=pb.Texts(values=(EVENTS * (size // 4 + 1))[: size + 1])),
        )
        answer = await client.record_events(AUDIENCE, columns=columns, create_missing=True)
        acknowledged.append((answer.revision, time.perf_counter()))


async def _watch(
    client: AsyncClient,
    asked: list[str],
    received: list[int],
    acknowledged: deque[tuple[int, float]],
    latencies: list[float],
    ready: asyncio.Event,
) -> None:
    first = not ready.is_set()
    ready.set()
    async for update in client.watch(AUDIENCE, [*asked, "everyone"] if first else asked):
        received[0] += 1
        if update.index == len(asked):
            now = time.perf_counter()
            while acknowledged and acknowledged[0][0] <= update.revision:
                latencies.append(now - acknowledged.popleft()[1])
