"""Partial results of behaviour buckets, inside a budget of bytes.

An entry holds for exactly one *stamp*: what changes the events behind it changes the stamp that a
reader asks with. The entries asked for longest ago go first. One cache serves all event types of an
audience. A value is a counter (see ``counters``), the same as counts by row, or a table (see
``tables``); it is never changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

from headcount_server.core.events import counters
from headcount_server.core.events.counters import Counter, Counts
from headcount_server.core.events.tables import Table

BUDGET_BYTES = 256 << 20
_ENTRY_BYTES = 400  # the objects around an entry
_NUMBERS_MAX = 10_000

Key = tuple[int, ...]  # number of the subject, and what of it
Stamp = tuple[int | tuple[int, ...], ...]
Value = Counter | Counts | Table


class BucketCache:
    """Least recently used values.

    Args:
        budget_bytes: what the entries may take together; one larger than all of it isn't kept.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self.budget_bytes = budget_bytes
        self._entries: OrderedDict[Key, tuple[Stamp, Value, int]] = OrderedDict()
        self._numbers: dict[Hashable, int] = {}
        self._next_number = 0
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self._bytes

    def number(self, subject: Hashable) -> int:
        """The number that stands for a subject in keys. O(1) but for hashing the subject."""
        number = self._numbers.get(subject)
        if number is None:
            if len(self._numbers) >= _NUMBERS_MAX:
                self.clear()
            number = self._numbers[subject] = self._next_number
            self._next_number += 1
        return number

    def get(self, key: Key, stamp: Stamp) -> Counter | None:
        """The counter of an entry, or None where there is none for this stamp."""
        value = self._get(key, stamp)
        assert not isinstance(value, Table | np.ndarray)
        return value

    def get_counts(self, key: Key, stamp: Stamp) -> Counts | None:
        """The counts by row of an entry, or None where there are none for this stamp."""
        value = self._get(key, stamp)
        assert value is None or isinstance(value, np.ndarray)
        return value

    def get_table(self, key: Key, stamp: Stamp) -> Table | None:
        """The table of an entry, or None where there is none for this stamp."""
        value = self._get(key, stamp)
        assert value is None or isinstance(value, Table)
        return value

    def put(self, key: Key, stamp: Stamp, value: Value) -> None:
        """Keep an entry, in place of one for another stamp."""
        size = _size(value)
        self._drop(key)
        if size > self.budget_bytes:
            return
        self._entries[key] = (stamp, value, size)
        self._bytes += size
        while self._bytes > self.budget_bytes:
            self._drop(next(iter(self._entries)))

    def revise(
        self,
        concerns: Callable[[Hashable], bool],
        change: Callable[[Stamp, Value], tuple[Stamp, Value] | None],
    ) -> None:
        """Change or drop (None) every entry of the subjects that ``concerns`` names. O(entries)."""
        others = {number for subject, number in self._numbers.items() if not concerns(subject)}
        for key in [key for key in self._entries if key[0] not in others]:
            stamp, value, size = self._entries[key]
            changed = change(stamp, value)
            if changed is None:
                self._drop(key)
            elif changed[1] is value:
                self._entries[key] = (changed[0], value, size)
            else:
                new_size = _size(changed[1])
                self._entries[key] = (*changed, new_size)
                self._bytes += new_size - size

    def forget(self, concerns: Callable[[Hashable], bool]) -> None:
        """Drop some subjects and every entry of theirs. O(entries)."""
        gone = {number for subject, number in self._numbers.items() if concerns(subject)}
        for key in [key for key in self._entries if key[0] in gone]:
            self._drop(key)
        self._numbers = {s: number for s, number in self._numbers.items() if number not in gone}

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._numbers.clear()
        self._bytes = 0

    def _get(self, key: Key, stamp: Stamp) -> Value | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] != stamp:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[2]


def _size(value: Value) -> int:
    is_array = isinstance(value, Table | np.ndarray)
    members = value.nbytes if is_array else counters.nbytes(value)
    return _ENTRY_BYTES + members
