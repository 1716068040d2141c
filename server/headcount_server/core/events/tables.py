"""What several events of a subscriber come to, as columns by row.

Rows ascend. In a table of totals each row stands once; in a table of values a row stands once for
each of its values. Arrays are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.chunks import places_of_rows
from headcount_server.core.events.columns import Rows

Column = NDArray[np.integer[Any]]

_DENSE_FACTOR = 16  # an array of all rows up to the last may be so many times as long as the events


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of one length.

    Attributes:
        rows: ascending.
        columns: what they mean is the maker's matter.
    """

    rows: Rows
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.rows.nbytes + sum(column.nbytes for column in self.columns)

    def take(self, at: NDArray[np.intp] | NDArray[np.bool_]) -> Table:
        """The lines at some places, ascending."""
        return Table(self.rows[at], tuple(column[at] for column in self.columns))

    def of(self, rows: Rows) -> Table:
        """The lines of some rows, which ascend and are unique. O(rows log n)."""
        if not len(self.rows) or not len(rows):
            return self.take(np.zeros(0, dtype=np.intp))
        return self.take(places_of_rows(self.rows, rows))

    def without(self, rows: BitMap) -> Table:
        """The lines of all but some rows; the same object where none of them has one."""
        wanted = bitmaps.to_array(rows)
        if not len(self.rows) or not len(wanted):
            return self
        gone = places_of_rows(self.rows, wanted)
        if not len(gone):
            return self
        keep = np.ones(len(self.rows), dtype=np.bool_)
        keep[gone] = False
        return self.take(keep)


def stacked(tables: Sequence[Table]) -> Table:
    """The lines of all tables, of which there is one or more, a row's in their order. O(n)."""
    if len(tables) == 1:
        return tables[0]
    rows = np.concatenate([table.rows for table in tables])
    columns = zip(*(table.columns for table in tables), strict=True)
    order = row_order(rows)
    return Table(rows[order], tuple(np.concatenate(column)[order] for column in columns))


def row_order(rows: Rows) -> NDArray[np.intp]:
    """The stable order by row: a radix sort by 16 bits. O(n)."""
    order = np.argsort(rows.astype(np.uint16), kind="stable")
    high = (rows >> np.uint32(16)).astype(np.uint16)
    if high.any():
        order = order[np.argsort(high[order], kind="stable")]
    return order


def is_dense(last_row: int, event_count: int) -> bool:
    """Whether an array by row is the way to add up so many events."""
    return last_row < _DENSE_FACTOR * event_count
