"""Who did what how often within so many days of a date of their own: ``DidRelative``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, add
from headcount_server.core.events import counters
from headcount_server.core.events.chunks import Chunk
from headcount_server.core.events.columns import Int64s, Rows
from headcount_server.core.events.select import passing_places
from headcount_server.core.events.spans import Window, resolve
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.behaviour_nodes import DidRelative
from headcount_server.core.plan.event_nodes import Days, Source

_TABLE_FACTOR = 64  # a table of all rows up to the last one may be that many times as long

Int32s = NDArray[np.int32]


def evaluate(node: DidRelative, views: Mapping[str, EventView], rows: Rows, days: Int64s) -> BitMap:
    """Those of ``rows`` who have enough events in the days of their own.

    A chunk holds the events of one calendar day, so that a look at each event's subscriber's days
    decides. O(events of the days in question).

    Args:
        node: its sources' event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        rows: the subscribers with a value, ascending.
        days: the day of each one's value.
    """
    if not len(rows) or not node.sources:
        return bitmaps.EMPTY
    chosen = [views[source.event] for source in node.sources]
    ranges = _Ranges(rows, *_ends(node, days))
    window = resolve(Days(ranges.first, ranges.last, node.until), chosen[0].calendar)
    if window is None:
        return bitmaps.EMPTY
    found: list[Rows] = []
    for day in sorted({day for view in chosen for day in view.days_between(*window.days())}):
        today: list[Rows] = []
        for view, source in zip(chosen, node.sources, strict=True):
            for chunk in view.chunks_of(day):
                today.append(_passing(view, source, chunk, window, ranges.places(chunk.rows, day)))
        if node.on_days:
            today = [np.unique(np.concatenate(today))]
        found += today
    if not found:
        return bitmaps.EMPTY
    joined = np.sort(np.concatenate(found))
    return counters.at_least(counters.of_rows(joined), node.count)


class _Ranges:
    """The first and last day of each of some rows, as tables by row where rows are dense."""

    def __init__(self, rows: Rows, low: Int32s, high: Int32s) -> None:
        self.first, self.last = int(low.min()), int(high.max())
        self._rows, self._low, self._high = rows, low, high
        self._length = int(rows[-1]) + 1
        self._tables: tuple[Int32s, Int32s] | None = None
        if self._length <= _TABLE_FACTOR * len(rows):
            firsts = np.full(self._length, 1, dtype=np.int32)
            lasts = np.zeros(self._length, dtype=np.int32)
            firsts[rows], lasts[rows] = low, high
            self._tables = firsts, lasts

    def places(self, sorted_rows: Rows, day: int) -> NDArray[np.intp]:
        """Where those stand in ascending rows whose days hold ``day``, ascending."""
        if self._length <= int(sorted_rows[-1]):
            sorted_rows = sorted_rows[: int(sorted_rows.searchsorted(np.uint32(self._length)))]
        if self._tables is not None:
            low, high = self._tables[0][sorted_rows], self._tables[1][sorted_rows]
            return np.flatnonzero((low <= day) & (high >= day))
        near = self._rows.searchsorted(sorted_rows)
        holds = (self._low[near] <= day) & (self._high[near] >= day)
        return np.flatnonzero(holds & (self._rows[near] == sorted_rows))


def _ends(node: DidRelative, days: Int64s) -> tuple[Int32s, Int32s]:
    """First and last day of each, cut to those that events can lie on and one beyond."""
    earliest = int(days.min())
    moved = np.zeros(int(days.max()) - earliest + 1, dtype=np.int32)  # at most all days there are
    is_used = np.zeros(len(moved), dtype=np.bool_)
    is_used[days - earliest] = True
    for place in np.flatnonzero(is_used).tolist():
        day = add(place + earliest, node.amount, node.unit)
        moved[place] = min(max(day, FIRST_DAY - 1), LAST_DAY + 1)
    own, other = days.astype(np.int32), moved[days - earliest]
    return (own, other) if node.amount >= 0 else (other, own)


def _passing(
    view: EventView, source: Source, chunk: Chunk, window: Window, at: NDArray[np.intp]
) -> Rows:
    """The rows of the events at some places that pass the where and lie in the window."""
    is_cut = window.high_us is not None and chunk.last_time > window.high_us
    if not len(at) or (source.where is None and not is_cut):
        return chunk.rows[at]
    part = chunk.take(at)
    passed = passing_places(view, source, part, window, None)
    return part.rows if passed is None else part.rows[passed]
