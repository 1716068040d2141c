"""A rule tree as the calls of the typed builder that make it; nothing else of the tree is used."""

from __future__ import annotations

from typing import Any

from headcount_client import rules as b
from headcount_server.core.rules import tree as t
from hypothesis import assume

_OPERATORS = {
    t.Operator.EQUAL: lambda left, right: left == right,
    t.Operator.NOT_EQUAL: lambda left, right: left != right,
    t.Operator.LESS: lambda left, right: left < right,
    t.Operator.LESS_OR_EQUAL: lambda left, right: left <= right,
    t.Operator.GREATER: lambda left, right: left > right,
    t.Operator.GREATER_OR_EQUAL: lambda left, right: left >= right,
}
_STATES = {
    t.State.SET: "is_set",
    t.State.MISSING: "is_missing",
    t.State.TRUE: "is_true",
    t.State.FALSE: "is_false",
}
_HAS = {t.Quantifier.ANY: "has_any", t.Quantifier.ALL: "has_all", t.Quantifier.NONE: "has_none"}
_OFTEN = {
    t.Many.AT_LEAST: "at_least",
    t.Many.AT_MOST: "at_most",
    t.Many.EXACTLY: "exactly",
    t.Many.MORE_THAN: "more_than",
    t.Many.FEWER_THAN: "fewer_than",
}
_PERIODS = {t.Period.THIS: "in_this", t.Period.LAST: "in_previous", t.Period.NEXT: "in_following"}
_COMPUTED = {
    t.Function.SUM: b.sum_of,
    t.Function.AVG: b.avg_of,
    t.Function.MIN: b.min_of,
    t.Function.MAX: b.max_of,
    t.Function.COUNT_DISTINCT: b.count_distinct,
}


def built(rule: t.Rule) -> b.Expression:
    """The expression for a rule."""
    match rule:
        case t.Everyone():
            return b.everyone
        case t.Nobody():
            return b.nobody
        case t.And():
            return b.all_of(*map(built, rule.rules))
        case t.Or():
            return b.any_of(*map(built, rule.rules))
        case t.NoneOf():
            return b.none_of(*map(built, rule.rules))
        case t.AtLeast():
            return b.at_least(_value(rule.count), *map(built, rule.rules))
        case t.Not():
            return ~built(rule.rule)
        case t.WeightedSum():
            parts = [(_value(term.weight), built(term.rule)) for term in rule.terms]
            return _compared(b.weighted(*parts), rule.test)
        case t.Sample():
            return b.sample(_value(rule.percent), _value(rule.seed))
        case t.Bucket():
            of = _value(rule.buckets)
            return b.bucket(_value(rule.bucket), of=of, seed=_value(rule.seed))
        case t.IdIn():
            return b.ids(_list(rule.values))
        case t.InSegment():
            return b.segment(_value(rule.segment))
        case t.SegmentMove():
            move = b.entered if rule.move is t.Move.ENTERED else b.left
            return _windowed(move(_value(rule.segment)), rule.window)
        case t.Attribute():
            return _tested(b.attr(rule.name), rule.test)
        case t.Inactive():
            return b.inactive_for(*_duration(rule.duration))
        case t.KnownFor():
            return b.known_for(*_duration(rule.duration))
        case _:
            return _behaviour(rule)


def _behaviour(rule: t.Rule) -> b.Expression:
    match rule:
        case t.Did():
            return _did(rule)
        case t.Sequence():
            return _sequence(rule)
        case t.Recency():
            made: Any = (b.first if rule.edge is t.Edge.FIRST else b.last)(*rule.events)
            made = made.where(built(rule.where)) if rule.where else made
            made = made.passes(built(rule.passes)) if rule.passes else made
            return _windowed(made, rule.window)
        case t.Aggregate():
            made = _COMPUTED[rule.function](rule.event, rule.property)
            made = made.where(built(rule.where)) if rule.where else made
            return _compared(_windowed(made, rule.window), rule.test)
        case t.Favourite():
            assume(not isinstance(rule.test, t.InWindow))  # a builder's window is never its test
            made = b.favourite(rule.event, rule.dimension)
            made = made.where(built(rule.where)) if rule.where else made
            return _tested(_windowed(made, rule.window), rule.test)
        case t.Rate():
            made = _windowed(b.rate(rule.numerator, rule.denominator), rule.window)
            return _compared(made, rule.test)
        case t.Stars():
            return _compared(_windowed(b.stars(), rule.window), rule.test)
        case _:
            assert isinstance(rule, t.LastCampaigns)
            quantifier = rule.quantifier.name.lower()
            return b.prop(rule.name).in_last_campaigns(
                _value(rule.last), rule.event, quantifier=quantifier, count=_value(rule.count)
            )


def _did(rule: t.Did) -> b.Expression:
    made: Any = b.did(*rule.events)
    often = rule.often
    if often is not None and often.many is t.Many.BETWEEN:
        made = made.times_between(_value(often.low), _value(often.high), on_days=often.on_days)
    elif often is not None:
        made = getattr(made, _OFTEN[often.many])(_value(often.low), on_days=often.on_days)
    made = made.where(built(rule.where)) if rule.where else made
    if rule.relative is not None:
        side = rule.relative.side.name.lower()
        return made.within(*_duration(rule.relative.duration), **{side: rule.relative.attribute})
    if rule.habit is not None:
        habit = getattr(made, f"in_{_OFTEN[rule.habit.many]}")
        unit = rule.habit.unit.name.lower()
        return habit(_value(rule.habit.count), of_last=_value(rule.habit.last), unit=unit)
    return _windowed(made, rule.window)


def _sequence(rule: t.Sequence) -> b.Expression:
    first, *others = rule.steps
    made: Any = b.did(*first.events)
    made = made.where(built(first.where)) if first.where else made
    for step in others:
        given: dict[str, Any] = {
            "where": built(step.where) if step.where else None,
            "within": _duration(step.within) if step.within else None,
        }
        if step.negated:
            made = made.then_not(step.events[0], **given)
            continue
        if step.without is not None:
            where = step.without.where
            given |= {"without": step.without.event, "without_where": where and built(where)}
        made = made.then(step.events[0], **given)
    made = made.all_within(*_duration(rule.all_within)) if rule.all_within else made
    return _windowed(made.same(rule.same) if rule.same else made, rule.window)


def _tested(subject: Any, test: t.Test) -> b.Expression:
    """A test of what has the methods of an attribute."""
    match test:
        case t.Is():
            return getattr(subject, _STATES[test.state])()
        case t.Compare():
            return _compared(subject, test)
        case t.CompareAttribute():
            other: Any = b.attr(test.attribute)
            if test.offset is not None:
                moved = other.minus if test.sign is t.Sign.MINUS else other.plus
                other = moved(*_duration(test.offset))
            return _OPERATORS[test.operator](subject, other)
        case t.In():
            return (subject.not_in if test.negated else subject.in_)(_list(test.values))
        case t.Contains():
            contains = subject.not_contains if test.negated else subject.contains
            return contains(_value(test.value))
        case t.ContainsAny():
            contains = subject.not_contains_any if test.negated else subject.contains_any
            return contains(_list(test.values))
        case t.StartsWith():
            return subject.starts_with(_value(test.value))
        case t.EndsWith():
            return subject.ends_with(_value(test.value))
        case t.Like():
            return subject.like(_value(test.value))
        case t.Matches():
            return subject.matches(test.pattern, exactly=test.exactly)
        case t.Domain():
            return _tested(subject.domain, test.test)
        case t.Has():
            return subject.has(_value(test.value))
        case t.HasPrefix():
            return subject.has_value_starting_with(_value(test.value))
        case t.HasOf() if test.quantifier is t.Quantifier.AT_LEAST:
            return subject.has_at_least(_value(test.count), _list(test.values))
        case t.HasOf():
            return getattr(subject, _HAS[test.quantifier])(_list(test.values))
        case t.Size():
            return _compared(subject.size, test.test)
        case t.Rank():
            ranked = subject.in_bottom if test.bottom else subject.in_top
            return ranked(_value(test.amount), percent=test.percent)
        case _:
            return _tested_moment(subject, test)


def _tested_moment(subject: Any, test: t.Test) -> b.Expression:
    match test:
        case t.InWindow():
            return _windowed(subject, test.window)
        case t.Anniversary():
            return _windowed(subject.anniversary, test.window)
        case t.Changed():
            return _windowed(subject.changed, test.window)
        case t.MonthIn():
            return subject.month_in(*map(_value, test.parts))
        case t.DayOfMonthIn():
            return subject.day_of_month_in(*map(_value, test.parts))
        case t.WeekdayIn():
            return subject.weekday_in(*map(_value, test.parts))
        case t.HourBetween():
            return subject.hour_between(_value(test.low), _value(test.high))
        case t.Near():
            place = (_value(test.latitude), _value(test.longitude))
            return subject.within(_value(test.radius), test.unit.name.lower(), place)
        case _:
            assert isinstance(test, t.InBox)
            edges = (test.south, test.west, test.north, test.east)
            return subject.in_box(*map(_value, edges))


def _compared(subject: Any, test: t.NumberTest) -> b.Expression:
    if isinstance(test, t.Compare):
        return _OPERATORS[test.operator](subject, _value(test.value))
    return subject.is_between(_value(test.low), _value(test.high))


def _windowed(subject: Any, window: t.Window | None) -> Any:
    match window:
        case None:
            return subject
        case t.Ever():
            return subject.ever()
        case t.InLast():
            return subject.in_last(*_duration(window.duration))
        case t.InNext():
            return subject.in_next(*_duration(window.duration))
        case t.MoreThan():
            ago = window.direction is t.Direction.AGO
            more_than = subject.more_than_ago if ago else subject.more_than_from_now
            return more_than(*_duration(window.duration))
        case t.Between():
            return subject.between(_value(window.low), _value(window.high))
        case t.BetweenRelative():
            ago = window.direction is t.Direction.AGO
            between = subject.between_ago if ago else subject.between_from_now
            return between(_value(window.low), _value(window.high), window.unit.name.lower())
        case t.Calendar():
            return getattr(subject, _PERIODS[window.period])(window.unit.name.lower())
        case t.On():
            return subject.on(_value(window.moment))
        case t.Before():
            return subject.before(_value(window.moment))
        case t.After():
            return subject.after(_value(window.moment))


def _duration(duration: t.Duration) -> tuple[Any, str]:
    return _value(duration.amount), duration.unit.name.lower()


def _list(values: t.ValueList) -> Any:
    return b.param(values.parameter) if values.parameter else list(map(_value, values.values))


def _value(value: t.Value | None) -> Any:
    match value:
        case None:
            return None
        case t.Text():
            return b.exactly(value.text) if value.exactly else value.text
        case t.Parameter():
            parameter = b.param(value.parameter)
            return b.exactly(parameter) if value.exactly else parameter
        case t.Number():
            return value.number
        case t.Date():
            return value.date
        case t.Timestamp():
            return value.timestamp
