"""Sums of weights: who has which total of the rules that hold.

Totals are exact integers of any size. Few different ones are told apart by splitting everyone rule
by rule; where they become too many, the weights are added up row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.columns import by_block
from headcount_server.limits import BLOCK_ROWS

_TOTALS_MAX = 32  # groups of rows that are kept apart
_LIMB_BITS = 32
_LIMB = (1 << _LIMB_BITS) - 1

Rows = NDArray[np.uint32]


def scored(
    weights: Sequence[int],
    parts: Sequence[BitMap],
    everyone: BitMap,
    low: int | None,
    high: int | None,
) -> BitMap:
    """The rows whose weights add up to ``low`` to ``high``, both included; None is unbounded.

    Args:
        weights: any integers.
        parts: the rows that each weight is for.
        everyone: all rows there are.
        low: the least total.
        high: the greatest total.
    """
    least, most = _extremes(weights)
    low = least if low is None else low
    high = most if high is None else high
    terms = sorted(zip(weights, parts, strict=True), key=lambda term: -abs(term[0]))
    rest = [*accumulate(reversed([weight for weight, _ in terms]), _add_extremes, initial=(0, 0))]
    rest.reverse()
    groups: dict[int, BitMap] = {0: everyone}
    sure: list[BitMap] = []
    for place, (weight, part) in enumerate(terms):
        groups = _open(groups, rest[place], low, high, sure)
        if not groups:
            break
        if len(groups) > _TOTALS_MAX:
            some = bitmaps.union(groups.values())
            sure.append(_by_rows(weights, parts, some, low, high))
            groups = {}
            break
        groups = _split(groups, weight, part)
    _open(groups, (0, 0), low, high, sure)
    return bitmaps.union(sure)


def _extremes(weights: Sequence[int]) -> tuple[int, int]:
    return sum(w for w in weights if w < 0), sum(w for w in weights if w > 0)


def _add_extremes(extremes: tuple[int, int], weight: int) -> tuple[int, int]:
    least, most = extremes
    return (least + weight, most) if weight < 0 else (least, most + weight)


def _open(
    groups: dict[int, BitMap], rest: tuple[int, int], low: int, high: int, sure: list[BitMap]
) -> dict[int, BitMap]:
    """The groups that the remaining weights decide on; those that are in already go to ``sure``."""
    undecided: dict[int, BitMap] = {}
    for total, rows in groups.items():
        least, most = total + rest[0], total + rest[1]
        if low <= least and most <= high:
            sure.append(rows)
        elif least <= high and low <= most:
            undecided[total] = rows
    return undecided


def _split(groups: dict[int, BitMap], weight: int, part: BitMap) -> dict[int, BitMap]:
    apart: dict[int, list[BitMap]] = {}
    for total, rows in groups.items():
        held = rows & part
        if held:
            apart.setdefault(total + weight, []).append(held)
        if len(held) < len(rows):
            apart.setdefault(total, []).append(rows - held)
    return {total: bitmaps.union(same) for total, same in apart.items()}


def _by_rows(
    weights: Sequence[int], parts: Sequence[BitMap], some: BitMap, low: int, high: int
) -> BitMap:
    """Those of some rows whose total lies in the range, added up in limbs, a block at a time."""
    least, most = _extremes(weights)
    low, high = max(low, least), min(high, most)
    if low > high:
        return bitmaps.EMPTY
    limbs = 1 + max(abs(least), abs(most), 1).bit_length() // _LIMB_BITS
    held = [_by_block(part & some) for part in parts]
    found: list[Rows] = [np.empty(0, np.uint32)]
    nobody = np.empty(0, np.uint32)
    for block, rows in _by_block(some).items():
        sums = np.zeros((limbs, BLOCK_ROWS), np.int64)
        for weight, part in zip(weights, held, strict=True):
            local = part.get(block, nobody)
            if len(local):
                for limb, value in enumerate(_limbs(abs(weight), limbs)):
                    sums[limb, local] += value if weight > 0 else -value
        _carry(sums)
        sums = sums[:, rows]
        good = ~_less(sums, _limbs(low, limbs)) & ~_more(sums, _limbs(high, limbs))
        found.append(rows[good] + np.uint32(block * BLOCK_ROWS))
    return bitmaps.from_sorted(np.concatenate(found))


def _by_block(some: BitMap) -> dict[int, Rows]:
    """The rows of each block, counted from its first one."""
    rows = bitmaps.to_array(some)
    local = rows & np.uint32(BLOCK_ROWS - 1)
    return {block: local[index] for block, index in by_block(rows)}


def _limbs(number: int, count: int) -> list[int]:
    """From the least significant; all but the last are 0 to 2^32 - 1, the last has the sign."""
    return [
        (number >> (_LIMB_BITS * i)) & _LIMB if i < count - 1 else number >> (_LIMB_BITS * i)
        for i in range(count)
    ]


def _carry(sums: NDArray[np.int64]) -> None:
    for limb in range(len(sums) - 1):
        sums[limb + 1] += sums[limb] >> _LIMB_BITS
        sums[limb] &= _LIMB


def _less(sums: NDArray[np.int64], bound: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each total is less than the bound."""
    less = np.zeros(sums.shape[1], np.bool_)
    for limb, value in zip(sums, bound, strict=True):  # the most significant one decides last
        less = (limb < value) | ((limb == value) & less)
    return less


def _more(sums: NDArray[np.int64], bound: Sequence[int]) -> NDArray[np.bool_]:
    more = np.zeros(sums.shape[1], np.bool_)
    for limb, value in zip(sums, bound, strict=True):
        more = (limb > value) | ((limb == value) & more)
    return more
