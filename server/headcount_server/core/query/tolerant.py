"""The part of a rule that fits an audience: conditions that can't be bound are left out, and told.

A part of an ``and`` or ``or`` that can't be bound is left out of it, as an unfinished one of a text
is; ``not`` and groups of which nothing is left go too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headcount_server.core.query.ask import Ask
from headcount_server.core.query.places import place_below
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Rule
from headcount_server.errors import HeadcountError, InvalidInput, Unimplemented, Violation

UNBOUND = "UNBOUND_PARAMETER"
_STAND_IN = tree.Everyone()  # for a part left out, where only its neighbours are looked at


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule and what of it can be bound.

    Attributes:
        rule: the whole of it.
        kept: without the parts that can't be bound, an ``and`` or ``or`` with one part left being
            that part; the rule itself if nothing is left out, None if nothing is left.
        error: why nothing is left; None if something is.
        faults: what is wrong with the node itself, its parts apart.
        parts: of the rule, in their order.
    """

    rule: Rule
    kept: Rule | None
    error: HeadcountError | None
    faults: tuple[Violation, ...]
    parts: tuple[Checked, ...]


def whole(rule: Rule) -> Checked:
    """A rule that can be bound. O(nodes)."""
    return Checked(rule, rule, None, (), tuple(whole(part) for part in tree.children(rule)))


def checked(ask: Ask, rule: Rule, place: str = "rule", *, unbound: bool = False) -> Checked:
    """What of a rule can be bound. O(nodes).

    Args:
        ask: the options; rules are bound to its audience.
        rule: within the limits of ``core.rules.bounds``.
        place: path of the rule, for its faults.
        unbound: whether parameters that nobody has bound are no fault, nor what this version
            doesn't answer yet.
    """
    parts = tuple(
        checked(ask, part, place_below(place, number), unbound=unbound)
        for number, part in enumerate(tree.children(rule))
    )
    kept = [part.kept for part in parts]
    error = _error(ask, _with(rule, [one or _STAND_IN for one in kept]), unbound)
    if error is not None:
        error = _placed(error, place)
        return Checked(rule, None, error, _faults(rule, error, place), parts)
    if parts and not any(kept):
        return Checked(rule, None, parts[0].error, (), parts)
    if all(one is part.rule for one, part in zip(kept, parts, strict=True)):
        return Checked(rule, rule, None, (), parts)
    return Checked(rule, _with(rule, kept), None, (), parts)


def faults(found: Checked) -> list[Violation]:
    """The faults of a rule and of its parts, in the order of the tree. O(nodes)."""
    listed = list(found.faults)
    for part in found.parts:
        listed.extend(faults(part))
    return listed


def _with(rule: Rule, parts: Sequence[Rule | None]) -> Rule:
    """The rule with other parts; those that are None are left out."""
    kept = tuple([part for part in parts if part is not None])
    match rule:
        case tree.And() | tree.Or() if len(kept) == 1 < len(parts):
            return kept[0]
        case tree.And() | tree.Or() | tree.NoneOf() | tree.AtLeast():
            return replace(rule, rules=kept)
        case tree.Not():
            return replace(rule, rule=kept[0])
        case tree.WeightedSum():
            terms = [
                replace(term, rule=part)
                for term, part in zip(rule.terms, parts, strict=True)
                if part is not None
            ]
            return replace(rule, terms=tuple(terms))
        case _:
            return rule


def _error(ask: Ask, rule: Rule, unbound: bool) -> HeadcountError | None:
    try:
        ask.bind(rule)
    except Unimplemented as error:
        return None if unbound else error
    except InvalidInput as error:
        violations = tuple(v for v in error.violations if v.reason != UNBOUND)
        if not unbound or len(violations) == len(error.violations):
            return error
        if violations:
            return type(error)(violations[0].description, violations, **error.metadata)
    except HeadcountError as error:
        return error
    return None


def _placed(error: HeadcountError, place: str) -> HeadcountError:
    """The error of a rule that was bound as if it were the whole."""
    if not isinstance(error, InvalidInput):
        return error
    violations = tuple(
        replace(v, field=place + v.field.removeprefix("rule")) for v in error.violations
    )
    return type(error)(error.message, violations, **error.metadata)


def _faults(rule: Rule, error: HeadcountError, place: str) -> tuple[Violation, ...]:
    if isinstance(error, InvalidInput) and error.violations:
        return error.violations
    start, end = (rule.span.start, rule.span.end) if rule.span is not None else (-1, -1)
    return (Violation(place, error.message, error.reason, start=start, end=end),)
