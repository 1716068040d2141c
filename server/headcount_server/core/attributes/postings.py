"""A bitmap per slot (a code, a bin), changed by toggling (slot, row) pairs in bulk.

A *key* is ``slot << 32 | row``. Toggling a pair twice leaves it as it was, so changes can be
collected in any order and applied at once. ``Derived`` puts that off until somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.limits import BLOCK_ROWS

Keys = NDArray[np.uint64]

_SMALL = 64  # rows up to which a bitmap is made from a list
_FEW_SLOTS = 1024  # so many are told apart block by block, more by sorting all keys

_Value = TypeVar("_Value")
_Change = TypeVar("_Change")


def make_keys(slots: NDArray[np.integer], rows: NDArray[np.uint32]) -> Keys:
    """The keys of pairs."""
    return slots.astype(np.uint64) << np.uint64(32) | rows


def toggled(slots: Sequence[BitMap], changes: Sequence[Keys]) -> list[BitMap]:
    """The bitmaps after toggling every key of every array; arguments stay as they are.

    O(keys log keys + the bitmaps of the slots touched).
    """
    keys = changes[0] if len(changes) == 1 else np.concatenate(changes)
    result = list(slots)
    if not len(keys):
        return result
    keys = _odd(np.sort(keys))
    found = (keys >> np.uint64(32)).astype(np.int64)
    rows = keys.astype(np.uint32)
    starts = np.concatenate(([0], np.flatnonzero(found[1:] != found[:-1]) + 1)).tolist()
    if not len(keys):
        return result
    result.extend([bitmaps.EMPTY] * (int(found[-1]) + 1 - len(result)))
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        part = rows[start:stop]
        few = stop - start <= _SMALL
        change = BitMap(part.tolist()) if few else bitmaps.from_sorted(part)
        slot = int(found[start])
        before = result[slot]
        result[slot] = before ^ change if before else change
    return result


def grouped(slots: NDArray[np.integer], rows: NDArray[np.uint32], slot_count: int) -> list[BitMap]:
    """The bitmaps of ``slot_count`` slots from all their pairs; rows are ascending. O(n)."""
    if slot_count > _FEW_SLOTS:
        found = toggled([], [make_keys(slots, rows)])
        return found + [bitmaps.EMPTY] * (slot_count - len(found))
    parts: list[list[NDArray[np.uint32]]] = [[] for _ in range(slot_count)]
    for first in range(0, len(rows), BLOCK_ROWS):
        chunk = slots[first : first + BLOCK_ROWS].astype(np.uint16)
        ordered = rows[first : first + BLOCK_ROWS][np.argsort(chunk, kind="stable")]
        start = 0
        for slot, stop in enumerate(np.cumsum(np.bincount(chunk)).tolist()):
            if stop > start:
                parts[slot].append(ordered[start:stop])
            start = stop
    return [bitmaps.from_sorted(np.concatenate(p)) if p else bitmaps.EMPTY for p in parts]


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

    __slots__ = ("_change", "_is_rooted", "_parent", "_value", "pending")

    def __init__(self, value: _Value | None = None) -> None:
        self._value = value
        self._parent: Derived[_Value, _Change] | None = None
        self._change: _Change | None = None
        self._is_rooted = value is not None
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
        if self._value is None:
            changes: list[_Change] = []
            known: Derived[_Value, _Change] = self
            while known._value is None and known._parent is not None:
                assert known._change is not None
                changes.append(known._change)
                known = known._parent
            changes.reverse()
            value = known._value
            self._value = build() if value is None else apply(value, changes)
            self._parent = None
            self._change = None
            self.pending = 0
        return self._value

    @property
    def known(self) -> _Value | None:
        """The value where it was computed already."""
        return self._value

    def is_rooted(self) -> bool:
        """Whether a value was known, when the chain began, that this one can be derived from."""
        return self._is_rooted or self._value is not None
