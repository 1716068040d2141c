"""The typed builder says what the text form says."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from headcount_client.rules import (
    all_of,
    any_of,
    at_least,
    attr,
    avg_of,
    bucket,
    count_distinct,
    did,
    did_not,
    entered,
    everyone,
    exactly,
    favourite,
    first,
    ids,
    inactive_for,
    known_for,
    last,
    left,
    nobody,
    none_of,
    param,
    prop,
    rate,
    sample,
    segment,
    stars,
    sum_of,
    weighted,
)
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_of
from hypothesis import HealthCheck, given, settings

from tests.strategies.rule_trees import rule_trees
from tests.unit.client.building import built
from tests.unit.rules.examples import EXAMPLES

DE = attr("country") == "DE"
SHOES = prop("category") == "shoes"
NEW_YEAR = date(2026, 1, 1)
SAME = {
    'country = "DE"': DE,
    'country = exactly "DE"': attr("country") == exactly("DE"),
    "country = $c": attr("country") == param("$c"),
    'country != "DE"': attr("country") != "DE",
    'country in ("DE", "AT")': attr("country").in_(["DE", "AT"]),
    'country in (exactly "DE", $x)': attr("country").in_([exactly("DE"), param("x")]),
    "country not in $c": attr("country").not_in(param("c")),
    'a contains "x" and not b contains "y"': attr("a").contains("x") & ~attr("b").contains("y"),
    'a not contains "x"': attr("a").not_contains("x"),
    'a contains any of ("x", "y")': attr("a").contains_any(["x", "y"]),
    'a not contains any of ("x")': attr("a").not_contains_any(["x"]),
    'a starts with "x" or a ends with "y" or a like "z*"': attr("a").starts_with("x")
    | attr("a").ends_with("y")
    | attr("a").like("z*"),
    "a matches /x+/": attr("a").matches("x+"),
    "a matches exactly /x+/": attr("a").matches("x+", exactly=True),
    'email domain in ("gmail.com")': attr("email").domain.in_(["gmail.com"]),
    'tags has "x"': attr("tags").has("x"),
    'tags has any of ("x")': attr("tags").has_any(["x"]),
    "tags has all of $t": attr("tags").has_all(param("t")),
    'tags has none of ("x")': attr("tags").has_none(["x"]),
    'tags has at least 2 of ("x", "y")': attr("tags").has_at_least(2, ["x", "y"]),
    'tags has value starting with "CR."': attr("tags").has_value_starting_with("CR."),
    "tags size >= 3": attr("tags").size >= 3,
    "b is true and b is set": attr("b").is_true() & attr("b").is_set(),
    "b is false or b is missing": attr("b").is_false() | attr("b").is_missing(),
    "age between 3 and 5": attr("age").between(3, 5),
    "age >= 0.5": attr("age") >= Decimal("0.5"),
    "age > 1 and age < 2 and age <= -3": (attr("age") > 1)
    & (attr("age") < 2)
    & (attr("age") <= -3),
    "age in top 10%": attr("age").in_top(10, percent=True),
    "age in bottom 100": attr("age").in_bottom(100),
    "d in last 30 days": attr("d").in_last(30, "days"),
    "d in next $n weeks": attr("d").in_next(param("n"), "weeks"),
    "d more than 3 months from now": attr("d").more_than_from_now(3, "months"),
    "d more than 3 quarters ago": attr("d").more_than_ago(3, "quarter"),
    "d between 2 and 9 days ago": attr("d").between_ago(2, 9, "days"),
    "d between 2 and 9 years from now": attr("d").between_from_now(2, 9, "years"),
    "d between 2026-01-01 and 2026-03-31": attr("d").between(NEW_YEAR, date(2026, 3, 31)),
    "d in this month": attr("d").in_this("month"),
    "d last month": attr("d").in_previous("month"),
    "d next year": attr("d").in_following("year"),
    "d on 2026-01-01": attr("d").on(NEW_YEAR),
    "d before $d": attr("d").before(param("d")),
    "d after 2026-01-01T00:00:00Z": attr("d").after(datetime(2026, 1, 1, tzinfo=UTC)),
    "d >= e + 11 months": attr("d") >= attr("e").plus(11, "months"),
    "d >= e - 1 days": attr("d") >= attr("e").minus(1, "day"),
    "d < e": attr("d") < attr("e"),
    "d anniversary in next 7 days": attr("d").anniversary.in_next(7, "days"),
    "d changed in last 7 days": attr("d").changed.in_last(7, "days"),
    "d month in (3, april)": attr("d").month_in(3, 4),
    "d day of month in (1, 15)": attr("d").day_of_month_in(1, 15),
    "d weekday in (monday)": attr("d").weekday_in(1),
    "d hour between 22 and 5": attr("d").hour_between(22, 5),
    "l within 50 km of (52.52, 13.40)": attr("l").within(
        50, "km", (Decimal("52.52"), Decimal("13.40"))
    ),
    "l in box (1, 2, 3, 4)": attr("l").in_box(1, 2, 3, 4),
    "did open": did("open"),
    "did not open": did_not("open"),
    "did not open in last 90 days": ~did("open").in_last(90, "days"),
    'did any of (open, click) at least 3 times where (category = "shoes") in last 30 days': did(
        "open", "click"
    )
    .at_least(3)
    .where(SHOES)
    .in_last(30, "days"),
    "did open on at least 5 days in last 30 days": did("open")
    .at_least(5, on_days=True)
    .in_last(30, "days"),
    "did open between 2 and 3 times": did("open").times_between(2, 3),
    "did open at most 2 times": did("open").at_most(2),
    "did open exactly 2 times": did("open").exactly(2),
    "did open more than 2 times": did("open").more_than(2),
    "did open fewer than 2 times": did("open").fewer_than(2),
    'did purchase where (category = "shoes" and amount > 50)': did("purchase").where(
        SHOES, prop("amount") > 50
    ),
    'did purchase where (category = "shoes" or not amount > 50)': did("purchase").where(
        SHOES | ~(prop("amount") > 50)
    ),
    "did purchase at least 3 times within 30 days after signup_date": did("purchase")
    .at_least(3)
    .within(30, "days", after="signup_date"),
    "did purchase within 30 days before d": did("purchase").within(30, "days", before="d"),
    "did open in at least 3 of last 4 weeks": did("open").in_at_least(3, of_last=4, unit="weeks"),
    "did open in at most 3 of last 4 weeks": did("open").in_at_most(3, of_last=4, unit="weeks"),
    "did open in exactly 3 of last 4 days": did("open").in_exactly(3, of_last=4, unit="days"),
    "did open then click within 2 days in last 30 days": did("open")
    .then("click", within=(2, "days"))
    .in_last(30, "days"),
    "did add then not purchase within 1 day": did("add").then_not("purchase", within=(1, "day")),
    'did open where (a = "x") then click where (a = "y")': did("open")
    .where(prop("a") == "x")
    .then("click", where=prop("a") == "y"),
    "did open then click without unsubscribe all within 7 days same product": did("open")
    .then("click", without="unsubscribe")
    .all_within(7, "days")
    .same("product"),
    "did open where campaign in last 5 campaigns sent": did("open").where(
        prop("campaign").in_last_campaigns(5, "sent")
    ),
    "did open where campaign in at least 2 of last 5 campaigns sent": did("open").where(
        prop("campaign").in_last_campaigns(5, "sent", quantifier="at_least", count=2)
    ),
    "last open more than 90 days ago": last("open").more_than_ago(90, "days"),
    'first purchase where (category = "shoes") is (amount > 100) after 2026-01-01': first(
        "purchase"
    )
    .where(SHOES)
    .passes(prop("amount") > 100)
    .after(NEW_YEAR),
    'sum(purchase.amount) >= 200 where (category = "shoes") in last 365 days': sum_of(
        "purchase", "amount"
    )
    .where(SHOES)
    .in_last(365, "days")
    >= 200,
    "avg(purchase.amount) < 2.5": avg_of("purchase", "amount") < Decimal("2.5"),
    "count distinct(purchase.product) between 3 and 4": count_distinct(
        "purchase", "product"
    ).is_between(3, 4),
    'favourite(purchase.category) = "shoes" in last 365 days': favourite(
        "purchase", "category"
    ).in_last(365, "days")
    == "shoes",
    'favourite(purchase.category) in ("shoes", "bags")': favourite("purchase", "category").in_(
        ["shoes", "bags"]
    ),
    "rate(open / sent) >= 0.4 in last 90 days": rate("open", "sent").in_last(90, "days")
    >= Decimal("0.4"),
    "stars = 3": stars() == 3,
    "inactive for 180 days": inactive_for(180, "days"),
    "known for at least 30 days": known_for(30, "days"),
    'sum of (10 for did open, -5 for tags has "x") >= 12': weighted(
        (10, did("open")), (-5, attr("tags").has("x"))
    )
    >= 12,
    "all of (everyone, nobody)": all_of(everyone, nobody),
    "any of (everyone, nobody)": any_of(everyone, nobody),
    "none of (everyone, nobody)": none_of(everyone, nobody),
    "at least 2 of (everyone, nobody)": at_least(2, everyone, nobody),
    'in segment "vip"': segment("vip"),
    'entered segment "vip" in last 7 days': entered("vip").in_last(7, "days"),
    'left segment "vip" this week': left("vip").in_this("week"),
    'sample 10% seed "s"': sample(10, "s"),
    'bucket 3 of 10 seed "s"': bucket(3, of=10, seed="s"),
    'id in ("a", "b")': ids(["a", "b"]),
    "id in (1, 2)": ids([1, 2]),
    '(country = "DE" or age > 3) and did open': (DE | (attr("age") > 3)) & did("open"),
    'country = "DE" and did open and everyone': DE & (did("open") & everyone),
}


@pytest.mark.parametrize("text", SAME)
def test_a_built_rule_is_the_parsed_one(text):
    assert rule_of(SAME[text].to_rule()) == parse(text)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_language_can_be_built(text):
    rule = parse(text)
    assert rule_of(built(rule).to_rule()) == rule


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_trees())
def test_any_rule_can_be_built_and_has_the_text_of_the_parsed_one(rule):
    made = rule_of(built(rule).to_rule())
    assert made == rule
    assert format_rule(made) == format_rule(rule)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: bool(DE), "&, | and ~"),
        (lambda: DE and DE, "&, | and ~"),
        (lambda: DE & "x", "no rule"),
        (lambda: attr("a") == 0.5, "Decimal"),
        (lambda: attr("a").in_("DE"), "a list of values is needed"),
        (lambda: attr("a").in_(exactly("DE")), "a list of values is needed"),
        (lambda: attr("a").in_last(3, "fortnights"), "no unit"),
        (lambda: attr("a").within(3, "miles", (1, 2)), "km, m and mi"),
        (did, "one type of events"),
        (lambda: did("a").where(), "one condition"),
        (lambda: did("a").within(3, "days"), "after= or before="),
        (lambda: did("a").at_least(2).then("b"), "neither a count"),
        (lambda: {attr("a"): 1}, "unhashable"),
    ],
)
def test_what_can_not_be_meant_is_refused(wrong, told):
    with pytest.raises((TypeError, ValueError), match=told):
        wrong()


def test_rules_are_never_changed():
    base = did("open")
    rule = base.to_rule()
    base.at_least(3).in_last(3, "days")
    rule.did.events.append("click")
    assert rule_of(base.to_rule()) == parse("did open")
