"""The rows of a bin in the order of their values, for ranges that end within the bin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.pieces import Pieces

_PARTS = 16  # of about equal size; their first ones together are kept as bitmaps

Integers = NDArray[np.int64]
Rows = NDArray[np.uint32]


class OpenedBin:
    """A bin looked into.

    Args:
        members: the rows of the bin.
        take: gives the values of rows.
    """

    def __init__(self, members: BitMap, take: Callable[[Rows], Integers]) -> None:
        rows = bitmaps.to_array(members)
        values = take(rows)
        order = np.argsort(values, kind="stable")
        self._members = members
        self._rows, self._values = rows[order], values[order]
        self._part = 1 + len(rows) // _PARTS  # rows of a part
        self._firsts: dict[int, BitMap] = {}  # number of parts -> their rows

    def between(self, low: int, high: int) -> Pieces:
        """The rows with ``low <= value <= high``."""
        start = int(np.searchsorted(self._values, np.int64(low)))
        stop = int(np.searchsorted(self._values, np.int64(high), side="right"))
        if stop - start <= self._part:
            return _pieces([bitmaps.from_rows(self._rows[start:stop])], [])
        plus, minus = self._before(stop)
        more, less = self._before(start)
        return _pieces([*plus, *less], [*minus, *more])

    def with_value(self, value: int) -> Rows:
        """The rows with one value, ascending."""
        start = int(np.searchsorted(self._values, np.int64(value)))
        stop = int(np.searchsorted(self._values, np.int64(value), side="right"))
        return self._rows[start:stop]

    @property
    def nbytes(self) -> int:
        """Bytes of memory, without those of the bin itself."""
        return (
            self._rows.nbytes
            + self._values.nbytes
            + sum(map(bitmaps.nbytes, self._firsts.values()))
        )

    def _before(self, place: int) -> tuple[list[BitMap], list[BitMap]]:
        """The first rows, up to but not including a place, as what is added and taken away."""
        if place == len(self._rows):
            return [self._members], []
        parts = (place + self._part // 2) // self._part
        end = min(parts * self._part, len(self._rows))
        first = self._first(parts, end)
        low, high = min(place, end), max(place, end)
        between = bitmaps.from_rows(self._rows[low:high])
        return ([first], [between]) if place < end else ([first, between], [])

    def _first(self, parts: int, end: int) -> BitMap:
        known = self._firsts.get(parts)
        if known is None:
            known = self._firsts[parts] = bitmaps.from_rows(self._rows[:end])
        return known


def _pieces(plus: list[BitMap], minus: list[BitMap]) -> Pieces:
    return Pieces(tuple(filter(None, plus)), tuple(filter(None, minus)))
