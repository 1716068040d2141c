"""Why a count is what it is: the exact count at every node of a rule."""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.nodes import All, Node, Nothing
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.places import place_below
from headcount_server.core.query.warnings import Warning, warnings
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import And, Or, Rule, Span, children


@dataclass(frozen=True, slots=True)
class ExplainNode:
    """A node of a rule with its counts, all within the scope of the question.

    Attributes:
        text: the node as the formatter writes it.
        field: path into the tree.
        count: how many match the node alone.
        cumulative_count: in an ``and``, how many are left after it and those before it; in an
            ``or``, how many it and those before it have together; elsewhere ``count``.
        removed_count: in an ``and``, how many it takes away from those before it; in an ``or``, how
            many it adds to them; elsewhere how many of the scope it leaves out.
    """

    text: str
    field: str
    span: Span | None
    count: int
    cumulative_count: int
    removed_count: int
    nodes: tuple[ExplainNode, ...]
    warnings: tuple[Warning, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The counts of a rule and of all its nodes."""

    total: int
    reachable: int
    root: ExplainNode


def explain(ask: Ask, rule: Rule) -> Explanation:
    """The exact count at every node. O(nodes) evaluations; equal parts are evaluated once.

    Raises:
        InvalidRule: the rule doesn't fit the schema, or a parameter is unbound.
    """
    bound = ask.bind(rule)
    total, reachable = ask.count_reachable(bound)
    scope = ask.scope()
    rows = ask.rows(bound) & scope
    root = _node(ask, rule, "rule", scope, rows, len(rows), len(scope) - len(rows))
    return Explanation(total, reachable, root)


def _node(
    ask: Ask, rule: Rule, field: str, scope: BitMap, rows: BitMap, cumulative: int, removed: int
) -> ExplainNode:
    bound = optimise(ask.bind(rule))
    return ExplainNode(
        format_rule(rule),
        field,
        rule.span,
        len(rows),
        cumulative,
        removed,
        _below(ask, rule, field, scope),
        warnings(rule, _constant(bound)),
    )


def _below(ask: Ask, rule: Rule, field: str, scope: BitMap) -> tuple[ExplainNode, ...]:
    nodes: list[ExplainNode] = []
    so_far = bitmaps.EMPTY if isinstance(rule, Or) else scope
    for number, part in enumerate(children(rule)):
        rows = ask.rows(ask.bind(part)) & scope
        before = len(so_far)
        if isinstance(rule, And):
            so_far = so_far & rows
            cumulative, removed = len(so_far), before - len(so_far)
        elif isinstance(rule, Or):
            so_far = so_far | rows
            cumulative, removed = len(so_far), len(so_far) - before
        else:
            cumulative, removed = len(rows), len(scope) - len(rows)
        place = place_below(rule, field, number)
        nodes.append(_node(ask, part, place, scope, rows, cumulative, removed))
    return tuple(nodes)


def _constant(node: Node) -> bool | None:
    """True for always everyone, False for always nobody, None for neither."""
    if isinstance(node, All):
        return True
    return False if isinstance(node, Nothing) else None
