"""The calls of AudienceService, SegmentService and AdminService, but for listings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from headcount.v1 import admin_service_pb2 as admin
from headcount.v1 import audience_service_pb2 as audiences
from headcount.v1 import schema_pb2
from headcount.v1 import segment_service_pb2 as segments

from headcount_client import results, values
from headcount_client.calls.questions import AsOf, RuleLike, set_as_of, set_question, set_rule
from headcount_client.calls.steps import Steps, read, write
from headcount_client.results.convert import result
from headcount_client.schema import Schema, to_message

SchemaLike = Schema | str | Mapping[str, Any] | schema_pb2.Audience


def create_audience(
    name: str, schema: SchemaLike, *, validate_only: bool = False
) -> Steps[results.CreateAudienceResponse]:
    """Create an audience; ``schema`` is TOML text, a dict of the same shape, or a ``Schema``."""
    message = to_message(schema)
    message.name = name
    request = audiences.CreateAudienceRequest(audience=message, validate_only=validate_only)
    return result((yield write("AudienceService", "CreateAudience", request)))


def get_audience(audience: str) -> Steps[results.GetAudienceResponse]:
    """One audience with its schema."""
    request = audiences.GetAudienceRequest(audience=audience)
    return result((yield read("AudienceService", "GetAudience", request)))


def update_audience(
    audience: str,
    schema: SchemaLike,
    *,
    update_mask: Iterable[str] = (),
    etag: str = "",
    validate_only: bool = False,
) -> Steps[results.UpdateAudienceResponse]:
    """Add attributes and event types and change settings, those that ``schema`` names.

    Args:
        update_mask: which of attributes, events, reachable, engagement, change_days to take;
            empty: every one that isn't empty.
        etag: the etag that the audience must have; "" for any.
    """
    message = to_message(schema)
    message.name, message.etag = audience, etag
    request = audiences.UpdateAudienceRequest(audience=message, validate_only=validate_only)
    request.update_mask.paths.extend(update_mask)
    return result((yield write("AudienceService", "UpdateAudience", request)))


def delete_audience(audience: str, *, etag: str = "") -> Steps[results.DeleteAudienceResponse]:
    """Delete an audience with all that it holds."""
    request = audiences.DeleteAudienceRequest(audience=audience, etag=etag)
    return result((yield write("AudienceService", "DeleteAudience", request)))


def describe_audience(
    audience: str, *, value_limit: int = 0
) -> Steps[results.DescribeAudienceResponse]:
    """Sizes, value counts and memory by index."""
    request = audiences.DescribeAudienceRequest(audience=audience, value_limit=value_limit)
    return result((yield read("AudienceService", "DescribeAudience", request)))


def create_segment(
    audience: str, name: str, rule: RuleLike, *, history_days: int = 0, validate_only: bool = False
) -> Steps[results.CreateSegmentResponse]:
    """Save a rule under a name; ``history_days`` is for how long sizes and moves are kept."""
    request = segments.CreateSegmentRequest(validate_only=validate_only)
    request.segment.audience, request.segment.name = audience, name
    request.segment.history_days = history_days
    set_rule(request.segment, rule, "rule", "rule_text")
    return result((yield write("SegmentService", "CreateSegment", request)))


def get_segment(audience: str, segment: str) -> Steps[results.GetSegmentResponse]:
    """One segment."""
    request = segments.GetSegmentRequest(audience=audience, segment=segment)
    return result((yield read("SegmentService", "GetSegment", request)))


def update_segment(
    audience: str,
    name: str,
    rule: RuleLike | None = None,
    *,
    history_days: int | None = None,
    etag: str = "",
    validate_only: bool = False,
) -> Steps[results.UpdateSegmentResponse]:
    """Change a segment's rule, history, or both; with ``etag`` only if nobody was faster."""
    request = segments.UpdateSegmentRequest(validate_only=validate_only)
    request.segment.audience, request.segment.name = audience, name
    request.segment.etag = etag
    if rule is None and history_days is None:
        raise TypeError("give a rule, history_days, or both")
    if rule is not None:
        set_rule(request.segment, rule, "rule", "rule_text")
        request.update_mask.paths.append("rule_text" if isinstance(rule, str) else "rule")
    if history_days is not None:
        request.segment.history_days = history_days
        request.update_mask.paths.append("history_days")
    return result((yield write("SegmentService", "UpdateSegment", request)))


def delete_segment(
    audience: str, segment: str, *, etag: str = ""
) -> Steps[results.DeleteSegmentResponse]:
    """Delete a segment that nothing else uses."""
    request = segments.DeleteSegmentRequest(audience=audience, segment=segment, etag=etag)
    return result((yield write("SegmentService", "DeleteSegment", request)))


def freeze_segment(
    audience: str,
    name: str,
    rule: RuleLike | None = None,
    *,
    source_segment: str | None = None,
    as_of: AsOf = None,
) -> Steps[results.FreezeSegmentResponse]:
    """Save the present members of a rule or segment as a static list."""
    request = segments.FreezeSegmentRequest(audience=audience, segment=name)
    if source_segment is not None and rule is None:
        request.source_segment = source_segment
    else:
        set_question(request, rule, None)
    yield from set_as_of(request, audience, as_of)
    return result((yield write("SegmentService", "FreezeSegment", request)))


def create_snapshot(snapshot: str = "") -> Steps[results.CreateSnapshotResponse]:
    """Write a snapshot of everything to disk; without a name it is named by the time."""
    request = admin.CreateSnapshotRequest(snapshot=snapshot)
    return result((yield write("AdminService", "CreateSnapshot", request)))


def restore_snapshot(snapshot: str) -> Steps[results.RestoreSnapshotResponse]:
    """Bring back the state of a snapshot."""
    request = admin.RestoreSnapshotRequest(snapshot=snapshot)
    return result((yield write("AdminService", "RestoreSnapshot", request)))


def get_server_status() -> Steps[results.GetServerStatusResponse]:
    """Version, state, audiences and memory of the server."""
    request = admin.GetServerStatusRequest()
    return result((yield read("AdminService", "GetServerStatus", request)))


def drain(*, grace: timedelta | None = None) -> Steps[results.DrainResponse]:
    """Take no new calls, end the running ones, write a snapshot and stop the server."""
    request = admin.DrainRequest()
    if grace is not None:
        request.grace_duration.CopyFrom(values.duration(grace))
    return result((yield write("AdminService", "Drain", request)))
