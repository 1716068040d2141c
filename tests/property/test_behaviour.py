"""Sequences, habits, last campaigns and days of one's own, where people have many events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from headcount_server.core.commands import EventGroup, RecordEvents, UpsertSubscribers
from headcount_server.core.events import campaigns, chain_ends, relative, sequences
from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.values import from_texts
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.events import Behaviour, Event
from tests.oracle.model import Model
from tests.oracle.time import Zone
from tests.property.world import World
from tests.strategies.audiences import cases
from tests.strategies.edits import apply
from tests.strategies.events import did, last_campaigns, sequence
from tests.strategies.families import Family
from tests.strategies.picking import Pick
from tests.strategies.settings import micros, moment

FAMILIES = frozenset({Family.DID, Family.RELATIVE, Family.HABIT})
CALM = list(HealthCheck)
NOW = 1_774_958_400_000_000
MINUTE = 60_000_000
EVENTS = ("open", "click")
SCHEMA = Schema(
    KeyType.UINT32, events=tuple(EventSchema(name, ("campaign", "link")) for name in EVENTS)
)


@pytest.mark.parametrize("table_factor", [None, 0, 10**6])
@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=CALM)
def test_people_did_what_the_oracle_says(table_factor: int | None, data: st.DataObject) -> None:
    """As they are, and with the bounds so moved that few events go the ways of many."""
    with pytest.MonkeyPatch.context() as patch:
        if table_factor is not None:
            patch.setattr(relative, "_TABLE_FACTOR", table_factor)
            patch.setattr(campaigns, "_DAYS_FIRST", 1)
            patch.setattr(campaigns, "_DAYS_FACTOR", 2)
            patch.setattr(sequences, "_BATCH", 3)
        _check(data)


def _check(data: st.DataObject) -> None:
    setting, edits = data.draw(cases(KeyType.UINT32, KeyType.STRING))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    for edit in edits:
        apply(edit, model)
        apply(edit, world)
    pick = Pick(data.draw, setting, FAMILIES)
    makers: tuple[Callable[[Pick], tree.Rule], ...] = (sequence, last_campaigns, did, did)
    for _ in range(8):
        rule = pick.one(makers)(pick)
        note(format_rule(rule))
        assert world.members(rule, setting.now) == model.members(rule, setting.now)


@dataclass(frozen=True)
class Crowd:
    """Many people who did little, at few different times, so that steps meet."""

    world: World
    people: list[list[Event]]

    def check(self, rule: tree.Sequence) -> None:
        found = self.world.members(rule, NOW)
        for key, events in enumerate(self.people):
            behaviour = Behaviour(SCHEMA, Zone("UTC"), NOW, events, lambda _: None)
            mine = [((e.time - NOW) // MINUTE, e.event, e.dimensions) for e in events]
            assert behaviour.holds(rule) == (key in found), (format_rule(rule), mine)


def crowd(dice: Random, minutes: int, most: int) -> Crowd:
    """80 people with 2 to ``most`` events in so many minutes before now, written out of order.

    Times are whole minutes; in some crowds a microsecond earlier now and then.
    """
    jitter = dice.choice([(0,), (0, 0, 0, 1), (0, 1)])
    people: list[list[Event]] = [[] for _ in range(80)]
    world = World(SCHEMA, NOW)
    world._do(UpsertSubscribers("a", np.arange(len(people)), (), NOW, None, None))
    drawn = [(key, dice.choice(EVENTS)) for key in range(80) for _ in range(dice.randint(2, most))]
    dice.shuffle(drawn)
    for name in EVENTS:
        keys = [key for key, event in drawn if event == name]
        times = [NOW - dice.randint(-1, minutes) * MINUTE - dice.choice(jitter) for _ in keys]
        values = {
            "campaign": [dice.choice(["", "a", "A", "b", "a"]) for _ in keys],
            "link": [dice.choice(["", "a", "b"]) for _ in keys],
        }
        columns = {
            n: from_texts(AttributeSchema(n, AttributeType.KEYWORD), v, world.audience.calendar)[0]
            for n, v in values.items()
        }
        group = EventGroup(name, None, columns, {})
        world._do(RecordEvents("a", np.array(keys), np.array(times), (group,), NOW))
        for i, key in enumerate(keys):
            named = {n: v[i] for n, v in values.items() if v[i]}
            order = len(people[key]) + 100 * EVENTS.index(name)
            people[key].append(Event(order, key, times[i], name, named, {}))
    return Crowd(world, people)


def chain(dice: Random, minutes: int, ends: bool) -> tree.Sequence:
    """A sequence with everything that may hang on it; with ``ends`` what may come after it most."""

    def where() -> tree.Rule | None:
        value = dice.choice(["a", "b", "", ""])
        equal = tree.Compare(tree.Operator.EQUAL, tree.Text(value))
        return tree.Attribute("link", equal) if value else None

    def elapsed(share: float) -> tree.Duration | None:
        amount = tree.Number(Decimal(dice.randint(0, minutes)))
        return tree.Duration(amount, Unit.MINUTE) if dice.random() < share else None

    length = dice.choice([2, 2, 3, 3, 4, 5, 6])
    negated = ends or dice.random() < 0.4
    steps = [tree.Step(dice.choice([("open",), ("click",), EVENTS]), where=where())]
    for i in range(1, length):
        last = negated and i == length - 1
        without = None
        if not last and dice.random() < 0.3:
            without = tree.Without(dice.choice(EVENTS), where())
        steps.append(tree.Step((dice.choice(EVENTS),), last, where(), elapsed(0.35), without))
    after = tree.After(tree.Timestamp(moment(NOW - minutes * MINUTE * 2 // 3)))
    return tree.Sequence(
        tuple(steps),
        elapsed(0.95 if ends else 0.4),
        dice.choice(["", "", "campaign"]),
        dice.choice([None, None, None, after]),
    )


@given(st.integers(0, 2**32), st.sampled_from([1, 3, 6, 12]))
@settings(max_examples=20, deadline=None, suppress_health_check=CALM)
def test_a_chain_is_found_where_there_is_one_among_events_of_equal_times(
    seed: int, minutes: int
) -> None:
    dice = Random(seed)
    many = crowd(dice, minutes, 8)
    for _ in range(12):
        many.check(chain(dice, minutes, ends=False))


@pytest.mark.parametrize("bounded", [True, False])
@given(st.integers(0, 2**32), st.sampled_from([4, 8, 30]))
@settings(max_examples=10, deadline=None, suppress_health_check=CALM)
def test_what_must_not_come_within_a_time_from_the_first_step_is_told_stretch_by_stretch(
    bounded: bool, seed: int, minutes: int
) -> None:
    """The bounds only save work: without them every stretch decides for itself."""
    dice = Random(seed)
    many = crowd(dice, minutes, 9)
    with pytest.MonkeyPatch.context() as patch:
        if not bounded:
            patch.setattr(chain_ends, "_any_between", lambda _, at, *__: at >= 0)
        for _ in range(12):
            many.check(chain(dice, minutes, ends=True))


@pytest.mark.parametrize("minutes", [0, 50])
def test_a_subscriber_with_many_thousand_events_at_equal_times_is_decided(minutes: int) -> None:
    world = World(SCHEMA, NOW)
    world._do(UpsertSubscribers("a", np.array([7]), (), NOW, None, None))
    for name in EVENTS:
        times = NOW - np.arange(20_000) % (minutes + 1) * MINUTE
        column, _ = from_texts(
            AttributeSchema("link", AttributeType.KEYWORD), ["a"] * 20_000, world.audience.calendar
        )
        group = EventGroup(name, None, {"link": column}, {})
        world._do(RecordEvents("a", np.full(20_000, 7), times, (group,), NOW))

    def holds(*names: str, **parts: tree.Duration) -> bool:
        steps = [tree.Step((name.removeprefix("not "),), name[:4] == "not ") for name in names]
        return world.members(tree.Sequence(tuple(steps), **parts), NOW) == {7}

    instant = tree.Duration(tree.Number(Decimal(0)), Unit.MINUTE)
    assert holds(*["open"] * 8, all_within=instant)
    assert holds(*["open", "click"] * 4, all_within=instant)
    assert not holds(*["open"] * 7, "not click")
    assert not holds(*["open"] * 7, "not click", all_within=instant)


@pytest.mark.parametrize(
    ("minutes", "day"), [((-31, 0, 39), date(2010, 11, 6)), ((0, 10, 69), date(2010, 11, 7))]
)
def test_what_lies_between_two_steps_of_a_day_may_be_of_another_day(
    minutes: tuple[int, int, int], day: date
) -> None:
    """In St John's the clocks showed 00:01 on 7 November 2010 and were set back to 23:01."""
    changed = micros(datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
    schema = replace(SCHEMA, time_zone="America/St_Johns")
    model, world = Model(schema), World(schema, NOW)
    for target in (model, world):
        target.upsert(1, {}, NOW, None, None)
        for event, minute in zip(("open", "click", "open"), minutes, strict=True):
            target.record(1, event, changed + minute * MINUTE - 30_000_000, {}, {})
    window = tree.On(tree.Date(day))
    clean = tree.Step(("open",), without=tree.Without("click"))
    for second, found in ((tree.Step(("open",)), {1}), (clean, set[int]())):
        rule = tree.Sequence((tree.Step(("open",)), second), window=window)
        assert world.members(rule, NOW) == model.members(rule, NOW) == found
