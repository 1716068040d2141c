"""The parts of an audience: in what order they are loaded shows nowhere."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from headcount_server.codec import values
from headcount_server.core.audience_dump import Job, dump_audience, load_audience
from headcount_server.core.schema import KeyType
from headcount_server.errors import DataLoss
from headcount_server.limits import DEFAULT_LIMITS

from tests.property.world import World
from tests.strategies.settings import DAY, SCHEMAS

YEAR = 365 * DAY


@pytest.fixture
def world() -> World:
    world = World(SCHEMAS[KeyType.STRING], YEAR)
    world.upsert("ann", {"country": "DE"}, YEAR)
    world.upsert("bob", {"country": "FR"}, 3 * YEAR)
    return world


def backwards(jobs: Mapping[str, Job]) -> None:
    for job in reversed(jobs.values()):
        job()


def test_parts_can_be_loaded_in_any_order(world: World) -> None:
    parts = dump_audience(world.audience)
    loaded = load_audience(parts, DEFAULT_LIMITS, backwards)
    assert list(loaded.attributes) == list(world.audience.attributes)
    assert list(loaded.events) == list(world.audience.events)
    assert values.encode(dump_audience(loaded)) == values.encode(parts)


def test_a_missing_part_is_refused(world: World) -> None:
    parts = dump_audience(world.audience)
    del parts["attribute.country"]
    with pytest.raises(DataLoss, match=r"attribute\.country"):
        load_audience(parts, DEFAULT_LIMITS)


def test_a_part_that_belongs_to_nothing_is_refused(world: World) -> None:
    parts = {**dump_audience(world.audience), "attribute.nowhere": {}}
    with pytest.raises(DataLoss, match=r"has a part 'attribute\.nowhere'"):
        load_audience(parts, DEFAULT_LIMITS)
