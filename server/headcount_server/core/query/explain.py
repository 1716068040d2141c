"""Why a count is what it is: the exact count at every node of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.nodes import All, Node, Nothing
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.margins import margins
from headcount_server.core.query.places import place_below
from headcount_server.core.query.tolerant import Checked, checked, faults, whole
from headcount_server.core.query.warnings import CONTRADICTION, REDUNDANT, Warning, warnings
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import And, AtLeast, Or, Rule, Span
from headcount_server.core.steps import Steps, finish
from headcount_server.errors import HeadcountError, Violation


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
        without_count: how many the group that it is a part of would have without it; None for the
            root and for parts of what is no group.
        error: why it is left out of every count; then its own are 0.
    """

    text: str
    field: str
    span: Span | None
    count: int
    cumulative_count: int
    removed_count: int
    without_count: int | None
    nodes: tuple[ExplainNode, ...]
    warnings: tuple[Warning, ...]
    error: HeadcountError | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The counts of a rule and of all its nodes, and the faults of those that were left out."""

    total: int
    reachable: int
    root: ExplainNode
    incomplete: tuple[Violation, ...]


def explain(ask: Ask, rule: Rule, *, tolerant: bool = False) -> Explanation:
    """The exact count at every node. O(nodes) evaluations; equal parts are evaluated once.

    Args:
        ask: the options.
        rule: what is asked.
        tolerant: whether to leave out what can't be bound instead of failing; a rule of which
            nothing is left counts everyone.

    Raises:
        InvalidRule: the rule doesn't fit the schema, or a parameter is unbound.
    """
    return finish(explain_steps(ask, rule, tolerant=tolerant))


def explain_steps(ask: Ask, rule: Rule, *, tolerant: bool = False) -> Steps[Explanation]:
    """As ``explain``, a step for each node, the deepest first."""
    if tolerant:
        found = checked(ask, rule)
    else:
        ask.bind(rule)
        found = whole(rule)
    yield from _evaluated(ask, found)
    kept: Node = All() if found.kept is None else ask.bind(found.kept)
    total, reachable = ask.count_reachable(kept)
    scope = ask.scope()
    yield
    root = yield from _alone(ask, found, "rule", scope)
    return Explanation(total, reachable, root, tuple(faults(found)))


def _evaluated(ask: Ask, found: Checked) -> Steps[None]:
    """Evaluates what can be bound, the parts of a rule before the rule."""
    for part in found.parts:
        yield from _evaluated(ask, part)
    if found.kept is not None:
        ask.rows(ask.bind(found.kept))
        yield


@dataclass(frozen=True, slots=True)
class _Counts:
    """The numbers of a node among its neighbours."""

    rows: BitMap
    cumulative: int
    removed: int
    without: int | None = None
    is_redundant: bool = False


def _alone(ask: Ask, found: Checked, field: str, scope: BitMap) -> Steps[ExplainNode]:
    """A node without neighbours."""
    if found.kept is None:
        return (yield from _left_out(ask, found, field, scope))
    rows = ask.rows(ask.bind(found.kept)) & scope
    counts = _Counts(rows, len(rows), len(scope) - len(rows))
    return (yield from _node(ask, found, field, scope, counts))


def _left_out(ask: Ask, found: Checked, field: str, scope: BitMap) -> Steps[ExplainNode]:
    """A node without counts; what of its parts can be bound has its own."""
    nodes: list[ExplainNode] = []
    for number, part in enumerate(found.parts):
        nodes.append((yield from _alone(ask, part, place_below(field, number), scope)))
    text, span = format_rule(found.rule), found.rule.span
    return ExplainNode(text, field, span, 0, 0, 0, None, tuple(nodes), (), found.error)


def _node(
    ask: Ask, found: Checked, field: str, scope: BitMap, counts: _Counts
) -> Steps[ExplainNode]:
    assert found.kept is not None, "what is left out has no counts"
    bound = ask.bind(found.kept)
    parts = [part for part in found.parts if part.kept is not None]
    rows = [ask.rows(ask.bind(part.kept)) & scope for part in parts if part.kept is not None]
    counted = found.kept if isinstance(found.rule, AtLeast) else found.rule
    odd = list(warnings(counted, _constant(optimise(bound))))
    if counts.is_redundant:
        odd.append(REDUNDANT)
    if isinstance(found.rule, And) and len(rows) > 1 and not counts.rows and all(rows):
        odd.append(CONTRADICTION)
    below = iter(_among_neighbours(found.rule, bound, rows, scope))
    yield
    nodes: list[ExplainNode] = []
    for number, part in enumerate(found.parts):
        place = place_below(field, number)
        if part.kept is None:
            nodes.append((yield from _left_out(ask, part, place, scope)))
        else:
            nodes.append((yield from _node(ask, part, place, scope, next(below))))
    return ExplainNode(
        format_rule(found.rule),
        field,
        found.rule.span,
        len(counts.rows),
        counts.cumulative,
        counts.removed,
        counts.without,
        tuple(nodes),
        tuple(odd),
    )


def _among_neighbours(
    rule: Rule, bound: Node, parts: Sequence[BitMap], scope: BitMap
) -> list[_Counts]:
    """The numbers of the parts of a rule, from the rows of each."""
    found: list[_Counts] = []
    so_far = bitmaps.EMPTY if isinstance(rule, Or) else scope
    effect = margins(rule, bound, parts, scope)
    for number, rows in enumerate(parts):
        before = len(so_far)
        if isinstance(rule, And):
            so_far = so_far & rows
            cumulative, removed = len(so_far), before - len(so_far)
        elif isinstance(rule, Or):
            so_far = so_far | rows
            cumulative, removed = len(so_far), len(so_far) - before
        else:
            cumulative, removed = len(rows), len(scope) - len(rows)
        without, is_redundant = effect.without[number], effect.redundant[number]
        found.append(_Counts(rows, cumulative, removed, without, is_redundant))
    return found


def _constant(node: Node) -> bool | None:
    """True for always everyone, False for always nobody, None for neither."""
    if isinstance(node, All):
        return True
    return False if isinstance(node, Nothing) else None
