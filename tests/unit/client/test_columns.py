"""Arrow arrays to columns of the contract, exactly."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from headcount_client.cli.importing.columns import broken_texts, column, keys
from hypothesis import given
from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def values(kind, array, *, is_utc=True):
    """The column's kind and its values, None where missing."""
    message = column("x", kind, array, is_utc=is_utc)
    which = message.WhichOneof("values")
    match which:
        case "texts":
            found = list(message.texts.values)
        case "coded_texts":
            found = [message.coded_texts.dictionary[code] for code in message.coded_texts.codes]
        case "integers":
            found = list(message.integers.values)
        case "booleans":
            found = list(message.booleans.values)
        case "decimals":
            scale = message.decimals.scale
            found = [Decimal(one).scaleb(-scale) for one in message.decimals.unscaled]
        case _:
            found = [list(one.values) for one in message.text_lists.values]
    present = list(message.present) or [True] * len(found)
    assert len(present) == len(found)
    return which, [value if there else None for value, there in zip(found, present, strict=True)]


@pytest.mark.parametrize(
    ("kind", "array", "expected"),
    [
        ("integer", pa.array([1, None, -3], pa.int8()), ("integers", [1, None, -3])),
        ("integer", pa.array([2**63 - 1], pa.uint64()), ("integers", [2**63 - 1])),
        ("integer", pa.array([2**63], pa.uint64()), ("texts", [str(2**63)])),
        ("integer", pa.array([1.0, None, 2.5]), ("texts", ["1.0", "", "2.5"])),
        ("decimal", pa.array([5, None]), ("decimals", [5, None])),
        ("decimal", pa.array([0.1, 1e22, 1e-7]), ("texts", ["0.1", "1" + "0" * 22, "0.0000001"])),
        ("decimal", pa.array([float("nan"), float("inf")]), ("texts", ["nan", "inf"])),
        ("decimal", pa.array([Decimal("1.50"), None, Decimal("-0.01")]),
         ("decimals", [Decimal("1.50"), None, Decimal("-0.01")])),
        ("decimal", pa.array([Decimal(10) ** 30]), ("texts", ["1" + "0" * 30])),
        ("decimal", pa.array([-(2**63)]), ("decimals", [-(2**63)])),
        ("decimal", pa.array(["1.5", None]), ("texts", ["1.5", ""])),
        ("boolean", pa.array([True, None, False]), ("booleans", [True, None, False])),
        ("boolean", pa.array([1, 0, None]), ("texts", ["1", "0", ""])),
        ("date", pa.array([date(1969, 12, 31), None]), ("integers", [-1, None])),
        ("date", pa.array([datetime(2026, 1, 1), None]), ("integers", [20454, None])),
        ("date", pa.array([datetime(2026, 1, 1, 3)]), ("texts", ["2026-01-01 03:00:00.000000"])),
        ("date", pa.array(["2026-01-01", None]), ("texts", ["2026-01-01", ""])),
        ("timestamp", pa.array([datetime(1970, 1, 1, 0, 0, 1, 5), None]),
         ("integers", [1_000_005, None])),
        ("timestamp", pa.array([EPOCH], pa.timestamp("ms", "Asia/Tokyo")),
         ("integers", [0])),
        ("timestamp", pa.array([1_500_000_000_000_000_001], pa.timestamp("ns")),
         ("texts", ["2017-07-14 02:40:00.000000001"])),
        ("timestamp", pa.array([1_500_000_000_000_000_000], pa.timestamp("ns")),
         ("integers", [1_500_000_000_000_000])),
        ("timestamp", pa.array([1_700_000_000, None]), ("integers", [1_700_000_000_000_000, None])),
        ("timestamp", pa.array([2**62]), ("texts", [str(2**62)])),
        ("timestamp", pa.array([date(2026, 1, 1)]), ("texts", ["2026-01-01"])),
        ("keyword", pa.array(["a", None, ""]), ("texts", ["a", "", ""])),
        ("keyword", pa.array([7, None]), ("texts", ["7", ""])),
        ("keyword", pa.array([True, False]), ("texts", ["true", "false"])),
        ("keyword", pa.array(["a", None, "a"]).dictionary_encode(), ("texts", ["a", "", "a"])),
        ("keyword", pa.array([None, None]), ("texts", ["", ""])),
        ("keyword", pa.array([b"a"]), ("texts", ["a"])),
        ("keywords", pa.array([["a|b", "", None], None, []]), ("text_lists", [["a|b"], [], []])),
        ("keywords", pa.array(["a|b"]), ("texts", ["a|b"])),
        ("location", pa.array([[52.5, 13.4], None]), ("texts", ["52.5,13.4", ""])),
        ("location", pa.array([{"lat": 1.0, "lon": -2.0}]), ("texts", ["1.0,-2.0"])),
    ],
)  # fmt: skip
def test_native_values_go_as_they_are_and_others_as_text(kind, array, expected):
    assert values(kind, array) == expected


def test_times_without_a_zone_are_the_servers_to_place():
    array = pa.array([datetime(2026, 3, 29, 2, 30), None])
    assert values("timestamp", array, is_utc=False) == (
        "texts",
        ["2026-03-29 02:30:00.000000", ""],
    )


def test_texts_that_repeat_go_as_codes():
    kind, found = values("keyword", pa.array(["a", "b", None, "a"] * 10))
    assert kind == "coded_texts"
    assert found == ["a", "b", "", "a"] * 10


def test_a_slice_is_read_from_its_own_rows():
    array = pa.array([Decimal("1.5"), Decimal("2.5"), None, Decimal("3.5")])
    assert values("decimal", array[1:])[1] == [Decimal("2.5"), None, Decimal("3.5")]
    assert values("integer", pa.array([1, None, 3])[1:])[1] == [None, 3]


@given(st.lists(st.floats() | st.none(), max_size=20))
def test_a_float_is_spelt_so_that_it_reads_back(found):
    _, texts = values("decimal", pa.array(found, pa.float64()))
    for text, value in zip(texts, found, strict=True):
        assert "e" not in text.replace("inf", "")
        same = text == "" if value is None else np.array_equal(float(text), value, equal_nan=True)
        assert same


@pytest.mark.parametrize(
    ("key", "array", "found", "bad"),
    [
        ("string", pa.array(["a", "", None]), ["a"], {1: "missing", 2: "missing"}),
        ("string", pa.array([17, 5]), ["17", "5"], {}),
        ("int64", pa.array([1, None, 3]), [1, 3], {1: "missing"}),
        ("uint32", pa.array(["1", "+2", "-3"]), [1, 2, -3], {}),
        ("int64", pa.array(["1", "x", "", " 2", "1_0", "٣", "9" * 30, "4"]), [1, 4],
         {1: "no integer", 2: "missing", 3: "no integer", 4: "no integer", 5: "no integer",
          6: "beyond 64"}),
        ("int64", pa.array([17850.0, 1.5, None]), [17850], {1: "no integer", 2: "missing"}),
        ("int64", pa.array([2**63], pa.uint64()), [], {0: "beyond 64"}),
        ("int64", pa.array([str(2**63 - 1), str(-(2**63))]), [2**63 - 1, -(2**63)], {}),
    ],
)  # fmt: skip
def test_keys(key, array, found, bad):
    parsed, faults = keys(array, key)
    assert set(faults) == set(bad)
    for index, part in bad.items():
        assert part in faults[index]
    assert [one for i, one in enumerate(parsed.to_pylist()) if i not in faults] == found


def test_strings_that_are_no_utf8_are_found():
    raw = pa.array([b"ok", b"\xff", None])
    broken = pa.Array.from_buffers(pa.string(), 3, raw.buffers(), raw.null_count)
    array, bad = broken_texts(broken)
    assert bad == {1: "no valid UTF-8"}
    assert array.to_pylist() == ["ok", None, None]
