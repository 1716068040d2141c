"""Sets as plain 64-bit words over all rows of an audience, for counting combinations of many.

A bitmap has few rows of a block as a list, and combining lists costs by the row. Words cost by the
block, whoever is in it, so a rule over many sets of a few hundredths of the rows is counted for a
fraction. The words of a bitmap that is asked for again are kept, inside a budget of bytes, by the
identity of the bitmap: a published bitmap never changes, and an index that changes has others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from pyroaring import BitMap

from headcount_server.core.dense import Words, cardinality, words_of
from headcount_server.limits import BLOCK_ROWS

BUDGET_BYTES = 64 << 20
_ASKED_MAX = 4_096  # bitmaps asked for once that are remembered
_SPREAD_MAX = 8  # times as many rows in the blocks as there are subscribers, at most
_PARTS_MAX = 64  # sets in one count; most are few
_BLOCK_WORDS = BLOCK_ROWS // 64
# Nanoseconds for each block: words combined, counted, made; bitsets combined.
_COMBINE, _COUNT, _MAKE, _BITSET = 200, 550, 500, 500
_KEPT_MIN = 128  # rows for each block of sets whose words are kept; those of others are soon made
_LIST_MAX = 4_096  # rows of a block that are a list; each takes a nanosecond to look at


class Kind(Enum):
    """How the parts of a combination make its rows."""

    ALL = "all"
    ANY = "any"
    PARITY = "parity"


@dataclass(frozen=True, slots=True)
class Combined:
    """Sets combined.

    Attributes:
        parts: one or more.
        without: taken away from all parts; empty unless the kind is ALL.
    """

    kind: Kind
    parts: tuple[Combined | BitMap, ...]
    without: tuple[Combined | BitMap, ...] = ()


class WordForms:
    """Counts combinations by words where that costs less than bitmaps do.

    Args:
        budget_bytes: what all kept words may take together.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[int, tuple[BitMap, Words]] = OrderedDict()
        self._asked: OrderedDict[int, None] = OrderedDict()  # a number used again does no harm
        self._bytes = 0
        self._blocks = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all kept words."""
        return self._bytes

    def counts(
        self, everyone: BitMap, first: Combined | BitMap, others: Combined | BitMap | None
    ) -> tuple[int, int] | None:
        """How many rows a set has, and how many of them another has (None: all of them).

        None where bitmaps cost less, or a row lies past all of ``everyone``.
        """
        self._lay_out(everyone)
        sets = (first,) if others is None else (first, others)
        found = [bitmap for one in sets for bitmap in _bitmaps_of(one)]
        if not self._blocks or len(found) > _PARTS_MAX:
            return None
        pays = self._pays(sets, found)
        counted = self._counts(first, others) if pays else None
        self._note(found)
        return counted

    def clear(self) -> None:
        """Drop everything, as an erasure must."""
        self._kept.clear()
        self._asked.clear()
        self._bytes = 0

    def _counts(
        self, first: Combined | BitMap, others: Combined | BitMap | None
    ) -> tuple[int, int]:
        words = self._words(first)
        total = cardinality(words)
        if others is None:
            return total, total
        return total, cardinality(words & self._words(others))

    def _lay_out(self, everyone: BitMap) -> None:
        blocks = everyone.max() // BLOCK_ROWS + 1 if everyone else 0
        if blocks > _SPREAD_MAX * (1 + len(everyone) // BLOCK_ROWS):
            blocks = 0
        if blocks != self._blocks:
            self.clear()
            self._blocks = blocks

    def _pays(self, sets: tuple[Combined | BitMap, ...], found: list[BitMap]) -> bool:
        """Whether words cost less; words that will be kept cost nothing to make."""
        blocks = self._blocks
        saved = sum(self._cost(one) for one in sets)
        saved -= len(sets) * blocks * _COUNT + len(found) * blocks * _COMBINE
        if saved <= 0:
            return False
        for bitmap in found:
            if id(bitmap) not in self._kept:
                if bitmap and bitmap.max() >= blocks * BLOCK_ROWS:
                    return False
                if id(bitmap) not in self._asked or not self._is_worth_keeping(bitmap):
                    saved -= blocks * _MAKE + min(len(bitmap), blocks * _LIST_MAX)
        return saved > 0

    def _note(self, asked: list[BitMap]) -> None:
        for bitmap in asked:
            self._asked[id(bitmap)] = None
            self._asked.move_to_end(id(bitmap))
        while len(self._asked) > _ASKED_MAX:
            self._asked.popitem(last=False)

    def _cost(self, one: Combined | BitMap, fewest: int | None = None) -> int:
        """Nanoseconds that bitmaps take at least: to unite all parts, or what the fewest have."""
        if isinstance(one, BitMap):
            rows = len(one) if fewest is None else min(len(one), fewest)
            return self._blocks * _BITSET if rows > self._blocks * _LIST_MAX else rows
        if one.kind is not Kind.ALL:
            return sum(map(self._cost, one.parts))
        fewest = min(sum(map(len, _bitmaps_of(part))) for part in one.parts)
        total = most_saved = 0
        for part in (*one.parts, *one.without):
            if isinstance(part, BitMap):
                total += self._cost(part, fewest)
                continue
            cost = self._cost(part)
            total += cost
            if part.kind is not Kind.ALL:  # the one whose parts are most is counted, not built
                counted = sum(self._cost(one, fewest) for one in _bitmaps_of(part))
                most_saved = max(most_saved, cost - counted // 2)
        return total - most_saved

    def _is_worth_keeping(self, bitmap: BitMap) -> bool:
        is_small = self._blocks * _BLOCK_WORDS * 8 <= self._budget_bytes
        return is_small and len(bitmap) >= self._blocks * _KEPT_MIN

    def _words(self, one: Combined | BitMap) -> Words:
        """The words of a set, not to be modified."""
        if isinstance(one, BitMap):
            return self._words_of(one)
        first, *others = one.parts
        result = self._words(first)
        own: Words | None = None  # the result, once it is nobody else's
        for part in others:
            result = own = _COMBINE_BY[one.kind](result, self._words(part), out=own)
        for part in one.without:
            # What is in the result and not in the part: their union differs from the part in it.
            words = self._words(part)
            own = np.bitwise_or(result, words, out=own)
            result = own = np.bitwise_xor(own, words, out=own)
        return result

    def _words_of(self, bitmap: BitMap) -> Words:
        kept = self._kept.get(id(bitmap))
        if kept is not None:
            self._kept.move_to_end(id(bitmap))
            return kept[1]
        words = words_of(bitmap, self._blocks * _BLOCK_WORDS)
        if id(bitmap) in self._asked and self._is_worth_keeping(bitmap):
            self._kept[id(bitmap)] = (bitmap, words)
            self._bytes += words.nbytes
            while self._bytes > self._budget_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1].nbytes
        return words


_COMBINE_BY = {
    Kind.ALL: np.bitwise_and, Kind.ANY: np.bitwise_or, Kind.PARITY: np.bitwise_xor
}  # fmt: skip


def _bitmaps_of(one: Combined | BitMap) -> Iterator[BitMap]:
    if isinstance(one, BitMap):
        yield one
    else:
        for part in (*one.parts, *one.without):
            yield from _bitmaps_of(part)
