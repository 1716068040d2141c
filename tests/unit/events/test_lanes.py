"""Which blocks hold a range of days, and what a view finds at the edges of days and instants."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from headcount_server.core.calendar import DAY_US, FIRST_DAY, LAST_DAY, Calendar
from headcount_server.core.events import counters
from headcount_server.core.events.lanes import Kind, Lane
from headcount_server.core.events.store import EventStore
from headcount_server.core.plan.event_nodes import Source
from headcount_server.core.schema import EventSchema
from pyroaring import BitMap

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def store(times: list[int], zone: str = "UTC") -> EventStore:
    """An event at each time, each of a subscriber of its own."""
    made = EventStore(EventSchema("buy", (), ()), Calendar(ZoneInfo(zone)))
    made.record(np.arange(len(times), dtype=np.uint32), np.array(times, dtype=np.int64), {}, {})
    return made


def on_days(days: list[int]) -> EventStore:
    return store([day * DAY_US for day in days])


def lane(days: list[int]) -> Lane:
    return Lane([on_days(days)], [Source("buy")], Kind.DID)


def micros(text: str) -> int:
    return round((datetime.fromisoformat(text) - EPOCH).total_seconds()) * 1_000_000


@pytest.mark.parametrize(
    ("days", "low", "high", "blocks"),
    [
        ([0, 1, 2, 3], 0, 3, [(1, 0)]),
        ([0, 1, 2, 3], 1, 3, [(0, 1), (0, 2), (0, 3)]),
        ([0, 1, 2, 3], 0, 2, [(0, 0), (0, 1), (0, 2)]),
        ([1, 2], 1, 2, [(1, 0)]),
        ([0, 1, 2], 1, 2, [(0, 1), (0, 2)]),
        ([-1, 0, 1, 2, 3, 4], 0, 3, [(1, 0)]),
        ([-1, 1, 2, 4], 0, 3, [(1, 0)]),
        ([3, 4, 5, 6, 7, 8], 3, 7, [(1, 0), (1, 1)]),
        ([3, 4, 5, 6, 7, 8], 4, 8, [(1, 1), (0, 8)]),
        ([5], 0, 9, [(0, 5)]),
        ([FIRST_DAY, -1, 0, LAST_DAY], FIRST_DAY, LAST_DAY, [(11, -1), (11, 0)]),
        ([5], 6, 9, []),
    ],
)
def test_a_range_is_held_by_the_fewest_blocks_without_a_day_outside(
    days: list[int], low: int, high: int, blocks: list[tuple[int, int]]
) -> None:
    asked = lane(days)
    assert asked.cover(low, high) == blocks
    expected = [row for row, day in enumerate(days) if low <= day <= high]
    assert list(counters.members(asked.range(low, high))) == expected


def test_days_are_found_up_to_both_ends() -> None:
    view = on_days([1, 2, 3, 4])
    assert view.days_between(2, 3) == [2, 3]
    assert view.days_between(0, 9) == [1, 2, 3, 4]
    assert view.days_between(5, 9) == []
    assert (view.next_day(2), view.next_day(5)) == (2, None)


def test_the_next_event_is_after_the_instant_not_at_it() -> None:
    view = store([5, 7, 7, DAY_US])
    assert [view.next_after(us) for us in (4, 5, 6, 7, DAY_US)] == [5, 7, 7, DAY_US, None]


def test_the_next_event_may_lie_on_the_day_before_where_the_clock_is_set_back() -> None:
    on_the_29th = micros("2006-10-29T02:30:30+00:00")  # 00:00:30 by the clock, for the first time
    back_on_the_28th = micros("2006-10-29T03:00:00+00:00")  # 23:30:00, for the second time
    view = store([on_the_29th, back_on_the_28th], "America/St_Johns")
    assert view.last_day == (view.first_day or 0) + 1
    assert view.next_after(on_the_29th) == back_on_the_28th
    assert view.next_after(on_the_29th - 1) == on_the_29th


def test_events_are_forgotten_up_to_the_day_before() -> None:
    held = on_days([1, 2, 3])
    held.forget_before(2)
    assert held.day_counts() == {2: 1, 3: 1}
    held.forget_before(2)
    assert held.day_counts() == {2: 1, 3: 1}


def test_a_day_whose_last_event_is_erased_is_gone() -> None:
    held = on_days([1, 2, 3])
    held.erase(BitMap([1]))
    assert held.day_counts() == {1: 1, 3: 1}
    assert held.days_between(0, 9) == [1, 3]
