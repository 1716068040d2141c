"""Days, clock hours and periods against hand-computed cases and the zone database itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from headcount_server.core.calendar import (
    DAY_US,
    FIRST_DAY,
    FIRST_US,
    HOUR_US,
    LAST_DAY,
    LAST_US,
    Calendar,
    add,
    calendar,
    day_date,
    day_number,
    instant_us,
    period,
)
from headcount_server.core.rules.tree import Unit
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia",
    "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo",
    "Africa/Monrovia", "Pacific/Kwajalein", "Antarctica/Troll",
)  # fmt: skip


def us(text: str) -> int:
    return instant_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def slow_day(zone: str, instant: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
    return day_number(moment.astimezone(ZoneInfo(zone)).date())


@given(st.sampled_from(ZONES), st.lists(st.datetimes(), min_size=1, max_size=8))
def test_days_of_instants_are_those_of_the_zone_database(zone: str, times: list[datetime]) -> None:
    margin = timedelta(days=2)
    times = [min(max(t, datetime.min + margin), datetime.max - margin) for t in times]
    instants = [instant_us(t.replace(tzinfo=UTC)) for t in times]
    expected = [slow_day(zone, instant) for instant in instants]
    fresh = Calendar(ZoneInfo(zone))
    assert fresh.days_of(np.array(instants, dtype=np.int64)).tolist() == expected
    assert [calendar(zone).day_of(instant) for instant in instants] == expected


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_right_on_both_sides_of_every_change_of_eighty_years(zone: str) -> None:
    hours = np.arange(us("1968-01-01"), us("2048-01-01"), 6 * HOUR_US)
    edges = np.concatenate([hours, hours - 1])
    known = calendar(zone).days_of(edges)
    sample = range(0, len(edges), 97)
    assert [int(known[i]) for i in sample] == [slow_day(zone, int(edges[i])) for i in sample]


@settings(max_examples=60)
@given(st.sampled_from(ZONES), st.dates(date(1850, 1, 1), date(9998, 1, 1)))
def test_a_day_starts_at_its_first_instant_and_ends_at_its_last(zone: str, on: date) -> None:
    number, zoned = day_number(on), calendar(zone)
    start, end = zoned.start_of_day(number), zoned.end_of_day(number)
    step = HOUR_US // 60
    around = range(number * DAY_US - 2 * DAY_US, number * DAY_US + 3 * DAY_US, 97 * step)
    for instant in around:
        found = slow_day(zone, instant)
        assert instant >= start or found < number
        assert instant <= end or found > number
    assert slow_day(zone, start) >= number > slow_day(zone, start - 1)
    assert slow_day(zone, end) <= number < slow_day(zone, end + 1)
    within = zoned.instants(number, number)
    for instant in around:
        inside = any(
            low is not None and high is not None and low <= instant <= high for low, high in within
        )
        assert inside == (slow_day(zone, instant) == number)


def test_the_days_of_a_clock_change_have_23_and_25_hours() -> None:
    berlin = calendar("Europe/Berlin")
    for on, hours in (("2025-03-30", 23), ("2025-10-26", 25), ("2025-07-01", 24)):
        ((low, high),) = berlin.instants(day(on), day(on))
        assert low is not None
        assert high is not None
        assert high + 1 - low == hours * HOUR_US


def test_a_midnight_that_does_not_exist_starts_the_day_where_the_clock_was_set_forward() -> None:
    sao_paulo = calendar("America/Sao_Paulo")  # on 2018-11-04 00:00 became 01:00
    assert sao_paulo.start_of_day(day("2018-11-04")) == us("2018-11-04T03:00")


def test_a_skipped_day_has_no_instant_and_starts_with_the_next() -> None:
    apia = calendar("Pacific/Apia")
    assert apia.instants(day("2011-12-30"), day("2011-12-30")) == ()
    assert apia.start_of_day(day("2011-12-30")) == us("2011-12-30T10:00")
    assert apia.start_of_day(day("2011-12-31")) == us("2011-12-30T10:00")
    assert apia.end_of_day(day("2011-12-30")) == us("2011-12-30T10:00") - 1
    assert apia.day_of(us("2011-12-30T09:59")) == day("2011-12-29")


def test_a_clock_set_back_over_midnight_gives_a_day_two_intervals() -> None:
    """On 2010-11-07 St. John's went from 00:01 back to 23:01 of the sixth."""
    zone = calendar("America/St_Johns")
    change = us("2010-11-07T02:31")
    sixth, seventh = day("2010-11-06"), day("2010-11-07")
    assert zone.instants(sixth, sixth) == (
        (us("2010-11-06T02:30"), us("2010-11-07T02:30") - 1),
        (change, us("2010-11-07T03:30") - 1),
    )
    assert zone.instants(seventh, seventh) == (
        (us("2010-11-07T02:30"), change - 1),
        (us("2010-11-07T03:30"), us("2010-11-08T03:30") - 1),
    )
    assert zone.instants(sixth, seventh) == ((us("2010-11-06T02:30"), us("2010-11-08T03:30") - 1),)
    assert zone.instants(seventh, None) == (
        (us("2010-11-07T02:30"), change - 1),
        (us("2010-11-07T03:30"), None),
    )
    assert zone.day_of(change) == sixth
    assert zone.latest_day(change) == seventh
    assert zone.latest_day(us("2010-11-07T02:29")) == sixth


def test_the_ends_of_the_calendar_hold_whatever_lies_beyond() -> None:
    for name in ZONES:
        zone = calendar(name)
        ends = np.array([FIRST_US, LAST_US], dtype=np.int64)
        assert zone.days_of(ends).tolist() == [zone.day_of(FIRST_US), zone.day_of(LAST_US)]
        assert zone.day_of(FIRST_US) in (FIRST_DAY, FIRST_DAY + 1)
        assert zone.day_of(LAST_US) in (LAST_DAY, LAST_DAY - 1)
        assert zone.day_of(-(10**30)) == zone.day_of(FIRST_US)
        assert zone.instants(FIRST_DAY, LAST_DAY) == ((None, None),)
        assert zone.instants(LAST_DAY + 1, None) == ()
        assert zone.instants(None, FIRST_DAY - 1) == ()
        assert zone.instants(5, 4) == ()
    assert day_date(FIRST_DAY) == date.min
    assert day_date(LAST_DAY) == date.max


def test_days_of_far_apart_instants_cost_only_the_years_they_lie_in() -> None:
    times = np.array([us("0007-01-01"), us("2024-06-01T22:30"), us("9998-07-01T22:30")])
    days = Calendar(ZoneInfo("Europe/Berlin")).days_of(times).tolist()
    assert days == [day("0007-01-01"), day("2024-06-02"), day("9998-07-02")]
    assert Calendar(ZoneInfo("Europe/Berlin")).days_of(np.empty(0, dtype=np.int64)).tolist() == []


@given(st.sampled_from(ZONES), st.datetimes(datetime(1850, 1, 1), datetime(2100, 1, 1)))
def test_local_times_are_read_with_the_first_of_two_offsets(zone: str, local: datetime) -> None:
    expected = instant_us(local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
    assert calendar(zone).local_to_us(local) == expected


def test_a_local_time_that_comes_twice_is_the_first_and_a_skipped_one_is_read_before_it() -> None:
    berlin = calendar("Europe/Berlin")
    assert berlin.local_to_us(datetime(2025, 10, 26, 2, 30)) == us("2025-10-26T00:30")
    assert berlin.local_to_us(datetime(2025, 3, 30, 2, 30)) == us("2025-03-30T01:30")
    assert calendar("UTC").local_to_us(datetime.min) == FIRST_US
    assert calendar("Europe/Berlin").local_to_us(datetime.min) < FIRST_US


@pytest.mark.parametrize(
    ("zone", "now", "start", "end"),
    [
        ("UTC", "2025-05-05T10:59:59.999999", "2025-05-05T10:00", "2025-05-05T11:00"),
        ("Australia/Adelaide", "2025-05-05T10:29", "2025-05-05T09:30", "2025-05-05T10:30"),
        ("Asia/Kathmandu", "2025-05-05T10:14", "2025-05-05T09:15", "2025-05-05T10:15"),
        ("Europe/Berlin", "2025-10-26T01:10", "2025-10-26T01:00", "2025-10-26T02:00"),
        # set back from 02:00 to 01:30: a new hour begins at the change
        ("Australia/Lord_Howe", "2025-04-05T14:45", "2025-04-05T14:00", "2025-04-05T15:00"),
        ("Australia/Lord_Howe", "2025-04-05T15:10", "2025-04-05T15:00", "2025-04-05T15:30"),
    ],
)
def test_clock_hours_are_those_of_the_zone(zone: str, now: str, start: str, end: str) -> None:
    assert calendar(zone).hour_start(us(now)) == us(start)
    assert calendar(zone).hour_end(us(now)) == us(end) - 1


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        ("2025-03-31", -1, Unit.MONTH, "2025-02-28"),
        ("2024-03-31", -1, Unit.MONTH, "2024-02-29"),
        ("2024-02-29", 1, Unit.YEAR, "2025-02-28"),
        ("2024-02-29", 4, Unit.YEAR, "2028-02-29"),
        ("2025-01-31", 1, Unit.QUARTER, "2025-04-30"),
        ("2025-01-31", -25, Unit.MONTH, "2022-12-31"),
        ("2025-01-31", 3, Unit.WEEK, "2025-02-21"),
        ("2025-01-31", -31, Unit.DAY, "2024-12-31"),
        ("2000-02-29", -100, Unit.YEAR, "1900-02-28"),
    ],
)
def test_months_keep_the_day_or_end_on_their_last(
    start: str, amount: int, unit: Unit, end: str
) -> None:
    assert add(day(start), amount, unit) == day(end)


@given(st.dates(), st.integers(-(10**12), 10**12), st.sampled_from(list(Unit)[2:]))
def test_adding_never_overflows_and_keeps_order(on: date, amount: int, unit: Unit) -> None:
    start = day_number(on)
    moved = add(start, amount, unit)
    assert (moved > start) == (amount > 0)
    assert add(start, 400 * 12, Unit.MONTH) == start + 146_097


@pytest.mark.parametrize(
    ("on", "unit", "shift", "first", "last"),
    [
        ("2025-06-18", Unit.DAY, -1, "2025-06-17", "2025-06-17"),
        ("2025-06-18", Unit.WEEK, 0, "2025-06-16", "2025-06-22"),
        ("2025-06-16", Unit.WEEK, -1, "2025-06-09", "2025-06-15"),
        ("2025-06-22", Unit.WEEK, 1, "2025-06-23", "2025-06-29"),
        ("2024-01-31", Unit.MONTH, 1, "2024-02-01", "2024-02-29"),
        ("2025-01-31", Unit.MONTH, -1, "2024-12-01", "2024-12-31"),
        ("2025-06-30", Unit.QUARTER, 0, "2025-04-01", "2025-06-30"),
        ("2025-02-01", Unit.QUARTER, -1, "2024-10-01", "2024-12-31"),
        ("2025-02-01", Unit.YEAR, 1, "2026-01-01", "2026-12-31"),
    ],
)
def test_periods_are_the_calendar_ones(
    on: str, unit: Unit, shift: int, first: str, last: str
) -> None:
    assert period(day(on), unit, shift) == (day(first), day(last))


def test_clocks_set_back_at_midnight_leave_the_day_the_latest() -> None:
    """In São Paulo 18 February 2018 began at 00:00 and the clock was set back to 23:00."""
    zone = calendar("America/Sao_Paulo")
    assert zone.latest_day(us("2018-02-18T01:59:59.999999")) == day("2018-02-17")
    assert zone.latest_day(us("2018-02-18T02:00")) == day("2018-02-17")
    assert zone.latest_day(us("2018-02-18T02:59:59.999999")) == day("2018-02-17")
    assert zone.latest_day(us("2018-02-18T03:00")) == day("2018-02-18")


def test_the_last_instant_of_a_day_ends_its_stretch() -> None:
    calendar = Calendar(ZoneInfo("Europe/Berlin"))
    last = calendar.end_of_day(20_000)
    assert calendar.stretch_end(last) == calendar.stretch_end(last - 1) == last


@pytest.mark.parametrize(
    ("zone", "day", "begin", "end"),
    [  # where a clock is set back at midnight, at one o'clock, and on from eleven to midnight
        ("America/Sao_Paulo", "2019-02-16", "2019-02-16T02:00", "2019-02-17T03:00"),
        ("America/Sao_Paulo", "2019-02-17", "2019-02-17T03:00", "2019-02-18T03:00"),
        ("America/Havana", "2024-11-02", "2024-11-02T04:00", "2024-11-03T04:00"),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00", "2024-11-04T05:00"),
        ("America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00", "2018-11-04T03:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", "2018-11-05T02:00"),
    ],
)
def test_a_day_at_which_the_clock_changes_at_midnight(
    zone: str, day: str, begin: str, end: str
) -> None:
    found = calendar(zone)
    number = day_number(date.fromisoformat(day))
    bounds = [instant_us(datetime.fromisoformat(at).replace(tzinfo=UTC)) for at in (begin, end)]
    assert found.start_of_day(number) == bounds[0]
    assert found.end_of_day(number) == bounds[1] - 1
    assert list(found.instants(number, number)) == [(bounds[0], bounds[1] - 1)]
