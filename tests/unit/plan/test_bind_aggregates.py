"""Binding of aggregates, favourites, recency, rates and stars: bounds, zeros, places of faults."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from headcount_server.core.plan.aggregate_nodes import (
    Average,
    EdgePasses,
    Favourite,
    Rate,
    Ratios,
    Stars,
    Total,
)
from headcount_server.core.plan.event_nodes import Days, DidAtLeast, Instants, MeasureRange, Source
from headcount_server.core.plan.nodes import All, And, Node, Not, Nothing, Or
from headcount_server.core.rules.tree import Edge, Function
from headcount_server.core.schema import Engagement, EventSchema
from headcount_server.core.texts import OneOf
from headcount_server.errors import InvalidRule

from tests.unit.plan.test_bind import NOW, SCHEMA, TODAY, bind, violations

EVER = Days(None, TODAY, NOW)
BUY = Source("purchase")


def total(low: int | None, high: int | None, function: Function = Function.SUM) -> Total:
    name = "category" if function is Function.COUNT_DISTINCT else "amount"
    return Total(BUY, name, function, EVER, low, high)


def distinct(low: int | None, high: int | None) -> Total:
    return total(low, high, Function.COUNT_DISTINCT)


@pytest.mark.parametrize(
    ("test", "node"),
    [
        (">= 200", total(20_000, None)),
        ("> 200", total(20_001, None)),
        (">= 0.005", total(1, None)),
        ("> 0.005", total(1, None)),
        ("between 0.005 and 0.029", total(1, 2)),
        ("= 0.005", Nothing()),
        ("!= 0.005", All()),
        ("= 5", total(500, 500)),
        ("!= 5", Not(total(500, 500))),
        ("= -5", total(-500, -500)),
        ("< 0", total(None, -1)),
        ("< -0.001", total(None, -1)),
        # where 0 is in the range, so is everyone without events
        ("= 0", Not(Or((total(None, -1), total(1, None))))),
        ("!= 0", Or((total(None, -1), total(1, None)))),
        ("<= 0", Not(total(1, None))),
        (">= 0", Not(total(None, -1))),
        ("< 0.001", Not(total(1, None))),
        ("between -1 and 2", Not(Or((total(None, -101), total(201, None))))),
        ("between 2 and 1", Nothing()),
        ("between 0.001 and 0.002", Nothing()),
        (f"> 1{'0' * 60}", total(10**62 + 1, None)),
    ],
)  # fmt: skip
def test_a_sum_is_a_range_of_integers_without_zero(test: str, node: Node) -> None:
    assert bind(f"sum(purchase.amount) {test}") == node


@pytest.mark.parametrize(
    ("test", "node"),
    [
        (">= 3", distinct(3, None)),
        ("> 2.5", distinct(3, None)),
        ("= 0", Not(distinct(1, None))),
        ("< 1", Not(distinct(1, None))),
        ("<= -1", Nothing()),
        (">= 0", All()),
        (">= -7", All()),
        ("!= 0", distinct(1, None)),
        ("between -3 and 2", Not(distinct(3, None))),
        ("between 1 and 2", distinct(1, 2)),
    ],
)
def test_a_number_of_values_is_never_below_zero(test: str, node: Node) -> None:
    assert bind(f"count distinct(purchase.category) {test}") == node


def test_least_and_greatest_values_are_false_without_one() -> None:
    assert bind("min(purchase.amount) = 0") == total(0, 0, Function.MIN)
    assert bind("max(purchase.amount) != 0") == Not(total(0, 0, Function.MAX))
    assert bind("max(purchase.amount) > -1000") == total(-99_999, None, Function.MAX)
    assert bind("max(purchase.amount) > 92233720368547758.07") == Nothing()
    assert bind("max(purchase.amount) <= 92233720368547758.07") == total(None, None, Function.MAX)
    assert bind("max(purchase.amount) = 0.001") == Nothing()


def test_a_mean_keeps_its_literal_exactly() -> None:
    third = Fraction("3.333333333333333333") * 100
    assert bind("avg(purchase.amount) > 3.333333333333333333") == Average(
        BUY, "amount", EVER, Ratios(third, None, low_open=True)
    )
    assert bind("avg(purchase.quantity) < 2") == Average(
        BUY, "quantity", EVER, Ratios(None, Fraction(2), high_open=True)
    )
    same = Average(BUY, "quantity", EVER, Ratios(Fraction(2), Fraction(2)))
    assert bind("avg(purchase.quantity) != 2") == Not(same)


def test_a_where_or_window_that_lets_nothing_pass_leaves_the_zero() -> None:
    for rest in ("where (at least 3 of (amount > 1))",
                 "between 2025-05-01 and 2025-04-01", "after 2030-01-01"):  # fmt: skip
        assert bind(f"sum(purchase.amount) = 0 {rest}") == All()
        assert bind(f"sum(purchase.amount) > 0 {rest}") == Nothing()
        assert bind(f"avg(purchase.amount) != 0 {rest}") == All()
        assert bind(f'favourite(purchase.category) != "x" {rest}') == All()
        assert bind(f"last purchase {rest}") == Nothing()


def test_a_favourite_is_one_of_some_values() -> None:
    shoes = OneOf(frozenset({"shoes"}), frozenset())
    node = Favourite(BUY, "category", Days(TODAY - 9, TODAY, NOW), shoes)
    assert bind('favourite(purchase.category) = "Shoes" in last 9 days') == node
    assert bind('favourite(purchase.category) not in ("Shoes") in last 9 days') == Not(node)
    exact = OneOf(frozenset(), frozenset({"Shoes"}))
    found = bind('favourite(purchase.category) = exactly "Shoes" in last 9 days')
    assert found == replace(node, test=exact)


def test_rates_and_stars_are_ranges_of_fractions() -> None:
    assert bind("rate(open / sent) >= 0.4") == Rate(
        Source("open"), Source("sent"), EVER, Ratios(Fraction(2, 5), None)
    )
    assert bind("rate(open / sent) between 2 and 1") == Nothing()
    stars = Stars(
        Source("sent"), Source("open"), Source("click"), "campaign",
        Days(TODAY - 9, TODAY, NOW), EVER, Ratios(Fraction(6, 5), Fraction(6, 5)),
    )  # fmt: skip
    assert bind("stars = 3 in last 9 days") == stars
    assert bind("stars != 3 in last 9 days") == Not(stars)


def test_the_last_event_lies_in_a_window_if_one_does_and_none_after_it() -> None:
    opened = (Source("open"),)
    old = DidAtLeast(opened, Days(None, TODAY - 91, None), 1)
    new = DidAtLeast(opened, Days(TODAY - 90, TODAY, NOW), 1)
    assert bind("last open more than 90 days ago") == And((old, Not(new)))
    assert bind("first open in last 90 days") == And((new, Not(old)))
    assert bind("last open in last 90 days") == new
    assert bind("first open") == DidAtLeast(opened, EVER, 1)
    hour = bind("last open more than 2 hours ago")
    assert isinstance(hour, And)
    inside, outside = hour.nodes
    assert isinstance(inside, DidAtLeast)
    assert isinstance(outside, Not)
    assert isinstance(inside.span, Instants)
    assert outside.node == DidAtLeast(opened, Instants(inside.span.high + 1, NOW), 1)


def test_what_the_edge_event_passes_is_asked_of_that_event() -> None:
    large = MeasureRange("amount", 10_001, None)
    source = (Source("purchase"),)
    assert bind("last purchase is (amount > 100)") == And(
        (DidAtLeast(source, EVER, 1),
         EdgePasses(Edge.LAST, source, EVER, (Source("purchase", large),)))
    )  # fmt: skip
    assert bind("last purchase is (at least 3 of (amount > 100))") == Nothing()


def test_a_window_that_a_clock_change_tears_is_asked_stretch_by_stretch() -> None:
    schema = replace(SCHEMA, time_zone="America/St_Johns")
    torn = bind("last open on 2006-10-29", schema=schema)
    assert isinstance(torn, Or)
    assert len(torn.nodes) == 2
    whole = bind("last open between 2006-10-20 and 2006-10-25", schema=schema)
    assert isinstance(whole, And)
    assert all(isinstance(node.span, Days) for node in whole.nodes if isinstance(node, DidAtLeast))


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("sum(purchase.category) > 1", "rule.aggregate.property", "WRONG_TYPE"),
        ("sum(purchase.amuont) > 1", "rule.aggregate.property", "UNKNOWN_PROPERTY"),
        ("sum(purchse.amount) > 1", "rule.aggregate.event", "UNKNOWN_EVENT"),
        ("count distinct(open.amount) > 1", "rule.aggregate.property", "UNKNOWN_PROPERTY"),
        ("sum(purchase.amount) > $p", "rule.aggregate.test.compare.value.parameter",
         "UNBOUND_PARAMETER"),
        ("sum(purchase.amount) > 1 where (category = 5)",
         "rule.aggregate.where.attribute.test.compare.value.number", "WRONG_TYPE"),
        ("sum(purchase.amount) > 1 in last 3 minutes",
         "rule.aggregate.window.in_last.duration.unit", "UNSUPPORTED_UNIT"),
        ('favourite(purchase.amount) = "x"', "rule.favourite.dimension", "WRONG_TYPE"),
        ('favourite(purchase.x) = "x"', "rule.favourite.dimension", "UNKNOWN_PROPERTY"),
        ('favourite(purchase.category) > "x"', "rule.favourite.test.compare", "UNSUPPORTED_TEST"),
        ("favourite(purchase.category) is set", "rule.favourite.test.is", "UNSUPPORTED_TEST"),
        ("favourite(purchase.category) = 5", "rule.favourite.test.compare.value.number",
         "WRONG_TYPE"),
        ("rate(opn / sent) > 1", "rule.rate.numerator", "UNKNOWN_EVENT"),
        ("rate(open / snt) > 1", "rule.rate.denominator", "UNKNOWN_EVENT"),
        ("last opn", "rule.recency.events[0]", "UNKNOWN_EVENT"),
        ("last open is (amount > 1)", "rule.recency.passes.attribute.name", "UNKNOWN_PROPERTY"),
        ("stars > 1 in last 3 minutes", "rule.stars.window.in_last.duration.unit",
         "UNSUPPORTED_UNIT"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, place: str, reason: str) -> None:
    assert (place, reason) in [(v.field, v.reason) for v in violations(text)]


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = violations('sum(purchase.amuont) > $p where (categry = "x") in last 3 minutes')
    assert len(found) == 4


def test_stars_need_what_the_engagement_names() -> None:
    missing = replace(SCHEMA, engagement=Engagement(click="clicked"))
    unlike = replace(SCHEMA, events=(EventSchema("sent"), *SCHEMA.events[1:]))
    for schema, reason, lacking in (
        (missing, "UNKNOWN_EVENT", 'the event "clicked" that [engagement]'),
        (unlike, "UNKNOWN_PROPERTY", 'the dimension "campaign" of event "sent" that [engagement]'),
    ):
        with pytest.raises(InvalidRule, match=re.escape(lacking)) as caught:
            bind("stars > 1", schema=schema)
        assert caught.value.violations[0].reason == reason


def test_equal_rules_bind_to_equal_nodes_whatever_the_moment_of_a_past_window() -> None:
    node = bind("sum(purchase.amount) >= 1 before 2025-01-01")
    assert isinstance(node, Total)
    assert isinstance(node.span, Days)
    assert node.span.until is None
