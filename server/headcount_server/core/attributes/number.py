"""The index of an integer, decimal, date or timestamp attribute: an int64 per row, and bins.

The column is the truth. Bins answer for whole intervals; only the bins that lie across an end of a
range are looked up in the column. Bins are made when first asked for and follow small changes; they
are chosen anew when half of the values changed, or fewer made them lopsided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes import bins
from headcount_server.core.attributes.base import AttributeIndex, membership
from headcount_server.core.attributes.bins import Bins, Integers
from headcount_server.core.attributes.parts import COUNTS, Part, parts_of
from headcount_server.core.attributes.pending import Change, Pending, Rows, Stored, where
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.attributes.postings import (
    Derived,
    Grouping,
    grouped,
    make_keys,
    toggled,
)
from headcount_server.core.calendar import Calendar
from headcount_server.core.columns import Column, by_block_ascending
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.steps import Steps, finish
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss
from headcount_server.limits import INT64_MAX, INT64_MIN

_PENDING_MAX = 1 << 18  # changes collected before they are applied, read or not
_GATHER_MAX = 20_000  # members, per bucket, up to which their values are looked up


@dataclass(frozen=True, slots=True)
class _Move:
    """Rows (ascending) that lost a value, and rows that got one."""

    lost: Rows
    old: Integers
    got: Rows
    new: Integers


@dataclass(frozen=True, slots=True)
class _Note:
    """What a write does to the bins, and what they are after it if that was made already."""

    moves: list[_Move]
    followed: _State | None


@dataclass(frozen=True, slots=True)
class _State:
    """Bins, and how many changes there were since their edges were chosen."""

    bins: Bins
    changes: int


class NumberIndex(AttributeIndex):
    """One 64-bit integer per row: scaled units, days, or microseconds since 1970."""

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self._values = Column(np.int64, 0)
        self._derived: Derived[_State, _Move] = Derived()
        self._parts: dict[Part, Derived[list[BitMap], _Move]] = {part: Derived() for part in Part}

    def range(self, low: int | None, high: int | None) -> BitMap:
        """Rows with ``low <= value <= high``; None is unbounded, any integers are allowed."""
        return self.range_pieces(low, high).rows()

    def range_count(self, low: int | None, high: int | None, within: BitMap) -> int:
        """How many of ``within`` are in ``range(low, high)``, which isn't materialised."""
        return self.range_pieces(low, high).count(within)

    def range_pieces(self, low: int | None, high: int | None) -> Pieces:
        """The rows of ``range(low, high)`` as a sum of kept unions, bins, and parts of bins."""
        ends = _ends(low, high)
        if ends is None:
            return Pieces(())
        if ends == (INT64_MIN, INT64_MAX):
            return Pieces((self.exists,))
        held = self._bins()
        start, stop, across = held.find(*ends)
        whole = held.between(start, stop, self.exists)
        parts = [held.opened(i, self._values.take).between(*ends) for i in across]
        plus = [rows for one in (whole, *parts) for rows in one.plus]
        minus = [rows for one in (whole, *parts) for rows in one.minus]
        return Pieces(tuple(plus), tuple(minus))

    def values_in(self, values: Sequence[int]) -> BitMap:
        """Rows whose value is one of ``values`` (any order; those past 64 bits match nobody)."""
        wanted = np.array(sorted({v for v in values if INT64_MIN <= v <= INT64_MAX}), np.int64)
        if not len(wanted):
            return bitmaps.EMPTY
        held = self._bins()
        slots = np.searchsorted(held.edges, wanted, side="right") - 1
        parts: list[BitMap] = []
        for slot in np.unique(slots).tolist():
            inside = wanted[slots == slot]
            start, stop, _ = held.find(int(inside[0]), int(inside[-1]))
            if len(inside) == 1 and (start, stop) == (slot, slot + 1):
                parts.append(held.rows[slot])
            elif held.rows[slot]:
                opened = held.opened(slot, self._values.take)
                found = [opened.with_value(value) for value in inside.tolist()]
                parts.append(bitmaps.from_rows(np.concatenate(found)))
        return bitmaps.union(parts)

    def nth(self, place: int, greatest: bool) -> int:
        """The value at a place, from 1, in order from the least or greatest; each of a tie counts.

        Args:
            place: 1 to the number of values.
            greatest: whether the order is falling.
        """
        held = self._bins()
        place = len(self.exists) + 1 - place if greatest else place
        ends = np.cumsum(held.sizes)
        i = int(np.searchsorted(ends, place))
        values = self._values.take(bitmaps.to_array(held.rows[i]))
        nth = place - 1 - int(ends[i] - held.sizes[i])
        return int(np.partition(values, nth)[nth])

    def part_rows(self, part: Part, calendar: Calendar) -> list[BitMap]:
        """Number of a part -> rows of whose value it is the part; not to be modified.

        Args:
            part: of a date or timestamp.
            calendar: of the audience's zone.
        """
        zone = calendar if self.schema.type is AttributeType.TIMESTAMP else None

        def build() -> list[BitMap]:
            rows = bitmaps.to_array(self.exists)
            found = parts_of(part, self._values.take(rows), zone)
            return grouped(found, rows, COUNTS[part])

        def apply(held: list[BitMap], moves: list[_Move]) -> list[BitMap]:
            if sum(len(move.got) for move in moves) * 4 > len(self.exists):
                return build()
            keys = [
                make_keys(parts_of(part, values, zone), rows)
                for move in moves
                for values, rows in ((move.old, move.lost), (move.new, move.got))
            ]
            return toggled(held, keys)

        return self._parts[part].get(apply, build)

    def minimum(self, within: BitMap | None = None) -> int | None:
        """The least value, of all rows or those of ``within``; None where there is none."""
        return self._extreme(within, False)

    def maximum(self, within: BitMap | None = None) -> int | None:
        """The greatest value, of all rows or those of ``within``; None where there is none."""
        return self._extreme(within, True)

    def next_after(self, value: int) -> int | None:
        """The least value greater than ``value`` (of 64 bits); None where there is none.

        O(rows of a bin), and O(bins) where the bins that follow are empty.
        """
        held = self._bins()
        first = int(np.searchsorted(held.edges, value, side="right")) - 1
        for i in (first, *(np.flatnonzero(held.sizes[first + 1 :])[:1] + first + 1).tolist()):
            values = self._values.take(bitmaps.to_array(held.rows[i]))
            values = values[values > value]
            if len(values):
                return int(values.min())
        return None

    def histogram(self, edges: Sequence[int], members: BitMap) -> list[int]:
        """How many of the members lie in each bucket.

        Args:
            edges: ascending; bucket i is ``edges[i] <= value < edges[i + 1]``.
            members: whom to count.
        """
        buckets = max(0, len(edges) - 1)
        if len(members) > _GATHER_MAX * buckets:
            return [self.range_count(edges[i], edges[i + 1] - 1, members) for i in range(buckets)]
        bounds = [min(max(edge, INT64_MIN), INT64_MAX + 1) for edge in edges]
        values = np.sort(self.values_of(members))
        # A bound past the greatest int64 is after everything.
        places = [
            len(values) if b > INT64_MAX else int(np.searchsorted(values, np.int64(b)))
            for b in bounds
        ]
        return [after - before for before, after in pairwise(places)]

    def distinct_counts(self, members: BitMap, limit: int) -> list[tuple[int, int]]:
        """The values of the members and how many have each: most frequent first, then by value.

        Args:
            members: whom to count.
            limit: entries at most.
        """
        values, counts = np.unique(self.values_of(members), return_counts=True)
        order = np.lexsort((values, -counts))[:limit]
        return list(zip(values[order].tolist(), counts[order].tolist(), strict=True))

    def values_of(self, members: BitMap) -> Integers:
        """The values of those members that have one, in the order of their rows."""
        return self._values.take(bitmaps.to_array(members & self.exists))

    def values_of_rows(self, rows: Rows) -> Integers:
        """The value of each row, all of which have one."""
        return self._values.take(rows)

    def settling(self) -> Iterator[None]:
        """As said there."""
        held = self._derived
        if held.known is None:
            if held.is_rooted():
                self._bins()
                yield
            else:
                yield from held.settling(lambda: self._derived, self._building())
        state = self._derived.known
        if state is not None and self._is_worn(state):
            yield from self._choosing_anew()
        if self._derived.known is not None:
            yield from self._bins().settling()

    def get(self, row: int) -> int | None:
        """The canonical value of one row, or None."""
        return self._values.get(row) if row in self.exists else None

    def take(self, rows: Rows) -> list[int | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        distinct, places = np.unique(rows, return_inverse=True)
        present = membership(self.exists, distinct)[places].tolist()
        values: list[int] = self._values.take(rows).tolist()
        return [value if p else None for value, p in zip(values, present, strict=True)]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        exists = bitmaps.nbytes(self.exists)
        return {"values": self._values.nbytes, "bins": self._bins().nbytes(), "exists": exists}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"exists": self.exists, "values": self._values.dump()}

    def _encoded(self, values: ValueColumn) -> Stored:
        """Pairs of the value, 0 where missing, and whether there is one."""
        return np.stack([np.where(values.present, values.data, 0), values.present], axis=1)

    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        value, has = new[:, 0], new[:, 1].astype(np.bool_)
        if is_unseen:
            none = np.zeros(len(rows), np.int64)
            return where(Change(rows, none, value, none.astype(np.bool_), has), has)
        had, old = membership(self.exists, rows), self._values.take(rows)
        return where(Change(rows, old, value, had, has), (old != value) | (had != has))

    def _place(self, change: Change) -> None:
        self._values.put(change.rows, change.new)

    def _noting(self, changes: Sequence[Change], pending: Pending) -> Steps[_Note]:
        moves = [_Move(c.rows[c.had], c.old[c.had], c.rows[c.has], c.new[c.has]) for c in changes]
        if self._derived.pending > _PENDING_MAX:
            yield from self._catching_up()
        known = self._derived.asked
        if known is not None and self._is_worn(known):
            yield from self._choosing_anew()
            known = self._derived.known
        if known is None:
            return _Note(moves, None)
        yield
        return _Note(moves, (yield from self._following(known, moves)))

    def _follow(self, pending: Pending) -> None:
        note: _Note = pending.note
        for move in note.moves:
            size = len(move.lost) + len(move.got)
            for part, derived in self._parts.items():
                after = derived.after(move, size)
                kept = after.is_rooted() and after.pending <= _PENDING_MAX
                self._parts[part] = after if kept else Derived()
            self._derived = self._derived.after(move, size)
        if note.followed is not None:
            self._derived = Derived(note.followed)

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        old = self._values.take(gone)
        state = None
        if self._derived.is_rooted():  # with what was collected, which may be of the erased, too
            state = self._derived.get(self._apply, self._build)
        self._values.put(gone, 0)
        self.exists = self.exists - rows
        self._derived = Derived()
        if state is not None:
            held = state.bins.without(rows, old, self._values.take)
            self._derived = Derived(_State(held, state.changes + len(gone)))
        for part, derived in self._parts.items():
            known = derived.known
            kept = None if known is None else [held - rows for held in known]
            self._parts[part] = Derived(kept)
        return False

    def _catching_up(self) -> Steps[None]:
        """Apply what was collected, or leave all of it to reads and to settling if it is much."""
        held = self._derived
        found = held.chain()
        if found is None or held.pending * 2 >= len(self.exists):
            self._derived = Derived()
        else:
            yield from held.settling(lambda: self._derived, self._following(*found))

    def _bins(self) -> Bins:
        return self._derived.get(self._apply, self._build).bins

    def _apply(self, state: _State, moves: list[_Move]) -> _State:
        if (state.changes + _size(moves)) * 2 > len(self.exists):
            return self._build()
        followed = finish(self._following(state, moves))
        return self._build() if self._is_worn(followed) else followed

    def _following(self, state: _State, moves: Sequence[_Move]) -> Steps[_State]:
        """The same bins after changes."""
        held = state.bins
        keys: list[NDArray[np.uint64]] = []
        for move in moves:
            keys.append(held.keys(move.old, move.lost))
            keys.append(held.keys(move.new, move.got))
            yield
        return _State((yield from held.toggling(keys)), state.changes + _size(moves))

    def _is_worn(self, state: _State) -> bool:
        """Whether so much changed that bins are to be chosen anew."""
        size = len(self.exists)
        return state.changes * 2 > size or (state.changes * 16 > size and state.bins.is_lopsided())

    def _build(self) -> _State:
        return finish(self._building())

    def _building(self) -> Steps[_State]:
        rows = bitmaps.to_array(self.exists)
        edges = bins.choose_edges(self._values.take(rows[:: bins.sample_step(len(rows))]))
        yield
        grouping = Grouping(len(edges))
        for _, at in by_block_ascending(rows):
            some = rows[at]
            grouping.add(bins.slots_of(edges, self._values.take(some)), some)
            yield
        return _State(Bins(edges, (yield from grouping.steps())), 0)

    def _choosing_anew(self) -> Iterator[None]:
        """Bins with other edges, in the place of those that much was written since."""
        held = self._derived
        steps = self._building()
        while self._derived is held:
            try:
                next(steps)
            except StopIteration as done:
                self._derived = Derived(done.value)
            yield

    def _extreme(self, within: BitMap | None, greatest: bool) -> int | None:
        held = self._bins().rows
        for rows in reversed(held) if greatest else held:
            asked = rows if within is None else rows & within
            if asked:
                values = self._values.take(bitmaps.to_array(asked))
                return int(values.max() if greatest else values.min())
        return None

    def _load(self, parts: Mapping[str, Any]) -> None:
        self.exists = parts["exists"]
        self._values = Column.load(parts["values"])
        if self._values.dtype != np.int64 or self._values.fill != 0:
            raise DataLoss(f"attribute {self.schema.name!r}: a column of the wrong type")
        if not isinstance(self.exists, BitMap):
            raise DataLoss(f"attribute {self.schema.name!r}: no bitmap of who has a value")
        if not self._values.rows().issubset(self.exists):
            raise DataLoss(f"attribute {self.schema.name!r}: a value of a row without one")

    def _freeze_parts(self) -> None:
        self._values = self._values.freeze()
        self._parts = dict(self._parts)


def _ends(low: int | None, high: int | None) -> tuple[int, int] | None:
    """The range cut to 64 bits; None where it is empty."""
    low = INT64_MIN if low is None else max(low, INT64_MIN)
    high = INT64_MAX if high is None else min(high, INT64_MAX)
    return (low, high) if low <= high else None


def _size(moves: Sequence[_Move]) -> int:
    return sum(max(len(move.lost), len(move.got)) for move in moves)
