"""Answers of ``core.query`` as messages of QueryService."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headcount.v1 import query_service_pb2

from headcount_server.core import bitmaps, query
from headcount_server.core.commands import Keys
from headcount_server.core.query import Ask, Count
from headcount_server.core.query.suggest import Suggestion
from headcount_server.core.rules import tree
from headcount_server.core.schema import KeyType
from headcount_server.errors import HeadcountError, Violation
from headcount_server.rpc.keys import set_keys
from headcount_server.rpc.places import contract_place
from headcount_server.rpc.questions import Asked
from headcount_server.rpc.rules import span_message
from headcount_server.rpc.status import FAULTS_MAX, add_faults, question_error
from headcount_server.rpc.times import set_time

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

EXPORT_KEYS = 10_000  # keys in one message of an export
EXPORT_BYTES = 1 << 20  # bytes of a bitmap in one message


def set_count(message: query_service_pb2.CountResponse, found: Count) -> None:
    """Fill in a count with its waterfall."""
    message.total, message.reachable = found.total, found.reachable
    for step in found.waterfall:
        message.waterfall.add(label=step.label, count=step.count, removed_count=step.removed_count)


def set_counts(
    message: query_service_pb2.BatchCountResponse,
    asked: Sequence[Asked | HeadcountError],
    found: Sequence[Count | HeadcountError],
) -> None:
    """Fill in one result for each question."""
    for question, one in zip(asked, found, strict=True):
        if isinstance(one, HeadcountError):
            error = question.located(one) if isinstance(question, Asked) else one
            question_error(error, message.results.add().error)
        else:
            message.results.add(total=one.total, reachable=one.reachable)


def set_forecast(
    message: query_service_pb2.ForecastResponse, points: Sequence[query.ForecastPoint]
) -> None:
    """Fill in the points of a forecast."""
    for point in points:
        added = message.points.add(
            total=point.total,
            reachable=point.reachable,
            entered_count=point.entered,
            left_count=point.left,
        )
        set_time(added.time, point.time_us)


def set_diff(message: query_service_pb2.DiffResponse, found: query.Diff, key_type: KeyType) -> None:
    """Fill in what two versions of a rule have in common, and each alone."""
    message.old_total, message.new_total = found.old_total, found.new_total
    for target, part in (
        (message.both, found.both),
        (message.only_old, found.only_old),
        (message.only_new, found.only_new),
    ):
        target.SetInParent()
        target.total, target.reachable = part.total, part.reachable
        set_keys(target.sample, part.sample, key_type)


def set_explanation(
    message: query_service_pb2.ExplainResponse | query_service_pb2.CountStreamResponse,
    asked: Asked,
    found: query.Explanation,
) -> None:
    """Fill in the counts of a rule and of its nodes, and what was left out of it."""
    message.total, message.reachable = found.total, found.reachable
    if not asked.nothing_left:
        set_explained(message.root, asked, found.root)
    set_incomplete(message.incomplete, asked, found.incomplete)


def set_incomplete(
    target: RepeatedCompositeFieldContainer[query_service_pb2.RuleFault],
    asked: Asked,
    unbound: Sequence[Violation],
) -> None:
    """Tell what was left out: what is unfinished in the text, and what can't be bound."""
    told = [*asked.incomplete, *(asked.placed(violation) for violation in unbound)]
    told.sort(key=lambda violation: violation.start)
    add_faults(told[:FAULTS_MAX], target)


def set_explained(
    message: query_service_pb2.ExplainNode, asked: Asked, node: query.ExplainNode
) -> None:
    """Fill in a node and those below it."""
    message.text = node.text
    message.field = contract_place(node.field)
    span_message(node.span, message.span)
    message.count = node.count
    message.cumulative_count = node.cumulative_count
    message.removed_count = node.removed_count
    if node.without_count is not None:
        message.without_count = node.without_count
    if node.error is not None:
        question_error(asked.located(node.error), message.error)
    for warning in node.warnings:
        message.warnings.add(reason=warning.reason, message=warning.message)
    for below in node.nodes:
        set_explained(message.nodes.add(), asked, below)


def set_matched(message: query_service_pb2.MatchNode, node: query.MatchNode) -> None:
    """Fill in a node and those below it."""
    message.text = node.text
    message.field = contract_place(node.field)
    span_message(node.span, message.span)
    message.matches = node.matches
    for below in node.nodes:
        set_matched(message.nodes.add(), below)


def set_match(
    message: query_service_pb2.MatchSubscriberResponse,
    asked: Sequence[Asked | HeadcountError],
    found: Sequence[query.MatchResult],
) -> None:
    """Fill in one result for each question or segment."""
    for question, one in zip(asked, found, strict=True):
        result = message.results.add(segment=one.segment, matches=one.matches, failing=one.failing)
        if one.root is not None:
            set_matched(result.root, one.root)
        if one.error is not None:
            error = question.located(one.error) if isinstance(question, Asked) else one.error
            question_error(error, result.error)


def set_breakdown(message: query_service_pb2.BreakdownResponse, found: query.Breakdown) -> None:
    """Fill in the breakdowns."""
    message.total, message.reachable = found.total, found.reachable
    message.base_total = found.base_total
    for one in found.breakdowns:
        result = message.breakdowns.add(
            attribute=one.attribute, missing_count=one.missing_count, other_count=one.other_count
        )
        for value in one.values:
            result.values.add(
                value=value.value, count=value.count, base_count=value.base_count, lift=value.lift
            )


def set_overlap(message: query_service_pb2.OverlapResponse, found: query.Overlap) -> None:
    """Fill in the matrix and the regions."""
    for counts in found.rows:
        message.rows.add(counts=counts)
    for region in found.regions:
        message.regions.add(indexes=region.indexes, count=region.count)
    message.union_count = found.union_count


def set_suggestions(
    message: query_service_pb2.SuggestRuleResponse, found: Sequence[Suggestion]
) -> None:
    """Fill in the suggestions, best first."""
    for one in found:
        suggestion = message.suggestions.add(text=one.text, kind=one.kind, count=one.count)
        suggestion.span.start, suggestion.span.end = one.start, one.end


def exported(
    ask: Ask, rule: tree.Rule, as_bitmap: bool
) -> tuple[int, Iterator[query_service_pb2.ExportMembersResponse]]:
    """Number of members, and the messages of an export, at least one.

    What the messages hold is fixed by the time this returns; the audience may change between them.
    """
    rows = query.members(ask, rule)
    if as_bitmap:
        return len(rows), _pieces(rows.serialize())
    return len(rows), _chunks(ask.audience.keys.freeze(), bitmaps.to_array(rows))


def _pieces(data: bytes) -> Iterator[query_service_pb2.ExportMembersResponse]:
    for start in range(0, len(data), EXPORT_BYTES):
        yield query_service_pb2.ExportMembersResponse(roaring=data[start : start + EXPORT_BYTES])


def _chunks(keys: Any, rows: Any) -> Iterator[query_service_pb2.ExportMembersResponse]:
    for start in range(0, max(len(rows), 1), EXPORT_KEYS):
        message = query_service_pb2.ExportMembersResponse()
        found: Keys = keys.keys(rows[start : start + EXPORT_KEYS])
        set_keys(message.keys, found, keys.key_type)
        yield message


def parameter_names(rule: tree.Rule) -> list[str]:
    """Names of the parameters of a rule, in the order of their first use. O(nodes)."""
    names: dict[str, None] = {}
    for node, _ in tree.walk(rule):
        for literal in tree.literals(node):
            if isinstance(literal, tree.Parameter | tree.ValueList) and literal.parameter:
                names[literal.parameter] = None
    return list(names)
