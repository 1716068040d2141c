"""Bins of an integer attribute: which rows have a value in which interval.

Bin i holds the values from ``edges[i]`` up to but not including ``edges[i + 1]``; together the
bins cover every int64. Edges are chosen so that bins hold about equally many rows; a value that
many rows share has a bin of its own, as has every value where few differ. Bins are immutable: a
change gives new ones over the same edges.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.opened_bin import OpenedBin
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.attributes.postings import Keys, make_keys, toggling
from headcount_server.core.steps import Steps
from headcount_server.limits import INT64_MAX, INT64_MIN

BINS = 128  # of about equal size, besides those of single values
_EXACT_MAX = 128  # so many different values have a bin each
_SAMPLE_MAX = 1 << 16  # values that the edges are chosen from
_STRIDE = 4  # bins from one kept union to the next
_OPENED_MAX = 8  # bins whose values are kept beside their rows
_EXACT_KEPT = 8  # unions up to a bin, or from one on, that were asked for twice
_CARRIED_MAX = 4096  # changes after which a kept union is made anew
_LOPSIDED = 8  # times its fair share that a bin of several values may hold

Integers = NDArray[np.int64]
Rows = NDArray[np.uint32]
_Older = tuple[BitMap, tuple[Keys, ...]]


def sample_step(count: int) -> int:
    """Every how many-th of so many values the edges are chosen from."""
    return max(1, count // _SAMPLE_MAX)


def choose_edges(values: Integers) -> Integers:
    """Lower bounds of bins, ascending, INT64_MIN first. O(values log values)."""
    sample = np.sort(values)
    distinct, counts = np.unique(sample, return_counts=True)
    single = distinct
    quantiles = np.empty(0, np.int64)
    if len(distinct) > _EXACT_MAX:
        single = distinct[counts * BINS >= len(sample)]
        quantiles = sample[np.arange(1, BINS) * len(sample) // BINS]
    after = single[single < INT64_MAX] + 1
    lowest = np.array([INT64_MIN], np.int64)
    return np.unique(np.concatenate([lowest, single, after, quantiles]))


class Bins:
    """The rows of each bin, unions of many bins, and how many rows there are."""

    def __init__(self, edges: Integers, rows: Sequence[BitMap]) -> None:
        self.edges = edges
        self.rows = list(rows) + [bitmaps.EMPTY] * (len(edges) - len(rows))
        self.sizes = np.fromiter(map(len, self.rows), np.int64, len(edges))
        self._firsts: dict[int, BitMap] = {}  # number of bins -> union of so many first bins
        self._older: dict[int, _Older] = {}  # the same of bins before small changes
        # Number of first bins, or of last ones where negative -> their union; None: asked for once.
        self._exact: OrderedDict[int, BitMap | None] = OrderedDict()
        self._opened: dict[int, OpenedBin] = {}  # the one asked for last comes last

    def keys(self, values: Integers, rows: Rows) -> Keys:
        """What to toggle for rows that get or lose values."""
        return make_keys(slots_of(self.edges, values), rows)

    def toggling(self, keys: Sequence[Keys]) -> Steps[Bins]:
        """The bins after toggling pairs of bin and row."""
        changed = Bins(self.edges, (yield from toggling(self.rows, keys)))
        changed._older = {
            **{c: (rows, (*then, *keys)) for c, (rows, then) in self._older.items()},
            **{c: (rows, tuple(keys)) for c, rows in self._firsts.items()},
        }
        changed._older = {
            count: (rows, then)
            for count, (rows, then) in changed._older.items()
            if sum(map(len, then)) <= _CARRIED_MAX
        }
        return changed

    def without(self, erased: BitMap, values: Integers, take: Callable[[Rows], Integers]) -> Bins:
        """The bins without some rows, and without edges that nobody's value explains any more.

        O(rows of the bins of which one of the erased had the least or the greatest value).

        Args:
            erased: the rows.
            values: the values that they had.
            take: the values of rows by now.
        """
        rows = list(self.rows)
        for i in np.unique(slots_of(self.edges, values)).tolist():
            rows[i] = rows[i] - erased
        kept = np.ones(len(rows), np.bool_)
        for i in range(1, len(rows)):  # nobody is on either side of it
            kept[i] = bool(rows[i]) or bool(rows[i - 1])
        for i, of_bin in self._at_ends(values):
            least, greatest = int(self.edges[i]), self._top(i)
            if rows[i]:  # the only value of a bin is everyone's
                held = of_bin if least == greatest else take(bitmaps.to_array(rows[i]))
                of_bin = of_bin[~np.isin(of_bin, held)]  # noqa: PLW2901
            for value in of_bin.tolist():
                kept[i] &= least != value or i == 0
                if i + 1 < len(rows) and greatest == value:
                    kept[i + 1] = False
        starts = np.flatnonzero(kept).tolist()
        merged = [
            rows[start] if stop == start + 1 else bitmaps.union(rows[start:stop])
            for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True)
        ]
        return Bins(self.edges[kept], merged)

    def _at_ends(self, values: Integers) -> Iterator[tuple[int, Integers]]:
        """Bins with the values that are the least or the greatest one of their bin, if any are."""
        distinct = np.unique(values)
        slots = slots_of(self.edges, distinct)
        tops = np.append(self.edges[1:] - 1, INT64_MAX)
        at_end = (self.edges[slots] == distinct) | (tops[slots] == distinct)
        distinct, slots = distinct[at_end], slots[at_end]
        for i in np.unique(slots).tolist():
            yield i, distinct[slots == i]

    def settling(self) -> Iterator[None]:
        """Make the unions that are kept, one a step."""
        for count in range(_STRIDE, len(self.edges) + 1, _STRIDE):
            if count not in self._firsts:
                self._first(count)
                yield

    def is_lopsided(self) -> bool:
        """Whether a bin of several values holds far more rows than its share."""
        widths = self.edges[1:] - 1 > self.edges[:-1]
        shared = self.sizes[np.append(widths, True)]
        return int(shared.max(initial=0)) * BINS > _LOPSIDED * int(self.sizes.sum()) + BINS * 1024

    def find(self, low: int, high: int) -> tuple[int, int, list[int]]:
        """The bins of a range that isn't empty: ``(first, last + 1)`` of those that lie wholly
        inside, and those that lie across an end."""
        first = int(np.searchsorted(self.edges, low, side="right")) - 1
        last = int(np.searchsorted(self.edges, high, side="right")) - 1
        across: list[int] = []
        start, stop = first, last + 1
        if int(self.edges[first]) != low:
            across.append(first)
            start += 1
        if self._top(last) != high and stop > start:
            across.append(last)
            stop -= 1
        return start, max(start, stop), [i for i in across if self.sizes[i]]

    def between(self, start: int, stop: int, everyone: BitMap) -> Pieces:
        """The rows of the bins from ``start`` up to but not including ``stop``.

        Args:
            everyone: the rows of all bins.
        """
        if stop - start <= _STRIDE:
            return Pieces(tuple(rows for rows in self.rows[start:stop] if rows))
        if stop == len(self.edges) and start * 2 > stop:
            last = self._asked_twice(start - stop)
            if last is not None:
                return Pieces((last,))
        upper = Pieces((everyone,)) if stop == len(self.edges) else self._below(stop)
        lower = self._below(start)
        return Pieces((*upper.plus, *lower.minus), (*upper.minus, *lower.plus))

    def opened(self, i: int, take: Callable[[Rows], Integers]) -> OpenedBin:
        """Bin ``i`` with its values; kept for the bins last asked for.

        Args:
            take: gives the values of rows, which are those that the bins were made of.
        """
        found = self._opened.pop(i, None)
        if found is None:
            found = OpenedBin(self.rows[i], take)
            if len(self._opened) >= _OPENED_MAX:
                del self._opened[next(iter(self._opened))]
        self._opened[i] = found
        return found

    def nbytes(self) -> int:
        """Bytes of memory."""
        opened = sum(one.nbytes for one in self._opened.values())
        exact = filter(None, self._exact.values())
        return opened + sum(map(bitmaps.nbytes, [*self.rows, *self._firsts.values(), *exact]))

    def _below(self, bin: int) -> Pieces:
        """The rows of the first bins."""
        exact = self._asked_twice(bin) if bin % _STRIDE else None
        return self._nearest(bin) if exact is None else Pieces((exact,))

    def _nearest(self, bin: int) -> Pieces:
        """The rows of the first bins, from the nearest kept union."""
        kept = (bin + _STRIDE // 2) // _STRIDE * _STRIDE
        kept = min(kept, len(self.edges) // _STRIDE * _STRIDE)
        first = (self._first(kept),) if kept else ()
        if kept <= bin:
            return Pieces((*first, *(rows for rows in self.rows[kept:bin] if rows)))
        return Pieces(first, tuple(rows for rows in self.rows[bin:kept] if rows))

    def _asked_twice(self, count: int) -> BitMap | None:
        """The union of so many first bins, of last ones where negative; None at the first ask."""
        was_asked = count in self._exact
        known = self._exact.pop(count, None)
        if was_asked and known is None:
            known = bitmaps.union(self.rows[count:]) if count < 0 else self._nearest(count).rows()
        self._exact[count] = known
        if len(self._exact) > _EXACT_KEPT:
            self._exact.popitem(last=False)
        return known

    def _first(self, count: int) -> BitMap:
        known = self._firsts.get(count)
        if known is None and count in self._older:
            rows, changes = self._older.pop(count)
            known = self._firsts[count] = rows ^ _toggled_below(changes, count)
        if known is None:
            below = max((c for c in self._firsts if c < count), default=0)
            parts = [self._firsts[below]] if below else []
            known = bitmaps.union([*parts, *self.rows[below:count]])
            self._firsts[count] = known
        return known

    def _top(self, i: int) -> int:
        return int(self.edges[i + 1]) - 1 if i + 1 < len(self.edges) else INT64_MAX


def slots_of(edges: Integers, values: Integers) -> NDArray[np.intp]:
    """The bin of each value. O(n log bins)."""
    return np.searchsorted(edges, values, side="right") - 1


def _toggled_below(changes: Sequence[Keys], count: int) -> BitMap:
    """The rows that keys toggle in the union of the first ``count`` bins."""
    limit = np.uint64(count) << np.uint64(32)
    keys = np.concatenate([change[change < limit] for change in changes])
    rows, often = np.unique(keys.astype(np.uint32), return_counts=True)
    return bitmaps.from_sorted(rows[often % 2 == 1])
