"""Evaluates bound rules over one audience.

``plain`` is the definition: set algebra node by node, everything materialised. ``Evaluation`` gives
the same sets for less: it rewrites, shares equal parts, orders an intersection by size, stops when
nobody is left, asks look-ups that cost by the row last and only among those left, and counts at the
root without building the result. The tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.lookup import costs_by_the_row, look_up
from headcount_server.core.plan.lookup_cache import stamp_of
from headcount_server.core.plan.nodes import (
    All,
    And,
    AtLeast,
    InSegment,
    Node,
    Not,
    Nothing,
    Or,
    Scored,
)
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.plan.scores import scored

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience


Segments = Mapping[str, Node]
NO_SEGMENTS: Segments = MappingProxyType({})


def evaluate(audience: Audience, node: Node, segments: Segments = NO_SEGMENTS) -> BitMap:
    """The rows that a bound rule denotes; not to be modified.

    Args:
        audience: whom it is evaluated over.
        node: the bound rule.
        segments: what the segments in it are bound to, each after those that it uses.
    """
    return Evaluation(audience, segments).rows(node)


def plain(audience: Audience, node: Node, segments: Segments = NO_SEGMENTS) -> BitMap:
    """The same by definition: the oracle of every optimisation."""
    if isinstance(node, Not):
        return audience.everyone - plain(audience, node.node, segments)
    if isinstance(node, And):
        result = audience.everyone
        for part in node.nodes:
            result = result & plain(audience, part, segments)
        return result
    if isinstance(node, Or):
        return bitmaps.union([plain(audience, part, segments) for part in node.nodes])
    if isinstance(node, InSegment):
        return plain(audience, segments[node.segment], segments)
    if isinstance(node, AtLeast):
        if node.count <= 0:
            return audience.everyone
        parts = [plain(audience, part, segments) for part in node.nodes]
        return BitMap(r for r in audience.everyone if sum(r in p for p in parts) >= node.count)
    if isinstance(node, Scored):
        parts = [plain(audience, part, segments) for part in node.nodes]
        held = list(zip(node.weights, parts, strict=True))
        totals = ((r, sum(w for w, rows in held if r in rows)) for r in audience.everyone)
        return BitMap(
            r
            for r, total in totals
            if (node.low is None or total >= node.low) and (node.high is None or total <= node.high)
        )
    return look_up(audience, node) & audience.everyone


class Evaluation:
    """Evaluates several rules over one revision of an audience and shares their equal parts.

    Only for as long as the audience doesn't change.
    """

    def __init__(self, audience: Audience, segments: Segments = NO_SEGMENTS) -> None:
        self._audience = audience
        self._segments = segments
        self._known: dict[Node, BitMap] = {}

    def rows(self, node: Node) -> BitMap:
        """The rows of a bound rule; not to be modified."""
        return self._rows(optimise(node))

    def count(self, node: Node) -> int:
        """How many rows a bound rule has, without building them where that is possible."""
        return self._count(optimise(node))

    def count_reachable(self, node: Node, reachable: Node | None) -> tuple[int, int]:
        """How many rows a bound rule has, and how many of them another one has too.

        The rows are built once for both numbers.

        Args:
            node: optimised.
            reachable: the other one, optimised; None: everyone.
        """
        if reachable is None:
            total = self._count(node)
            return total, total
        rows = self._rows(node)
        return len(rows), rows.intersection_cardinality(self._rows(reachable))

    def _count(self, node: Node) -> int:
        everyone = self._audience.everyone
        if node in self._known:
            return len(self._known[node])
        if isinstance(node, Not):
            return len(everyone) - self._count(node.node)
        if isinstance(node, And):
            return self._count_intersection(node)
        if isinstance(node, Or) and len(node.nodes) == 2:
            return self._rows(node.nodes[0]).union_cardinality(self._rows(node.nodes[1]))
        return len(self._rows(node))

    def _rows(self, node: Node) -> BitMap:
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._made(node)
        return known

    def _made(self, node: Node) -> BitMap:
        kept = self._kept(node)
        return self._build(node, None) if kept is None else kept

    def _kept(self, node: Node) -> BitMap | None:
        """The rows of a look-up that is asked again and again; None for any other node."""
        stamp = stamp_of(self._audience, node)
        if stamp is None:
            return None
        cache = self._audience.lookups
        rows = cache.get(node, stamp)
        if rows is None and cache.is_due(node):
            rows = self._build(node, None)
            cache.put(node, stamp, rows)
        return rows

    def _build(self, node: Node, within: BitMap | None) -> BitMap:
        if isinstance(node, Not):
            return self._audience.everyone - self._rows(node.node)
        if isinstance(node, And):
            result, last, negated = self._intersect(node)
            if last is None:
                return result
            return result - last if negated else result & last
        if isinstance(node, Or):
            return bitmaps.union([self._rows(part) for part in node.nodes])
        if isinstance(node, AtLeast):
            return bitmaps.at_least(node.count, [self._rows(part) for part in node.nodes])
        if isinstance(node, Scored):
            parts = [self._rows(part) for part in node.nodes]
            everyone = self._audience.everyone
            asked = everyone if within is None else everyone & within
            return scored(node.weights, parts, asked, node.low, node.high)
        if isinstance(node, InSegment):
            return self._segment(node)
        return look_up(self._audience, node, within)

    def _segment(self, node: InSegment) -> BitMap:
        """The rows of a segment, after those of the segments that it uses: no deep recursion."""
        for name, bound in self._segments.items():
            leaf = InSegment(name)
            if leaf not in self._known:
                self._known[leaf] = self._rows(optimise(bound))
            if name == node.segment:
                break
        return self._known[node]

    def _count_intersection(self, node: And) -> int:
        result, last, negated = self._intersect(node)
        if last is None:
            return len(result)
        if negated:
            return result.difference_cardinality(last)
        return result.intersection_cardinality(last)

    def _intersect(self, node: And) -> tuple[BitMap, BitMap | None, bool]:
        """All but the last step of an intersection: (so far, last operand or None, negated)."""
        plus, minus, late = self._operands(node)
        operands = [(rows, False) for rows in sorted(plus, key=len)]
        operands += [(rows, True) for rows in sorted(minus, key=len, reverse=True)]
        if not plus:
            operands.insert(0, (self._audience.everyone, False))
        result = operands[0][0]
        for place, (rows, negated) in enumerate(operands[1:], 2):
            if not result:
                return bitmaps.EMPTY, None, False
            if place == len(operands) and not late:
                return result, rows, negated
            result = result - rows if negated else result & rows
        for place, part in enumerate(late, 1):
            if not result:
                return bitmaps.EMPTY, None, False
            negated = isinstance(part, Not)
            leaf = part.node if isinstance(part, Not) else part
            rows = self._known.get(leaf)
            rows = self._build(leaf, result) if rows is None else rows
            if place == len(late):
                return result, rows, negated
            result = result - rows if negated else result & rows
        return result, None, False

    def _is_late(self, leaf: Node) -> bool:
        """Whether a look-up is best asked last, among those who are left."""
        if leaf in self._known or not costs_by_the_row(self._audience, leaf):
            return False
        rows = self._kept(leaf)
        if rows is not None:
            self._known[leaf] = rows
        return rows is None

    def _operands(self, node: And) -> tuple[list[BitMap], list[BitMap], list[Node]]:
        """Operands to intersect, to take away, and those to look up last among the rest."""
        plus: list[BitMap] = []
        minus: list[BitMap] = []
        late: list[Node] = []
        for part in node.nodes:
            leaf = part.node if isinstance(part, Not) else part
            if self._is_late(leaf):
                late.append(part)
            elif isinstance(leaf, Nothing | All):
                continue
            elif isinstance(part, Not):
                minus.append(self._rows(leaf))
            else:
                plus.append(self._rows(part))
        return plus, minus, late
