"""The limits on a rule's shape: how deep it nests and how many nodes it has."""

from __future__ import annotations

from collections.abc import Iterator

from headcount_server.core.faults import variant
from headcount_server.core.rules import tree
from headcount_server.errors import LimitExceeded, Violation
from headcount_server.limits import Limits


def check_bounds(rule: tree.Rule, limits: Limits, place: str) -> None:
    """Raise LimitExceeded, naming limit and place, where a rule is too deep or too large. O(nodes).

    Wheres count on; a segment's rule counts on its own.
    """
    for number, (_, depth) in enumerate(tree.walk(rule), 1):
        if depth > limits.rule_depth_max:
            _exceeded(rule, number, place, "rule_depth_max", limits.rule_depth_max, "levels deep")
        if number > limits.rule_nodes_max:
            _exceeded(rule, number, place, "rule_nodes_max", limits.rule_nodes_max, "conditions")


def places(rule: tree.Rule, place: str) -> Iterator[tuple[tree.Rule, str]]:
    """Every node with its place, in the order of ``tree.walk``. No recursion."""
    stack = [(rule, place)]
    while stack:
        node, at = stack.pop()
        yield node, at
        rules = [(child, f"{at}.rules[{i}]") for i, child in enumerate(tree.children(node))]
        stack.extend(reversed([*rules, *_wheres(node, f"{at}.{variant(type(node))}")]))


def _wheres(rule: tree.Rule, at: str) -> list[tuple[tree.Rule, str]]:
    if isinstance(rule, tree.Sequence):
        found = [
            part
            for i, step in enumerate(rule.steps)
            for part in (
                (step.where, f"{at}.steps[{i}].where"),
                (step.without and step.without.where, f"{at}.steps[{i}].without.where"),
            )
        ]
    elif isinstance(rule, tree.Did | tree.Aggregate | tree.Favourite):
        found = [(rule.where, f"{at}.where")]
    elif isinstance(rule, tree.Recency):
        found = [(rule.where, f"{at}.where"), (rule.passes, f"{at}.passes")]
    else:
        found = []
    return [(where, at) for where, at in found if where is not None]


def _exceeded(rule: tree.Rule, number: int, place: str, limit: str, bound: int, what: str) -> None:
    node, at = next(found for i, found in enumerate(places(rule, place), 1) if i == number)
    message = f"a rule is at most {bound} {what} ({limit})"
    start, end = (node.span.start, node.span.end) if node.span else (-1, -1)
    violation = Violation(at, message, "LIMIT_EXCEEDED", start=start, end=end)
    raise LimitExceeded(message, (violation,), limit=limit)
