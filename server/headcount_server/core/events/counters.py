"""Counts per subscriber, bit-sliced over bitmaps.

A *counter* is a tuple of bitmaps: slice ``i`` holds the rows whose count has bit ``i``. Rows in no
slice have the count 0; the last slice is never empty, so the counter of nobody is ``()``. Adding is
carry-save (Kaser & Lemire, "Compressed bitmap indexes: beyond unions and intersections").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.columns import Rows
from headcount_server.core.events.sorting import run_starts

Counter = tuple[BitMap, ...]
Counts = NDArray[np.unsignedinteger[Any]]


def of_rows(rows: Rows) -> Counter:
    """How often each row stands in ``rows``, which ascend. O(n)."""
    if not len(rows):
        return ()
    starts = run_starts(rows)
    if len(starts) == len(rows):
        return (bitmaps.from_sorted(rows),)
    counts = np.diff(starts, append=len(rows))
    unique = rows[starts]
    bits = int(counts.max()).bit_length()
    return tuple(bitmaps.from_sorted(unique[(counts >> bit) & 1 == 1]) for bit in range(bits))


def of_set(rows: Rows) -> Counter:
    """1 for every row in ``rows``, which ascend and may repeat. O(n)."""
    if not len(rows):
        return ()
    return (bitmaps.from_sorted(rows[run_starts(rows)]),)


def members(counter: Counter) -> BitMap:
    """The rows with a count of 1 or more."""
    return bitmaps.union(counter)


def union(counters: Sequence[Counter]) -> Counter:
    """1 for every row that has a count in one of ``counters``."""
    everyone = bitmaps.union([members(counter) for counter in counters])
    return (everyone,) if everyone else ()


def add(counters: Sequence[Counter]) -> Counter:
    """The sum of the counts. O(bitmaps in all) operations on bitmaps."""
    given = [counter for counter in counters if counter]
    if len(given) <= 1:
        return given[0] if given else ()
    total: list[BitMap] = []
    carried: list[BitMap] = []
    bit, longest = 0, max(map(len, given))
    while carried or bit < longest:
        same = deque([counter[bit] for counter in given if len(counter) > bit and counter[bit]])
        same.extend(carried)
        carried = []
        while len(same) > 1:
            result, carry = _add_three(
                same.popleft(), same.popleft(), same.popleft() if same else bitmaps.EMPTY
            )
            same.append(result)
            if carry:
                carried.append(carry)
        total.append(same[0] if same else bitmaps.EMPTY)
        bit += 1
    return _trimmed(total)


def at_least(counter: Counter, count: int) -> BitMap:
    """The rows with at least ``count``, which is 1 or more."""
    assert count >= 1
    if count == 1:
        return members(counter)
    if count >= 1 << len(counter):
        return bitmaps.EMPTY
    reached: BitMap | None = None  # None: everyone, before the first set bit of ``count``
    for bit, rows in enumerate(counter):
        if count >> bit & 1:
            reached = rows if reached is None else rows & reached
        elif reached is not None:
            reached = rows | reached
    assert reached is not None
    return reached


def dense(counter: Counter) -> Counts:
    """Row -> its count, up to the last row that has one. O(rows)."""
    counts = np.zeros(spread(counter), np.min_scalar_type((1 << len(counter)) - 1))
    for bit, rows in enumerate(counter):
        counts[bitmaps.to_array(rows)] += counts.dtype.type(1 << bit)
    return counts


def spread(counter: Counter) -> int:
    """The last row that has a count, plus one; 0 for the counter of nobody."""
    return max((rows.max() + 1 for rows in counter if rows), default=0)


def restricted(counter: Counter, rows: BitMap) -> Counter:
    """The counts of ``rows`` alone."""
    return _trimmed([rows & bits for bits in counter])


def without(counter: Counter, rows: BitMap) -> Counter:
    """The counts of all but ``rows``; the same object where none of them has a count."""
    if not any(bits.intersect(rows) for bits in counter):
        return counter
    return _trimmed([bits - rows for bits in counter])


def nbytes(counter: Counter) -> int:
    """Bytes of memory of the slices' members."""
    return sum(bitmaps.nbytes(bits) for bits in counter)


def _add_three(a: BitMap, b: BitMap, c: BitMap) -> tuple[BitMap, BitMap]:
    either = a ^ b
    if not c:
        return either, a & b
    return either ^ c, (a & b) | (either & c)


def _trimmed(slices: list[BitMap]) -> Counter:
    while slices and not slices[-1]:
        slices.pop()
    return tuple(slices)
