"""Calls that answer a page at a time or as a stream; the client iterates over their items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.message import Message
from headcount.v1 import admin_service_pb2, audience_service_pb2, segment_service_pb2
from headcount.v1 import query_service_pb2 as pb

from headcount_client import results
from headcount_client.calls.queries import watch_request
from headcount_client.calls.questions import AsOf, Parameters, RuleLike, options, set_question
from headcount_client.calls.steps import Pages, Steps, Stream, method, ready
from headcount_client.results.convert import result
from headcount_client.values import Key, python_keys

T = TypeVar("T")


def list_members(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    page_size: int = 0,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Pages[Key]:
    """Keys of the members, ascending; pages, up to 10,000 keys, are asked for as they are read."""

    def first() -> Steps[Message]:
        request = pb.ListMembersRequest(page_size=page_size)
        set_question(request, rule, segment)
        yield from options(request, audience, as_of, parameters, within, at_least_revision)
        return request

    return Pages(
        method("QueryService", "ListMembers"), first(), lambda m: list(python_keys(m.keys))
    )


def export_members(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Stream[Key]:
    """Keys of all members, in no particular order."""
    request = _export(
        pb.EXPORT_FORMAT_KEYS, audience, rule, segment, as_of, parameters, within, at_least_revision
    )
    return Stream(
        method("QueryService", "ExportMembers"), request, lambda m: list(python_keys(m.keys))
    )


def export_members_roaring(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Stream[bytes]:
    """All members of an audience keyed by uint32 as one bitmap in the portable roaring format.

    The pieces, joined in their order, are the whole.
    """
    request = _export(
        pb.EXPORT_FORMAT_ROARING, audience, rule, segment, as_of, parameters, within,
        at_least_revision,
    )  # fmt: skip
    return Stream(
        method("QueryService", "ExportMembers"),
        request,
        lambda message: [message.roaring] if message.roaring else [],
    )


def watch(
    audience: str,
    rule: RuleLike | Iterable[RuleLike] = (),
    *,
    segments: Iterable[str] = (),
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
    min_interval: timedelta | None = None,
    members: bool = False,
) -> Stream[results.WatchResponse]:
    """Counts that move by themselves: the present one, then one whenever it changed.

    ``rule`` may be one or several; ``index`` of an update says which. With ``members``, the updates
    have the keys that ``entered`` and ``left``.
    """
    rules = [rule] if isinstance(rule, str) or not isinstance(rule, Iterable) else rule
    request = watch_request(
        audience, rules, segments, parameters, within, at_least_revision, min_interval, members
    )
    parts: list[results.WatchResponse] = []

    def joined(message: Message) -> list[results.WatchResponse]:
        """The update that a message ends, with the keys of all its messages."""
        parts.append(result(message))
        if parts[-1].continued:
            return []
        entered = tuple(key for part in parts for key in part.entered)
        left = tuple(key for part in parts for key in part.left)
        update = replace(parts[-1], entered=entered, left=left)
        parts.clear()
        return [update]

    return Stream(method("QueryService", "Watch"), ready(request), joined)


def list_audiences(*, page_size: int = 0) -> Pages[results.Audience]:
    """All audiences, ascending by name."""
    request = audience_service_pb2.ListAudiencesRequest(page_size=page_size)
    return _pages("AudienceService", "ListAudiences", request, "audiences")


def list_segments(audience: str, *, page_size: int = 0) -> Pages[results.Segment]:
    """All segments of an audience, ascending by name."""
    request = segment_service_pb2.ListSegmentsRequest(audience=audience, page_size=page_size)
    return _pages("SegmentService", "ListSegments", request, "segments")


def list_snapshots(*, page_size: int = 0) -> Pages[results.Snapshot]:
    """The snapshots on disk, the newest first."""
    request = admin_service_pb2.ListSnapshotsRequest(page_size=page_size)
    return _pages("AdminService", "ListSnapshots", request, "snapshots")


def _pages(service: str, name: str, request: Message, field: str) -> Pages[Any]:
    def items(message: Any) -> list[Any]:
        return [result(item) for item in getattr(message, field)]

    return Pages(method(service, name), ready(request), items)


def _export(
    form: pb.ExportFormat.ValueType,
    audience: str,
    rule: RuleLike | None,
    segment: str | None,
    as_of: AsOf,
    parameters: Parameters,
    within: RuleLike | None,
    at_least_revision: int,
) -> Steps[Message]:
    request = pb.ExportMembersRequest(format=form)
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return request
