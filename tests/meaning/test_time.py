"""What now, days, weeks, months and clock hours are, and which moments lie in a window."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.meaning.told import Told, instant

EVER = ("0001-01-01", "9999-12-31")


def on(told: Told, *days: str) -> Told:
    """People called as the days on which they have ``day``, and did open at noon."""
    for text in days:
        told.person(text, day=text)
        if text < "2026-04-01":
            told.did(text, "open", f"{text}T10:00")
    return told


def chosen(told: Told, window: str, now: str | None = None) -> str:
    """The days, without their year, that lie in a window."""
    return " ".join(key[5:] for key in told.who(f"day {window}", now).split())


def test_as_of_moves_the_clock_not_the_data() -> None:
    told = Told().person("ann", country="DE").did("ann", "open", "2026-03-10T09:00:00.000001")
    assert told.who('country = "DE"', "2000-01-01") == "ann"
    for window in (
        "",
        "ever",
        "in last 3 years",
        "after 2000-01-01",
        "this year",
        "in last 9 hours",
    ):
        assert told.who(f"did open {window}", "2026-03-10T09:00:00") == "", window
        assert told.who(f"did open {window}", "2026-03-10T09:00:00.000001") == "ann", window


def test_an_event_later_than_now_counts_by_itself_when_its_time_comes() -> None:
    told = Told().person("ann").did("ann", "open", "2026-03-31T12:34:00.000001", amount="1")
    told.did("ann", "open", "2027-01-01")
    for text in ("did open", "did open in next 9 days", "last open ever", "did open this year",
                 "did open between 2026-01-01 and 2028-01-01", "did open on at least 1 days",
                 "did open in at least 1 of last 2 days", "not inactive for 9 days"):  # fmt: skip
        assert told.who(text) == "", text
        assert told.who(text, "2026-03-31T12:34:00.000001") == "ann", text
    assert told.who("did open at least 2 times", "2027-01-01") == "ann"
    assert told.who("did open at least 2 times", "2026-12-31T23:59:59.999999") == ""


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ("in last 0 days", "03-31"),
        ("in last 1 days", "03-30 03-31"),
        ("in last 2 day", "03-29 03-30 03-31"),
        ("more than 1 days ago", "03-24 03-25 03-29"),
        ("more than 0 days ago", "03-24 03-25 03-29 03-30"),
        ("in next 0 days", "03-31"),
        ("in next 1 days", "03-31 04-01"),
        ("more than 1 days from now", "04-06 04-07"),
        ("between 1 and 2 days ago", "03-29 03-30"),
        ("between 2 and 1 days ago", ""),
        ("between 1 and 6 days from now", "04-01 04-06"),
        ("between 0 and 0 days from now", "03-31"),
        ("in last 1 weeks", "03-24 03-25 03-29 03-30 03-31"),
        ("in next 1 weeks", "03-31 04-01 04-06 04-07"),
        ("between 1 and 1 weeks ago", "03-24"),
        ("this day", "03-31"),
        ("in last day", "03-30"),
        ("next day", "04-01"),
        ("this week", "03-30 03-31 04-01"),
        ("last week", "03-24 03-25 03-29"),
        ("in next week", "04-06 04-07"),
        ("this month", "03-24 03-25 03-29 03-30 03-31"),
        ("next month", "04-01 04-06 04-07"),
        ("on 2026-03-30", "03-30"),
        ("before 2026-03-29", "03-24 03-25"),
        ("after 2026-03-31", "04-01 04-06 04-07"),
        ("between 2026-03-29 and 2026-04-01", "03-29 03-30 03-31 04-01"),
        ("between 2026-04-01 and 2026-03-29", ""),
        ("ever", "03-24 03-25 03-29 03-30 03-31 04-01 04-06 04-07"),
        ("= 2026-03-30", "03-30"),
        ("!= 2026-03-30", "03-24 03-25 03-29 03-31 04-01 04-06 04-07"),
        ("< 2026-03-25", "03-24"),
        ("<= 2026-03-25", "03-24 03-25"),
        ("> 2026-04-06", "04-07"),
        (">= 2026-04-06", "04-06 04-07"),
    ],
)  # fmt: skip
def test_a_date_lies_in_a_window(window: str, days: str) -> None:
    all_of_them = "03-24 03-25 03-29 03-30 03-31 04-01 04-06 04-07"
    told = on(Told(), *(f"2026-{day}" for day in all_of_them.split()))
    assert chosen(told, window) == days


@pytest.mark.parametrize(
    ("now", "window", "first", "last"),
    [
        # months, quarters and years move by the calendar, to the last day where there is none
        ("2026-03-31", "in last 1 months", "2026-02-28", "2026-03-31"),
        ("2024-03-31", "in last 1 months", "2024-02-29", "2024-03-31"),
        ("2026-05-31", "in last 1 quarters", "2026-02-28", "2026-05-31"),
        ("2024-02-29", "in last 1 years", "2023-02-28", "2024-02-29"),
        ("2023-02-28", "in next 1 years", "2023-02-28", "2024-02-28"),
        ("2024-02-29", "in next 4 years", "2024-02-29", "2028-02-29"),
        ("2026-01-31", "between 1 and 1 months from now", "2026-02-28", "2026-02-28"),
        ("2026-01-01", "in last 1 months", "2025-12-01", "2026-01-01"),
        ("2026-12-31", "in next 1 days", "2026-12-31", "2027-01-01"),
        # calendar ones
        ("2026-01-01", "this week", "2025-12-29", "2026-01-04"),
        ("2026-01-04", "this week", "2025-12-29", "2026-01-04"),
        ("2026-01-05", "last week", "2025-12-29", "2026-01-04"),
        ("2026-01-15", "last month", "2025-12-01", "2025-12-31"),
        ("2024-02-15", "this month", "2024-02-01", "2024-02-29"),
        ("2026-02-15", "this quarter", "2026-01-01", "2026-03-31"),
        ("2026-02-15", "last quarter", "2025-10-01", "2025-12-31"),
        ("2026-11-15", "next quarter", "2027-01-01", "2027-03-31"),
        ("2026-11-15", "this year", "2026-01-01", "2026-12-31"),
        ("2026-01-01", "last year", "2025-01-01", "2025-12-31"),
        ("2026-12-31", "next year", "2027-01-01", "2027-12-31"),
    ],
)
def test_calendar_units_move_by_the_calendar(now: str, window: str, first: str, last: str) -> None:
    ends = [date.fromisoformat(first), date.fromisoformat(last)]
    days = [ends[0] - timedelta(1), *ends, ends[1] + timedelta(1)]
    told = on(Told("UTC", now=f"{now}T12:00"), *sorted({d.isoformat() for d in days}))
    expected = " ".join(sorted({first, last}))
    assert told.who(f"day {window}") == expected


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/St_Johns"])
@pytest.mark.parametrize(
    "window",
    ["in last {} days", "in last {} weeks", "in last {} months", "in last {} quarters",
     "in last {} years",
     "in next {} days", "in next {} weeks", "in next {} months", "in next {} quarters",
     "in next {} years",
     "between 0 and {} years ago", "between 0 and {} weeks from now"],
)  # fmt: skip
def test_durations_of_any_size_overflow_nothing(zone: str, window: str) -> None:
    """The first and the last day and instant there are lie in a window that reaches beyond them."""
    told = Told(zone)
    told.person("first", day=EVER[0], seen="0001-01-01T00:00:00")
    told.person("last", day=EVER[1], seen="9999-12-31T23:59:59.999999")
    told.did("first", "open", "0001-01-01").did("last", "open", "9999-12-31T23:59:59.999999")
    far = "first" if "last" in window or "ago" in window else "last"
    for amount in ("10_000_000", "9" * 18, "9" * 30, "9" * 200):
        whole = window.format(amount)
        assert told.who(f"day {whole}") == far
        assert told.who(f"seen {whole}") == far
        assert told.who(f"did open {whole}") == ("first" if far == "first" else "")
    for beyond in ("more than {} days ago", "more than {} years from now"):
        assert told.who(f"day {beyond.format('9' * 30)}") == ""
        assert told.who(f"seen {beyond.format('9' * 30)}") == ""


@pytest.mark.parametrize("now", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_the_first_and_the_last_moment_are_moments_like_others(now: str) -> None:
    told = Told("UTC", now=now).person("k", day=now[:10], seen=now, known_since=now)
    told.did("k", "open", now)
    for window in ("in last 3 days", "in next 3 months", "this year", "this quarter", "this week",
                   "between 0 and 5 years ago", f"on {now[:10]}", "in last 5 hours",
                   "in next 5 hours",
                   "this month", "in last 1 weeks", "between 0 and 3 hours from now"):  # fmt: skip
        assert told.who(f"seen {window}") == "k", window
        assert told.who(f"did open {window}") == "k", window
        if "hours" not in window:
            assert told.who(f"day {window}") == "k", window
            assert told.who(f"day anniversary {window}") == "k", window
    for window in ("last year", "next year", "last week", "next month", "more than 0 days ago",
                   "more than 0 hours ago", "more than 0 hours from now", f"before {now[:10]}",
                   f"after {now[:10]}", "last day", "next day", "next quarter"):  # fmt: skip
        assert told.who(f"seen {window}") == "", window
        assert told.who(f"did open {window}") == "", window
    assert told.who("known for at least 0 days") == "k"
    assert told.who("known for at least 1 days") == ""
    assert told.who("inactive for 9999 years") == ""
    assert told.who("day >= renewal + 9999 years or renewal <= day - 9999 years") == ""


@pytest.mark.parametrize(
    ("zone", "now", "window", "first", "last"),
    [
        # from the start of the clock hour that began N hours before the one holding now
        ("UTC", "2026-03-31T12:34", "in last 2 hours", "2026-03-31T10:00", "2026-03-31T12:34"),
        ("UTC", "2026-03-31T12:34", "in last 0 hours", "2026-03-31T12:00", "2026-03-31T12:34"),
        ("UTC", "2026-03-31T12:00", "in last 0 hours", "2026-03-31T12:00", "2026-03-31T12:00"),
        ("UTC", "2026-03-31T12:34", "in next 2 hours", "2026-03-31T12:34", "2026-03-31T15:00!"),
        ("UTC", "2026-03-31T12:34", "in next 0 hours", "2026-03-31T12:34", "2026-03-31T13:00!"),
        ("UTC", "2026-03-31T12:34", "between 1 and 2 hours ago",
         "2026-03-31T10:00", "2026-03-31T12:00!"),
        ("UTC", "2026-03-31T12:34", "between 0 and 0 hours ago",
         "2026-03-31T12:00", "2026-03-31T13:00!"),
        ("UTC", "2026-03-31T12:34", "between 1 and 2 hours from now",
         "2026-03-31T13:00", "2026-03-31T15:00!"),
        # half hours of the zone
        ("Australia/Adelaide", "2026-06-30T12:34Z", "in last 1 hours",
         "2026-06-30T11:30Z", "2026-06-30T12:34Z"),
        ("Australia/Adelaide", "2026-06-30T12:24Z", "in last 1 hours",
         "2026-06-30T10:30Z", "2026-06-30T12:24Z"),
        ("Asia/Kathmandu", "2026-06-30T12:34Z", "in last 1 hours",
         "2026-06-30T11:15Z", "2026-06-30T12:34Z"),
        # N counts elapsed hours: spring forward (02:00 is 03:00) and back in Berlin
        ("Europe/Berlin", "2026-03-29T01:30Z", "in last 1 hours",
         "2026-03-29T00:00Z", "2026-03-29T01:30Z"),
        ("Europe/Berlin", "2026-10-25T01:30Z", "in last 1 hours",
         "2026-10-25T00:00Z", "2026-10-25T01:30Z"),
        ("Europe/Berlin", "2026-10-25T00:30Z", "in next 1 hours",
         "2026-10-25T00:30Z", "2026-10-25T02:00Z!"),
    ],
)  # fmt: skip
def test_hours_are_clock_hours_of_the_zone(
    zone: str, now: str, window: str, first: str, last: str
) -> None:
    """``!`` marks an end that lies outside itself."""
    told = Told(zone, now=now)
    low, high = instant(first), instant(last.rstrip("!")) - last.endswith("!")
    for key, time in (("a", low - 1), ("b", low), ("c", high), ("d", high + 1)):
        told.world.upsert(key, {"seen": time}, told.now)
        told.world.record(key, "open", time, {}, {})
    assert told.who(f"seen {window}") == "b c"
    behind = [k for k, t in (("b", low), ("c", high)) if t <= told.now]
    assert told.who(f"did open {window}") == " ".join(behind)


def test_the_first_clock_hour_is_a_whole_one() -> None:
    told = Told("UTC", now="0001-01-01T05:30")
    for key, time in {"a": "00:00", "b": "00:59:59.999999", "c": "01:00"}.items():
        told.person(key, seen=f"0001-01-01T{time}").did(key, "open", f"0001-01-01T{time}")
    assert told.who("seen between 5 and 5 hours ago") == "a b"
    assert told.who("did open between 5 and 9 hours ago") == "a b"
    assert told.who("seen between 6 and 7 hours ago") == ""


def test_an_amount_of_41_digits_is_a_whole_number() -> None:
    told = Told("UTC").person("a", day="2026-03-01")
    assert told.who(f"day in last 1{'0' * 40} days") == "a"
    assert told.who(f"day in last {'9' * 40} days") == "a"
    assert told.refused(f"day in last {'9' * 39}.5 days").reason == "INVALID_NUMBER"


def test_more_than_hours_ago_and_from_now_are_what_lies_beyond() -> None:
    told = Told("UTC")
    for key, time in {
        "a": "09:59:59.999999",
        "b": "10:00",
        "c": "14:59:59.999999",
        "d": "15:00",
    }.items():
        told.person(key, seen=f"2026-03-31T{time}")
    assert told.who("seen more than 2 hours ago") == "a"
    assert told.who("seen in last 2 hours or seen in next 2 hours") == "b c"
    assert told.who("seen more than 2 hours from now") == "d"


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", "2026-03-29T21:59:59.999999Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", "2026-10-25T22:59:59.999999Z"),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00Z", "2026-04-05T13:29:59.999999Z"),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30Z", "2026-10-04T12:59:59.999999Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00Z", "2011-12-31T09:59:59.999999Z"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z", "2018-11-05T01:59:59.999999Z"),
        ("Asia/Kathmandu", "1986-01-01", "1985-12-31T18:30Z", "1986-01-01T18:14:59.999999Z"),
        ("America/New_York", "1883-11-18", "1883-11-18T04:56:02Z", "1883-11-19T04:59:59.999999Z"),
        ("Europe/Dublin", "2026-10-25", "2026-10-24T23:00Z", "2026-10-25T23:59:59.999999Z"),
        ("Africa/Casablanca", "2026-02-15", "2026-02-14T23:00Z", "2026-02-15T23:59:59.999999Z"),
    ],
)
def test_a_day_has_as_many_hours_as_the_zone_gave_it(
    zone: str, day: str, first: str, last: str
) -> None:
    told = Told(zone, now="2027-01-01")
    low, high = instant(first), instant(last)
    for key, time in (("a", low - 1), ("b", low), ("c", high), ("d", high + 1)):
        told.world.upsert(key, {"seen": time}, told.now)
        told.world.record(key, "open", time, {}, {})
    for text in (f"seen on {day}", f"seen = {day}", f"seen between {day} and {day}"):
        assert told.who(text) == "b c"
    assert told.who(f"did open on {day}") == "b c"
    assert told.who(f"last open between {day} and {day}") == "b c"
    assert told.who(f"seen before {day} or seen >= {day}") == "a b c d"
    assert told.who(f"seen before {day}") == "a"
    assert told.who(f"seen after {day}") == "d"


def test_a_day_that_the_zone_skipped_holds_nothing() -> None:
    """Samoa had no 30 December 2011."""
    told = (
        Told("Pacific/Apia")
        .person("k", seen="2011-12-30T09:59Z")
        .person("l", seen="2011-12-30T10:00Z")
    )
    assert told.who("seen on 2011-12-29") == "k"
    assert told.who("seen on 2011-12-30") == ""
    assert told.who("seen on 2011-12-31") == "l"
    assert told.who("seen before 2011-12-30") == "k"
    assert told.who("seen after 2011-12-30") == "l"


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("seen before 2026-03-31T09:00:00Z", "a"),
        ("seen after 2026-03-31T09:00:00Z", "c"),
        ("seen after 2026-03-31T11:00:00+02:00", "c"),
        ("seen between 2026-03-31T09:00:00Z and 2026-03-31T09:00:00.000001Z", "b c"),
        ("seen between 2026-03-31T09:00:00.000001Z and 2026-03-31T09:00:00Z", ""),
        ("seen = 2026-03-31T09:00Z", "b"),
        ("seen >= 2026-03-31T09:00Z", "b c"),
        ("seen != 2026-03-31T09:00Z", "a c"),
        ("did open before 2026-03-31T09:00:00Z", "a"),
        ("did open after 2026-03-31T09:00:00Z", "c"),
        ("first open between 2026-03-31T09:00:00Z and 2026-03-31T09:00:00Z", "b"),
    ],
)
def test_timestamps_compare_by_instant(text: str, who: str) -> None:
    told = Told()
    for key, time in {"a": "08:59:59.999999", "b": "09:00", "c": "09:00:00.000001"}.items():
        told.person(key, seen=f"2026-03-31T{time}").did(key, "open", f"2026-03-31T{time}")
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("day in last 3 hours", "UNSUPPORTED_UNIT"),
        ("day between 3 and 5 hours ago", "UNSUPPORTED_UNIT"),
        ("day in last 3 minutes", "UNSUPPORTED_UNIT"),
        ("seen in last 3 minutes", "UNSUPPORTED_UNIT"),
        ("did open in last 3 minutes", "UNSUPPORTED_UNIT"),
        ("seen this minute", "UNSUPPORTED_UNIT"),
        ("seen this hour", "UNSUPPORTED_UNIT"),
        ("did open last hour", "UNSUPPORTED_UNIT"),
        ("seen in next hour", "UNSUPPORTED_UNIT"),
        ("known for at least 5 hours", "UNSUPPORTED_UNIT"),
        ("did open in at least 3 of last 5 hours", "UNSUPPORTED_UNIT"),
        ("did open in at least 3 of last 5 minutes", "UNSUPPORTED_UNIT"),
        ("plan changed in last 5 hours", "UNSUPPORTED_UNIT"),
        ("plan changed after 2026-03-01T00:00Z", "WRONG_TYPE"),
        ("day anniversary in next 5 hours", "UNSUPPORTED_UNIT"),
        ("seen anniversary in next 5 hours", "UNSUPPORTED_UNIT"),
        ("did open within 5 hours after day", "UNSUPPORTED_UNIT"),
        ("did open within 5 minutes before day", "UNSUPPORTED_UNIT"),
        ("renewal > day + 3 hours", "UNSUPPORTED_UNIT"),
        ("inactive for 3 minutes", "UNSUPPORTED_UNIT"),
        ("did open then click within 1 month", "UNSUPPORTED_UNIT"),
        ("did open then click within 1 years", "UNSUPPORTED_UNIT"),
        ("did open then click all within 1 quarter", "UNSUPPORTED_UNIT"),
        ("day before 2026-03-31T00:00Z", "WRONG_TYPE"),
        ("day > 2026-03-31T00:00Z", "WRONG_TYPE"),
        ("day between 2026-03-31T00:00Z and 2026-03-31T00:00Z", "WRONG_TYPE"),
        ("seen on 2026-03-31T00:00Z", "WRONG_TYPE"),
        ("did open on 2026-03-31T00:00Z", "WRONG_TYPE"),
        ("seen between 2026-03-31 and 2026-03-31T00:00Z", "WRONG_TYPE"),
        ("did open between 2026-03-31T00:00Z and 2026-03-31", "WRONG_TYPE"),
        ("seen between 3 and 5", "WRONG_TYPE"),
        ("did open between 3 and 5", "WRONG_TYPE"),
        ("seen between 2026-03-31 and 5 days ago", "INVALID_NUMBER"),
    ],
)
def test_what_windows_do_not_take_is_refused(text: str, reason: str) -> None:
    assert Told().refused(text).reason == reason
