"""Reading and checking values: every form that is taken, every one that is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from headcount_server.core import cells, values
from headcount_server.core.calendar import calendar
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.errors import InvalidInput
from headcount_server.limits import INT64_MAX, INT64_MIN, Limits
from hypothesis import given, settings
from hypothesis import strategies as st

BERLIN = calendar("Europe/Berlin")


def attribute(kind: str, scale: int = 0) -> AttributeSchema:
    return AttributeSchema("a", AttributeType(kind), scale)


def read(kind: str, texts: list[str | None], scale: int = 0) -> tuple[list, list[int]]:
    """Python values (None where missing or refused) and the places of the refused."""
    schema = attribute(kind, scale)
    column, problems = values.from_texts(schema, texts, BERLIN)
    data = column.data if isinstance(column.data, list) else column.data.tolist()
    shown = [
        values.to_python(schema, v) if p else None
        for v, p in zip(data, column.present.tolist(), strict=True)
    ]
    return shown, [problem.index for problem in problems]


def message(kind: str, text: str, scale: int = 0) -> str:
    _, problems = values.from_texts(attribute(kind, scale), [text], BERLIN)
    assert len(problems) == 1
    return problems[0].message


def test_empty_cells_are_missing_and_na_is_a_value() -> None:
    assert read("keyword", ["", None, "NA", "null", " "]) == ([None, None, "NA", "null", " "], [])
    for kind in ("integer", "boolean", "date", "timestamp", "location", "keywords"):
        assert read(kind, ["", None]) == ([None, None], [])
    assert read("integer", []) == ([], [])


def test_keywords_drop_empty_and_repeated_parts() -> None:
    found = read("keywords", ["b|a|b", "||", "x", "|y|", "Straße|STRASSE"])
    assert found == ([("b", "a"), None, ("x",), ("y",), ("Straße", "STRASSE")], [])


def test_strings_past_the_limits_are_refused() -> None:
    limits = Limits(value_bytes_max=4, keywords_max=2)
    schema = attribute("text")
    column, problems = values.from_texts(schema, ["abcd", "abcde", "äö", "äöü"], BERLIN, limits)
    assert column.present.tolist() == [True, False, True, False]
    assert "5 bytes of UTF-8; the limit is 4" in problems[0].message
    column, problems = values.from_texts(
        attribute("keywords"), ["a|b", "a|b|c", "abcde|a"], BERLIN, limits
    )
    assert column.present.tolist() == [True, False, False]
    assert problems[0].message == "3 keywords; the limit is 2"


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    assert read("keyword", ["\ud800", "😀"]) == ([None, "😀"], [0])
    assert "surrogate" in message("keywords", "a|\udfff")


def test_booleans() -> None:
    good = ["true", "TRUE", "True", "tRuE", "1", "false", "FALSE", "0"]
    assert read("boolean", good) == ([True] * 5 + [False] * 3, [])
    assert read("boolean", ["yes", "1", "2", "ｔrue"]) == ([None, True, None, None], [0, 2, 3])
    assert message("boolean", "yes") == "'yes' is no boolean; true, false, 1 and 0 are"


def test_integers_to_the_last_of_64_bits() -> None:
    good = [str(INT64_MIN), str(INT64_MAX), "0", "-0", "+7", "007", "42.0", "0" * 40 + "1"]
    assert read("integer", good) == ([INT64_MIN, INT64_MAX, 0, 0, 7, 7, 42, 1], [])
    bad = [str(INT64_MAX + 1), str(INT64_MIN - 1), "1_0", " 1", "1 ", "1e3", "--1", "-", ".", "٣"]
    assert read("integer", bad) == ([None] * 10, list(range(10)))
    assert read("integer", ["5", *bad, "6"])[0] == [5, *[None] * 10, 6]
    assert message("integer", "1.5") == "'1.5' is no whole number"
    assert "beyond 64 signed bits" in message("integer", "9" * 30)
    assert "is no number" in message("integer", "1\x00")


def test_decimals_are_exact_and_too_many_places_name_the_scale() -> None:
    found = read("decimal", ["1.2", "-0.05", "3", ".5", "1.500", "-92233720368547758.08"], 2)
    expected = ["1.20", "-0.05", "3.00", "0.50", "1.50", "-92233720368547758.08"]
    assert found == (list(map(Decimal, expected)), [])
    assert read("decimal", ["1.2.3", "1..2"], 2) == ([None, None], [0, 1])
    assert message("decimal", "1.234", 2) == "'1.234' has 3 decimal places; the scale allows 2"
    assert "beyond 64 signed bits" in message("decimal", "92233720368547758.08", 2)


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3), min_size=1))
@settings(max_examples=100)
def test_decimals_equal_those_of_python(numbers: list[Decimal]) -> None:
    found, refused = read("decimal", [f"{number:f}" for number in numbers], 3)
    fits = [INT64_MIN <= number.scaleb(3) <= INT64_MAX for number in numbers]
    assert found == [n if f else None for n, f in zip(numbers, fits, strict=True)]
    assert refused == [i for i, f in enumerate(fits) if not f]


def test_dates_must_exist() -> None:
    good = ["2024-02-29", "0001-01-01", "9999-12-31", "1970-01-01"]
    assert read("date", good) == ([date.fromisoformat(text) for text in good], [])
    bad = [
        "2023-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-01-00",
        "2026-1-1",
        "20260101",
        "0000-01-01",
    ]
    assert read("date", bad) == ([None] * 7, list(range(7)))
    assert read("date", [*bad, *good])[0][7:] == read("date", good)[0]
    assert message("date", "2023-02-29") == "'2023-02-29' is a date that doesn't exist"


def test_times_in_every_spelling() -> None:
    texts = [
        "2026-03-31T09:00:00Z", "2026-03-31T09:00:00+02:00", "2026-03-31 09:00",
        "2026-01-31T09:00:00.123456", "2026-03-31", "1774947600", "1774947600.000001",
        "2026-03-31T09:00:00-0530", "2026-03-31T09:00:00+02", "-1", "2026-03-31T09:00:00.5000000Z",
    ]  # fmt: skip
    day = datetime(2026, 3, 31, 9, tzinfo=UTC)
    expected = [
        day, day - timedelta(hours=2), day - timedelta(hours=2),
        datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC),
        datetime(2026, 3, 30, 22, tzinfo=UTC), day, day + timedelta(microseconds=1),
        day + timedelta(hours=5.5), day - timedelta(hours=2),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), day + timedelta(seconds=0.5),
    ]  # fmt: skip
    assert read("timestamp", texts) == (expected, [])
    for text, value in zip(texts, expected, strict=True):
        assert read("timestamp", [text, text]) == ([value, value], [])


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z", "2026-03-31T24:00:00Z", "2026-03-31T09:60", "2026-03-31T09:00:61",
        "2026-03-31T09:00:00.0000001Z", "2026-03-31T09:00:00+24:00", "2026-03-31T9:00", "today",
        "1774947600.0000001", "1774947600000000", "2026-W14-2", "2026-03-31T",
    ],
)  # fmt: skip
def test_times_that_are_refused(text: str) -> None:
    assert read("timestamp", [text]) == ([None], [0])
    assert read("timestamp", ["2026-03-31T09:00:00Z", text, "2026-03-31T09:00:00Z"])[1] == [1]


def test_local_times_about_a_change_of_the_clock() -> None:
    texts = [
        "2026-03-29T01:59:59",
        "2026-03-29T02:30:00",
        "2026-10-25T02:30:00",
        "2026-10-25T03:00:00",
    ]
    for text in texts:
        local = datetime.fromisoformat(text)
        column, problems = values.from_texts(attribute("timestamp"), [text, text], BERLIN)
        assert (column.data.tolist(), problems) == ([BERLIN.local_to_us(local)] * 2, [])


@given(
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=20),
    st.sampled_from(["Europe/Berlin", "Australia/Adelaide", "America/St_Johns", "Pacific/Apia"]),
)
@settings(max_examples=60, deadline=None)
def test_columns_of_times_are_read_as_single_ones(times: list[datetime], zone: str) -> None:
    local = calendar(zone)
    column, problems = values.from_texts(
        attribute("timestamp"), [time.isoformat() for time in times], local
    )
    assert not problems
    assert column.data.tolist() == [local.local_to_us(time) for time in times]


def test_locations() -> None:
    good = ["52.52,13.40", "-90,180", " 1.5, -2 "]
    assert read("location", good) == ([[52.52, 13.4], [-90.0, 180.0], [1.5, -2.0]], [])
    bad = ["91,0", "0,180.1", "nan,0", "inf,1", "1", "1,2,3", "a,b", "1_0,2", ""]
    assert read("location", bad) == ([None] * 9, list(range(8)))
    assert read("location", ["1", "1,2,3", "4,5"])[1] == [0, 1]
    assert message("location", "91,0") == "'91,0': latitude 91.0 must be from -90 to 90"


def test_typed_columns_of_the_wrong_type_are_refused() -> None:
    with pytest.raises(InvalidInput, match="'a' is a keyword and can't take integers"):
        values.from_integers(attribute("keyword"), np.array([1]))
    with pytest.raises(InvalidInput, match="can't take strings"):
        values.from_strings(attribute("integer"), ["1"])
    with pytest.raises(InvalidInput, match="can't take lists of strings"):
        values.from_string_lists(attribute("keyword"), [["a"]])
    with pytest.raises(InvalidInput, match="can't take booleans"):
        values.from_booleans(attribute("text"), np.array([True]))
    with pytest.raises(InvalidInput, match="can't take decimals"):
        values.from_decimals(attribute("date"), np.array([1]), 0)
    with pytest.raises(InvalidInput, match="can't take locations"):
        values.from_locations(attribute("text"), np.zeros(1), np.zeros(1))


def test_typed_integers() -> None:
    present = np.array([True, False, True])
    column, problems = values.from_integers(attribute("decimal", 2), np.array([1, 2, 3]), present)
    assert (column.data.tolist(), column.present.tolist()) == ([100, 0, 300], [True, False, True])
    big = np.array([INT64_MAX, INT64_MIN, 92233720368547758])
    column, problems = values.from_integers(attribute("decimal", 2), big)
    assert [p.index for p in problems] == [0, 1]
    unsigned = np.array([2**64 - 1, 5], np.uint64)
    column, problems = values.from_integers(attribute("integer"), unsigned)
    assert (column.data.tolist(), [p.index for p in problems]) == ([0, 5], [0])
    edge = np.array([cells.DAY_MIN - 1, cells.DAY_MIN, cells.DAY_MAX, cells.DAY_MAX + 1])
    assert [p.index for p in values.from_integers(attribute("date"), edge)[1]] == [0, 3]
    edge = np.array([cells.TIME_MIN - 1, cells.TIME_MIN, cells.TIME_MAX, cells.TIME_MAX + 1])
    assert [p.index for p in values.from_integers(attribute("timestamp"), edge)[1]] == [0, 3]
    column, problems = values.from_integers(attribute("boolean"), np.array([0, 1, 2]))
    assert (column.data.tolist()[:2], [p.index for p in problems]) == ([False, True], [2])


def test_typed_decimals_of_another_scale() -> None:
    two = attribute("decimal", 2)
    column, problems = values.from_decimals(two, np.array([1500, -1500, 1234]), 3)
    assert (column.data.tolist()[:2], [p.index for p in problems]) == ([150, -150], [2])
    assert problems[0].message == "1.234 is finer than the scale of 2 decimal places"
    column, problems = values.from_decimals(two, np.array([15, INT64_MAX]), 1)
    assert (column.data.tolist()[0], [p.index for p in problems]) == (150, [1])
    column, problems = values.from_decimals(attribute("integer"), np.array([0, 5]), 30)
    assert [p.index for p in problems] == [1]


def test_typed_strings_lists_booleans_and_locations() -> None:
    present = np.array([True, True, False])
    column, _ = values.from_strings(attribute("text"), ["a", "", "c"], present)
    assert column.present.tolist() == [True, False, False]
    lists = [["b", "", "b", "a"], [], ["c"]]
    column, _ = values.from_string_lists(attribute("keywords"), lists, present)
    assert (column.data[0], column.present.tolist()) == (("b", "a"), [True, False, False])
    column, _ = values.from_booleans(attribute("boolean"), np.array([True, False, True]), present)
    assert column.present.tolist() == [True, True, False]
    column, problems = values.from_locations(
        attribute("location"), np.array([1.0, np.nan, 99.0]), np.array([2.0, 0, 0]), present
    )
    assert (column.present.tolist(), [p.index for p in problems]) == ([True, False, False], [1])


def test_a_missing_column_of_every_type() -> None:
    for kind in AttributeType:
        column = values.missing(AttributeSchema("a", kind), 3)
        assert (len(column), len(column.data), column.present.any()) == (3, 3, False)


def test_typed_decimals_up_to_both_ends_of_64_bits() -> None:
    one, edge = attribute("decimal", 1), INT64_MAX // 10
    column, problems = values.from_decimals(one, np.array([INT64_MIN, INT64_MAX]), 1)
    assert (column.data.tolist(), problems) == ([INT64_MIN, INT64_MAX], [])
    given = np.array([edge, -edge, edge + 1, -edge - 1])
    column, problems = values.from_decimals(one, given, 0)
    assert column.data.tolist()[:2] == [edge * 10, -edge * 10]
    assert [p.index for p in problems] == [2, 3]


def test_typed_locations_up_to_the_poles_and_the_date_line() -> None:
    latitudes, longitudes = np.array([90.0, -90.0, 90.1, 0.0]), np.array([180.0, -180.0, 0, -180.1])
    column, problems = values.from_locations(attribute("location"), latitudes, longitudes)
    assert (column.present.tolist(), [p.index for p in problems]) == (
        [True, True, False, False],
        [2, 3],
    )
    assert [cells.place_fault(*place) for place in ((90, 180), (-90, -180))] == ["", ""]


def test_what_stands_beside_the_digits_is_no_digit() -> None:
    assert read("integer", ["1:", "1/", "9", "0"]) == ([None, None, 9, 0], [0, 1])
    assert read("date", ["2026-01-0:", "2026-0:-01", "2026-09-09"])[1] == [0, 1]


def test_messages_repeat_short_values_whole() -> None:
    longest = "x" * (cells._SHOWN_MAX - 2)
    assert cells.shown(longest) == repr(longest)
    assert cells.shown(longest + "x").endswith("…")


def test_what_is_read_cell_by_cell_has_the_same_ends() -> None:
    """A cell that isn't ASCII has all of its column read one by one."""
    texts = [
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-03-31T09:00:00.123456Z",
        "2026-03-31T09:00:00+23:59", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:00-00:01",
        "2026-03-31T09:00:00+24:00", "2026-03-31T09:00:00+23:60", "2026-03-31T09:00:00.1234567Z",
    ]  # fmt: skip
    for more in ([], ["ü"]):
        found, bad = read("timestamp", [*texts, *more])
        assert bad == list(range(4, 9 + len(more)))
        assert found[0] == datetime(1, 1, 1, tzinfo=UTC)
        assert found[1] == datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
        assert found[3] == datetime(2026, 3, 30, 9, 1, tzinfo=UTC)
        expected = ([Decimal("1.25"), None] + [None] * len(more), [1] + [2] * len(more))
        assert read("decimal", ["1.25", "1.255", *more], 2) == expected
