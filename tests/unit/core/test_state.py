"""What validation lets through, applying can't refuse."""

from __future__ import annotations

import pytest
from headcount_server.core.commands import FreezeSegment, UpdateAudience
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType
from headcount_server.errors import InvalidRule

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
