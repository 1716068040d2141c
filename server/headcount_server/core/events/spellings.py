"""The spellings of one dimension and how many events use each.

Invariants: a spelling's code never changes and is never used again. A spelling that no event uses
any more is forgotten, with its code (erasure). ``Spellings`` only grows; forgetting makes a new
one, so that a reader of the old one sees no change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import Int64s, Mask, Unsigned
from headcount_server.core.texts import Dictionary, OneOf, TextTest
from headcount_server.errors import DataLoss

MISSING = 0xFFFFFFFF  # in ``Coded.codes``
_FEW_CODES = 6  # that many comparisons cost less than a look-up in a table
_TABLES_MAX = 64


@dataclass(frozen=True, slots=True)
class Coded:
    """A dimension's column of a write: ``spellings[codes[i]]``, none where the code is MISSING."""

    spellings: Sequence[str]
    codes: NDArray[np.uint32]


class Spellings:
    """Spelling -> code, with tables of the codes that pass a test."""

    def __init__(self) -> None:
        self._dictionary = Dictionary()
        self._live: list[int] | None = None  # code in the dictionary -> code; None: the same
        self._size = 0  # codes ever given
        self._uses: Int64s = np.zeros(16, dtype=np.int64)
        self._tables: dict[TextTest, tuple[int, Mask]] = {}

    def __len__(self) -> int:
        """How many codes were ever given."""
        return self._size

    def encode(self, column: Sequence[str | None] | Coded) -> NDArray[np.uint32]:
        """Codes plus one, 0 where missing; new spellings get codes by their first place. O(n)."""
        if isinstance(column, Coded):
            return self._encode_coded(column)
        missing = [spelling is None for spelling in column]
        if not any(missing):
            return self._add([spelling for spelling in column if spelling is not None])
        result = np.zeros(len(column), dtype=np.uint32)
        present = ~np.array(missing, dtype=np.bool_)
        result[present] = self._add([spelling for spelling in column if spelling is not None])
        return result

    def count_uses(self, codes: Unsigned) -> None:
        """Note that events with these codes (plus one) came. O(n)."""
        if self._size > len(self._uses):
            grown = np.zeros(max(self._size, 2 * len(self._uses)), dtype=np.int64)
            grown[: len(self._uses)] = self._uses
            self._uses = grown
        np.add.at(self._uses, codes[codes > 0].astype(np.intp) - 1, 1)

    def after_loss(self, codes: Unsigned) -> Spellings:
        """These once events with these codes (plus one) are gone; spellings without use go too.

        O(n), but O(spellings) where one goes.
        """
        lost = codes[codes > 0].astype(np.intp) - 1
        np.subtract.at(self._uses, lost, 1)
        if not bool((self._uses[lost] == 0).any()):
            return self
        kept = [i for i, code in enumerate(self._codes()) if self._uses[code]]
        result = Spellings()
        result._dictionary = Dictionary.load([self._dictionary.spellings[i] for i in kept])
        result._live = [self._codes()[i] for i in kept]
        result._size = self._size
        result._uses = self._uses.copy()
        return result

    def spelling(self, code: int) -> str:
        """The spelling of a code in use. O(1), or O(log codes) once one was forgotten."""
        return self._dictionary.spellings[self._place(code)]

    def values(self, size: int) -> list[str]:
        """The values in use among the first ``size`` codes, each as first written. O(codes)."""
        found = zip(self._codes(), self._dictionary.spellings, self._dictionary.values, strict=True)
        return [s for i, (code, s, value) in enumerate(found) if value == i and code < size]

    def counts(self, size: int) -> list[tuple[str, int]]:
        """The same values, each with how many events have it by now. O(codes)."""
        codes = np.array(list(self._codes()), dtype=np.intp)
        uses = np.zeros(len(codes), dtype=np.int64)
        np.add.at(uses, np.array(self._dictionary.values, dtype=np.intp), self._uses[codes])
        spellings, values = self._dictionary.spellings, self._dictionary.values
        found = zip(codes.tolist(), spellings, values, uses.tolist(), strict=True)
        return [(s, n) for i, (code, s, value, n) in enumerate(found) if value == i and code < size]

    def value_codes(self) -> NDArray[np.uint32]:
        """Code plus one -> the code plus one of the first spelling that folds alike. O(codes)."""
        result = np.zeros(self._size + 1, dtype=np.uint32)
        codes = np.array(list(self._codes()), dtype=np.uint32)
        if len(codes):
            result[codes + 1] = codes[np.array(self._dictionary.values, dtype=np.intp)] + 1
        return result

    def few(self, test: TextTest) -> list[int] | None:
        """The codes plus one that pass, if the test is for values and these are few; else None."""
        if not isinstance(test, OneOf) or len(test.folded) + len(test.exact) > _FEW_CODES:
            return None
        found = self._dictionary.select(test)
        if len(found) > _FEW_CODES:
            return None
        return [(code if self._live is None else self._live[code]) + 1 for code in found]

    def table(self, test: TextTest) -> Mask:
        """Code plus one -> whether the spelling passes; not to be changed.

        O(new codes) where the test was asked before, else as ``Dictionary.select``.
        """
        done, table = self._tables.get(test, (0, np.zeros(1, dtype=np.bool_)))
        if done == len(self._dictionary) and len(table) > self._size:
            return table
        wider = np.zeros(self._size + 1, dtype=np.bool_)
        wider[: len(table)] = table
        wider[np.array(self._passing(test, done), dtype=np.intp) + 1] = True
        if len(self._tables) >= _TABLES_MAX:
            self._tables.pop(next(iter(self._tables)))
        self._tables[test] = (len(self._dictionary), wider)
        return wider

    def dump(self, size: int) -> list[str | None]:
        """Code -> spelling of the first ``size`` codes, None for one forgotten.

        Another thread may add spellings meanwhile: they come after those.
        """
        known = self._dictionary.spellings
        if self._live is None:
            return [*known[:size]]
        result: list[str | None] = [None] * size
        for code, spelling in zip(self._live, known, strict=False):
            if code < size:
                result[code] = spelling
        return result

    @classmethod
    def load(cls, spellings: Sequence[str | None]) -> Spellings:
        """What ``dump`` wrote, with no uses counted yet.

        Raises:
            DataLoss: a spelling stands twice.
        """
        result = cls()
        live = [code for code, spelling in enumerate(spellings) if spelling is not None]
        result._dictionary = Dictionary.load([s for s in spellings if s is not None])
        result._live = None if len(live) == len(spellings) else live
        result._size = len(spellings)
        return result

    def check_uses(self) -> None:
        """Raise DataLoss unless exactly the spellings not forgotten are used by an event."""
        used = np.flatnonzero(self._uses)
        if used.tolist() != list(self._codes()):
            raise DataLoss("events use a spelling that isn't there, or none uses one that is")

    @property
    def nbytes(self) -> int:
        """About how many bytes the dictionary and tables take. O(codes)."""
        characters = sum(map(len, self._dictionary.spellings))
        entries = 420 * len(self._dictionary)  # heads of two strings, entries of dicts and lists
        tables = sum(table.nbytes for _, table in self._tables.values())
        return 2 * characters + entries + self._uses.nbytes + tables

    def _codes(self) -> Sequence[int]:
        return range(self._size) if self._live is None else self._live

    def _place(self, code: int) -> int:
        if self._live is None:
            return code
        place = int(np.searchsorted(self._live, code))
        assert self._live[place] == code, "the code was forgotten"
        return place

    def _add(self, spellings: Sequence[str]) -> NDArray[np.uint32]:
        before = len(self._dictionary)
        codes = self._dictionary.add_all(spellings)
        added = len(self._dictionary) - before
        if self._live is not None:
            self._live.extend(range(self._size, self._size + added))
            codes = np.array(self._live, dtype=np.uint32)[codes] if len(codes) else codes
        self._size += added
        return codes + np.uint32(1)

    def _encode_coded(self, column: Coded) -> NDArray[np.uint32]:
        codes = column.codes
        result = np.zeros(len(codes), dtype=np.uint32)
        present = codes != MISSING
        some = codes[present].astype(np.intp)
        first = np.full(len(column.spellings), -1, dtype=np.int64)
        first[some[::-1]] = np.arange(len(some))[::-1]  # of equal places the last one stays
        used = np.flatnonzero(first >= 0)
        used = used[np.argsort(first[used], kind="stable")]
        translation = np.zeros(len(column.spellings), dtype=np.uint32)
        translation[used] = self._add([column.spellings[int(i)] for i in used])
        result[present] = translation[some]
        return result

    def _passing(self, test: TextTest, done: int) -> list[int]:
        dictionary = self._dictionary
        if not done or isinstance(test, OneOf):
            found = dictionary.select(test)
        else:
            found = [
                code
                for code in range(done, len(dictionary))
                if test.matches(dictionary.spellings[code], dictionary.folds[code])
            ]
        return found if self._live is None else [self._live[code] for code in found]
