"""What counts as a change of a value, on which day, and for how long it is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.changes import Changes
from headcount_server.core.commands import AttributeValues, UpsertSubscribers
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import AttributeType
from headcount_server.core.values import ValueColumn
from headcount_server.errors import InvalidRule

from tests.property.world import World
from tests.strategies.settings import DAY, STRING_SCHEMA, micros

SCHEMA = replace(STRING_SCHEMA, change_days=400)
NOW = micros(datetime(2026, 3, 31, 12, tzinfo=UTC))


def world(*writes: tuple[dict[str, Any], int]) -> World:
    """One subscriber, ``a``, with these values written so many days ago."""
    found = World(SCHEMA, NOW - 1000 * DAY)
    found.upsert("a", {}, NOW - 1000 * DAY)
    for values, days in writes:
        found.upsert("a", values, NOW - days * DAY)
    return found


def holds(found: World, rule: str, now: int = NOW) -> bool:
    return found.members(parse(rule), now) == {"a"}


@pytest.mark.parametrize(
    ("attribute", "first", "equal", "other"),
    [
        ("country", "DE", "de", "FR"),
        ("country", "STRASSE", "straße", "STRASS"),
        ("email", "Ann@GMail.com", "ann@gmail.com", "ann@gmail.org"),
        ("tags", ("News", "sale"), ("SALE", "NEWS"), ("news",)),
        ("tags", ("news", "NEWS"), ("News",), ("news", "sale")),
        ("consent", True, True, False),
        ("age", 30, 30, 31),
        ("spend", Decimal("1.10"), Decimal("1.1"), Decimal("1.11")),
        ("home", (0.0, 0.0), (-0.0, 0.0), (0.0, 1.0)),
    ],
)
def test_writing_an_equal_value_is_no_change(
    attribute: str, first: Any, equal: Any, other: Any
) -> None:
    rule = f"{attribute} changed in last 5 days"
    assert not holds(world(({attribute: first}, 9), ({attribute: equal}, 3)), rule)
    assert holds(world(({attribute: first}, 9), ({attribute: other}, 3)), rule)


def test_an_equal_value_is_kept_as_it_was_written_last() -> None:
    found = world(({"country": "DE", "tags": ("News",), "email": "A@x"}, 9))
    found.upsert("a", {"country": "de", "tags": ("news",), "email": "a@x"}, NOW)
    for rule in ('country = exactly "de"', 'tags has exactly "news"', 'email = exactly "a@x"'):
        assert holds(found, rule)


def test_the_first_value_and_a_removal_are_changes_and_removing_nothing_is_none() -> None:
    assert holds(world(({"age": 1}, 3)), "age changed in last 3 days")
    assert holds(world(({"age": 1}, 9), ({"age": None}, 3)), "age changed in last 3 days")
    assert not holds(world(({"age": None}, 3)), "age changed in last 3 days")
    assert not holds(world(({"age": 1}, 3)), "age changed in last 2 days")


def test_a_change_after_today_does_not_count_yet() -> None:
    found = world(({"age": 1}, -1))
    assert not holds(found, "age changed in next 3 days")
    assert holds(found, "age changed in last 0 days", NOW + DAY)


def test_a_change_bears_the_time_given_with_it() -> None:
    found = world()
    found.upsert("a", {"age": 1}, NOW, changed_at=NOW - 30 * DAY)
    assert not holds(found, "age changed in last 29 days")
    assert holds(found, "age changed on 2026-03-01")


def test_two_values_of_one_batch_are_two_changes_and_back_again_is_one_too() -> None:
    found = world(({"age": 1}, 9))
    column = ValueColumn(AttributeType.INTEGER, np.array([2, 1]), np.ones(2, np.bool_))
    times = np.array([NOW - 5 * DAY, NOW - 3 * DAY])
    at = ValueColumn(AttributeType.TIMESTAMP, times, np.ones(2, np.bool_))
    found.state.apply(
        UpsertSubscribers("a", ["a", "a"], (AttributeValues("age", column),), NOW, None, at)
    )
    assert holds(found, "age = 1")
    for day in ("2026-03-26", "2026-03-28"):
        assert holds(found, f"age changed on {day}")


def test_changes_are_kept_for_the_days_of_the_setting() -> None:
    found = world(({"age": 1}, 400), ({"age": 2}, 0))
    assert holds(found, "age changed in last 400 days")
    assert not holds(found, "age changed in last 399 days and not age changed in this day")
    with pytest.raises(InvalidRule, match="changes are kept for 400 days, now from 2025-02-24 on"):
        found.members(parse("age changed in last 401 days"), NOW)


def test_as_of_a_day_before_which_changes_were_dropped_a_window_is_refused() -> None:
    found = world(({"age": 1}, 500), ({"age": 2}, 0))
    then = NOW - 200 * DAY
    with pytest.raises(InvalidRule, match="now from 2025-01-24 on") as caught:
        found.members(parse("age changed in last 400 days"), then)
    assert caught.value.violations[0].expected == ("in last 231 days",)
    assert not holds(found, "age changed in last 231 days", then)
    found.reload()
    with pytest.raises(InvalidRule, match="now from 2025-01-24 on"):
        found.members(parse("age changed in last 232 days"), then)


def test_erasing_someone_forgets_the_changes() -> None:
    found = world(({"age": 1}, 3))
    found.erase(["a"])
    found.upsert("a", {}, NOW)
    assert not holds(found, "age changed in last 9 days")


def test_changes_of_an_attribute_that_was_never_written_are_none() -> None:
    found = world()
    assert not holds(found, "spend changed in last 9 days")


def test_the_first_day_that_is_kept_stays_when_older_ones_go() -> None:
    found = world(({"country": "DE"}, 401), ({"plan": "pro"}, 400), ({"country": "FR"}, 0))
    assert holds(found, "plan changed in last 400 days")
    assert holds(found, "plan changed between 400 and 400 days ago")
    assert not holds(found, "plan changed in last 399 days")


def test_the_first_day_that_is_kept_is_kept_whole() -> None:
    changes = Changes()
    for day in (9, 10, 11):
        rows = np.array([day], np.uint32)
        changes.add("a", bitmaps.from_rows(rows), rows, np.full(1, day))
    changes.forget_before(10)
    assert changes.first_day == 10
    assert [list(changes.between("a", day, day)) for day in (9, 10, 11)] == [[], [10], [11]]
