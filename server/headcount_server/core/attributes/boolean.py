"""The index of a boolean attribute: two disjoint bitmaps, which are also the only record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.base import AttributeIndex, membership
from headcount_server.core.attributes.pending import Change, Pending, Rows, Stored, where
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

_FALSE, _TRUE = 1, 2


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

    def _encoded(self, values: ValueColumn) -> Stored:
        """0 where missing, 1 for false, 2 for true."""
        return np.where(values.present, values.data.astype(np.uint8) + 1, 0).astype(np.uint8)

    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        old = np.zeros(len(rows), np.uint8)
        if not is_unseen:
            old[membership(self.false, rows)] = _FALSE
            old[membership(self.true, rows)] = _TRUE
        return where(Change(rows, old, new, old > 0, new > 0), old != new)

    def _place(self, change: Change) -> None:
        pass  # the bitmaps are the only record

    def _noting(self, changes: Sequence[Change], pending: Pending) -> Steps[list[BitMap]]:
        """Who is false and who is true after the write."""
        made: list[BitMap] = []
        for code, held in ((_FALSE, self.false), (_TRUE, self.true)):
            got = [bitmaps.from_sorted(c.rows[c.new == code]) for c in changes]
            made.append(bitmaps.union([held - pending.changed, *got]))
            yield
        return made

    def _follow(self, pending: Pending) -> None:
        self.false, self.true = pending.note

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
