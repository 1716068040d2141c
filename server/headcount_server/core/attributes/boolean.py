"""The index of a boolean attribute: two disjoint bitmaps, which are also the only record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.base import AttributeIndex, Rows, ascending, membership
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss


class BooleanIndex(AttributeIndex):
    """Who is true, who is false.

    Attributes:
        true: rows with the value true; not to be modified.
        false: rows with the value false; not to be modified.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self.true = bitmaps.EMPTY
        self.false = bitmaps.EMPTY

    def rows(self, value: bool) -> BitMap:
        """Rows that are ``value``. O(1)."""
        return self.true if value else self.false

    def counts(self, members: BitMap) -> list[tuple[bool, int]]:
        """How many of the members are true and false, in this order, without zeros."""
        found = ((v, self.rows(v).intersection_cardinality(members)) for v in (True, False))
        return [(value, count) for value, count in found if count]

    def get(self, row: int) -> bool | None:
        """The canonical value of one row, or None."""
        return True if row in self.true else False if row in self.false else None

    def take(self, rows: Rows) -> list[bool | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        distinct, places = np.unique(rows, return_inverse=True)
        is_true = membership(self.true, distinct)[places].tolist()
        is_false = membership(self.false, distinct)[places].tolist()
        return [True if t else False if f else None for t, f in zip(is_true, is_false, strict=True)]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        total = bitmaps.nbytes(self.true) + bitmaps.nbytes(self.false)
        return {"bitmaps": total, "exists": bitmaps.nbytes(self.exists)}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"true": self.true, "false": self.false}

    def _write(self, rows: Rows, values: ValueColumn) -> BitMap:
        order = ascending(rows)
        data, present = values.data, values.present
        if order is not None:
            rows, data, present = rows[order], data[order], present[order]
        true = bitmaps.from_sorted(rows[present & data]) - self.true
        false = bitmaps.from_sorted(rows[present & ~data]) - self.false
        gone = bitmaps.from_sorted(rows[~present]) & self.exists
        changed = bitmaps.union([true, false, gone])
        if changed:
            self.true = (self.true - changed) | true
            self.false = (self.false - changed) | false
            self.exists = self.true | self.false
        return changed

    def _erase(self, rows: BitMap) -> bool:
        self.true = self.true - rows
        self.false = self.false - rows
        self.exists = self.exists - rows
        return False

    def _load(self, parts: Mapping[str, Any]) -> None:
        true, false = parts["true"], parts["false"]
        if true.intersect(false):
            raise DataLoss(f"attribute {self.schema.name!r}: rows that are both true and false")
        self.true, self.false, self.exists = true, false, true | false

    def _freeze_parts(self) -> None:
        pass  # bitmaps are replaced, never changed
