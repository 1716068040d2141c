"""BatchCount and MatchSubscriber: a bad question has its error in its place."""

import grpc
import pytest
from headcount.v1 import ingest_service_pb2, query_service_pb2
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_message

from tests.rpc.serving import refused

pb = query_service_pb2
ANN = ingest_service_pb2.Key(text="ann")
INVALID = grpc.StatusCode.INVALID_ARGUMENT.value[0]
QUESTIONS = [
    pb.Question(rule_text="age < 40"),
    pb.Question(rule_text="age < 40 and\nage >"),
    pb.Question(rule_text='\n vip is true and contry = "DE"'),
    pb.Question(),
    pb.Question(rule_text=""),
    pb.Question(segment=""),
    pb.Question(segment="nope"),
    pb.Question(rule=rule_message(parse("nosuch is set and age < 40"))),
    pb.Question(rule_text="age < $low"),
    pb.Question(rule_text="not (age < 40)"),
]


def batch(api, questions):
    request = pb.BatchCountRequest(audience="shop", questions=questions)
    return api.query.BatchCount(request).results


def matched(api, questions):
    request = pb.MatchSubscriberRequest(audience="shop", key=ANN, questions=questions)
    return api.query.MatchSubscriber(request).results


@pytest.fixture(params=[batch, matched])
def results(request, api, shop):
    return request.param(api, QUESTIONS)


def test_good_questions_are_answered_among_bad_ones(results):
    assert len(results) == len(QUESTIONS)
    assert [i for i, one in enumerate(results) if not one.HasField("error")] == [0, 9]


def test_every_error_tells_code_reason_message_and_faults(results):
    errors = {i: one.error for i, one in enumerate(results) if one.HasField("error")}
    assert {i: error.reason for i, error in errors.items() if error.code == INVALID} == {
        1: "INVALID_RULE", 2: "INVALID_RULE", 3: "INVALID_INPUT", 4: "INVALID_RULE",
        5: "INVALID_INPUT", 7: "INVALID_RULE", 8: "INVALID_RULE",
    }  # fmt: skip
    assert errors[6].code == grpc.StatusCode.NOT_FOUND.value[0]
    assert all(error.message for error in errors.values())
    assert {i: error.faults[0].reason for i, error in errors.items() if i != 6} == {
        1: "SYNTAX", 2: "UNKNOWN_ATTRIBUTE", 3: "MISSING", 4: "EMPTY", 5: "MISSING",
        7: "UNKNOWN_ATTRIBUTE", 8: "UNBOUND_PARAMETER",
    }  # fmt: skip


def test_faults_of_a_text_have_line_column_and_span(results):
    syntax, unknown, unbound = (results[i].error.faults[0] for i in (1, 2, 8))
    assert (syntax.field, syntax.line, syntax.column, syntax.span.start) == ("rule_text", 2, 6, 18)
    assert (unknown.line, unknown.column, unknown.span.start) == (2, 18, 18)
    assert (unknown.field, unknown.suggestion) == ("rule.rules[1].attribute.name", "country")
    assert (unbound.line, unbound.column) == (1, 7)


def test_faults_of_a_tree_have_a_path_alone(results):
    fault = results[7].error.faults[0]
    assert (fault.field, fault.line) == ("rule.rules[0].attribute.name", 0)
    assert not fault.HasField("span")


def test_too_many_questions_are_refused(api, shop):
    for asked in (batch, matched):
        error = refused(asked, api, [pb.Question(rule_text="everyone")] * 1_001)
        assert (error.reason, error.info.metadata["limit"]) == ("LIMIT_EXCEEDED", "batch_rules_max")
        assert error.fields == ["questions"]
        assert len(asked(api, [pb.Question(rule_text="everyone")] * 1_000)) == 1_000


def test_no_question_is_refused_by_a_batch_and_every_segment_for_a_match(api, shop):
    assert refused(batch, api, []).fields == ["questions"]
    assert list(matched(api, [])) == []
