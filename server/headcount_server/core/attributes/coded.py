"""What keyword and keywords indexes share: spellings with codes, and a bitmap per code.

Spellings that fold alike are one value; it is shown in the spelling of the lowest code that
somebody holds, which is the one written first. A spelling that nobody holds any more is kept until
the next erasure, which drops all such spellings.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps, unlocked
from headcount_server.core.attributes.base import AttributeIndex, membership
from headcount_server.core.attributes.pending import (
    Change,
    Mask,
    Pending,
    part_of_change,
    steps_of,
)
from headcount_server.core.attributes.postings import (
    GROUPED_MAX,
    Derived,
    Grouping,
    Keys,
    make_keys,
    toggled,
    toggling,
)
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps, apart, finish
from headcount_server.core.texts import Dictionary, TextTest

_PENDING_MAX = 1 << 18  # changes collected before they are applied, read or not
_PORTION_NS = 20e6  # of work that is done apart; whoever asked may go away between two

Codes = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Toggled:
    """What a write does to the bitmaps, and the bitmaps after it if they were made already.

    Attributes:
        keys: pairs of code and row.
        postings: code -> rows.
        dropped: whether somebody lost a spelling.
    """

    keys: Keys
    postings: list[BitMap] | None
    dropped: bool


class CodedIndex(AttributeIndex):
    """The part of an index that knows which rows hold which spelling.

    Attributes:
        dictionary: spelling <-> code; a frozen index may see codes here that it knows nobody of.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self.dictionary = Dictionary()
        self._postings: Derived[list[BitMap], Keys] = Derived([])
        self._dropped = False  # whether some spelling may have lost its last holder

    def select(self, test: TextTest) -> BitMap:
        """Rows of which some spelling passes. O(values asked) for OneOf, else O(spellings)."""
        return bitmaps.union(self.passing(test))

    def spellings(self) -> list[BitMap]:
        """Code -> rows that hold the spelling; not to be modified."""
        return self._postings.get(toggled, self._build)

    def values(self) -> list[tuple[str, BitMap]]:
        """Every value that somebody holds, as shown, with its rows; in order of first writing."""
        shown: dict[int, str] = {}
        held: dict[int, list[BitMap]] = {}
        for code, rows in enumerate(self.spellings()):
            if rows:
                value = self.dictionary.values[code]
                shown.setdefault(value, self.dictionary.spellings[code])
                held.setdefault(value, []).append(rows)
        return [(text, bitmaps.union(held[value])) for value, text in shown.items()]

    def counts(self, members: BitMap) -> list[tuple[str, int]]:
        """How many of the members hold each value, without zeros; in order of first writing."""
        return finish(self.counting(members))

    @abstractmethod
    def counting(self, members: BitMap) -> Steps[list[tuple[str, int]]]:
        """As ``counts``; a step for some of the values, apart, or for some of the members."""

    @abstractmethod
    def _keys(self, change: Change) -> Keys:
        """The pairs of code and row that a change toggles."""

    @abstractmethod
    def _pairs(self) -> Iterator[tuple[Codes, Codes]]:
        """The codes and the rows of the pairs of each block, rows ascending, blocks too."""

    def settling(self) -> Iterator[None]:
        """As said there."""
        held = self._postings
        if held.known is not None:
            return
        if held.is_rooted():
            self.spellings()
            yield
            return
        yield from held.settling(lambda: self._postings, self._building())

    def _shared(self, members: BitMap, values: Sequence[BitMap]) -> Steps[list[int]]:
        """How many members each of some bitmaps has, apart and in portions of some milliseconds."""
        counts: list[int] = []
        each_ns = unlocked.containers(members) * unlocked.COUNT_NS
        portion = 1 + int(_PORTION_NS // (each_ns + 1))
        for start in range(0, len(values), portion):
            some = values[start : start + portion]
            work = partial(unlocked.shared_counts, members, some)
            counts += yield from apart(work, len(some) * each_ns)
        return counts

    def passing(self, test: TextTest) -> list[BitMap]:
        """The rows of each spelling that passes and that somebody holds."""
        held = self.spellings()
        codes = (code for code in self.dictionary.select(test) if code < len(held))
        return [rows for code in codes if (rows := held[code])]

    def _build(self) -> list[BitMap]:
        return finish(self._building())

    def _building(self) -> Steps[list[BitMap]]:
        if len(self.dictionary) > GROUPED_MAX:
            return toggled([], [make_keys(codes, rows) for codes, rows in self._pairs()])
        grouping = Grouping(len(self.dictionary))
        for codes, rows in self._pairs():
            grouping.add(codes, rows)
            yield
        return (yield from grouping.steps())

    def _noting(self, changes: Sequence[Change], pending: Pending) -> Steps[Toggled]:
        if self._postings.pending > _PENDING_MAX:
            yield from self._catching_up()
        keys: list[Keys] = []
        dropped = False
        for change in changes:
            dropped |= bool(change.had.any())
            for at in steps_of(len(change.rows)):
                keys.append(self._keys(part_of_change(change, at)))
                yield
        toggles = np.concatenate(keys)
        known = self._postings.asked
        if known is None:
            return Toggled(toggles, None, dropped)
        yield
        return Toggled(toggles, (yield from toggling(known, [toggles])), dropped)

    def _follow(self, pending: Pending) -> None:
        note: Toggled = pending.note
        if note.postings is None:
            self._toggle(note.keys, note.dropped)
        else:
            self._dropped |= note.dropped
            self._postings = Derived(note.postings)

    def _toggle(self, keys: Keys, dropped: bool) -> None:
        self._dropped |= dropped
        self._postings = self._postings.after(keys, len(keys))

    def _catching_up(self) -> Steps[None]:
        """Apply what was collected, or leave all of it to reads and to settling if it is much."""
        held = self._postings
        found = held.chain()
        if found is None or held.pending * 2 >= len(self.exists):
            self._postings = Derived()
        else:
            yield from held.settling(lambda: self._postings, toggling(*found))

    def _visible(self, rows: Codes) -> Mask | slice:
        """The places of the rows (ascending) that may be seen."""
        return ~membership(self._unseen, rows) if self._unseen else slice(None)

    def _named(self, held: Sequence[BitMap], counts: Sequence[int]) -> list[tuple[str, int]]:
        """Counts by code, summed by value, with the values as shown: those that ``held`` shows."""
        shown: dict[int, str] = {}
        sums: dict[int, int] = {}
        for code, (rows, count) in enumerate(zip(held, counts, strict=True)):
            if rows:
                value = self.dictionary.values[code]
                shown.setdefault(value, self.dictionary.spellings[code])
                sums[value] = sums.get(value, 0) + count
        return [(text, sums[value]) for value, text in shown.items() if sums[value]]

    def _drop_unheld(self) -> bool:
        """Forget who held what, and the spellings that nobody holds; whether there were any."""
        if self._postings.is_rooted():
            self.spellings()
        else:
            self._postings = Derived()
        if not self._dropped:
            return False
        self._dropped = False
        held = self.spellings()
        known = self.dictionary.spellings
        unheld = [c for c, s in enumerate(known) if s and (c >= len(held) or not held[c])]
        if unheld:
            self.dictionary = self.dictionary.without(unheld)
        return bool(unheld)

    def _coded_bytes(self) -> dict[str, int]:
        texts = self.dictionary.spellings
        return {
            "bitmaps": sum(map(bitmaps.nbytes, self.spellings())),
            "exists": bitmaps.nbytes(self.exists),
            "dictionary": sum(2 * (len(text) + 56) + 250 for text in texts),
        }
