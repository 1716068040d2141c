"""A part of a rule as a combination of bitmaps that indexes keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.coded import CodedIndex
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.plan.lookup import is_a_sum, look_up
from headcount_server.core.plan.nodes import (
    And,
    DidAtLeast,
    IsSet,
    IsTrue,
    Node,
    Not,
    NumberRange,
    Or,
    TextMatch,
)
from headcount_server.core.plan.words import Combined, Kind
from headcount_server.core.view import AudienceView


def combined(
    audience: AudienceView,
    node: Node,
    kept: Callable[[Node], BitMap | None],
    pieces_of: Callable[[Node], Pieces],
) -> Combined | BitMap | None:
    """The bitmaps behind a node and how they are combined; None where it reads anything else.

    Args:
        audience: whose indexes are asked.
        node: optimised.
        kept: the rows of a part that are known already, if they are.
        pieces_of: the summands of a range.
    """
    if isinstance(node, And | Or):
        found: list[Combined | BitMap] = []
        without: list[Combined | BitMap] = []
        for part in node.nodes:
            inner = part.node if isinstance(part, Not) else part
            made = kept(inner)
            if made is None:
                made = combined(audience, inner, kept, pieces_of)
            if made is None or (inner is not part and isinstance(node, Or)):
                return None
            (found if inner is part else without).append(made)
        kind = Kind.ALL if isinstance(node, And) else Kind.ANY
        return Combined(kind, tuple(found) or (audience.everyone,), tuple(without))
    if isinstance(node, TextMatch):
        index = audience.attributes.get(node.attribute)
        return _one(Kind.ANY, index.passing(node.test)) if isinstance(index, CodedIndex) else None
    if isinstance(node, NumberRange | DidAtLeast) and is_a_sum(audience, node):
        pieces = pieces_of(node)
        return _one(Kind.PARITY, (*pieces.plus, *pieces.minus))
    return look_up(audience, node) if isinstance(node, IsSet | IsTrue) else None


def _one(kind: Kind, parts: Sequence[BitMap]) -> Combined | BitMap:
    if len(parts) < 2:
        return parts[0] if parts else bitmaps.EMPTY
    return Combined(kind, tuple(parts))
