"""Folding: of its events on days long ago a subscriber keeps the first and the last.

Both by (time, write order), without dimensions and measures. So who ever did it, and when first and
last, stays exact. Folding twice, or in parts, gives what folding at once gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.chunks import Chunk, chunk_of, merged, places_of_rows
from headcount_server.core.events.columns import Events, Mask, Rows
from headcount_server.core.steps import Steps


@dataclass(frozen=True, slots=True)
class Folded:
    """What becomes of a day.

    Attributes:
        before: its events until now.
        after: its events from now on; None where none is left.
    """

    before: Chunk
    after: Chunk | None


def rows_of(chunks: Sequence[Chunk]) -> Steps[Rows]:
    """The rows with an event, ascending, each once; a step a chunk. O(events)."""
    found: list[BitMap] = []
    for chunk in chunks:
        found.append(bitmaps.from_rows(chunk.rows))
        yield
    return bitmaps.to_array(bitmaps.union(found))


def fold(days: Mapping[int, Sequence[Chunk]], wanted: Rows) -> Steps[dict[int, Folded]]:
    """The days that change when the events of some rows are folded; a step for each, or two.

    O(events of the days) at most; O(days log events) for few rows.

    Args:
        days: day -> chunks, of all the days to be folded.
        wanted: rows, ascending and unique: all that have an event not folded yet.
    """
    chunks: list[tuple[int, Chunk]] = []
    places: list[NDArray[np.intp]] = []
    for day, parts in days.items():
        chunk = merged(parts)
        at = _places(chunk.rows, wanted)
        if len(at):
            chunks.append((day, chunk))
            places.append(at)
        yield
    if not chunks:
        return {}
    parts = [chunk.unpack(at, ()) for (_, chunk), at in zip(chunks, places, strict=True)]
    yield
    kept = yield from _edges(parts)
    changed: dict[int, Folded] = {}
    start = 0
    for (day, chunk), at in zip(chunks, places, strict=True):
        stays = kept[start : start + len(at)]
        start += len(at)
        if not stays.all() or len(days[day]) > 1 or not _is_bare(chunk):
            changed[day] = Folded(chunk, _bare(chunk, at[~stays]))
        yield
    return changed


def _places(rows: Rows, wanted: Rows) -> NDArray[np.intp]:
    """The places of the wanted rows, ascending."""
    if len(wanted) < len(rows):
        return places_of_rows(rows, wanted)
    found = np.minimum(wanted.searchsorted(rows), len(wanted) - 1)
    return np.flatnonzero(wanted[found] == rows)


def _edges(parts: Sequence[Events]) -> Steps[Mask]:
    """Which of all events are the first or the last of their row; a step for each block of rows.

    O(n log n), and O(n) for each block.
    """
    rows = np.concatenate([part.rows for part in parts])
    times = np.concatenate([part.times for part in parts])
    orders = np.concatenate([part.orders for part in parts])
    yield
    blocks = (rows >> np.uint32(16)).astype(np.uint16)
    kept = np.empty(len(rows), dtype=np.bool_)
    for block in np.flatnonzero(np.bincount(blocks)).tolist():
        at = np.flatnonzero(blocks == block)
        order = at[np.lexsort((orders[at], times[at], rows[at]))]
        by_row = rows[order]
        is_edge = np.ones(len(by_row), dtype=np.bool_)
        is_edge[1:-1] = (by_row[1:-1] != by_row[:-2]) | (by_row[1:-1] != by_row[2:])
        kept[order] = is_edge
        yield
    return kept


def _is_bare(chunk: Chunk) -> bool:
    """Whether no event has a dimension or a measure."""
    if any(bool(codes.any()) for codes in chunk.codes.values()):
        return False
    present = [measure.present for measure in chunk.measures.values()]
    return all(mask is not None and not mask.any() for mask in present)


def _bare(chunk: Chunk, gone: NDArray[np.intp]) -> Chunk | None:
    """The chunk without some events, and without the properties of the others."""
    keep = np.ones(len(chunk), dtype=np.bool_)
    keep[gone] = False
    if not keep.any():
        return None
    events = chunk.unpack(np.flatnonzero(keep), ())
    length = len(events)
    codes = {name: np.zeros(length, dtype=np.uint32) for name in chunk.codes}
    measures = {
        name: (np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.bool_))
        for name in chunk.measures
    }
    return chunk_of(Events(events.rows, events.times, events.orders, {**codes}, {**measures}))
