"""The index of a keywords attribute: an ascending list of codes per row, and a bitmap per code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.base import membership
from headcount_server.core.attributes.coded import CodedIndex, Codes
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
from headcount_server.core.attributes.postings import Derived, Keys, grouped, make_keys
from headcount_server.core.ragged import RaggedColumn
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps
from headcount_server.core.texts import Dictionary
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

_CODE_BYTES = 4

Integers = NDArray[np.int64]


class KeywordsIndex(CodedIndex):
    """A set of strings per row; an empty set is missing."""

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self._codes = RaggedColumn()  # rows that hold something -> bytes of their codes
        self._sizes: Derived[list[BitMap], BitMap] = Derived()  # number of values -> rows

    def counting(self, members: BitMap) -> Steps[list[tuple[str, int]]]:
        """As said there."""
        # A row may hold several spellings of one value, so bitmaps are united before counting.
        values = self.values()
        counts = yield from self._shared(members, [rows for _, rows in values])
        named = zip(values, counts, strict=True)
        return [(text, count) for (text, _), count in named if count]

    def sizes(self, rows: Rows) -> NDArray[np.int64]:
        """How many values each row holds, 0 where missing; spellings that fold alike are one."""
        return self._sizes_of(*self._codes.gather(rows))

    def codes_of(self, rows: Rows) -> tuple[Integers, Codes]:
        """The codes of the spellings that the rows hold, each with the place of its row in them."""
        joined, lengths = self._codes.gather(rows)
        owners = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0) // _CODE_BYTES)
        return owners, joined.view("<u4")

    def with_size(self, low: int | None, high: int | None) -> BitMap:
        """Rows that hold from ``low`` to ``high`` values, both included; never a missing one."""
        held = self._sizes.get(self._apply_sizes, self._build_sizes)
        stop = len(held) if high is None else min(high + 1, len(held))
        return bitmaps.union(held[max(low or 0, 1) : max(stop, 0)])

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

    def _sizes_of(self, joined: NDArray[np.uint8], lengths: NDArray[np.int64]) -> Integers:
        """How many different values the codes stand for that stand one list after another."""
        known = np.array(self.dictionary.values, np.uint32)
        if bool((known == np.arange(len(known))).all()):
            return np.maximum(lengths, 0) // _CODE_BYTES
        owners = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0) // _CODE_BYTES)
        values = known[joined.view("<u4")].astype(np.uint64)
        pairs = np.sort(owners.astype(np.uint64) << np.uint64(32) | values)
        first = np.ones(len(pairs), np.bool_)
        first[1:] = pairs[1:] != pairs[:-1]
        owners = (pairs[first] >> np.uint64(32)).astype(np.int64)
        return np.bincount(owners, minlength=len(lengths))

    def _build_sizes(self) -> list[BitMap]:
        found = [(np.empty(0, np.uint32), np.empty(0, np.int64))]
        for rows, joined, lengths in self._codes.joined_pages():
            at = self._visible(rows)
            found.append((rows[at], self._sizes_of(joined, lengths)[at]))
        rows, sizes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return grouped(sizes, rows, int(sizes.max(initial=0)) + 1)

    def _apply_sizes(self, held: list[BitMap], changes: list[BitMap]) -> list[BitMap]:
        changed = bitmaps.union(changes)
        if len(changed) * 4 > len(self.exists):
            return self._build_sizes()
        moved = self._grouped_by_size(bitmaps.to_array(changed & self.exists))
        stayed = [rows - changed for rows in held]
        longest = max(len(stayed), len(moved))
        stayed += [bitmaps.EMPTY] * (longest - len(stayed))
        moved += [bitmaps.EMPTY] * (longest - len(moved))
        return [bitmaps.union(pair) for pair in zip(stayed, moved, strict=True)]

    def _grouped_by_size(self, rows: Rows) -> list[BitMap]:
        sizes = self.sizes(rows)
        return grouped(sizes, rows, int(sizes.max(initial=0)) + 1)

    def _resized(self, rows: BitMap) -> None:
        """Notes that these rows changed."""
        after = self._sizes.after(rows, len(rows))
        self._sizes = after if after.is_rooted() else Derived()

    def _read(self, codes: bytes | None) -> tuple[str, ...] | None:
        if codes is None:
            return None
        spellings = self.dictionary.spellings
        return tuple(sorted(spellings[code] for code in np.frombuffer(codes, "<u4").tolist()))

    def _encoded(self, values: ValueColumn) -> Stored:
        """Bytes of codes, or None, of each value; spellings get codes in the order of the write."""
        pairs = zip(values.data, values.present.tolist(), strict=True)
        given: list[tuple[str, ...]] = [value if present else () for value, present in pairs]
        lengths = np.fromiter(map(len, given), np.int64, len(given))
        codes = self.dictionary.add_all(chain.from_iterable(given))
        keys = make_keys(np.repeat(np.arange(len(given), dtype=np.uint32), lengths), codes)
        keys.sort()
        written = keys.astype("<u4").tobytes()
        bounds = [0, *(np.cumsum(lengths) * _CODE_BYTES).tolist()]
        return objects([written[a:b] or None for a, b in pairwise(bounds)])

    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        old = objects([None] * len(rows) if is_unseen else self._codes.take(rows))
        return where(Change(rows, old, new, has_bytes(old), has_bytes(new)), old != new)

    def _respelled(self, change: Change) -> Mask:
        found = np.zeros(len(change.rows), np.bool_)
        for place in np.flatnonzero(change.had & change.has).tolist():
            found[place] = self._values_of(change.old[place]) == self._values_of(change.new[place])
        return found

    def _values_of(self, codes: bytes) -> set[int]:
        return {self.dictionary.values[code] for code in np.frombuffer(codes, "<u4").tolist()}

    def _place(self, change: Change) -> None:
        self._codes.put(change.rows, change.new.tolist())

    def _keys(self, change: Change) -> Keys:
        rows = change.rows
        return np.concatenate([_keys(rows, change.old), _keys(rows, change.new)])

    def _follow(self, pending: Pending) -> None:
        super()._follow(pending)
        self._resized(pending.changed)

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self._toggle(_keys(gone, objects(self._codes.take(gone))), bool(len(gone)))
        self._codes.remove(gone, at_once=True)
        self._resized(rows)
        self.exists = self.exists - rows
        if self._sizes.is_rooted():
            self._sizes.get(self._apply_sizes, self._build_sizes)
        else:
            self._sizes = Derived()
        return self._drop_unheld()

    def _pairs(self) -> Iterator[tuple[Codes, Codes]]:
        for rows, joined, lengths in self._codes.joined_pages():
            codes = np.frombuffer(joined.tobytes(), "<u4")
            owners = np.repeat(rows, lengths // _CODE_BYTES)
            if self._unseen:
                hidden = np.repeat(membership(self._unseen, rows), lengths // _CODE_BYTES)
                codes, owners = codes[~hidden], owners[~hidden]
            if len(codes):
                yield codes, owners

    def _load(self, parts: Mapping[str, Any]) -> None:
        self.dictionary = Dictionary.load(parts["spellings"])
        self._codes = RaggedColumn.load(parts["codes"])
        known = np.array([bool(text) for text in self.dictionary.spellings], np.bool_)
        are_all = bool(known.all())
        for _, joined, lengths in self._codes.joined_pages():
            if bool((lengths % _CODE_BYTES != 0).any()) or not bool(lengths.all()):
                raise DataLoss(f"attribute {self.schema.name!r}: a list of codes that ends early")
            codes = np.frombuffer(joined.tobytes(), "<u4")
            if int(codes.max()) >= len(known) or not (are_all or bool(known[codes].all())):
                raise DataLoss(f"attribute {self.schema.name!r}: a code without a spelling")
            rises = codes[1:] > codes[:-1]
            rises[np.cumsum(lengths[:-1]) // _CODE_BYTES - 1] = True  # from one row to the next
            if not bool(rises.all()):
                raise DataLoss(f"attribute {self.schema.name!r}: codes out of order")
        self.exists = self._codes.rows()
        self._postings = Derived()
        self._dropped = True

    def _freeze_parts(self) -> None:
        self._codes = self._codes.freeze()


def _keys(rows: Rows, stored: Stored) -> Keys:
    lists: list[bytes] = [codes or b"" for codes in stored.tolist()]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists)) // _CODE_BYTES
    return make_keys(np.frombuffer(b"".join(lists), "<u4"), np.repeat(rows, lengths))
