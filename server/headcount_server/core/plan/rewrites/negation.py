"""Pushes negation down: double ones cancel, and a negated union becomes and-nots.

``not (a or b)`` is ``not a and not b``, which an intersection around it takes away one by one
without building the union; ``not (not a and not b)`` is ``a or b``.
"""

from __future__ import annotations

from dataclasses import replace

from headcount_server.core.plan.nodes import And, AtLeast, Node, Not, Or, Scored


def push_negation(node: Node) -> Node:
    """The node with negation where it is cheapest."""
    if isinstance(node, Not):
        return _negated(node.node)
    if isinstance(node, And):
        return And(tuple(map(push_negation, node.nodes)))
    if isinstance(node, Or):
        return _union(tuple(map(push_negation, node.nodes)))
    if isinstance(node, AtLeast):
        return AtLeast(node.count, tuple(map(push_negation, node.nodes)))
    if isinstance(node, Scored):
        return replace(node, nodes=tuple(map(push_negation, node.nodes)))
    return node


def _negated(node: Node) -> Node:
    if isinstance(node, Not):
        return push_negation(node.node)
    if isinstance(node, Or):
        return And(tuple(map(_negated, node.nodes)))
    if isinstance(node, And):
        return _union(tuple(map(_negated, node.nodes)))
    return Not(push_negation(node))


def _union(nodes: tuple[Node, ...]) -> Node:
    """A union; its negated parts become one complement of an intersection."""
    positive = tuple(node for node in nodes if not isinstance(node, Not))
    negative = tuple(node.node for node in nodes if isinstance(node, Not))
    if not negative:
        return Or(nodes)
    # a ∪ ¬b ∪ ¬c = ¬((b ∩ c) ∖ a): one complement at the end instead of one for each part
    inner: tuple[Node, ...] = negative + tuple(Not(node) for node in positive)
    return Not(And(inner))
