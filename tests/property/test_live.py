"""What is maintained is what a question at the same instant answers, after every step."""

from __future__ import annotations

import pytest
from headcount_server.core.audience import Audience
from headcount_server.core.live import maintained as module
from headcount_server.core.live.maintained import Maintained, Round
from headcount_server.core.query import Ask
from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.schema import KeyType
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tests.property.answered import ANSWERED
from tests.property.world import World
from tests.strategies.audiences import audiences, record, upsert
from tests.strategies.edits import Define, Edit, Erase, apply
from tests.strategies.histories import HISTORY_DAYS, SEGMENTS
from tests.strategies.picking import Pick
from tests.strategies.rules import rule
from tests.strategies.settings import DAY, HOUR, KEYS, SECOND, Setting, times
from tests.strategies.settings import settings as drawn_settings

CALM = list(HealthCheck)
STEPS = (0, 1, SECOND, HOUR // 2, HOUR, DAY, 31 * DAY, -1, -DAY)


def step(pick: Pick, clock: int, world: World) -> tuple[Edit | None, int]:
    """What happens next, and what the clock shows then; writes lie before and after it."""
    setting = Setting(pick.setting.schema, clock)
    here = Pick(pick._draw, setting, pick.families)
    existing = world.audience.keys.keys(_array(world.audience))
    existing = existing if isinstance(existing, list) else existing.tolist()
    match here.one(("record", "record", "upsert", "clock", "record", "upsert", "erase", "define")):
        case "record" if existing:
            return record(here, existing[:4]), clock
        case "erase":
            keys = tuple(here.one((*KEYS[setting.schema.key], *existing)) for _ in range(2))
            return Erase(tuple(dict.fromkeys(keys))), clock
        case "define":
            place = here.index(2)
            return Define(SEGMENTS[place], rule(here, SEGMENTS[:place]), HISTORY_DAYS), clock
        case "clock":
            later = tuple(time - clock for time in times(setting) if time > clock)
            return None, clock + here.one((*STEPS, *later))
        case _:
            return upsert(here, here.one((*existing[:4], *KEYS[setting.schema.key])), clock), clock


def _array(audience: Audience):
    return module.bitmaps.to_array(audience.everyone)


def answer(world: World, asked: tree.Rule, now: int) -> BitMap:
    return Ask(world.audience, now).members(asked)


@pytest.mark.parametrize("share", [0, 10**9])
@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=CALM)
def test_maintained_rules_are_what_a_question_answers(share: int, data: st.DataObject) -> None:
    """Whether touched rows are looked at alone or everyone is asked again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEW", 0)
        patch.setattr(module, "_SHARE", share)
        _check(data)


def _check(data: st.DataObject) -> None:
    setting = data.draw(drawn_settings(*KeyType))
    world, pick = World(setting.schema, setting.now), Pick(data.draw, setting, ANSWERED)
    for edit in data.draw(audiences(setting, 30)):
        apply(edit, world)
    clock = setting.now
    for place in range(2):
        world.define(SEGMENTS[place], rule(pick, SEGMENTS[:place]), HISTORY_DAYS)
    watched = [Maintained(rule(pick, SEGMENTS[:2])) for _ in range(4)]
    touched = world.audience.listen()
    for _ in range(10):
        round = Round(world.audience, clock, touched.take())
        for kept in watched:
            before = kept.members
            delta = kept.update(round)
            note(f"{clock}: {format_rule(kept.rule)}")
            expected = answer(world, kept.rule, clock)
            assert kept.members == expected
            assert delta.entered == expected - before
            assert delta.left == before - expected
            if kept.horizon_us is not None:
                assert kept.horizon_us >= clock
                assert answer(world, kept.rule, kept.horizon_us) == expected
        for _ in range(pick.index(3)):
            edit, clock = step(pick, clock, world)
            world.clock = clock
            if edit is not None:
                note(repr(edit))
                apply(edit, world)


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=CALM)
def test_nothing_changes_before_the_horizon(data: st.DataObject) -> None:
    """Neither at the instants that matter up to it, nor a microsecond after now."""
    setting = data.draw(drawn_settings(*KeyType))
    world, pick = World(setting.schema, setting.now), Pick(data.draw, setting, ANSWERED)
    for edit in data.draw(audiences(setting, 40)):
        apply(edit, world)
    for _ in range(4):
        kept = Maintained(rule(pick))
        kept.update(Round(world.audience, setting.now, world.audience.listen()))
        note(format_rule(kept.rule))
        end = kept.horizon_us
        instants = {setting.now + 1, *(t for t in times(setting) if t > setting.now)}
        instants |= set() if end is None else {end}
        for instant in sorted(i for i in instants if end is None or i <= end):
            assert answer(world, kept.rule, instant) == kept.members
