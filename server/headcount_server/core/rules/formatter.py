"""The canonical text of a rule.

``parse(format_rule(tree)) == tree`` for every tree that the grammar can spell, and the text of the
same tree is always the same: keywords in lower case, one space, the where always in parentheses,
other parentheses only where precedence needs them, numbers without exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headcount_server.core.rules import tree
from headcount_server.core.rules.bounds import check_bounds
from headcount_server.core.rules.format_tests import (
    duration,
    name,
    number,
    number_test,
    plural,
    refuse,
    string,
    test,
    values,
    whole,
    window,
)
from headcount_server.core.rules.tree import And, Not, Or, Rule
from headcount_server.limits import DEFAULT_LIMITS, Limits

_Format = Callable[[Rule], str]


def format_rule(rule: Rule, limits: Limits = DEFAULT_LIMITS) -> str:
    """The text of a rule, on one line but for line feeds inside strings. O(tree).

    Raises:
        LimitExceeded: the tree is past a limit.
        InvalidRule: it has an empty part, or something that the text form can't spell.
    """
    check_bounds(rule, limits)
    return _rule(rule)


def _rule(rule: Rule) -> str:
    return _composed(rule, _rule, _CONDITIONS)


def _event_rule(rule: Rule) -> str:
    """A rule about one event, as it stands in a where."""
    return _composed(rule, _event_rule, _EVENT_CONDITIONS)


def _composed(rule: Rule, below: _Format, conditions: dict[type, Callable[[Any], str]]) -> str:
    if isinstance(rule, And | Or) and len(rule.rules) > 1:
        joint = " and " if isinstance(rule, And) else " or "
        loose = And | Or if isinstance(rule, And) else Or
        return joint.join([_within(child, below, loose) for child in rule.rules])
    if isinstance(rule, Not):
        if isinstance(rule.rule, tree.Did | tree.Sequence) and type(rule.rule) in conditions:
            return "did not" + below(rule.rule).removeprefix("did")
        return "not " + _within(rule.rule, below, And | Or)
    if isinstance(rule, And | Or | tree.NoneOf | tree.AtLeast):
        return f"{_group(rule)} of ({', '.join([below(child) for child in rule.rules])})"
    condition = conditions.get(type(rule))
    if condition is None:
        refuse(f"{type(rule).__name__} can't stand in a where in the text form")
    return condition(rule)


def _within(child: Rule, below: _Format, loose: Any) -> str:
    text = below(child)
    if isinstance(child, loose) and isinstance(child, And | Or) and len(child.rules) > 1:
        return f"({text})"
    return text


def _group(rule: And | Or | tree.NoneOf | tree.AtLeast) -> str:
    if isinstance(rule, tree.AtLeast):
        return f"at least {whole(rule.count)}"
    return {And: "all", Or: "any", tree.NoneOf: "none"}[type(rule)]


# --- conditions ---


def _weighted_sum(rule: tree.WeightedSum) -> str:
    terms = ", ".join([f"{number(term.weight)} for {_rule(term.rule)}" for term in rule.terms])
    return f"sum of ({terms}) {number_test(rule.test)}"


def _segment_move(rule: tree.SegmentMove) -> str:
    return f"{rule.move.name.lower()} segment {string(rule.segment)} {window(rule.window)}"


def _bucket(rule: tree.Bucket) -> str:
    return f"bucket {whole(rule.bucket)} of {whole(rule.buckets)} seed {string(rule.seed)}"


def _attribute(rule: tree.Attribute) -> str:
    return f"{name(rule.name)} {test(rule.test)}"


def _last_campaigns(rule: tree.LastCampaigns) -> str:
    quantity = ""
    if rule.count is not None:
        quantity = f"at least {whole(rule.count)} of "
    elif rule.quantifier is not tree.Quantifier.ANY:
        quantity = f"{rule.quantifier.name.lower()} of "
    return f"{name(rule.name)} in {quantity}last {whole(rule.last)} campaigns {name(rule.event)}"


def _did(rule: tree.Did) -> str:
    parts = ["did", _events(rule.events)]
    if rule.often is not None:
        parts.append(_often(rule.often))
    parts.append(_where(rule.where))
    if rule.relative is not None:
        side = rule.relative.side.name.lower()
        parts.append(
            f"within {duration(rule.relative.duration)} {side} {name(rule.relative.attribute)}"
        )
    elif rule.habit is not None:
        habit = rule.habit
        last = whole(habit.last)
        unit = plural(habit.unit.name.lower(), last)
        parts.append(f"in {_many(habit.many)} {whole(habit.count)} of last {last} {unit}")
    parts.append(_event_window(rule.window))
    return _joined(parts)


def _often(often: tree.Often) -> str:
    if often.high is not None:
        amount = whole(often.high)
        bounds = f"between {whole(often.low)} and {amount}"
    else:
        amount = whole(often.low)
        bounds = f"{_many(often.many)} {amount}"
    if often.on_days:
        return f"on {bounds} {plural('day', amount)}"
    return f"{bounds} {plural('time', amount)}"


def _many(many: tree.Many) -> str:
    return many.name.lower().replace("_", " ")


def _sequence(rule: tree.Sequence) -> str:
    first, *others = rule.steps
    parts = ["did", _events(first.events), _where(first.where)]
    parts.extend(_step(step) for step in others)
    if rule.all_within is not None:
        parts.append(f"all within {duration(rule.all_within)}")
    if rule.same:
        parts.append(f"same {name(rule.same)}")
    parts.append(_event_window(rule.window))
    return _joined(parts)


def _step(step: tree.Step) -> str:
    parts = ["then not" if step.negated else "then", name(step.events[0]), _where(step.where)]
    if step.within is not None:
        parts.append(f"within {duration(step.within)}")
    if step.without is not None:
        parts.extend(["without", name(step.without.event), _where(step.without.where)])
    return _joined(parts)


def _recency(rule: tree.Recency) -> str:
    passes = f"is ({_event_rule(rule.passes)})" if rule.passes is not None else ""
    edge = rule.edge.name.lower()
    return _joined(
        [edge, _events(rule.events), _where(rule.where), passes, _event_window(rule.window)]
    )


def _aggregate(rule: tree.Aggregate) -> str:
    function = rule.function.name.lower().replace("_", " ")
    head = f"{function}({name(rule.event)}.{name(rule.property)}) {number_test(rule.test)}"
    return _joined([head, _where(rule.where), _event_window(rule.window)])


def _favourite(rule: tree.Favourite) -> str:
    head = f"favourite({name(rule.event)}.{name(rule.dimension)}) {test(rule.test)}"
    return _joined([head, _where(rule.where), _event_window(rule.window)])


def _rate(rule: tree.Rate) -> str:
    head = f"rate({name(rule.numerator)} / {name(rule.denominator)}) {number_test(rule.test)}"
    return _joined([head, _event_window(rule.window)])


def _stars(rule: tree.Stars) -> str:
    return _joined([f"stars {number_test(rule.test)}", _event_window(rule.window)])


def _events(events: tuple[str, ...]) -> str:
    names = [name(event) for event in events]
    return names[0] if len(names) == 1 else f"any of ({', '.join(names)})"


def _where(where: Rule | None) -> str:
    return "" if where is None else f"where ({_event_rule(where)})"


def _event_window(value: tree.Window | None) -> str:
    return "" if value is None else window(value)


def _joined(parts: list[str]) -> str:
    return " ".join([part for part in parts if part])


_EVENT_CONDITIONS: dict[type, Callable[[Any], str]] = {
    tree.Attribute: _attribute,
    tree.LastCampaigns: _last_campaigns,
}
_CONDITIONS: dict[type, Callable[[Any], str]] = {
    tree.Everyone: lambda r: "everyone",
    tree.Nobody: lambda r: "nobody",
    tree.WeightedSum: _weighted_sum,
    tree.Sample: lambda r: f"sample {number(r.percent)}% seed {string(r.seed)}",
    tree.Bucket: _bucket,
    tree.IdIn: lambda r: f"id in {values(r.values)}",
    tree.InSegment: lambda r: f"in segment {string(r.segment)}",
    tree.SegmentMove: _segment_move,
    tree.Attribute: _attribute,
    tree.Did: _did,
    tree.Sequence: _sequence,
    tree.Recency: _recency,
    tree.Aggregate: _aggregate,
    tree.Favourite: _favourite,
    tree.Rate: _rate,
    tree.Stars: _stars,
    tree.Inactive: lambda r: f"inactive for {duration(r.duration)}",
    tree.KnownFor: lambda r: f"known for at least {duration(r.duration)}",
}
