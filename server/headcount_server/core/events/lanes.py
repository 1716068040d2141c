"""Behaviour buckets: roll-ups of the events that one or several sources let pass.

A *lane* is what is counted for every subscriber: whether (DID), how many events (OFTEN), or on how
many days (DAYS). Its counter of a range of days is put together from aligned blocks, each made from
the four below it, and those of a day from the day's chunks; all are kept in the cache. An event
that comes late changes the stamps of its own blocks, so only these are made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum

import numpy as np
from pyroaring import BitMap

from headcount_server.core.events import counters
from headcount_server.core.events.cache import Stamp
from headcount_server.core.events.chunks import Chunk
from headcount_server.core.events.columns import Mask, Rows
from headcount_server.core.events.counters import Counter, Counts
from headcount_server.core.events.view import LEVEL_BITS, LEVELS, EventView
from headcount_server.core.events.where import passing
from headcount_server.core.plan.event_nodes import Source

_KEPT_CHUNK = 4_096  # events; of shorter ones the counter is made faster than found
_RANGE_LENGTH_MAX = 1 << 23  # days; more than the calendar has


class Kind(IntEnum):
    """What a lane counts."""

    DID = 0
    OFTEN = 1
    DAYS = 2


class _What(IntEnum):
    """Of what a counter is kept; together with the kind and two integers that say which."""

    BLOCK = 0
    CHUNK = 1
    RANGE = 2
    COUNTS = 3
    REACHED = 4


class Lane:
    """The counters of one kind over sources.

    Args:
        views: of each source, all of one audience.
        sources: one or more, of different event types.
        kind: what is counted; all of the sources' events count as one type's.
    """

    def __init__(self, views: Sequence[EventView], sources: Sequence[Source], kind: Kind) -> None:
        self.views = tuple(views)
        self.sources = tuple(sources)
        self.kind = kind
        self._cache = views[0].cache
        self._number = self._cache.number(self.sources)
        self._eras = tuple(view.contents().era for view in views)
        self._singles: tuple[Lane, ...] = ()
        if len(sources) > 1:
            alone = Kind.OFTEN if kind is Kind.OFTEN else Kind.DID
            self._singles = tuple(
                Lane([view], [source], alone) for view, source in zip(views, sources, strict=True)
            )

    def days_between(self, low: int, high: int) -> list[int]:
        """The days with events of any source's type, ascending."""
        if len(self.views) == 1:
            return self.views[0].days_between(low, high)
        return sorted({day for view in self.views for day in view.days_between(low, high)})

    def range(self, low: int, high: int) -> Counter:
        """The counter of whole days, ends included. A few blocks, or one entry of the cache."""
        blocks = self.cover(low, high)
        if len(blocks) <= 1:
            return self._block(*blocks[0]) if blocks else ()
        key = self._key(_What.RANGE, low, high - low)
        stamp = self.stamp(blocks)
        found = self._cache.get(key, stamp)
        if found is None:
            found = self._joined([self._block(level, block) for level, block in blocks])
            self._cache.put(key, stamp, found)
        return found

    def is_warm(self, low: int, high: int) -> bool:
        """Whether the counter of a range, or all of its blocks, are in the cache."""
        blocks = self.cover(low, high)
        key = self._key(_What.RANGE, low, high - low)
        return self._cache.get(key, self.stamp(blocks)) is not None or all(
            self._cache.get(self._key(_What.BLOCK, *block), self.stamp([block])) is not None
            for block in blocks
        )

    def reached(self, low: int, high: int, count: int) -> BitMap:
        """The rows with at least ``count`` in a range of whole days."""
        counter = self.range(low, high)
        if len(counter) <= 1:
            return counters.at_least(counter, count)
        stamp = self.stamp(self.cover(low, high))
        key = self._key(_What.REACHED + count, low, high - low)
        found = self._cache.get(key, stamp)
        if found is None:
            rows = counters.at_least(counter, count)
            found = (rows,) if rows else ()
            self._cache.put(key, stamp, found)
        return counters.members(found)

    def answer(self, low: int, high: int, count: int, make: Callable[[], BitMap]) -> BitMap:
        """The rows with at least ``count`` in the days of a window, all of whose events lie in it.

        Args:
            make: called where no answer is kept, or events came to these days since.
        """
        stamp = self.stamp(self.cover(low, high))
        key = self._key(-count, low, high - low)
        found = self._cache.get(key, stamp)
        if found is None:
            rows = make()
            found = (rows,) if rows else ()
            self._cache.put(key, stamp, found)
        return counters.members(found)

    def counts(self, low: int, high: int) -> Counts:
        """Row -> its count in a range of whole days, up to the last row that has one."""
        stamp = self.stamp(self.cover(low, high))
        key = self._key(_What.COUNTS, low, high - low)
        found = self._cache.get_counts(key, stamp)
        if found is None:
            found = counters.dense(self.range(low, high))
            self._cache.put(key, stamp, found)
        return found

    def settling(self, goes_on: Callable[[], bool]) -> Iterator[None]:
        """Make the counters of all blocks, the latest days first and the smaller blocks first.

        Args:
            goes_on: asked before each step.
        """
        view = self.views[0]
        days = list(view.contents().days)
        for day in reversed(days):
            for level in range(LEVELS):
                block = day >> LEVEL_BITS * level
                if self._first_in(level, block) != day or not goes_on():
                    break
                if view.contents().era == self._eras[0]:
                    self._block(level, block)
                    yield

    def _first_in(self, level: int, block: int) -> int | None:
        """The first day of a block that has events."""
        return self._next(block << LEVEL_BITS * level)

    def day(self, day: int, low_us: int | None = None, high_us: int | None = None) -> Counter:
        """The counter of one day's events from ``low_us`` to ``high_us`` (ends included)."""
        if self.is_whole(day, low_us, high_us):
            return self._block(0, day)
        if self._singles:
            return self._united([lane.day(day, low_us, high_us) for lane in self._singles])
        parts: list[Rows] = []
        for chunk in self.views[0].chunks_of(day):
            if _overlaps(chunk, low_us, high_us):
                parts.append(self._rows(chunk, chunk.between(low_us, high_us)))
        return self._joined([self._of_rows(rows) for rows in parts], same_day=True)

    def is_whole(self, day: int, low_us: int | None, high_us: int | None) -> bool:
        """Whether all of a day's events lie between two instants (ends included)."""
        return all(
            (low_us is None or chunk.first_time >= low_us)
            and (high_us is None or chunk.last_time <= high_us)
            for view in self.views
            for chunk in view.chunks_of(day)
        )

    def _block(self, level: int, block: int) -> Counter:
        key = self._key(_What.BLOCK, level, block)
        stamp = self.stamp([(level, block)])
        found = self._cache.get(key, stamp)
        if found is None:
            found = self._made(level, block)
            self._cache.put(key, stamp, found)
        return found

    def _made(self, level: int, block: int) -> Counter:
        if self._singles and (level == 0 or self.kind is not Kind.DAYS):
            return self._united([lane._block(level, block) for lane in self._singles])
        if level == 0:
            parts = [self._of_chunk(chunk) for chunk in self.views[0].chunks_of(block)]
            return self._joined(parts, same_day=True)
        first = block << LEVEL_BITS
        children = range(first, first + (1 << LEVEL_BITS))
        return self._joined(
            [self._block(level - 1, child) for child in children if self._has(level - 1, child)]
        )

    def _of_chunk(self, chunk: Chunk) -> Counter:
        if len(chunk) < _KEPT_CHUNK:
            return self._of_rows(self._rows(chunk, None))
        key, stamp = self._key(_What.CHUNK, chunk.id, 0), (*self._eras, 0)
        found = self._cache.get(key, stamp)
        if found is None:
            found = self._of_rows(self._rows(chunk, None))
            self._cache.put(key, stamp, found)
        return found

    def _rows(self, chunk: Chunk, mask: Mask | None) -> Rows:
        """The rows of the events that pass the where and the mask."""
        where = self.sources[0].where
        if where is not None:
            passed = passing(where, chunk, self.views[0].spellings)
            mask = passed if mask is None else mask & passed
        if mask is None:
            return chunk.rows
        if np.count_nonzero(mask) * 8 < len(mask):
            return chunk.rows[np.flatnonzero(mask)]
        return chunk.rows[mask]

    def _of_rows(self, rows: Rows) -> Counter:
        return counters.of_rows(rows) if self.kind is Kind.OFTEN else counters.of_set(rows)

    def _united(self, parts: Sequence[Counter]) -> Counter:
        """The sources' counters of one block (of one day, for DAYS) as one."""
        return counters.add(parts) if self.kind is Kind.OFTEN else counters.union(parts)

    def _joined(self, parts: Sequence[Counter], same_day: bool = False) -> Counter:
        """The counters of several blocks, or of chunks of the same day, as one."""
        adds = self.kind is Kind.OFTEN or (self.kind is Kind.DAYS and not same_day)
        return counters.add(parts) if adds else counters.union(parts)

    def cover(self, low: int, high: int) -> list[tuple[int, int]]:
        """The fewest (level, block) that hold all days with events in a range and none outside."""
        blocks: list[tuple[int, int]] = []
        lasts = [view.last_day for view in self.views]
        last = min(high, max((day for day in lasts if day is not None), default=low))
        free = low  # nothing before it but days in ``blocks`` or without events
        if not self._any(None, low - 1):
            free = -_RANGE_LENGTH_MAX
        limit = high if self._any(high + 1, None) else _RANGE_LENGTH_MAX
        day = self._next(low)
        while day is not None and day <= high:
            level = 0
            end = day
            while level + 1 < LEVELS and end < last:
                shift = LEVEL_BITS * (level + 1)
                start = day >> shift << shift
                if start < free or start + (1 << shift) - 1 > limit:
                    break
                level, end = level + 1, start + (1 << shift) - 1
            blocks.append((level, day >> LEVEL_BITS * level))
            free = end + 1
            day = self._next(free)
        return blocks

    def _next(self, day: int) -> int | None:
        """The first day from ``day`` on that has events."""
        found = [view.next_day(day) for view in self.views]
        return min((day for day in found if day is not None), default=None)

    def _any(self, low: int | None, high: int | None) -> bool:
        for view in self.views:
            first, last = view.first_day, view.last_day
            if first is None or last is None:
                continue
            if (high is not None and first <= high) or (low is not None and last >= low):
                return True
        return False

    def _has(self, level: int, block: int) -> bool:
        shift = LEVEL_BITS * level
        found = self._next(block << shift)
        return found is not None and found >> shift == block

    def stamp(self, blocks: Sequence[tuple[int, int]]) -> Stamp:
        """For each view its era and the newest stamp of the blocks."""
        stamps: list[int] = []
        for view, era in zip(self.views, self._eras, strict=True):
            newest = max((view.stamp(level, block) for level, block in blocks), default=0)
            stamps += (era, newest)
        return tuple(stamps)

    def _key(self, what: int, first: int, second: int) -> tuple[int, int, int, int]:
        return (self._number, what << 2 | self.kind, first, second)


def _overlaps(chunk: Chunk, low_us: int | None, high_us: int | None) -> bool:
    return (low_us is None or chunk.last_time >= low_us) and (
        high_us is None or chunk.first_time <= high_us
    )
