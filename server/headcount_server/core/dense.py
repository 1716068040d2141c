"""Bitmaps as plain 64-bit words: row ``r`` is bit ``r % 64`` of word ``r // 64``.

CRoaring writes the words itself where pyroaring's module shows its C functions; else they are made
with numpy, for the same result in ten times as long.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pyroaring
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps, unlocked

Words = NDArray[np.uint64]


def words_of(bitmap: BitMap, count: int) -> Words:
    """The first ``count`` words, in a new array. O(count + members).

    Args:
        bitmap: all members are less than ``64 * count``.
        count: of words.
    """
    assert not bitmap or bitmap.max() < 64 * count
    return _made(bitmap, count)


def cardinality(words: Words) -> int:
    """How many bits are set."""
    return int(np.bitwise_count(words).sum(dtype=np.uint64))


def by_numpy(bitmap: BitMap, count: int) -> Words:
    """As ``words_of``, whatever pyroaring shows."""
    mask = np.zeros(64 * count, np.bool_)
    mask[bitmaps.to_array(bitmap)] = True
    return np.packbits(mask, bitorder="little").view("<u8")


class _Bitset(ctypes.Structure):
    """CRoaring's ``bitset_t``."""

    _fields_ = [
        ("array", ctypes.c_void_p), ("arraysize", ctypes.c_size_t), ("capacity", ctypes.c_size_t),
    ]  # fmt: skip


def _by_croaring() -> Callable[[BitMap, int], Words] | None:
    """What makes words with CRoaring; None where that can't be called or gives anything else."""
    if isinstance(unlocked.OPERATIONS, unlocked.Methods):
        return None  # no CRoaring, or another one than is known
    try:
        write = ctypes.CDLL(pyroaring.__file__).roaring_bitmap_to_bitset
    except (OSError, AttributeError):
        return None
    write.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    write.restype = ctypes.c_bool

    def make(bitmap: BitMap, count: int) -> Words:
        words = np.zeros(count, np.uint64)
        # The array is large enough for all members, so it is never allocated anew.
        bitset = _Bitset(words.ctypes.data, 0, count)
        written = write(bitmap.raw_pointer, ctypes.addressof(bitset))
        assert written
        assert bitset.array == words.ctypes.data
        return words

    tried = BitMap([0, 63, 64, 70_000, *range(131_072, 140_000), *range(196_608, 262_144, 3)])
    return make if np.array_equal(make(tried, 4_096), by_numpy(tried, 4_096)) else None


_made = _by_croaring() or by_numpy
