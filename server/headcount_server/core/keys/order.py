"""The order of string keys, for pages of them.

For each block of rows the order of its keys is kept from the first page that needs it on: a *run*,
two bytes a row. A key never changes while its row exists, so a run only ends where some row of its
block is removed; rows that came since stand in no run and are looked at one by one, until they are
so many that the run is made anew. A page is merged from what follows in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import unlocked
from headcount_server.core.bitmaps import EMPTY, from_range
from headcount_server.core.ragged import RaggedColumn, ragged_index
from headcount_server.core.steps import Steps, apart
from headcount_server.limits import BLOCK_ROWS

Rows = NDArray[np.uint32]

_STEP_KEYS = 2_048  # keys that are looked at in one step: less than a millisecond
_FEW = 512  # members for each block up to which all are looked at, rather than runs
_PORTION = 8  # keys that are taken of each run at once, besides its share of the page
_LOOSE = 1_024  # rows of a block that may be in no run
_WORD = 8  # bytes that are compared at once
_SORT_NS = 300  # to sort a key by one word, about


class KeyOrder:
    """Runs of the blocks of one column of keys.

    Args:
        texts: the keys by row; read only, and changed by others.
    """

    def __init__(self, texts: RaggedColumn) -> None:
        self._texts = texts
        self._runs: dict[int, NDArray[np.uint16]] = {}  # block -> its rows in the order of keys
        self._ordered = EMPTY  # the rows in runs

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(run.nbytes for run in self._runs.values())

    def forget(self, rows: Rows) -> None:
        """Ends the runs of rows that are about to be removed. O(blocks of them)."""
        for block, _ in _by_block(np.sort(rows)):
            if self._runs.pop(block, None) is not None:
                first = block * BLOCK_ROWS
                self._ordered = self._ordered - from_range(first, first + BLOCK_ROWS)

    def smallest(
        self, everyone: BitMap, members: BitMap, after: str | None, limit: int
    ) -> Steps[list[bytes]]:
        """The ``limit`` smallest keys of members after ``after``, ascending.

        Args:
            everyone: all rows that have keys.
            members: some of them.
            after: None for the start.
            limit: 1 or more.
        """
        low = b"" if after is None else after.encode(errors="surrogatepass")
        if len(members) <= max(_FEW * unlocked.containers(everyone), 2 * limit):
            return (yield from self._looked_at(unlocked.to_array(members), low, limit))
        yield from self._order(everyone)
        rows = yield from apart(
            partial(unlocked.to_array, members), len(members) * unlocked.LIST_NS
        )
        loose = members - self._ordered
        found = yield from self._looked_at(unlocked.to_array(loose), low, limit)
        following: list[Rows] = []
        for block, held in _by_block(rows):
            run = self._following(block, held, low)
            if len(run):
                following.append(run)
            yield
        return (yield from self._merged(following, found, limit))

    def _looked_at(self, rows: Rows, low: bytes, limit: int) -> Steps[list[bytes]]:
        smallest: list[bytes] = []  # ascending, with what may be among the smallest after them
        for start in range(0, len(rows), _STEP_KEYS):
            texts = self._take(rows[start : start + _STEP_KEYS])
            if len(smallest) >= limit:
                high = smallest[limit - 1]
                texts = [text for text in texts if low < text < high]
            elif low:
                texts = [text for text in texts if text > low]
            smallest += texts
            smallest.sort()
            del smallest[limit:]
            yield
        return smallest

    def _order(self, everyone: BitMap) -> Steps[None]:
        """Makes the runs of the blocks with many rows in none."""
        loose = everyone - self._ordered
        cost_ns = len(loose) * unlocked.LIST_NS
        rows = yield from apart(partial(unlocked.to_array, loose), cost_ns)
        for block, some in _by_block(rows):
            if len(some) <= _LOOSE:
                continue
            first = block * BLOCK_ROWS
            held = everyone & from_range(first, first + BLOCK_ROWS)
            keyed = unlocked.to_array(held)
            joined, lengths = self._texts.gather(keyed)
            words = -(-int(lengths.max()) // _WORD)
            cost_ns = len(keyed) * words * _SORT_NS
            order = yield from apart(partial(in_order, joined, lengths), cost_ns)
            self._runs[block] = keyed.astype(np.uint16)[order]
            self._ordered = self._ordered | held
            yield

    def _following(self, block: int, members: Rows, low: bytes) -> Rows:
        """The members of a block that are in its run and after ``low``, in the order of keys."""
        run = self._runs.get(block)
        if run is None:
            return np.empty(0, np.uint32)
        first = block * BLOCK_ROWS
        start, stop = 0, len(run) if low else 0
        while start < stop:
            middle = (start + stop) // 2
            text = self._texts.get(first + int(run[middle]))
            assert text is not None, "a run has only rows that have keys"
            if text > low:
                stop = middle
            else:
                start = middle + 1
        is_member = np.zeros(BLOCK_ROWS, np.bool_)
        is_member[members.astype(np.uint16)] = True
        after = run[start:]
        return after.compress(is_member.take(after)).astype(np.uint32) + np.uint32(first)

    def _merged(self, following: list[Rows], found: list[bytes], limit: int) -> Steps[list[bytes]]:
        """The smallest of what was found and of what follows in runs, a portion of each a time."""
        portion = _PORTION + 2 * limit // max(len(following), 1)
        taken, pending = found, following
        while pending:
            later: list[tuple[bytes, Rows]] = []  # the last key taken of each, and what follows it
            more: list[bytes] = []
            heads = np.concatenate([rows[:portion] for rows in pending])
            for start in range(0, len(heads), _STEP_KEYS):
                more += self._take(heads[start : start + _STEP_KEYS])
                yield
            end = 0
            for rows in pending:
                end += min(len(rows), portion)
                if len(rows) > portion:
                    later.append((more[end - 1], rows[portion:]))
            taken = sorted(taken + more)[:limit]
            pending = [rows for last, rows in later if len(taken) < limit or last < taken[-1]]
        return taken

    def _take(self, rows: Rows) -> list[bytes]:
        texts = [text for text in self._texts.take(rows) if text is not None]
        assert len(texts) == len(rows), "only existing subscribers have keys"
        return texts


def _by_block(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """The blocks of ascending rows, each with its rows."""
    if not len(rows):
        return
    blocks = range(int(rows[0]) // BLOCK_ROWS, int(rows[-1]) // BLOCK_ROWS + 1)
    firsts = np.array(blocks, np.uint32) * np.uint32(BLOCK_ROWS)
    bounds = [*np.searchsorted(rows, firsts).tolist(), len(rows)]
    for block, start, stop in zip(blocks, bounds[:-1], bounds[1:], strict=True):
        if start < stop:
            yield block, rows[start:stop]


def in_order(joined: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.intp]:
    """The places of texts in the order of their bytes.

    Args:
        joined: the bytes of one after another.
        lengths: of each; 0 or more.
    """
    width = max(-(-int(lengths.max(initial=0)) // _WORD), 1) * _WORD
    padded = np.zeros(len(lengths) * width, np.uint8)
    padded[ragged_index(np.arange(len(lengths)) * width, lengths)] = joined
    words = padded.view(">u8").astype(np.uint64).reshape(-1, width // _WORD)
    # Where texts are equal but for zero bytes at the end, the shorter one comes first.
    columns = [lengths] if not bool(joined.all()) else []
    columns += [words[:, i] for i in reversed(range(words.shape[1]))]
    return np.lexsort(columns) if len(columns) > 1 else np.argsort(columns[0])
