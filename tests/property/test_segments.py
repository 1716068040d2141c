"""Segments that use segments stay cheap and shallow, however often and deep they do."""

from __future__ import annotations

from headcount_server.core.commands import CreateSegment
from headcount_server.core.query import Ask, count, explain
from headcount_server.core.rules.parser import parse

from tests.property.world import World
from tests.strategies.settings import STRING_SCHEMA


def test_a_thousand_segments_that_use_each_other_twice_are_counted_at_once() -> None:
    world = World(STRING_SCHEMA, 0)
    world.upsert("ann", {"age": 5}, 0)
    world.upsert("bob", {"age": 1}, 0)
    world.state.apply(CreateSegment("a", "s0", parse("age > 3"), 0, 0))
    for number in range(1, 1_000):
        rule = parse(f'in segment "s{number - 1}" and not not in segment "s{number - 1}"')
        command = CreateSegment("a", f"s{number}", rule, 0, 0)
        if number % 100 == 0:
            world.state.validate(command)
        world.state.apply(command)
    assert count(Ask(world.audience, 0), parse('in segment "s999"')).total == 1
    root = explain(Ask(world.audience, 0), parse('not in segment "s999"')).root
    assert (root.count, root.nodes[0].count) == (1, 1)
