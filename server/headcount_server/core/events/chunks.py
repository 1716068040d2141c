"""The events of one type on one calendar day, at rest.

A chunk is immutable: events sorted by row, time and write order, in packed columns, under an
``id`` that no other chunk of the process has. Days are tuples of chunks, oldest events first, the
later ones smaller, so that a late event doesn't rewrite its day (as log-structured merge trees do).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import (
    TIME_UNITS,
    Events,
    Index,
    Int64s,
    Mask,
    Measure,
    Packed,
    Rows,
    Unsigned,
    concatenate,
    narrow,
    pack,
    pack_measure,
)
from headcount_server.core.events.sorting import event_order

_ids = count(1)
_TIER = 4  # a chunk is merged into the one before unless that is at least so many times as long


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Packed columns; see the module.

    Attributes:
        id: names these very events for as long as the process lives; never 0.
        codes: dimension -> codes plus one, 0 where missing.
        first_time, last_time: no event is outside, microseconds.
        is_tight: the columns are packed as ``chunk_of`` packs these events.
    """

    id: int
    rows: Rows
    times: Packed
    orders: Packed
    codes: dict[str, Unsigned]
    measures: dict[str, Measure]
    first_time: int
    last_time: int
    is_tight: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    def unpack(self, at: Index = slice(None), names: Sequence[str] | None = None) -> Events:
        """Plain columns of the events at some places.

        Args:
            names: the dimensions and measures to give; None for all.
        """
        measures: dict[str, tuple[Int64s, Mask | None]] = {}
        for name, measure in self.measures.items():
            if names is None or name in names:
                present = None if measure.present is None else measure.present[at]
                measures[name] = (measure.values.unpack(at), present)
        codes = {n: c[at] for n, c in self.codes.items() if names is None or n in names}
        times, orders = self.times.unpack(at), self.orders.unpack(at)
        return Events(self.rows[at], times, orders, codes, measures)

    def take(self, at: Index) -> Chunk:
        """The events at some places, ascending, as they are packed. O(places)."""
        return Chunk(
            next(_ids),
            self.rows[at],
            self.times.take(at),
            self.orders.take(at),
            {name: codes[at] for name, codes in self.codes.items()},
            {name: measure.take(at) for name, measure in self.measures.items()},
            self.first_time,
            self.last_time,
            is_tight=False,
        )

    def between(self, low: int | None, high: int | None) -> Mask | None:
        """Which events have a time in the range (ends included); None where all do. O(n)."""
        mask: Mask | None = None
        if low is not None and low > self.first_time:
            mask = self.times.unpack() >= low
        if high is not None and high < self.last_time:
            before = self.times.unpack() <= high
            mask = before if mask is None else mask & before
        return mask

    def places_of(self, row: int) -> slice:
        """Where the events of a row stand. O(log n)."""
        key = np.uint32(row)
        return slice(int(self.rows.searchsorted(key)), int(self.rows.searchsorted(key, "right")))

    def sizes(self) -> dict[str, int]:
        """Bytes by column."""
        sizes = {
            "rows": self.rows.nbytes,
            "times": self.times.data.nbytes,
            "orders": self.orders.data.nbytes,
        }
        for name, codes in self.codes.items():
            sizes[f"property.{name}"] = codes.nbytes
        for name, measure in self.measures.items():
            present = 0 if measure.present is None else measure.present.nbytes
            sizes[f"property.{name}"] = measure.values.data.nbytes + present
        return sizes


def chunk_of(events: Events) -> Chunk:
    """The chunk of one event or more, which are in order. O(n)."""
    times = pack(events.times, TIME_UNITS)
    last = times.base + times.unit * int(times.data.max())
    return Chunk(
        next(_ids),
        events.rows.copy() if events.rows.base is not None else events.rows,
        times,
        pack(events.orders),
        {name: narrow(codes, int(codes.max())) for name, codes in events.codes.items()},
        {name: pack_measure(*column) for name, column in events.measures.items()},
        times.base,
        last,
    )


def restored(
    rows: Rows, times: Packed, orders: Packed, codes: dict[str, Unsigned],
    measures: dict[str, Measure],
) -> Chunk:  # fmt: skip
    """The chunk of columns that were packed before, one event or more. O(n)."""
    low, high = int(times.data.min()), int(times.data.max())
    first, last = times.base + times.unit * low, times.base + times.unit * high
    return Chunk(next(_ids), rows, times, orders, codes, measures, first, last)


def merged(chunks: Sequence[Chunk]) -> Chunk:
    """One tight chunk of the events of all, which were written in the order of the chunks. O(n)."""
    if len(chunks) == 1 and chunks[0].is_tight:
        return chunks[0]
    events = concatenate([chunk.unpack() for chunk in chunks])
    if len(chunks) > 1:
        events = events.take(event_order(events.rows, events.times))
    return chunk_of(events)


def with_newer(chunks: tuple[Chunk, ...], newer: Chunk) -> tuple[Chunk, ...]:
    """A day's chunks and one written after them. Amortised O(log day / length) for each event."""
    kept = len(chunks)
    size = len(newer)
    while kept and len(chunks[kept - 1]) < _TIER * size:
        kept -= 1
        size += len(chunks[kept])
    return (*chunks[:kept], merged((*chunks[kept:], newer)))


def without_rows(chunk: Chunk, rows: Rows) -> tuple[Chunk | None, Events | None]:
    """The chunk without the events of some rows, and those events; None where there are none.

    O(rows log n) where nothing goes.

    Args:
        rows: ascending, unique.
    """
    gone = places_of_rows(chunk.rows, rows)
    if not len(gone):
        return chunk, None
    keep = np.ones(len(chunk), dtype=np.bool_)
    keep[gone] = False
    lost = chunk.unpack(gone)
    if not keep.any():
        return None, lost
    rest = chunk.take(np.flatnonzero(keep))
    return (merged([rest]) if _is_shaped_by(chunk, lost) else rest), lost


def _is_shaped_by(chunk: Chunk, events: Events) -> bool:
    """Whether what packs a chunk's columns may tell of some of its events."""
    if int(events.times.min()) == chunk.first_time or int(events.times.max()) == chunk.last_time:
        return True
    return any(
        bool((events.measures[name][0] == measure.values.base).any())
        for name, measure in chunk.measures.items()
    )


def places_of_rows(sorted_rows: Rows, wanted: Rows) -> NDArray[np.intp]:
    """The places of the wanted rows (ascending, unique) in one sorted row or more, ascending.

    O(wanted log n + places).
    """
    lefts = sorted_rows.searchsorted(wanted)
    there = sorted_rows[np.minimum(lefts, len(sorted_rows) - 1)] == wanted
    if not there.any():
        return np.zeros(0, dtype=np.intp)
    lefts = lefts[there]
    lengths = sorted_rows.searchsorted(wanted[there], "right") - lefts
    ends = np.cumsum(lengths)
    shifts: NDArray[Any] = np.repeat(lefts - (ends - lengths), lengths)
    return (np.arange(int(ends[-1])) + shifts).astype(np.intp, copy=False)
