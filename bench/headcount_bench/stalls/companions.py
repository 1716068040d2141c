"""What reads are measured beside: heavy questions, bulk loads, a snapshot.

Requests are encoded before anything is measured and answers are left undecoded, so that the client,
which shares the machine, takes as little of it as it can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from headcount.v1 import query_service_pb2 as pb
from headcount.v1.admin_service_pb2 import CreateSnapshotRequest
from headcount.v1.query_service_pb2 import ExportFormat

from headcount_bench.stalls.writes import BULKS, CHANGED_AGAIN, Bulk, send_batches
from headcount_bench.workload.dataset import AS_OF, AUDIENCE
from headcount_bench.workload.questions import STANDARD, Kind, find

Channel = grpc.aio.Channel
Times = list[float]  # milliseconds of each question or batch
_QUERY = "/headcount.v1.QueryService"
_ACTIVE = 'status = "active"'
_COUNTS = tuple(one.rule for one in STANDARD if one.kind is Kind.COUNT)


@dataclass(frozen=True, slots=True)
class Companion:
    """Something heavy.

    Attributes:
        name: for the command line.
        title: for people.
        ready: does what comes before, and isn't measured.
        run: goes on until a time of the performance counter, at least once.
    """

    name: str
    title: str
    run: Callable[[Channel, float], Awaitable[Times]]
    ready: Callable[[Channel], Awaitable[None]] | None = None


def companions() -> list[Companion]:
    """All of them, in the order in which they are measured: those that write come last."""
    found = [Companion("none", "nothing", _nothing), *_asked()]
    found += [_bulk(name, bulk) for name, bulk in BULKS.items()]
    found.append(Companion("snapshot", "a snapshot, 200,000 rows changed", _snapshot, _changed))
    return found


def _asked() -> list[Companion]:
    """The heaviest questions; those called new are never asked twice."""
    fifty = [f"{rule} and age != {16 + i}" for i in range(5) for rule in _COUNTS[:10]]
    overlap = pb.OverlapRequest(audience=AUDIENCE, questions=_questions(fifty))
    regions = pb.OverlapRequest(audience=AUDIENCE, questions=_questions(_COUNTS[:8]), regions=True)
    many = [_COUNTS[i % len(_COUNTS)] for i in range(1_000)]
    twenty = " and ".join(f"age != {age}" for age in range(16, 35)) + f" and {_ACTIVE}"
    return [
        _same("overlap", "Overlap of 50 rules pairwise", "Overlap", overlap),
        _same("regions", "Overlap of 8 rules with regions", "Overlap", regions),
        *(
            _same(f"breakdown-{by}", f"Breakdown by {by}", "Breakdown", _breakdown(by))
            for by in ("country", "city", "age")
        ),
        Companion("list", "ListMembers, pages of 1,000 keys", _pages),
        Companion("export", "ExportMembers, all keys", _export),
        _same(
            "sample", "SampleMembers, 100 keys", "SampleMembers",
            pb.SampleMembersRequest(audience=AUDIENCE, rule_text=_ACTIVE, size=100, seed="bench"),
        ),
        _same(
            "batch", "BatchCount of 1,000 rules", "BatchCount",
            pb.BatchCountRequest(audience=AUDIENCE, questions=_questions(many)),
        ),
        _same(
            "explain", "Explain of 20 conditions", "Explain",
            pb.ExplainRequest(audience=AUDIENCE, rule_text=twenty),
        ),
        _new("contains", "Count of a new part of an e-mail", _part),
        _new("window", "Count of a new window", _window),
        _new("times", "Count of a new number of times", _times),
        _new("sum", "Count of a new sum", _sum),
        _same("sequence", "Count of a sequence", "Count", _count(find("x2").rule)),
    ]  # fmt: skip


def _part(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    place = number * 7_919 + 4_321
    return 'email contains "{}"'.format("".join(letters[place // 26**i % 26] for i in range(4)))


def _window(number: int) -> str:
    first = number % 150
    return f"did open between {first} and {first + 31 + number // 150} days ago"


def _times(number: int) -> str:
    return f"did open at least 2 times in last {31 + number} days and {_ACTIVE}"


def _sum(number: int) -> str:
    return f"sum(purchase.amount) >= {150 + number}.25 in last {90 + number} days"


def _questions(rules: Sequence[str]) -> list[pb.Question]:
    return [pb.Question(rule_text=rule) for rule in rules]


def _breakdown(by: str) -> pb.BreakdownRequest:
    limit = 10_000 if by == "city" else 100
    request = pb.BreakdownRequest(audience=AUDIENCE, rule_text=_ACTIVE)
    request.by.add(attribute=by, limit=limit)
    return request


def _count(rule: str) -> pb.CountRequest:
    return pb.CountRequest(audience=AUDIENCE, rule_text=rule)


def _encoded(request: Any) -> bytes:
    request.as_of.FromDatetime(AS_OF)
    return request.SerializeToString()


def _same(name: str, title: str, method: str, request: Any) -> Companion:
    """One question, asked again and again."""
    encoded = _encoded(request)

    async def run(channel: Channel, until: float) -> Times:
        call: Any = channel.unary_unary(f"{_QUERY}/{method}")

        async def once(number: int) -> None:
            await call(encoded)

        return await repeated(once, until)

    return Companion(name, title, run)


def _new(name: str, title: str, rule: Callable[[int], str]) -> Companion:
    """``Count`` of another rule each time."""

    async def run(channel: Channel, until: float) -> Times:
        call: Any = channel.unary_unary(f"{_QUERY}/Count")

        async def once(number: int) -> None:
            await call(_encoded(_count(rule(number))))

        return await repeated(once, until)

    return Companion(name, title, run)


async def _nothing(channel: Channel, until: float) -> Times:
    async def once(number: int) -> None:
        await asyncio.sleep(max(0.0, until - time.perf_counter()))

    await repeated(once, until)
    return []


async def _pages(channel: Channel, until: float) -> Times:
    call: Any = channel.unary_unary(f"{_QUERY}/ListMembers")
    request = pb.ListMembersRequest(audience=AUDIENCE, rule_text=_ACTIVE, page_size=1_000)

    async def once(number: int) -> None:
        found = pb.ListMembersResponse.FromString(await call(_encoded(request)))
        request.page_token = found.next_page_token

    return await repeated(once, until)


async def _export(channel: Channel, until: float) -> Times:
    call: Any = channel.unary_stream(f"{_QUERY}/ExportMembers")
    request = pb.ExportMembersRequest(
        audience=AUDIENCE, rule_text=_ACTIVE, format=ExportFormat.EXPORT_FORMAT_KEYS
    )

    async def once(number: int) -> None:
        async for _ in call(_encoded(request)):
            if time.perf_counter() > until and number:
                break

    return await repeated(once, until)


def _bulk(name: str, bulk: Bulk) -> Companion:
    batches: list[bytes] = []

    async def ready(channel: Channel) -> None:
        batches.extend(bulk.encoded())

    async def run(channel: Channel, until: float) -> Times:
        return await send_batches(channel, batches, until)

    return Companion(name, bulk.title, run, ready)


async def _changed(channel: Channel) -> None:
    await send_batches(channel, CHANGED_AGAIN.encoded(), float("inf"))


async def _snapshot(channel: Channel, until: float) -> Times:
    """One, however long it takes."""
    call: Any = channel.unary_unary("/headcount.v1.AdminService/CreateSnapshot")

    async def once(number: int) -> None:
        await call(CreateSnapshotRequest().SerializeToString())

    return await repeated(once, 0.0)


async def repeated(once: Callable[[int], Awaitable[None]], until: float) -> Times:
    """Milliseconds of each call, one after the other; the first comes in any case."""
    times: Times = []
    while not times or time.perf_counter() < until:
        begin = time.perf_counter()
        await once(len(times))
        times.append((time.perf_counter() - begin) * 1e3)
    return times
