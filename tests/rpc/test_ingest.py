"""Writes over the wire: applied whole or refused with every bad row."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import audience_service_pb2, ingest_service_pb2, query_service_pb2

from tests.rpc.serving import audience, refused

pb = ingest_service_pb2


@pytest.fixture
def name(api, request):
    """An empty audience of its own for each test."""
    name = request.node.name[:60]
    api.audience.CreateAudience(audience_service_pb2.CreateAudienceRequest(audience=audience(name)))
    yield name
    api.audience.DeleteAudience(audience_service_pb2.DeleteAudienceRequest(audience=name))


def size(api, name):
    request = query_service_pb2.CountRequest(audience=name, rule_text="everyone")
    return api.query.Count(request).total


def upsert(name, *keys, **values):
    rows = [pb.SubscriberRow(key={"text": key}, values=values) for key in keys]
    return pb.UpsertSubscribersRequest(audience=name, rows=rows)


def opened(name, *keys, **fields):
    rows = [pb.EventRow(key={"text": k}, event="open", time=Timestamp(seconds=10)) for k in keys]
    return pb.RecordEventsRequest(audience=name, rows=rows, **fields)


VALUES = {
    "country": pb.AttributeValue(text="DE"),
    "tags": pb.AttributeValue(texts=pb.Texts(values=["a", "b"])),
    "email": pb.AttributeValue(text="ann@example.org"),
    "age": pb.AttributeValue(integer=30),
    "spend": pb.AttributeValue(decimal="12.50"),
    "vip": pb.AttributeValue(boolean=False),
    "signup": pb.AttributeValue(date="2026-01-31"),
    "seen": pb.AttributeValue(timestamp=Timestamp(seconds=1_700_000_000, nanos=123_456_000)),
    "home": pb.AttributeValue(location=pb.Location(latitude=52.5, longitude=13.4)),
}


def test_every_type_of_value_is_read_back_as_written(api, name):
    request = upsert(name, "ann", **VALUES)
    request.rows[0].known_since.seconds = 1_600_000_000
    written = api.ingest.UpsertSubscribers(request)
    assert (written.accepted_count, written.created_count, written.revision) == (1, 1, 2)
    event = pb.EventRow(
        key={"text": "ann"}, event="purchase", time=Timestamp(seconds=5, nanos=6_000),
        dimensions={"category": "Shoes"}, measures={"amount": "-0.5"},
    )  # fmt: skip
    api.ingest.RecordEvents(pb.RecordEventsRequest(audience=name, rows=[event]))
    api.ingest.RecordEvents(opened(name, "ann"))
    read = api.ingest.GetSubscriber(
        pb.GetSubscriberRequest(audience=name, key={"text": "ann"}, event_limit=10)
    )
    assert dict(read.values) == VALUES
    assert read.known_since.seconds == 1_600_000_000
    assert (read.event_count, read.revision) == (2, 4)
    assert [e.event for e in read.events] == ["open", "purchase"]
    event.measures["amount"] = "-0.50"
    assert read.events[1] == event


def test_an_empty_value_removes(api, name):
    api.ingest.UpsertSubscribers(upsert(name, "ann", **VALUES))
    gone = dict.fromkeys(VALUES, pb.AttributeValue())
    answer = api.ingest.UpsertSubscribers(upsert(name, "ann", **gone))
    assert answer.created_count == 0
    read = api.ingest.GetSubscriber(pb.GetSubscriberRequest(audience=name, key={"text": "ann"}))
    assert not read.values


def test_a_bad_row_leaves_nothing_applied(api, name):
    request = upsert(name, "a", "b", "c")
    request.rows[1].values["age"].text = "old"
    request.rows[2].key.text = "x" * 300
    error = refused(api.ingest.UpsertSubscribers, request)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_BATCH")
    assert error.info.metadata["bad_rows"] == "1"
    assert (error.info.metadata["row"], error.info.metadata["field"]) == ("1", "age")
    del request.rows[1]
    error = refused(api.ingest.UpsertSubscribers, request)
    assert error.info.metadata["row"] == "1"
    assert size(api, name) == 0


def test_events_of_unknown_keys_are_bad_rows_unless_they_may_be_created(api, name):
    api.ingest.UpsertSubscribers(upsert(name, "a"))
    error = refused(api.ingest.RecordEvents, opened(name, "a", "b"))
    assert error.reason == "INVALID_BATCH"
    assert error.bad[0].reason == "UNKNOWN_KEY"
    answer = api.ingest.RecordEvents(opened(name, "a", "b", create_missing=True))
    assert (answer.accepted_count, answer.created_count) == (2, 1)
    assert size(api, name) == 2


def test_validate_only_changes_nothing(api, name):
    request = upsert(name, "a")
    request.validate_only = True
    answer = api.ingest.UpsertSubscribers(request)
    assert (answer.accepted_count, answer.revision) == (1, 1)
    assert size(api, name) == 0
    error = refused(api.ingest.RecordEvents, opened(name, "a", validate_only=True))
    assert error.reason == "INVALID_BATCH"


def test_erasure_ignores_unknown_keys(api, name):
    api.ingest.UpsertSubscribers(upsert(name, "a", "b"))
    keys = pb.Keys(texts=["a", "nobody"])
    answer = api.ingest.DeleteSubscribers(pb.DeleteSubscribersRequest(audience=name, keys=keys))
    assert answer.deleted_count == 1
    assert size(api, name) == 1
    error = refused(
        api.ingest.GetSubscriber, pb.GetSubscriberRequest(audience=name, key={"text": "a"})
    )
    assert (error.code, error.info.metadata["resource"]) == (
        grpc.StatusCode.NOT_FOUND,
        "subscriber",
    )


def test_a_large_batch_is_converted_off_the_event_loop(api, name):
    keys = [f"key{i}" for i in range(20_000)]
    columns = pb.SubscriberColumns(keys={"texts": keys})
    request = pb.UpsertSubscribersRequest(audience=name, columns=columns)
    assert api.ingest.UpsertSubscribers(request).created_count == 20_000


def test_a_stream_answers_every_batch_in_order_and_goes_on_after_errors(api, name):
    bad = upsert(name, "c")
    bad.rows[0].values["age"].text = "old"
    batches = [
        pb.StreamWritesRequest(upsert_subscribers=upsert(name, "a", "b")),
        pb.StreamWritesRequest(upsert_subscribers=bad),
        pb.StreamWritesRequest(),
        pb.StreamWritesRequest(record_events=opened(name, "a")),
        pb.StreamWritesRequest(upsert_subscribers=upsert("no such audience", "a")),
        pb.StreamWritesRequest(
            delete_subscribers=pb.DeleteSubscribersRequest(audience=name, keys={"texts": ["b"]})
        ),
    ]
    answers = list(api.ingest.StreamWrites(iter(batches)))
    assert [answer.index for answer in answers] == [0, 1, 2, 3, 4, 5]
    assert [a.accepted.revision for a in answers] == [2, 0, 0, 3, 0, 4]
    refusals = [a.refused.reason for a in answers if a.HasField("refused")]
    assert refusals == ["INVALID_BATCH", "INVALID_INPUT", "NOT_FOUND"]
    (row,) = answers[1].refused.bad_rows
    assert (row.index, row.field, row.reason) == (0, "age", "INVALID_VALUE")
    assert answers[1].refused.bad_row_count == 1
    assert size(api, name) == 1


def test_a_malformed_batch_of_a_stream_is_refused_and_the_stream_goes_on(api, name):
    call = api.channel.stream_stream(
        "/headcount.v1.IngestService/StreamWrites",
        response_deserializer=pb.StreamWritesResponse.FromString,
    )
    good = pb.StreamWritesRequest(upsert_subscribers=upsert(name, "a")).SerializeToString()
    answers = list(call(iter([b"\xff\xff", good])))
    assert answers[0].refused.reason == "INVALID_INPUT"
    assert answers[1].accepted.accepted_count == 1


def numbered(request, sequence, producer="importer"):
    request.producer, request.sequence = producer, sequence
    return request


def test_a_repeated_batch_is_applied_once_and_answered_as_the_first_time(api, name):
    first = api.ingest.UpsertSubscribers(numbered(upsert(name, "a", "b"), 1))
    second = api.ingest.RecordEvents(numbered(opened(name, "a"), 2))
    for _ in range(2):
        again = api.ingest.UpsertSubscribers(numbered(upsert(name, "a", "b"), 1))
        assert (again.revision, again.accepted_count) == (first.revision, 2)
        assert api.ingest.RecordEvents(numbered(opened(name, "a"), 2)).revision == second.revision
    request = pb.GetSubscriberRequest(audience=name, key={"text": "a"})
    answer = api.ingest.GetSubscriber(request)
    assert (answer.event_count, answer.revision) == (1, second.revision)


def test_a_gap_in_the_numbers_of_a_producer_is_refused_with_the_number_expected(api, name):
    api.ingest.UpsertSubscribers(numbered(upsert(name, "a"), 1))
    for request in (numbered(upsert(name, "b"), 3), numbered(upsert(name, "b"), 2, "another")):
        error = refused(api.ingest.UpsertSubscribers, request)
        assert error.code is grpc.StatusCode.OUT_OF_RANGE
        assert error.info.metadata["expected"] in ("2", "1")
    assert size(api, name) == 1


def test_numbers_need_a_producer_and_begin_at_1(api, name):
    error = refused(api.ingest.UpsertSubscribers, numbered(upsert(name, "a"), 1, ""))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["producer"])
    error = refused(api.ingest.UpsertSubscribers, numbered(upsert(name, "a"), 0))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["sequence"])
