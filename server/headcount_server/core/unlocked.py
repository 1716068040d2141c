"""Operations on large bitmaps that leave the interpreter to other threads while they run.

pyroaring's methods hold the interpreter's lock. Its extension module exports the functions of
CRoaring, and a ``BitMap`` tells where its ``roaring_bitmap_t`` is; a call of such a function
through ``ctypes`` drops the lock. Where the symbols are hidden, or CRoaring is another one than
this was written for, the methods do the same work; nothing outside this module knows which.

The functions used take and give pointers and 64-bit numbers only, so that no structure's layout is
relied on. Invariants: a bitmap is referenced as long as a call reads it, and nobody modifies it;
a result is owned by a ``BitMap`` before it is returned.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pyroaring
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.limits import BLOCK_ROWS

_VERSIONS = ("5.",)  # of CRoaring that this was tested with
_SMALL = 1 << 15  # members; less takes a method less time than another thread may wait for the lock
COUNT_NS, MAKE_NS = 800, 2_000  # to count, and to make, one container from two, about
LIST_NS = 1.5  # to list a member, about
_Pointer = ctypes.c_void_p


class Operations(Protocol):
    """What both ways offer; arguments stay as they are, results belong to the caller."""

    def shared_count(self, left: BitMap, right: BitMap) -> int:
        """How many members both have."""
        ...

    def shared(self, left: BitMap, right: BitMap) -> BitMap:
        """The members of both."""
        ...

    def without(self, left: BitMap, right: BitMap) -> BitMap:
        """The members of the left that the right hasn't."""
        ...

    def union(self, bitmaps: Sequence[BitMap]) -> BitMap:
        """The members of any of the bitmaps; none of none."""
        ...

    def to_array(self, bitmap: BitMap) -> NDArray[np.uint32]:
        """The members, ascending, in a new array."""
        ...


class Methods:
    """The methods of pyroaring, which hold the lock."""

    def shared_count(self, left: BitMap, right: BitMap) -> int:
        """As said there."""
        return left.intersection_cardinality(right)

    def shared(self, left: BitMap, right: BitMap) -> BitMap:
        """As said there."""
        return left & right

    def without(self, left: BitMap, right: BitMap) -> BitMap:
        """As said there."""
        return left - right

    def union(self, bitmaps: Sequence[BitMap]) -> BitMap:
        """As said there."""
        return BitMap.union(*bitmaps) if bitmaps else BitMap()

    def to_array(self, bitmap: BitMap) -> NDArray[np.uint32]:
        """As said there."""
        return np.frombuffer(bitmap.to_array(), dtype=np.uint32)


class CFunctions:
    """CRoaring's functions, called without the lock.

    Args:
        library: that has them; AttributeError is raised where it hasn't.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        two = [_Pointer, _Pointer]
        self._shared_count = _function(
            library, "roaring_bitmap_and_cardinality", two, ctypes.c_uint64
        )
        self._shared = _function(library, "roaring_bitmap_and", two, _Pointer)
        self._without = _function(library, "roaring_bitmap_andnot", two, _Pointer)
        many = [ctypes.c_size_t, ctypes.POINTER(_Pointer)]
        self._union = _function(library, "roaring_bitmap_or_many", many, _Pointer)
        self._overwrite = _function(library, "roaring_bitmap_overwrite", two, ctypes.c_bool)
        self._free = _function(library, "roaring_bitmap_free", [_Pointer], None)
        self._to_array = _function(library, "roaring_bitmap_to_uint32_array", two, None)
        self._methods = Methods()

    def shared_count(self, left: BitMap, right: BitMap) -> int:
        """As said there."""
        if len(left) < _SMALL or len(right) < _SMALL:
            return self._methods.shared_count(left, right)
        return self._shared_count(left.raw_pointer, right.raw_pointer)

    def shared(self, left: BitMap, right: BitMap) -> BitMap:
        """As said there."""
        if len(left) < _SMALL or len(right) < _SMALL:
            return self._methods.shared(left, right)
        return self._owned(self._shared(left.raw_pointer, right.raw_pointer))

    def without(self, left: BitMap, right: BitMap) -> BitMap:
        """As said there."""
        if len(left) < _SMALL:
            return self._methods.without(left, right)
        return self._owned(self._without(left.raw_pointer, right.raw_pointer))

    def union(self, bitmaps: Sequence[BitMap]) -> BitMap:
        """As said there."""
        if sum(map(len, bitmaps)) < _SMALL:
            return self._methods.union(bitmaps)
        pointers = (_Pointer * len(bitmaps))(*(bitmap.raw_pointer for bitmap in bitmaps))
        return self._owned(self._union(len(bitmaps), pointers))

    def to_array(self, bitmap: BitMap) -> NDArray[np.uint32]:
        """As said there."""
        array = np.empty(len(bitmap), np.uint32)
        self._to_array(bitmap.raw_pointer, array.ctypes.data)
        return array

    def _owned(self, made: int | None) -> BitMap:
        """A bitmap of what a function made, which is freed."""
        if not made:
            raise MemoryError("no memory for a bitmap")
        result = BitMap()
        try:
            if not self._overwrite(result.raw_pointer, made):
                raise MemoryError("no memory for a bitmap")
        finally:
            self._free(made)
        return result


def find() -> Operations:
    """The functions where they are there and agree with the methods, else the methods."""
    version = str(getattr(pyroaring, "__croaring_version__", "")).removeprefix("v")
    if not version.startswith(_VERSIONS):
        return Methods()
    try:
        functions = CFunctions(ctypes.CDLL(pyroaring.__file__))
        agrees = _agree(functions, Methods())
    except (AttributeError, OSError, TypeError):
        return Methods()
    return functions if agrees else Methods()


def _function(library: ctypes.CDLL, name: str, arguments: list[Any], result: Any) -> Any:
    function: Callable[..., Any] = getattr(library, name)
    function.argtypes = arguments  # pyright: ignore[reportFunctionMemberAccess]
    function.restype = result  # pyright: ignore[reportFunctionMemberAccess]
    return function


def _agree(one: Operations, other: Operations) -> bool:
    """Whether both say the same of bitmaps with every kind of container."""
    lists = BitMap(range(7, 1 << 24, 300))
    words = BitMap(range(0, 1 << 18, 3))
    runs = BitMap(range(1 << 16, 1 << 20))
    return all(
        one.shared_count(left, right) == other.shared_count(left, right)
        and one.shared(left, right) == other.shared(left, right)
        and one.without(left, right) == other.without(left, right)
        and one.union([left, right, words]) == other.union([left, right, words])
        for left in (lists, words, runs)
        for right in (lists, words, runs)
    ) and all(
        np.array_equal(one.to_array(rows), other.to_array(rows)) for rows in (lists, words, runs)
    )


OPERATIONS: Operations = find()


def containers(rows: BitMap) -> int:
    """How many containers a bitmap has at most. O(1)."""
    return 1 + rows.max() // BLOCK_ROWS if rows else 0


def shared_counts(rows: BitMap, others: Iterable[BitMap]) -> list[int]:
    """How many members ``rows`` has in common with each of the others."""
    return [OPERATIONS.shared_count(rows, other) for other in others]


def shared(left: BitMap, right: BitMap) -> BitMap:
    """The members of both."""
    return OPERATIONS.shared(left, right)


def without(left: BitMap, right: BitMap) -> BitMap:
    """The members of the left that the right hasn't."""
    return OPERATIONS.without(left, right)


def union(bitmaps: Sequence[BitMap]) -> BitMap:
    """The members of any of the bitmaps; none of none."""
    return OPERATIONS.union(bitmaps)


def to_array(bitmap: BitMap) -> NDArray[np.uint32]:
    """The members, ascending, in a new array."""
    return OPERATIONS.to_array(bitmap)
