"""Exact comparisons as ranges of integers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from headcount_server.core.plan.numbers import (
    EMPTY,
    FULL,
    Range,
    between,
    compared,
    floor_scaled,
    included,
    listed,
)
from headcount_server.core.rules.tree import Operator
from headcount_server.limits import INT64_MAX, INT64_MIN
from hypothesis import given
from hypothesis import strategies as st

HOLDS = {
    Operator.EQUAL: lambda a, b: a == b,
    Operator.LESS: lambda a, b: a < b,
    Operator.LESS_OR_EQUAL: lambda a, b: a <= b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.GREATER_OR_EQUAL: lambda a, b: a >= b,
}
literals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [
        Decimal(text)
        for text in ("0", "-0", "0.005", "-0.005", "1e25", "-1e25", "9223372036854775807")
    ]
)


@given(st.sampled_from(list(HOLDS)), literals, st.integers(0, 18), st.data())
def test_a_stored_number_is_in_the_range_exactly_where_the_comparison_holds(
    operator: Operator, literal: Decimal, scale: int, data: st.DataObject
) -> None:
    near = int(Fraction(literal) * 10**scale) if abs(literal) < 10**30 else 0
    close = st.integers(near - 2, near + 2).filter(lambda n: INT64_MIN <= n <= INT64_MAX)
    ends = st.sampled_from((INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX))
    stored = data.draw(close | ends if INT64_MIN + 2 <= near <= INT64_MAX - 2 else ends)
    found = compared(operator, literal, scale)
    inside = (found.low is None or found.low <= stored) and (
        found.high is None or stored <= found.high
    )
    assert inside == HOLDS[operator](Fraction(stored, 10**scale), Fraction(literal))


@pytest.mark.parametrize(
    ("operator", "literal", "expected"),
    [
        (Operator.EQUAL, "0.005", EMPTY),
        (Operator.GREATER, "0.005", Range(1, None)),
        (Operator.GREATER_OR_EQUAL, "0.005", Range(1, None)),
        (Operator.LESS, "0.005", Range(None, 0)),
        (Operator.LESS, "-0.005", Range(None, -1)),
        (Operator.GREATER, "-0.005", Range(0, None)),
        (Operator.EQUAL, "17.50", Range(1750, 1750)),
        (Operator.EQUAL, "92233720368547758.08", EMPTY),
        (Operator.LESS, "92233720368547758.08", FULL),
        (Operator.GREATER, "92233720368547758.07", EMPTY),
        (Operator.GREATER_OR_EQUAL, "-92233720368547758.08", FULL),
        (Operator.EQUAL, "-92233720368547758.08", Range(None, INT64_MIN)),
    ],
)
def test_literals_are_compared_as_they_are(
    operator: Operator, literal: str, expected: Range
) -> None:
    assert compared(operator, Decimal(literal), 2) == expected


def test_a_million_digits_cost_no_more_than_reading_them() -> None:
    long = Decimal("0." + "3" * 1_000_000)
    assert floor_scaled(long, 2) == (33, False)
    assert compared(Operator.LESS, Decimal("9" * 1_000_000), 18) == FULL
    assert compared(Operator.LESS, Decimal("-" + "9" * 1_000_000), 18) == EMPTY
    assert compared(Operator.EQUAL, Decimal("1" + "." + "0" * 1_000_000), 0) == Range(1, 1)


def test_ranges_and_lists() -> None:
    assert included(Decimal("0.001"), Decimal("0.029"), 2) == Range(1, 2)
    assert included(Decimal(5), Decimal(3), 0) == EMPTY
    assert included(Decimal("0.001"), Decimal("0.009"), 2) == EMPTY
    assert included(Decimal(-(10**30)), Decimal(10**30), 2) == FULL
    assert listed(
        [Decimal(3), Decimal("3.0"), Decimal("1.5"), Decimal(-2), Decimal(10**19)], 0
    ) == (
        -2,
        3,
    )
    assert between(INT64_MAX, None) == Range(INT64_MAX, None)
    assert between(INT64_MAX + 1, None) == EMPTY


def test_lists_reach_to_both_ends_of_64_bits() -> None:
    ends = [-(2**63) - 1, -(2**63), 2**63 - 1, 2**63]
    assert listed(map(Decimal, ends), 0) == (-(2**63), 2**63 - 1)


def test_magnitudes_from_10_to_the_40th_on_are_past_everything() -> None:
    assert floor_scaled(Decimal("9E39"), 0) == (9 * 10**39, True)
    for literal, scale in (("1E40", 0), ("3E40", 0), ("3E36", 4)):
        assert floor_scaled(Decimal(literal), scale) == (10**40, False)
        assert floor_scaled(-Decimal(literal), scale) == (-(10**40), False)


def test_listed_numbers_are_kept_up_to_both_ends_of_64_bits() -> None:
    ends = (INT64_MIN - 1, INT64_MIN, INT64_MAX, INT64_MAX + 1)
    assert listed(map(Decimal, ends), 0) == (INT64_MIN, INT64_MAX)
