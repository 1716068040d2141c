"""The index of a text attribute: every value as written, and folded pages that are searched.

Pages are made when first searched and dropped when a value of their block changes; one whose values
are written in row order and folded already is a view of them. An index and its frozen copies share
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes import scan
from headcount_server.core.attributes.base import AttributeIndex, membership
from headcount_server.core.attributes.pending import (
    Change,
    Mask,
    Pending,
    Rows,
    Stored,
    has_bytes,
    objects,
    where,
)
from headcount_server.core.columns import by_block
from headcount_server.core.patterns import Like, Matches
from headcount_server.core.ragged import RaggedColumn
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps
from headcount_server.core.texts import TextTest, fold
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss
from headcount_server.limits import BLOCK_ROWS

_FEW = 20  # with fewer than a 20th of the values in question they are read one by one
_ASCII_MAX = 0x7F  # bytes up to this one are characters by themselves
_SOME = 2  # with fewer than half of them, patterns search them alone


class _Place:
    """Holds the page of a block once it is made."""

    __slots__ = ("page",)

    def __init__(self) -> None:
        self.page: scan.Page | None = None


class TextIndex(AttributeIndex):
    """One string per row, most of them different."""

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self._values = RaggedColumn()
        self._pages: dict[int, _Place] = {}  # by block

    def select(self, test: TextTest, within: BitMap | None = None) -> BitMap:
        """Rows whose value passes.

        Args:
            test: the test.
            within: rows to look at, where only they are of interest; the answer holds no others.
        """
        asked = self.exists if within is None else self.exists & within
        if len(asked) * _FEW < len(self.exists):
            rows = bitmaps.to_array(asked)
            return bitmaps.from_sorted(rows[scan.passing(test, self._values.take(rows))])
        alone = isinstance(test, Like | Matches) and len(asked) * _SOME < len(self.exists)
        found: list[Rows] = []
        for block in sorted(self._pages):
            first = block * BLOCK_ROWS
            if within is None or asked.range_cardinality(first, first + BLOCK_ROWS):
                found.append(self._search(block, test, asked if alone else None))
        rows = np.concatenate(found) if found else np.empty(0, np.uint32)
        selected = bitmaps.from_sorted(rows)
        return selected if within is None else selected & asked

    def get(self, row: int) -> str | None:
        """The canonical value of one row, or None."""
        value = self._values.get(row)
        return None if value is None else value.decode()

    def take(self, rows: Rows) -> list[str | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        return [None if value is None else value.decode() for value in self._values.take(rows)]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        made = sum(place.page.nbytes for place in self._pages.values() if place.page)
        exists = bitmaps.nbytes(self.exists)
        return {"values": self._values.nbytes, "pages": made, "exists": exists}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"values": self._values.dump()}

    def _search(self, block: int, test: TextTest, alone: BitMap | None) -> Rows:
        """The rows of a block whose value passes, ascending; of those in ``alone``, if given."""
        if alone is not None:
            rows = _rows_of(alone, block)
            page = scan.make_page(*self._values.gather(rows))
            return rows[scan.search(page, test, lambda places: self._values.take(rows[places]))]
        place = self._pages[block]
        if place.page is None:
            place.page = scan.make_page(*self._values.joined_page(block))
        exists = self.exists
        places = scan.search(
            place.page, test, lambda some: self._values.take(_rows_of(exists, block)[some])
        )
        return _rows_of(exists, block)[places] if len(places) else np.empty(0, np.uint32)

    def _encoded(self, values: ValueColumn) -> Stored:
        """The UTF-8 bytes of each value, or None."""
        pairs = zip(values.data, values.present.tolist(), strict=True)
        return objects([value.encode() if present else None for value, present in pairs])

    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        has = has_bytes(new)
        had = np.zeros(len(rows), np.bool_) if is_unseen else membership(self.exists, rows)
        if not bool(had.any()):
            return where(Change(rows, objects([None] * len(rows)), new, had, has), has)
        old = objects(self._values.take(rows))
        return where(Change(rows, old, new, had, has), old != new)

    def _respelled(self, change: Change) -> Mask:
        found = np.zeros(len(change.rows), np.bool_)
        for place in np.flatnonzero(change.had & change.has).tolist():
            found[place] = fold(change.old[place].decode()) == fold(change.new[place].decode())
        return found

    def _place(self, change: Change) -> None:
        self._values.put(change.rows, change.new.tolist())

    def _noting(self, changes: Sequence[Change], pending: Pending) -> Steps[dict[int, bool]]:
        """Block -> whether it has values after the write, of those in which one changed."""
        blocks: dict[int, bool] = {}
        for change in changes:
            for block, _ in by_block(change.rows):
                first = block * BLOCK_ROWS
                blocks[block] = bool(pending.exists.range_cardinality(first, first + BLOCK_ROWS))
        yield
        return blocks

    def _follow(self, pending: Pending) -> None:
        self._renew(pending.note)

    def erase(self, rows: BitMap) -> BitMap:
        """As of every index; also what rows without a value had once."""
        self._values.remove(bitmaps.to_array(rows - self.exists), at_once=True)
        return super().erase(rows)

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self._values.remove(gone, at_once=True)
        self.exists = self.exists - rows
        self._touch(gone)
        return False

    def _touch(self, rows: Rows) -> None:
        """Drop the pages of the rows' blocks."""
        blocks: dict[int, bool] = {}
        for block, _ in by_block(rows):
            first = block * BLOCK_ROWS
            blocks[block] = bool(self.exists.range_cardinality(first, first + BLOCK_ROWS))
        self._renew(blocks)

    def _renew(self, blocks: Mapping[int, bool]) -> None:
        """Drop pages of blocks; a block has a place while it has values."""
        for block, has_values in blocks.items():
            if has_values:
                self._pages[block] = _Place()
            else:
                self._pages.pop(block, None)

    def _load(self, parts: Mapping[str, Any]) -> None:
        self._values = RaggedColumn.load(parts["values"])
        for rows, joined, lengths in self._values.joined_pages():
            if not bool(lengths.all()):
                raise DataLoss(f"attribute {self.schema.name!r}: an empty string is stored")
            if int(joined.max()) > _ASCII_MAX:
                starts = joined[np.cumsum(lengths) - lengths]
                joined.tobytes().decode()  # raises UnicodeDecodeError, a ValueError
                if bool((starts & 0xC0 == 0x80).any()):
                    raise DataLoss(f"attribute {self.schema.name!r}: a string cut in a character")
            self._pages[int(rows[0]) >> 16] = _Place()
        self.exists = self._values.rows()

    def _freeze_parts(self) -> None:
        self._values = self._values.freeze()
        self._pages = dict(self._pages)


def _rows_of(rows: BitMap, block: int) -> Rows:
    first = block * BLOCK_ROWS
    return bitmaps.to_array(rows & bitmaps.from_range(first, first + BLOCK_ROWS))
