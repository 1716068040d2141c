"""For whom of the touched rows a condition may be another than before.

A condition that reads nothing of what was touched holds for whom it held. Of events only more came,
so *at least so often* holds anew for those alone who did it less often before.
"""

from __future__ import annotations

from collections.abc import Mapping

from headcount_server.core.live.few import Few
from headcount_server.core.live.places import Places
from headcount_server.core.live.reads import Indexes, reads
from headcount_server.core.live.touched import Touched
from headcount_server.core.plan.event_nodes import DidAtLeast
from headcount_server.core.plan.nodes import And, AtLeast, InSegment, Node, Not, Or, Scored


class Changes:
    """What may have changed among some rows, as sets of their places.

    Nothing may have been erased that isn't noted, and no condition may have changed by the time
    alone.

    Args:
        touched: since what is known of before.
        places: of the rows, subscribers all of them.
        few: look-ups among them.

    Attributes:
        new: who may have been made of a row since; they may have changed in everything.
    """

    def __init__(self, touched: Touched, places: Places, few: Few) -> None:
        self._touched = touched
        self._places = places
        self._few = few
        self._known: dict[Node, int] = {}
        self._of_indexes: dict[Indexes, int] = {}
        # A row that was erased may be somebody else's by now.
        self.new = places.set_of_rows((touched.created | touched.erased) & places.base)

    def of(self, node: Node, segments: Mapping[str, Node]) -> int:
        """For whom a bound rule may be another than before, but for those who are new.

        Args:
            node: the bound rule, in which nobody is ranked.
            segments: what the segments in it are bound to, each after those that it uses.
        """
        found = self._known.get(node)
        if found is None:
            if isinstance(node, InSegment):
                for name, bound in segments.items():  # no recursion through segments
                    self._known[InSegment(name)] = self._made(bound, segments)
                return self._known[node]
            found = self._known[node] = self._made(node, segments)
        return found

    def _made(self, node: Node, segments: Mapping[str, Node]) -> int:
        if isinstance(node, Not):
            return self.of(node.node, segments)
        if isinstance(node, And | Or | AtLeast | Scored):
            result = 0
            for part in node.nodes:
                result |= self.of(part, segments)
            return result
        if isinstance(node, InSegment):
            return self.of(node, segments)
        if isinstance(node, DidAtLeast):
            if not any(source.event in self._touched.events for source in node.sources):
                return 0
            found = self._few.reached(node, self._touched.since)
            if found is not None:
                return found
        indexes = reads(node, {}).those_touched(self._touched)
        if not any(indexes):
            return 0
        found = self._of_indexes.get(indexes)
        if found is None:
            rows = self._touched.rows_of(*indexes) & self._places.base
            found = self._of_indexes[indexes] = self._places.set_of_rows(rows)
        return found
