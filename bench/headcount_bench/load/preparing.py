"""What to ask and to write, checked against the server before any load is put on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from headcount.v1 import query_service_pb2 as pb
from headcount_client.client import Client
from headcount_client.errors import HeadcountError, NotFound

from headcount_bench.counts import RULES as DEMO_RULES
from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.load.writing import Writes
from headcount_bench.workload.questions import STANDARD, Kind

_KEYS = 10_000


def default_rules() -> tuple[tuple[str, ...], ...]:
    """Mixes of rules; the first one that the audience's schema has everything for is asked."""
    standard = tuple(one.rule for one in STANDARD if one.kind is Kind.COUNT)
    return standard, DEMO_RULES


def requests_for(
    client: Client, audience: str, rules: Sequence[str], as_of: datetime | None
) -> list[pb.CountRequest]:
    """The questions as requests, each of which was answered once.

    Args:
        client: of the server.
        audience: who is asked about.
        rules: what is asked; empty: whichever default mix fits.
        as_of: the time that is taken for now; None: the server's.

    Raises:
        BenchFault: there is no such audience, or a rule doesn't fit it.
    """
    faults: list[BenchFault] = []
    for chosen in (rules,) if rules else default_rules():
        fault = _fault(client, audience, chosen, as_of)
        if fault is None:
            return [_request(audience, rule, as_of) for rule in chosen]
        faults.append(fault)
    raise faults[0]


def writes_for(client: Client, audience: str, rate: float) -> Writes:
    """Events to write beside, of the first event type and of keys that there are.

    Raises:
        BenchFault: the audience has no event type, or nobody.
    """
    found = client.get_audience(audience).audience
    declared = found.events if found else ()
    if not declared:
        raise BenchFault(f'audience "{audience}" declares no event type, so none can be written')
    keys = list(islice(client.list_members(audience, "everyone"), _KEYS))
    if not keys:
        raise BenchFault(f'audience "{audience}" has no subscribers: import some first')
    return Writes(audience, declared[0].name, keys, rate)


def _request(audience: str, rule: str, as_of: datetime | None) -> pb.CountRequest:
    request = pb.CountRequest(audience=audience, rule_text=rule)
    if as_of is not None:
        request.as_of.FromDatetime(as_of)
    return request


def _fault(
    client: Client, audience: str, rules: Sequence[str], as_of: datetime | None
) -> BenchFault | None:
    for rule in rules:
        try:
            client.count(audience, rule, as_of=as_of)
        except NotFound as error:
            return BenchFault(f"{error}; make it with `headcount audience create`", FAILED)
        except HeadcountError as error:
            return BenchFault(
                f'audience "{audience}" can\'t be asked `{rule}`: {error}; give rules that its'
                " schema has everything for with --rule",
                FAILED,
            )
    return None
