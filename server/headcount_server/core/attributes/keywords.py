"""The index of a keywords attribute: an ascending list of codes per row, and a bitmap per code."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.base import Rows, ascending
from headcount_server.core.attributes.coded import CodedIndex, Codes
from headcount_server.core.attributes.postings import Derived, Keys, make_keys
from headcount_server.core.ragged import RaggedColumn
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.texts import Dictionary
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

_CODE_BYTES = 4


class KeywordsIndex(CodedIndex):
    """A set of strings per row; an empty set is missing."""

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self._codes = RaggedColumn()  # rows that hold something -> bytes of their codes

    def counts(self, members: BitMap) -> list[tuple[str, int]]:
        """How many of the members hold each value, without zeros; in order of first writing."""
        # A row may hold several spellings of one value, so bitmaps are united before counting.
        found = ((text, rows.intersection_cardinality(members)) for text, rows in self.values())
        return [(text, count) for text, count in found if count]

    def sizes(self, rows: Rows) -> NDArray[np.int64]:
        """How many values each row holds, 0 where missing; spellings that fold alike are one."""
        joined, lengths = self._codes.gather(rows)
        owners = np.repeat(np.arange(len(rows)), np.maximum(lengths, 0) // _CODE_BYTES)
        values = np.array(self.dictionary.values, np.uint64)[joined.view("<u4")]
        pairs = np.sort(owners.astype(np.uint64) << np.uint64(32) | values)
        first = np.ones(len(pairs), np.bool_)
        first[1:] = pairs[1:] != pairs[:-1]
        owners = (pairs[first] >> np.uint64(32)).astype(np.int64)
        return np.bincount(owners, minlength=len(rows))

    def with_size(self, low: int | None, high: int | None) -> BitMap:
        """Rows that hold from ``low`` to ``high`` values, both included; never a missing one.

        O(rows with a value).
        """
        rows = bitmaps.to_array(self.exists)
        sizes = self.sizes(rows)
        good = np.ones(len(rows), np.bool_)
        if low is not None:
            good &= sizes >= low
        if high is not None:
            good &= sizes <= high
        return bitmaps.from_sorted(rows[good])

    def get(self, row: int) -> tuple[str, ...] | None:
        """The canonical value of one row, or None."""
        return self._read(self._codes.get(row))

    def take(self, rows: Rows) -> list[tuple[str, ...] | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        stored = self._codes.take(rows)
        read = {codes: self._read(codes) for codes in set(stored)}
        return [read[codes] for codes in stored]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        return {"codes": self._codes.nbytes, **self._coded_bytes()}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"spellings": self.dictionary.dump(), "codes": self._codes.dump()}

    def _read(self, codes: bytes | None) -> tuple[str, ...] | None:
        if codes is None:
            return None
        spellings = self.dictionary.spellings
        return tuple(sorted(spellings[code] for code in np.frombuffer(codes, "<u4").tolist()))

    def _encode(self, values: ValueColumn) -> list[bytes | None]:
        """The stored form of each value; spellings get codes in the order of the write."""
        add = self.dictionary.add
        known: dict[tuple[str, ...], bytes] = {}
        result: list[bytes | None] = []
        data: Sequence[tuple[str, ...]] = values.data
        for value, present in zip(data, values.present.tolist(), strict=True):
            if not present:
                result.append(None)
                continue
            codes = known.get(value)
            if codes is None:
                codes = array("I", sorted(map(add, value))).tobytes()
                known[value] = codes
            result.append(codes)
        return result

    def _write(self, rows: Rows, values: ValueColumn) -> BitMap:
        new = self._encode(values)
        order = ascending(rows)
        if order is not None:
            rows = rows[order]
            new = [new[i] for i in order.tolist()]
        fresh = not self.exists
        old: list[bytes | None] = [None] * len(rows) if fresh else self._codes.take(rows)
        differs = np.fromiter((a != b for a, b in zip(old, new, strict=True)), np.bool_, len(rows))
        if not bool(differs.all()):
            places = np.flatnonzero(differs).tolist()
            rows = rows[differs]
            old, new = [old[i] for i in places], [new[i] for i in places]
        self._codes.put(rows, new)
        had = np.fromiter((codes is not None for codes in old), np.bool_, len(old))
        has = np.fromiter((codes is not None for codes in new), np.bool_, len(new))
        self._toggle(np.concatenate([_keys(rows, old), _keys(rows, new)]), bool(had.any()))
        self._exist(rows[has & ~had], rows[had & ~has])
        return bitmaps.from_sorted(rows)

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self._toggle(_keys(gone, self._codes.take(gone)), bool(len(gone)))
        self._codes.remove(gone, at_once=True)
        self.exists = self.exists - rows
        return self._drop_unheld()

    def _pairs(self) -> tuple[Codes, Codes]:
        rows = bitmaps.to_array(self.exists)
        joined, lengths = self._codes.gather(rows)
        return joined.view("<u4"), np.repeat(rows, lengths // _CODE_BYTES)

    def _load(self, parts: Mapping[str, Any]) -> None:
        self.dictionary = Dictionary.load(parts["spellings"])
        self._codes = RaggedColumn.load(parts["codes"])
        known = np.array([bool(text) for text in self.dictionary.spellings], np.bool_)
        for rows, joined, lengths in self._codes.joined_pages():
            if bool((lengths % _CODE_BYTES != 0).any()) or not bool(lengths.all()):
                raise DataLoss(f"attribute {self.schema.name!r}: a list of codes that ends early")
            codes = np.frombuffer(joined.tobytes(), "<u4")
            if int(codes.max()) >= len(known) or not bool(known[codes].all()):
                raise DataLoss(f"attribute {self.schema.name!r}: a code without a spelling")
            pairs = np.repeat(rows, lengths // _CODE_BYTES).astype(np.uint64) << np.uint64(32)
            pairs |= codes
            if not bool((pairs[1:] > pairs[:-1]).all()):
                raise DataLoss(f"attribute {self.schema.name!r}: codes out of order")
            self.exists = self.exists | bitmaps.from_sorted(rows)
        self._postings = Derived()
        self._dropped = True

    def _freeze_parts(self) -> None:
        self._codes = self._codes.freeze()


def _keys(rows: Rows, stored: Sequence[bytes | None]) -> Keys:
    lists = [codes or b"" for codes in stored]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists)) // _CODE_BYTES
    return make_keys(np.frombuffer(b"".join(lists), "<u4"), np.repeat(rows, lengths))
