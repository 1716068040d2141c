"""Rows of parts of rules that are asked again and again, inside a budget of bytes.

While somebody types a rule, all of its conditions but one stay the same. An entry holds for one
*stamp*, the versions of the indexes behind it, so a write that changes one of these unmakes it.
Look-ups that cost more than one bitmap and what is combined of them are kept, from the second ask
on; the one asked for longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.attribute_nodes import (
    Inside,
    Near,
    PairHolds,
    PartIn,
    Ranked,
    Sized,
)
from headcount_server.core.plan.nodes import (
    And,
    AtLeast,
    DidAtLeast,
    IsSet,
    IsTrue,
    Node,
    Not,
    NumberIn,
    NumberRange,
    Or,
    Scored,
    TextMatch,
)

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience

BUDGET_BYTES = 64 << 20
_ASKED_MAX = 10_000  # look-ups asked once that are remembered
_ENTRY_BYTES = 500  # the objects around an entry
_PARTS_MAX = 64  # of what is kept; the stamp of more would cost as much as evaluation

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


def stamp_of(audience: Audience, node: Node) -> Stamp | None:
    """The versions of the indexes that a part of a rule reads; None where it isn't kept."""
    if not isinstance(node, _KEPT):
        return None
    versions: list[int] = []
    pending: list[Node] = [node]
    visited = 0
    while pending:
        part = pending.pop()
        visited += 1
        if visited > _PARTS_MAX:
            return None
        if isinstance(part, Not):
            versions.append(audience.known_since.version)  # changes with everyone
            pending.append(part.node)
        elif isinstance(part, And | Or | AtLeast | Scored):
            versions.append(audience.known_since.version)
            pending.extend(part.nodes)
        elif isinstance(part, DidAtLeast):
            versions.extend(audience.events[source.event].version for source in part.sources)
        elif isinstance(part, _OF_ATTRIBUTES) and part.attribute != "key":
            versions.append(audience.index(part.attribute).version)
            if isinstance(part, PairHolds):
                versions.append(audience.index(part.other).version)
        else:
            return None
    return tuple(versions)


_OF_ATTRIBUTES = (
    NumberRange, NumberIn, TextMatch, IsSet, IsTrue, Near, Inside, Ranked, PairHolds, PartIn, Sized
)  # fmt: skip
_KEPT = (
    NumberRange, NumberIn, TextMatch, Near, Inside, Ranked, PairHolds, And, Or, AtLeast, Scored
)  # fmt: skip
