"""Evaluates bound rules over one audience.

``plain`` is the definition: set algebra node by node, everything materialised. ``Evaluation`` gives
the same sets for less: it rewrites, shares equal parts, orders an intersection by size, stops when
nobody is left, asks look-ups that cost by the row last and only among those left, and counts at the
root without building the result. The tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.plan.combined import combined
from headcount_server.core.plan.intersect import Operand, Unbuilt, in_order
from headcount_server.core.plan.lookup import costs_by_the_row, is_a_sum, look_up, pieces_of
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
from headcount_server.core.plan.stamps import stamp_of
from headcount_server.core.view import AudienceView

Segments = Mapping[str, Node]
NO_SEGMENTS: Segments = MappingProxyType({})


def evaluate(audience: AudienceView, node: Node, segments: Segments = NO_SEGMENTS) -> BitMap:
    """The rows that a bound rule denotes; not to be modified.

    Args:
        audience: whom it is evaluated over.
        node: the bound rule.
        segments: what the segments in it are bound to, each after those that it uses.
    """
    return Evaluation(audience, segments).rows(node)


def plain(audience: AudienceView, node: Node, segments: Segments = NO_SEGMENTS) -> BitMap:
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

    def __init__(self, audience: AudienceView, segments: Segments = NO_SEGMENTS) -> None:
        self._audience = audience
        self._segments = segments
        self._known: dict[Node, BitMap] = {}
        self._pieces: dict[Node, Pieces] = {}
        self._sought: set[Node] = set()  # nodes that were looked for in the cache

    def rows(self, node: Node) -> BitMap:
        """The rows of a bound rule; not to be modified."""
        return self._rows(optimise(node))

    def count(self, node: Node) -> int:
        """How many rows a bound rule has, without building them where that is possible."""
        return self._count(optimise(node))

    def count_reachable(self, node: Node, reachable: Node | None) -> tuple[int, int]:
        """How many rows a bound rule has, and how many of them another one has too.

        All but the last step is taken once for both numbers.

        Args:
            node: optimised.
            reachable: the other one, optimised; None: everyone.
        """
        if reachable is None:
            total = self._count(node)
            return total, total
        return self._counts(node, reachable)

    def _count(self, node: Node) -> int:
        if isinstance(node, Not):
            return len(self._audience.everyone) - self._count(node.node)
        counted = self._counted_by_words(node, None)
        if counted is not None:
            return counted[0]
        if isinstance(node, Or) and len(node.nodes) == 2 and node not in self._known:
            return self._rows(node.nodes[0]).union_cardinality(self._rows(node.nodes[1]))
        return self._unbuilt(node).count()

    def _counts(self, node: Node, other: Node) -> tuple[int, int]:
        if isinstance(node, Not):
            total, shared = self._counts(node.node, other)
            return len(self._audience.everyone) - total, self._count(other) - shared
        counted = self._counted_by_words(node, other)
        if counted is not None:
            return counted
        found = self._unbuilt(node)
        if node == other or (isinstance(node, And) and other in node.nodes):
            total = found.count()
            return total, total
        return found.count(), found.within(self._rows(other)).count()

    def _counted_by_words(self, node: Node, other: Node | None) -> tuple[int, int] | None:
        """As ``_counts``; None where bitmaps cost less."""
        if not isinstance(node, And | Or) or node in self._known:
            return None
        first = combined(self._audience, node, self._at_hand, self._pieces_of)
        if first is None:
            return None
        others = None
        if other is not None:
            others = self._at_hand(other)
            if others is None:
                others = combined(self._audience, other, self._at_hand, self._pieces_of)
            if others is None:
                return None
        return self._audience.words.counts(self._audience.everyone, first, others)

    def _at_hand(self, node: Node) -> BitMap | None:
        rows = self._known.get(node)
        if rows is None:
            rows = self._kept(node)
            if rows is not None:
                self._known[node] = rows
        return rows

    def _pieces_of(self, node: Node) -> Pieces:
        pieces = self._pieces.get(node)
        if pieces is None:
            pieces = self._pieces[node] = pieces_of(self._audience, node)
        return pieces

    def _unbuilt(self, node: Node) -> Unbuilt:
        if node not in self._known:
            if isinstance(node, And):
                return self._intersect(node)
            if self._in_pieces(node):
                return Unbuilt(None, self._pieces_of(node))
        return Unbuilt(self._rows(node))

    def _rows(self, node: Node) -> BitMap:
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._made(node)
        return known

    def _made(self, node: Node) -> BitMap:
        kept = self._kept(node)
        return self._build(node, None) if kept is None else kept

    def _kept(self, node: Node) -> BitMap | None:
        """The rows of a part that is asked again and again; None for any other node."""
        stamp = stamp_of(self._audience, node)
        if stamp is None or node in self._sought:
            return None
        self._sought.add(node)
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
            return self._intersect(node).rows()
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

    def _in_pieces(self, node: Node) -> bool:
        """Whether a look-up is a sum of bitmaps that is best counted as it is."""
        if node in self._known or not is_a_sum(self._audience, node):
            return False
        rows = self._kept(node)
        if rows is not None:
            self._known[node] = rows
        return rows is None

    def _intersect(self, node: And) -> Unbuilt:
        """All but the last step of an intersection."""
        early, late = self._split(node)
        loose = None if late else self._loosest(early)
        operands = [
            Operand(self._rows(leaf), part is not leaf) for part, leaf in early if part is not loose
        ]
        ordered = in_order(operands, len(self._audience.everyone), bool(late) or loose is not None)
        if ordered and not ordered[0].negated:
            result = ordered.pop(0).rows
        else:
            result = self._audience.everyone
        last = ordered.pop() if ordered and not late and loose is None else None
        for operand in ordered:
            if not result:
                return Unbuilt(bitmaps.EMPTY)
            result = result - operand.rows if operand.negated else result & operand.rows
        if late:
            return self._look_up_last(result, late)
        if loose is not None:
            leaf = loose.node if isinstance(loose, Not) else loose
            return Unbuilt(result, self._pieces_of(leaf), isinstance(loose, Not))
        if last is not None:
            return Unbuilt(result, Pieces((last.rows,)), last.negated)
        return Unbuilt(result)

    def _look_up_last(self, result: BitMap, late: list[tuple[Node, Node]]) -> Unbuilt:
        for place, (part, leaf) in enumerate(late, 1):
            if not result:
                return Unbuilt(bitmaps.EMPTY)
            rows = self._known.get(leaf)
            rows = self._build(leaf, result) if rows is None else rows
            if place == len(late):
                return Unbuilt(result, Pieces((rows,)), part is not leaf)
            result = result - rows if part is not leaf else result & rows
        return Unbuilt(result)

    def _is_late(self, leaf: Node) -> bool:
        """Whether a look-up is best asked last, among those who are left."""
        if leaf in self._known or not costs_by_the_row(self._audience, leaf):
            return False
        rows = self._kept(leaf)
        if rows is not None:
            self._known[leaf] = rows
        return rows is None

    def _split(self, node: And) -> tuple[list[tuple[Node, Node]], list[tuple[Node, Node]]]:
        """The parts of an intersection, each with what it negates or itself again; apart from
        them those that are best looked up last."""
        early: list[tuple[Node, Node]] = []
        late: list[tuple[Node, Node]] = []
        for part in node.nodes:
            leaf = part.node if isinstance(part, Not) else part
            if self._is_late(leaf):
                late.append((part, leaf))
            elif not isinstance(leaf, Nothing | All):
                early.append((part, leaf))
        return early, late

    def _loosest(self, parts: list[tuple[Node, Node]]) -> Node | None:
        """The part of an intersection that costs most to build and isn't needed built, if any."""
        most, found = 1, None
        for part, leaf in parts:
            if self._in_pieces(leaf):
                pieces = self._pieces_of(leaf)
                number = len(pieces.plus) + len(pieces.minus)
                if number > most:
                    most, found = number, part
        return found
