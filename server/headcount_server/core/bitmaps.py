"""Making, combining and reading pyroaring ``BitMap`` objects, a container at a time.

Invariants: a bitmap that was returned or published is never mutated; every function here leaves
its arguments as they are. A function may return one of its arguments, for the same reason. The byte
form is the portable one of the Roaring Format Specification
(https://github.com/RoaringBitmap/RoaringFormatSpec), the same on every platform.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.errors import DataLoss
from headcount_server.limits import BLOCK_ROWS

_COOKIE = 12346  # no run containers
_COOKIE_RUNS = 12347  # in the low 16 bits; containers - 1 in the high ones
_ARRAY_MAX = 4096  # members of an array container; above it is a bitset container
_BITSET_BYTES = BLOCK_ROWS // 8
_NO_OFFSETS_BELOW = 4  # containers; the form with runs leaves the offsets out below this
_LOOP_MAX = 3  # thresholds up to this one are looped, above it counted in bit slices
_FOLDED_MAX = 1 << 18  # members in all bitmaps together that are united one after the other
_SCAN_MAX = 1 << 16  # members in all bitmaps together that are sorted rather than combined

EMPTY = BitMap()


def from_sorted(rows: NDArray[np.uint32]) -> BitMap:
    """The bitmap of ``rows``, which are ascending and unique (asserted at the ends only). O(n)."""
    rows = np.ascontiguousarray(rows, dtype=np.uint32)
    if not len(rows):
        return EMPTY
    assert rows[0] <= rows[-1]
    highs = rows >> np.uint32(16)
    starts = np.concatenate(([0], np.flatnonzero(highs[1:] != highs[:-1]) + 1))
    sizes = np.diff(np.append(starts, len(rows)))
    lows = rows.astype("<u2")
    if int(sizes.max()) <= _ARRAY_MAX:
        return _portable(highs[starts], sizes, [lows.tobytes()])
    bodies: list[bytes] = []
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        part = lows[start : start + size]
        bodies.append(part.tobytes() if size <= _ARRAY_MAX else _bitset(part))
    return _portable(highs[starts], sizes, bodies)


class Parts:
    """A bitmap in the making, a block after another, ascending."""

    __slots__ = ("_blocks", "_bodies", "_sizes")

    def __init__(self) -> None:
        self._blocks: list[int] = []
        self._sizes: list[int] = []
        self._bodies: list[bytes] = []

    def add(self, block: int, local: NDArray[np.uint16]) -> None:
        """The members in a block, one or more, ascending and unique, counted from its start."""
        self._blocks.append(block)
        self._sizes.append(len(local))
        self._bodies.append(local.tobytes() if len(local) <= _ARRAY_MAX else _bitset(local))

    def add_mask(self, block: int, mask: NDArray[np.bool_]) -> None:
        """The members in a block, perhaps none: ``mask`` tells of its first rows."""
        size = int(np.count_nonzero(mask))
        if not size:
            return
        self._blocks.append(block)
        self._sizes.append(size)
        if size <= _ARRAY_MAX:
            self._bodies.append(np.flatnonzero(mask).astype("<u2").tobytes())
        else:
            packed = np.packbits(mask, bitorder="little").tobytes()
            self._bodies.append(packed.ljust(_BITSET_BYTES, b"\0"))

    def bitmap(self) -> BitMap:
        """The bitmap of what was added."""
        sizes = np.array(self._sizes, dtype=np.int64)
        return _portable(np.array(self._blocks, dtype=np.uint32), sizes, self._bodies)


def from_rows(rows: NDArray[np.integer] | Sequence[int]) -> BitMap:
    """The bitmap of rows in any order, repeated or not, each from 0 to 2**32 - 1. O(n log n)."""
    array = np.asarray(rows, dtype=np.uint32)
    if len(array) > 1 and not bool((array[1:] > array[:-1]).all()):
        array = np.sort(array)  # np.unique hashes integers, which takes ten times as long
        array = array[np.concatenate(([True], array[1:] != array[:-1]))]
    return from_sorted(array)


def from_mask(mask: NDArray[np.bool_], first_row: int = 0) -> BitMap:
    """The bitmap of the rows ``first_row + i`` where ``mask[i]``.

    Args:
        mask: any length; ``first_row + len(mask)`` is at most 2**32.
        first_row: the row of ``mask[0]``.
    """
    if first_row % BLOCK_ROWS:
        return from_sorted((np.flatnonzero(mask) + first_row).astype(np.uint32))
    parts = Parts()
    for offset in range(0, len(mask), BLOCK_ROWS):
        parts.add_mask((first_row + offset) // BLOCK_ROWS, mask[offset : offset + BLOCK_ROWS])
    return parts.bitmap()


def from_range(start: int, stop: int) -> BitMap:
    """The rows from ``start`` up to but not including ``stop``. O(containers)."""
    return BitMap(range(start, stop)) if stop > start else EMPTY


def to_array(bitmap: BitMap) -> NDArray[np.uint32]:
    """The members, ascending, in a new array. O(n)."""
    return np.frombuffer(bitmap.to_array(), dtype=np.uint32)


def union(bitmaps: Iterable[BitMap]) -> BitMap:
    """The members of any of the bitmaps; none of none."""
    given = [bitmap for bitmap in bitmaps if bitmap]
    if len(given) > 2 and sum(map(len, given)) > _FOLDED_MAX:
        return BitMap.union(*given)  # makes every container a bitset first
    return reduce(or_, given) if given else EMPTY


def intersection(bitmaps: Iterable[BitMap]) -> BitMap:
    """The members of all of the bitmaps, of which there is at least one; the smallest go first."""
    ordered = sorted(bitmaps, key=len)
    assert ordered, "the intersection of nothing is everyone, which is not known here"
    result = ordered[0]
    for bitmap in ordered[1:]:
        if not result:
            return EMPTY
        result = result & bitmap
    return result


def at_least(threshold: int, bitmaps: Sequence[BitMap]) -> BitMap:
    """The members of at least ``threshold`` of the bitmaps (the same one given twice counts twice).

    Looped for small thresholds, counted in bit slices for large ones, by sorting all members where
    they are few (Kaser & Lemire, "Compressed bitmap indexes: beyond unions and intersections").

    Args:
        threshold: 1 or more.
        bitmaps: any number, not modified.
    """
    assert threshold >= 1, "nobody can be told from everyone here"
    given = [bitmap for bitmap in bitmaps if bitmap]
    if threshold > len(given):
        return EMPTY
    if threshold == 1:
        return union(given)
    if threshold == len(given):
        return intersection(given)
    if sum(map(len, given)) <= _SCAN_MAX:
        return _at_least_sorted(threshold, given)
    if threshold <= _LOOP_MAX:
        return _at_least_looped(threshold, given)
    return _at_least_sliced(threshold, given)


def encode(bitmap: BitMap) -> bytes:
    """The portable bytes; the same members give the same bytes. O(bytes).

    Run containers are a matter of how a bitmap was made, so they are dissolved or found here:
    the smallest form of every container is written.
    """
    canonical = BitMap(bitmap)
    canonical.run_optimize()
    return canonical.serialize()


def decode(data: bytes) -> BitMap:
    """The bitmap of portable bytes.

    Raises:
        DataLoss: the bytes are cut short, have bytes to spare, or hold containers that are empty,
            out of order, or not as long as they say.
    """
    data = bytes(data)
    _check(data)
    try:
        return BitMap.deserialize(data)
    except (ValueError, IndexError) as error:
        raise DataLoss(f"a bitmap of {len(data)} bytes can't be read") from error


def nbytes(bitmap: BitMap) -> int:
    """Bytes of memory that the members take, without the fixed cost of the object."""
    statistics = bitmap.get_statistics()
    return (
        int(statistics["n_bytes_array_containers"])
        + int(statistics["n_bytes_bitset_containers"])
        + int(statistics["n_bytes_run_containers"])
        + 16 * int(statistics["n_containers"])
    )


def _bitset(lows: NDArray[np.uint16]) -> bytes:
    mask = np.zeros(BLOCK_ROWS, dtype=np.bool_)
    mask[lows] = True
    return np.packbits(mask, bitorder="little").tobytes()


def _portable(blocks: NDArray[np.uint32], sizes: NDArray[np.int64], bodies: list[bytes]) -> BitMap:
    count = len(blocks)
    if not count:
        return EMPTY
    header = np.empty((count, 2), dtype="<u2")
    header[:, 0] = blocks
    header[:, 1] = sizes - 1
    lengths = np.where(sizes <= _ARRAY_MAX, sizes * 2, _BITSET_BYTES)
    offsets = np.empty(count, dtype="<u4")
    offsets[0] = 0
    np.cumsum(lengths[:-1], out=offsets[1:])
    offsets += 8 + 8 * count
    cookie = struct.pack("<II", _COOKIE, count)
    return BitMap.deserialize(b"".join([cookie, header.tobytes(), offsets.tobytes(), *bodies]))


def _at_least_sorted(threshold: int, bitmaps: Sequence[BitMap]) -> BitMap:
    members = np.concatenate([to_array(bitmap) for bitmap in bitmaps])
    members.sort()
    often = members[threshold - 1 :][members[threshold - 1 :] == members[: 1 - threshold]]
    return from_sorted(np.unique(often))


def _at_least_looped(threshold: int, bitmaps: Sequence[BitMap]) -> BitMap:
    """``reached[i]``: the members of at least i + 1 of the bitmaps seen so far."""
    reached: list[BitMap] = [EMPTY] * threshold
    for bitmap in bitmaps:
        for i in range(threshold - 1, 0, -1):
            if reached[i - 1]:
                reached[i] = reached[i] | (reached[i - 1] & bitmap)
        reached[0] = reached[0] | bitmap
    return reached[-1]


def _at_least_sliced(threshold: int, bitmaps: Sequence[BitMap]) -> BitMap:
    """Add the bitmaps up in carry-save form, then compare the sum with the threshold."""
    pending = list(bitmaps)
    slices: list[BitMap] = []
    while pending:
        carries: list[BitMap] = []
        while len(pending) > 1:
            a, b = pending.pop(), pending.pop()
            c = pending.pop() if pending else EMPTY
            either = a ^ b
            pending.append(either ^ c)
            carry = (a & b) | (either & c)
            if carry:
                carries.append(carry)
        slices.append(pending[0])
        pending = carries
    if threshold >= 1 << len(slices):
        return EMPTY
    # From the least significant bit up: is the sum's lower part at least that of the threshold?
    result: BitMap | None = None  # None: everyone
    for i, members in enumerate(slices):
        if threshold >> i & 1:
            result = members if result is None else members & result
        else:
            result = None if result is None else members | result
    assert result is not None
    return result


def _check(data: bytes) -> None:
    """Raise DataLoss unless the bytes keep to the portable format throughout."""
    if len(data) < 8 and not (len(data) >= 4 and _u32(data, 0) & 0xFFFF == _COOKIE_RUNS):
        raise _damaged("shorter than its header")
    cookie = _u32(data, 0)
    if cookie & 0xFFFF == _COOKIE_RUNS:
        count = (cookie >> 16) + 1
        flag_bytes = (count + 7) // 8
        flags = np.frombuffer(data[4 : 4 + flag_bytes], dtype=np.uint8)
        if len(flags) < flag_bytes:
            raise _damaged("shorter than its header")
        runs = np.unpackbits(flags, bitorder="little")[:count].astype(np.bool_)
        position = 4 + flag_bytes
    elif cookie == _COOKIE:
        count = _u32(data, 4)
        if count > BLOCK_ROWS:
            raise _damaged(f"{count} containers")
        runs = np.zeros(count, dtype=np.bool_)
        position = 8
    else:
        raise _damaged(f"unknown cookie {cookie}")
    has_offsets = cookie == _COOKIE or count >= _NO_OFFSETS_BELOW
    body = position + 4 * count + (4 * count if has_offsets else 0)
    if len(data) < body:
        raise _damaged("shorter than its header")
    header = np.frombuffer(data, dtype="<u2", count=2 * count, offset=position).reshape(-1, 2)
    if not bool((header[1:, 0] > header[:-1, 0]).all()):
        raise _damaged("containers out of order")
    offsets = _check_bodies(data, body, header[:, 1].astype(np.int64) + 1, runs)
    if has_offsets:
        written = np.frombuffer(data, dtype="<u4", count=count, offset=position + 4 * count)
        if not np.array_equal(written, np.array(offsets, dtype=np.uint32)):
            raise _damaged("offsets that don't fit the containers")


def _check_bodies(
    data: bytes, position: int, sizes: NDArray[np.int64], runs: NDArray[np.bool_]
) -> list[int]:
    offsets: list[int] = []
    for size, is_run in zip(sizes.tolist(), runs.tolist(), strict=True):
        offsets.append(position)
        if is_run:
            length = 2 + 4 * int.from_bytes(data[position : position + 2], "little")
        else:
            length = 2 * size if size <= _ARRAY_MAX else _BITSET_BYTES
        part = data[position : position + length]
        if len(part) < max(length, 2):
            raise _damaged("cut short")
        if is_run:
            good = _is_good_run(part, size)
        elif size <= _ARRAY_MAX:
            values = np.frombuffer(part, dtype="<u2")
            good = bool((values[1:] > values[:-1]).all())
        else:
            words = np.frombuffer(part, dtype="<u8")
            good = int(np.bitwise_count(words).sum(dtype=np.int64)) == size
        if not good:
            raise _damaged("a container that isn't ordered or has another size than it says")
        position += length
    if position != len(data):
        raise _damaged(f"{len(data) - position} bytes to spare")
    return offsets


def _is_good_run(part: bytes, size: int) -> bool:
    pairs = np.frombuffer(part, dtype="<u2", offset=2).astype(np.int64).reshape(-1, 2)
    ends = pairs[:, 0] + pairs[:, 1]  # the last member of each run
    return (
        len(pairs) > 0
        and int(pairs[:, 1].sum()) + len(pairs) == size
        and bool((pairs[1:, 0] > ends[:-1]).all())
        and int(ends[-1]) < BLOCK_ROWS
    )


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _damaged(what: str) -> DataLoss:
    return DataLoss(f"damaged bitmap: {what}")
