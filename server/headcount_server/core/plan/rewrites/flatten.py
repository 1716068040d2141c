"""Joins an ``And`` within an ``And``, and an ``Or`` within an ``Or``."""

from __future__ import annotations

from dataclasses import replace

from headcount_server.core.plan.nodes import And, AtLeast, Node, Not, Or, Scored


def flatten(node: Node) -> Node:
    """The node with nested intersections and unions joined, in their order."""
    if isinstance(node, Not):
        return Not(flatten(node.node))
    if isinstance(node, AtLeast):
        return AtLeast(node.count, tuple(map(flatten, node.nodes)))
    if isinstance(node, Scored):
        return replace(node, nodes=tuple(map(flatten, node.nodes)))
    if isinstance(node, And):
        return And(_joined(node.nodes, And))
    if isinstance(node, Or):
        return Or(_joined(node.nodes, Or))
    return node


def _joined(nodes: tuple[Node, ...], kind: type[And] | type[Or]) -> tuple[Node, ...]:
    joined: list[Node] = []
    for node in map(flatten, nodes):
        if isinstance(node, kind):
            joined.extend(node.nodes)
        else:
            joined.append(node)
    return tuple(joined)
