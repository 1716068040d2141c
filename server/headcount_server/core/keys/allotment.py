"""Which rows are given to new subscribers, by partition.

The row of local number n in partition p lies in block ``(n >> 16) * partitions + p``, there at
``n & 0xffff``. A removed row waits until every index was swept of it, then it is free and given out
before any number that was never used, the smallest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core.bitmaps import EMPTY, from_rows, to_array
from headcount_server.errors import DataLoss, LimitExceeded
from headcount_server.limits import BLOCK_ROWS, ROWS_MAX

_BLOCKS_MAX = ROWS_MAX // BLOCK_ROWS - 1  # the last block is left free for special values


class Allotment:
    """The next local number of each partition, the waiting rows and the free ones."""

    __slots__ = ("_free", "_next", "_waiting", "partitions")

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._next = np.zeros(partitions, np.int64)
        self._free: dict[int, NDArray[np.int64]] = {}  # partition -> ascending local numbers
        self._waiting = EMPTY

    def allot(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """A row for each new subscriber, in the order of the log, by the hash of the key.

        Raises:
            LimitExceeded: a partition has no row left; none was given out.
        """
        partitions = (hashes % np.uint64(self.partitions)).astype(np.int64)
        order = np.argsort(partitions, kind="stable")
        sorted_ = partitions[order]
        starts = np.searchsorted(sorted_, np.arange(self.partitions))
        ranks = np.arange(len(order)) - starts[sorted_]
        counts = np.bincount(sorted_, minlength=self.partitions)
        reused = np.zeros(self.partitions, np.int64)
        for partition, free in self._free.items():
            reused[partition] = min(len(free), int(counts[partition]))
        local = self._next[sorted_] + ranks - reused[sorted_]
        for partition in np.flatnonzero(reused).tolist():
            start, count = int(starts[partition]), int(reused[partition])
            local[start : start + count] = self._free[partition][:count]
        blocks = (local // BLOCK_ROWS) * self.partitions + sorted_
        if int(blocks.max(initial=0)) >= _BLOCKS_MAX:
            raise LimitExceeded("the audience's rows are used up", limit="rows")
        self._next += counts - reused
        for partition in np.flatnonzero(reused).tolist():
            self._free[partition] = self._free[partition][int(reused[partition]) :]
        rows = np.empty(len(order), np.uint32)
        rows[order] = blocks * BLOCK_ROWS + local % BLOCK_ROWS
        return rows

    def retire(self, rows: BitMap) -> None:
        """Keep removed rows from being given out."""
        self._waiting = self._waiting | rows

    def is_waiting(self, rows: NDArray[np.uint32]) -> bool:
        """Whether any of the rows was removed and not released."""
        return bool(self._waiting) and self._waiting.intersect(from_rows(rows))

    def release(self, rows: BitMap, reusable: bool) -> None:
        """End the wait of rows; with ``reusable`` they are free now."""
        assert rows.issubset(self._waiting), "only removed rows are released"
        self._waiting = self._waiting - rows
        if reusable:
            self._add_free(rows)

    def freeze(self) -> Allotment:
        """A copy that later changes don't reach. O(partitions)."""
        frozen = Allotment(self.partitions)
        frozen._next = self._next.copy()
        frozen._free = dict(self._free)
        frozen._waiting = self._waiting
        return frozen

    def dump(self) -> dict[str, Any]:
        """Plain data."""
        return {"next": self._next.copy(), "free": self._free_rows(), "waiting": self._waiting}

    @classmethod
    def load(cls, parts: Mapping[str, Any]) -> Allotment:
        """The allotment of dumped data; the caller turns errors of its shape into DataLoss."""
        next_ = parts["next"]
        if next_.dtype != np.int64 or next_.ndim != 1 or not 1 <= len(next_) <= 4096:
            raise DataLoss("the partitions of a key directory have the wrong type or number")
        allotment = cls(len(next_))
        allotment._next = next_.copy()
        allotment._waiting = parts["waiting"]
        allotment._add_free(parts["free"])
        return allotment

    def check(self, everyone: BitMap, numbered: bool) -> None:
        """Raise DataLoss unless these rows, the waiting and the free ones are apart and given out.

        Args:
            everyone: rows of existing subscribers.
            numbered: whether rows were given out here.
        """
        free = self._free_rows()
        if everyone.intersect(free) or everyone.intersect(self._waiting):
            raise DataLoss("a key directory has free rows that are in use")
        if free.intersect(self._waiting) or bool((self._next < 0).any()):
            raise DataLoss("a key directory has rows that are free and not free")
        if numbered:
            rows = to_array(everyone | free | self._waiting)
            blocks = (rows >> np.uint32(16)).astype(np.uint16)
            is_last = np.append(blocks[1:] != blocks[:-1], True)[: len(rows)]  # of its block
            partitions, local = self._split(rows[is_last])
            given = int(self._next.sum())
            if len(rows) != given or bool((local >= self._next[partitions]).any()):
                raise DataLoss("a key directory has rows that were never given out")

    def _split(self, rows: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        blocks = rows.astype(np.int64) // BLOCK_ROWS
        local = blocks // self.partitions * BLOCK_ROWS + rows % np.uint32(BLOCK_ROWS)
        return blocks % self.partitions, local

    def _add_free(self, rows: BitMap) -> None:
        partitions, local = self._split(to_array(rows))
        for partition in np.unique(partitions).tolist():
            freed = local[partitions == partition]
            old = self._free.get(partition)
            self._free[partition] = np.sort(freed if old is None else np.append(old, freed))

    def _free_rows(self) -> BitMap:
        parts = [
            (local // BLOCK_ROWS * self.partitions + partition) * BLOCK_ROWS + local % BLOCK_ROWS
            for partition, local in sorted(self._free.items())
        ]
        return from_rows(np.concatenate(parts).astype(np.uint32)) if parts else EMPTY
