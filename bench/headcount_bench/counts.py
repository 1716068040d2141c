"""Counts over gRPC: a server in a process of its own, made-up data, one blocking client.

The engine's time is what the server says it took; the call's time is the client's, round trip and
decoding included. The first ask of a rule is told apart (cold): it builds what later ones share.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from headcount_client.client import Client
from headcount_client.demo.loading import AUDIENCE, SCHEMA, load_events, load_people
from headcount_client.demo.people import generate

from headcount_bench.serving import serving

LAST_DAY = (date(2026, 6, 30) - date(1970, 1, 1)).days
AS_OF = datetime(2026, 6, 29, 22, tzinfo=UTC)  # midnight in Berlin; a date costs another call
TEN_CONDITIONS = (
    'country in ("DE", "AT", "CH") and age between 25 and 54 and not plan = "free"'
    ' and gender = "female" and (tags has "sale" or tags has "outdoor")'
    ' and lifetime_spend >= 20.00 and signup_date in last 5 years and not tags has "beta"'
    " and did open in last 90 days"
)
RULES = (
    "everyone",
    'country = "DE"',
    'country in ("DE", "AT", "CH") and age between 25 and 44',
    'tags has any of ("sale", "outdoor") and not tags has "beta"',
    'lifetime_spend > 100 and plan = "pro"',
    "did open in last 30 days",
    "did open at least 3 times in last 30 days",
    "did open in last 30 days and did not click in last 90 days",
    'did purchase where (category = "shoes" and amount > 50) in last 180 days',
    'email ends with "@gmail.com"',
    TEN_CONDITIONS,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How loading went."""

    subscribers_per_s: float
    event_count: int
    events_per_s: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class CountFigures:
    """One rule's figures, in milliseconds; medians unless said otherwise."""

    rule: str
    total: int
    cold_engine_ms: float
    engine_ms: float
    call_ms: float
    call_p95_ms: float

    def as_dict(self) -> dict[str, str | int | float]:
        """Plain values for JSON."""
        return asdict(self)


def measure(subscribers: int, repeats: int, data: Path | None) -> tuple[Loaded, list[CountFigures]]:
    """Loads a server and counts.

    Args:
        subscribers: how many to make up; events are about 15 for each.
        repeats: how often each rule is asked when it is warm.
        data: directory of the server's data; None: a temporary one.
    """
    with (
        tempfile.TemporaryDirectory(prefix="headcount-bench-") as temporary,
        serving(data or Path(temporary)) as server,
        Client(server.address, timeout_s=600) as client,
    ):
        loaded = _load(client, subscribers)
        return loaded, [_count(client, rule, repeats) for rule in RULES]


def _load(client: Client, subscribers: int) -> Loaded:
    people, events = generate(subscribers, LAST_DAY)
    client.create_audience(AUDIENCE, SCHEMA)
    begin = time.perf_counter()
    for _ in load_people(client, people):
        pass
    between = time.perf_counter()
    for one in events:
        for _ in load_events(client, people, one):
            pass
    end = time.perf_counter()
    event_count = sum(map(len, events))
    return Loaded(
        subscribers / (between - begin),
        event_count,
        event_count / (end - between),
        client.get_server_status().resident_bytes,
    )


def _count(client: Client, rule: str, repeats: int) -> CountFigures:
    cold = client.count(AUDIENCE, rule, as_of=AS_OF)
    engine: list[float] = []
    calls: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        answer = client.count(AUDIENCE, rule, as_of=AS_OF)
        calls.append((time.perf_counter() - begin) * 1_000)
        engine.append(answer.engine_ms)
    return CountFigures(
        rule,
        cold.total,
        cold.engine_ms,
        statistics.median(engine),
        statistics.median(calls),
        statistics.quantiles(calls, n=20)[-1],
    )
