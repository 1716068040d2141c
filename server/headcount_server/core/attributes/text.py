"""The index of a text attribute: every value as written, and folded pages that are searched.

Pages are made when first searched and dropped when a value of their block changes. An index and its
frozen copies share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes import scan
from headcount_server.core.attributes.base import AttributeIndex, Rows, ascending, membership
from headcount_server.core.columns import by_block
from headcount_server.core.patterns import Like, Matches
from headcount_server.core.ragged import RaggedColumn
from headcount_server.core.schema import AttributeSchema
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
                page = self._page_of(asked, block) if alone else self._page(block)
                found.append(scan.search(page, test, self._values.take))
        rows = np.concatenate(found) if found else np.empty(0, np.uint32)
        selected = bitmaps.from_sorted(rows)
        return selected if within is None else selected & asked

    def respelled(self, rows: Rows, values: ValueColumn) -> BitMap:
        """Rows that would get another spelling of the value they have."""
        if not bitmaps.from_rows(rows).intersect(self.exists):
            return bitmaps.EMPTY
        new: list[str] = values.data
        return bitmaps.from_rows([
            row
            for row, old, text, present in zip(
                rows.tolist(), self.take(rows), new, values.present.tolist(), strict=True
            )
            if present and old is not None and old != text and fold(old) == fold(text)
        ])  # fmt: skip

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

    def _page(self, block: int) -> scan.Page:
        place = self._pages[block]
        if place.page is None:
            place.page = self._page_of(self.exists, block)
        return place.page

    def _page_of(self, some: BitMap, block: int) -> scan.Page:
        first = block * BLOCK_ROWS
        rows = bitmaps.to_array(some & bitmaps.from_range(first, first + BLOCK_ROWS))
        return scan.make_page(rows, *self._values.gather(rows))

    def _write(self, rows: Rows, values: ValueColumn) -> BitMap:
        new: list[bytes | None] = [
            value.encode() if present else None
            for value, present in zip(values.data, values.present.tolist(), strict=True)
        ]
        order = ascending(rows)
        if order is not None:
            rows = rows[order]
            new = [new[i] for i in order.tolist()]
        has = np.fromiter((value is not None for value in new), np.bool_, len(new))
        had = membership(self.exists, rows)
        if bool(had.any()):
            old = self._values.take(rows)
            differs = np.fromiter(
                (a != b for a, b in zip(old, new, strict=True)), np.bool_, len(rows)
            )
        else:
            differs = has
        if not bool(differs.all()):
            new = [new[i] for i in np.flatnonzero(differs).tolist()]
            rows, had, has = rows[differs], had[differs], has[differs]
        self._values.put(rows, new)
        self._exist(rows[has & ~had], rows[had & ~has])
        self._touch(rows)
        return bitmaps.from_sorted(rows)

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
        """Drop the pages of the rows' blocks; a block has a place while it has values."""
        for block, _ in by_block(rows):
            first = block * BLOCK_ROWS
            if self.exists.range_cardinality(first, first + BLOCK_ROWS):
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
