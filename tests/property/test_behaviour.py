"""Sequences, habits, last campaigns and days of one's own, where people have many events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import KeyType, Schema
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Model
from tests.property.world import World
from tests.strategies.audiences import cases
from tests.strategies.edits import apply
from tests.strategies.events import did, last_campaigns, sequence
from tests.strategies.families import Family
from tests.strategies.picking import Pick
from tests.strategies.settings import STRING_SCHEMA, micros, moment

FAMILIES = frozenset({Family.DID, Family.HOURS, Family.RELATIVE, Family.HABIT})
MANY = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
NOW = micros(moment(1_774_958_400_000_000))
MINUTE = 60_000_000
SMALL = replace(
    STRING_SCHEMA, events=tuple(e for e in STRING_SCHEMA.events if e.name in ("open", "click"))
)


@given(st.data())
@MANY
def test_people_did_what_the_oracle_says(data: st.DataObject) -> None:
    setting, edits = data.draw(cases(KeyType.STRING, KeyType.UINT32))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    for edit in edits:
        apply(edit, model)
        apply(edit, world)
    pick = Pick(data.draw, setting, FAMILIES)
    makers: tuple[Callable[[Pick], tree.Rule], ...] = (sequence, last_campaigns, did, sequence)
    for _ in range(8):
        rule = pick.one(makers)(pick)
        note(format_rule(rule))
        assert world.members(rule, setting.now) == model.members(rule, setting.now)


@st.composite
def steps(draw: st.DrawFn, length: int) -> tuple[tree.Step, ...]:
    """Steps of two event types, with everything that may hang on them, by minutes."""
    where = st.one_of(st.none(), st.sampled_from(["a", "b"]).map(_link))
    event = st.sampled_from([("open",), ("click",)])
    without = st.builds(tree.Without, st.sampled_from(["open", "click"]), where)
    drawn: list[tree.Step] = [
        tree.Step(draw(st.one_of(event, st.just(("open", "click")))), where=draw(where))
    ]
    negated = draw(st.booleans()) and length > 1
    for place in range(1, length):
        last = negated and place == length - 1
        between = None if last else draw(st.one_of(st.none(), without))
        step = tree.Step(draw(event), last, draw(where), draw(_within()), between)
        drawn.append(step)
    return tuple(drawn)


def _within() -> st.SearchStrategy[tree.Duration | None]:
    minutes = st.integers(0, 6).map(lambda n: tree.Duration(tree.Number(Decimal(n)), Unit.MINUTE))
    return st.one_of(st.none(), minutes)


def _link(value: str) -> tree.Rule:
    return tree.Attribute("link", tree.Compare(tree.Operator.EQUAL, tree.Text(value)))


@st.composite
def sequences(draw: st.DrawFn) -> tree.Sequence:
    """Sequences of 2 to 5 steps."""
    given_steps = draw(steps(draw(st.sampled_from([2, 3, 2, 4, 3, 5]))))
    same = draw(st.sampled_from(["", "", "campaign"]))
    window = draw(
        st.sampled_from([None, None, tree.After(tree.Timestamp(moment(NOW - 9 * MINUTE)))])
    )
    return tree.Sequence(given_steps, draw(_within()), same, window)


EVENTS = st.tuples(
    st.sampled_from(["open", "click"]),
    st.integers(0, 12),
    st.sampled_from(["", "a", "A", "b"]),
    st.sampled_from(["", "a", "b"]),
)


def _recorded(schema: Schema, people: list[list[tuple[str, int, str, str]]]) -> tuple[Model, World]:
    model, world = Model(schema), World(schema, NOW)
    for number, events in enumerate(people):
        for target in (model, world):
            target.upsert(f"s{number}", {}, NOW, None, None)
            for event, ago, campaign, link in events:
                given_ = {"campaign": campaign, "link": link}
                named = {name: value for name, value in given_.items() if value}
                target.record(f"s{number}", event, NOW - ago * MINUTE, named, {})
    return model, world


@given(
    st.lists(st.lists(EVENTS, min_size=3, max_size=9), min_size=1, max_size=4),
    st.lists(sequences(), min_size=4, max_size=8),
)
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_chain_is_found_where_there_is_one_among_events_of_equal_times(
    people: list[list[tuple[str, int, str, str]]], rules: list[tree.Sequence]
) -> None:
    model, world = _recorded(SMALL, people)
    for rule in rules:
        note(format_rule(rule))
        assert world.members(rule, NOW) == model.members(rule, NOW)
