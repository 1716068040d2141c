"""A hash table from 32-bit hashes to rows, for look-ups of many at once.

Extendible hashing (Fagin et al., 1979): the leading bits of a hash choose a segment of fixed size,
in which linear probing goes round; a segment that fills up is split in two. So growing never stops
for the whole table. It stores rows and their hashes; keys are asked of its owner. What a look-up
finds doesn't depend on where entries lie, so the table is never dumped but built anew.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.steps import Steps

Hashes = NDArray[np.uint32]
Rows = NDArray[np.uint32]
Places = NDArray[np.intp]
Same = Callable[[Places, Rows], NDArray[np.bool_]]

ROW_MAX = 2**32 - 3  # what lies above means something else here

_FREE = np.uint32(2**32 - 1)
_REMOVED = np.uint32(2**32 - 2)
_SEGMENT = 4096  # entries; splitting one takes a fraction of a millisecond
_LOAD_MAX = int(_SEGMENT * 0.7)  # entries in use, removed ones included
_HASH_BITS = 32
_DEPTH_MAX = 20  # leading bits; the others are the place in a segment
_FILLED = _SEGMENT // 2 + _SEGMENT // 8  # entries of a segment, most of which are filled at once
_FILL_ROWS = 1 << 18
_COPIED = 1 << 15  # entries that are copied in one step
_SPARE = 16  # one segment in so many is room enough for the next few thousand rows


class RowTable:
    """Rows by hash."""

    __slots__ = (
        "_depth",
        "_depths",
        "_directory",
        "_hashes",
        "_pool",
        "_segments",
        "_used",
    )

    def __init__(self) -> None:
        self._depth = 0
        self._directory = np.zeros(1, np.int64)  # leading bits of a hash -> segment
        self._pool = np.full(_SEGMENT, _FREE, np.uint32)
        self._hashes = np.zeros(_SEGMENT, np.uint32)  # beside the pool
        self._segments = 1
        self._used = np.zeros(1, np.int64)  # entries that aren't free, by segment
        self._depths = np.zeros(1, np.int64)  # leading bits that all of a segment share

    def find(self, hashes: Hashes, same: Same) -> NDArray[np.int64]:
        """The row of each hash, or -1.

        Args:
            hashes: of what is sought.
            same: tells of places in ``hashes`` and of candidate rows, one each, which belong
                together.
        """
        result = np.full(len(hashes), -1, np.int64)
        bases, offsets = self._start(hashes)
        places = np.arange(len(hashes))
        while len(places):
            rows, offsets = self._probe(bases, offsets, hashes)
            likely = np.flatnonzero(rows != _FREE)
            places, bases, hashes = places[likely], bases[likely], hashes[likely]
            rows, offsets = rows[likely], offsets[likely]
            wrong = ~same(places, rows)
            result[places] = rows
            result[places[wrong]] = -1
            places, bases, hashes = places[wrong], bases[wrong], hashes[wrong]
            offsets = (offsets[wrong] + 1) & (_SEGMENT - 1)
        return result

    def find_one(self, hash_: int, same: Callable[[int], bool]) -> int:
        """The row of one hash, or -1; for a few, far cheaper than ``find``.

        Args:
            hash_: of what is sought.
            same: whether a candidate row is what is sought.
        """
        segment = int(self._directory[hash_ >> _HASH_BITS - self._depth])
        base, offset = segment * _SEGMENT, hash_ & _SEGMENT - 1
        while (row := int(self._pool[base + offset])) != _FREE:
            if row != _REMOVED and int(self._hashes[base + offset]) == hash_ and same(row):
                return row
            offset = (offset + 1) & (_SEGMENT - 1)
        return -1

    def insert(self, hashes: Hashes, rows: Rows) -> None:
        """Add rows that aren't stored yet, each with its hash."""
        for start in range(0, len(rows), _SEGMENT):
            part = slice(start, start + _SEGMENT)
            self._make_room(hashes[part])
            self._place(hashes[part], rows[part])

    def making_room(self) -> Steps[None]:
        """Make room for segments to come, if few are left, in steps of less than a millisecond.

        Rows may be sought between two steps, not added or removed.
        """
        if len(self._used) - self._segments > self._segments // _SPARE:
            return
        more = self._segments // 4
        pool = np.empty(len(self._pool) + more * _SEGMENT, np.uint32)
        hashes = np.empty(len(pool), np.uint32)
        for start in range(0, len(pool), _COPIED):
            part = slice(start, start + _COPIED)
            old = self._pool[part]
            pool[part] = _FREE
            pool[start : start + len(old)] = old
            hashes[start : start + len(old)] = self._hashes[part]
            yield
        self._grow_to(pool, hashes, more)

    def fill(self, hashes: Hashes, rows: Rows) -> None:
        """Add rows to an empty table, each with its hash; far cheaper than ``insert`` for many.

        The segments are made before, of a size at which none has to be split. O(rows).
        """
        assert not bool(self._used.any()), "only an empty table is filled"
        least = (len(rows) // _FILLED).bit_length()
        depth = next((d for d in (least, least + 1) if d and self._fits(hashes, d)), 0)
        if depth:
            self._reserve(depth)
            for start in range(0, len(rows), _FILL_ROWS):
                part = slice(start, start + _FILL_ROWS)
                self._place(hashes[part], rows[part])
        else:
            self.insert(hashes, rows)

    def remove(self, hashes: Hashes, rows: Rows) -> None:
        """Take out rows that are stored, each with its hash."""
        bases, offsets = self._start(hashes)
        sought = rows
        while len(sought):
            places = bases + offsets
            found = self._pool[places] == sought
            assert not bool((self._pool[places] == _FREE).any()), "only stored rows are removed"
            self._pool[places[found]] = _REMOVED
            self._hashes[places[found]] = 0
            sought, bases = sought[~found], bases[~found]
            offsets = (offsets[~found] + 1) & (_SEGMENT - 1)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        arrays = (self._pool, self._hashes, self._directory, self._used, self._depths)
        return sum(array.nbytes for array in arrays)

    def _fits(self, hashes: Hashes, depth: int) -> bool:
        """Whether no segment would be too full if all had that depth."""
        counts = np.bincount(hashes >> np.uint32(_HASH_BITS - depth))
        return int(counts.max(initial=0)) <= _LOAD_MAX

    def _reserve(self, depth: int) -> None:
        """Make empty segments, one for each value of the leading bits."""
        count = 1 << depth
        self._depth = depth
        self._directory = np.arange(count)
        self._pool = np.full(count * _SEGMENT, _FREE, np.uint32)
        self._hashes = np.zeros(count * _SEGMENT, np.uint32)
        self._segments = count
        self._used = np.zeros(count, np.int64)
        self._depths = np.full(count, depth, np.int64)

    def _segments_of(self, hashes: Hashes) -> NDArray[np.int64]:
        if not self._depth:
            return np.zeros(len(hashes), np.int64)
        return self._directory[hashes >> np.uint32(_HASH_BITS - self._depth)]

    def _start(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        offsets = hashes.astype(np.int64) & (_SEGMENT - 1)
        return self._segments_of(hashes) * _SEGMENT, offsets

    def _probe(
        self, bases: NDArray[np.int64], offsets: NDArray[np.int64], hashes: Hashes
    ) -> tuple[Rows, NDArray[np.int64]]:
        """From each place on, the first row of the same hash (or _FREE) and its offset."""
        offsets = offsets.copy()
        result = np.empty(len(bases), np.uint32)
        pending = np.arange(len(bases))
        while len(pending):
            places = bases + offsets[pending]
            rows = self._pool[places]
            result[pending] = rows
            on = (rows != _FREE) & ((self._hashes[places] != hashes) | (rows == _REMOVED))
            pending, bases, hashes = pending[on], bases[on], hashes[on]
            offsets[pending] = (offsets[pending] + 1) & (_SEGMENT - 1)
        return result, offsets

    def _place(self, hashes: Hashes, rows: Rows) -> None:
        """Write entries for which there is room."""
        self._used += np.bincount(self._segments_of(hashes), minlength=len(self._used))
        bases, offsets = self._start(hashes)
        while len(rows):
            places = bases + offsets
            free = self._pool[places] == _FREE
            self._pool[places[free]] = rows[free]  # of two for one place the last one stays
            left = self._pool[places] != rows
            self._hashes[places[~left]] = hashes[~left]
            rows, bases, hashes = rows[left], bases[left], hashes[left]
            offsets = (offsets[left] + 1) & (_SEGMENT - 1)

    def _make_room(self, hashes: Hashes) -> None:
        while True:
            wanted = np.bincount(self._segments_of(hashes), minlength=len(self._used))
            full = np.flatnonzero(self._used + wanted > _LOAD_MAX)
            if not len(full):
                return
            for segment in full.tolist():
                self._rewrite(segment, int(wanted[segment]))

    def _rewrite(self, segment: int, wanted: int) -> None:
        """Drop a segment's removed entries and split it unless that makes the room."""
        span = slice(segment * _SEGMENT, (segment + 1) * _SEGMENT)
        stays = self._pool[span] < _REMOVED
        rows, hashes = self._pool[span][stays], self._hashes[span][stays]
        self._pool[span] = _FREE
        self._used[segment] = 0
        if len(rows) + wanted > _LOAD_MAX:
            self._split(segment)
        self._place(hashes, rows)

    def _split(self, segment: int) -> None:
        depth = int(self._depths[segment])
        assert depth < _DEPTH_MAX, "thousands of keys have the same leading bits"
        if depth == self._depth:
            self._directory = np.repeat(self._directory, 2)
            self._depth += 1
        if self._segments == len(self._used):
            self._grow()
        new = self._segments
        self._segments += 1
        self._depths[[segment, new]] = depth + 1
        # The entries of one segment stand together; the later half has the next bit set.
        entries = np.flatnonzero(self._directory == segment)
        self._directory[entries[len(entries) // 2 :]] = new

    def _grow(self) -> None:
        """Room for a quarter more segments, in one piece."""
        more = max(1, self._segments // 4)
        free = np.full(more * _SEGMENT, _FREE, np.uint32)
        hashes = np.concatenate([self._hashes, free])
        self._grow_to(np.concatenate([self._pool, free]), hashes, more)

    def _grow_to(self, pool: Rows, hashes: Hashes, more: int) -> None:
        self._pool, self._hashes = pool, hashes
        self._used = np.concatenate([self._used, np.zeros(more, np.int64)])
        self._depths = np.concatenate([self._depths, np.zeros(more, np.int64)])
