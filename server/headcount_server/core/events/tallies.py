"""Adding events up by subscriber: counts, sums, least and greatest values, values by frequency.

A table of COUNT has the column (counts), of SUM (*sums), of MEAN (counts, *sums), of MIN and MAX
(values), of VALUES (values, counts), each row's values ascending and once. Sums are one column of
integers below 2^62 in magnitude, or where that isn't sure two: the value is ``highs·2^32 + lows``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import Int64s, Rows
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.events.tables import Column, Table, is_dense, row_order, stacked

SUM_BITS = 62  # sums of one column are smaller in magnitude
_HALF = np.int64(32)
_LOW_HALF = np.int64(0xFFFF_FFFF)
_KEY_BITS = 32  # of a value beside its row in one 64-bit key


class Kind(IntEnum):
    """What is made of a row's events."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    MIN = 3
    MAX = 4
    VALUES = 5


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of some events, ascending, with a value of each (all 0 where none is asked for).

    No value is greater than ``bound`` in magnitude.
    """

    rows: Rows
    values: Column
    bound: int


def tally(kind: Kind, parts: Sequence[Part]) -> Table:
    """The table of all events. O(n), but O(n log n) for VALUES.

    An array by row takes the sums where events are many for the rows that there are; else the
    events are sorted by row.
    """
    parts = [part for part in parts if len(part.rows)]
    if kind is Kind.VALUES:
        return _values(parts)
    event_count = sum(len(part.rows) for part in parts)
    last = max((int(part.rows[-1]) for part in parts), default=0)
    is_wide = event_count * max((part.bound for part in parts), default=0) >= 1 << SUM_BITS
    if parts and is_dense(last, event_count):
        return _by_array(kind, parts, last + 1, is_wide)
    tables = [Table(part.rows, _single(kind, part, is_wide)) for part in parts]
    if not tables:
        nobody = Part(np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.int64), 0)
        return Table(nobody.rows, _single(kind, nobody, False))
    return _folded(kind, stacked(tables))


def joined(kind: Kind, tables: Sequence[Table]) -> Table:
    """The table of the events of all tables, of which there is one or more. O(n log n)."""
    given = [table for table in tables if len(table)]
    if len(given) <= 1:
        return given[0] if given else tables[0]
    if kind is Kind.VALUES:
        return _values_joined(given)
    if kind in (Kind.SUM, Kind.MEAN):
        first = 1 if kind is Kind.MEAN else 0
        largest = sum(_magnitude(table.columns[first:]) for table in given)
        if largest >= 1 << SUM_BITS:
            given = [
                Table(t.rows, (*t.columns[:first], *widened(t.columns[first:]))) for t in given
            ]
    return _folded(kind, stacked(given))


def widened(sums: tuple[Column, ...]) -> tuple[Column, ...]:
    """The same sums in two columns, the low one from 0 to 2^32 - 1."""
    if len(sums) == 1:
        return sums[0] >> _HALF, sums[0] & _LOW_HALF
    highs, lows = sums
    return highs + (lows >> _HALF), lows & _LOW_HALF


def _single(kind: Kind, part: Part, is_wide: bool) -> tuple[Column, ...]:
    """The columns of events that are lines of their own."""
    ones = np.ones(len(part.rows), dtype=np.int64)
    if kind is Kind.COUNT:
        return (ones,)
    values = part.values.astype(np.int64, copy=False)
    if kind in (Kind.MIN, Kind.MAX):
        return (values,)
    sums = widened((values,)) if is_wide else (values,)
    return (ones, *sums) if kind is Kind.MEAN else sums


def _folded(kind: Kind, table: Table) -> Table:
    """Each row's lines made one."""
    starts = run_starts(table.rows)
    if len(starts) == len(table):
        return table
    reduce = {Kind.MIN: np.minimum, Kind.MAX: np.maximum}.get(kind, np.add)
    return Table(table.rows[starts], tuple(reduce.reduceat(c, starts) for c in table.columns))


def _by_array(kind: Kind, parts: Sequence[Part], size: int, is_wide: bool) -> Table:
    if kind in (Kind.MIN, Kind.MAX):
        return _extremes(kind, parts, size)
    number = len(_single(kind, Part(parts[0].rows[:0], parts[0].values[:0], 0), is_wide))
    arrays: list[Int64s] = [np.zeros(size, dtype=np.int64) for _ in range(number)]
    for part in parts:
        at = part.rows.astype(np.intp)
        for array, column in zip(arrays, _single(kind, part, is_wide), strict=True):
            np.add.at(array, at, column)
    found = arrays[0] != 0  # counts, of SUM the only column: a sum of 0 is the same as none
    for array in arrays[1:] if kind is Kind.SUM else []:
        found |= array != 0
    rows = np.flatnonzero(found)
    return Table(rows.astype(np.uint32), tuple(array[rows] for array in arrays))


def _extremes(kind: Kind, parts: Sequence[Part], size: int) -> Table:
    ends = np.iinfo(np.int64)
    array = np.full(size, ends.max if kind is Kind.MIN else ends.min, dtype=np.int64)
    seen = np.zeros(size, dtype=np.bool_)
    reduce = np.minimum if kind is Kind.MIN else np.maximum
    for part in parts:
        at = part.rows.astype(np.intp)
        reduce.at(array, at, part.values.astype(np.int64, copy=False))
        seen[at] = True
    rows = np.flatnonzero(seen)
    return Table(rows.astype(np.uint32), (array[rows],))


def _values(parts: Sequence[Part]) -> Table:
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Table(np.zeros(0, dtype=np.uint32), (nothing, nothing))
    low = min(int(part.values.min()) for part in parts)
    width = max(int(part.values.max()) for part in parts) - low + 1
    if width > 1 << _KEY_BITS:
        rows = np.concatenate([part.rows for part in parts])
        values = np.concatenate([part.values for part in parts])
        return _counted(rows, values, np.ones(len(rows), dtype=np.int64))
    keys = np.concatenate([_keys(part, low) for part in parts])
    keys.sort(kind="stable")
    starts = run_starts(keys)
    counts = np.diff(starts, append=len(keys))
    keys = keys[starts]
    values = (keys & np.uint64(_LOW_HALF)).astype(np.int64) + low
    rows = (keys >> np.uint64(_KEY_BITS)).astype(np.uint32)
    return Table(rows, (_narrow(values), _narrow(counts)))


def _keys(part: Part, low: int) -> NDArray[np.uint64]:
    keys = part.rows.astype(np.uint64) << np.uint64(_KEY_BITS)
    return keys | (part.values.astype(np.int64, copy=False) - low).astype(np.uint64)


def _values_joined(tables: Sequence[Table]) -> Table:
    rows = np.concatenate([table.rows for table in tables])
    values, counts = (np.concatenate([table.columns[i] for table in tables]) for i in (0, 1))
    return _counted(rows, values, counts.astype(np.int64))


def _counted(rows: Rows, values: Column, counts: Int64s) -> Table:
    order = np.argsort(values, kind="stable")
    order = order[row_order(rows[order])]
    rows, values = rows[order], values[order]
    is_new = np.ones(len(rows), dtype=np.bool_)
    is_new[1:] = (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])
    starts = np.flatnonzero(is_new)
    counts = np.add.reduceat(counts[order], starts)
    return Table(rows[starts], (_narrow(values[starts]), _narrow(counts)))


def _narrow(column: Column) -> Column:
    """The same numbers in the narrowest signed integers that hold them."""
    if not len(column):
        return column
    ends = (int(column.min()), int(column.max()))
    return column.astype(np.result_type(*(np.min_scalar_type(min(n, -n - 1)) for n in ends)))


def _magnitude(sums: tuple[Column, ...]) -> int:
    if len(sums) == 2:
        return 1 << SUM_BITS
    return max(-int(sums[0].min()), int(sums[0].max()))
