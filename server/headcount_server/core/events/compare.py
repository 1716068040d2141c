"""Exact comparisons of totals and of fractions of integers with literals."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import Mask
from headcount_server.core.events.tables import Column
from headcount_server.core.events.tallies import SUM_BITS, widened
from headcount_server.core.plan.aggregate_nodes import Ratios

_LISTED_MAX = 1 << 20  # denominators up to this one are places in a list
_WIDE_LIMIT = 1 << 94  # beyond every sum of two columns
_NARROW_LIMIT = 1 << SUM_BITS  # beyond every sum of one column
_LOW_HALF = 0xFFFF_FFFF


def between(sums: tuple[Column, ...], low: int | None, high: int | None) -> Mask:
    """Which sums (see ``tallies``) lie in the range, ends included. O(n)."""
    mask = np.ones(len(sums[0]), dtype=np.bool_)
    if low is not None:
        mask &= _reaches(sums, [low])
    if high is not None:
        mask &= ~_reaches(sums, [high + 1])
    return mask


def values_between(values: Column, low: int | None, high: int | None) -> Mask:
    """Which values lie in the range, ends included, which may be beyond 64 bits. O(n)."""
    mask = np.ones(len(values), dtype=np.bool_)
    if low is not None:
        mask &= values >= low
    if high is not None:
        mask &= values <= high
    return mask


def ratios_between(sums: tuple[Column, ...], denominators: Column, range: Ratios) -> Mask:
    """For which lines sum / denominator lies in the range.

    A bound on the fraction is one on the sum for each denominator that there is. O(n).

    Args:
        sums: see ``tallies``.
        denominators: 1 or more each.
    """
    mask = np.ones(len(denominators), dtype=np.bool_)
    if not len(denominators):
        return mask
    present, group = _groups(denominators)
    if range.low is not None:
        mask &= _reaches(sums, _least(range.low, range.low_open, present), group)
    if range.high is not None:
        mask &= ~_reaches(sums, _least(range.high, not range.high_open, present), group)
    return mask


def _groups(denominators: Column) -> tuple[list[int], NDArray[np.integer]]:
    """The numbers that occur (and perhaps some that don't), and each line's place among them."""
    if int(denominators.max()) > _LISTED_MAX:
        present, group = np.unique(denominators, return_inverse=True)
        return present.tolist(), group
    seen = np.zeros(int(denominators.max()) + 1, dtype=np.bool_)
    seen[denominators] = True
    present = np.flatnonzero(seen)
    places = np.cumsum(seen) - 1
    return present.tolist(), places[denominators]


def _least(bound: Fraction, is_open: bool, denominators: Iterable[int]) -> list[int]:
    """For each denominator the least numerator whose fraction is at least (open: above) a bound."""
    if is_open:
        return [floor(bound * denominator) + 1 for denominator in denominators]
    return [ceil(bound * denominator) for denominator in denominators]


def _reaches(
    sums: tuple[Column, ...], thresholds: list[int], group: NDArray[np.integer] | None = None
) -> Mask:
    """Which sums are at least the threshold of their group (None: all have the only one)."""
    limit = _NARROW_LIMIT if len(sums) == 1 else _WIDE_LIMIT
    cut = [min(max(threshold, -limit), limit) for threshold in thresholds]
    if len(sums) == 1:
        return sums[0] >= _spread(cut, group)
    highs, lows = widened(sums)
    high = _spread([threshold >> 32 for threshold in cut], group)
    low = _spread([threshold & _LOW_HALF for threshold in cut], group)
    return (highs > high) | ((highs == high) & (lows >= low))


def _spread(numbers: list[int], group: NDArray[np.integer] | None) -> NDArray[np.int64] | np.int64:
    array = np.array(numbers, dtype=np.int64)
    return array[0] if group is None else array[group]
