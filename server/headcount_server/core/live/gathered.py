"""The events of few rows, gathered once for many look-ups.

Of a thousand rules most ask for windows of their own, for which no counters are kept. The events of
the touched rows are few, so each window is counted among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.calendar import FIRST_DAY
from headcount_server.core.events.chunks import Chunk, chunk_of
from headcount_server.core.events.columns import Events, Mask, concatenate
from headcount_server.core.events.select import Candidates
from headcount_server.core.events.spans import Window
from headcount_server.core.events.view import EventView
from headcount_server.core.events.where import passing
from headcount_server.core.live.places import Places
from headcount_server.core.plan.event_nodes import Source, Where

_READ = 8  # chunks are searched in about the time of one look-up of the ordinary kind

Integers = NDArray[np.int64]


class Gathered:
    """The events of some rows of one event type, from some day on.

    Args:
        view: of the event type; not to change meanwhile.
        places: of the rows.
    """

    def __init__(self, view: EventView, places: Places) -> None:
        self._view = view
        self._places = places
        self._candidates = Candidates(places.base)
        self._credit = 0
        self._from: int | None = None  # the first day gathered
        self._parts: list[tuple[int, Events]] = []  # by day, ascending
        self._chunk: Chunk | None = None
        self._days: Integers = np.zeros(0, np.int64)
        self._at: NDArray[np.integer] = np.zeros(0, np.int32)
        self._masks: dict[Where, Mask] = {}

    def reaches(self, day: int) -> bool:
        """Whether the events from ``day`` on are there; they are once they were asked for often."""
        if self._from is not None and self._from <= day:
            return True
        last = self._view.last_day
        end = (FIRST_DAY if last is None else last) if self._from is None else self._from - 1
        missing = self._view.days_between(day, end)
        self._credit += _READ
        if sum(len(self._view.chunks_of(day)) for day in missing) > self._credit:
            return False
        self._gather(missing)
        self._from = day
        return True

    def among(self, source: Source, window: Window) -> tuple[NDArray[np.integer], Integers]:
        """The place of whom each event is and its day, of those that pass; ``reaches`` said yes."""
        if self._chunk is None:
            return self._at, self._days
        first = int(self._days.searchsorted(window.low_day))
        last = int(self._days.searchsorted(window.high_day, "right"))
        mask = self._in_time(window, slice(first, last))
        if source.where is not None:
            passed = self._passing(source.where)[first:last]
            mask = passed if mask is None else mask & passed
        at, days = self._at[first:last], self._days[first:last]
        return (at, days) if mask is None else (at[mask], days[mask])

    def _in_time(self, window: Window, some: slice) -> Mask | None:
        """Which of some events lie between the instants; None where all do."""
        chunk = self._chunk
        assert chunk is not None
        low, high = window.low_us, window.high_us
        mask: Mask | None = None
        if low is not None and low > chunk.first_time:
            mask = chunk.times.unpack(some) >= low
        if high is not None and high < chunk.last_time:
            before = chunk.times.unpack(some) <= high
            mask = before if mask is None else mask & before
        return mask

    def _passing(self, where: Where) -> Mask:
        found = self._masks.get(where)
        if found is None:
            assert self._chunk is not None
            found = self._masks[where] = passing(where, self._chunk, self._view.spellings)
        return found

    def _gather(self, days: list[int]) -> None:
        found: list[tuple[int, Events]] = []
        for day in days:
            for chunk in self._view.chunks_of(day):
                at = self._candidates.places(chunk.rows)
                if len(at):
                    found.append((day, chunk.unpack(at)))
        if not found:
            return
        self._parts = found + self._parts
        events = concatenate([part for _, part in self._parts])
        self._chunk = chunk_of(events)
        lengths = [len(part) for _, part in self._parts]
        self._days = np.repeat(np.array([day for day, _ in self._parts], np.int64), lengths)
        self._at = self._places.of(events.rows)
        self._masks = {}
