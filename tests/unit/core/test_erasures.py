"""Whose erasure a restored snapshot has to repeat, to the position and the microsecond."""

from __future__ import annotations

import numpy as np
import pytest
from headcount_server.core.erasures import MARK_US, Erasures, Mark, Since
from headcount_server.core.schema import KeyType
from headcount_server.errors import DataLoss

from tests.property.world import World
from tests.strategies.settings import SCHEMAS

KEYS = ("ann", "bob", "cem")


def erased() -> tuple[World, Erasures]:
    """Ann, Bob and Cem at the positions and times 10, 20 and 30; all of them are there again."""
    world = World(SCHEMAS[KeyType.STRING], 0)
    found = Erasures()
    for number, key in enumerate(KEYS, 1):
        world.upsert(key, {}, 0)
        found.note("a", [key], 10 * number, 10 * number)
    return world, found


@pytest.mark.parametrize(("position", "count"), [(9, 3), (10, 2), (19, 2), (20, 1), (30, 0)])
def test_a_snapshot_at_an_erasure_has_it_already(position: int, count: int) -> None:
    world, found = erased()
    assert len(found.rows("a", world.audience.keys, Since(position, 0))) == count


@pytest.mark.parametrize(("time", "count"), [(10, 3), (11, 2), (20, 2), (30, 1), (31, 0)])
def test_of_another_log_an_erasure_at_the_snapshots_time_is_repeated(time: int, count: int) -> None:
    world, found = erased()
    assert len(found.rows("a", world.audience.keys, Since(None, time))) == count


def test_erasures_within_an_hour_of_the_first_are_one_mark() -> None:
    found = Erasures()
    for position, time in enumerate((0, MARK_US - 1, MARK_US, 2 * MARK_US - 1, 2 * MARK_US), 1):
        found.note("a", ["x"], position, time)
    assert list(found.marks) == [Mark(0, 2), Mark(MARK_US, 4), Mark(2 * MARK_US, 5)]


@pytest.mark.parametrize("positions", [(1, 1), (2, 1)])
def test_marks_that_do_not_ascend_are_damage(positions: tuple[int, int]) -> None:
    found = Erasures()
    found.note("a", ["x"], 1, 0)
    found.note("a", ["y"], 2, MARK_US)
    parts = found.dump()
    assert list(Erasures.load(parts).marks) == [Mark(0, 1), Mark(MARK_US, 2)]
    parts["mark_positions"] = np.array(positions, np.int64)
    with pytest.raises(DataLoss, match="out of order"):
        Erasures.load(parts)
