"""Audiences and segments over the wire."""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import (
    audience_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    schema_pb2,
    segment_service_pb2,
)
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_message

from tests.rpc.serving import audience, refused

au, se = audience_service_pb2, segment_service_pb2


@pytest.fixture
def name(api, request):
    """An empty audience of its own for each test."""
    name = request.node.name[:60]
    api.audience.CreateAudience(au.CreateAudienceRequest(audience=audience(name)))
    return name


def get(api, name):
    return api.audience.GetAudience(au.GetAudienceRequest(audience=name)).audience


def test_an_audience_is_read_back_as_created(api, name):
    found = get(api, name)
    declared = audience(name)
    for field in ("name", "key", "time_zone", "reachable", "attributes", "events"):
        assert getattr(found, field) == getattr(declared, field)
    assert (found.partitions, found.change_days, found.revision) == (64, 400, 1)
    assert found.engagement.campaign == "campaign"
    assert found.etag


def test_a_name_is_taken_once(api, name):
    error = refused(api.audience.CreateAudience, au.CreateAudienceRequest(audience=audience(name)))
    assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")


def test_validate_only_creates_nothing(api):
    request = au.CreateAudienceRequest(audience=audience("maybe"), validate_only=True)
    assert api.audience.CreateAudience(request).audience.partitions == 64
    assert (
        refused(api.audience.GetAudience, au.GetAudienceRequest(audience="maybe")).reason
        == "NOT_FOUND"
    )


SCHEMA_FAULTS = {
    "key": ({"key": 0}, "audience.key"),
    "name": ({"name": "a b"}, "audience.name"),
    "zone": ({"time_zone": "Mars"}, "audience.time_zone"),
    "reserved": (
        {"attributes": [{"name": "in", "type": "ATTRIBUTE_TYPE_TEXT"}]},
        "audience.attributes['in']",
    ),
    "type": ({"attributes": [{"name": "x"}]}, "audience.attributes[0].type"),
    "scale": (
        {"attributes": [{"name": "x", "type": "ATTRIBUTE_TYPE_DECIMAL", "scale": 19}]},
        "audience.attributes['x'].scale",
    ),
    "partitions": ({"partitions": -1}, "audience.partitions"),
    "reachable": ({"reachable": "nope ="}, "audience.reachable"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "place"), SCHEMA_FAULTS.values(), ids=SCHEMA_FAULTS)
@pytest.mark.parametrize("validate_only", [True, False])
def test_a_bad_schema_is_refused_with_its_place(api, fields, place, validate_only):
    message = schema_pb2.Audience(**({"name": "bad", "key": "KEY_TYPE_STRING"} | fields))
    request = au.CreateAudienceRequest(audience=message, validate_only=validate_only)
    error = refused(api.audience.CreateAudience, request)
    assert (error.code, error.fields[0]) == (grpc.StatusCode.INVALID_ARGUMENT, place)


def test_audiences_come_in_pages_by_name(api):
    for letter in "cab":
        message = schema_pb2.Audience(name=f"page-{letter}", key="KEY_TYPE_INT64")
        api.audience.CreateAudience(au.CreateAudienceRequest(audience=message))
    request, names = au.ListAudiencesRequest(page_size=2), []
    while True:
        page = api.audience.ListAudiences(request)
        assert len(page.audiences) <= 2
        names += [a.name for a in page.audiences]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [n for n in names if n.startswith("page-")] == ["page-a", "page-b", "page-c"]
    assert names == sorted(names)


def test_an_update_adds_and_sets_and_what_is_declared_stays(api, name):
    change = schema_pb2.Audience(name=name, reachable="age >= 18", change_days=7)
    change.attributes.add(name="plan", type="ATTRIBUTE_TYPE_KEYWORD")
    change.attributes.add(name="country", type="ATTRIBUTE_TYPE_KEYWORD")
    change.events.add(name="click")
    found = api.audience.UpdateAudience(au.UpdateAudienceRequest(audience=change)).audience
    assert [a.name for a in found.attributes] == [a.name for a in audience("x").attributes] + [
        "plan"
    ]
    assert [e.name for e in found.events] == ["open", "purchase", "click"]
    assert (found.reachable, found.change_days, found.revision) == ("age >= 18", 7, 2)
    mask = FieldMask(paths=["reachable"])
    request = au.UpdateAudienceRequest(audience=schema_pb2.Audience(name=name), update_mask=mask)
    assert api.audience.UpdateAudience(request).audience.reachable == ""


def test_how_long_events_are_kept_is_told_and_can_be_changed(api, name, server):
    change = schema_pb2.Audience(name=name)
    change.events.add(name="open", dimensions=["campaign"], retention_days=30)
    found = api.audience.UpdateAudience(au.UpdateAudienceRequest(audience=change)).audience
    assert [(e.name, e.retention_days) for e in found.events] == [("open", 30), ("purchase", 0)]
    server.run(server.engine.reached(name, found.revision + 1, deadline_s=10))
    described = api.audience.DescribeAudience(au.DescribeAudienceRequest(audience=name))
    assert described.events[0].kept_from != ""
    assert described.events[1].kept_from == ""
    change.events[0].retention_days = 0
    found = api.audience.UpdateAudience(au.UpdateAudienceRequest(audience=change)).audience
    assert found.events[0].retention_days == 0
    change.events[0].retention_days = -1
    error = refused(api.audience.UpdateAudience, au.UpdateAudienceRequest(audience=change))
    assert error.fields == ["audience.events['open'].retention_days"]
    change.events[0].dimensions.append("link")
    error = refused(api.audience.UpdateAudience, au.UpdateAudienceRequest(audience=change))
    assert error.fields == ["audience.events[0]"]


def test_an_attribute_can_not_be_declared_otherwise(api, name):
    change = schema_pb2.Audience(name=name)
    change.attributes.add(name="country", type="ATTRIBUTE_TYPE_TEXT")
    error = refused(api.audience.UpdateAudience, au.UpdateAudienceRequest(audience=change))
    assert (error.reason, error.fields) == ("INVALID_SCHEMA", ["audience.attributes[0]"])


def test_what_can_not_be_updated_is_no_path_of_a_mask(api, name):
    change = schema_pb2.Audience(name=name, time_zone="UTC")
    request = au.UpdateAudienceRequest(audience=change, update_mask=FieldMask(paths=["time_zone"]))
    assert refused(api.audience.UpdateAudience, request).fields == ["update_mask.paths[0]"]


def test_a_stale_etag_is_aborted(api, name):
    old = get(api, name).etag
    change = schema_pb2.Audience(name=name, change_days=5, etag=old)
    api.audience.UpdateAudience(au.UpdateAudienceRequest(audience=change))
    error = refused(api.audience.UpdateAudience, au.UpdateAudienceRequest(audience=change))
    assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, "STALE_ETAG")
    error = refused(api.audience.DeleteAudience, au.DeleteAudienceRequest(audience=name, etag=old))
    assert error.code is grpc.StatusCode.ABORTED
    api.audience.DeleteAudience(
        au.DeleteAudienceRequest(audience=name, etag=error.info.metadata["etag"])
    )
    assert (
        refused(api.audience.GetAudience, au.GetAudienceRequest(audience=name)).reason
        == "NOT_FOUND"
    )


def test_a_description_tells_values_and_sizes(api, shop):
    request = au.DescribeAudienceRequest(audience=shop, value_limit=1)
    found = api.audience.DescribeAudience(request)
    assert found.audience.subscriber_count == 4
    by_name = {a.attribute.name: a for a in found.attributes}
    (value,) = by_name["country"].values
    assert (value.value, value.count) == ("DE", 2)
    assert (by_name["age"].minimum, by_name["age"].maximum) == ("30", "50")
    assert by_name["email"].distinct_count == -1
    assert [(e.event.name, e.event_count, e.first_day) for e in found.events] == [
        ("open", 2, "2026-03-01"), ("purchase", 2, "2026-03-01"),
    ]  # fmt: skip
    assert found.memory_bytes > found.key_memory_bytes > 0


# --- segments -------------------------------------------------------------------------------------


def segment(audience_name, segment_name, **fields):
    return se.Segment(audience=audience_name, name=segment_name, **fields)


def create(api, audience_name, segment_name, **fields):
    message = segment(audience_name, segment_name, **fields)
    return api.segment.CreateSegment(se.CreateSegmentRequest(segment=message)).segment


def test_a_segment_comes_as_text_or_tree_and_goes_out_as_both(api, name):
    spelled = create(api, name, "adults", rule_text="AGE >= 18".lower() + "  # grown up")
    assert spelled.rule_text == "age >= 18"
    tree = create(api, name, "grown ups", rule=rule_message(parse("age >= 18")), history_days=3)
    assert tree.rule_text == "age >= 18"
    assert tree.history_days == 3
    request = se.GetSegmentRequest(audience=name, segment="grown ups")
    assert api.segment.GetSegment(request).segment == tree


SEGMENT_FAULTS = {
    "no rule": ({}, "segment.rule"),
    "rule and text": (
        {"rule_text": "everyone", "rule": rule_message(parse("everyone"))}, "segment.rule_text",
    ),
    "no rule text": ({"rule_text": "age >="}, "segment.rule_text"),
    "unknown attribute": ({"rule_text": "agee = 1"}, "segment.rule.attribute.name"),
    "a parameter": (
        {"rule_text": "age = $x"}, "segment.rule.attribute.test.compare.value.parameter",
    ),
    "itself": ({"rule_text": 'in segment "new"'}, "segment.rule"),
    "history": ({"rule_text": "everyone", "history_days": -1}, "segment.history_days"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "place"), SEGMENT_FAULTS.values(), ids=SEGMENT_FAULTS)
@pytest.mark.parametrize("validate_only", [True, False])
def test_a_bad_segment_is_refused_with_its_place(api, shop, fields, place, validate_only):
    message = segment(shop, "new", **fields)
    request = se.CreateSegmentRequest(segment=message, validate_only=validate_only)
    error = refused(api.segment.CreateSegment, request)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [place])


def test_a_segment_in_use_is_not_deleted(api, name):
    create(api, name, "a", rule_text="everyone")
    create(api, name, "b", rule_text='in segment "a"')
    error = refused(api.segment.DeleteSegment, se.DeleteSegmentRequest(audience=name, segment="a"))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IN_USE")
    assert '"b"' in error.message
    for segment_name in "ba":
        api.segment.DeleteSegment(se.DeleteSegmentRequest(audience=name, segment=segment_name))
    error = refused(api.segment.DeleteSegment, se.DeleteSegmentRequest(audience=name, segment="a"))
    assert error.code is grpc.StatusCode.NOT_FOUND


def test_a_cycle_is_refused_when_it_would_be_made(api, name):
    create(api, name, "a", rule_text="everyone")
    create(api, name, "b", rule_text='in segment "a"')
    message = segment(name, "a", rule_text='not in segment "b"')
    error = refused(api.segment.UpdateSegment, se.UpdateSegmentRequest(segment=message))
    assert error.bad[0].reason == "SEGMENT_CYCLE"


def test_an_update_changes_what_its_mask_says(api, name):
    first = create(api, name, "a", rule_text="everyone", history_days=3)
    message = segment(name, "a", rule_text="nobody", etag=first.etag)
    second = api.segment.UpdateSegment(se.UpdateSegmentRequest(segment=message)).segment
    assert (second.rule_text, second.history_days) == ("nobody", 3)
    assert second.etag != first.etag
    error = refused(api.segment.UpdateSegment, se.UpdateSegmentRequest(segment=message))
    assert (error.code, error.info.metadata["etag"]) == (grpc.StatusCode.ABORTED, second.etag)
    mask = FieldMask(paths=["history_days"])
    request = se.UpdateSegmentRequest(segment=segment(name, "a"), update_mask=mask)
    third = api.segment.UpdateSegment(request).segment
    assert (third.rule_text, third.history_days) == ("nobody", 0)


def test_segments_come_in_pages_by_name(api, name):
    for letter in "cab":
        create(api, name, letter, rule_text="everyone")
    request = se.ListSegmentsRequest(audience=name, page_size=2)
    first = api.segment.ListSegments(request)
    assert [s.name for s in first.segments] == ["a", "b"]
    request.page_token = first.next_page_token
    second = api.segment.ListSegments(request)
    assert ([s.name for s in second.segments], second.next_page_token) == (["c"], "")


def test_a_frozen_segment_keeps_its_members(api, shop):
    created = create(api, shop, "seniors", rule_text="age >= 40")
    request = se.FreezeSegmentRequest(audience=shop, segment="frozen", source_segment="seniors")
    frozen = api.segment.FreezeSegment(request).segment
    assert (frozen.frozen, frozen.frozen_count, frozen.rule_text) == (True, 2, "")
    assert not frozen.HasField("rule")
    message = segment(shop, "seniors", rule_text="nobody", etag=created.etag)
    api.segment.UpdateSegment(se.UpdateSegmentRequest(segment=message))
    count = query_service_pb2.CountRequest(audience=shop, segment="frozen")
    assert api.query.Count(count).total == 2
    message = segment(shop, "frozen", rule_text="nobody")
    error = refused(api.segment.UpdateSegment, se.UpdateSegmentRequest(segment=message))
    assert error.reason == "IN_USE"
    match = query_service_pb2.MatchSubscriberRequest(audience=shop, key={"text": "cem"})
    results = api.query.MatchSubscriber(match).results
    assert [(r.segment, r.matches) for r in results] == [("frozen", True), ("seniors", False)]


def test_freezing_takes_the_time_of_the_question(api, name):
    row = ingest_service_pb2.SubscriberRow(
        key={"text": "a"}, values={"signup": ingest_service_pb2.AttributeValue(date="2020-01-01")}
    )
    api.ingest.UpsertSubscribers(
        ingest_service_pb2.UpsertSubscribersRequest(audience=name, rows=[row])
    )
    request = se.FreezeSegmentRequest(
        audience=name, segment="then", rule_text="signup in last 7 days",
        as_of=Timestamp(seconds=1_578_000_000),
    )  # fmt: skip
    assert api.segment.FreezeSegment(request).segment.frozen_count == 1
