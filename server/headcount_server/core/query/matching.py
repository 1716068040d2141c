"""Which rules one subscriber matches, and where not, the nodes that make it fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headcount_server.core.query.ask import Ask
from headcount_server.core.query.places import place_below
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import (
    And,
    AtLeast,
    InSegment,
    Or,
    Rule,
    Span,
    Text,
    children,
)
from headcount_server.core.steps import Steps, finish
from headcount_server.errors import HeadcountError


@dataclass(frozen=True, slots=True)
class MatchNode:
    """A node of a rule, and whether the subscriber matches it."""

    text: str
    field: str
    span: Span | None
    matches: bool
    nodes: tuple[MatchNode, ...]
    failing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MatchResult:
    """Whether the subscriber matches one rule or segment; ``root`` is None for a static list."""

    segment: str
    matches: bool
    root: MatchNode | None
    failing: tuple[str, ...]
    error: HeadcountError | None = None


def match(
    ask: Ask, row: int, questions: Sequence[tuple[str, Rule | HeadcountError]]
) -> list[MatchResult]:
    """Tries rules on one subscriber.

    Args:
        ask: the options.
        row: the subscriber's.
        questions: (name of the segment or "", rule); a segment's rule is ``in segment "…"``.
    """
    return finish(match_steps(ask, row, questions))


def match_steps(
    ask: Ask, row: int, questions: Sequence[tuple[str, Rule | HeadcountError]]
) -> Steps[list[MatchResult]]:
    """As ``match``, a step for each node of each rule."""
    results: list[MatchResult] = []
    for segment, rule in questions:
        try:
            if isinstance(rule, HeadcountError):
                raise rule
            results.append((yield from _result(ask, row, segment, rule)))
        except HeadcountError as error:
            results.append(MatchResult(segment, False, None, (), error))
        yield
    return results


def _result(ask: Ask, row: int, segment: str, rule: Rule) -> Steps[MatchResult]:
    shown: Rule | None = rule
    if isinstance(rule, InSegment) and isinstance(rule.segment, Text):
        saved = ask.audience.segments.get(rule.segment.text)
        shown = saved.rule if saved is not None else None
    matches = row in ask.rows(ask.bind(rule))
    outside = () if ask.within is None or row in ask.scope() else (format_rule(ask.within),)
    if shown is None:
        failing = () if matches else (format_rule(rule),)
        return MatchResult(segment, matches and not outside, None, failing + outside)
    root = yield from _node(ask, row, shown, "rule")
    return MatchResult(segment, matches and not outside, root, root.failing + outside)


def _node(ask: Ask, row: int, rule: Rule, field: str) -> Steps[MatchNode]:
    matches = row in ask.rows(ask.bind(rule))
    yield
    nodes: list[MatchNode] = []
    for number, part in enumerate(children(rule)):
        nodes.append((yield from _node(ask, row, part, place_below(field, number))))
    text = format_rule(rule)
    failing: tuple[str, ...] = ()
    if not matches:
        failing = (text,)
        if isinstance(rule, And | Or | AtLeast):
            failing = tuple(dict.fromkeys(t for node in nodes for t in node.failing))
    return MatchNode(text, field, rule.span, matches, tuple(nodes), failing)
