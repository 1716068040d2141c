"""Totals at the edges of 32, 62 and 64 bits, held against Python's own integers."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pytest
from headcount_server.core.events.columns import Int64s
from headcount_server.core.events.compare import between, ratios_between, values_between
from headcount_server.core.events.tables import Column, Table
from headcount_server.core.events.tallies import Kind, Part, joined, tally, widened
from headcount_server.core.plan.aggregate_nodes import Ratios
from hypothesis import given, settings
from hypothesis import strategies as st

EDGES = [0, 1, 127, 128, 2**31, 2**32 - 1, 2**32, 2**61, 2**62 - 1, 2**62, 2**63 - 1]
VALUES = st.sampled_from([*EDGES, *(-edge for edge in EDGES), -(2**63)])
EVENTS = st.lists(st.tuples(st.integers(0, 3), VALUES), min_size=1, max_size=6)
FAR = 10**9  # a row so far from the others that no array by row is made


def part(events: list[tuple[int, int]]) -> Part:
    events = sorted(events, key=lambda event: event[0])
    values = np.array([value for _, value in events], np.int64)
    rows = np.array([row for row, _ in events], np.uint32)
    return Part(rows, values, max(abs(value) for _, value in events))


def tables(kind: Kind, parts: list[list[tuple[int, int]]]) -> list[Table]:
    """The same events as one table, and as one of several."""
    whole = tally(kind, [part(events) for events in parts])
    return [whole, joined(kind, [tally(kind, [part(events)]) for events in parts])]


def exact(sums: tuple[Column, ...]) -> list[int]:
    if len(sums) == 1:
        return sums[0].tolist()
    return [(high << 32) + low for high, low in zip(*(s.tolist() for s in sums), strict=True)]


def by_row(parts: list[list[tuple[int, int]]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for events in parts:
        for row, value in events:
            found[row].append(value)
    return dict(sorted(found.items()))


@given(st.lists(EVENTS, min_size=1, max_size=3), st.booleans())
@settings(max_examples=150, deadline=None)
def test_totals_are_exact_at_every_edge(parts: list[list[tuple[int, int]]], far: bool) -> None:
    if far:
        parts = [*parts, [(FAR, 1)]]
    expected = by_row(parts)
    for table in tables(Kind.MEAN, parts):
        assert table.rows.tolist() == list(expected)
        assert table.columns[0].tolist() == [len(values) for values in expected.values()]
        assert exact(table.columns[1:]) == [sum(values) for values in expected.values()]
    for kind, function in ((Kind.MIN, min), (Kind.MAX, max)):
        for table in tables(kind, parts):
            assert table.rows.tolist() == list(expected)
            assert table.columns[0].tolist() == [function(v) for v in expected.values()]
    for table in tables(Kind.VALUES, parts):
        found = zip(table.rows.tolist(), *(c.tolist() for c in table.columns), strict=True)
        counted = [(row, *one) for row, v in expected.items() for one in sorted(Counter(v).items())]
        assert list(found) == counted


@given(st.lists(EVENTS, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_totals_lie_in_exactly_the_ranges_that_hold_them(
    parts: list[list[tuple[int, int]]],
) -> None:
    expected = by_row(parts)
    for table in tables(Kind.SUM, parts):
        held = dict(zip(table.rows.tolist(), exact(table.columns), strict=True))
        totals = {row: sum(values) for row, values in expected.items()}
        assert held == {row: total for row, total in totals.items() if row in held}
        assert not any(total for row, total in totals.items() if row not in held)
        for total in {*held.values(), 2**62, -(2**62), 2**94, -(2**94)}:
            for low, high in ((total, total), (total + 1, None), (None, total - 1), (total, None)):
                mask = between(table.columns, low, high)
                right = [
                    (low is None or low <= t) and (high is None or t <= high) for t in held.values()
                ]
                assert mask.tolist() == right


@given(
    st.lists(st.tuples(VALUES, st.integers(1, 9)), min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 3, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]),
)
def test_fractions_lie_in_exactly_the_ranges_that_hold_them(
    pairs: list[tuple[int, int]], low_open: bool, high_open: bool, factor: int
) -> None:
    sums: Int64s = np.array([value for value, _ in pairs], np.int64)
    denominators = np.array([of * factor for _, of in pairs], np.int64)
    fractions = [Fraction(v, d) for v, d in zip(sums.tolist(), denominators.tolist(), strict=True)]
    narrow = int(np.abs(sums.astype(object)).max()) < 2**62
    for columns in [*([(sums,)] if narrow else []), widened((sums,))]:
        for bound in fractions:
            for range in (
                Ratios(bound, None, low_open), Ratios(None, bound, False, high_open),
                Ratios(bound, bound, low_open, high_open),
            ):  # fmt: skip
                right = [
                    (range.low is None or f > range.low or (f == range.low and not range.low_open))
                    and (
                        range.high is None
                        or f < range.high
                        or (f == range.high and not range.high_open)
                    )
                    for f in fractions
                ]
                assert ratios_between(columns, denominators, range).tolist() == right


def test_no_lines_lie_in_no_range() -> None:
    none = np.zeros(0, np.int64)
    assert ratios_between((none,), none, Ratios(Fraction(1), None)).tolist() == []
    assert len(tally(Kind.SUM, [])) == len(tally(Kind.VALUES, [])) == 0


@pytest.mark.parametrize("low", [None, -128, -127, 0, 127, 128, 2**63, -(2**70)])
@pytest.mark.parametrize("high", [None, -129, -128, 0, 127, 2**63 - 1, 2**63, -(2**63)])
def test_narrow_values_lie_in_exactly_the_ranges_that_hold_them(
    low: int | None, high: int | None
) -> None:
    for kind, most in ((np.int8, 127), (np.int16, 2**15 - 1), (np.int64, 2**63 - 1)):
        values = np.array([-most - 1, -128, -127, 0, 126, 127, most], kind)
        right = [
            (low is None or value >= low) and (high is None or value <= high)
            for value in values.tolist()
        ]
        assert values_between(values, low, high).tolist() == right


@pytest.mark.parametrize("most", [127, 128, 255, 256, 2**15 - 1, 2**15, 2**31, 2**32 - 1, 2**32])
@pytest.mark.parametrize("sign", [1, -1])
def test_values_keep_what_they_are_in_the_narrowest_type(most: int, sign: int) -> None:
    for low in (0, -1, -128, -129):
        table = tally(Kind.VALUES, [part([(5, sign * most), (5, low), (6, low)])])
        pairs = sorted({sign * most, low})
        assert table.rows.tolist() == [5] * len(pairs) + [6]
        assert table.columns[0].tolist() == [*pairs, low]
    many = tally(Kind.VALUES, [part([(0, 7)] * (most if most < 300 else 300))])
    assert many.columns[1].tolist() == [most if most < 300 else 300]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("values", [[2**62], [2**61, 2**61], [2**62 - 1]])
@pytest.mark.parametrize("far", [False, True])
def test_a_total_of_62_bits_is_not_more_than_itself(
    values: list[int], sign: int, far: bool
) -> None:
    """Where a total fits one column a threshold is cut to 62 bits: it must not fit by a hair."""
    total = sign * sum(values)
    row = FAR if far else 0
    for table in tables(Kind.SUM, [[(row, sign * value)] for value in values]):
        assert between(table.columns, total, total).tolist() == [True]
        assert between(table.columns, total + 1, None).tolist() == [False]
        assert between(table.columns, None, total - 1).tolist() == [False]
