"""Folds what is everyone or nobody whatever the data are."""

from __future__ import annotations

from headcount_server.core.plan.event_nodes import DidAtLeast
from headcount_server.core.plan.nodes import (
    All,
    And,
    AtLeast,
    KeyIn,
    Node,
    Not,
    Nothing,
    NumberIn,
    NumberRange,
    Or,
    Scored,
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
    if isinstance(node, Scored):
        return _fold_scored(node)
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


def _fold_scored(node: Scored) -> Node:
    """What everyone has for sure is taken off the range."""
    terms = [(w, fold_constants(n)) for w, n in zip(node.weights, node.nodes, strict=True)]
    sure = sum(weight for weight, part in terms if isinstance(part, All))
    kept = [(w, n) for w, n in terms if w and not isinstance(n, All | Nothing)]
    low = None if node.low is None else node.low - sure
    high = None if node.high is None else node.high - sure
    least, most = sum(w for w, _ in kept if w < 0), sum(w for w, _ in kept if w > 0)
    if (low is not None and low > most) or (high is not None and high < least):
        return NOTHING
    if (low is None or low <= least) and (high is None or high >= most):
        return ALL
    return Scored(tuple(w for w, _ in kept), tuple(n for _, n in kept), low, high)


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
