"""Rules on the wire: messages, their JSON and the tree say the same; faults name their place."""

import re

import pytest
from google.protobuf import json_format
from headcount.v1 import rule_pb2
from headcount_server.core.plan.bind import Binder
from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.errors import InvalidRule, LimitExceeded, Unimplemented
from headcount_server.limits import Limits
from headcount_server.rpc.places import contract_place
from headcount_server.rpc.rules import rule_message, rule_of
from hypothesis import given, settings

from tests.strategies.rule_trees import rule_trees
from tests.strategies.settings import STRING_SCHEMA

DEEP = 64


def resolve(message, path):
    """What stands at a path in a message; fails where the path leads nowhere."""
    for segment in path.split(".")[1:]:
        name, index = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", segment).groups()
        field = message.DESCRIPTOR.fields_by_name[name]
        message = getattr(message, name)
        if index is not None:
            assert field.is_repeated
            message = message[int(index)]
    return message


def deep(levels, leaf="everyone"):
    return parse("not (" * (levels - 1) + leaf + ")" * (levels - 1))


@settings(max_examples=300, deadline=None)
@given(rule_trees())
def test_a_tree_survives_bytes_and_json(rule):
    message = rule_message(rule)
    read = rule_pb2.Rule.FromString(message.SerializeToString())
    assert rule_of(read) == rule
    from_json = json_format.Parse(json_format.MessageToJson(message), rule_pb2.Rule())
    assert from_json == message
    assert rule_of(from_json) == rule


@settings(max_examples=100, deadline=None)
@given(rule_trees())
def test_text_and_message_are_the_same_rule(rule):
    text = format_rule(rule)
    assert rule_of(rule_message(parse(text))) == parse(text)
    assert format_rule(rule_of(rule_message(rule))) == text


@pytest.mark.parametrize(
    "leaf",
    [
        "did open where (" + "not (" * 20 + 'link = "x"' + ")" * 20 + ")",
        "did open then click where (x = 1) within 2 days without c where (y between 1 and 2)",
        'email domain domain in ("a", "b")',
        "a between 2026-01-01T00:00:00Z and 2026-02-01T00:00:00Z",
    ],
)
def test_a_rule_of_full_depth_survives_bytes_and_json(leaf):
    used = max(depth for _, depth in tree.walk(parse(leaf)))
    rule = deep(DEEP - used + 1, leaf)
    message = rule_message(rule)
    assert rule_of(rule_pb2.Rule.FromString(message.SerializeToString())) == rule
    assert rule_of(json_format.Parse(json_format.MessageToJson(message), rule_pb2.Rule())) == rule


def test_a_rule_deeper_than_the_limit_is_refused_with_its_place():
    message = rule_message(deep(DEEP))
    deeper = rule_pb2.Rule(combination=rule_pb2.COMBINATION_NOT, rules=[message])
    with pytest.raises(LimitExceeded) as caught:
        rule_of(deeper)
    assert caught.value.metadata["limit"] == "rule_depth_max"
    assert caught.value.violations[0].field == "rule" + ".rules[0]" * DEEP


def test_too_many_nodes_are_refused_before_they_are_read():
    everyone = rule_message(tree.Everyone())
    message = rule_pb2.Rule(combination=rule_pb2.COMBINATION_ANY, rules=[everyone] * 10)
    with pytest.raises(LimitExceeded) as caught:
        rule_of(message, Limits(rule_nodes_max=10))
    assert caught.value.metadata["limit"] == "rule_nodes_max"
    assert caught.value.violations[0].field == "rule.rules[9]"


def test_a_list_past_the_limit_is_refused():
    message = rule_message(parse('a in ("x", "y", "z")'))
    with pytest.raises(LimitExceeded) as caught:
        rule_of(message, Limits(list_values_max=2))
    assert caught.value.metadata["limit"] == "list_values_max"
    assert caught.value.violations[0].field == "rule.attribute.test.in_list.values.values"


def edited(text, edit):
    message = rule_message(parse(text))
    edit(message)
    return message


FAULTS = {
    "nothing set": (rule_pb2.Rule(), "rule", "UNSET"),
    "no operands": (
        rule_pb2.Rule(combination=rule_pb2.COMBINATION_ALL), "rule.rules", "MISSING",
    ),
    "operands of a leaf": (
        edited("everyone", lambda m: m.rules.add().nobody.SetInParent()),
        "rule.rules", "INVALID_SHAPE",
    ),
    "two rules under a not": (
        edited("not everyone", lambda m: m.rules.add().nobody.SetInParent()),
        "rule.rules", "INVALID_SHAPE",
    ),
    "unspecified combination": (
        edited("a = 1 and b = 1", lambda m: setattr(m, "combination", 0)),
        "rule.combination", "INVALID_ENUM",
    ),
    "weights and rules differ": (
        edited("sum of (1 for a = 1) > 0", lambda m: m.weighted_sum.weights.add(number="1")),
        "rule.weighted_sum.weights", "INVALID_SHAPE",
    ),
    "a number that is none": (
        edited(
            "x = 1 and a >= 1",
            lambda m: setattr(m.rules[1].attribute.test.compare.value, "number", "1e5"),
        ),
        "rule.rules[1].attribute.test.compare.value.number", "INVALID_NUMBER",
    ),
    "a date that does not exist": (
        edited("a on 2026-02-28", lambda m: setattr(
            m.attribute.test.in_window.window.on.moment, "date", "2026-02-29")),
        "rule.attribute.test.in_window.window.on.moment.date", "INVALID_DATE",
    ),
    "a time out of range": (
        edited("a < 2026-02-28T00:00Z", lambda m: setattr(
            m.attribute.test.compare.value.timestamp, "seconds", 10**15)),
        "rule.attribute.test.compare.value.timestamp", "INVALID_TIME",
    ),
    "an empty value": (
        edited("a = 1", lambda m: m.attribute.test.compare.value.Clear()),
        "rule.attribute.test.compare", "MISSING",
    ),
    "an unset value": (
        edited("a = 1", lambda m: m.attribute.test.compare.value.ClearField("number")),
        "rule.attribute.test.compare.value", "UNSET",
    ),
    "an exact number": (
        edited("a = 1", lambda m: setattr(m.attribute.test.compare.value, "exactly", True)),
        "rule.attribute.test.compare.value.exactly", "WRONG_TYPE",
    ),
    "unspecified operator": (
        edited("a = 1", lambda m: setattr(m.attribute.test.compare, "operator", 0)),
        "rule.attribute.test.compare.operator", "INVALID_ENUM",
    ),
    "unknown operator": (
        edited("a = 1", lambda m: setattr(m.attribute.test.compare, "operator", 99)),
        "rule.attribute.test.compare.operator", "INVALID_ENUM",
    ),
    "unspecified unit": (
        edited("did a in last 3 days", lambda m: setattr(m.did.window.in_last.duration, "unit", 0)),
        "rule.did.window.in_last.duration.unit", "INVALID_ENUM",
    ),
    "unset test": (
        edited("a = 1", lambda m: m.attribute.test.ClearField("compare")),
        "rule.attribute.test", "UNSET",
    ),
    "unset window": (
        edited("did a in last 3 days", lambda m: m.did.window.ClearField("in_last")),
        "rule.did.window", "UNSET",
    ),
    "no name": (
        edited("a = 1", lambda m: setattr(m.attribute, "name", "")),
        "rule.attribute.name", "MISSING",
    ),
    "no event": (
        edited("did a", lambda m: m.did.ClearField("events")), "rule.did.events", "MISSING",
    ),
    "an empty event": (
        edited("did any of (a, b)", lambda m: m.did.events.__setitem__(1, "")),
        "rule.did.events[1]", "MISSING",
    ),
    "a fault in a where": (
        edited(
            "not did a where (x = 1 and y = 2)",
            lambda m: setattr(m.rules[0].did.where.rules[1].attribute, "name", ""),
        ),
        "rule.rules[0].did.where.rules[1].attribute.name", "MISSING",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "place", "reason"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_read_is_refused_with_its_place(message, place, reason):
    if place == "rule.attribute.test.compare":
        message.attribute.test.compare.ClearField("value")
        place += ".value"
    with pytest.raises(InvalidRule) as caught:
        rule_of(message)
    violation = caught.value.violations[0]
    assert (violation.field, violation.reason) == (place, reason)
    assert violation.description
    assert place in caught.value.message


def test_faults_stand_below_the_field_that_holds_the_rule():
    with pytest.raises(InvalidRule) as caught:
        rule_of(rule_pb2.Rule(), place="questions[3].rule")
    assert caught.value.violations[0].field == "questions[3].rule"


@pytest.mark.parametrize(
    ("place", "contract"),
    [
        ("rule.and.rules[1].not.rule.attribute.name", "rule.rules[1].rules[0].attribute.name"),
        ("rule.at_least.rules[2].at_least.count.number", "rule.rules[2].at_least.number"),
        ("rule.weighted_sum.terms[1].rule.did.where", "rule.rules[1].did.where"),
        ("rule.weighted_sum.terms[0].weight.number", "rule.weighted_sum.weights[0].number"),
        ("rule.attribute.test.in.values", "rule.attribute.test.in_list.values"),
        ("rule.attribute.test.is.state", "rule.attribute.test.state.state"),
        ("rule.did.where.or.rules[0].attribute.test.in", "rule.did.where.rules[0].attribute.test.in_list"),  # noqa: E501
        ("rule_text", "rule_text"),
    ],
)  # fmt: skip
def test_places_of_the_core_become_paths_of_the_contract(place, contract):
    assert contract_place(place) == contract
    assert contract_place(contract) == contract


@settings(max_examples=400, deadline=None)
@given(rule_trees())
def test_every_fault_of_binding_stands_at_a_path_that_the_message_has(rule):
    try:
        Binder(STRING_SCHEMA, {}, {}, 0).bind(rule)
    except InvalidRule as error:
        message = rule_message(rule)
        for violation in error.violations:
            resolve(message, contract_place(violation.field))
    except Unimplemented:
        pass


def test_spans_are_written_and_not_read():
    rule = parse('country = "DE" and age >= 18')
    message = rule_message(rule)
    assert (message.rules[1].span.start, message.rules[1].span.end) == (19, 28)
    value = message.rules[0].attribute.test.compare.value
    assert (value.span.start, value.span.end) == (10, 14)
    assert rule_of(message).rules[1].span is None
