"""Rewrites of bound rules, one a module: each gives an equal set for less work.

``PIPELINE`` is the order in which ``optimise`` applies them. Every one is tested against the plain
evaluation of what it was given.
"""

from __future__ import annotations

from collections.abc import Callable

from headcount_server.core.plan.nodes import Node
from headcount_server.core.plan.rewrites.constants import fold_constants
from headcount_server.core.plan.rewrites.duplicates import drop_duplicates
from headcount_server.core.plan.rewrites.flatten import flatten
from headcount_server.core.plan.rewrites.negation import push_negation

PIPELINE: tuple[Callable[[Node], Node], ...] = (
    fold_constants,
    push_negation,
    flatten,
    drop_duplicates,
    fold_constants,
)


def optimise(node: Node) -> Node:
    """An equal node that is cheaper to evaluate. O(nodes)."""
    for rewrite in PIPELINE:
        node = rewrite(node)
    return node
