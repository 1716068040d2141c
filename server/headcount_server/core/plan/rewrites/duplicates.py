"""Drops equal parts of an ``And`` or ``Or``, and folds a part beside its own negation."""

from __future__ import annotations

from dataclasses import replace

from headcount_server.core.plan.nodes import All, And, AtLeast, Node, Not, Nothing, Or, Scored


def drop_duplicates(node: Node) -> Node:
    """The node with each part of an intersection or union once."""
    if isinstance(node, Not):
        return Not(drop_duplicates(node.node))
    if isinstance(node, AtLeast):
        return AtLeast(node.count, tuple(map(drop_duplicates, node.nodes)))
    if isinstance(node, Scored):
        return replace(node, nodes=tuple(map(drop_duplicates, node.nodes)))
    if isinstance(node, And):
        nodes = _once(node.nodes)
        return Nothing() if _contradicts(nodes) else And(nodes)
    if isinstance(node, Or):
        nodes = _once(node.nodes)
        return All() if _contradicts(nodes) else Or(nodes)
    return node


def _once(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(map(drop_duplicates, nodes)))


def _contradicts(nodes: tuple[Node, ...]) -> bool:
    present = set(nodes)
    return any(isinstance(node, Not) and node.node in present for node in nodes)
