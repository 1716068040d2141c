"""Cells of latitude and longitude, so that few places are compared with a circle or box one by one.

A place is in exactly one cell of ``_CELL`` degrees. A cell that is sure to lie inside is taken
whole, one that is sure to lie outside is left, those across the edge are looked at. Sure means by
more than arithmetic can err. Distances are on a sphere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps

EARTH_RADIUS_M = 6_371_008.8

_CELL = 0.25  # degrees; its multiples are exact
_BANDS, _COLUMNS = 720, 1440
_CROWDED = 512  # rows from which a cell keeps a bitmap
_DENSE = 32  # a mask of all rows is made where at least every 32nd is taken
_DEGREES_ERR = 1e-9  # of a place against the edges of its cell
_RADIANS_ERR = 1e-6  # of a distance found by chords; 6 m

Rows = NDArray[np.uint32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Exactly = Callable[[Rows], Mask]


class Grid:
    """The rows of each cell that has some.

    Args:
        rows: ascending.
        latitudes: degrees of each.
        longitudes: degrees of each.
    """

    def __init__(self, rows: Rows, latitudes: Floats, longitudes: Floats) -> None:
        band = np.minimum(((latitudes + 90) / _CELL).astype(np.int32), _BANDS - 1)
        column = np.minimum(((longitudes + 180) / _CELL).astype(np.int32), _COLUMNS - 1)
        cells = band * _COLUMNS + column
        order = np.argsort(cells, kind="stable")
        self._rows = rows[order]
        self._cells, starts = np.unique(cells[order], return_index=True)
        self._starts = np.append(starts, len(rows))
        self._crowded = np.diff(self._starts) >= _CROWDED
        self._kept: dict[int, BitMap] = {}
        south = (self._cells // _COLUMNS) * _CELL - 90
        west = (self._cells % _COLUMNS) * _CELL - 180
        self._south, self._west = south, west
        self._centres = unit_vectors(south + _CELL / 2, west + _CELL / 2)
        wide = np.minimum(np.abs(south), np.abs(south + _CELL))  # the side nearer the equator
        corner = unit_vectors(wide, np.zeros(len(south)))
        middle = unit_vectors(np.abs(south + _CELL / 2), np.full(len(south), _CELL / 2))
        self._reach = angles(corner, middle)  # from the centre to the farthest corner

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        kept = sum(map(bitmaps.nbytes, self._kept.values()))
        per_cell = 8 * len(self._cells) * 8
        return self._rows.nbytes + per_cell + kept

    def near(self, latitude: float, longitude: float, radius_m: float, exactly: Exactly) -> BitMap:
        """Rows at most so far from a point.

        Args:
            latitude: degrees of the point.
            longitude: degrees of the point.
            radius_m: metres.
            exactly: tells which rows are.
        """
        angle = radius_m / EARTH_RADIUS_M
        span = np.degrees(angle + _RADIANS_ERR) + _CELL
        low = np.searchsorted(self._south, latitude - span)
        high = np.searchsorted(self._south, latitude + span, side="right")
        centre = unit_vectors(np.array([latitude]), np.array([longitude]))
        away = angles(self._centres[low:high], centre)
        reach = self._reach[low:high] + _RADIANS_ERR
        inner = away + reach <= angle
        across = (away - reach <= angle) & ~inner
        return self._united(int(low), inner, across, exactly)

    def inside(
        self, south: float, west: float, north: float, east: float, exactly: Exactly
    ) -> BitMap:
        """Rows in a box, across the antimeridian where west > east; ``exactly`` as in ``near``."""
        low_lat, low_lon = self._south - _DEGREES_ERR, self._west - _DEGREES_ERR
        across = _CELL + 2 * _DEGREES_ERR
        high_lat, high_lon = low_lat + across, low_lon + across
        from_west, to_east = low_lon >= west, high_lon <= east
        meets_west, meets_east = high_lon >= west, low_lon <= east
        both = west <= east
        inner = (from_west & to_east) if both else (from_west | to_east)
        meets = (meets_west & meets_east) if both else (meets_west | meets_east)
        inner &= (low_lat >= south) & (high_lat <= north)
        meets &= (high_lat >= south) & (low_lat <= north)
        return self._united(0, inner, meets & ~inner, exactly)

    def _united(self, first: int, inner: Mask, across: Mask, exactly: Exactly) -> BitMap:
        """The rows of the cells inside, from the ``first`` on, and those across that pass."""
        crowded = self._crowded[first : first + len(inner)]
        parts = [self._bitmap(first + i) for i in np.flatnonzero(inner & crowded).tolist()]
        single = self._slices(first, inner & ~crowded)
        if across.any():
            edge = np.concatenate(self._slices(first, across))
            single.append(edge[exactly(edge)])
        if single:
            parts.append(self._gathered(np.concatenate(single)))
        return bitmaps.union(parts)

    def _slices(self, first: int, chosen: Mask) -> list[Rows]:
        """The rows of the chosen cells, those of neighbours together."""
        steps = np.diff(chosen.astype(np.int8), prepend=0, append=0)
        starts = self._starts[first + np.flatnonzero(steps == 1)].tolist()
        stops = self._starts[first + np.flatnonzero(steps == -1)].tolist()
        return [self._rows[start:stop] for start, stop in zip(starts, stops, strict=True)]

    def _bitmap(self, place: int) -> BitMap:
        kept = self._kept.get(place)
        if kept is None:
            rows = self._rows[self._starts[place] : self._starts[place + 1]]
            kept = self._kept[place] = bitmaps.from_sorted(rows)
        return kept

    def _gathered(self, rows: Rows) -> BitMap:
        if not len(rows):
            return bitmaps.EMPTY
        last = int(rows.max())
        if len(rows) * _DENSE < last:
            return bitmaps.from_sorted(np.sort(rows))
        mask = np.zeros(last + 1, np.bool_)
        mask[rows] = True
        return bitmaps.from_mask(mask)


def unit_vectors(latitudes: Floats, longitudes: Floats) -> Floats:
    """Places on the unit sphere, of shape (n, 3)."""
    phi, theta = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=1)


def angles(a: Floats, b: Floats) -> Floats:
    """Radians between unit vectors, by the chord; right to 1e-7."""
    chord = np.sqrt(((a - b) ** 2).sum(axis=1))
    return 2 * np.arcsin(np.minimum(chord / 2, 1))


def distances_m(latitudes: Floats, longitudes: Floats, latitude: float, longitude: float) -> Floats:
    """Great-circle distances of places from a point, in metres, on a sphere of the mean radius.

    By Vincenty's formula for a sphere, which is well-conditioned at every distance.
    """
    phi, other = np.radians(latitudes), np.radians(latitude)
    across = np.radians(longitudes - longitude)
    east = np.cos(phi) * np.sin(across)
    north = np.cos(other) * np.sin(phi) - np.sin(other) * np.cos(phi) * np.cos(across)
    towards = np.sin(other) * np.sin(phi) + np.cos(other) * np.cos(phi) * np.cos(across)
    return EARTH_RADIUS_M * np.arctan2(np.hypot(east, north), towards)
