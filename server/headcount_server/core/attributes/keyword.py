"""The index of a keyword attribute: a code per row, and a bitmap per code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps, unlocked
from headcount_server.core.attributes.base import Rows, ascending
from headcount_server.core.attributes.coded import CodedIndex, Codes
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.attributes.postings import Derived, make_keys
from headcount_server.core.columns import Column
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps, apart
from headcount_server.core.texts import Dictionary, TextTest, fold
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
            return self._named(np.array((yield from _sizes(held)), np.int64))
        if len(members) * _CODE_NS > self._bitmaps_ns(len(members)):
            return self._named(np.array((yield from self._shared(members, held)), np.int64))
        among = members & self.exists
        cost_ns = len(among) * unlocked.LIST_NS
        rows = yield from apart(partial(unlocked.to_array, among), cost_ns)
        counts = np.zeros(len(held), np.int64)
        for start in range(0, len(rows), _CHUNK):
            codes = self.codes.take(rows[start : start + _CHUNK])
            counts += np.bincount(codes, minlength=len(held))
            yield
        return self._named(counts)

    def respelled(self, rows: Rows, values: ValueColumn) -> BitMap:
        """Rows that would get another spelling of the value they have."""
        codes = self.codes.take(rows)
        if not bool((codes != NO_CODE).any()):
            return bitmaps.EMPTY
        known, new = self.dictionary, values.data
        return bitmaps.from_rows([
            row
            for row, code, text, present in zip(
                rows.tolist(), codes.tolist(), new, values.present.tolist(), strict=True
            )
            if present and code != NO_CODE
            and known.spellings[code] != text and known.folds[code] == fold(text)
        ])  # fmt: skip

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

    def _write(self, rows: Rows, values: ValueColumn) -> BitMap:
        new = np.full(len(rows), NO_CODE, np.uint32)
        present = values.present
        if bool(present.all()):
            new[:] = self.dictionary.add_all(values.data)
        else:
            given = [v for v, p in zip(values.data, present.tolist(), strict=True) if p]
            new[present] = self.dictionary.add_all(given)
        order = ascending(rows)
        if order is not None:
            rows, new = rows[order], new[order]
        old = self.codes.take(rows)
        differs = old != new
        if not bool(differs.all()):
            rows, old, new = rows[differs], old[differs], new[differs]
        self.codes.put(rows, new)
        had, has = old != NO_CODE, new != NO_CODE
        keys = np.concatenate([make_keys(old[had], rows[had]), make_keys(new[has], rows[has])])
        self._toggle(keys, bool(had.any()))
        self._exist(rows[has & ~had], rows[had & ~has])
        return bitmaps.from_sorted(rows)

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self._toggle(make_keys(self.codes.take(gone), gone), bool(len(gone)))
        self.codes.put(gone, NO_CODE)
        self.exists = self.exists - rows
        return self._drop_unheld()

    def _pairs(self) -> Iterator[tuple[Codes, Codes]]:
        for rows, codes in self.codes.stored():
            yield codes, rows

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
