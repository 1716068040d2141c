"""Evaluates bound rules within some rows of an audience, as ``evaluate`` does within everyone.

Rules of one round share it: an equal leaf is looked up once, among all rows in question, so that a
thousand rules cost little more than their different conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.live.few import Few
from headcount_server.core.live.reads import leaves
from headcount_server.core.plan.nodes import And, AtLeast, InSegment, Node, Not, Or, Scored
from headcount_server.core.plan.scores import scored

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience


class Restricted:
    """Evaluates rules within some rows of one revision of an audience.

    Only for as long as the audience doesn't change. Rules may be bound at different instants if
    each of them, and of the segments that it uses, denotes the same as at the present one: a
    segment is then evaluated once for all of them.

    Args:
        audience: whom the rules are about.
        rows: the rows in question; those that don't exist are left out of every answer.
    """

    def __init__(self, audience: Audience, rows: BitMap) -> None:
        self.base = rows & audience.everyone
        self._few = Few(audience, self.base)
        self._known: dict[Node, BitMap] = {}

    def rows(self, node: Node, segments: Mapping[str, Node]) -> BitMap:
        """Those of the rows that a bound rule denotes; not to be modified.

        Args:
            node: the bound rule.
            segments: what the segments in it are bound to, each after those that it uses.
        """
        if segments:
            for leaf in leaves(node, segments):
                if isinstance(leaf, InSegment) and leaf not in self._known:
                    self._segments(segments)
                    break
        return self._rows(node)

    def _segments(self, segments: Mapping[str, Node]) -> None:
        """Evaluates segments in the order of their use: no recursion through them."""
        for name, bound in segments.items():
            leaf = InSegment(name)
            if leaf not in self._known:
                self._known[leaf] = self._rows(bound)

    def _rows(self, node: Node) -> BitMap:
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._made(node)
        return known

    def _made(self, node: Node) -> BitMap:
        if isinstance(node, Not):
            return self.base - self._rows(node.node)
        if isinstance(node, And):
            return self._intersection(node)
        if isinstance(node, Or):
            return bitmaps.union([self._rows(part) for part in node.nodes])
        if isinstance(node, AtLeast):
            if node.count <= 0:
                return self.base
            return bitmaps.at_least(node.count, [self._rows(part) for part in node.nodes])
        if isinstance(node, Scored):
            parts = [self._rows(part) for part in node.nodes]
            return scored(node.weights, parts, self.base, node.low, node.high)
        assert not isinstance(node, InSegment), "segments are evaluated before what uses them"
        return self._few.look_up(node)

    def _intersection(self, node: And) -> BitMap:
        """Conditions known already come first; it ends where nobody is left."""
        result = self.base
        for part in sorted(node.nodes, key=self._is_unknown):
            if not result:
                return bitmaps.EMPTY
            if isinstance(part, Not):
                result = result - self._rows(part.node)
            else:
                result = result & self._rows(part)
        return result

    def _is_unknown(self, part: Node) -> bool:
        return (part.node if isinstance(part, Not) else part) not in self._known
