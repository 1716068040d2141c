"""A forecast is what the oracle says of days to come; a diff is what set algebra says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from headcount_server.core.commands import CreateSegment, UpdateAudience
from headcount_server.core.query import Ask, diff, forecast
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType
from headcount_server.errors import InvalidRule
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Key, Model
from tests.property.answered import ANSWERED
from tests.property.world import World
from tests.strategies.audiences import cases
from tests.strategies.edits import apply
from tests.strategies.rules import questions, rules
from tests.strategies.settings import STRING_SCHEMA, micros, moment

CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def ends_of_days(now: int, zone: ZoneInfo, days: int) -> list[int]:
    """The last microsecond of each day after today, by Python's own calendar."""
    today = moment(now).astimezone(zone).date()
    found = [now]
    for number in range(1, days + 1):
        instant = datetime.combine(today + timedelta(days=number + 1), datetime.min.time(), zone)
        found.append(micros(instant.astimezone(UTC)) - 1)
    return found


@given(st.data())
@CALM
def test_a_forecast_is_what_the_oracle_says_of_the_ends_of_the_days_to_come(
    data: st.DataObject,
) -> None:
    setting, edits = data.draw(cases(KeyType.STRING, KeyType.UINT32))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    for edit in edits:
        apply(edit, model)
        apply(edit, world)
    reachable = data.draw(rules(setting, ANSWERED))
    world.state.apply(CreateSegment("a", "reached", reachable, 0, setting.now))
    world.audience.reachable = reachable
    question = data.draw(questions(setting, ANSWERED))
    note(format_rule(question.rule))
    ask = world.ask(setting.now, question.parameters)
    points = list(forecast(ask, question.rule, 5))
    for point in points[1:]:
        assert world.audience.calendar.day_of(point.time_us) != world.audience.calendar.day_of(
            point.time_us + 1
        )
    before: set[Key] | None = None
    for point in points:
        members = model.members(question.rule, point.time_us, question.parameters)
        reached = members & model.members(reachable, point.time_us)
        before = members if before is None else before
        moves = (len(members - before), len(before - members))
        assert (point.total, point.reachable) == (len(members), len(reached))
        assert (point.entered, point.left) == moves
        before = members


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"])
def test_the_days_of_a_forecast_end_at_the_zones_midnights_across_clock_changes(zone: str) -> None:
    schema = STRING_SCHEMA.__class__(KeyType.STRING, time_zone=zone)
    now = micros(datetime(2026, 3, 20, 13, 5, tzinfo=UTC))
    points = forecast(Ask(World(schema, now).audience, now), parse("everyone"), 30)
    assert [point.time_us for point in points] == ends_of_days(now, ZoneInfo(zone), 30)


def test_nobody_moves_where_a_rule_reads_no_time() -> None:
    world = World(STRING_SCHEMA, 0)
    world.upsert("ann", {"age": 5}, 0)
    points = list(forecast(world.ask(0), parse("age > 3"), 400))
    assert len(points) == 401
    assert {(p.total, p.reachable, p.entered, p.left) for p in points} == {(1, 1, 0, 0)}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('age > 3 or entered segment "vip" in last 7 days', "rule.rules[1]"),
        ('not in segment "movers"', "rule"),
    ],
)
def test_a_rule_that_asks_for_moves_has_no_forecast(text: str, field: str) -> None:
    world = World(STRING_SCHEMA, 0)
    world.state.apply(CreateSegment("a", "vip", parse("age > 3"), 30, 0))
    moves = parse('left segment "vip" in last 7 days')
    world.state.apply(CreateSegment("a", "movers", moves, 0, 0))
    with pytest.raises(InvalidRule) as caught:
        list(forecast(world.ask(0), parse(text), 3))
    (violation,) = caught.value.violations
    assert (violation.reason, violation.field) == ("NO_FORECAST", field)


@given(st.data())
@CALM
def test_a_diff_is_what_set_algebra_says(data: st.DataObject) -> None:
    setting, edits = data.draw(cases(*KeyType))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    for edit in edits:
        apply(edit, model)
        apply(edit, world)
    old, new, within = (data.draw(rules(setting, ANSWERED)) for _ in range(3))
    size = data.draw(st.integers(1, 12))
    ask = Ask(world.audience, setting.now, {}, within)
    found = diff(ask, old, new, size, "s")
    scope = model.members(within, setting.now)
    before = model.members(old, setting.now) & scope
    after = model.members(new, setting.now) & scope
    assert (found.old_total, found.new_total) == (len(before), len(after))
    for part, keys in (
        (found.both, before & after),
        (found.only_old, before - after),
        (found.only_new, after - before),
    ):
        sample = part.sample.tolist() if isinstance(part.sample, np.ndarray) else part.sample
        assert part.total == part.reachable == len(keys)
        assert len(sample) == len(set(sample)) == min(size, len(keys))
        assert set(sample) <= keys
    again = diff(ask, old, new, size, "s")
    assert list(again.both.sample) == list(found.both.sample)


def test_each_part_of_a_diff_tells_how_many_can_be_reached() -> None:
    world = World(STRING_SCHEMA, 0)
    for number in range(10):
        world.upsert(f"k{number}", {"age": number}, 0)
    schema = STRING_SCHEMA.__class__(**{
        **{name: getattr(STRING_SCHEMA, name) for name in STRING_SCHEMA.__dataclass_fields__},
        "reachable": "age in (2, 5, 8)",
    })  # fmt: skip
    world.state.apply(UpdateAudience("a", schema, 0))
    found = diff(world.ask(0), parse("age <= 6"), parse("age between 4 and 8"), 10, "")
    parts = [found.both, found.only_old, found.only_new]
    assert [(part.total, part.reachable) for part in parts] == [(3, 1), (4, 1), (2, 1)]
