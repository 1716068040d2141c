"""Breakdowns of numbers are tallied chunk by chunk."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from headcount_server.core.commands import AttributeValues, CreateAudience, UpsertSubscribers
from headcount_server.core.query import Ask, By, breakdown, breakdown_steps
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType, Schema
from headcount_server.core.state import State
from headcount_server.core.steps import Apart
from headcount_server.core.values import from_integers
from headcount_server.errors import InvalidInput

COUNT = 20_000
AGE = AttributeSchema("age", AttributeType.INTEGER)
BORN = AttributeSchema("born", AttributeType.DATE)


def test_numbers_edges_and_periods_are_those_of_all_members_together():
    state = State()
    state.apply(CreateAudience("a", Schema(KeyType.UINT32, attributes=(AGE, BORN)), 0))
    ages = np.random.default_rng(5).integers(-50, 50, COUNT)
    days = np.arange(COUNT) % 900
    present = np.arange(COUNT) % 7 > 0
    columns = (
        AttributeValues("age", from_integers(AGE, ages, present)[0]),
        AttributeValues("born", from_integers(BORN, days, None)[0]),
    )
    state.apply(UpsertSubscribers("a", np.arange(COUNT), columns, 0))
    by = [
        By("age", limit=200), By("age", edges=(Decimal("-10.5"), Decimal(0), Decimal(20))),
        By("born", unit=Unit.YEAR),
    ]  # fmt: skip
    ask, rule = Ask(state.audience("a"), 0), parse("everyone")
    plain, edged, years = breakdown(ask, rule, by, None).breakdowns
    held = ages[present]
    assert {v.value: v.count for v in plain.values} == {
        str(age): count for age, count in Counter(held.tolist()).items()
    }
    assert plain.missing_count == COUNT - len(held)
    assert [v.count for v in edged.values] == [
        int((held < -10.5).sum()), int(((held >= -10.5) & (held < 0)).sum()),
        int(((held >= 0) & (held < 20)).sum()), int((held >= 20).sum()),
    ]  # fmt: skip
    assert [(v.value, v.count) for v in years.values] == [
        ("1970", int((days < 365).sum())), ("1971", int(((days >= 365) & (days < 730)).sum())),
        ("1972", int((days >= 730).sum())),
    ]  # fmt: skip
    steps = 0
    for step in breakdown_steps(ask, rule, by, None):
        if isinstance(step, Apart):
            step.do()
        steps += 1
    assert steps > 3 * COUNT // 8_192


def small() -> Ask:
    state = State()
    state.apply(CreateAudience("a", Schema(KeyType.UINT32, attributes=(AGE, BORN)), 0))
    ages = AttributeValues("age", from_integers(AGE, np.array([9, 10, 20]), None)[0])
    state.apply(UpsertSubscribers("a", np.arange(3), (ages,), 0))
    return Ask(state.audience("a"), 0)


def test_an_edge_belongs_to_the_bucket_that_begins_with_it():
    by = By("age", edges=(Decimal(10), Decimal(20)))
    [result] = breakdown(small(), parse("everyone"), [by], None).breakdowns
    assert [value.count for value in result.values] == [1, 1, 1]


def test_limits_reach_from_1_to_what_is_possible_and_edges_ascend():
    ask, rule = small(), parse("everyone")
    most = ask.audience.limits.breakdown_values_max
    for limit in (1, most):
        assert breakdown(ask, rule, [By("age", limit)], None).total == 3
    for wrong in (By("age", 0), By("age", most + 1), By("age", edges=(Decimal(1), Decimal(1)))):
        with pytest.raises(InvalidInput):
            breakdown(ask, rule, [wrong], None)
