"""Folds what is everyone or nobody whatever the data are."""

from __future__ import annotations

from headcount_server.core.plan.nodes import (
    All,
    And,
    AtLeast,
    DidAtLeast,
    KeyIn,
    Node,
    Not,
    Nothing,
    NumberIn,
    NumberRange,
    Or,
)
from headcount_server.core.texts import ContainsOneOf, OneOf, TextTest

ALL, NOTHING = All(), Nothing()


def fold_constants(node: Node) -> Node:
    """The node without constant parts; ``All`` or ``Nothing`` where it is constant itself."""
    if isinstance(node, Not):
        below = fold_constants(node.node)
        return _complement(below)
    if isinstance(node, And):
        return _fold_and(tuple(map(fold_constants, node.nodes)))
    if isinstance(node, Or):
        return _fold_or(tuple(map(fold_constants, node.nodes)))
    if isinstance(node, AtLeast):
        return _fold_at_least(node.count, tuple(map(fold_constants, node.nodes)))
    return NOTHING if _is_empty(node) else node


def matches_nothing(test: TextTest) -> bool:
    """Whether no string can pass the test."""
    return isinstance(test, OneOf | ContainsOneOf) and not test.folded and not test.exact


def _complement(node: Node) -> Node:
    if isinstance(node, All):
        return NOTHING
    if isinstance(node, Nothing):
        return ALL
    return Not(node)


def _fold_and(nodes: tuple[Node, ...]) -> Node:
    if any(isinstance(node, Nothing) for node in nodes):
        return NOTHING
    kept = tuple(node for node in nodes if not isinstance(node, All))
    if not kept:
        return ALL
    return kept[0] if len(kept) == 1 else And(kept)


def _fold_or(nodes: tuple[Node, ...]) -> Node:
    if any(isinstance(node, All) for node in nodes):
        return ALL
    kept = tuple(node for node in nodes if not isinstance(node, Nothing))
    if not kept:
        return NOTHING
    return kept[0] if len(kept) == 1 else Or(kept)


def _fold_at_least(count: int, nodes: tuple[Node, ...]) -> Node:
    count -= sum(isinstance(node, All) for node in nodes)
    kept = tuple(node for node in nodes if not isinstance(node, All | Nothing))
    if count <= 0:
        return ALL
    if count > len(kept):
        return NOTHING
    if count == 1:
        return _fold_or(kept)
    return _fold_and(kept) if count == len(kept) else AtLeast(count, kept)


def _is_empty(node: Node) -> bool:
    if isinstance(node, NumberRange):
        return node.low is not None and node.high is not None and node.low > node.high
    if isinstance(node, NumberIn):
        return not node.values
    if isinstance(node, KeyIn):
        return not len(node.keys)
    if isinstance(node, DidAtLeast):
        span = node.span
        return not node.sources or (span.low is not None and span.low > span.high)
    test = getattr(node, "test", None)
    return test is not None and matches_nothing(test)
