"""What can't be answered is refused with its place and what would be right, however it is asked."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import audience_service_pb2, ingest_service_pb2, query_service_pb2, rule_pb2
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_message

from tests.refusals import REFUSALS, UNPARSED, Refusal
from tests.rpc.serving import audience, refused

pb = query_service_pb2
INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
ANN = ingest_service_pb2.Key(text="ann")
AT_THE_ENDS = (
    "signup in last 9999 years",
    "signup in next 9999 years",
    "seen in next 3 hours",
    "seen in last 3 hours",
    "signup next year",
    "signup last year",
    "did open in last 3 days",
    "did open in at least 3 of last 4 weeks",
    "signup anniversary in next 7 days",
    "did open then purchase within 2 days",
    "inactive for 99999999999999999999 years",
)


@pytest.fixture(scope="module")
def bare(api):
    """The name of an audience without subscribers."""
    request = audience_service_pb2.CreateAudienceRequest(audience=audience("bare", "UINT32"))
    api.audience.CreateAudience(request)
    return "bare"


@pytest.mark.parametrize("case", REFUSALS + UNPARSED, ids=lambda case: case.marked[:40])
def test_a_text_is_refused_at_its_place(api, shop, case: Refusal):
    asked = pb.BatchCountRequest(audience=shop, questions=[pb.Question(rule_text=case.text)])
    (result,) = api.query.BatchCount(asked).results
    assert (result.error.code, result.total) == (INVALID.value[0], 0)
    (fault,) = result.error.faults
    field = case.field if case in UNPARSED else f"rule.{case.field}"
    assert (fault.field, fault.reason) == (field, case.reason)
    assert (fault.span.start, fault.span.end) == (case.start, case.end)
    assert (fault.line, fault.column) == (1, case.start + 1)
    assert case.words in fault.description
    for call, kind in (
        (api.query.Count, pb.CountRequest),
        (api.query.Explain, pb.ExplainRequest),
        (api.query.ListMembers, pb.ListMembersRequest),
    ):
        error = refused(call, kind(audience=shop, rule_text=case.text))
        assert (error.code, error.fields) == (INVALID, [field])
        assert error.info.metadata["column"] == str(case.start + 1)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.marked[:40])
def test_a_tree_and_its_json_are_refused_alike(api, shop, case: Refusal):
    tree = rule_message(parse(case.text))
    read = json_format.Parse(json_format.MessageToJson(tree), rule_pb2.Rule())
    for rule in (tree, read):
        error = refused(api.query.Count, pb.CountRequest(audience=shop, rule=rule))
        assert (error.code, error.fields) == (INVALID, [f"rule.{case.field}"])
        assert case.words in error.message


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"sequence": {"steps": [{"events": ["open"]}]}}, "rule.sequence.steps"),
        ({"sequence": {"steps": [{"events": ["open"]}] * 9}}, "rule.sequence.steps[8]"),
        (
            {"sequence": {"steps": [{"events": ["open"], "negated": n == 1} for n in range(3)]}},
            "rule.sequence.steps[1].negated",
        ),
        ({"did": {"events": []}}, "rule.did.events"),
        ({"combination": "COMBINATION_ALL"}, "rule.rules"),
        ({"attribute": {"name": "age"}}, "rule.attribute.test"),
        ({"attribute": {"name": "age", "test": {}}}, "rule.attribute.test"),
        ({"idIn": {"values": {}}}, "rule.id_in.values"),
        ({}, "rule"),
    ],
)
def test_what_only_a_tree_can_get_wrong_is_refused_at_its_path(api, shop, rule, field):
    message = json_format.ParseDict(rule, rule_pb2.Rule())
    error = refused(api.query.Count, pb.CountRequest(audience=shop, rule=message))
    assert (error.code, error.fields) == (INVALID, [field])


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({}, INVALID, ["audience", "key"]),
        ({"audience": "shp", "key": ANN}, MISSING, []),
        ({"audience": "shop"}, INVALID, ["key"]),
        ({"audience": "shop", "key": {}}, INVALID, ["key"]),
        ({"audience": "shop", "key": {"number": 3}}, INVALID, ["key"]),
        ({"audience": "shop", "key": {"text": ""}}, MISSING, []),
        ({"audience": "shop", "key": {"text": "k" * 300}}, MISSING, []),
        ({"audience": "shop", "key": {"text": "nobody"}}, MISSING, []),
        ({"audience": "bare", "key": {"number": 1}}, MISSING, []),
        ({"audience": "bare", "key": {"number": -1}}, MISSING, []),
        ({"audience": "bare", "key": {"number": 2**63 - 1}}, MISSING, []),
        ({"audience": "shop", "key": ANN, "at_least_revision": -1}, INVALID, ["at_least_revision"]),
        ({"audience": "shop", "key": ANN, "as_of": {"seconds": 253402300800}}, INVALID, ["as_of"]),
        ({"audience": "shop", "key": ANN, "as_of": {"nanos": -1}}, INVALID, ["as_of"]),
        (
            {"audience": "shop", "key": ANN, "parameters": {"x": {}}},
            INVALID,
            ['parameters["x"]'],
        ),
        (
            {"audience": "shop", "key": ANN, "questions": [{"rule_text": "everyone"}] * 1001},
            INVALID,
            ["questions"],
        ),
    ],
)
def test_a_match_that_can_not_be_is_refused(api, shop, bare, fields, code, place):
    error = refused(api.query.MatchSubscriber, pb.MatchSubscriberRequest(**fields))
    assert (error.code, error.fields) == (code, place)


def test_an_erased_subscriber_matches_nothing_and_is_not_there(api, shop):
    columns = ingest_service_pb2.SubscriberColumns(keys={"texts": ["gone"]})
    api.ingest.UpsertSubscribers(
        ingest_service_pb2.UpsertSubscribersRequest(audience=shop, columns=columns)
    )
    request = pb.MatchSubscriberRequest(
        audience=shop, key={"text": "gone"}, questions=[{"rule_text": "everyone"}]
    )
    assert api.query.MatchSubscriber(request).results[0].matches
    erase = ingest_service_pb2.DeleteSubscribersRequest(audience=shop, keys={"texts": ["gone"]})
    api.ingest.DeleteSubscribers(erase)
    assert refused(api.query.MatchSubscriber, request).code == MISSING


@pytest.mark.parametrize(
    ("question", "code", "field"),
    [
        ({}, INVALID, "rule"),
        ({"segment": ""}, INVALID, "segment"),
        ({"rule": {}}, INVALID, "rule"),
        ({"rule_text": ""}, INVALID, "rule_text"),
        ({"rule_text": "age > $x"}, INVALID, "rule.attribute.test.compare.value.parameter"),
        ({"segment": "nope"}, MISSING, None),
    ],
)
def test_a_question_of_a_match_has_its_error_in_its_place(api, shop, question, code, field):
    request = pb.MatchSubscriberRequest(
        audience=shop, key=ANN, questions=[question, {"rule_text": "everyone"}]
    )
    wrong, right = api.query.MatchSubscriber(request).results
    assert (wrong.error.code, wrong.matches) == (code.value[0], False)
    assert [fault.field for fault in wrong.error.faults] == ([field] if field else [])
    assert (right.matches, right.HasField("error")) == (True, False)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"by": []}, "by"),
        ({"by": [{}]}, "by[0].attribute"),
        ({"by": [{"attribute": "country"}, {"attribute": "contry"}]}, "by[1].attribute"),
        ({"by": [{"attribute": "key"}]}, "by[0].attribute"),
        ({"by": [{"attribute": "email"}]}, "by[0].attribute"),
        ({"by": [{"attribute": "home"}]}, "by[0].attribute"),
        ({"by": [{"attribute": "country", "limit": -1}]}, "by[0].limit"),
        ({"by": [{"attribute": "country", "limit": 10_001}]}, "by[0].limit"),
        ({"by": [{"attribute": "country", "edges": ["1"]}]}, "by[0].edges"),
        ({"by": [{"attribute": "age", "edges": ["1", "1"]}]}, "by[0].edges"),
        ({"by": [{"attribute": "age", "edges": ["1", "NaN"]}]}, "by[0].edges[1]"),
        ({"by": [{"attribute": "age", "unit": "UNIT_DAY"}]}, "by[0].unit"),
        ({"by": [{"attribute": "signup", "unit": "UNIT_HOUR"}]}, "by[0].unit"),
        ({"by": [{"attribute": "signup", "unit": 99}]}, "by[0].unit"),
        ({"by": [{"attribute": "country"}] * 21}, "by"),
        ({"base_text": "age >"}, "base_text"),
        ({"base_text": "agee > 3"}, "base.attribute.name"),
        ({"base": {}}, "base"),
        ({"within_text": "agee > 3"}, "within.attribute.name"),
        ({"as_of": Timestamp(seconds=-62135596801)}, "as_of"),
        ({"parameters": {"X": {"literal": "1"}}}, 'parameters["X"]'),
    ],
)
def test_a_breakdown_that_can_not_be_is_refused_at_its_field(api, shop, fields, field):
    given = {"audience": shop, "rule_text": "everyone", "by": [{"attribute": "country"}], **fields}
    error = refused(api.query.Breakdown, pb.BreakdownRequest(**given))
    assert (error.code, error.fields) == (INVALID, [field])


def test_the_first_and_the_last_instant_are_answered(api, shop):
    for seconds, nanos in ((-62135596800, 0), (253402300799, 999_999_999)):
        for text in AT_THE_ENDS:
            request = pb.ExplainRequest(audience=shop, rule_text=text)
            request.as_of.seconds, request.as_of.nanos = seconds, nanos
            assert 0 <= api.query.Explain(request).total <= 4


def test_an_audience_of_nobody_has_breakdowns_of_nothing(api, bare):
    by = [pb.BreakdownBy(attribute="country"), pb.BreakdownBy(attribute="age", edges=["1"])]
    request = pb.BreakdownRequest(audience=bare, rule_text="everyone", by=by)
    answer = api.query.Breakdown(request)
    assert (answer.total, answer.base_total) == (0, 0)
    values = answer.breakdowns[1].values
    assert [(v.value, v.count) for v in values] == [("< 1", 0), (">= 1", 0)]
    assert (
        api.query.Explain(pb.ExplainRequest(audience=bare, rule_text="age in top 10%")).total == 0
    )
