"""The events of few rows, gathered once for many look-ups.

Of a thousand rules most ask for windows of their own, for which no counters are kept. The events of
the touched rows are few, so each window is counted among them. A column is read when it is asked
for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.calendar import FIRST_DAY, FIRST_US, LAST_US
from headcount_server.core.events.chunks import Chunk
from headcount_server.core.events.columns import (
    Int64s,
    Mask,
    Measure,
    Unsigned,
    pack_measure,
)
from headcount_server.core.events.select import Candidates
from headcount_server.core.events.spans import Window
from headcount_server.core.events.view import EventView
from headcount_server.core.events.where import names_of, passing
from headcount_server.core.live.asked_days import AskedOfEvents
from headcount_server.core.live.places import Places
from headcount_server.core.plan.event_nodes import Source, Where

_READ = 8  # chunks are searched in about the time of one look-up of the ordinary kind

Ats = NDArray[np.integer]


class _Part(NamedTuple):
    """Where the events of the rows stand in a chunk of a day."""

    day: int
    chunk: Chunk
    at: NDArray[np.intp]


def _day_of(part: _Part) -> int:
    return part.day


class Timed(NamedTuple):
    """Events with what orders them, as columns of one length: see ``Gathered.timed``."""

    at: Ats
    times: Int64s
    orders: Int64s
    passes: Mask


@dataclass(slots=True)
class _Columns:
    """What a where looks at."""

    length: int
    codes: dict[str, Unsigned] = field(default_factory=dict[str, Unsigned])
    measures: dict[str, Measure] = field(default_factory=dict[str, Measure])

    def __len__(self) -> int:
        return self.length


class Gathered:
    """The events of some rows of one event type, from some day on.

    Args:
        view: of the event type; not to change meanwhile.
        places: of the rows.
        asked: what is asked of the events of these rows, and was before.

    Attributes:
        is_late: whether the view changed since; events that were gathered did not.
    """

    def __init__(self, view: EventView, places: Places, asked: AskedOfEvents) -> None:
        self.is_late = False
        self._view = view
        self._places = places
        self._asked = asked
        self._candidates = Candidates(places.base)
        self._from: int | None = None  # the first day gathered
        self._parts: list[_Part] = []  # by day, ascending
        self._starts = [0]  # of each part among the events, and the end
        self._days: Int64s = np.zeros(0, np.int64)
        self._at: Ats = np.zeros(0, np.int32)
        self._columns = _Columns(0)
        self._times: Int64s | None = None
        self._orders: Int64s | None = None
        self._ends = (LAST_US, FIRST_US)  # no event gathered is outside
        self._masks: dict[Where, Mask] = {}
        self._newest: dict[int, NDArray[np.intp]] = {}  # where events are, by ``came``'s since
        self._came: dict[tuple[int, int, int], Int64s] = {}  # of all events between two of these

    def reaches(self, day: int) -> bool:
        """Whether the events from ``day`` on are there; they are once they were asked for often."""
        event = self._view.schema.name
        if self._from is None or day < self._from:
            if self.is_late:
                return False
            wanted = day
            expected = self._asked.first_day(event) if self._from is None else None
            if expected is not None:
                wanted = min(day, expected)
            last = self._view.last_day
            end = (FIRST_DAY if last is None else last) if self._from is None else self._from - 1
            missing = self._view.days_between(wanted, end)
            self._asked.credit[event] += _READ
            chunks = sum(len(self._view.chunks_of(day)) for day in missing)
            if expected is None and chunks > self._asked.credit[event]:
                return False
            self._gather(missing)
            self._from = wanted
        self._asked.note(event, day)
        return True

    def among(self, source: Source, window: Window) -> tuple[Ats, Int64s]:
        """The place of whom each event is and its day, of those that pass; ``reaches`` said yes."""
        some, mask = self._some(source, window)
        at, days = self._at[some], self._days[some]
        return (at, days) if mask is None else (at[mask], days[mask])

    def valued(self, source: Source, window: Window, name: str) -> tuple[Ats, Int64s]:
        """The same of events that have a property: places, and codes plus one or integers."""
        some, mask = self._some(source, window)
        if name in self._view.schema.dimensions:
            values: NDArray[np.integer] = self._codes(name)[some]
            has = values != 0
            mask = has if mask is None else mask & has
        else:
            measure = self._measure(name)
            values = measure.values.unpack(some)
            if measure.present is not None:
                has = measure.present[some]
                mask = has if mask is None else mask & has
        at = self._at[some]
        if mask is not None:
            at, values = at[mask], values[mask]
        return at, values.astype(np.int64, copy=False)

    def timed(self, source: Source, window: Window, further: Source | None) -> Timed:
        """The same with times, places in the write order and whether ``further`` is passed too.

        None is passed by no event.
        """
        some, mask = self._some(source, window)
        if further is None:
            passes = np.zeros(some.stop - some.start, np.bool_)
        elif further.where is None or some.start == some.stop:
            passes = np.ones(some.stop - some.start, np.bool_)
        else:
            passes = self._passing(further.where)[some]
        chosen = slice(None) if mask is None else mask
        return Timed(
            self._at[some][chosen],
            self._all_times()[some][chosen],
            self._all_orders()[some][chosen],
            passes[chosen],
        )

    def came(self, source: Source, window: Window, since: int) -> Int64s:
        """How many of those events of each row have a place in the write order from some on.

        Not to be modified.
        """
        if since not in self._newest:
            self._newest[since] = np.flatnonzero(self._all_orders() >= since)
        newest = self._newest[since]
        some, mask = self._some(source, window)
        first, last = (int(end) for end in newest.searchsorted((some.start, some.stop)))
        at = newest[first:last]
        if mask is not None:
            return self._tally(at[mask[at - some.start]])
        key = (since, first, last)
        found = self._came.get(key)
        if found is None:
            found = self._came[key] = self._tally(at)
        return found

    def _tally(self, some: NDArray[np.intp]) -> Int64s:
        """How many of some events each row has."""
        return np.bincount(self._at[some], minlength=len(self._places))

    def _some(self, source: Source, window: Window) -> tuple[slice, Mask | None]:
        """The events on the days of a window, and which of them pass; None: all do."""
        first = self._starts[bisect_left(self._parts, window.low_day, key=_day_of)]
        last = self._starts[bisect_right(self._parts, window.high_day, key=_day_of)]
        some = slice(first, max(first, last))
        mask = self._in_time(window, some)
        if source.where is not None and some.stop > some.start:
            passed = self._passing(source.where)[some]
            mask = passed if mask is None else mask & passed
        return some, mask

    def _in_time(self, window: Window, some: slice) -> Mask | None:
        """Which of some events lie between the instants; None where all do."""
        low, high = window.low_us, window.high_us
        mask: Mask | None = None
        if low is not None and low > self._ends[0]:
            mask = self._all_times()[some] >= low
        if high is not None and high < self._ends[1]:
            before = self._all_times()[some] <= high
            mask = before if mask is None else mask & before
        return mask

    def _all_times(self) -> Int64s:
        if self._times is None:
            parts = [part.chunk.times.unpack(part.at) for part in self._parts]
            self._times = np.concatenate([np.zeros(0, np.int64), *parts])
        return self._times

    def _all_orders(self) -> Int64s:
        if self._orders is None:
            parts = [part.chunk.orders.unpack(part.at) for part in self._parts]
            self._orders = np.concatenate([np.zeros(0, np.int64), *parts])
        return self._orders

    def _codes(self, name: str) -> Unsigned:
        codes = self._columns.codes.get(name)
        if codes is None:
            parts = [part.chunk.codes[name][part.at] for part in self._parts]
            codes = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
            self._columns.codes[name] = codes
        return codes

    def _measure(self, name: str) -> Measure:
        measure = self._columns.measures.get(name)
        if measure is None:
            parts = [part.chunk.measures[name].take(part.at) for part in self._parts]
            values = np.concatenate([np.zeros(0, np.int64), *(p.values.unpack() for p in parts)])
            has = np.concatenate([np.zeros(0, np.bool_), *(p.has() for p in parts)])
            measure = self._columns.measures[name] = pack_measure(values, has)
        return measure

    def _passing(self, where: Where) -> Mask:
        found = self._masks.get(where)
        if found is None:
            for name in names_of(where):
                if name in self._view.schema.dimensions:
                    self._codes(name)
                else:
                    self._measure(name)
            found = passing(where, self._columns, self._view.spellings)
            self._masks[where] = found
        return found

    def _gather(self, days: list[int]) -> None:
        found: list[_Part] = []
        for day in days:
            for chunk in self._view.chunks_of(day):
                at = self._candidates.places(chunk.rows)
                if len(at):
                    found.append(_Part(day, chunk, at))
        if not found:
            return
        self._parts = found + self._parts
        lengths = [len(part.at) for part in self._parts]
        self._starts = [0, *accumulate(lengths)]
        self._days = np.repeat(np.array([part.day for part in self._parts], np.int64), lengths)
        self._at = self._places.of(np.concatenate([p.chunk.rows[p.at] for p in self._parts]))
        self._ends = (
            min(part.chunk.first_time for part in self._parts),
            max(part.chunk.last_time for part in self._parts),
        )
        self._columns = _Columns(len(self._at))
        self._times = self._orders = None
        self._masks, self._newest, self._came = {}, {}, {}
