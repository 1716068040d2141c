"""What is told of a segment's past, by minute, hour and day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from headcount_server.core.calendar import day_number
from headcount_server.core.live.histories import advance, due_us
from headcount_server.core.query.history import HistoryPoint, history
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Unit
from headcount_server.errors import InUse, InvalidInput, InvalidRule, LimitExceeded, NoHistory
from headcount_server.limits import Limits

from tests.property.world import World
from tests.strategies.settings import DAY, HOUR, SECOND, STRING_SCHEMA, micros

MINUTE = 60 * SECOND


def at(text: str, zone: str = "Europe/Berlin") -> int:
    return micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def world_at(text: str, zone: str = "Europe/Berlin", limits: Limits | None = None) -> World:
    world = World(replace(STRING_SCHEMA, time_zone=zone), at(text, zone))
    if limits is not None:
        world.audience.limits = limits
    return world


def advanced(world: World, to: int) -> World:
    world.clock = to
    world.advance()
    return world


def moves(world: World, segment: str = "s") -> list[tuple[str, str, int]]:
    """(key, entered or left, when), ascending by time and key."""
    found = [
        (str(key), move.name.lower(), event.time)
        for move, store in world.audience.histories[segment].stores.items()
        for key in [world.audience.keys.key(row) for row in world.audience.everyone]
        for event in store.events_of(int(world.audience.keys.find([key])[0]))
    ]
    return sorted(found, key=lambda move: (move[2], move[0]))


def test_every_minute_hour_and_day_has_a_point() -> None:
    world = world_at("2026-03-10T10:00")
    start = world.clock
    world.define("s", parse("age >= 18"), 30)
    world.upsert("ann", {"age": 20}, start + 90 * SECOND)
    world.upsert("bob", {"age": 30}, start + 100 * SECOND)
    world.upsert("ann", {"age": 10}, start + 2 * HOUR)
    world.clock = start + 3 * HOUR
    world.erase(["bob"])
    minutes = history(world.audience, "s", Unit.MINUTE, start, start + 3 * MINUTE)
    assert minutes == [
        HistoryPoint(start, 0, 0, 0),
        HistoryPoint(start + MINUTE, 2, 2, 0),
        HistoryPoint(start + 2 * MINUTE, 2, 0, 0),
    ]
    hours = history(world.audience, "s", Unit.HOUR, None, start + 3 * HOUR + 1)
    assert [point[1:] for point in hours] == [(2, 2, 0), (2, 0, 0), (1, 0, 1), (0, 0, 1)]
    days = history(world.audience, "s", Unit.DAY, start - 900 * DAY, start + DAY)
    assert days == [
        HistoryPoint(at("2026-03-10T00:00"), 0, 2, 2),
        HistoryPoint(at("2026-03-11T00:00"), 0, 0, 0),
    ]
    world.reload()
    assert history(world.audience, "s", Unit.HOUR, None, start + 3 * HOUR + 1) == hours


def test_old_minutes_become_hours_and_old_hours_days() -> None:
    world = world_at("2026-01-01T09:10")
    start = world.clock
    world.define("s", parse("consent is true"), 365)
    for minute in range(5):
        world.upsert(f"k{minute}", {"consent": True}, start + minute * 20 * MINUTE)
    hours = history(world.audience, "s", Unit.HOUR, None, start + 3 * HOUR)
    assert [point.total for point in hours] == [3, 5, 5, 5]
    world.upsert("k9", {"consent": True}, at("2026-01-20T12:00"))
    assert history(world.audience, "s", Unit.HOUR, None, start + 3 * HOUR) == hours
    with pytest.raises(InvalidInput, match="minutes are kept for 7 days"):
        history(world.audience, "s", Unit.MINUTE, start, start + HOUR)
    latest = history(world.audience, "s", Unit.MINUTE, None, at("2026-01-13T00:01"))
    assert latest == [HistoryPoint(at("2026-01-13T00:00"), 5, 0, 0)]
    world.upsert("k8", {"consent": True}, at("2026-06-01T12:00"))
    with pytest.raises(InvalidInput, match="hours are kept for 90 days"):
        history(world.audience, "s", Unit.HOUR, start, start + HOUR)
    days = history(world.audience, "s", Unit.DAY, None, at("2026-01-03T00:00"))
    assert [point[1:] for point in days] == [(5, 5, 0), (5, 0, 0)]


def test_what_is_older_than_the_days_kept_is_dropped_and_asking_for_it_refused() -> None:
    world = world_at("2026-01-01T09:00")
    world.define("s", parse("consent is true"), 10)
    world.upsert("ann", {"consent": True}, world.clock)
    world.upsert("bob", {"consent": True}, at("2026-01-12T09:00"))
    assert moves(world) == [("bob", "entered", at("2026-01-12T09:00"))]
    points = history(world.audience, "s", Unit.DAY, None, at("2026-01-13T00:00"))
    assert points[0] == HistoryPoint(at("2026-01-02T00:00"), 1, 0, 0)
    assert points[-1] == HistoryPoint(at("2026-01-12T00:00"), 2, 1, 0)
    now = at("2026-01-12T10:00")
    assert world.members(parse('entered segment "s" in last 10 days'), now) == {"bob"}
    for window in ("in last 11 days", "ever"):
        with pytest.raises(InvalidRule, match="are kept from 2026-01-02 on"):
            world.members(parse(f'entered segment "s" {window}'), now)


def test_a_history_is_switched_on_off_and_asked_for_only_while_it_is_on() -> None:
    world = world_at("2026-01-01T09:00")
    world.define("s", parse("consent is true"))
    with pytest.raises(NoHistory, match="update it with history_days"):
        history(world.audience, "s", Unit.DAY, None, world.clock)
    with pytest.raises(InvalidRule, match="keeps no history"):
        world.define("user", parse('entered segment "s" in last 7 days'))
    world.upsert("ann", {"consent": True}, world.clock)
    world.define("s", parse("consent is true"), 30)
    assert moves(world) == []
    world.define("user", parse('left segment "s" in last 7 days'))
    world.define("s", parse("consent is false"), 30)
    assert moves(world) == [("ann", "left", world.clock)]
    assert world.members(parse('in segment "user"'), world.clock) == {"ann"}
    with pytest.raises(InUse, match='asked for by segment "user"'):
        world.define("s", parse("consent is true"), 0)
    world.define("user", parse("everyone"))
    world.define("s", parse("consent is true"), 0)
    assert not world.audience.histories
    world.define("s", parse("consent is true"), 30)
    assert moves(world) == []


def test_so_many_segments_may_keep_a_history() -> None:
    world = world_at("2026-01-01T09:00", limits=Limits(histories_max=1))
    world.define("s", parse("everyone"), 1)
    with pytest.raises(LimitExceeded, match="histories_max is 1"):
        world.define("t", parse("everyone"), 1)
    world.define("t", parse("everyone"), 0)


def test_too_many_points_are_refused() -> None:
    world = world_at("2026-01-01T09:00", limits=Limits(history_points_max=60))
    world.define("s", parse("everyone"), 1)
    assert len(history(world.audience, "s", Unit.MINUTE, None, world.clock + HOUR)) == 60
    with pytest.raises(LimitExceeded, match="longer unit"):
        history(world.audience, "s", Unit.MINUTE, None, world.clock + HOUR + 1)


@pytest.mark.parametrize(
    ("zone", "before", "midnight"),
    [
        ("Europe/Berlin", "2026-03-28T12:00", "2026-03-29T00:00"),  # a day of 23 hours begins
        ("Europe/Berlin", "2026-03-29T12:00", "2026-03-30T00:00"),
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-26T00:00"),  # one of 25 ends
        ("America/New_York", "2026-12-31T12:00", "2027-01-01T00:00"),
        ("Australia/Adelaide", "2024-02-28T12:00", "2024-02-29T00:00"),
        ("Asia/Kathmandu", "2023-02-28T12:00", "2023-03-01T00:00"),
        ("Pacific/Apia", "2011-12-29T12:00", "2011-12-31T00:00"),  # the 30th never was
    ],
)
def test_people_move_at_midnight_of_the_audience(zone: str, before: str, midnight: str) -> None:
    """However late the clock gets there, and however often it was looked at before."""
    world = world_at(before, zone)
    due = at(midnight, zone)
    today = datetime.fromisoformat(before).date()
    born = (datetime.fromisoformat(midnight)).replace(year=2000).date()
    world.upsert("out", {"signup_date": today}, world.clock)
    world.upsert("in", {"birthday": born}, world.clock)
    world.define("s", parse("signup_date in last 0 days or birthday anniversary in last 0 days"), 9)
    advanced(world, due - 1)
    assert moves(world) == []
    advanced(world, due + 5 * HOUR)
    assert moves(world) == [("in", "entered", due), ("out", "left", due)]


def test_hours_begin_where_clocks_change() -> None:
    """25 October 2026 in Berlin has two hours from 2 to 3."""
    world = world_at("2026-10-25T01:30")
    start = world.clock
    world.upsert("ann", {"last_login": start}, start)
    world.define("s", parse("last_login in last 1 hours"), 9)
    advanced(world, start + DAY)
    assert moves(world) == [("ann", "left", start + 30 * MINUTE + HOUR)]


def test_an_event_of_the_future_counts_when_its_time_comes() -> None:
    world = world_at("2026-01-01T09:00")
    start = world.clock
    world.upsert("ann", {}, start)
    world.define("s", parse("did open in last 1 days"), 9)
    world.record("ann", "open", start + HOUR, {}, {})
    world.upsert("bob", {}, start + 7 * DAY)
    assert moves(world) == [
        ("ann", "entered", start + HOUR), ("ann", "left", at("2026-01-03T00:00"))
    ]  # fmt: skip


def test_erased_people_leave_no_moves_and_keys_that_return_are_others() -> None:
    world = world_at("2026-01-01T09:00")
    world.define("s", parse("consent is true"), 9)
    world.upsert("ann", {"consent": True}, world.clock)
    world.erase(["ann"])
    assert b"ann" not in world.written()
    world.upsert("ann", {}, world.clock)
    assert moves(world) == []
    assert world.members(parse('entered segment "s" ever'), world.clock) == set()
    points = history(world.audience, "s", Unit.DAY, None, world.clock + 1)
    assert [point[1:] for point in points] == [(0, 1, 1)]


def test_the_same_commands_give_the_same_bytes_whether_restarted_or_not() -> None:
    worlds = [world_at("2026-01-01T09:00") for _ in range(2)]
    for restarts, world in enumerate(worlds):
        for step in range(30):
            now = at("2026-01-01T09:00") + step * 7 * HOUR
            world.upsert(f"k{step % 7}", {"age": step % 5, "last_login": now}, now)
            if step == 3:
                world.define("s", parse("age > 2 or last_login in last 2 hours"), 5)
                world.define("t", parse('entered segment "s" in last 1 days'), 2)
            if restarts:
                world.reload()
    assert worlds[0].written() == worlds[1].written()


def test_a_segment_that_binding_left_out_is_followed_when_it_is_redefined() -> None:
    """At least 2 of one segment is nobody, whatever it is; what it asks of time still counts."""
    world = world_at("2026-01-01T09:00")
    world.define("used", parse("age > 3"))
    world.define("s", parse('at least 2 of (in segment "used") or age = 5'), 9)
    world.define("used", parse("plan changed in last 30 days"))
    world.upsert("ann", {"age": 5}, world.clock)
    assert moves(world) == [("ann", "entered", world.clock)]


def test_a_history_as_old_as_the_days_kept_has_all_its_moves() -> None:
    world = world_at("2026-01-01T09:00")
    world.define("s", parse("consent is true"), 10)
    world.upsert("ann", {"consent": True}, at("2026-01-01T10:00"))
    for window in ("ever", "in last 400 days", "in last 10 days"):
        rule = parse(f'entered segment "s" {window}')
        assert world.members(rule, at("2026-01-11T23:59")) == {"ann"}
    advanced(world, at("2026-01-12T00:00"))
    with pytest.raises(InvalidRule, match="are kept from 2026-01-02 on"):
        world.members(parse('entered segment "s" ever'), world.clock)


def test_moves_are_kept_from_the_start_on_until_the_first_day_is_too_old() -> None:
    world = world_at("2026-03-10T10:00")
    world.define("s", parse("age >= 18"), 30)
    kept = world.audience.histories["s"]
    start = world.clock
    assert kept.kept_from(start + 30 * DAY) is None  # the first day is just 30 days ago
    assert kept.kept_from(start + 31 * DAY) == day_number(date(2026, 3, 11))


def test_who_ages_out_has_left_at_that_very_instant() -> None:
    world = world_at("2026-03-10T10:00")
    world.upsert("ann", {}, world.clock)
    world.define("s", parse("known for at least 1 days"), 30)
    assert moves(world) == []
    due = due_us(world.audience)
    assert due is not None
    advance(world.audience, due - 1, world.audience.limits)
    assert moves(world) == []
    advance(world.audience, due, world.audience.limits)
    assert moves(world) == [("ann", "entered", due)]
