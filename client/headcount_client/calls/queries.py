"""The calls of QueryService. All of them may be repeated.

``rule`` is a rule's text, a protobuf ``Rule`` or what the typed builder makes; ``segment`` names a
segment instead. ``as_of`` is an aware datetime, or a date, which stands for its midnight in the
audience's zone and costs one more call. ``parameters`` binds the ``$name`` of rules to strings,
integers, Decimals, dates, aware datetimes, or lists of them. ``within`` is and-ed at the root. With
``at_least_revision`` the answer reflects at least that revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from headcount.v1 import query_service_pb2 as pb
from headcount.v1 import rule_pb2

from headcount_client import results, values
from headcount_client.calls.questions import (
    AsOf,
    Parameters,
    RuleLike,
    add_questions,
    options,
    set_parameters,
    set_question,
    set_rule,
)
from headcount_client.calls.steps import Steps, read
from headcount_client.results.convert import result
from headcount_client.values import Key

SERVICE = "QueryService"
By = str | pb.BreakdownBy | Mapping[str, Any]


def count(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
    waterfall: bool = False,
) -> Steps[results.CountResponse]:
    """How many match a rule, and how many of them can be reached."""
    request = pb.CountRequest(waterfall=waterfall)
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "Count", request)))


def batch_count(
    audience: str,
    questions: Iterable[RuleLike | pb.Question],
    *,
    segments: Iterable[str] = (),
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.BatchCountResponse]:
    """The counts of many rules, then segments, at one revision: a sequence of results.

    A rule that can't be answered has an ``error`` in its place.
    """
    request = pb.BatchCountRequest()
    add_questions(request.questions, questions, segments)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "BatchCount", request)))


def explain(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
    tolerant: bool = False,
) -> Steps[results.ExplainResponse]:
    """The count at every node of a rule: alone, cumulative, and what it removes."""
    request = pb.ExplainRequest(tolerant=tolerant)
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "Explain", request)))


def count_stream_request(
    audience: str,
    rule: RuleLike | None,
    segment: str | None,
    slot: int,
    sequence: int,
    as_of: AsOf,
    parameters: Parameters,
    within: RuleLike | None,
    at_least_revision: int,
    tolerant: bool,
    explain: bool,
) -> Steps[pb.CountStreamRequest]:
    """A question on a slot of CountStream."""
    request = pb.CountStreamRequest(
        slot=slot, sequence=sequence, tolerant=tolerant, explain=explain
    )
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return request


def list_members_page(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    page_size: int = 0,
    page_token: str = "",
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.ListMembersResponse]:
    """One page of ``list_members``, with how many match in all and the token of the next page."""
    request = pb.ListMembersRequest(page_size=page_size, page_token=page_token)
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "ListMembers", request)))


def sample_members(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    size: int = 10,
    seed: str = "",
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.SampleMembersResponse]:
    """Some members, up to 10,000, chosen at random: the same ones for the same seed."""
    request = pb.SampleMembersRequest(size=size, seed=seed)
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "SampleMembers", request)))


def breakdown(
    audience: str,
    rule: RuleLike | None = None,
    by: By | Sequence[By] = (),
    *,
    segment: str | None = None,
    base: RuleLike | None = None,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.BreakdownResponse]:
    """Counts by the values of one attribute or several, with lift against a base.

    Each of ``by`` is an attribute's name or a dict of attribute, limit, edges (numbers) and unit
    (``"month"``). ``values`` of the answer are those of the first one.
    """
    request = pb.BreakdownRequest()
    listed = [by] if isinstance(by, str | pb.BreakdownBy | Mapping) else by
    for one in listed:
        request.by.add().CopyFrom(_by(one))
    set_question(request, rule, segment)
    if base is not None:
        set_rule(request, base, "base", "base_text")
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "Breakdown", request)))


def overlap(
    audience: str,
    questions: Iterable[RuleLike | pb.Question] = (),
    *,
    segments: Iterable[str] = (),
    regions: bool = False,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.OverlapResponse]:
    """How many several rules, then segments, have in common, pair by pair and region by region."""
    request = pb.OverlapRequest(regions=regions)
    add_questions(request.questions, questions, segments)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "Overlap", request)))


def match_subscriber(
    audience: str,
    key: Key,
    questions: Iterable[RuleLike | pb.Question] = (),
    *,
    segments: Iterable[str] = (),
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.MatchSubscriberResponse]:
    """Which rules and segments a subscriber matches; without any, every segment is tried."""
    request = pb.MatchSubscriberRequest(key=values.key(key))
    add_questions(request.questions, questions, segments)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "MatchSubscriber", request)))


def get_segment_history(
    audience: str,
    segment: str,
    *,
    unit: str = "day",
    start_time: datetime | None = None,
    end_time: datetime | None = None,
) -> Steps[results.GetSegmentHistoryResponse]:
    """Sizes of a segment over time, by ``minute``, ``hour`` or ``day``."""
    request = pb.GetSegmentHistoryRequest(audience=audience, segment=segment, unit=_unit(unit))
    if start_time is not None:
        request.start_time.CopyFrom(values.timestamp(start_time))
    if end_time is not None:
        request.end_time.CopyFrom(values.timestamp(end_time))
    return result((yield read(SERVICE, "GetSegmentHistory", request)))


def parse_rule(
    rule_text: str, *, audience: str = "", tolerant: bool = False
) -> Steps[results.ParseRuleResponse]:
    """The tree of a rule's text; with an audience, its schema must fit."""
    request = pb.ParseRuleRequest(rule_text=rule_text, audience=audience, tolerant=tolerant)
    return result((yield read(SERVICE, "ParseRule", request)))


def format_rule(rule: RuleLike) -> Steps[results.FormatRuleResponse]:
    """The text of a rule's tree, protobuf or built."""
    if isinstance(rule, str):
        raise TypeError("format_rule takes a tree; parse_rule(text).formatted_text formats a text")
    request = pb.FormatRuleRequest()
    set_rule(request, rule, "rule", "")
    return result((yield read(SERVICE, "FormatRule", request)))


def suggest_rule(
    audience: str, rule_text: str, position: int, *, limit: int = 20
) -> Steps[results.SuggestRuleResponse]:
    """What can stand at a place (code points from 0) in an unfinished text."""
    request = pb.SuggestRuleRequest(
        audience=audience, rule_text=rule_text, position=position, limit=limit
    )
    return result((yield read(SERVICE, "SuggestRule", request)))


def watch_request(
    audience: str,
    questions: Iterable[RuleLike | pb.Question],
    segments: Iterable[str],
    parameters: Parameters,
    within: RuleLike | None,
    at_least_revision: int,
    min_interval: timedelta | None,
    members: bool,
) -> pb.WatchRequest:
    """The request of a watch."""
    request = pb.WatchRequest(
        audience=audience, members=members, at_least_revision=at_least_revision
    )
    add_questions(request.questions, questions, segments)
    set_parameters(request, parameters)
    if within is not None:
        set_rule(request, within, "within", "within_text")
    if min_interval is not None:
        request.min_interval_duration.CopyFrom(values.duration(min_interval))
    return request


def _by(by: By) -> pb.BreakdownBy:
    if isinstance(by, pb.BreakdownBy):
        return by
    if isinstance(by, str):
        return pb.BreakdownBy(attribute=by)
    unknown = set(by) - {"attribute", "limit", "edges", "unit"}
    if unknown:
        raise TypeError(f"{sorted(unknown)} can't stand in by; attribute, limit, edges, unit can")
    edges = [_edge(edge) for edge in by.get("edges", ())]
    message = pb.BreakdownBy(attribute=by["attribute"], limit=by.get("limit", 0), edges=edges)
    if by.get("unit"):
        message.unit = _unit(by["unit"])
    return message


def _edge(edge: Any) -> str:
    if isinstance(edge, float):
        raise values.refuse_float(edge)
    return edge if isinstance(edge, str) else values.decimal_text(Decimal(edge))


def _unit(name: str) -> rule_pb2.Unit.ValueType:
    try:
        return rule_pb2.Unit.Value(f"UNIT_{name.upper().removesuffix('S')}")
    except ValueError:
        raise ValueError(f"{name!r} is no unit; minute, hour, day, … year are") from None
