"""Events that are kept for a time: what is still answered is what an oracle that keeps all says."""

from __future__ import annotations

from dataclasses import replace

from headcount_server.core.commands import FoldEvents
from headcount_server.core.retention import due_day
from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.schema import KeyType
from headcount_server.errors import InvalidRule
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Model
from tests.property.answered import ANSWERED
from tests.property.test_moves import drawn, history_of, history_of_oracle
from tests.property.world import World
from tests.strategies.audiences import audiences
from tests.strategies.edits import Define, apply
from tests.strategies.events import did, inactive, recency, sequence
from tests.strategies.families import Family
from tests.strategies.histories import HISTORY_DAYS, SEGMENTS
from tests.strategies.picking import Pick
from tests.strategies.rules import rule
from tests.strategies.settings import DAY, HOUR, Setting, times
from tests.strategies.settings import settings as drawn_settings

RETENTIONS = (0, 1, 2, 7, 30, 90)
KINDS = ("record", "record", "clock", "fold", "upsert", "erase", "restart")
CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
FAMILIES = ANSWERED - {Family.CHANGED, Family.MOVE}


def kept_for_a_time(pick: Pick, setting: Setting) -> Setting:
    events = tuple(
        replace(event, retention_days=pick.one(RETENTIONS)) for event in setting.schema.events
    )
    return Setting(replace(setting.schema, events=events), setting.now)


def fold(world: World, at: int) -> None:
    """What is due, as the engine does it."""
    for declared in world.audience.schema.events:
        day = due_day(world.audience, declared, at)
        if day is not None:
            world._do(FoldEvents("a", declared.name, day, at))


@given(st.data())
@CALM
def test_what_is_not_refused_is_what_the_oracle_says(data: st.DataObject) -> None:
    drawn_setting = data.draw(drawn_settings(KeyType.STRING, KeyType.UINT32))
    pick = Pick(data.draw, drawn_setting, FAMILIES)
    setting = kept_for_a_time(pick, drawn_setting)
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    model.clock = clock = setting.now
    for edit in data.draw(audiences(setting, 25)):
        apply(edit, model)
        apply(edit, world)
    fold(world, clock)
    for _ in range(8):
        kind = pick.one(KINDS)
        if kind == "clock":
            later = [t - clock for t in times(setting) if 0 < t - clock <= 2 * DAY]
            clock += pick.one((1, HOUR, DAY, 7 * DAY, *later))
        world.clock = model.clock = clock
        now = Setting(setting.schema, clock)
        if kind in ("clock", "fold"):
            fold(world, clock)
        elif kind == "restart":
            before = world.written()
            world.reload()
            assert world.written() == before
        else:
            edit = drawn(Pick(data.draw, now, FAMILIES), kind, model, clock)
            if edit is not None:
                note(repr(edit))
                apply(edit, model)
                apply(edit, world)
        check(Pick(data.draw, now, FAMILIES), model, world, clock)


def check(pick: Pick, model: Model, world: World, clock: int) -> None:
    for _ in range(3):
        asked = pick.one((did, did, recency, inactive, sequence, rule))(pick)
        note(format_rule(asked))
        try:
            found = world.members(asked, clock)
        except InvalidRule as error:
            assert "are kept from" in error.message  # noqa: PT017
            event("refused")
            continue
        event("answered")
        assert found == model.members(asked, clock)


@given(st.data())
@CALM
def test_folded_in_any_steps_the_same_is_kept(data: st.DataObject) -> None:
    """All written and then folded, or folded first so that all comes late."""
    drawn_setting = data.draw(drawn_settings(KeyType.STRING))
    pick = Pick(data.draw, drawn_setting, FAMILIES)
    setting = kept_for_a_time(pick, drawn_setting)
    edits = data.draw(audiences(setting, 25))
    early, late = World(setting.schema, setting.now), World(setting.schema, setting.now)
    fold(early, setting.now)
    for edit in edits:
        apply(edit, early)
        apply(edit, late)
        if pick.rarely(3):
            early.ask(setting.now).members(tree.Did(("open",), window=tree.Ever()))
    fold(late, setting.now)
    for name, store in early.audience.events.items():
        other = late.audience.events[name]
        assert store.event_count == other.event_count
        for row in early.audience.everyone:
            assert store.events_of(row) == other.events_of(row)


@given(st.data())
@CALM
def test_histories_go_on_or_stand_still_and_nothing_fails(data: st.DataObject) -> None:
    """Whoever asks for what is folded has the members of before; all others move as ever."""
    drawn_setting = data.draw(drawn_settings(KeyType.STRING))
    pick = Pick(data.draw, drawn_setting, FAMILIES)
    setting = kept_for_a_time(pick, drawn_setting)
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    clock = model.clock = model.moves.clock = setting.now
    for edit in data.draw(audiences(setting, 15)):
        apply(edit, model)
        apply(edit, world)
    for name in SEGMENTS[:2]:
        define = Define(name, pick.one((did, recency, rule))(pick), HISTORY_DAYS)
        note(format_rule(define.rule))
        apply(define, model)
        apply(define, world)
    refused: set[str] = set()
    for _ in range(6):
        kind = pick.one(("record", "record", "clock", "erase", "restart"))
        if kind == "clock":
            clock += pick.one((1, HOUR, DAY, 3 * DAY))
        world.clock = model.clock = clock
        if kind == "clock":
            model.advance(clock)
            world.advance()
            fold(world, clock)
        elif kind == "restart":
            before = world.written()
            world.reload()
            assert world.written() == before
        edit = drawn(Pick(data.draw, Setting(setting.schema, clock), FAMILIES), kind, model, clock)
        if edit is not None:
            apply(edit, model)
            apply(edit, world)
        for name, kept in model.moves.kept.items():
            if world.audience.histories[name].maintained.bound is None:
                refused.add(name)
            if name not in refused:
                assert history_of(world, name) == history_of_oracle(kept), name
