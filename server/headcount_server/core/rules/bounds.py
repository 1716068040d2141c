"""Limits on a rule tree, and the shape that every tree must have, wherever it came from.

Nothing here recurses, and nothing that does may touch a tree before it passed: a tree decoded from
the wire can be of any depth. Places are paths in terms of the contract's messages, such as
``rule.and.rules[1].not.rule``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import NoReturn, get_args

from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Number, Rule, Span, ValueList
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from headcount_server.limits import DEFAULT_LIMITS, NUMBER_DIGITS_MAX, SEQUENCE_STEPS_MAX, Limits

_Path = tuple["_Path | None", str]  # a linked list: paths are written out for errors alone

# Strings that may be empty: all others are names.
_MAY_BE_EMPTY = frozenset({"text", "pattern", "same"})


def check_bounds(rule: Rule, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise unless the tree is within the limits and has the shape that a rule must have. O(tree).

    Raises:
        LimitExceeded: as ``check_size``.
        InvalidRule: something is empty that must not be, or excludes something else there.
    """
    for node, path in _sized(rule, limits):
        if problem := _shape(node):
            _refuse(f"{_written(path)}.{_oneof(node)}{problem[0]}", problem[1], node.span)


def check_size(rule: Rule, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise LimitExceeded if depth, nodes, a list, sequence or number is past its limit.

    The error's ``metadata['limit']`` names the limit as ``Limits`` (or ``limits``) does.
    """
    for _ in _sized(rule, limits):
        pass


def _sized(rule: Rule, limits: Limits) -> Iterator[tuple[Rule, _Path]]:
    """Every node in pre-order with its path, each checked before it and its children are given."""
    stack: list[tuple[Rule, int, _Path]] = [(rule, 1, (None, "rule"))]
    seen = 0
    while stack:
        node, depth, path = stack.pop()
        seen += 1
        if depth > limits.rule_depth_max:
            limit = limits.rule_depth_max
            _exceed(
                path,
                node.span,
                "rule_depth_max",
                f"the rule is deeper than the limit of {limit} nodes",
            )
        _check_parts(node, path, limits)
        yield node, path
        below = _below(node)
        spare = limits.rule_nodes_max - seen - len(stack)
        if len(below) > spare:
            segment, child = below[max(spare, 0)]
            limit = limits.rule_nodes_max
            message = f"the rule has more nodes than the limit of {limit}"
            _exceed((path, f".{_oneof(node)}.{segment}"), child.span, "rule_nodes_max", message)
        prefix = f".{_oneof(node)}." if below else ""
        stack.extend((child, depth + 1, (path, prefix + name)) for name, child in reversed(below))


def _below(node: Rule) -> list[tuple[str, Rule]]:
    if isinstance(node, tree.And | tree.Or | tree.NoneOf | tree.AtLeast):
        return [(f"rules[{i}]", child) for i, child in enumerate(node.rules)]
    if isinstance(node, tree.Not):
        return [("rule", node.rule)]
    if isinstance(node, tree.WeightedSum):
        return [(f"terms[{i}].rule", term.rule) for i, term in enumerate(node.terms)]
    if isinstance(node, tree.Sequence):
        return _below_steps(node)
    if isinstance(node, tree.Did | tree.Aggregate | tree.Favourite | tree.Recency):
        below = [("where", node.where)] if node.where is not None else []
        if isinstance(node, tree.Recency) and node.passes is not None:
            below.append(("passes", node.passes))
        return below
    return []


def _below_steps(node: tree.Sequence) -> list[tuple[str, Rule]]:
    below: list[tuple[str, Rule]] = []
    for i, step in enumerate(node.steps):
        if step.where is not None:
            below.append((f"steps[{i}].where", step.where))
        if step.without is not None and step.without.where is not None:
            below.append((f"steps[{i}].without.where", step.without.where))
    return below


def _check_parts(node: Rule, path: _Path, limits: Limits) -> None:
    """Sizes of what a node holds besides rules."""
    if isinstance(node, tree.Sequence) and len(node.steps) > SEQUENCE_STEPS_MAX:
        message = f"the sequence has {len(node.steps)} steps; the limit is {SEQUENCE_STEPS_MAX}"
        span = node.steps[SEQUENCE_STEPS_MAX].span or node.span
        _exceed(
            (path, f".sequence.steps[{SEQUENCE_STEPS_MAX}]"), span, "sequence_steps_max", message
        )
    domains = 0
    for part, _ in _parts(node):
        if isinstance(part, Number):
            _check_number(part, node, path)
        elif isinstance(part, ValueList):
            _check_list(part.values, part.span or node.span, node, path, limits)
        elif isinstance(part, tree.MonthIn | tree.DayOfMonthIn | tree.WeekdayIn):
            _check_list(part.parts, node.span, node, path, limits)
        elif isinstance(part, tree.Domain):
            domains += 1
            if domains > limits.rule_depth_max:
                message = f"`domain` is nested deeper than the limit of {limits.rule_depth_max}"
                _exceed((path, f".{_oneof(node)}"), node.span, "rule_depth_max", message)


def _check_list(
    values: tuple[object, ...], span: Span | None, node: Rule, path: _Path, limits: Limits
) -> None:
    if len(values) > limits.list_values_max:
        message = f"the list has {len(values)} values; the limit is {limits.list_values_max}"
        _exceed((path, f".{_oneof(node)}"), span, "list_values_max", message)


def _check_number(part: Number, node: Rule, path: _Path) -> None:
    if not part.number.is_finite():
        message = f"{part.number} is no number that a rule can hold"
        _refuse(
            f"{_written(path)}.{_oneof(node)}", message, part.span or node.span, "INVALID_NUMBER"
        )
    _, digits, exponent = part.number.as_tuple()
    assert isinstance(exponent, int)
    if max(len(digits), len(digits) + exponent, -exponent) > NUMBER_DIGITS_MAX:
        message = f"the number has more digits than the limit of {NUMBER_DIGITS_MAX}"
        _exceed((path, f".{_oneof(node)}"), part.span or node.span, "number_digits_max", message)


def _parts(node: object) -> Iterator[tuple[object, str]]:
    """What a node or part holds, itself first, but no rules; each with a path below the node."""
    stack: list[tuple[object, str]] = [(node, "")]
    while stack:
        part, path = stack.pop()
        yield part, path
        for name in _fields(type(part)):
            below = getattr(part, name)
            if isinstance(below, tuple):
                stack.extend(
                    (item, f"{path}.{name}")
                    for item in below  # pyright: ignore[reportUnknownVariableType]
                    if type(item) in _PARTS  # pyright: ignore[reportUnknownArgumentType]
                )
            elif type(below) in _PARTS:
                stack.append((below, f"{path}.{name}"))


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """Names of the fields of a class of the tree that may hold further parts."""
    if kind not in _PARTS and kind not in _RULES:
        return ()
    scalar = ("str", "bool", "Decimal", "_date", "_datetime", "tuple[str, ...]", "Rule")
    return tuple(
        f.name for f in fields(kind) if f.name != "span" and str(f.type) not in (*scalar, *_ENUMS)
    )


_RULES = frozenset(get_args(tree.Rule))
_CLASSES = [c for c in vars(tree).values() if isinstance(c, type) and c.__module__ == tree.__name__]
_ENUMS = frozenset(c.__name__ for c in _CLASSES if not hasattr(c, "__dataclass_fields__"))
_PARTS = frozenset(c for c in _CLASSES if c not in _RULES and c is not Span)


def _shape(node: Rule) -> tuple[str, str] | None:
    """Where below the node, and how, its shape is wrong; None where it isn't."""
    for part, path in _parts(node):
        for name in _names(type(part)):
            value = getattr(part, name)
            if not value or (isinstance(value, tuple) and not all(value)):
                return f"{path}.{name}", f"{name} must not be empty"
        if isinstance(part, ValueList) and bool(part.values) == bool(part.parameter):
            return path, "a list has either one value or more, or a parameter"
    return _shape_of_did(node) or _shape_of_sequence(node) or _shape_of_counts(node)


@cache
def _names(kind: type) -> tuple[str, ...]:
    """Fields of a class of the tree that must not be empty."""
    if (
        kind is ValueList
        or (kind not in _PARTS and kind not in _RULES)
        or not hasattr(kind, "__dataclass_fields__")
    ):
        return ()
    return tuple(
        f.name
        for f in fields(kind)
        if (f.type == "str" and f.compare and f.name not in _MAY_BE_EMPTY)
        or str(f.type).startswith("tuple[")
    )


def _shape_of_did(node: Rule) -> tuple[str, str] | None:
    if not isinstance(node, tree.Did):
        return None
    if sum(part is not None for part in (node.window, node.relative, node.habit)) > 1:
        return "", "at most one of window, relative and habit can be given"
    if node.often is not None and (node.often.high is not None) != (
        node.often.many is tree.Many.BETWEEN
    ):
        return ".often.high", "high is given with BETWEEN and only with it"
    allowed = (tree.Many.AT_LEAST, tree.Many.AT_MOST, tree.Many.EXACTLY)
    if node.habit is not None and node.habit.many not in allowed:
        return ".habit.many", "a habit takes AT_LEAST, AT_MOST or EXACTLY"
    return None


def _shape_of_sequence(node: Rule) -> tuple[str, str] | None:
    if not isinstance(node, tree.Sequence):
        return None
    if len(node.steps) < 2:
        return ".steps", "a sequence has two steps or more"
    first = node.steps[0]
    if first.negated or first.within is not None or first.without is not None:
        return ".steps[0]", "the first step has neither negated, within nor without"
    for i, step in enumerate(node.steps[1:], 1):
        if len(step.events) > 1:
            return f".steps[{i}].events", "a step after the first has one event"
        if step.negated and i < len(node.steps) - 1:
            return f".steps[{i}].negated", "only the last step can be negated"
        if step.negated and step.without is not None:
            return f".steps[{i}].without", "a negated step has no without"
    return None


def _shape_of_counts(node: Rule) -> tuple[str, str] | None:
    parts = [part for part, _ in _parts(node) if isinstance(part, tree.HasOf | tree.LastCampaigns)]
    for part in parts:
        if (part.count is not None) != (part.quantifier is tree.Quantifier.AT_LEAST):
            return "", "count is given with AT_LEAST and only with it"
    return None


def _oneof(node: Rule) -> str:
    return _snake(type(node))


@cache
def _snake(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _written(path: _Path) -> str:
    segments: list[str] = []
    link: _Path | None = path
    while link is not None:
        link, segment = link
        segments.append(segment)
    return "".join(reversed(segments))


def _exceed(path: _Path, span: Span | None, limit: str, message: str) -> NoReturn:
    place = _written(path)
    start, end = (span.start, span.end) if span else (-1, -1)
    violation = Violation(place, message, "LIMIT_EXCEEDED", start=start, end=end)
    raise LimitExceeded(f"{place}: {message}", (violation,), limit=limit)


def _refuse(place: str, message: str, span: Span | None, reason: str = "INVALID_SHAPE") -> NoReturn:
    start, end = (span.start, span.end) if span else (-1, -1)
    violation = Violation(place, message, reason, start=start, end=end)
    raise InvalidRule(f"{place}: {message}", (violation,))
