"""Limits on trees and texts, and the shape that trees must have."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from headcount_server.core.rules import tree as t
from headcount_server.core.rules.bounds import check_bounds, check_size
from headcount_server.core.rules.parser import parse
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from headcount_server.limits import DEFAULT_LIMITS, NUMBER_DIGITS_MAX, Limits

SMALL = Limits(rule_depth_max=4, rule_nodes_max=10, list_values_max=3, rule_text_bytes_max=200)
SET = t.Attribute("a", t.Is(t.State.SET))
N = t.Number(Decimal(3))


def exceeded(rule: t.Rule | str, limits: Limits = SMALL) -> tuple[str, Violation]:
    with pytest.raises(LimitExceeded) as caught:
        parse(rule, limits) if isinstance(rule, str) else check_bounds(rule, limits)
    (violation,) = caught.value.violations
    assert violation.reason == "LIMIT_EXCEEDED"
    return caught.value.metadata["limit"], violation


@pytest.mark.parametrize(
    ("text", "limit", "start"),
    [
        ("not not not not a = 1", "rule_depth_max", 16),
        ("not not not did x where a = 1", "rule_depth_max", 24),
        ("not not did x where (not a = 1)", "rule_depth_max", 25),
        ("all of (" + "a=1, " * 9 + "a=1)", "rule_nodes_max", 8 + 45),
        ("a in (1, 2, 3, 4)", "list_values_max", 5),
        ("d month in (1, 2, 3, 4)", "list_values_max", 0),
        ('a = "' + "ä" * 100 + '"', "rule_text_bytes_max", 102),
        ("did a" + " then b" * 8, "sequence_steps_max", 5 + 49 + 6),
        ("a = " + "1" * 180 + "." + "1" * 9, "number_digits_max", 4),
    ],
)
def test_a_text_past_a_limit_names_the_limit_and_the_place(
    text: str, limit: str, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headcount_server.core.rules.bounds.NUMBER_DIGITS_MAX", 150)
    named, violation = exceeded(text)
    assert named == limit
    assert violation.field == "rule_text"
    assert (violation.line, violation.column, violation.start) == (1, start + 1, start)
    assert violation.description.startswith(f"line 1, column {start + 1}: ")


@pytest.mark.parametrize(
    "text",
    [
        "not not not a = 1",
        "((((not ((not (not (a = 1))))))))",
        "not not did x where (a = 1)",
        "all of (" + "a=1, " * 8 + "a=1)",
        "a in (1, 2, 3)",
        'a = "' + "ä" * 97 + '"',
        "did a" + " then b" * 7,
    ],
)
def test_a_text_at_its_limit_is_within(text: str) -> None:
    assert parse(text, SMALL)


@pytest.mark.parametrize(
    ("rule", "limit", "field"),
    [
        (
            t.Not(t.Not(t.Not(t.Not(SET)))),
            "rule_depth_max",
            "rule.not.rule.not.rule.not.rule.not.rule",
        ),
        (t.And((SET,) * 10), "rule_nodes_max", "rule.and.rules[9]"),
        (t.Or((SET, t.NoneOf((SET,) * 8))), "rule_nodes_max", "rule.or.rules[1].none_of.rules[7]"),
        (
            t.And(
                (SET, t.WeightedSum((t.Weight(N, t.IdIn(t.ValueList((N,) * 4))),), t.Between(N, N)))
            ),
            "list_values_max",
            "rule.and.rules[1].weighted_sum.terms[0].rule.id_in",
        ),
        (
            t.Sequence(
                (t.Step(("a",)), t.Step(("b",), without=t.Without("c", t.Not(t.Not(t.Not(SET))))))
            ),
            "rule_depth_max",
            "rule.sequence.steps[1].without.where.not.rule.not.rule.not.rule",
        ),
        (
            t.Recency(t.Edge.LAST, ("a",), passes=t.Not(t.Not(t.Not(SET)))),
            "rule_depth_max",
            "rule.recency.passes.not.rule.not.rule.not.rule",
        ),
    ],
)
def test_a_tree_past_a_limit_names_the_limit_and_the_path(
    rule: t.Rule, limit: str, field: str
) -> None:
    named, violation = exceeded(rule)
    assert (named, violation.field) == (limit, field)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (t.And(()), "rule.and.rules"),
        (t.Not(t.Or(())), "rule.not.rule.or.rules"),
        (t.NoneOf(()), "rule.none_of.rules"),
        (t.AtLeast(N, ()), "rule.at_least.rules"),
        (t.WeightedSum((), t.Between(N, N)), "rule.weighted_sum.terms"),
        (t.Did(()), "rule.did.events"),
        (t.Did(("open", "")), "rule.did.events"),
        (t.Attribute("", SET.test), "rule.attribute.name"),
        (t.Attribute("a", t.In(t.ValueList())), "rule.attribute.test.values"),
        (t.Attribute("a", t.In(t.ValueList((N,), "p"))), "rule.attribute.test.values"),
        (t.Attribute("a", t.Has(t.Parameter(""))), "rule.attribute.test.value.parameter"),
        (t.Attribute("a", t.MonthIn(())), "rule.attribute.test.parts"),
        (t.Attribute("a", t.HasOf(t.Quantifier.ANY, t.ValueList((N,)), N)), "rule.attribute"),
        (t.Attribute("a", t.HasOf(t.Quantifier.AT_LEAST, t.ValueList((N,)))), "rule.attribute"),
        (t.Attribute("a", t.Has(t.Number(Decimal("NaN")))), "rule.attribute"),
        (t.Aggregate(t.Function.SUM, "e", "", t.Between(N, N)), "rule.aggregate.property"),
        (t.Rate("", "sent", t.Between(N, N)), "rule.rate.numerator"),
        (t.Recency(t.Edge.LAST, ()), "rule.recency.events"),
        (t.Did(("a",), often=t.Often(t.Many.BETWEEN, N)), "rule.did.often.high"),
        (t.Did(("a",), often=t.Often(t.Many.EXACTLY, N, N)), "rule.did.often.high"),
        (t.Did(("a",), habit=t.Habit(t.Many.BETWEEN, N, N, t.Unit.DAY)), "rule.did.habit.many"),
        (t.Sequence((t.Step(("a",)),)), "rule.sequence.steps"),
        (t.Sequence(()), "rule.sequence.steps"),
        (t.Sequence((t.Step(("a",)), t.Step(()))), "rule.sequence.steps.events"),
        (t.Sequence((t.Step(("a",), negated=True), t.Step(("b",)))), "rule.sequence.steps[0]"),
        (t.Sequence((t.Step(("a",)), t.Step(("b", "c")))), "rule.sequence.steps[1].events"),
        (t.And((SET, t.Did(("a",), where=t.And(())))), "rule.and.rules[1].did.where.and.rules"),
    ],
)
def test_an_ill_shaped_tree_is_refused_with_its_path(rule: t.Rule, field: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        check_bounds(rule)
    assert caught.value.violations[0].field == field


def test_a_did_has_one_window_relative_or_habit() -> None:
    window = t.InLast(t.Duration(N, t.Unit.DAY))
    habit = t.Habit(t.Many.AT_LEAST, N, N, t.Unit.DAY)
    did = t.Did(("a",), window=window)
    check_bounds(did)
    with pytest.raises(InvalidRule):
        check_bounds(replace(did, habit=habit))


def test_parentheses_count_nothing_and_never_overflow() -> None:
    assert parse("(" * 100_000 + "a is set" + ")" * 100_000) == SET
    with pytest.raises(InvalidRule):
        parse("(" * 100_000 + "a is set" + ")" * 99_999)


@pytest.mark.parametrize(
    "text", ["not " * 100_000 + "a is set", "a " + "domain " * 100_000 + "is set"]
)
def test_nesting_of_any_depth_is_an_error_and_no_overflow(text: str) -> None:
    limit, _ = exceeded(text, DEFAULT_LIMITS)
    assert limit == "rule_depth_max"


def test_a_text_of_a_mebibyte_is_parsed() -> None:
    text = "id in (" + ",".join(f'"{i:07}"' for i in range(100_000)) + ")"
    text += " " * ((1 << 20) - len(text))
    rule = parse(text)
    assert isinstance(rule, t.IdIn)
    assert len(rule.values.values) == 100_000
    check_size(rule)


@pytest.mark.parametrize("digits", ["1" * NUMBER_DIGITS_MAX, f"0.{'0' * (NUMBER_DIGITS_MAX - 1)}1"])
def test_a_number_has_as_many_digits_as_the_limit(digits: str) -> None:
    assert parse(f"a = {digits}")
    limit, _ = exceeded(f"a = {digits}1", DEFAULT_LIMITS)
    assert limit == "number_digits_max"


def test_a_domain_of_a_domain_is_as_deep_as_a_rule() -> None:
    assert parse(f'a {"domain " * SMALL.rule_depth_max} = "x"', SMALL)
    limit, _ = exceeded(f'a {"domain " * (SMALL.rule_depth_max + 1)} = "x"')
    assert limit == "rule_depth_max"
