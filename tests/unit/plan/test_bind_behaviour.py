"""What habits, days of one's own, last campaigns and sequences are bound to, and their faults."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from headcount_server.core.plan.behaviour_nodes import (
    DidRelative,
    Habit,
    LastCampaigns,
    Sequence,
    SequenceStep,
)
from headcount_server.core.plan.bind import Binder
from headcount_server.core.plan.event_nodes import Days, MeasureRange, Source, WhereAnd
from headcount_server.core.plan.nodes import All, And, IsSet, Node, Not, Nothing
from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import Engagement
from headcount_server.errors import InvalidRule, Violation

from tests.unit.plan.test_bind import NOW, SCHEMA, TODAY, bind, violations

EVER = Days(None, TODAY, NOW)
HOUR = 3_600_000_000
OPEN, CLICK, SENT = Source("open"), Source("click"), Source("sent")
MONEY = Source("purchase", WhereAnd((MeasureRange("amount", 101, None), WhereAnd(()))))


def habit(low: int, high: int | None, count: int, last: int = 4, unit: Unit = Unit.WEEK) -> Habit:
    return Habit((OPEN,), unit, last, NOW, low, high, count)


def near(amount: int, unit: Unit, count: int = 1, attribute: str = "birthday") -> DidRelative:
    return DidRelative((OPEN,), attribute, amount, unit, NOW, count)


def campaigns(count: int | None, last: int = 5) -> LastCampaigns:
    return LastCampaigns((OPEN,), EVER, "sent", "campaign", last, NOW, count)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("did open in at least 3 of last 4 weeks", habit(1, None, 3)),
        ("did open in at most 3 of last 4 weeks", Not(habit(1, None, 4))),
        ("did open in exactly 3 of last 4 weeks", And((habit(1, None, 3), Not(habit(1, None, 4))))),
        ("did open in exactly 0 of last 4 weeks", Not(habit(1, None, 1))),
        ("did open in at least 0 of last 4 weeks", All()),
        ("did open in at least 5 of last 4 weeks", Nothing()),
        ("did open in at most 4 of last 4 weeks", All()),
        ("did open in at least 1 of last 0 days", Nothing()),
        ("did open in at least 4 of last 4 weeks", habit(1, None, 4)),
        ("did open more than 2 times in at least 1 of last 4 weeks", habit(3, None, 1)),
        ("did open fewer than 2 times in at least 1 of last 4 weeks", Not(habit(2, None, 4))),
        ("did open exactly 2 times in at least 1 of last 4 weeks", habit(2, 2, 1)),
        ("did open at least 2 times in at least 3 of last 4 years",
         habit(2, None, 3, unit=Unit.YEAR)),
        ("did open between 2 and 5 times in at least 3 of last 4 quarters",
         habit(2, 5, 3, unit=Unit.QUARTER)),
        ("did open between 5 and 2 times in at least 3 of last 4 weeks", Nothing()),
        # of four weeks three have at most one where two have not more
        ("did open at most 1 times in at least 3 of last 4 weeks", Not(habit(2, None, 2))),
        ("did open exactly 0 times in at least 4 of last 4 weeks", Not(habit(1, None, 1))),
        ("did open at least 0 times in at least 4 of last 4 weeks", All()),
        ("did open fewer than 0 times in at least 1 of last 4 weeks", Nothing()),
        ("did open within 30 days after birthday", near(30, Unit.DAY)),
        ("did open within 3 months before last_login", near(-3, Unit.MONTH, 1, "last_login")),
        ("did open at most 2 times within 30 days after birthday",
         And((IsSet("birthday"), Not(near(30, Unit.DAY, 3))))),
        ("did open at least 0 times within 30 days after birthday", IsSet("birthday")),
        ("did open exactly 0 times within 1 week after known_since",
         Not(near(1, Unit.WEEK, 1, "known_since"))),
        ("did open where campaign in last 5 campaigns sent", campaigns(1)),
        ("did open where campaign in any of last 3 campaigns sent", campaigns(1, 3)),
        ("did open where campaign in all of last 5 campaigns sent", campaigns(None)),
        ("did open where campaign in none of last 5 campaigns sent", Not(campaigns(1))),
        ("did open where campaign in at least 5 of last 5 campaigns sent", campaigns(5)),
        ("did open where campaign in at least 6 of last 5 campaigns sent", Nothing()),
        ("did open where campaign in at least 0 of last 5 campaigns sent", All()),
        ("did open where campaign in last 0 campaigns sent", Nothing()),
        ("did open where campaign in none of last 0 campaigns sent", All()),
        ("did purchase where (amount > 1 and campaign in last 5 campaigns sent)",
         replace(campaigns(1), sources=(MONEY,))),
        ("did open then click", Sequence((SequenceStep((OPEN,)), SequenceStep((CLICK,))), EVER)),
        ("did any of (sent, open) then click within 90 minutes without purchase then not open"
         " within 2 weeks all within 3 days same campaign",
         Sequence((SequenceStep((OPEN, SENT)),
                   SequenceStep((CLICK,), 3 * HOUR // 2, Source("purchase"))),
                  EVER, SequenceStep((OPEN,), 336 * HOUR), 72 * HOUR, "campaign")),
        ("did open then click within 9_000_000_000 weeks",
         Sequence((SequenceStep((OPEN,)), SequenceStep((CLICK,))), EVER)),
        ("did open then click after 2026-01-01", Nothing()),
    ],
)  # fmt: skip
def test_what_it_is_bound_to(text: str, node: Node) -> None:
    assert bind(text) == node


def test_what_no_event_passes_is_nobody_or_never_comes() -> None:
    empty = {"none": tree.ValueList()}
    assert bind("did open where (link in $none) then click", empty) == Nothing()
    alone = Sequence((SequenceStep((OPEN,)),), EVER)
    assert bind("did open then not click where (link in $none)", empty) == alone
    both = Sequence((SequenceStep((OPEN,)), SequenceStep((CLICK,))), EVER)
    assert bind("did open then click without open where (link in $none)", empty) == both


def _refused(rule: tree.Rule) -> Violation:
    with pytest.raises(InvalidRule) as caught:
        Binder(SCHEMA, {}, {}, NOW).bind(rule)
    return caught.value.violations[0]


def _sequence(text: str) -> tree.Sequence:
    rule = parse(text)
    assert isinstance(rule, tree.Sequence)
    return rule


def test_what_only_a_tree_can_get_wrong_is_told_with_its_place() -> None:
    rule = _sequence("did open then click then not purchase")
    first, second, last = rule.steps
    one = _refused(replace(rule, steps=(first,)))
    assert (one.field, one.reason) == ("rule.sequence.steps", "OUT_OF_RANGE")
    assert one.description == "a sequence has 2 to 8 steps, not 1"
    assert _refused(replace(rule, steps=(second,) * 9)).field == "rule.sequence.steps"
    middle = _refused(replace(rule, steps=(first, last, second)))
    assert middle.field == "rule.sequence.steps[1].negated"
    assert middle.description == "then not stands only as the last step"
    assert _refused(replace(rule, steps=(last, second))).field == "rule.sequence.steps[0]"
    spoilt = replace(last, without=tree.Without("open"))
    assert _refused(replace(rule, steps=(first, spoilt))).field == "rule.sequence.steps[1].without"
    months = tree.Duration(tree.Number(Decimal(2)), Unit.MONTH)
    assert _refused(replace(rule, all_within=months)).field == "rule.sequence.all_within.unit"


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("did open then clck", "steps[1].events[0]", "UNKNOWN_EVENT"),
        ("did open then click without opn", "steps[1].without.event", "UNKNOWN_EVENT"),
        ("did open where (lnk = \"a\") then click", "steps[0].where.attribute.name",
         "UNKNOWN_PROPERTY"),
        ("did open then click without open where (lnk is set)",
         "steps[1].without.where.attribute.name", "UNKNOWN_PROPERTY"),
        ("did open then click within 2 quarters", "steps[1].within.unit", "UNSUPPORTED_UNIT"),
        ("did open then click all within 1 year", "all_within.unit", "UNSUPPORTED_UNIT"),
        ("did purchase then purchase same amount", "same", "WRONG_TYPE"),
        ("did open then purchase same link", "same", "UNKNOWN_PROPERTY"),
        ("did open then click in last 5 minutes", "window.in_last.duration.unit",
         "UNSUPPORTED_UNIT"),
    ],
)  # fmt: skip
def test_faults_of_sequences_have_their_place(text: str, field: str, reason: str) -> None:
    found = violations(text)[0]
    assert (found.field, found.reason) == (f"rule.sequence.{field}", reason)


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("did open within 3 hours after birthday", "relative.duration.unit", "UNSUPPORTED_UNIT"),
        ("did open within 3 days after brthday", "relative.attribute", "UNKNOWN_ATTRIBUTE"),
        ("did open within 3 days after age", "relative.attribute", "WRONG_TYPE"),
        ("did open in at least 3 of last 4 minutes", "habit.unit", "UNSUPPORTED_UNIT"),
        ("did open in at least $half of last 4 days", "habit.count.number", "OUT_OF_RANGE"),
        ("did open in at least 1 of last $half days", "habit.last.number", "OUT_OF_RANGE"),
        ("did open where (link = \"a\" or campaign in last 5 campaigns sent)", "where",
         "UNSUPPORTED_IN_WHERE"),
        ("did open where (link = 5 and campaign in last 5 campaigns sent)",
         "where.and.rules[0].attribute.test.compare.value.number", "WRONG_TYPE"),
        ("did open where (campaign in last 5 campaigns sent and campaign in last 1 campaigns sent)",
         "where", "UNSUPPORTED_IN_WHERE"),
        ("did open where campaign in last 5 campaigns sent within 3 days after birthday", "where",
         "UNSUPPORTED_IN_WHERE"),
        ("did open where (link is set and campaign in last 5 campaigns click)",
         "where.and.rules[1].last_campaigns.event", "WRONG_NAME"),
        ("did open where link in last 5 campaigns sent", "where.last_campaigns.name",
         "WRONG_NAME"),
    ],
)  # fmt: skip
def test_faults_of_habits_dates_and_campaigns_have_their_place(
    text: str, field: str, reason: str
) -> None:
    found = violations(text, {"half": tree.Number(Decimal("0.5"))})[0]
    assert (found.field, found.reason) == (f"rule.did.{field}", reason)


def test_the_names_of_last_campaigns_are_those_of_engagement() -> None:
    schema = replace(SCHEMA, engagement=Engagement(sent="open", campaign="link"))
    node = bind("did click where link in last 5 campaigns open", schema=schema)
    assert node == LastCampaigns((CLICK,), EVER, "open", "link", 5, NOW, 1)
    missing = replace(SCHEMA, engagement=Engagement(sent="mailed"))
    with pytest.raises(InvalidRule) as caught:
        bind("did open where campaign in last 5 campaigns mailed", schema=missing)
    assert caught.value.violations[0].reason == "UNKNOWN_EVENT"
