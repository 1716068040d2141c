"""Tolerant parsing: the rule that an unfinished text already spells, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from lark.exceptions import UnexpectedInput, UnexpectedToken

from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import check_parsed, check_text, grammar
from headcount_server.core.rules.piece import BadTokenError
from headcount_server.core.rules.recovery import END, HOLE, NO_WEIGHT, Recovery
from headcount_server.core.rules.tokens import check_recovery, check_tolerant
from headcount_server.core.rules.tree import Rule
from headcount_server.errors import Violation
from headcount_server.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True)
class Tolerant:
    """What is left of a text, and its faults in the order of the text.

    Attributes:
        rule: without the conditions that were left out; None if nothing is left.
        incomplete: as ``parse`` tells its one fault, at most ``recovery.FAULTS_MAX``; empty if and
            only if the text is a rule.
    """

    rule: Rule | None
    incomplete: tuple[Violation, ...]


def parse_tolerant(text: str, limits: Limits = DEFAULT_LIMITS) -> Tolerant:
    """The rule of a text, finished or not.

    An unfinished or broken condition is left out up to the next ``and``, ``or``, ``)`` or ``,`` of
    its depth. A condition is a rule between those, or a test of a where: without its where a
    ``did`` stays. What held nothing else goes too: ``not``, groups, terms of a weighted sum. A
    parenthesis that isn't closed is told and closed at the end; inside one that holds values,
    ``and`` and ``or`` end the condition too.

    About 20 µs a token, O(length), and bounded: a second or two for the worst text. Long texts
    don't belong on an event loop.

    Raises:
        InvalidRule: the text was broken UTF-8.
        LimitExceeded: text, tokens, depth, nodes, a list, a sequence or a number past its limit,
            with what is left out still counted.
    """
    check_text(text, limits)
    check_tolerant(text, limits)
    try:
        rule: Rule = cast(Any, grammar().parse(text)).value
    except (UnexpectedInput, BadTokenError) as error:
        check_recovery(text, _start(text, error), limits)
        recovery = Recovery(text)
        rule = recovery.finish()
        check_parsed(text, rule, limits)
        return Tolerant(_pruned(rule), tuple(recovery.faults))
    check_parsed(text, rule, limits)
    return Tolerant(rule, ())


def _start(text: str, error: UnexpectedInput | BadTokenError) -> int:
    if isinstance(error, BadTokenError):
        return error.span.start
    ended = isinstance(error, UnexpectedToken) and error.token.type == END
    return len(text) if ended else cast(int, error.pos_in_stream)


def _pruned(rule: Rule | None) -> Rule | None:
    """A rule without its holes, None where nothing is left of it."""
    if rule is None or rule is HOLE:
        return None
    match rule:
        case tree.And() | tree.Or() | tree.NoneOf() | tree.AtLeast():
            return _pruned_group(rule)
        case tree.Not():
            below = _pruned(rule.rule)
            return None if below is None else replace(rule, rule=below)
        case tree.WeightedSum():
            terms = [
                replace(term, rule=below)
                for term in rule.terms
                if term.weight is not NO_WEIGHT and (below := _pruned(term.rule)) is not None
            ]
            return replace(rule, terms=tuple(terms)) if terms else None
        case tree.Did() | tree.Aggregate() | tree.Favourite():
            return replace(rule, where=_pruned(rule.where))
        case tree.Recency():
            return replace(rule, where=_pruned(rule.where), passes=_pruned(rule.passes))
        case tree.Sequence():
            return replace(rule, steps=tuple([_pruned_step(step) for step in rule.steps]))
        case _:
            return rule


def _pruned_group(rule: tree.And | tree.Or | tree.NoneOf | tree.AtLeast) -> Rule | None:
    kept = [below for below in map(_pruned, rule.rules) if below is not None]
    if not kept:
        return None
    if len(kept) == 1 < len(rule.rules) and isinstance(rule, tree.And | tree.Or):
        return kept[0]
    return replace(rule, rules=tuple(kept))


def _pruned_step(step: tree.Step) -> tree.Step:
    without = step.without
    if without is not None:
        without = replace(without, where=_pruned(without.where))
    return replace(step, where=_pruned(step.where), without=without)
