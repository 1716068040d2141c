"""Unfinished rules over the wire: what is left is counted, what isn't is told at its place."""

import grpc
import pytest
from headcount.v1 import query_service_pb2
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_message

from tests.rpc.serving import refused

pb = query_service_pb2


def explained(api, text, **fields):
    request = pb.ExplainRequest(audience="shop", rule_text=text, tolerant=True, **fields)
    return api.query.Explain(request)


def parsed(api, text, **fields):
    return api.query.ParseRule(pb.ParseRuleRequest(rule_text=text, tolerant=True, **fields))


def test_an_unfinished_condition_is_left_out_of_the_counts(api, shop):
    answer = explained(api, 'country = "de" and\nage >')
    assert (answer.total, answer.reachable, answer.root.text) == (2, 1, 'country = "de"')
    (fault,) = answer.incomplete
    assert (fault.field, fault.reason, fault.line, fault.column) == ("rule_text", "SYNTAX", 2, 6)
    assert (fault.span.start, fault.span.end, fault.found) == (24, 24, "the end of the text")
    assert "a number" in fault.expected


def test_a_condition_that_does_not_fit_has_its_error_at_its_node(api, shop):
    answer = explained(api, 'age >= 40 and\ncontry = "DE"')
    assert answer.total == 2
    fits, unfit = answer.root.nodes
    assert (fits.HasField("error"), fits.count) == (False, 2)
    assert unfit.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    (fault,) = unfit.error.faults
    assert (fault.line, fault.column, fault.suggestion) == (2, 1, "country")
    assert fault.field == "rule.rules[1].attribute.name"
    assert list(answer.incomplete) == [fault]


def test_what_is_left_out_is_told_in_the_order_of_the_text(api, shop):
    answer = explained(api, 'contry = "DE" and age > and age = "x" and vip is')
    assert [fault.span.start for fault in answer.incomplete] == [0, 24, 34, 48]
    assert answer.total == 4


@pytest.mark.parametrize("text", ["", "  # to do", "age >", "not (did"])
def test_of_a_text_without_a_finished_condition_everyone_is_counted(api, shop, text):
    answer = explained(api, text, within_text="age >= 40")
    assert (answer.total, answer.reachable, answer.audience_size) == (2, 1, 4)
    assert not answer.HasField("root")
    assert answer.incomplete


def test_trees_and_segments_are_asked_tolerantly_too(api, shop):
    tree = rule_message(parse('age >= 40 and contry = "DE"'))
    answer = api.query.Explain(pb.ExplainRequest(audience=shop, rule=tree, tolerant=True))
    assert (answer.total, len(answer.incomplete)) == (2, 1)
    missing = pb.ExplainRequest(audience=shop, segment="nope", tolerant=True)
    assert refused(api.query.Explain, missing).code is grpc.StatusCode.NOT_FOUND


def test_a_finished_rule_is_answered_as_without_tolerance(api, shop):
    text = 'country = "de" and not (age < 40 or vip is true)'
    tolerant = explained(api, text)
    strict = api.query.Explain(pb.ExplainRequest(audience=shop, rule_text=text))
    assert tolerant.root == strict.root
    assert (tolerant.total, list(tolerant.incomplete)) == (strict.total, [])


def test_without_tolerance_it_is_refused_as_ever(api, shop):
    request = pb.ExplainRequest(audience=shop, rule_text="age >= 40 and age >")
    assert refused(api.query.Explain, request).reason == "INVALID_RULE"


def test_an_unfinished_text_is_parsed_as_far_as_it_goes(api):
    answer = parsed(api, "age >= $low and (vip is true or country in (")
    assert answer.formatted_text == "age >= $low and vip is true"
    assert list(answer.parameters) == ["low"]
    assert [(f.span.start, f.reason) for f in answer.incomplete] == [(44, "SYNTAX")]
    nothing = parsed(api, "")
    assert (nothing.HasField("rule"), nothing.formatted_text) == (False, "")
    assert [fault.reason for fault in nothing.incomplete] == ["EMPTY"]


def test_with_an_audience_what_does_not_fit_is_left_out_but_parameters_need_no_value(api, shop):
    answer = parsed(api, 'age >= $low and contry = "DE"', audience=shop)
    assert answer.formatted_text == "age >= $low"
    assert [(f.reason, f.column) for f in answer.incomplete] == [("UNKNOWN_ATTRIBUTE", 17)]
    assert not parsed(api, 'contry = "DE"', audience=shop).HasField("rule")


def test_a_text_too_long_to_be_read_past_its_faults_names_the_limit(api, shop):
    request = pb.ParseRuleRequest(rule_text="(" * 200_000, tolerant=True)
    error = refused(api.query.ParseRule, request)
    assert (error.reason, error.info.metadata["limit"]) == ("LIMIT_EXCEEDED", "tolerant_tokens_max")
    assert error.fields == ["rule_text"]


def test_a_part_tells_the_count_without_it(api, shop):
    answer = explained(api, 'country = "de" and age >= 40 and (vip is true or vip is false)')
    assert [node.without_count for node in answer.root.nodes] == [2, 2, 1]
    assert not answer.root.HasField("without_count")
    reasons = [[w.reason for w in node.warnings] for node in answer.root.nodes]
    assert reasons == [[], [], ["REDUNDANT"]]
    answer = explained(api, 'country = "fr" and age < 40')
    assert [w.reason for w in answer.root.warnings] == ["CONTRADICTION"]
