"""The index of a keyword attribute: a code per row, and a bitmap per code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps, unlocked
from headcount_server.core.attributes.coded import CodedIndex, Codes
from headcount_server.core.attributes.pending import Change, Mask, Rows, Stored, where
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.attributes.postings import Derived, Keys, make_keys
from headcount_server.core.columns import Column
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps, apart
from headcount_server.core.texts import Dictionary, TextTest
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

NO_CODE = 2**32 - 1

# Nanoseconds, about: to look up and count the code of one member, to find a container of a
# spelling, to look for a row of it among many members, to compare one of few members with it.
_CODE_NS, _CONTAINER_NS, _ROW_NS, _FEW_NS = 9, 20, 1, 0.16
_MANY = 1 / 16  # share of the rows from which members are words, of which one is seen at once
_SIZES = 256  # bitmaps whose members are numbered in one step
_CHUNK = 1 << 16  # members whose codes are counted in one step


class KeywordIndex(CodedIndex):
    """One string per row.

    Attributes:
        codes: code of the spelling by row, NO_CODE where missing; not to be modified.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self.codes = Column(np.uint32, NO_CODE)

    def pieces(self, test: TextTest) -> Pieces:
        """The rows of ``select``: spellings of one string each have no row in common."""
        return Pieces(tuple(self.passing(test)))

    def counting(self, members: BitMap) -> Steps[list[tuple[str, int]]]:
        """As said there; by bitmaps where spellings are few, else by the members' codes."""
        held = self.spellings()
        if self.exists.intersection_cardinality(members) == len(self.exists):
            return self._named(held, (yield from _sizes(held)))
        if len(members) * _CODE_NS > self._bitmaps_ns(len(members)):
            return self._named(held, (yield from self._shared(members, held)))
        among = members & self.exists
        cost_ns = len(among) * unlocked.LIST_NS
        rows = yield from apart(partial(unlocked.to_array, among), cost_ns)
        counts = np.zeros(len(held), np.int64)
        for start in range(0, len(rows), _CHUNK):
            codes = self.codes.take(rows[start : start + _CHUNK])
            counts += np.bincount(codes, minlength=len(held))
            yield
        return self._named(held, counts.tolist())

    def get(self, row: int) -> str | None:
        """The canonical value of one row, or None."""
        code = self.codes.get(row)
        return None if code == NO_CODE else self.dictionary.spellings[code]

    def take(self, rows: Rows) -> list[str | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        spellings = self.dictionary.spellings
        codes: list[int] = self.codes.take(rows).tolist()
        return [None if code == NO_CODE else spellings[code] for code in codes]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        return {"codes": self.codes.nbytes, **self._coded_bytes()}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"spellings": self.dictionary.dump(), "codes": self.codes.dump()}

    def _bitmaps_ns(self, members: int) -> float:
        """What it costs to intersect the bitmap of each spelling with so many members."""
        held = len(self.spellings())
        found_ns = held * unlocked.containers(self.exists) * _CONTAINER_NS
        if members >= len(self.exists) * _MANY:
            return found_ns + len(self.exists) * _ROW_NS
        return found_ns + held * members * _FEW_NS

    def _encoded(self, values: ValueColumn) -> Stored:
        """Codes; spellings get them in the order of the write."""
        present = values.present
        if bool(present.all()):
            return self.dictionary.add_all(values.data)
        new = np.full(len(present), NO_CODE, np.uint32)
        given = [v for v, p in zip(values.data, present.tolist(), strict=True) if p]
        new[present] = self.dictionary.add_all(given)
        return new

    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        old = np.full(len(rows), NO_CODE, np.uint32) if is_unseen else self.codes.take(rows)
        return where(Change(rows, old, new, old != NO_CODE, new != NO_CODE), old != new)

    def _respelled(self, change: Change) -> Mask:
        values = self.dictionary.values
        found = np.zeros(len(change.rows), np.bool_)
        for place in np.flatnonzero(change.had & change.has).tolist():
            found[place] = values[change.old[place]] == values[change.new[place]]
        return found

    def _place(self, change: Change) -> None:
        self.codes.put(change.rows, change.new)

    def _keys(self, change: Change) -> Keys:
        had, has = change.had, change.has
        lost = make_keys(change.old[had], change.rows[had])
        return np.concatenate([lost, make_keys(change.new[has], change.rows[has])])

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self._toggle(make_keys(self.codes.take(gone), gone), bool(len(gone)))
        self.codes.put(gone, NO_CODE)
        self.exists = self.exists - rows
        return self._drop_unheld()

    def _pairs(self) -> Iterator[tuple[Codes, Codes]]:
        for rows, codes in self.codes.stored():
            at = self._visible(rows)
            if len(rows[at]):
                yield codes[at], rows[at]

    def _load(self, parts: Mapping[str, Any]) -> None:
        self.dictionary = Dictionary.load(parts["spellings"])
        self.codes = Column.load(parts["codes"])
        if self.codes.dtype != np.uint32 or self.codes.fill != NO_CODE:
            raise DataLoss(f"attribute {self.schema.name!r}: a column of the wrong type")
        known = np.array([True, *map(bool, self.dictionary.spellings)], np.bool_)
        are_all = bool(known.all())
        for _, codes in self.codes.arrays():
            places = codes + np.uint32(1)  # 0 where nothing is stored
            if int(places.max()) >= len(known) or not (are_all or bool(known[places].all())):
                raise DataLoss(f"attribute {self.schema.name!r}: a code without a spelling")
        self.exists = self.codes.rows()
        self._postings = Derived()
        self._dropped = True

    def _freeze_parts(self) -> None:
        self.codes = self.codes.freeze()


def _sizes(held: Sequence[BitMap]) -> Steps[list[int]]:
    """How many members each bitmap has; a step for a millisecond's worth of large ones."""
    sizes: list[int] = []
    for start in range(0, len(held), _SIZES):
        sizes += map(len, held[start : start + _SIZES])
        yield
    return sizes
