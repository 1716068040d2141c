"""A bitmap per slot (a code, a bin), changed by toggling (slot, row) pairs in bulk.

A *key* is ``slot << 32 | row``. Toggling a pair twice leaves it as it was, so changes can be
collected in any order and applied at once. ``Derived`` puts that off until somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.columns import by_block
from headcount_server.core.steps import Steps, finish

Keys = NDArray[np.uint64]

_SLOT_WORK = 1 << 10  # what a bitmap costs beside its rows, counted in rows, about
_STEP_WORK = 1 << 15  # rows, and what counts as rows, of one step
_SMALL = 64  # rows up to which a bitmap is made from a list
GROUPED_MAX = 1 << 16  # slots numbered in 16 bits, which sort in a fifth of the time

_Value = TypeVar("_Value")
_Change = TypeVar("_Change")


def make_keys(slots: NDArray[np.integer], rows: NDArray[np.uint32]) -> Keys:
    """The keys of pairs."""
    return slots.astype(np.uint64) << np.uint64(32) | rows


def toggled(slots: Sequence[BitMap], changes: Sequence[Keys]) -> list[BitMap]:
    """The bitmaps after toggling every key of every array; arguments stay as they are.

    O(keys log keys + the bitmaps of the slots touched).
    """
    return finish(toggling(slots, changes))


def toggling(slots: Sequence[BitMap], changes: Sequence[Keys]) -> Steps[list[BitMap]]:
    """As ``toggled``, in steps of some slots."""
    keys = changes[0] if len(changes) == 1 else np.concatenate(changes)
    result = list(slots)
    if not len(keys):
        return result
    keys = _odd(np.sort(keys))
    yield
    found = (keys >> np.uint64(32)).astype(np.int64)
    rows = keys.astype(np.uint32)
    starts = np.concatenate(([0], np.flatnonzero(found[1:] != found[:-1]) + 1)).tolist()
    if not len(keys):
        return result
    result.extend([bitmaps.EMPTY] * (int(found[-1]) + 1 - len(result)))
    work = 0
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        part = rows[start:stop]
        few = stop - start <= _SMALL
        change = BitMap(part.tolist()) if few else bitmaps.from_sorted(part)
        slot = int(found[start])
        before = result[slot]
        result[slot] = before ^ change if before else change
        work += stop - start + _SLOT_WORK
        if work > _STEP_WORK:
            work = 0
            yield
    return result


class Grouping:
    """The bitmaps of slots in the making, from all their pairs, a block of rows at a time.

    Args:
        slot_count: ``GROUPED_MAX`` at most.
    """

    def __init__(self, slot_count: int) -> None:
        assert slot_count <= GROUPED_MAX
        self._parts: list[bitmaps.Parts] = [bitmaps.Parts() for _ in range(slot_count)]

    def add(self, slots: NDArray[np.integer], rows: NDArray[np.uint32]) -> None:
        """Take the pairs of a block: its rows ascend, perhaps repeated, and follow those before.

        O(pairs), and O(1) in Python for each slot that stands there.
        """
        found = slots.astype(np.uint16)
        order = np.argsort(found, kind="stable")
        found = found[order]
        local = rows.astype("<u2")[order]
        edges = np.flatnonzero(found[1:] != found[:-1]) + 1
        firsts = found[np.concatenate(([0], edges))].tolist()
        block = int(rows[0]) >> 16
        bounds = [0, *edges.tolist(), len(local)]
        for slot, start, stop in zip(firsts, bounds[:-1], bounds[1:], strict=True):
            self._parts[slot].add(block, local[start:stop])

    def steps(self) -> Steps[list[BitMap]]:
        """Make the bitmaps, one a step; empties this."""
        made: list[BitMap] = []
        for i, parts in enumerate(self._parts):
            made.append(parts.bitmap())
            self._parts[i] = bitmaps.Parts()
            yield
        return made


def grouped(slots: NDArray[np.integer], rows: NDArray[np.uint32], slot_count: int) -> list[BitMap]:
    """The bitmaps of ``slot_count`` slots from all their pairs; rows ascend. O(n)."""
    grouping = Grouping(slot_count)
    for _, at in by_block(rows):
        grouping.add(slots[at], rows[at])
    return finish(grouping.steps())


def _odd(keys: Keys) -> Keys:
    """The sorted keys that stand there an odd number of times, once."""
    if not bool((keys[1:] == keys[:-1]).any()):
        return keys
    distinct, counts = np.unique(keys, return_counts=True)
    return distinct[counts % 2 == 1]


class Derived(Generic[_Value, _Change]):
    """A value that follows from another one and a change, computed when first asked for.

    An index and its frozen copies hold the same one until the index changes; whoever reads first
    computes it for all.

    Attributes:
        pending: sum of the sizes of the changes since the nearest value that was known when the
            chain began.
    """

    __slots__ = ("_change", "_is_asked", "_is_rooted", "_parent", "_value", "pending")

    def __init__(self, value: _Value | None = None) -> None:
        self._value = value
        self._parent: Derived[_Value, _Change] | None = None
        self._change: _Change | None = None
        self._is_rooted = value is not None
        self._is_asked = False
        self.pending = 0

    def after(self, change: _Change, size: int) -> Derived[_Value, _Change]:
        """What follows from a change of some size."""
        child: Derived[_Value, _Change] = Derived()
        child._parent = self
        child._change = change
        child._is_rooted = self.is_rooted()
        child.pending = size + (self.pending if self._value is None else 0)
        return child

    def get(
        self, apply: Callable[[_Value, list[_Change]], _Value], build: Callable[[], _Value]
    ) -> _Value:
        """The value: from the nearest known one by ``apply``, where there is none by ``build``."""
        self._is_asked = True
        if self._value is None:
            chain = self.chain()
            self._take(build() if chain is None else apply(*chain))
            assert self._value is not None
        return self._value

    def chain(self) -> tuple[_Value, list[_Change]] | None:
        """The nearest known value and the changes since; None where there is none."""
        changes: list[_Change] = []
        known: Derived[_Value, _Change] = self
        while known._value is None and known._parent is not None:
            assert known._change is not None
            changes.append(known._change)
            known = known._parent
        changes.reverse()
        return None if known._value is None else (known._value, changes)

    @property
    def known(self) -> _Value | None:
        """The value where it was computed already."""
        return self._value

    @property
    def asked(self) -> _Value | None:
        """The value where somebody asked for it: who writes may keep it up to date."""
        return self._value if self._is_asked else None

    def settling(
        self, current: Callable[[], Derived[_Value, _Change]], steps: Steps[_Value]
    ) -> Iterator[None]:
        """Build the value in small steps; in vain where a read or a change comes first.

        Args:
            current: what the index holds now; another one than this after a change.
            steps: give the value, and are only gone on with as long as nothing changes.
        """
        while self._value is None and current() is self:
            try:
                next(steps)
            except StopIteration as done:
                self._take(done.value)
            yield

    def _take(self, value: _Value) -> None:
        self._value = value
        self._parent = self._change = None
        self.pending = 0

    def is_rooted(self) -> bool:
        """Whether a value was known, when the chain began, that this one can be derived from."""
        return self._is_rooted or self._value is not None
