"""Days of one's own, as tables by row where rows are dense and by search where they are sparse."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from headcount_server.core.calendar import DAY_US, LAST_DAY, Calendar
from headcount_server.core.events import relative
from headcount_server.core.events.store import EventStore
from headcount_server.core.plan.behaviour_nodes import DidRelative
from headcount_server.core.plan.event_nodes import MeasureRange, Source
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import EventSchema

ROWS = np.array([1, 2, 3, 4], dtype=np.uint32)
DAYS = np.array([100, 110, 100, 20_000], dtype=np.int64)
BIG = MeasureRange("amount", 10, None)


@pytest.fixture(params=[0, 10**6], ids=["sparse", "dense"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relative, "_TABLE_FACTOR", request.param)


def store(*events: tuple[int, int, int]) -> EventStore:
    """Of (row, day, amount), each at the noon of its day."""
    made = EventStore(EventSchema("buy", (), (("amount", 0),)), Calendar(ZoneInfo("UTC")))
    rows, days, amounts = (np.array(column, dtype=np.int64) for column in zip(*events, strict=True))
    made.record(rows, days * DAY_US + DAY_US // 2, {}, {"amount": (amounts, None)})
    return made


def found(
    events: EventStore,
    amount: int,
    *,
    unit: Unit = Unit.DAY,
    until: int = 30_000 * DAY_US,
    count: int = 1,
    on_days: bool = False,
    big: bool = False,
) -> list[int]:
    source = Source("buy", BIG if big else None)
    node = DidRelative((source,), "signup", amount, unit, until, count, on_days)
    return list(relative.evaluate(node, {"buy": events}, ROWS, DAYS))


def test_both_ends_are_included() -> None:
    after = store((1, 99, 1), (2, 110, 1), (3, 105, 1), (4, 20_006, 1))
    assert found(after, 5) == [2, 3]
    assert found(after, 4) == [2]
    assert found(after, 6) == [2, 3, 4]
    assert found(after, 0) == [2]
    before = store((1, 101, 1), (2, 110, 1), (3, 95, 1), (4, 19_993, 1))
    assert found(before, -5) == [2, 3]
    assert found(before, -4) == [2]
    assert found(before, -7) == [2, 3, 4]


def test_events_of_others_are_no_matter() -> None:
    assert found(store((0, 100, 1), (5, 100, 1), (6, 110, 1)), 30) == []
    assert found(store((5, 100, 1), (4, 20_000, 1)), 30) == [4]


def test_events_after_now_never_count() -> None:
    events = store((1, 100, 1), (2, 112, 1))
    assert found(events, 5, until=112 * DAY_US + DAY_US // 2) == [1, 2]
    assert found(events, 5, until=112 * DAY_US + DAY_US // 2 - 1) == [1]


def test_counts_are_of_events_or_days() -> None:
    events = store((1, 100, 1), (1, 100, 1), (2, 110, 1), (2, 111, 1), (3, 100, 1), (3, 106, 1))
    assert found(events, 5, count=2) == [1, 2]
    assert found(events, 5, count=2, on_days=True) == [2]
    assert found(events, 6, count=2, on_days=True) == [2, 3]
    assert found(events, 6, count=3) == []


def test_the_where_is_asked_of_each_event() -> None:
    events = store((1, 100, 9), (1, 120, 10), (2, 110, 10), (3, 101, 9), (3, 102, 11))
    assert found(events, 5, big=True) == [2, 3]
    assert found(events, 20, big=True) == [1, 2, 3]


def test_months_go_by_the_calendar() -> None:
    # Day 100 of 1970 is 11 April, 110 is 21 April.
    events = store((1, 130, 1), (2, 141, 1), (3, 131, 1))
    assert found(events, 1, unit=Unit.MONTH) == [1]
    assert found(events, 5, unit=Unit.WEEK) == [1, 2, 3]


def test_no_duration_is_too_long() -> None:
    events = store((1, 20_000, 1), (4, LAST_DAY, 1))
    last = LAST_DAY * DAY_US + DAY_US - 1
    assert found(events, 10**12, unit=Unit.YEAR, until=last) == [1, 4]
    assert found(events, -(10**12), until=last) == []
