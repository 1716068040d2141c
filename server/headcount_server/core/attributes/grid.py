"""Cells of latitude and longitude, so that few places are compared with a circle or box one by one.

A place is in exactly one coarse cell, and one fine cell of those that divide it. A cell that is
sure to lie inside is taken whole, one that is sure to lie outside is left; of a crowded coarse cell
across the edge the fine cells are asked, and the places of what is still across are looked at. Sure
means by more than arithmetic can err. Distances are on a sphere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps

EARTH_RADIUS_M = 6_371_008.8

_COARSE = 0.25  # degrees; its multiples are exact
_DIVIDED = 8  # fine cells along each side of a coarse one
_FINE = _COARSE / _DIVIDED
_BANDS, _COLUMNS = 720, 1440  # of coarse cells
_CROWDED = 512  # rows from which a coarse cell has fine ones, and keeps a bitmap
_DENSE = 32  # a mask of all rows is made where at least every 32nd is taken
_DEGREES_ERR = 1e-9  # of a place against the edges of its cell
_RADIANS_ERR = 1e-6  # of a distance found by chords; 6 m

Rows = NDArray[np.uint32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Exactly = Callable[[Rows], Mask]


class _Cells:
    """Cells of one size, in the order of their rows.

    Args:
        south: degrees of the edge, of each cell.
        west: the same.
        size: degrees.
        starts: place of the first row of each cell.
        stops: place after the last row of each cell.
    """

    def __init__(
        self, south: Floats, west: Floats, size: float, starts: Integers, stops: Integers
    ) -> None:
        self.south, self.west, self.size = south, west, size
        self.starts, self.stops = starts, stops
        self._centres = unit_vectors(south + size / 2, west + size / 2)
        wide = np.minimum(np.abs(south), np.abs(south + size))  # the side nearer the equator
        corner = unit_vectors(wide, np.zeros(len(south)))
        middle = unit_vectors(np.abs(south + size / 2), np.full(len(south), size / 2))
        self._reach = angles(corner, middle)  # from the centre to the farthest corner

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        arrays = (self.south, self.west, self.starts, self.stops, self._centres, self._reach)
        return sum(array.nbytes for array in arrays)

    def near(self, chosen: Integers, centre: Floats, angle: float) -> tuple[Mask, Mask]:
        """Which of the chosen cells lie wholly at most an angle from a centre, and partly."""
        away = angles(self._centres[chosen], centre)
        reach = self._reach[chosen] + _RADIANS_ERR
        inner = away + reach <= angle
        return inner, (away - reach <= angle) & ~inner

    def inside(
        self, chosen: Integers, south: float, west: float, north: float, east: float
    ) -> tuple[Mask, Mask]:
        """Which of the chosen cells lie wholly in a box, and partly."""
        low_lat, low_lon = self.south[chosen] - _DEGREES_ERR, self.west[chosen] - _DEGREES_ERR
        across = self.size + 2 * _DEGREES_ERR
        high_lat, high_lon = low_lat + across, low_lon + across
        from_west, to_east = low_lon >= west, high_lon <= east
        meets_west, meets_east = high_lon >= west, low_lon <= east
        both = west <= east
        inner = (from_west & to_east) if both else (from_west | to_east)
        meets = (meets_west & meets_east) if both else (meets_west | meets_east)
        inner &= (low_lat >= south) & (high_lat <= north)
        meets &= (high_lat >= south) & (low_lat <= north)
        return inner, meets & ~inner


Classify = Callable[[_Cells, Integers], tuple[Mask, Mask]]


class Grid:
    """The rows of each cell that has some.

    Args:
        rows: ascending.
        latitudes: degrees of each.
        longitudes: degrees of each.
    """

    def __init__(self, rows: Rows, latitudes: Floats, longitudes: Floats) -> None:
        band, fine_band = _cell(latitudes + 90, _BANDS)
        column, fine_column = _cell(longitudes + 180, _COLUMNS)
        coarse = band * _COLUMNS + column
        within = fine_band * _DIVIDED + fine_column
        keys = coarse * (_DIVIDED * _DIVIDED) + within
        order = np.argsort(keys, kind="stable")
        keys, coarse = keys[order], coarse[order]
        self._rows = rows[order]
        cells, starts = np.unique(coarse, return_index=True)
        stops = np.append(starts[1:], len(rows))
        south = (cells // _COLUMNS).astype(np.float64) * _COARSE - 90
        west = (cells % _COLUMNS).astype(np.float64) * _COARSE - 180
        self._coarse = _Cells(south, west, _COARSE, starts, stops[: len(starts)])
        self._crowded = self._coarse.stops - self._coarse.starts >= _CROWDED
        self._fine = self._divided(keys)
        self._fine_starts = np.searchsorted(self._fine.starts, self._coarse.starts)
        self._fine_stops = np.searchsorted(self._fine.starts, self._coarse.stops)
        self._kept: dict[int, BitMap] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        kept = sum(map(bitmaps.nbytes, self._kept.values()))
        return self._rows.nbytes + self._coarse.nbytes + self._fine.nbytes + kept

    def near(self, latitude: float, longitude: float, radius_m: float, exactly: Exactly) -> BitMap:
        """Rows at most so far from a point.

        Args:
            latitude: degrees of the point.
            longitude: degrees of the point.
            radius_m: metres.
            exactly: tells which rows are.
        """
        angle = radius_m / EARTH_RADIUS_M
        span = np.degrees(angle + _RADIANS_ERR) + _COARSE
        low = int(np.searchsorted(self._coarse.south, latitude - span))
        high = int(np.searchsorted(self._coarse.south, latitude + span, side="right"))
        centre = unit_vectors(np.array([latitude]), np.array([longitude]))
        return self._united(
            np.arange(low, high), lambda cells, chosen: cells.near(chosen, centre, angle), exactly
        )

    def inside(
        self, south: float, west: float, north: float, east: float, exactly: Exactly
    ) -> BitMap:
        """Rows in a box, across the antimeridian where west > east; ``exactly`` as in ``near``."""
        return self._united(
            np.arange(len(self._crowded)),
            lambda cells, chosen: cells.inside(chosen, south, west, north, east),
            exactly,
        )

    def _divided(self, keys: Integers) -> _Cells:
        """The fine cells of the crowded coarse ones."""
        cells, starts = np.unique(keys, return_index=True)
        stops = np.append(starts[1:], len(keys))[: len(starts)]
        parts = _DIVIDED * _DIVIDED
        parents = np.searchsorted(self._coarse.starts, starts, side="right") - 1
        chosen = self._crowded[parents]
        cells, starts, stops = cells[chosen], starts[chosen], stops[chosen]
        south = cells // parts // _COLUMNS * _COARSE - 90 + cells % parts // _DIVIDED * _FINE
        west = cells // parts % _COLUMNS * _COARSE - 180 + cells % _DIVIDED * _FINE
        return _Cells(south, west, _FINE, starts, stops)

    def _united(self, asked: Integers, classify: Classify, exactly: Exactly) -> BitMap:
        """The rows of the cells inside, and those of the cells across that pass."""
        inner, across = classify(self._coarse, asked)
        crowded = self._crowded[asked]
        parts = [self._bitmap(place) for place in asked[inner & crowded].tolist()]
        single = self._slices(self._coarse, asked[inner & ~crowded])
        edge = self._slices(self._coarse, asked[across & ~crowded])
        divided = asked[across & crowded]
        if len(divided):
            ranges = zip(self._fine_starts[divided], self._fine_stops[divided], strict=True)
            fine = np.concatenate([np.arange(start, stop) for start, stop in ranges])
            inner, across = classify(self._fine, fine)
            single += self._slices(self._fine, fine[inner])
            edge += self._slices(self._fine, fine[across])
        if edge:
            rows = np.concatenate(edge)
            single.append(rows[exactly(rows)])
        if single:
            parts.append(self._gathered(np.concatenate(single)))
        return bitmaps.union(parts)

    def _slices(self, cells: _Cells, chosen: Integers) -> list[Rows]:
        """The rows of the chosen cells, which are ascending; those of neighbours together."""
        if not len(chosen):
            return []
        starts, stops = cells.starts[chosen], cells.stops[chosen]
        apart = starts[1:] != stops[:-1]
        firsts = starts[np.append(True, apart)].tolist()
        lasts = stops[np.append(apart, True)].tolist()
        return [self._rows[start:stop] for start, stop in zip(firsts, lasts, strict=True)]

    def _bitmap(self, place: int) -> BitMap:
        kept = self._kept.get(place)
        if kept is None:
            rows = self._rows[self._coarse.starts[place] : self._coarse.stops[place]]
            kept = self._kept[place] = bitmaps.from_rows(rows)
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


def _cell(degrees: Floats, count: int) -> tuple[Integers, Integers]:
    """Coarse cell along one axis, and the fine one in it, of degrees counted from its start."""
    fine = np.minimum((degrees / _FINE).astype(np.int64), count * _DIVIDED - 1)
    return fine // _DIVIDED, fine % _DIVIDED


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
