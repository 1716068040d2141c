"""Folding at its edges: what is kept of whom, and which rules are still answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from headcount_server.core.calendar import calendar, day_number
from headcount_server.core.commands import FoldEvents, UpdateAudience
from headcount_server.core.query import count
from headcount_server.core.query.history import history
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import EventSchema, KeyType, Schema, validate_schema
from headcount_server.errors import HeadcountError, InvalidRule, InvalidSchema, NoHistory
from headcount_server.limits import RETENTION_DAYS_MAX

from tests.property.world import World
from tests.strategies.settings import micros

EVENTS = (
    EventSchema("sent", ("campaign",), activity=False),
    EventSchema("open", ("campaign",), retention_days=30),
    EventSchema("click", ("campaign",)),
    EventSchema("buy", ("product",), (("amount", 2),), retention_days=30),
)
SCHEMA = Schema(KeyType.STRING, "Europe/Berlin", events=EVENTS)
NOW = micros(datetime(2026, 4, 20, 10, tzinfo=UTC))
KEPT = date(2026, 3, 21)  # 30 days before today
HOUR = 3_600_000_000
DAY = 24 * HOUR


def world_of(schema: Schema = SCHEMA) -> World:
    world = World(schema, NOW)
    for key in ("ann", "bob", "cem"):
        world.upsert(key, {}, NOW)
    return world


def buy(world: World, key: str, time: int, product: str = "pen") -> None:
    world.record(key, "buy", time, {"product": product}, {"amount": Decimal("1.50")})


def fold(world: World, event: str = "buy", day: date = KEPT, at: int = NOW) -> None:
    world._do(FoldEvents("a", event, day_number(day), at))


def times(world: World, key: str) -> list[tuple[int, dict[str, str], dict[str, int]]]:
    record = world.audience.subscriber(key, 100)
    assert record is not None
    return [event[1:] for event in reversed(record.events)]


def total(world: World, text: str, now: int = NOW) -> int:
    return count(world.ask(now), parse(text)).total


def refused(world: World, text: str, now: int = NOW) -> InvalidRule:
    with pytest.raises(InvalidRule) as caught:
        total(world, text, now)
    return caught.value


def test_of_old_events_the_first_and_the_last_stay_without_properties() -> None:
    world = world_of()
    for days in (90, 80, 70, 60, 5):
        buy(world, "ann", NOW - days * DAY)
    buy(world, "bob", NOW - 50 * DAY)
    fold(world)
    kept = {"product": "pen"}, {"amount": 150}
    assert times(world, "ann") == [
        (NOW - 90 * DAY, {}, {}), (NOW - 60 * DAY, {}, {}), (NOW - 5 * DAY, *kept),
    ]  # fmt: skip
    assert times(world, "bob") == [(NOW - 50 * DAY, {}, {})]
    assert world.audience.event_count == 4
    assert world.audience.events["buy"].value_counts("product") == [("pen", 1)]


def test_a_value_that_only_folded_events_had_is_gone() -> None:
    world = world_of()
    buy(world, "ann", NOW - 90 * DAY, "lamp")
    buy(world, "ann", NOW, "pen")
    assert b"lamp" in world.written()
    fold(world)
    assert b"lamp" not in world.written()
    assert world.audience.events["buy"].values("product") == ["pen"]


def test_of_equal_times_the_one_written_first_and_the_one_written_last_stay() -> None:
    world = world_of()
    for _ in range(4):
        buy(world, "ann", NOW - 90 * DAY)
    orders = [event.order for event in world.audience.events["buy"].events_of(0)]
    fold(world)
    row = next(iter(world.audience.everyone))
    left = [event.order for event in world.audience.events["buy"].events_of(row)]
    assert len(left) == 2
    assert orders in ([], [left[0], left[0] + 1, left[0] + 2, left[1]])
    assert left[1] - left[0] == 3


def test_the_midnight_of_the_zone_divides_what_is_folded_from_what_is_kept() -> None:
    world = world_of()
    midnight = calendar("Europe/Berlin").start_of_day(day_number(KEPT))
    assert midnight == micros(datetime(2026, 3, 20, 23, tzinfo=UTC))  # before the summer time
    for time in (midnight - 2, midnight - 1, midnight - 1, midnight, midnight + 1):
        buy(world, "ann", time)
    buy(world, "ann", midnight - DAY)
    fold(world)
    kept = {"product": "pen"}, {"amount": 150}
    assert times(world, "ann") == [
        (midnight - DAY, {}, {}), (midnight - 1, {}, {}), (midnight, *kept), (midnight + 1, *kept),
    ]  # fmt: skip


def test_late_events_are_folded_as_they_come_and_may_be_a_new_first() -> None:
    world = world_of()
    buy(world, "ann", NOW - 60 * DAY)
    fold(world)
    for days in (55, 70, 58, 90, 65):
        buy(world, "ann", NOW - days * DAY)
    buy(world, "cem", NOW - 40 * DAY)
    assert [time for time, *_ in times(world, "ann")] == [NOW - 90 * DAY, NOW - 55 * DAY]
    assert times(world, "cem") == [(NOW - 40 * DAY, {}, {})]
    before = world.written()
    world.reload()
    assert world.written() == before
    buy(world, "ann", NOW - 99 * DAY)
    assert [time for time, *_ in times(world, "ann")] == [NOW - 99 * DAY, NOW - 55 * DAY]


def test_an_erasure_takes_folded_events_too() -> None:
    world = world_of()
    buy(world, "ann", NOW - 60 * DAY)
    buy(world, "bob", NOW - 50 * DAY)
    fold(world)
    world.erase(["ann"])
    assert world.audience.event_count == 1
    assert total(world, "did buy ever") == 1


ANSWERED = [
    ("did buy ever", 2), ("did not buy ever", 1), ("did buy before 2026-03-01", 2),
    ("did buy in last 30 days", 1), ("did buy at least 2 times in last 30 days", 0),
    ("did buy in last 75 days", 2), ("did buy fewer than 1 times in last 75 days", 1),
    ('did buy where (product = "pen") in last 30 days', 1),
    ("sum(buy.amount) >= 1 in last 30 days", 1),
    ("first buy before 2026-02-01", 1), ("last buy more than 40 days ago", 1),
    ("last buy between 2026-02-01 and 2026-03-10", 1), ("first buy in last 60 days", 1),
    ('last buy is (product = "pen") in last 20 days', 1), ("inactive for 180 days", 1),
    ("did buy in at least 1 of last 2 weeks", 1), ("did buy then click in last 20 days", 0),
    ("did any of (buy, click) ever", 2), ("did click at least 2 times ever", 0),
    ("did buy more than 50 days ago", 2), ("did buy at least 0 times ever", 3),
    ('did buy where (product = "pen") in next 3 days', 0),
    ("did buy between 2026-01-01 and 2026-03-20", 2),
    ("did buy between 2026-01-01T00:00:00Z and 2026-03-20T22:59:59.999999Z", 2),
    ("did buy at least 1 times between 2026-03-20T23:00:00Z and 2026-04-20T00:00:00Z", 1),
    ("did buy at least 2 times between 2026-03-20T23:00:00Z and 2026-04-20T00:00:00Z", 0),
]  # fmt: skip
REFUSED = [
    "did buy at least 2 times ever", "did buy in last 31 days and did buy exactly 1 times ever",
    'did buy where (product = "pen") ever', 'did buy where (product = "pen") in last 31 days',
    "did buy between 2026-01-01 and 2026-03-01", "sum(buy.amount) >= 1",
    "avg(buy.amount) >= 1 in last 31 days", "count distinct(buy.product) = 0 ever",
    'favourite(buy.product) = "pen"', "rate(buy / click) >= 0.1", "rate(click / buy) >= 0.1",
    'last buy is (product = "pen")', 'first buy where (product = "pen") in last 20 days',
    'last buy where (product = "pen") in last 31 days', "did click then buy",
    "did click then open without buy ever", "did buy in at least 1 of last 3 months",
    "did buy within 3 days after known_since", "did any of (buy, click) on at least 2 days ever",
    "stars >= 1 in last 7 days", "did click then not buy within 1 day",
    "did buy between 2026-01-01 and 2026-03-19",
    "did buy between 2026-01-20T10:00:00Z and 2026-01-20T10:00:00Z",
    "did buy between 2026-01-01T00:00:00Z and 2026-03-20T22:59:59.999998Z",
    "did buy at least 2 times between 2026-03-20T22:59:59.999999Z and 2026-04-20T00:00:00Z",
]  # fmt: skip


@pytest.fixture(scope="module")
def folded() -> World:
    world = world_of()
    buy(world, "ann", NOW - 90 * DAY)
    buy(world, "ann", NOW - 70 * DAY)
    buy(world, "ann", NOW - 5 * DAY)
    buy(world, "bob", NOW - 55 * DAY)
    buy(world, "bob", NOW - 52 * DAY)
    fold(world)
    fold(world, "open")
    return world


@pytest.mark.parametrize(("text", "expected"), ANSWERED)
def test_what_first_and_last_decide_or_kept_days_hold_is_answered(
    folded: World, text: str, expected: int
) -> None:
    assert total(folded, text) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_what_needs_folded_events_is_refused_and_the_oldest_day_kept_is_named(
    folded: World, text: str
) -> None:
    error = refused(folded, text)
    assert "are kept from 2026-03-21 on" in error.message
    (violation,) = {v for v in error.violations if v.reason == "OUT_OF_RANGE"}
    assert violation.found in ("buy", "open")
    assert violation.expected == ("in last 30 days",)


def test_last_campaigns_need_all_sendings() -> None:
    events = (replace(EVENTS[0], retention_days=30), *EVENTS[1:])
    world = world_of(replace(SCHEMA, events=events))
    rule = "did click where campaign in last 2 campaigns sent"
    assert total(world, rule) == 0
    fold(world, "sent")
    assert 'events "sent" are kept' in refused(world, rule).message


def test_a_question_as_of_a_folded_day_is_refused(folded: World) -> None:
    for text in ("did buy ever", "last buy ever", "did buy in last 3 days"):
        refused(folded, text, NOW - 31 * DAY)
    assert total(folded, "did buy ever", NOW - 29 * DAY) == 2
    assert total(folded, "did click ever", NOW - 90 * DAY) == 0
    last_folded = calendar("Europe/Berlin").start_of_day(day_number(KEPT)) - 1
    refused(folded, "did buy ever", last_folded - 1)
    assert total(folded, "did buy ever", last_folded) == 2


def test_a_day_comes_twice_where_the_clock_is_set_back_over_midnight() -> None:
    """In St John's 7 November 2010 began at 00:00, and again, an hour later, after a minute."""
    schema = replace(SCHEMA, time_zone="America/St_Johns")
    changed = micros(datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
    world = world_of(schema)
    at = changed + 40 * DAY
    for minutes in (-60, 0, 30):  # the 6th, then the 7th for a minute, then the 6th again
        buy(world, "ann", changed + minutes * HOUR // 60 - HOUR // 120)
    fold(world, day=date(2010, 11, 10), at=at)
    assert total(world, "did buy ever", at) == 1
    refused(world, "did buy in last 39 days", changed + 39 * DAY + 12 * HOUR)
    assert total(world, "did buy between 2010-11-08 and 2010-12-31", at) == 0


def test_a_window_that_ends_with_the_last_day_that_fell_out_has_all_that_is_folded() -> None:
    """Also where that day comes again after the first of the day that is kept."""
    schema = replace(SCHEMA, time_zone="America/St_Johns")
    changed = micros(datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
    world = world_of(schema)
    at = changed + 36 * DAY
    for minutes in (-60, 30):  # the 6th, and the 6th again
        buy(world, "ann", changed + minutes * HOUR // 60 - HOUR // 120)
    fold(world, day=date(2010, 11, 7), at=at)
    assert total(world, "did buy before 2010-11-07", at) == 1


def test_a_segment_that_needs_more_is_refused_wherever_it_is_used_and_its_history_stands() -> None:
    world = world_of()
    for _ in range(2):
        buy(world, "ann", NOW - 90 * DAY)
    world.define("loyal", parse("did buy at least 2 times ever"), 30)
    world.define("once", parse("did buy ever"), 30)
    fold(world)
    assert "are kept from" in refused(world, 'in segment "loyal"').message
    buy(world, "bob", NOW)
    buy(world, "bob", NOW)
    sizes = {n: len(h.maintained.members) for n, h in world.audience.histories.items()}
    assert sizes == {"loyal": 1, "once": 2}
    before = world.written()
    world.reload()
    assert world.written() == before
    with pytest.raises(NoHistory, match="stands still: its rule can't be answered"):
        history(world.audience, "loyal", Unit.DAY, None, NOW + 1)
    assert history(world.audience, "once", Unit.DAY, None, NOW + 1)[-1].total == 2
    world.define("loyal", parse("did buy at least 2 times in last 30 days"), 30)
    assert len(world.audience.histories["loyal"].maintained.members) == 1
    assert total(world, 'entered segment "loyal" in last 1 days') == 1
    assert history(world.audience, "loyal", Unit.DAY, None, NOW + 1)[-1].total == 1


def update(world: World, days: int, reachable: str = "") -> None:
    events = tuple(replace(e, retention_days=days) if e.name == "buy" else e for e in EVENTS)
    world._do(UpdateAudience("a", replace(SCHEMA, events=events, reachable=reachable), NOW))


def test_the_setting_can_be_changed_and_what_is_folded_stays_so() -> None:
    world = world_of()
    fold(world)
    update(world, 0)
    buy(world, "ann", NOW - 40 * DAY)
    assert times(world, "ann") == [(NOW - 40 * DAY, {}, {})]
    with pytest.raises(HeadcountError, match="no event type that is kept for a time"):
        fold(world, day=KEPT + timedelta(1))
    update(world, 7)
    fold(world, day=KEPT + timedelta(23))
    assert world.audience.kept_from["buy"] == day_number(KEPT) + 23


def test_a_fold_is_refused_before_its_day_and_a_second_time() -> None:
    world = world_of()
    with pytest.raises(HeadcountError, match="still to be kept"):
        fold(world, day=KEPT + timedelta(1))
    fold(world)
    with pytest.raises(HeadcountError, match="still to be kept"):
        fold(world)
    with pytest.raises(HeadcountError, match="no event type that is kept for a time"):
        fold(world, "click")


def test_a_reachable_rule_has_to_do_with_what_will_be_kept() -> None:
    world = world_of()
    with pytest.raises(InvalidSchema, match="are kept from 2026-03-21 on"):
        update(world, 30, "did buy at least 2 times in last 31 days")
    update(world, 30, "did buy at least 2 times in last 30 days")


@pytest.mark.parametrize("days", [-1, RETENTION_DAYS_MAX + 1])
def test_days_out_of_range_are_refused(days: int) -> None:
    schema = replace(SCHEMA, events=(EventSchema("open", retention_days=days),))
    with pytest.raises(InvalidSchema, match=r"events\['open'\]\.retention_days"):
        validate_schema(schema)


def test_folding_day_by_day_comes_to_what_folding_at_once_does() -> None:
    """Somebody whose only events fall out on the day of the fold before is folded by the next."""
    worlds = world_of(), world_of()
    start = micros(datetime(2026, 3, 21, 11, tzinfo=UTC))
    for world in worlds:
        for hours in (0, 1, 2):
            buy(world, "ann", start + hours * HOUR)
    fold(worlds[0])
    for days in (1, 2):
        at = NOW + days * DAY
        fold(worlds[0], day=KEPT + timedelta(days), at=at)
    fold(worlds[1], day=KEPT + timedelta(2), at=NOW + 2 * DAY)
    for world in worlds:
        assert [time for time, _, _ in times(world, "ann")] == [start, start + 2 * HOUR]


@pytest.mark.parametrize(("late_us", "kept"), [(-1, 2), (0, 3)])
def test_a_late_event_is_folded_up_to_the_last_instant_before_the_kept_days(
    late_us: int, kept: int
) -> None:
    world = world_of()
    fold(world)
    begin = micros(datetime(2026, 3, 20, 23, tzinfo=UTC))  # midnight of Berlin
    for hours in (-2, -1):
        buy(world, "ann", begin + hours * HOUR)
    buy(world, "ann", begin + late_us)
    assert len(times(world, "ann")) == kept
