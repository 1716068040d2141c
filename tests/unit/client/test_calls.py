"""Requests of calls, driven without a transport."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from headcount.v1 import ingest_service_pb2, query_service_pb2, rule_pb2
from headcount.v1.audience_service_pb2 import GetAudienceResponse
from headcount_client.calls import listings, queries, resources, writes
from headcount_client.calls.steps import method
from headcount_client.client import Client
from headcount_client.results import EventRow, SubscriberRow
from headcount_client.rules import attr

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


def requests(steps, *responses):
    """The exchanges of a call that is answered with these."""
    found = [next(steps)]
    for response in responses:
        try:
            found.append(steps.send(response))
        except StopIteration:
            break
    return found


def test_a_count_has_all_that_was_given():
    steps = queries.count(
        "shop",
        'country = "DE"',
        as_of=NOON,
        parameters={"$low": 18, "names": ["a"]},
        within=attr("age") > 3,
        at_least_revision=7,
        waterfall=True,
    )
    (exchange,) = requests(steps)
    assert exchange.method is method("QueryService", "Count")
    assert exchange.method.path == "/headcount.v1.QueryService/Count"
    assert exchange.idempotent
    request = exchange.request
    assert (request.audience, request.rule_text) == ("shop", 'country = "DE"')
    assert request.as_of.ToDatetime(tzinfo=UTC) == NOON
    assert request.parameters["low"].value.number == "18"
    assert request.parameters["names"].list.values[0].text == "a"
    assert request.within.attribute.name == "age"
    assert (request.at_least_revision, request.waterfall) == (7, True)


def test_a_date_is_its_midnight_in_the_zone_of_the_audience():
    answer = GetAudienceResponse()
    answer.audience.time_zone = "Europe/Berlin"
    first, second = requests(queries.count("shop", "everyone", as_of=date(2026, 3, 31)), answer)
    assert first.method.path.endswith("GetAudience")
    assert second.request.as_of.ToJsonString() == "2026-03-30T22:00:00Z"


@pytest.mark.parametrize("given", [{}, {"rule": "everyone", "segment": "vip"}])
def test_a_question_is_a_rule_or_a_segment(given):
    with pytest.raises(TypeError, match="either a rule or segment"):
        next(queries.count("shop", **given))


def test_a_rule_may_be_text_a_tree_or_built():
    tree = rule_pb2.Rule(everyone=rule_pb2.Rule.Everyone())
    for rule, kind in (("everyone", "rule_text"), (tree, "rule"), (attr("a").is_set(), "rule")):
        (exchange,) = requests(queries.explain("shop", rule))
        assert exchange.request.WhichOneof("question") == kind
    with pytest.raises(TypeError, match="no rule"):
        next(queries.explain("shop", 3))


def test_questions_are_rules_then_segments():
    (exchange,) = requests(
        queries.overlap("shop", ["everyone", attr("a").is_set()], segments=["v"])
    )
    kinds = [question.WhichOneof("question") for question in exchange.request.questions]
    assert kinds == ["rule_text", "rule", "segment"]


def test_breakdowns_are_by_one_attribute_or_several():
    (exchange,) = requests(queries.breakdown("shop", "everyone", by="country"))
    assert [by.attribute for by in exchange.request.by] == ["country"]
    by = [{"attribute": "age", "edges": [0, Decimal("17.5")]}, {"attribute": "d", "unit": "months"}]
    (exchange,) = requests(queries.breakdown("shop", "everyone", by=by, base="nobody"))
    first, second = exchange.request.by
    assert list(first.edges) == ["0", "17.5"]
    assert second.unit == rule_pb2.UNIT_MONTH
    assert exchange.request.base_text == "nobody"
    with pytest.raises(TypeError, match="float"):
        next(queries.breakdown("shop", "everyone", by={"attribute": "age", "edges": [0.5]}))
    with pytest.raises(TypeError, match="limits"):
        next(queries.breakdown("shop", "everyone", by={"attribute": "age", "limits": 3}))


def test_writes_take_rows_or_mappings():
    row = SubscriberRow("a", {"age": 3, "city": None}, known_since=NOON)
    mapping = {"key": "a", "age": 3, "city": None, "known_since": NOON}
    given = [requests(writes.upsert_subscribers("shop", [one]))[0] for one in (row, mapping)]
    assert given[0].request == given[1].request
    assert not given[0].idempotent
    values = given[0].request.rows[0].values
    assert values["age"].integer == 3
    assert values["city"].WhichOneof("kind") is None
    event = EventRow("a", NOON, "open", {"campaign": "x"}, {"amount": Decimal("1.5")})
    same = {"key": "a", "time": NOON, "event": "open", "campaign": "x", "amount": Decimal("1.5")}
    found = [requests(writes.record_events("shop", [one]))[0].request for one in (event, same)]
    assert found[0] == found[1]
    assert found[0].rows[0].measures == {"amount": "1.5"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"time": NOON, "event": "open"}, "key is missing"),
        ({"key": "a", "time": datetime(2026, 1, 1), "event": "open"}, "time: .* no time zone"),
        ({"key": "a", "time": NOON, "event": "open", "amount": 1.5}, "float"),
        ({"key": "a", "time": NOON, "event": "open", "vip": True}, "neither a string nor a number"),
    ],
)
def test_bad_rows_are_refused_before_they_are_sent(row, told):
    with pytest.raises((TypeError, ValueError), match=told):
        next(writes.record_events("shop", [row]))


def test_a_numbered_write_may_be_repeated():
    steps = writes.upsert_subscribers("shop", [{"key": "a"}], producer="p", sequence=1)
    (exchange,) = requests(steps)
    assert exchange.idempotent
    assert (exchange.request.producer, exchange.request.sequence) == ("p", 1)


def test_updating_a_segment_masks_what_is_given():
    (exchange,) = requests(resources.update_segment("shop", "vip", "everyone", etag="e"))
    assert list(exchange.request.update_mask.paths) == ["rule_text"]
    (exchange,) = requests(resources.update_segment("shop", "vip", history_days=0))
    assert list(exchange.request.update_mask.paths) == ["history_days"]
    with pytest.raises(TypeError):
        next(resources.update_segment("shop", "vip"))


def test_watching_takes_one_rule_or_several():
    for rule, count in (("everyone", 1), (attr("a").is_set(), 1), (["everyone", "nobody"], 2)):
        with pytest.raises(StopIteration) as stop:
            next(listings.watch("shop", rule).request)
        assert len(stop.value.value.questions) == count


def test_batches_become_messages_of_a_stream():
    batch = writes.delete_request("shop", ["a"])
    assert writes.stream_request(batch).delete_subscribers == batch
    whole = ingest_service_pb2.StreamWritesRequest(delete_subscribers=batch)
    assert writes.stream_request(whole) is whole
    with pytest.raises(TypeError):
        writes.stream_request(query_service_pb2.Question())


def test_every_call_of_the_contract_has_a_method():
    import re

    from headcount.v1 import admin_service_pb2, audience_service_pb2, segment_service_pb2

    files = (
        admin_service_pb2, audience_service_pb2, ingest_service_pb2, query_service_pb2,
        segment_service_pb2,
    )  # fmt: skip
    names = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", call.name).lower()
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for call in service.methods
    }
    assert {name for name in names if not hasattr(Client, name)} == set()
