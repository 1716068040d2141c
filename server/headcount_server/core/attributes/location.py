"""The index of a location attribute: latitude and longitude of each row, and a grid over them.

The grid is made when first asked for; rows that move afterwards are looked at one by one, until
they are so many that it is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.base import AttributeIndex
from headcount_server.core.attributes.grid import Grid, distances_m
from headcount_server.core.attributes.pending import (
    Change,
    Mask,
    Pending,
    Rows,
    Stored,
    where,
)
from headcount_server.core.attributes.postings import Derived
from headcount_server.core.columns import Column
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

_NOWHERE = float("nan")
_MOVED_MAX = 4_096  # rows that may move before a grid is made anew, …
_MOVED_PART = 16  # … or as many as this part of them
_PENDING_MAX = 1 << 18  # changes collected before they are dropped with the grid


@dataclass(frozen=True, slots=True)
class _State:
    """A grid, and the rows written or erased since it was made."""

    grid: Grid
    moved: BitMap


class LocationIndex(AttributeIndex):
    """Where everyone is.

    Attributes:
        latitudes: degrees by row, NaN where missing; not to be modified.
        longitudes: the same.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self.latitudes = Column(np.float64, _NOWHERE)
        self.longitudes = Column(np.float64, _NOWHERE)
        self._derived: Derived[_State, BitMap] = Derived()

    def near(self, latitude: float, longitude: float, radius_m: float) -> BitMap:
        """Rows at most ``radius_m`` metres from a point, on the great circle, the edge included.

        O(cells with rows in the band of latitudes + rows in cells across the edge).
        """

        def exactly(rows: Rows) -> Mask:
            places = self.latitudes.take(rows), self.longitudes.take(rows)
            return distances_m(*places, latitude, longitude) <= radius_m  # false for NaN

        return self._asked(lambda grid: grid.near(latitude, longitude, radius_m, exactly), exactly)

    def inside(self, south: float, west: float, north: float, east: float) -> BitMap:
        """Rows in a box of degrees, edges included; across the antimeridian where west > east."""

        def exactly(rows: Rows) -> Mask:
            latitudes, longitudes = self.latitudes.take(rows), self.longitudes.take(rows)
            from_west, to_east = longitudes >= west, longitudes <= east
            between = (from_west & to_east) if west <= east else (from_west | to_east)
            return (latitudes >= south) & (latitudes <= north) & between

        return self._asked(lambda grid: grid.inside(south, west, north, east, exactly), exactly)

    def get(self, row: int) -> tuple[float, float] | None:
        """The canonical value of one row, or None."""
        latitude = self.latitudes.get(row)
        return None if isnan(latitude) else (latitude, self.longitudes.get(row))

    def take(self, rows: Rows) -> list[tuple[float, float] | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        pairs = zip(
            self.latitudes.take(rows).tolist(), self.longitudes.take(rows).tolist(), strict=True
        )
        return [None if isnan(pair[0]) else pair for pair in pairs]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        columns = self.latitudes.nbytes + self.longitudes.nbytes
        grid = self._state().grid.nbytes
        return {"columns": columns, "grid": grid, "exists": bitmaps.nbytes(self.exists)}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"latitudes": self.latitudes.dump(), "longitudes": self.longitudes.dump()}

    def _asked(self, grid: Callable[[Grid], BitMap], exactly: Callable[[Rows], Mask]) -> BitMap:
        """What the grid answers, but for the rows that moved since, which are looked at."""
        state = self._state()
        found = grid(state.grid)
        if not state.moved:
            return found
        rows = bitmaps.to_array(state.moved & self.exists)
        return (found - state.moved) | bitmaps.from_sorted(rows[exactly(rows)])

    def _state(self) -> _State:
        return self._derived.get(self._apply, self._build)

    def _build(self) -> _State:
        rows = bitmaps.to_array(self.exists)
        grid = Grid(rows, self.latitudes.take(rows), self.longitudes.take(rows))
        return _State(grid, bitmaps.EMPTY)

    def _apply(self, state: _State, changes: list[BitMap]) -> _State:
        moved = bitmaps.union([state.moved, *changes])
        if len(moved) > _MOVED_MAX and len(moved) * _MOVED_PART > len(self.exists):
            return self._build()
        return _State(state.grid, moved)

    def _encoded(self, values: ValueColumn) -> Stored:
        """Latitude and longitude, not numbers where missing."""
        return np.where(values.present[:, None], values.data, _NOWHERE)

    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        old = np.full((len(rows), 2), _NOWHERE)
        if not is_unseen:
            old = np.stack([self.latitudes.take(rows), self.longitudes.take(rows)], axis=1)
        had, has = ~np.isnan(old[:, 0]), ~np.isnan(new[:, 0])
        differs = (had | has) & (old != new).any(axis=1)
        return where(Change(rows, old, new, had, has), differs)

    def _place(self, change: Change) -> None:
        self.latitudes.put(change.rows, change.new[:, 0])
        self.longitudes.put(change.rows, change.new[:, 1])

    def _noting(self, changes: Sequence[Change], pending: Pending) -> Steps[None]:
        yield from ()

    def _follow(self, pending: Pending) -> None:
        after = self._derived.after(pending.changed, len(pending.changed))
        kept = after.is_rooted() and after.pending <= _PENDING_MAX
        self._derived = after if kept else Derived()

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self.latitudes.put(gone, _NOWHERE)
        self.longitudes.put(gone, _NOWHERE)
        self.exists = self.exists - rows
        self._derived = Derived()  # the grid knows where they were
        return False

    def _load(self, parts: Mapping[str, Any]) -> None:
        self.latitudes = Column.load(parts["latitudes"])
        self.longitudes = Column.load(parts["longitudes"])
        known: list[BitMap] = []
        for column, limit in ((self.latitudes, 90), (self.longitudes, 180)):
            if column.dtype != np.float64 or not np.isnan(column.fill):
                raise DataLoss(f"attribute {self.schema.name!r}: a column of the wrong type")
            stored = list(column.stored())
            if not all(bool((np.abs(values) <= limit).all()) for _, values in stored):
                raise DataLoss(f"attribute {self.schema.name!r}: a place that doesn't exist")
            known.append(bitmaps.union(bitmaps.from_sorted(rows) for rows, _ in stored))
        if known[0] != known[1]:
            raise DataLoss(f"attribute {self.schema.name!r}: latitudes without longitudes")
        self.exists = known[0]

    def _freeze_parts(self) -> None:
        self.latitudes = self.latitudes.freeze()
        self.longitudes = self.longitudes.freeze()
