"""Roll-ups of what a source's events come to for each subscriber, and rules decided from them.

A *roll* gives the table (see ``tallies``) of the chunks of a range of days, kept in the cache for
as long as these chunks are there; erased rows leave it. A rule is decided on the tables of the
longest range of whole days but for its newest small chunks. Rows with events in these or on the
other days of its window (today's above all) are decided again, on all of theirs. So what was
written last, for today or late, costs in proportion to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.calendar import FIRST_DAY, LAST_DAY
from headcount_server.core.events import counters
from headcount_server.core.events.cache import Key, Stamp
from headcount_server.core.events.chunks import Chunk
from headcount_server.core.events.columns import Mask, Packed, Rows
from headcount_server.core.events.evaluate import pieces
from headcount_server.core.events.lanes import Kind as LaneKind
from headcount_server.core.events.lanes import Lane
from headcount_server.core.events.select import Candidates, passing_places
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.events.spans import Window
from headcount_server.core.events.tables import Table
from headcount_server.core.events.tallies import Kind, Part, joined, tally
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.event_nodes import Source

_NEWER_MAX = 8_192  # events of small chunks that are left out of a table
_FEW = 4_096  # candidates that are decided alone
_MANY_EVENTS = 50  # … where the tables would be made of that many events a candidate

_SEVERAL = -1  # no era: begins the stamps of what several views' events are behind
_EVER = Window(FIRST_DAY, LAST_DAY, None, None, ())

Decide = Callable[[Sequence[Table]], Rows]
Range = tuple[int, int]


class Roll:
    """The tables of one kind over one source's events that have a property.

    Args:
        view: of the source's event type.
        source: whose events are added up.
        kind: what is made of them.
        property: the dimension (codes plus one) or measure; "" for COUNT.
    """

    def __init__(self, view: EventView, source: Source, kind: Kind, property: str = "") -> None:
        self.view = view
        self.kind = kind
        self.lane = Lane([view], [source], LaneKind.DID)
        self._source = source
        self._property = property
        self._number = view.cache.number((source, kind, property))

    def kept(self, days: Range, chunks: Sequence[Chunk]) -> Table:
        """The table of some chunks of a range of days. O(events) unless it is in the cache."""
        key, stamp = self._entry(days, chunks)
        found = self.view.cache.get_table(key, stamp)
        if found is None:
            found = self.made(chunks)
            self.view.cache.put(key, stamp, found)
        return found

    def is_warm(self, days: Range, chunks: Sequence[Chunk]) -> bool:
        """Whether the table of some chunks of a range is in the cache."""
        return self.view.cache.get_table(*self._entry(days, chunks)) is not None

    def made(
        self,
        chunks: Iterable[Chunk],
        window: Window = _EVER,
        candidates: Candidates | None = None,
    ) -> Table:
        """The table of some chunks' events, of those in a window and of candidates alone."""
        return tally(self.kind, [self._part(chunk, window, candidates) for chunk in chunks])

    def chunks(self, days: Sequence[int]) -> list[Chunk]:
        """The chunks of some days."""
        return [chunk for day in days for chunk in self.view.chunks_of(day)]

    def _part(self, chunk: Chunk, window: Window, candidates: Candidates | None) -> Part:
        at = passing_places(self.view, self._source, chunk, window, candidates)
        name = self._property
        if name in chunk.codes:
            has = chunk.codes[name] != 0 if at is None else chunk.codes[name][at] != 0
            at = _those(at, has)
            some = slice(None) if at is None else at
            return Part(chunk.rows[some], chunk.codes[name][some], 0)
        if name in chunk.measures:
            measure = chunk.measures[name]
            if measure.present is not None:
                at = _those(at, measure.present if at is None else measure.present[at])
            some = slice(None) if at is None else at
            return Part(chunk.rows[some], measure.values.unpack(some), _bound(measure.values))
        rows = chunk.rows if at is None else chunk.rows[at]
        return Part(rows, np.broadcast_to(np.int64(0), len(rows)), 0)

    def _entry(self, days: Range, chunks: Sequence[Chunk]) -> tuple[Key, Stamp]:
        return (self._number, 0, *days), (self.view.contents().era, _ids(chunks))


@dataclass(frozen=True, slots=True)
class Asked:
    """A roll in a window.

    Attributes:
        days: the longest range of days that the window holds whole; it may be empty.
        settled: the chunks of these days whose table is kept.
        newer: their other chunks.
        others: all other days of the window.
    """

    roll: Roll
    window: Window
    days: Range
    settled: Sequence[Chunk]
    newer: Sequence[Chunk]
    others: Sequence[int]

    def is_whole(self) -> bool:
        """Whether all events of the window's days lie in it."""
        window, lane = self.window, self.roll.lane
        return all(lane.is_whole(day, window.low_us, window.high_us) for day in self.others)

    def is_warm(self) -> bool:
        """Whether the table of the settled chunks is in the cache."""
        return not self.settled or self.roll.is_warm(self.days, self.settled)

    def base(self) -> Table:
        """The table of the settled chunks."""
        return self.roll.kept(self.days, self.settled) if self.settled else self.roll.made(())

    def rest(self) -> Table:
        """The table of all other events in the window."""
        others = self.roll.made(self.roll.chunks(self.others), self.window)
        return joined(self.roll.kind, [self.roll.made(self.newer), others])

    def stamp(self) -> Stamp:
        """The stamp of all days of the window."""
        lane = self.roll.lane
        return lane.stamp(lane.cover(*self.window.days()))


def asked(roll: Roll, window: Window) -> Asked:
    """A roll in a window. O(days)."""
    _, ranges = pieces(roll.lane, window)
    low, high = max(ranges, key=lambda r: r[1] - r[0], default=(1, 0))
    days = roll.lane.days_between(*window.days())
    settled: list[Chunk] = []
    later: list[Chunk] = []
    for day in days:
        if low <= day <= high:
            first, *more = roll.view.chunks_of(day)
            settled.append(first)
            later += more
    later.sort(key=len)
    sizes = accumulate(map(len, later))
    newer = sum(size <= _NEWER_MAX for size in sizes)
    others = [day for day in days if not low <= day <= high]
    return Asked(roll, window, (low, high), settled + later[newer:], later[:newer], others)


def settle(
    subject: tuple[Hashable, ...],
    parts: Sequence[Asked],
    decide: Decide,
    within: BitMap | None = None,
) -> BitMap:
    """The rows that a rule holds for.

    O(1) where it was asked before and nothing came, O(rows) where the tables are in the cache, else
    O(events in the windows).

    Args:
        subject: with the windows, all that the answer depends on but events; holds the sources.
        parts: what is decided on, one or more.
        decide: the ascending rows for which the rule holds, of those in the tables; looks at each
            row's own lines alone.
        within: candidates; the result is cut down to them.
    """
    cache = parts[0].roll.view.cache
    number = cache.number(subject)
    key: Key | None = None
    stamp: Stamp = ()
    if all(part.is_whole() for part in parts):
        key = (number, 0, *(day for part in parts for day in part.window.days()))
        stamp = tuple(n for part in parts for n in part.stamp())
        found = cache.get(key, stamp)
        if found is not None:
            return _cut(counters.members(found), within)
    if within is not None and len(within) <= _FEW and _is_cheaper_alone(parts, len(within)):
        return _of_few(parts, decide, within)
    result = _decided(number, parts, decide)
    if key is not None:
        cache.put(key, stamp, (result,) if result else ())
    return _cut(result, within)


def _decided(number: int, parts: Sequence[Asked], decide: Decide) -> BitMap:
    rests = [part.rest() for part in parts]
    touched = _rows_of(rests)
    base = _base(number, parts, decide)
    if not len(touched):
        return base
    tables = [
        joined(part.roll.kind, [part.base().of(touched), rest])
        for part, rest in zip(parts, rests, strict=True)
    ]
    return (base - bitmaps.from_sorted(touched)) | bitmaps.from_sorted(decide(tables))


def _base(number: int, parts: Sequence[Asked], decide: Decide) -> BitMap:
    """The answer for the settled chunks alone."""
    if not any(part.settled for part in parts):
        return bitmaps.EMPTY
    cache = parts[0].roll.view.cache
    key = (number, 1, *(day for part in parts for day in part.days))
    stamp: Stamp = (_SEVERAL, *(_ids(part.settled) for part in parts))
    if len(parts) == 1:
        stamp = (parts[0].roll.view.contents().era, _ids(parts[0].settled))
    found = cache.get(key, stamp)
    if found is None:
        rows = bitmaps.from_sorted(decide([part.base() for part in parts]))
        found = (rows,) if rows else ()
        cache.put(key, stamp, found)
    return counters.members(found)


def _is_cheaper_alone(parts: Sequence[Asked], candidate_count: int) -> bool:
    if all(part.is_warm() for part in parts):
        return False
    events = sum(len(chunk) for part in parts for chunk in part.settled)
    return events > _MANY_EVENTS * candidate_count


def _of_few(parts: Sequence[Asked], decide: Decide, within: BitMap) -> BitMap:
    """The same answer from the columns, for the candidates alone."""
    if not within:
        return bitmaps.EMPTY
    candidates = Candidates(within)
    tables: list[Table] = []
    for part in parts:
        days = part.roll.lane.days_between(*part.window.days())
        tables.append(part.roll.made(part.roll.chunks(days), part.window, candidates))
    return bitmaps.from_sorted(decide(tables))


def _rows_of(tables: Sequence[Table]) -> Rows:
    """The rows with a line in some table, ascending, each once."""
    rows = np.concatenate([table.rows for table in tables])
    if len(tables) > 1:
        rows.sort(kind="stable")
    return rows[run_starts(rows)]


def _ids(chunks: Sequence[Chunk]) -> tuple[int, ...]:
    return tuple(sorted(chunk.id for chunk in chunks))


def _those(at: NDArray[np.intp] | None, has: Mask) -> NDArray[np.intp] | None:
    """The places of ``at`` (None: all) that ``has`` holds for."""
    if has.all():
        return at
    return np.flatnonzero(has) if at is None else at[has]


def _bound(packed: Packed) -> int:
    """No value in the column is greater in magnitude."""
    largest = packed.base + packed.unit * int(np.iinfo(packed.data.dtype).max)
    return max(-packed.base, largest)


def _cut(rows: BitMap, within: BitMap | None) -> BitMap:
    return rows if within is None else rows & within
