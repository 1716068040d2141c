"""The events of a span themselves, for rules that look at more than how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.chunks import Chunk, places_of_rows
from headcount_server.core.events.columns import (
    Events,
    Int64s,
    Mask,
    Rows,
    Unsigned,
    concatenate,
)
from headcount_server.core.events.sorting import event_order
from headcount_server.core.events.spans import Window, resolve
from headcount_server.core.events.view import EventView
from headcount_server.core.events.where import passing
from headcount_server.core.plan.event_nodes import Source, Span

_FEW_FACTOR = 8  # tests are made for the candidates alone where these are less of a chunk
_TABLE_FACTOR = 64  # a table of all rows up to the last candidate may be that many times as long


@dataclass(frozen=True, slots=True)
class EventSlice:
    """Events in the order of (row, time, writing), as columns of one length.

    Attributes:
        rows, times, orders: as of ``Events``.
        codes: dimension -> codes plus one, 0 where missing; ``view.spellings[dimension]`` tells
            the spelling and, by ``value_codes``, the value.
        measures: measure -> scaled integers, and which are present (None: all).
    """

    rows: Rows
    times: Int64s
    orders: Int64s
    codes: dict[str, Unsigned]
    measures: dict[str, tuple[Int64s, Mask | None]]

    def __len__(self) -> int:
        return len(self.rows)


def select(
    view: EventView,
    source: Source,
    span: Span,
    within: BitMap | None = None,
    names: Sequence[str] = (),
) -> EventSlice:
    """The events that pass a source's where, in a span, of some subscribers.

    O(events in the span), but O(days × candidates × log) where the candidates are few.

    Args:
        view: of the source's event type.
        within: the candidates; None is everyone.
        names: the dimensions and measures that are wanted.
    """
    window = resolve(span, view.calendar)
    candidates = None if within is None else Candidates(within)
    parts: list[Events] = []
    if window is not None and (candidates is None or len(candidates.rows)):
        for day in view.days_between(*window.days()):
            for chunk in view.chunks_of(day):
                at = passing_places(view, source, chunk, window, candidates)
                if at is None:
                    parts.append(chunk.unpack(names=names))
                elif len(at):
                    parts.append(chunk.unpack(at, names))
    if not parts:
        return _nothing(view, names)
    events = concatenate(parts)
    # Equal times are of one day, whose chunks came in the order of writing.
    events = events.take(event_order(events.rows, events.times))
    return EventSlice(events.rows, events.times, events.orders, events.codes, events.measures)


class Candidates:
    """Subscribers to look for, as ascending rows and, once asked for often, as a table."""

    def __init__(self, rows: BitMap) -> None:
        self.rows: Rows = bitmaps.to_array(rows)
        self._table: Mask | None = None

    def places(self, sorted_rows: Rows) -> NDArray[np.intp]:
        """Where they stand in sorted rows, ascending. The cheaper of three ways."""
        rows = self.rows
        if len(rows) * 8 <= len(sorted_rows):
            return places_of_rows(sorted_rows, rows)
        last = int(rows[-1])
        sorted_rows = sorted_rows[: int(sorted_rows.searchsorted(np.uint32(last), "right"))]
        if last > _TABLE_FACTOR * len(rows):
            near = rows[np.minimum(rows.searchsorted(sorted_rows), len(rows) - 1)]
            return np.flatnonzero(near == sorted_rows)
        if self._table is None:
            self._table = np.zeros(last + 1, dtype=np.bool_)
            self._table[rows] = True
        return np.flatnonzero(self._table[sorted_rows])


def passing_places(
    view: EventView, source: Source, chunk: Chunk, window: Window, candidates: Candidates | None
) -> NDArray[np.intp] | None:
    """Where the events of a chunk stand that are wanted, ascending; None for all of them."""
    if candidates is None:
        mask = _passing(view, source, chunk, window)
        return None if mask is None else np.flatnonzero(mask)
    at = candidates.places(chunk.rows)
    if not len(at):
        return at
    if len(at) * _FEW_FACTOR > len(chunk):
        mask = _passing(view, source, chunk, window)
        return at if mask is None else at[mask[at]]
    mask = _passing(view, source, chunk.take(at), window)
    return at if mask is None else at[mask]


def _passing(view: EventView, source: Source, chunk: Chunk, window: Window) -> Mask | None:
    """Which events pass the where at a time in the window; None where all do."""
    mask = chunk.between(window.low_us, window.high_us)
    if source.where is None:
        return mask
    passed = passing(source.where, chunk, view.spellings)
    return passed if mask is None else mask & passed


def _nothing(view: EventView, names: Sequence[str]) -> EventSlice:
    codes: dict[str, Unsigned] = {
        name: np.zeros(0, dtype=np.uint32) for name in view.schema.dimensions if name in names
    }
    measures: dict[str, tuple[Int64s, Mask | None]] = {
        name: (np.zeros(0, dtype=np.int64), None)
        for name, _ in view.schema.measures
        if name in names
    }
    integers = np.zeros(0, dtype=np.int64)
    return EventSlice(np.zeros(0, dtype=np.uint32), integers, integers, codes, measures)
