"""Every rule denotes the set that the oracle says, however it is evaluated."""

from __future__ import annotations

from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Model
from tests.property.answered import ANSWERED
from tests.property.world import World
from tests.strategies.audiences import cases
from tests.strategies.edits import Advance, apply
from tests.strategies.histories import SEGMENTS, histories
from tests.strategies.rules import questions, rules
from tests.strategies.settings import settings as drawn_settings

CALM = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@given(st.data())
@CALM
def test_a_rule_has_the_members_that_the_oracle_says(data: st.DataObject) -> None:
    setting, edits = data.draw(cases(KeyType.STRING, KeyType.UINT32, KeyType.INT64))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    for edit in edits:
        apply(edit, model)
        apply(edit, world)
    for _ in range(6):
        question = data.draw(questions(setting, ANSWERED))
        note(format_rule(question.rule))
        expected = model.members(question.rule, setting.now, question.parameters)
        assert world.members(question.rule, setting.now, question.parameters) == expected


@given(st.data())
@CALM
def test_the_text_of_a_rule_means_the_same_rule(data: st.DataObject) -> None:
    setting = data.draw(drawn_settings())
    rule = data.draw(rules(setting, ANSWERED))
    assert parse(format_rule(rule)) == rule


@given(st.data())
@CALM
def test_the_oracle_is_followed_through_writes_erasures_segments_clock_and_restarts(
    data: st.DataObject,
) -> None:
    setting = data.draw(drawn_settings(*KeyType))
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    now = setting.now
    defined: list[str] = []
    watched = [data.draw(rules(setting, ANSWERED)) for _ in range(2)]
    for edit in data.draw(histories(setting, ANSWERED)):
        model.clock = world.clock
        apply(edit, model)
        apply(edit, world)
        if isinstance(edit, Advance):
            now = edit.to
            if data.draw(st.integers(0, 3)) == 0:
                world.reload()
        world.clock = now
        defined = [name for name in SEGMENTS if name in model.segments]
        for rule in watched:
            assert world.members(rule, now) == model.members(rule, now)
    for _ in range(3):
        rule = data.draw(rules(setting, ANSWERED, defined))
        note(format_rule(rule))
        assert world.members(rule, now) == model.members(rule, now)
