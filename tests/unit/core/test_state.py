"""What validation lets through, applying can't refuse."""

from __future__ import annotations

import pytest
from headcount_server.core.commands import (
    CreateAudience,
    CreateSegment,
    DeleteSegment,
    FreezeSegment,
    UpdateAudience,
    UpsertSubscribers,
)
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType
from headcount_server.errors import InUse, InvalidInput, InvalidRule, LimitExceeded
from headcount_server.limits import SEGMENT_NAME_LENGTH_MAX, Limits

from tests.property.world import World
from tests.strategies.settings import DAY, SCHEMAS, replace

YEAR = 365 * DAY
SCHEMA = replace(SCHEMAS[KeyType.STRING], change_days=30)


def test_a_list_of_changes_that_were_dropped_is_refused_before_it_is_frozen() -> None:
    world = World(SCHEMA, YEAR)
    world.upsert("ann", {"country": "DE"}, YEAR)
    world.upsert("ann", {"country": "FR"}, 3 * YEAR)
    rule = parse("country changed in last 7 days")
    with pytest.raises(InvalidRule):
        world.state.validate(FreezeSegment("a", "old", rule, YEAR, 3 * YEAR))
    recent = FreezeSegment("a", "recent", rule, 3 * YEAR, 3 * YEAR)
    world.state.validate(recent)
    world.state.apply(recent)
    assert len(world.audience.segments["recent"].frozen or ()) == 1


def test_a_reachable_rule_about_changes_fits_an_audience_that_is_old() -> None:
    world = World(SCHEMA, YEAR)
    world.upsert("ann", {"country": "DE"}, 3 * YEAR)
    schema = replace(world.audience.schema, reachable="not country changed in last 7 days")
    world.state.validate(UpdateAudience("a", schema, 3 * YEAR))


def test_as_many_audiences_and_segments_as_can_be_are_made() -> None:
    world = World(SCHEMA, YEAR)
    world.state.limits = world.audience.limits = Limits(audiences_max=2, segments_max=2)
    world.state.apply(second := CreateAudience("b", SCHEMA, YEAR))
    assert set(world.state.audiences) == {"a", "b"}
    with pytest.raises(LimitExceeded) as caught:
        world.state.validate(replace(second, audience="c"))
    assert caught.value.metadata["limit"] == "audiences_max"
    longest = "s" * SEGMENT_NAME_LENGTH_MAX
    for name in ("x", longest):
        segment = CreateSegment("a", name, parse("everyone"), 0, YEAR)
        world.state.validate(segment)
        world.state.apply(segment)
    with pytest.raises(LimitExceeded) as caught:
        world.state.validate(CreateSegment("a", "third", parse("everyone"), 0, YEAR))
    assert caught.value.metadata["limit"] == "segments_max"
    with pytest.raises(InvalidInput, match="segment name"):
        world.state.validate(CreateSegment("b", longest + "s", parse("everyone"), 0, YEAR))


def test_a_batch_has_as_many_rows_as_the_limit() -> None:
    world = World(SCHEMA, YEAR)
    world.audience.limits = Limits(batch_rows_max=2)
    world.state.validate(UpsertSubscribers("a", ["x", "y"], (), YEAR))
    with pytest.raises(LimitExceeded):
        world.state.validate(UpsertSubscribers("a", ["x", "y", "z"], (), YEAR))


@pytest.mark.parametrize(("users", "tail"), [(10, '"u9"'), (11, " and others")])
def test_a_segment_in_use_names_ten_of_those_that_use_it(users: int, tail: str) -> None:
    world = World(SCHEMA, YEAR)
    world.define("used", parse("everyone"))
    for number in range(users):
        world.define(f"u{number}", parse('in segment "used"'))
    with pytest.raises(InUse) as caught:
        world.state.validate(DeleteSegment("a", "used", YEAR))
    assert caught.value.message.endswith(tail)
    assert caught.value.message.count('segment "u') == min(users, 10) + 1
