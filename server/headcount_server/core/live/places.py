"""Sets among few rows as integers, whose bit *i* stands for the *i*-th of the rows.

Combining them costs next to nothing.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps

Rows = NDArray[np.uint32]
Mask = NDArray[np.bool_]

TABLE_MAX = 1 << 24  # rows; up to the last of so many a table says where each stands


class Table:
    """Where each of some rows stands among them; used again for others, as they come and go."""

    def __init__(self) -> None:
        self.length = 0
        self._at: NDArray[np.int32] = np.zeros(0, np.int32)

    def fill(self, rows: Rows) -> None:
        """From now on tells of these rows, which are ascending and below ``TABLE_MAX``."""
        self.length = len(rows)
        if not len(rows):
            return
        if len(self._at) <= rows[-1]:
            self._at = np.zeros(int(rows[-1]) + 1, np.int32)  # what isn't written takes no memory
        self._at[rows] = np.arange(len(rows), dtype=np.int32)

    def of(self, rows: Rows) -> NDArray[np.int32]:
        """Where rows stand that are among those it was filled with."""
        return self._at[rows]


class Places:
    """The order of some rows.

    Args:
        base: the rows; not to be modified.
        table: filled with rows that these are among, and not filled with others while this is used;
            None: one is made where it is worth it.

    Attributes:
        base: as given.
        rows: the same, ascending.
        all: the set of all of them.
    """

    def __init__(self, base: BitMap, table: Table | None = None) -> None:
        self.base = base
        self.rows: Rows = bitmaps.to_array(base)
        self.all = (1 << len(self.rows)) - 1
        self._table = table
        self._among: NDArray[np.int32] | None = None  # by what the table tells

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, rows: Rows) -> NDArray[np.intp] | NDArray[np.int32]:
        """Where each of ``rows`` stands, all of which are among the base."""
        if self._table is None and len(self.rows) and int(self.rows[-1]) < TABLE_MAX:
            self._table = Table()
            self._table.fill(self.rows)
        if self._table is None:
            return self.rows.searchsorted(rows)
        at = self._table.of(rows)
        if self._table.length == len(self.rows):
            return at
        if self._among is None:
            self._among = np.zeros(self._table.length, np.int32)
            self._among[self._table.of(self.rows)] = np.arange(len(self.rows), dtype=np.int32)
        return self._among[at]

    def nobody(self) -> Mask:
        """A new mask that holds for none of the rows."""
        return np.zeros(len(self.rows), np.bool_)

    def set_of(self, mask: Mask) -> int:
        """The set of the rows for which a mask holds."""
        return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")

    def set_of_rows(self, rows: BitMap) -> int:
        """The set of some of the rows."""
        if not rows:
            return 0
        mask = self.nobody()
        mask[self.of(bitmaps.to_array(rows))] = True
        return self.set_of(mask)

    def rows_of(self, some: int) -> BitMap:
        """The rows of a set; not to be modified."""
        if not some:
            return bitmaps.EMPTY
        size = (len(self.rows) + 7) // 8
        packed = np.frombuffer(some.to_bytes(size, "little"), np.uint8)
        mask = np.unpackbits(packed, count=len(self.rows), bitorder="little").view(np.bool_)
        return BitMap(array("I", self.rows[mask].tobytes()))
