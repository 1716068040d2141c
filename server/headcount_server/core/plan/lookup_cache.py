"""Rows of parts of rules that are asked again and again, inside a budget of bytes.

While somebody types a rule, all of its conditions but one stay the same. An entry holds for one
*stamp*, the versions of the indexes behind it, so a write that changes one of these unmakes it.
Look-ups that cost more than one bitmap and what is combined of them are kept, from the second ask
on; the one asked for longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.nodes import Node

BUDGET_BYTES = 64 << 20
_ASKED_MAX = 10_000  # look-ups asked once that are remembered
_ENTRY_BYTES = 500  # the objects around an entry

Stamp = tuple[int, ...]


class LookupCache:
    """Least recently used rows of look-ups.

    Args:
        budget_bytes: what the entries may take together; one larger than all of it isn't kept.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[Node, tuple[Stamp, BitMap, int]] = OrderedDict()
        self._asked: OrderedDict[Node, None] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self._bytes

    def get(self, node: Node, stamp: Stamp) -> BitMap | None:
        """The rows of a look-up, not to be modified; None where there are none for this stamp."""
        entry = self._entries.get(node)
        if entry is None or entry[0] != stamp:
            return None
        self._entries.move_to_end(node)
        return entry[1]

    def is_due(self, node: Node) -> bool:
        """Whether the look-up was asked before, so that its rows are worth keeping."""
        if node in self._asked:
            self._asked.move_to_end(node)
            return True
        self._asked[node] = None
        if len(self._asked) > _ASKED_MAX:
            self._asked.popitem(last=False)
        return False

    def put(self, node: Node, stamp: Stamp, rows: BitMap) -> None:
        """Keep the rows of a look-up, in place of those for another stamp."""
        size = bitmaps.nbytes(rows) + _ENTRY_BYTES
        self._drop(node)
        if size > self._budget_bytes:
            return
        self._entries[node] = (stamp, rows, size)
        self._bytes += size
        while self._bytes > self._budget_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Drop everything, as an erasure must."""
        self._entries.clear()
        self._asked.clear()
        self._bytes = 0

    def _drop(self, node: Node) -> None:
        entry = self._entries.pop(node, None)
        if entry is not None:
            self._bytes -= entry[2]
