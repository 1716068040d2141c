"""Comparisons with exact decimals as ranges of scaled integers.

A number of scale s is stored as the integer number·10^s within 64 signed bits. A literal is never
rounded: one that is finer than the scale falls between two storable numbers. Everything here is
linear in the digits of the literal and independent of decimal contexts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from headcount_server.core.rules.tree import Operator
from headcount_server.limits import INT64_MAX, INT64_MIN

_BEYOND = 10**40  # stands for every magnitude past what any scale can store


@dataclass(frozen=True, slots=True)
class Range:
    """Storable integers from ``low`` to ``high``, both included; None is unbounded.

    Canonical: an end that excludes nothing storable is None, an empty range is ``EMPTY``.
    """

    low: int | None
    high: int | None


EMPTY = Range(1, 0)
FULL = Range(None, None)


def floor_scaled(number: Decimal, scale: int) -> tuple[int, bool]:
    """The largest integer that is at most ``number``·10^``scale``, and whether it is equal.

    Magnitudes past 10^40 come out as 10^40, unequal. O(digits).
    """
    if not number:
        return 0, True
    sign = -1 if number.is_signed() else 1
    if number.adjusted() + scale >= 40:
        return sign * _BEYOND, False
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "a literal is finite"
    shift = exponent + scale
    if shift >= 0:
        return sign * _integer(digits) * 10**shift, True
    whole, rest = digits[:shift], digits[shift:]
    exact = not any(rest)
    magnitude = _integer(whole)
    return (sign * magnitude if sign > 0 or exact else -magnitude - 1), exact


def compared(operator: Operator, number: Decimal, scale: int) -> Range:
    """The storable integers for which the comparison holds; not for NOT_EQUAL. O(digits)."""
    floor, exact = floor_scaled(number, scale)
    if operator is Operator.EQUAL:
        return between(floor, floor) if exact else EMPTY
    if operator is Operator.LESS:
        return between(None, floor - 1 if exact else floor)
    if operator is Operator.LESS_OR_EQUAL:
        return between(None, floor)
    if operator is Operator.GREATER:
        return between(floor + 1, None)
    assert operator is Operator.GREATER_OR_EQUAL
    return between(floor if exact else floor + 1, None)


def included(low: Decimal, high: Decimal, scale: int) -> Range:
    """The storable integers from ``low`` to ``high``, both included. O(digits)."""
    floor, exact = floor_scaled(low, scale)
    return between(floor if exact else floor + 1, floor_scaled(high, scale)[0])


def listed(numbers: Iterable[Decimal], scale: int) -> tuple[int, ...]:
    """The storable integers among the numbers, ascending, each once. O(n log n + digits)."""
    scaled = (floor_scaled(number, scale) for number in numbers)
    return tuple(sorted({n for n, exact in scaled if exact and INT64_MIN <= n <= INT64_MAX}))


def between(low: int | None, high: int | None) -> Range:
    """The canonical range of the storable integers from ``low`` to ``high``."""
    if low is not None and low <= INT64_MIN:
        low = None
    if high is not None and high >= INT64_MAX:
        high = None
    if (low is not None and low > INT64_MAX) or (high is not None and high < INT64_MIN):
        return EMPTY
    if low is not None and high is not None and low > high:
        return EMPTY
    return Range(low, high)


def _integer(digits: tuple[int, ...]) -> int:
    return int("".join(map(str, digits))) if digits else 0
