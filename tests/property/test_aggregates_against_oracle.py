"""Rules on what a person's events come to denote the sets that the oracle says."""

from __future__ import annotations

from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.schema import KeyType
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Model
from tests.property.answered import TOTALS
from tests.property.world import World
from tests.strategies.audiences import cases
from tests.strategies.edits import Advance, apply
from tests.strategies.families import Family
from tests.strategies.histories import histories
from tests.strategies.rules import questions, rules
from tests.strategies.settings import settings as drawn_settings

CALM = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
FAMILIES = TOTALS | {Family.HOURS}


@given(st.data())
@CALM
def test_a_rule_on_events_has_the_members_that_the_oracle_says(data: st.DataObject) -> None:
    setting, edits = data.draw(cases(*KeyType))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    for edit in edits:
        apply(edit, model)
        apply(edit, world)
    for _ in range(8):
        question = data.draw(questions(setting, FAMILIES))
        note(format_rule(question.rule))
        expected = model.members(question.rule, setting.now, question.parameters)
        assert world.members(question.rule, setting.now, question.parameters) == expected


@given(st.data())
@CALM
def test_what_is_kept_follows_writes_erasures_the_clock_and_restarts(data: st.DataObject) -> None:
    setting = data.draw(drawn_settings(*KeyType))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    now = setting.now
    watched = [data.draw(rules(setting, FAMILIES)) for _ in range(4)]
    for edit in data.draw(histories(setting, FAMILIES)):
        apply(edit, model)
        apply(edit, world)
        if isinstance(edit, Advance):
            now = edit.to
            if data.draw(st.integers(0, 3)) == 0:
                world.reload()
        world.clock = now
        for rule in watched:
            note(format_rule(rule))
            assert world.members(rule, now) == model.members(rule, now)
