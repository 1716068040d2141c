"""The last value that is taken and the first that isn't: places, keys, ranges in explanations."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from headcount_server.core.query import explain
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType
from headcount_server.core.values import from_texts
from headcount_server.errors import HeadcountError

from tests.meaning.told import Told


@pytest.mark.parametrize(
    "place", [(90.0, 180.0), (-90.0, -180.0), (90.0, -180.0), (-90.0, 180.0), (0.0, 0.0)]
)
def test_places_reach_to_the_poles_and_the_date_line(place: tuple[float, float]) -> None:
    told = Told().person("k", home=place)
    south, west = place
    assert told.who(f"home in box ({south}, {west}, {south}, {west})") == "k"
    assert told.who(f"home within 1 m of ({south}, {west})") == "k"


@pytest.mark.parametrize("cell", ["90.000001,0", "-90.000001,0", "0,180.000001", "0,-180.000001"])
def test_places_beyond_are_bad_values(cell: str) -> None:
    schema = AttributeSchema("home", AttributeType.LOCATION)
    _, problems = from_texts(schema, [cell], Told().world.audience.calendar)
    assert len(problems) == 1


def test_a_key_has_up_to_255_bytes() -> None:
    longest = "ä" * 127 + "x"
    assert Told().person(longest).who("everyone") == longest
    with pytest.raises(HeadcountError):
        Told().person(longest + "y")


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("day between 2026-01-02 and 2026-01-01", ["RANGE_REVERSED"]),
        ("day between 2026-01-02 and 2026-01-02", []),
        ("did open between 2026-01-02 and 2026-01-02", []),
        ("did open between 2026-01-02 and 2026-01-01", ["RANGE_REVERSED"]),
        ("seen between 2026-01-02T00:00Z and 2026-01-02T00:00Z", []),
        ("seen between 2026-01-02T00:00:01Z and 2026-01-02T00:00Z", ["RANGE_REVERSED"]),
        ("age between 3 and 3", []),
        ("age between 3 and 2", ["RANGE_REVERSED"]),
        ("at least 2 of (age = 1, age = 2)", []),
        ("at least 3 of (age = 1, age = 2)", ["COUNT_PAST_NUMBER"]),
        ("at least 0 of (age = 1, age = 2)", ["ALWAYS_EVERYONE"]),
        ("did open in next 3 days", ["FUTURE_EVENTS"]),
        ("age > 9223372036854775807", ["ALWAYS_EMPTY"]),
        ("age < 9223372036854775807", []),
        ("nobody", []),
        ("everyone", []),
    ],
)
def test_an_explanation_warns_of_what_can_only_be_a_mistake(text: str, reasons: list[str]) -> None:
    told = Told().person("a", age=3, day="2026-01-02", seen="2026-01-02").person("b")
    told.did("a", "open", "2026-01-02").did("a", "open", "2026-03-31")
    root = explain(told.world.ask(told.now), parse(text)).root
    assert [warning.reason for warning in root.warnings] == reasons


def test_all_within_ends_with_its_last_microsecond() -> None:
    told = Told("UTC").person("a").person("b")
    told.did("a", "open", "2026-03-01T12:00").did("a", "click", "2026-03-01T12:10")
    told.did("b", "open", "2026-03-01T12:00").did("b", "click", "2026-03-01T12:10:00.000001")
    assert told.who("did open then click all within 10 minutes") == "a"


@pytest.mark.parametrize(
    ("foul", "who"), [("12:09", "k"), ("12:10", ""), ("12:10:00.000001", "k"), ("12:11", "k")]
)
def test_a_foul_after_all_within_is_none_whichever_first_step_it_is(foul: str, who: str) -> None:
    """With a second first step whose time isn't over, the earlier one decides."""
    told = Told("UTC").person("k").did("k", "open", "2026-03-01T12:00", "2026-03-01T12:05")
    told.did("k", "click", "2026-03-01T12:10").did("k", "purchase", f"2026-03-01T{foul}")
    rule = "did open then click then not purchase all within 10 minutes"
    assert told.who(rule) == who


@pytest.mark.parametrize("days", [63, 64, 65])
def test_the_last_campaigns_are_found_however_many_days_had_sendings(days: int) -> None:
    told = Told("UTC", now="2026-03-31T12:34:00Z").person("k").person("other")
    first = date(2026, 3, 31) - timedelta(days=days - 1)
    told.did("k", "sent", f"{first}", campaign="long ago")
    for day in range(1, days):
        told.did("other", "sent", f"{first + timedelta(days=day)}", campaign=f"c{day}")
    told.did("k", "open", "2026-03-31", campaign="long ago")
    assert told.who("did open where campaign in last 1 campaigns sent") == "k"


def test_as_many_tests_as_there_are_may_be_asked_of_an_event() -> None:
    told = Told().person("a").person("b")
    told.did("a", "open", "2026-03-01", campaign="x", link="y")
    told.did("b", "open", "2026-03-01", campaign="x", link="z")
    told.did("b", "open", "2026-03-02", campaign="z", link="y")
    assert told.who('did open where (at least 2 of (campaign = "x", link = "y"))') == "a"
    assert told.who('did open where (at least 1 of (campaign = "x", link = "y"))') == "a b"
    assert told.who('did open where (at least 3 of (campaign = "x", link = "y"))') == ""


def test_nobody_is_among_the_first_where_nobody_has_a_value() -> None:
    told = Told().person("a")
    for rule in ("age in top 10%", "age in bottom 100%", "age in top 3", "age in top 0%"):
        assert told.who(rule) == ""
    told.person("b", age=5)
    assert told.who("age in top 1%") == "b"
    assert told.who("age in top 0%") == ""


def test_ids_are_asked_for_up_to_both_ends_of_64_bits() -> None:
    low, high = -(2**63), 2**63 - 1
    told = Told(key=KeyType.INT64).person(low).person(high).person(0)
    assert told.who(f"id in ({low}, {low - 1})") == str(low)
    assert told.who(f"id in ({high}, {high + 1}, 1{'0' * 40}, -1{'0' * 40})") == str(high)


def test_a_pattern_has_up_to_4096_characters() -> None:
    told = Told().person("k", email="a@b.example")
    assert told.who('email like "a' + "*" * 4_095 + '"') == "k"
    assert told.refused('email like "a' + "*" * 4_096 + '"').reason == "PATTERN_TOO_LARGE"
