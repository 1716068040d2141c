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

_TABLE_MAX = 1 << 24  # rows; up to the last of so many a table says where each stands


class Places:
    """The order of some rows.

    Args:
        base: the rows; not to be modified.

    Attributes:
        base: as given.
        rows: the same, ascending.
        all: the set of all of them.
    """

    def __init__(self, base: BitMap) -> None:
        self.base = base
        self.rows: Rows = bitmaps.to_array(base)
        self.all = (1 << len(self.rows)) - 1
        self._table: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, rows: Rows) -> NDArray[np.intp] | NDArray[np.int32]:
        """Where each of ``rows`` stands, all of which are among the base."""
        if self._table is None and len(self.rows) and int(self.rows[-1]) < _TABLE_MAX:
            # What isn't written takes no memory.
            self._table = np.zeros(int(self.rows[-1]) + 1, np.int32)
            self._table[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return self.rows.searchsorted(rows) if self._table is None else self._table[rows]

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
