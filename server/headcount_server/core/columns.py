"""A fixed-width value per row, paged by block of ``BLOCK_ROWS`` rows.

Invariants: a row that holds the fill value and a row that holds nothing are the same. A page is
either *dense* (values of the first rows of its block, as many as were needed, in powers of two) or
*sparse* (ascending local numbers and their values; never changed in place), whichever is small, so
that few rows scattered over many blocks cost little. A frozen column shares its pages with the one
it was taken from, which copies a page before it first changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from pyroaring import BitMap

from headcount_server.core.bitmaps import Parts
from headcount_server.errors import DataLoss
from headcount_server.limits import BLOCK_ROWS, ROWS_MAX

_DENSE_MIN = 256  # a page of so few entries is always dense
_SPARSE_FACTOR = 8  # a larger page is dense once every eighth of its entries is stored
_PAGE_OVERHEAD = 300  # bytes of a page's Python objects, about
_LOCAL = np.uint32(BLOCK_ROWS - 1)

Values = NDArray[Any]


def by_block(rows: NDArray[np.uint32]) -> Iterator[tuple[int, slice | NDArray[np.intp]]]:
    """The places of ``rows`` that fall into each block: ``(block, index)``, blocks ascending.

    ``rows[index]`` are the rows of the block in the order given; the index is a slice where the
    rows of the block stand together. O(n).
    """
    if not len(rows):
        return
    blocks = (rows >> np.uint32(16)).astype(np.uint16)
    edges = np.flatnonzero(blocks[1:] != blocks[:-1]) + 1
    if not len(edges):
        yield int(blocks[0]), slice(0, len(rows))
        return
    order: NDArray[np.intp] | None = None
    if not bool((blocks[edges] > blocks[edges - 1]).all()):
        order = np.argsort(blocks, kind="stable")
        blocks = blocks[order]
        edges = np.flatnonzero(blocks[1:] != blocks[:-1]) + 1
    bounds = [0, *edges.tolist(), len(rows)]
    firsts = blocks[bounds[:-1]].tolist()
    for i, block in enumerate(firsts):
        start, stop = bounds[i], bounds[i + 1]
        yield block, slice(start, stop) if order is None else order[start:stop]


def by_block_ascending(rows: NDArray[np.uint32]) -> Iterator[tuple[int, slice]]:
    """As ``by_block`` of ascending rows. O(blocks log n), however many rows there are."""
    if not len(rows):
        return
    first, last = int(rows[0]) >> 16, int(rows[-1]) >> 16
    starts = np.arange(first, last + 1, dtype=np.uint32) << np.uint32(16)
    bounds = [*rows.searchsorted(starts).tolist(), len(rows)]
    for block, (start, stop) in enumerate(pairwise(bounds), first):
        if stop > start:
            yield block, slice(start, stop)


class _Page:
    """``locals`` is None in a dense page, whose values belong to the local numbers from 0."""

    __slots__ = ("locals", "values")

    def __init__(self, values: Values, local: NDArray[np.uint16] | None = None) -> None:
        self.values = values
        self.locals = local


class Column:
    """A value of one numpy type per row; rows that store nothing have the fill value.

    Args:
        dtype: a boolean, integer or floating-point type.
        fill: the value of a row that stores nothing (NaN is possible).
    """

    __slots__ = ("_frozen", "_owned", "_pages", "dtype", "fill")

    def __init__(self, dtype: DTypeLike, fill: Any = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.fill: Any = self.dtype.type(fill)
        self._pages: dict[int, _Page] = {}
        self._owned: set[int] = set()  # blocks whose page no frozen column shares
        self._frozen = False

    def put(self, rows: NDArray[np.uint32], values: ArrayLike) -> None:
        """Store a value for each row; the fill value removes.

        Args:
            rows: unique, in any order.
            values: one for each row, or a single one for all.
        """
        assert not self._frozen, "a frozen column can't change"
        given = np.asarray(values, dtype=self.dtype)
        for block, index in by_block(rows):
            local = rows[index] & _LOCAL
            self._put_page(block, local, given[index] if given.ndim else given)

    def get(self, row: int) -> Any:
        """The value of one row, as a Python number. O(1), in a sparse page O(log n)."""
        page = self._pages.get(row >> 16)
        local = row & (BLOCK_ROWS - 1)
        if page is None:
            return self.fill.item()
        if page.locals is not None:
            place = int(page.locals.searchsorted(np.uint16(local)))
            found = place < len(page.locals) and int(page.locals[place]) == local
            return page.values[place].item() if found else self.fill.item()
        return page.values[local].item() if local < len(page.values) else self.fill.item()

    def take(self, rows: NDArray[np.uint32]) -> Values:
        """The value of each row, in the order of ``rows`` (any order, repeated or not), anew."""
        result = np.empty(len(rows), dtype=self.dtype)
        local = (rows & _LOCAL).astype(np.intp)
        for block, index in by_block(rows):
            page = self._pages.get(block)
            if page is None or not len(page.values):
                result[index] = self.fill
            elif isinstance(index, slice) and page.locals is None:
                # Most often: a page that has all rows, into its place without a copy.
                page.values.take(local[index], mode="clip", out=result[index])
                if len(page.values) < BLOCK_ROWS:
                    result[index][local[index] >= len(page.values)] = self.fill
            else:
                result[index] = self._take_page(page, local[index])
        return result

    def pages(self) -> Iterator[tuple[int, Values]]:
        """``(first row, values from that row on)`` per block that stores anything, ascending.

        The values (not to be modified) may end before the block does; the rest is fill. A sparse
        page is spread out for this, so ``stored`` is cheaper where few rows store something.
        """
        for block in sorted(self._pages):
            page = self._pages[block]
            if page.locals is None:
                yield block * BLOCK_ROWS, _read_only(page.values)
            elif len(page.locals):
                spread = np.full(int(page.locals[-1]) + 1, self.fill, dtype=self.dtype)
                spread[page.locals] = page.values
                yield block * BLOCK_ROWS, spread

    def stored(self) -> Iterator[tuple[NDArray[np.uint32], Values]]:
        """``(rows, values)`` that aren't fill, per block, ascending; not to be modified."""
        for block in sorted(self._pages):
            rows, values = self.stored_in(block)
            if len(rows):
                yield rows, values

    def stored_in(self, block: int) -> tuple[NDArray[np.uint32], Values]:
        """``(rows, values)`` of one block that aren't fill, ascending; not to be modified."""
        page = self._pages.get(block)
        if page is None:
            return np.empty(0, np.uint32), np.empty(0, self.dtype)
        local, values = self._stored_of(page)
        return local.astype(np.uint32) + np.uint32(block * BLOCK_ROWS), values

    def rows(self) -> BitMap:
        """The rows that store something. O(bytes), little of it in Python."""
        parts = Parts()
        for block in sorted(self._pages):
            page = self._pages[block]
            if page.locals is None:
                parts.add_mask(block, self._differs(page.values))
            elif len(page.locals):
                parts.add(block, page.locals)
        return parts.bitmap()

    def arrays(self) -> Iterator[tuple[int, Values]]:
        """``(block, values)``, blocks ascending: those of its first rows, or all that are stored.

        Not to be modified; of the first rows some may store nothing.
        """
        for block in sorted(self._pages):
            yield block, _read_only(self._pages[block].values)

    def alike(self, dtype: DTypeLike, arrays: Mapping[int, Values]) -> Column:
        """A column of fill value 0 whose values stand where the ones of ``arrays`` do here.

        Args:
            dtype: of the new column.
            arrays: block -> as many values as here; the column's own from now on.
        """
        column = Column(dtype, 0)
        for block, page in self._pages.items():
            assert len(arrays[block]) == len(page.values)
            column._pages[block] = _Page(arrays[block], page.locals)
        column._owned = set(column._pages)
        return column

    def blocks(self) -> list[int]:
        """Numbers of the blocks that have a page, ascending. O(pages)."""
        return sorted(self._pages)

    def freeze(self) -> Column:
        """A read-only column of the present contents. O(pages)."""
        if self._frozen:
            return self
        frozen = Column(self.dtype, self.fill)
        frozen._pages = dict(self._pages)
        frozen._frozen = True
        self._owned = set()
        return frozen

    @property
    def nbytes(self) -> int:
        """Bytes of memory, pages shared with frozen columns included. O(pages)."""
        total = 0
        for page in self._pages.values():
            total += page.values.nbytes + _PAGE_OVERHEAD
            total += 0 if page.locals is None else page.locals.nbytes
        return total

    def dump(self) -> dict[str, Any]:
        """Plain data: the same contents give the same data, whatever way they were reached.

        Arrays may be views of this column's memory: encode them before the next ``put``, or dump
        a frozen column.
        """
        pages: list[dict[str, Any]] = []
        for block in sorted(self._pages):
            local, values = self._stored_of(self._pages[block])
            if not len(local):
                continue
            span = int(local[-1]) + 1
            if _is_dense(span, len(local)):
                pages.append({"block": block, "values": self._spread(self._pages[block], span)})
            else:
                pages.append({"block": block, "values": values, "locals": local})
        fill = np.array([self.fill], dtype=self.dtype)
        return {"dtype": self.dtype.str, "fill": fill, "pages": pages}

    @classmethod
    def load(cls, parts: Mapping[str, Any]) -> Column:
        """The column of dumped data, whose arrays it may share until it changes them.

        Raises:
            DataLoss: the data aren't what ``dump`` gives.
        """
        try:
            dtype = np.dtype(parts["dtype"])
            fill: Any = parts["fill"]
            if dtype.kind not in "biuf" or fill.dtype != dtype or fill.shape != (1,):
                raise DataLoss(f"a column of type {dtype} can't be loaded")
            column = cls(dtype, fill[0])
            last = -1
            for page in parts["pages"]:
                block = page["block"]
                if type(block) is not int or not last < block < ROWS_MAX // BLOCK_ROWS:
                    raise DataLoss("the blocks of a column are out of order")
                column._pages[block] = _load_page(dtype, page["values"], page.get("locals"))
                last = block
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataLoss(f"a column can't be loaded: {error!r}") from error
        return column

    def _put_page(self, block: int, local: NDArray[np.uint32], values: Values) -> None:
        page = self._pages.get(block)
        needed = int(local.max()) + 1
        if page is None:
            page = _Page(np.empty(0, self.dtype), np.empty(0, np.uint16))
        if page.locals is None and needed > len(page.values):
            count = int(np.count_nonzero(self._differs(page.values))) + len(local)
            if _is_dense(needed, count):
                page = _Page(self._spread(page, _capacity(needed)))
                self._owned.add(block)
            else:
                stored, kept = self._stored_of(page)
                page = _Page(kept, stored)
        if page.locals is not None:
            page = self._merged(page.locals, page.values, local, values)
            self._owned.add(block)
        elif block in self._owned:
            page.values[local] = values
        else:
            page = _Page(page.values.copy())
            page.values[local] = values
            self._owned.add(block)
        self._pages[block] = page

    def _merged(
        self,
        old: NDArray[np.uint16],
        old_values: Values,
        local: NDArray[np.uint32],
        values: Values,
    ) -> _Page:
        needed = max(int(local.max()), int(old[-1]) if len(old) else 0) + 1
        if _is_dense(needed, len(old) + len(local)):
            dense = np.full(_capacity(needed), self.fill, dtype=self.dtype)
            dense[old] = old_values
            dense[local] = values
            return _Page(dense)
        both = np.concatenate([old, local.astype(np.uint16)])
        order = np.argsort(both, kind="stable")
        both = both[order]
        last = np.append(both[1:] != both[:-1], True)  # of two for a row the newer one
        merged = np.concatenate([old_values, np.broadcast_to(values, local.shape)])[order]
        last &= self._differs(merged)
        return _Page(merged[last], both[last])

    def _take_page(self, page: _Page, local: NDArray[np.intp]) -> Values:
        if page.locals is None:
            taken = page.values.take(local, mode="clip")
            if int(local.max()) >= len(page.values):
                taken[local >= len(page.values)] = self.fill
            return taken
        places = page.locals.searchsorted(local.astype(np.uint16))
        places[places == len(page.locals)] = 0
        return np.where(page.locals[places] == local, page.values[places], self.fill)

    def _stored_of(self, page: _Page) -> tuple[NDArray[np.uint16], Values]:
        if page.locals is not None:
            return page.locals, page.values
        local = np.flatnonzero(self._differs(page.values)).astype(np.uint16)
        return local, page.values[local]

    def _spread(self, page: _Page, length: int) -> Values:
        """The values of a page's first ``length`` rows, as a view where it has so many."""
        if page.locals is None and len(page.values) >= length:
            return page.values[:length]
        spread = np.full(length, self.fill, dtype=self.dtype)
        if page.locals is None:
            spread[: len(page.values)] = page.values
        else:
            spread[page.locals] = page.values
        return spread

    def _differs(self, values: Values) -> NDArray[np.bool_]:
        return ~np.isnan(values) if self.fill != self.fill else values != self.fill


def _is_dense(span: int, count: int) -> bool:
    return span <= _DENSE_MIN or span <= _SPARSE_FACTOR * count


def _capacity(needed: int) -> int:
    return max(_DENSE_MIN, 1 << (needed - 1).bit_length())


def _read_only(values: Values) -> Values:
    view = values.view()
    view.flags.writeable = False
    return view


def _load_page(dtype: np.dtype[Any], values: Values, local: Any) -> _Page:
    if values.dtype != dtype or values.ndim != 1 or not 0 < len(values) <= BLOCK_ROWS:
        raise DataLoss("a page of a column has the wrong type or size")
    if local is not None and (
        local.dtype != np.uint16
        or local.shape != values.shape
        or not bool((local[1:] > local[:-1]).all())
    ):
        raise DataLoss("a sparse page of a column is out of order")
    return _Page(values, local)
