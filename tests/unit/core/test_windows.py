"""What windows come to at a given ``now``, by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

import pytest
from headcount_server.core import windows
from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, calendar, day_number, instant_us
from headcount_server.core.faults import FOUND_LENGTH_MAX, shortened
from headcount_server.core.plan import event_nodes
from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import parse
from headcount_server.core.windows import (
    DayRange,
    InstantRange,
    event_span,
    resolve,
    whole,
)
from headcount_server.errors import InvalidRule


def us(text: str) -> int:
    return instant_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def window(text: str) -> tree.Window:
    test = cast(tree.Attribute, parse(f"d {text}")).test
    return cast(tree.InWindow, test).window


def resolved(
    text: str, now: str = "2025-03-31T10:20", zone: str = "UTC"
) -> DayRange | InstantRange:
    return resolve(window(text), us(now), calendar(zone))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("in last 7 days", "2025-03-24", "2025-03-31"),
        ("on 9999-12-31", "9999-12-31", None),
        ("after 9999-12-30", "9999-12-31", None),
        ("on 0001-01-01", None, "0001-01-01"),
        ("before 0001-01-02", None, "0001-01-01"),
        ("in last 0 days", "2025-03-31", "2025-03-31"),
        ("in last 2 weeks", "2025-03-17", "2025-03-31"),
        ("in last 1 month", "2025-02-28", "2025-03-31"),
        ("in last 1 quarter", "2024-12-31", "2025-03-31"),
        ("in next 1 month", "2025-03-31", "2025-04-30"),
        ("in next 1 year", "2025-03-31", "2026-03-31"),
        ("more than 7 days ago", None, "2025-03-23"),
        ("more than 1 month from now", "2025-05-01", None),
        ("between 2 and 9 days ago", "2025-03-22", "2025-03-29"),
        ("between 1 and 2 weeks from now", "2025-04-07", "2025-04-14"),
        ("in this week", "2025-03-31", "2025-04-06"),
        ("last week", "2025-03-24", "2025-03-30"),
        ("next quarter", "2025-04-01", "2025-06-30"),
        ("this day", "2025-03-31", "2025-03-31"),
        ("on 2024-02-29", "2024-02-29", "2024-02-29"),
        ("before 2024-02-29", None, "2024-02-28"),
        ("after 2024-02-29", "2024-03-01", None),
        ("between 2024-02-29 and 2024-03-01", "2024-02-29", "2024-03-01"),
        ("ever", None, None),
        ("in last 9999 years", None, "2025-03-31"),
        ("in next 4000000 days", "2025-03-31", None),
        ("in last 99999999999999999999999999 months", None, "2025-03-31"),
        ("after 0001-01-01", "0001-01-02", None),
        ("between 0001-01-01 and 9999-12-31", None, None),
    ],
)
def test_windows_of_days(text: str, low: str | None, high: str | None) -> None:
    assert resolved(text) == DayRange(low and day(low), high and day(high))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "between 9 and 2 days ago",
        "between 2024-03-01 and 2024-02-29",
        "more than 3000 years ago",
        "more than 9999 years from now",
        "between 3000 and 3001 years ago",
        "before 0001-01-01",
        "after 9999-12-31",
        "more than 999999999999 hours ago",
        "between 999999999999 and 9999999999999 hours from now",
        "between 5 and 2 hours ago",
    ],
)
def test_windows_that_hold_nothing(text: str) -> None:
    assert resolved(text).empty


def test_today_is_that_of_the_zone() -> None:
    assert resolved("this day", "2025-03-31T10:20", "Pacific/Apia") == resolved("on 2025-03-31")
    assert resolved("this day", "2025-03-31T11:00", "Pacific/Apia") == resolved("on 2025-04-01")


@pytest.mark.parametrize(
    ("zone", "now", "text", "low", "high"),
    [
        ("UTC", "2025-05-05T10:20", "in last 0 hours", "2025-05-05T10:00", "2025-05-05T10:20"),
        ("UTC", "2025-05-05T10:20", "in last 3 hours", "2025-05-05T07:00", "2025-05-05T10:20"),
        ("Australia/Adelaide", "2025-05-05T10:20", "in last 1 hours", "2025-05-05T08:30",
         "2025-05-05T10:20"),
        # three elapsed hours over the night on which 02:00 came twice, and on which it didn't
        ("Europe/Berlin", "2025-10-26T02:30", "in last 3 hours", "2025-10-25T23:00",
         "2025-10-26T02:30"),
        ("Europe/Berlin", "2025-03-30T02:30", "in last 3 hours", "2025-03-29T23:00",
         "2025-03-30T02:30"),
        ("UTC", "2025-05-05T10:20", "in next 2 hours", "2025-05-05T10:20", "2025-05-05T13:00"),
        ("UTC", "2025-05-05T10:20", "more than 3 hours ago", None, "2025-05-05T07:00"),
        ("UTC", "2025-05-05T10:20", "more than 3 hours from now", "2025-05-05T14:00", None),
        ("UTC", "2025-05-05T10:20", "between 1 and 3 hours ago", "2025-05-05T07:00",
         "2025-05-05T10:00"),
        ("UTC", "2025-05-05T10:20", "between 1 and 1 hours from now", "2025-05-05T11:00",
         "2025-05-05T12:00"),
        ("UTC", "2025-05-05T10:20", "before 2025-01-01T00:00:00Z", None, "2025-01-01T00:00"),
    ],
)  # fmt: skip
def test_windows_of_instants(
    zone: str, now: str, text: str, low: str | None, high: str | None
) -> None:
    found = resolved(text, now, zone)
    to_now = high == now
    assert found == InstantRange(
        None if low is None else us(low), None if high is None else us(high) - (not to_now)
    )


def test_timestamps_are_compared_to_the_microsecond() -> None:
    at = us("2025-01-01T12:00")
    assert resolved("after 2025-01-01T13:00:00+01:00") == InstantRange(at + 1, None)
    found = resolved("between 2025-01-01T12:00:00Z and 2025-01-01T12:00:00.000001Z")
    assert found == InstantRange(at, at + 1)


@pytest.mark.parametrize(
    ("text", "hours", "reason", "field"),
    [
        ("in last 3 hours", False, "UNSUPPORTED_UNIT", "window.duration.unit"),
        ("in last 3 minutes", True, "UNSUPPORTED_UNIT", "window.duration.unit"),
        ("between 1 and 2 minutes ago", True, "UNSUPPORTED_UNIT", "window.unit"),
        ("this hour", True, "UNSUPPORTED_UNIT", "window.unit"),
        ("after 2025-01-01T00:00:00Z", False, "WRONG_TYPE", "window.moment.timestamp"),
        ("on 2025-01-01T00:00:00Z", True, "WRONG_TYPE", "window.moment.timestamp"),
        ("between 3 and 5", True, "WRONG_TYPE", "window.low.number"),
        ("between 2025-01-01 and 5", True, "WRONG_TYPE", "window.high.number"),
        (
            "between 2025-01-01 and 2025-01-01T00:00:00Z",
            True,
            "WRONG_TYPE",
            "window.high.timestamp",
        ),
    ],
)
def test_windows_that_are_refused(text: str, hours: bool, reason: str, field: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        resolve(window(text), us("2025-03-31"), calendar("UTC"), hours=hours)
    (violation,) = caught.value.violations
    assert (violation.reason, violation.field) == (reason, field)
    assert violation.start >= 2


def test_an_amount_past_every_calendar_is_cut_off_and_a_broken_one_refused() -> None:
    huge = tree.Number(Decimal("9" * 5000))
    assert whole(huge, "x", "it", None) == 10**12
    for text in ("1.5", "-1", "NaN", "1" + "0" * 20 + ".5"):
        with pytest.raises(InvalidRule):
            whole(tree.Number(Decimal(text)), "x", "it", None)


def test_event_spans_end_with_now() -> None:
    now, utc = us("2025-03-31T10:20"), calendar("UTC")
    today = day("2025-03-31")
    assert event_span(DayRange(None, None), now, utc) == event_nodes.Days(None, today, now)
    assert event_span(DayRange(3, today + 9), now, utc) == event_nodes.Days(3, today, now)
    assert event_span(DayRange(3, today - 1), now, utc) == event_nodes.Days(3, today - 1, None)
    last = us("2025-04-01") - 1
    assert event_span(DayRange(3, today), last, utc) == event_nodes.Days(3, today, None)
    assert event_span(DayRange(today + 1, None), now, utc) == event_nodes.Days(
        today + 1, today, now
    )
    assert event_span(InstantRange(None, None), now, utc) == event_nodes.Instants(None, now)
    assert event_span(InstantRange(5, now + 1), now, utc) == event_nodes.Instants(5, now)
    assert event_span(InstantRange(5, 6), now, utc) == event_nodes.Instants(5, 6)


def test_an_event_of_the_new_day_counts_when_the_clock_has_gone_back_to_the_old_one() -> None:
    """In 2010 the first minute of 7 November came before 23:01 of the sixth at St. John's."""
    now = us("2010-11-07T03:00")
    span = event_span(DayRange(None, None), now, calendar("America/St_Johns"))
    assert span == event_nodes.Days(None, day("2010-11-07"), now)
    past = event_span(
        DayRange(None, day("2010-11-06")), us("2010-11-07T02:30:30"), calendar("America/St_Johns")
    )
    assert past == event_nodes.Days(None, day("2010-11-06"), us("2010-11-07T02:30:30"))


def test_the_ends_of_the_calendar_bound_event_spans_too() -> None:
    last = us("9999-12-31T23:59:59.999999")
    span = event_span(DayRange(None, None), last, calendar("Europe/Berlin"))
    assert span == event_nodes.Days(None, LAST_DAY, last)
    first = event_span(DayRange(None, None), us("0001-01-01"), calendar("America/New_York"))
    assert first == event_nodes.Days(None, FIRST_DAY, us("0001-01-01"))


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("1E+99", "1" + "0" * (FOUND_LENGTH_MAX - 2) + "…"),
        ("1E+100", "1.000e+100"),
        ("1E-100", "1.000e-100"),
    ],
)
def test_an_amount_at_fault_is_shown_as_far_as_it_helps(number: str, shown: str) -> None:
    assert windows._digits(Decimal(number)) == shown


def test_a_text_that_just_fits_a_message_is_shown_whole() -> None:
    assert shortened("x" * FOUND_LENGTH_MAX) == "x" * FOUND_LENGTH_MAX
    assert shortened("x" * (FOUND_LENGTH_MAX + 1)) == "x" * (FOUND_LENGTH_MAX - 1) + "…"
