"""The first or last event of every subscriber, and whether it passes further tests.

Days are walked from the edge inwards, and a row is decided by the first of its events that is met.
A clock set back over midnight lets times of two days overlap: such days are read as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.calendar import FIRST_DAY, LAST_DAY
from headcount_server.core.events import counters
from headcount_server.core.events.cache import Key, Stamp
from headcount_server.core.events.columns import Int64s, Mask, Rows
from headcount_server.core.events.evaluate import pieces
from headcount_server.core.events.lanes import Kind, Lane
from headcount_server.core.events.select import Candidates, passing_places
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.events.spans import Window, resolve
from headcount_server.core.events.tables import is_dense
from headcount_server.core.events.view import EventView
from headcount_server.core.events.where import passing
from headcount_server.core.plan.aggregate_nodes import EdgePasses
from headcount_server.core.rules.tree import Edge

_FEW = 4_096  # candidates that are decided alone
_NEAR_DAYS = 3  # times of days farther apart never overlap
_EVER = Window(FIRST_DAY, LAST_DAY, None, None, ())


class Decided(NamedTuple):
    """The rows that have an event, and those of them whose edge event passes."""

    rows: BitMap
    passing: BitMap


@dataclass(frozen=True, slots=True)
class _Events:
    """Events in the order of (row, time, writing)."""

    rows: Rows
    times: Int64s
    orders: Int64s
    passes: Mask

    def take(self, at: NDArray[np.integer] | Mask) -> _Events:
        return _Events(self.rows[at], self.times[at], self.orders[at], self.passes[at])


def evaluate(
    node: EdgePasses, views: Mapping[str, EventView], within: BitMap | None = None
) -> BitMap:
    """The rows whose first or last event in the span passes.

    O(1) where it was asked before and nothing came, else O(events in the span), but O(days ×
    candidates × log) for few candidates.

    Args:
        node: its sources' event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    walk = _Walk(node, [views[source.event] for source in node.sources])
    window = resolve(node.span, walk.lane.views[0].calendar)
    if window is None or (within is not None and not within):
        return bitmaps.EMPTY
    key, stamp = walk.entry(1, *window.days())
    is_whole = all(walk.lane.is_whole(day, window.low_us, window.high_us) for day in window.edges)
    found = walk.cache.get(key, stamp) if is_whole else None
    if found is not None:
        result = counters.members(found)
    elif within is not None and len(within) <= _FEW:
        days = walk.lane.days_between(*window.days())
        return walk.decided(days, window, Candidates(within)).passing
    else:
        result = walk.whole(window)
        if is_whole:
            walk.cache.put(key, stamp, (result,) if result else ())
    return result if within is None else result & within


class _Walk:
    """One node over the views of its sources."""

    def __init__(self, node: EdgePasses, views: Sequence[EventView]) -> None:
        self.lane = Lane(views, node.sources, Kind.DID)
        self.cache = views[0].cache
        self._is_last = node.edge is Edge.LAST
        self._passing = {source.event: source for source in node.passing}
        self._number = self.cache.number((node.edge, *node.sources, None, *node.passing))

    def entry(self, what: int, low: int, high: int) -> tuple[Key, Stamp]:
        """Where the cache has what is known of a range of whole days."""
        return (self._number, what, low, high), self.lane.stamp(self.lane.cover(low, high))

    def whole(self, window: Window) -> BitMap:
        """The rows whose edge event in a window passes; the longest range is kept."""
        _, ranges = pieces(self.lane, window)
        longest = max(ranges, key=lambda r: r[1] - r[0], default=(1, 0))
        days = self.lane.days_between(*window.days())
        before = [day for day in days if day < longest[0]]
        base = [day for day in days if longest[0] <= day <= longest[1]]
        after = [day for day in days if day > longest[1]]
        if self._overlap(before, base) or self._overlap(base, after):
            return self.decided(days, window).passing
        rest = [self.decided(before, window), self.decided(after, window)]
        parts = [rest[0], self._kept(*longest), rest[1]]
        result, done = bitmaps.EMPTY, bitmaps.EMPTY
        for part in reversed(parts) if self._is_last else parts:
            result = result | (part.passing - done)
            done = done | part.rows
        return result

    def decided(
        self, days: Sequence[int], window: Window, candidates: Candidates | None = None
    ) -> Decided:
        """What is decided by the events of some days, ascending, in a window."""
        events = sum(len(chunk) for view in self.lane.views for day in days
                     for chunk in view.chunks_of(day))  # fmt: skip
        lasts = [int(chunk.rows[-1]) for view in self.lane.views for day in days
                 for chunk in view.chunks_of(day)]  # fmt: skip
        if candidates is None and lasts and is_dense(max(lasts), events):
            return self._walked(days, window, max(lasts) + 1)
        return self._sorted(days, window, candidates)

    def _kept(self, low: int, high: int) -> Decided:
        """The same of whole days, from the cache where it can be."""
        if low > high:
            return Decided(bitmaps.EMPTY, bitmaps.EMPTY)
        key, stamp = self.entry(0, low, high)
        found = self.cache.get(key, stamp)
        if found is None:
            made = self.decided(self.lane.days_between(low, high), _EVER)
            found = made if made.passing else made[:1] if made.rows else ()
            self.cache.put(key, stamp, tuple(found))
        return Decided(*found, *[bitmaps.EMPTY] * (2 - len(found)))

    def _walked(self, days: Sequence[int], window: Window, size: int) -> Decided:
        done = np.zeros(size, dtype=np.bool_)
        passes = np.zeros(size, dtype=np.bool_)
        for group in self._groups(days):
            parts = [part.take(~done[part.rows]) for part in self._events(group, window, None)]
            edge = self._edges(parts)
            done[edge.rows] = True
            passes[edge.rows[edge.passes]] = True
        return Decided(bitmaps.from_mask(done), bitmaps.from_mask(passes))

    def _sorted(
        self, days: Sequence[int], window: Window, candidates: Candidates | None
    ) -> Decided:
        edge = self._edges(list(self._events(days, window, candidates)))
        return Decided(bitmaps.from_sorted(edge.rows), bitmaps.from_sorted(edge.rows[edge.passes]))

    def _edges(self, parts: Sequence[_Events]) -> _Events:
        """The first or last event of each row."""
        if len(parts) == 1:
            events = parts[0]
        else:
            events = _Events(
                _joined([part.rows for part in parts], np.uint32),
                _joined([part.times for part in parts], np.int64),
                _joined([part.orders for part in parts], np.int64),
                _joined([part.passes for part in parts], np.bool_),
            )
            events = events.take(np.lexsort((events.orders, events.times, events.rows)))
        starts = run_starts(events.rows)
        if self._is_last:
            return events.take(
                np.append(starts[1:], len(events.rows)) - 1 if len(starts) else starts
            )
        return events.take(starts)

    def _events(
        self, days: Sequence[int], window: Window, candidates: Candidates | None
    ) -> Iterator[_Events]:
        for view, source in zip(self.lane.views, self.lane.sources, strict=True):
            for day in days:
                for chunk in view.chunks_of(day):
                    at = passing_places(view, source, chunk, window, candidates)
                    some = slice(None) if at is None else at
                    further = self._passing.get(source.event)
                    if further is None:
                        passes = np.zeros(len(chunk), dtype=np.bool_)
                    elif further.where is None:
                        passes = np.ones(len(chunk), dtype=np.bool_)
                    else:
                        passes = passing(further.where, chunk, view.spellings)
                    yield _Events(
                        chunk.rows[some],
                        chunk.times.unpack(some),
                        chunk.orders.unpack(some),
                        passes[some],
                    )

    def _groups(self, days: Sequence[int]) -> Iterator[list[int]]:
        """Days that are read as one, from the edge inwards."""
        walked = list(reversed(days)) if self._is_last else list(days)
        group: list[int] = []
        for day in walked:
            if group and not self._overlap(*sorted([sorted(group), [day]])):
                yield group
                group = []
            group.append(day)
        if group:
            yield group

    def _overlap(self, earlier: Sequence[int], later: Sequence[int]) -> bool:
        """Whether an event of the earlier days (all ascending) is not before one of the later."""
        lasts = [chunk.last_time for view in self.lane.views
                 for day in earlier[-_NEAR_DAYS:] for chunk in view.chunks_of(day)]  # fmt: skip
        firsts = [chunk.first_time for view in self.lane.views
                  for day in later[:_NEAR_DAYS] for chunk in view.chunks_of(day)]  # fmt: skip
        return bool(lasts) and bool(firsts) and max(lasts) >= min(firsts)


def _joined(arrays: Sequence[NDArray], kind: type[np.generic]) -> NDArray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)
