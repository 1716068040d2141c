"""Bytes of any length per row, paged by block of ``BLOCK_ROWS`` rows.

Holds keys, text values, and lists of 32-bit codes (as the bytes of an array). Invariants: a row
that stores ``b""`` differs from one that stores nothing. Each block has one heap; bytes below its
``used`` never change, so that frozen columns share it; it is written anew, without garbage and in
row order, when more than half of it is garbage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core.columns import Column, by_block
from headcount_server.errors import DataLoss

Bytes = NDArray[np.uint8]
Lengths = NDArray[np.int64]

_HEAP_MIN = 64  # bytes
_OFFSET_MAX = 2**32 - 1  # bytes of one block's values


def ragged_index(starts: NDArray[np.integer], lengths: Lengths) -> NDArray[np.int64]:
    """The places ``starts[i] … starts[i] + lengths[i] - 1``, one run after another. O(result)."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts.astype(np.int64) - (ends - lengths), lengths)


class _Heap:
    __slots__ = ("buffer", "garbage", "used")

    def __init__(self, buffer: Bytes, used: int = 0, garbage: int = 0) -> None:
        self.buffer = buffer
        self.used = used
        self.garbage = garbage

    def append(self, chunk: Bytes) -> int:
        """Add bytes at the end; returns where they start."""
        start = self.used
        if not len(chunk):
            return start
        end = start + len(chunk)
        assert end <= _OFFSET_MAX, "a block's values are bounded by the limits on one value"
        if end > len(self.buffer):
            grown = np.empty(max(_HEAP_MIN, end + end // 4 if start else end), np.uint8)
            grown[:start] = self.buffer[:start]
            self.buffer = grown
        self.buffer[start:end] = chunk
        self.used = end
        return start


class RaggedColumn:
    """A bytes value, or nothing, per row."""

    __slots__ = ("_frozen", "_heaps", "_sizes", "_starts")

    def __init__(self) -> None:
        self._starts = Column(np.uint32, 0)
        self._sizes = Column(np.uint32, 0)  # length + 1, so that 0 is a row that stores nothing
        self._heaps: dict[int, _Heap] = {}
        self._frozen = False

    def put(self, rows: NDArray[np.uint32], values: Sequence[bytes | None]) -> None:
        """Store a value for each row; None removes.

        Args:
            rows: unique, in any order.
            values: one for each row.
        """
        assert len(rows) == len(values)
        present = [value for value in values if value is not None]
        if len(present) < len(values):
            stays = np.fromiter((value is not None for value in values), np.bool_, len(values))
            self.remove(rows[~stays])
            rows = rows[stays]
        lengths = np.fromiter(map(len, present), np.int64, len(present))
        self.put_joined(rows, b"".join(present), lengths)

    def put_joined(self, rows: NDArray[np.uint32], joined: bytes | Bytes, lengths: Lengths) -> None:
        """Store values that stand one after another in ``joined``; rows as in ``put``."""
        assert not self._frozen, "a frozen column can't change"
        data = np.frombuffer(joined, np.uint8) if isinstance(joined, bytes) else joined
        offsets = np.cumsum(lengths) - lengths
        assert int(lengths.sum()) == len(data)
        for block, index in by_block(rows):
            part = lengths[index]
            first = int(offsets[index][0])
            if isinstance(index, slice):
                chunk = data[first : first + int(part.sum())]
            else:
                chunk = data[ragged_index(offsets[index], part)]
            heap = self._heaps.setdefault(block, _Heap(np.empty(0, np.uint8)))
            heap.garbage += self._stored_bytes(rows[index])
            start = heap.append(chunk)
            self._starts.put(rows[index], (np.cumsum(part) - part + start).astype(np.uint32))
            self._sizes.put(rows[index], (part + 1).astype(np.uint32))
            self._compact_if_due(block)

    def remove(self, rows: NDArray[np.uint32], at_once: bool = False) -> None:
        """Remove the values of rows (unique; some may store nothing).

        Args:
            rows: in any order.
            at_once: write the heaps anew, so that the bytes are gone when this returns.
        """
        assert not self._frozen, "a frozen column can't change"
        for block, index in by_block(rows):
            heap = self._heaps.get(block)
            if heap is None:
                continue
            heap.garbage += self._stored_bytes(rows[index])
            self._sizes.put(rows[index], 0)
            self._starts.put(rows[index], 0)
            if at_once:
                self._compact(block)
            else:
                self._compact_if_due(block)

    def get(self, row: int) -> bytes | None:
        """The value of one row, or None."""
        size = self._sizes.get(row)
        if not size:
            return None
        start = self._starts.get(row)
        return self._heaps[row >> 16].buffer[start : start + size - 1].tobytes()

    def take(self, rows: NDArray[np.uint32]) -> list[bytes | None]:
        """The value of each row, in the order of ``rows`` (any order, repeated or not)."""
        joined, lengths = self.gather(rows)
        data = joined.tobytes()
        result: list[bytes | None] = []
        start = 0
        for length in lengths.tolist():
            if length < 0:
                result.append(None)
            else:
                result.append(data[start : start + length])
                start += length
        return result

    def gather(self, rows: NDArray[np.uint32]) -> tuple[Bytes, Lengths]:
        """The values of the rows one after another, and their lengths (-1 where there is none)."""
        blocks = (rows >> np.uint32(16)).astype(np.uint16)
        order: NDArray[np.intp] | None = None
        if not bool((blocks[1:] >= blocks[:-1]).all()):
            order = np.argsort(blocks, kind="stable")
            rows = rows[order]
        lengths = self.lengths(rows)
        filled = np.maximum(lengths, 0)
        result = self._gather(rows, filled)
        if order is None:
            return result, lengths
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        starts = np.cumsum(filled) - filled
        return result[ragged_index(starts[places], filled[places])], lengths[places]

    def equal(
        self, rows: NDArray[np.uint32], joined: Bytes, starts: Lengths, lengths: Lengths
    ) -> NDArray[np.bool_]:
        """Whether each row stores the ``lengths[i]`` bytes of ``joined`` from ``starts[i]`` on."""
        result = self.lengths(rows) == lengths
        likely = np.flatnonzero(result)
        blocks = (rows[likely] >> np.uint32(16)).astype(np.uint16)
        likely = likely[np.argsort(blocks, kind="stable")]
        sizes = lengths[likely]
        wrong = self._gather(rows[likely], sizes) != joined[ragged_index(starts[likely], sizes)]
        if bool(wrong.any()):
            at = np.searchsorted(np.cumsum(sizes), np.flatnonzero(wrong), side="right")
            result[likely[at]] = False
        return result

    def _gather(self, rows: NDArray[np.uint32], lengths: Lengths) -> Bytes:
        """The values of rows, whose lengths these are and whose blocks stand together."""
        ends = np.concatenate(([0], np.cumsum(lengths)))
        source = ragged_index(self._starts.take(rows), lengths)
        result = np.empty(int(ends[-1]), np.uint8)
        for block, index in by_block(rows):
            heap = self._heaps.get(block)
            if heap is not None:
                assert isinstance(index, slice), "the rows of a block stand together here"
                part = slice(int(ends[index.start]), int(ends[index.stop]))
                result[part] = heap.buffer[source[part]]
        return result

    def lengths(self, rows: NDArray[np.uint32]) -> Lengths:
        """The length of each row's value, -1 where there is none."""
        return self._sizes.take(rows).astype(np.int64) - 1

    def rows(self) -> BitMap:
        """The rows that store a value."""
        return self._sizes.rows()

    def pages(self) -> Iterator[tuple[NDArray[np.uint32], list[bytes]]]:
        """``(rows, values)`` per block that stores anything, ascending."""
        for rows, joined, lengths in self.joined_pages():
            data = joined.tobytes()
            ends = np.cumsum(lengths)
            bounds = zip((ends - lengths).tolist(), ends.tolist(), strict=True)
            yield rows, [data[start:end] for start, end in bounds]

    def joined_pages(self) -> Iterator[tuple[NDArray[np.uint32], Bytes, Lengths]]:
        """``(rows, joined values, lengths)`` per block, ascending; not to be modified."""
        for rows, sizes in self._sizes.stored():
            yield rows, self._in_order(int(rows[0]) >> 16, rows, sizes), sizes.astype(np.int64) - 1

    def joined_page(self, block: int) -> tuple[Bytes, Lengths]:
        """The values of a block that stores any in row order, one after another, and their lengths.

        Where they are stored so, a view; not to be modified, and not changed later either.
        """
        rows, sizes = self._sizes.stored_in(block)
        return self._in_order(block, rows, sizes), sizes.astype(np.int64) - 1

    def freeze(self) -> RaggedColumn:
        """A read-only column of the present contents. O(pages)."""
        if self._frozen:
            return self
        frozen = RaggedColumn()
        frozen._starts = self._starts.freeze()
        frozen._sizes = self._sizes.freeze()
        for block, heap in self._heaps.items():
            frozen._heaps[block] = _Heap(heap.buffer, heap.used, heap.garbage)
        frozen._frozen = True
        return frozen

    @property
    def nbytes(self) -> int:
        """Bytes of memory, what is shared with frozen columns included. O(pages)."""
        heaps = sum(heap.buffer.nbytes + 300 for heap in self._heaps.values())
        return heaps + self._starts.nbytes + self._sizes.nbytes

    def dump(self) -> dict[str, Any]:
        """Plain data: the same contents give the same data, whatever way they were reached.

        Arrays may be views of this column's memory: encode them before the next change, or dump a
        frozen column.
        """
        heaps: list[Bytes] = [joined for _, joined, _ in self.joined_pages()]
        return {"sizes": self._sizes.dump(), "heaps": heaps}

    @classmethod
    def load(cls, parts: Mapping[str, Any]) -> RaggedColumn:
        """The column of dumped data, whose arrays it may share.

        Raises:
            DataLoss: the data aren't what ``dump`` gives.
        """
        column = cls()
        try:
            sizes = Column.load(parts["sizes"])
            if sizes.dtype != np.uint32 or sizes.fill != 0:
                raise DataLoss("the sizes of a ragged column have the wrong type")
            starts: dict[int, NDArray[np.uint32]] = {}
            for (block, stored), heap in zip(sizes.arrays(), parts["heaps"], strict=True):
                lengths = stored - (stored > 0)  # unsigned: 0 where nothing is stored
                ends = np.cumsum(lengths, dtype=np.int64)
                if heap.dtype != np.uint8 or heap.shape != (int(ends[-1]),):
                    raise DataLoss("a block of a ragged column has another size than it says")
                column._heaps[block] = _Heap(heap, len(heap))
                starts[block] = (ends - lengths).astype(np.uint32)
            column._starts = sizes.alike(np.uint32, starts)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataLoss(f"a ragged column can't be loaded: {error!r}") from error
        column._sizes = sizes
        return column

    def _stored_bytes(self, rows: NDArray[np.uint32]) -> int:
        sizes = self._sizes.take(rows)
        return int(sizes.sum(dtype=np.int64)) - int(np.count_nonzero(sizes))

    def _in_order(self, block: int, rows: NDArray[np.uint32], sizes: NDArray[np.uint32]) -> Bytes:
        heap = self._heaps[block]
        lengths = sizes.astype(np.int64) - 1
        starts = self._starts.take(rows)
        ends = np.cumsum(lengths)
        if heap.used == int(ends[-1]) and np.array_equal(starts, ends - lengths):
            return heap.buffer[: heap.used]
        return heap.buffer[ragged_index(starts, lengths)]

    def _compact_if_due(self, block: int) -> None:
        heap = self._heaps[block]
        if heap.garbage * 2 > heap.used:
            self._compact(block)

    def _compact(self, block: int) -> None:
        rows, sizes = self._sizes.stored_in(block)
        if not len(rows):
            del self._heaps[block]
            return
        packed = self._in_order(block, rows, sizes).copy()
        lengths = sizes.astype(np.int64) - 1
        self._starts.put(rows, (np.cumsum(lengths) - lengths).astype(np.uint32))
        self._heaps[block] = _Heap(packed, len(packed))
