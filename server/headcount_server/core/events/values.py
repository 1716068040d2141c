"""Decisions on tables of values (see ``tallies``): distinct ones, favourites, pairs in common.

Tables hold codes of spellings, which never change their meaning; which of them are one value is
asked when a rule is decided.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import Int64s, Mask, Rows
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.events.tables import Table, is_dense
from headcount_server.core.events.view import EventView
from headcount_server.core.texts import fold

Codes = NDArray[np.uint32]
Pairs = NDArray[np.uint64]  # row·2^32 + code, ascending and unique

_ROW_BITS = np.uint64(32)


def value_codes(view: EventView, name: str) -> Codes | None:
    """Code plus one -> that of its value; None where each spelling is a value of its own.

    None for a measure too.
    """
    if name not in view.schema.dimensions:
        return None
    codes = view.spellings[name].value_codes()
    is_own = (codes == np.arange(len(codes))) | (codes == 0)
    return None if is_own.all() else codes


def distinct(table: Table, codes: Codes | None) -> Table:
    """How many values each row has. O(n), but O(n log n) where spellings fold alike."""
    rows = table.rows if codes is None else _rows_of(pairs(table, codes))
    rows, _, counts = runs(rows)
    return Table(rows, (counts,))


def favourites(table: Table, codes: Codes | None, passes: Mask) -> Rows:
    """The rows one of whose most frequent values has a spelling that passes.

    O(n), but O(n log n) where spellings fold alike.

    Args:
        table: values (codes plus one) and counts.
        codes: see ``value_codes``.
        passes: code plus one -> whether the spelling does.
    """
    if not len(table):
        return table.rows
    spelt, counts = table.columns
    totals = counts if codes is None else _value_totals(table, codes)
    _, starts, lengths = runs(table.rows)
    most = np.repeat(np.maximum.reduceat(totals, starts), lengths)
    found = table.rows[(totals == most) & passes[spelt]]
    return found[run_starts(found)]


def common_codes(views: Sequence[EventView], name: str) -> list[Codes]:
    """For each view: code plus one of a dimension -> number of its value, one numbering for all."""
    numbers: dict[str, int] = {}
    found: list[Codes] = []
    for view in views:
        spellings = view.spellings[name]
        codes = spellings.value_codes()
        common = np.zeros(len(codes), dtype=np.uint32)
        for code in np.unique(codes[codes > 0]).tolist():
            folded = fold(spellings.spelling(code - 1))
            common[code] = numbers.setdefault(folded, len(numbers) + 1)
        found.append(common[codes])
    return found


def pairs(table: Table, codes: Codes) -> Pairs:
    """The rows with the numbers that ``codes`` gives their values. O(n log n)."""
    keys = table.rows.astype(np.uint64) << _ROW_BITS
    keys |= codes[table.columns[0]]
    if len(keys) > 1 and not bool((keys[1:] > keys[:-1]).all()):
        keys.sort(kind="stable")
        keys = keys[run_starts(keys)]
    return keys


def shared(some: Pairs, others: Pairs) -> NDArray[np.intp]:
    """Where the pairs of ``others`` that are among ``some`` stand there, ascending. O(n log n)."""
    if not len(some):
        return np.zeros(0, dtype=np.intp)
    at = some.searchsorted(others)
    at = np.minimum(at, len(some) - 1)
    return at[some[at] == others]


def runs(rows: Rows) -> tuple[Rows, NDArray[np.intp], Int64s]:
    """Each row once, where its lines begin and how many there are. O(n)."""
    starts = run_starts(rows)
    return rows[starts], starts, np.diff(starts, append=len(rows)).astype(np.int64)


def places_in(rows: Rows, others: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the rows that both have stand in each; both ascend and are unique. O(n)."""
    if not len(rows) or not len(others):
        nothing = np.zeros(0, dtype=np.intp)
        return nothing, nothing
    last = max(int(rows[-1]), int(others[-1]))
    if is_dense(last, len(rows) + len(others)):
        places = np.full(last + 1, -1, dtype=np.int32)
        places[rows] = np.arange(len(rows), dtype=np.int32)
        at = places[others]
    else:
        at = rows.searchsorted(others)
        at[rows[np.minimum(at, len(rows) - 1)] != others] = -1
    found = np.flatnonzero(at >= 0)
    return at[found].astype(np.intp), found


def _rows_of(keys: Pairs) -> Rows:
    return (keys >> _ROW_BITS).astype(np.uint32)


def _value_totals(table: Table, codes: Codes) -> Int64s:
    """For each line the events of its value, all spellings together."""
    keys = table.rows.astype(np.uint64) << _ROW_BITS
    keys |= codes[table.columns[0]]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = run_starts(ordered)
    totals = np.add.reduceat(table.columns[1][order].astype(np.int64), starts)
    result = np.zeros(len(table), dtype=np.int64)
    result[order] = np.repeat(totals, np.diff(starts, append=len(keys)))
    return result
