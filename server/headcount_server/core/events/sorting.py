"""Putting events in order: by day, row, time and, between equals, as they were written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import Int64s, Rows

_RADIX = 1 << 16  # numpy sorts 16-bit integers by radix, several times as fast as wider ones
_FEW = 512  # events that are sorted at once rather than in passes


def event_order(rows: Rows, times: Int64s, days: Int64s | None = None) -> NDArray[np.intp]:
    """The stable order by (day, row, time). O(n), but O(n log n) for events that share day and row.

    A least-significant-digit radix sort by row and day; times are then put in order only where one
    row has several events on a day.

    Args:
        days: the day of each event; None where all are of one.
    """
    if len(rows) <= _FEW:
        return np.lexsort((times, rows) if days is None else (times, rows, days))
    order = np.argsort(rows.astype(np.uint16), kind="stable")
    high = (rows >> np.uint32(16)).astype(np.uint16)
    if high.any():
        order = order[np.argsort(high[order], kind="stable")]
    if days is not None:
        first, last = int(days.min()), int(days.max())
        if first != last:
            near = (days - first).astype(np.uint16) if last - first < _RADIX else days
            order = order[np.argsort(near[order], kind="stable")]
    _order_times(order, rows, times, days)
    return order


def _order_times(order: NDArray[np.intp], rows: Rows, times: Int64s, days: Int64s | None) -> None:
    """Sort the runs of equal day and row by time, in place."""
    by_row, by_time = rows[order], times[order]
    same = by_row[1:] == by_row[:-1]
    if days is not None:
        by_day = days[order]
        same &= by_day[1:] == by_day[:-1]
    late = same & (by_time[1:] < by_time[:-1])
    if not late.any():
        return
    runs = np.zeros(len(order), dtype=np.int64)
    np.cumsum(~same, out=runs[1:])
    unordered = np.zeros(int(runs[-1]) + 1, dtype=np.bool_)
    unordered[runs[1:][late]] = True
    places = np.flatnonzero(unordered[runs])
    order[places] = order[places][np.lexsort((by_time[places], runs[places]))]


def run_starts(keys: NDArray[np.generic]) -> NDArray[np.intp]:
    """Where each run of equal keys begins, in keys that stand together. O(n)."""
    if not len(keys):
        return np.zeros(0, dtype=np.intp)
    return np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1)).astype(np.intp)
