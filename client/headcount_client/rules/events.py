"""Rules about events: did, sequences, first and last, aggregates, favourites, rates, stars."""

from __future__ import annotations

from typing import Any, Self

from headcount.v1 import rule_pb2
from headcount.v1.rule_pb2 import Rule

from headcount_client import values
from headcount_client.rules.attributes import Tests
from headcount_client.rules.expression import Expression, conjunction
from headcount_client.rules.numbers import Comparable, Number
from headcount_client.rules.windows import Windowed, duration, unit


class Did(Expression, Windowed["Did"]):
    """Somebody did something; every method gives a further restricted copy."""

    __slots__ = ()

    def at_least(self, count: Number, *, on_days: bool = False) -> Did:
        """At least so many events, or distinct days with one."""
        return self._often(rule_pb2.MANY_AT_LEAST, count, on_days)

    def at_most(self, count: Number, *, on_days: bool = False) -> Did:
        """At most so many."""
        return self._often(rule_pb2.MANY_AT_MOST, count, on_days)

    def exactly(self, count: Number, *, on_days: bool = False) -> Did:
        """Exactly so many."""
        return self._often(rule_pb2.MANY_EXACTLY, count, on_days)

    def more_than(self, count: Number, *, on_days: bool = False) -> Did:
        """More than so many."""
        return self._often(rule_pb2.MANY_MORE_THAN, count, on_days)

    def fewer_than(self, count: Number, *, on_days: bool = False) -> Did:
        """Fewer than so many."""
        return self._often(rule_pb2.MANY_FEWER_THAN, count, on_days)

    def times_between(self, low: Number, high: Number, *, on_days: bool = False) -> Did:
        """From so many to so many, both included."""
        return self._often(rule_pb2.MANY_BETWEEN, low, on_days, high)

    def where(self, *conditions: Expression) -> Did:
        """The events pass all of the conditions: the same event each time."""
        rule = self.to_rule()
        rule.did.where.CopyFrom(conjunction(conditions))
        return Did(rule)

    def in_window(self, window: rule_pb2.Window) -> Did:
        """In a window given as a message."""
        rule = self.to_rule()
        rule.did.window.CopyFrom(window)
        return Did(rule)

    def within(
        self, amount: Number, unit: str, *, after: str | None = None, before: str | None = None
    ) -> Did:
        """From a date attribute's day to so much after, or before, it.

        Raises:
            TypeError: not exactly one of ``after`` and ``before`` is given.
        """
        if (after is None) == (before is None):
            raise TypeError("give the name of a date attribute as after= or before=")
        rule = self.to_rule()
        relative = rule.did.relative
        relative.duration.CopyFrom(duration(amount, unit))
        relative.side = rule_pb2.DATE_SIDE_AFTER if after else rule_pb2.DATE_SIDE_BEFORE
        relative.attribute = after or before or ""
        return Did(rule)

    def in_at_least(self, count: Number, *, of_last: Number, unit: str) -> Did:
        """A habit: in at least so many of the last days, weeks or months."""
        return self._habit(rule_pb2.MANY_AT_LEAST, count, of_last, unit)

    def in_at_most(self, count: Number, *, of_last: Number, unit: str) -> Did:
        """A habit: in at most so many of the last days, weeks or months."""
        return self._habit(rule_pb2.MANY_AT_MOST, count, of_last, unit)

    def in_exactly(self, count: Number, *, of_last: Number, unit: str) -> Did:
        """A habit: in exactly so many of the last days, weeks or months."""
        return self._habit(rule_pb2.MANY_EXACTLY, count, of_last, unit)

    def then(
        self,
        event: str,
        *,
        where: Expression | None = None,
        within: tuple[Number, str] | None = None,
        without: str | None = None,
        without_where: Expression | None = None,
    ) -> Sequence:
        """The next step of a sequence."""
        return self._sequence().then(
            event, where=where, within=within, without=without, without_where=without_where
        )

    def then_not(
        self,
        event: str,
        *,
        where: Expression | None = None,
        within: tuple[Number, str] | None = None,
    ) -> Sequence:
        """The last step of a sequence: no such event."""
        return self._sequence().then_not(event, where=where, within=within)

    def _sequence(self) -> Sequence:
        did = self.to_rule().did
        if did.HasField("often") or did.HasField("relative") or did.HasField("habit"):
            raise TypeError("a step of a sequence has neither a count, a date nor a habit")
        rule = Rule()
        step = rule.sequence.steps.add(events=did.events)
        if did.HasField("where"):
            step.where.CopyFrom(did.where)
        if did.HasField("window"):
            rule.sequence.window.CopyFrom(did.window)
        return Sequence(rule)

    def _often(
        self,
        many: rule_pb2.Many.ValueType,
        low: Number,
        on_days: bool,
        high: Number | None = None,
    ) -> Did:
        rule = self.to_rule()
        often = rule_pb2.Often(many=many, low=values.literal(low), on_days=on_days)
        if high is not None:
            often.high.CopyFrom(values.literal(high))
        rule.did.often.CopyFrom(often)
        return Did(rule)

    def _habit(
        self, many: rule_pb2.Many.ValueType, count: Number, last: Number, unit_name: str
    ) -> Did:
        rule = self.to_rule()
        habit = rule_pb2.Habit(
            many=many,
            count=values.literal(count),
            last=values.literal(last),
            unit=unit(unit_name),
        )
        rule.did.habit.CopyFrom(habit)
        return Did(rule)


class Sequence(Expression, Windowed["Sequence"]):
    """Somebody did one thing after another, 2 to 8 steps."""

    __slots__ = ()

    def then(
        self,
        event: str,
        *,
        where: Expression | None = None,
        within: tuple[Number, str] | None = None,
        without: str | None = None,
        without_where: Expression | None = None,
    ) -> Sequence:
        """A further step; ``within`` is the time since the step before, as ``(2, "days")``."""
        step = _step(event, where, within, negated=False)
        if without is not None:
            step.without.event = without
            if without_where is not None:
                step.without.where.CopyFrom(without_where.to_rule())
        return self._with_step(step)

    def then_not(
        self,
        event: str,
        *,
        where: Expression | None = None,
        within: tuple[Number, str] | None = None,
    ) -> Sequence:
        """The last step: no such event."""
        return self._with_step(_step(event, where, within, negated=True))

    def all_within(self, amount: Number, unit: str) -> Sequence:
        """The time from the first step to the last."""
        rule = self.to_rule()
        rule.sequence.all_within.CopyFrom(duration(amount, unit))
        return Sequence(rule)

    def same(self, dimension: str) -> Sequence:
        """All steps agree on a dimension."""
        rule = self.to_rule()
        rule.sequence.same = dimension
        return Sequence(rule)

    def in_window(self, window: rule_pb2.Window) -> Sequence:
        """In a window given as a message."""
        rule = self.to_rule()
        rule.sequence.window.CopyFrom(window)
        return Sequence(rule)

    def _with_step(self, step: rule_pb2.Step) -> Sequence:
        rule = self.to_rule()
        rule.sequence.steps.append(step)
        return Sequence(rule)


class Recency(Expression, Windowed["Recency"]):
    """The first or last of some events, then tested."""

    __slots__ = ()

    def where(self, *conditions: Expression) -> Recency:
        """Only events that pass all of the conditions are looked at."""
        rule = self.to_rule()
        rule.recency.where.CopyFrom(conjunction(conditions))
        return Recency(rule)

    def passes(self, *conditions: Expression) -> Recency:
        """That one event also passes all of these."""
        rule = self.to_rule()
        rule.recency.passes.CopyFrom(conjunction(conditions))
        return Recency(rule)

    def in_window(self, window: rule_pb2.Window) -> Recency:
        """In a window given as a message."""
        rule = self.to_rule()
        rule.recency.window.CopyFrom(window)
        return Recency(rule)


class _Computed(Windowed[Any]):
    """A value computed from events, still without its test."""

    __slots__ = ("_kind", "_node")

    def __init__(self, kind: str, node: Any) -> None:
        self._kind = kind
        self._node = node

    def where(self, *conditions: Expression) -> Self:
        """Only events that pass all of the conditions count."""
        return self._changed("where", conjunction(conditions))

    def in_window(self, window: rule_pb2.Window) -> Self:
        """In a window given as a message."""
        return self._changed("window", window)

    def _changed(self, field: str, message: Any) -> Self:
        node = type(self._node)()
        node.CopyFrom(self._node)
        getattr(node, field).CopyFrom(message)
        return type(self)(self._kind, node)

    def _finished(self, test: Any) -> Expression:
        rule = Rule()
        target = getattr(rule, self._kind)
        target.CopyFrom(self._node)
        target.test.CopyFrom(test)
        return Expression(rule)


class ComputedNumber(_Computed, Comparable[Expression]):
    """A number computed from events; compare it to get a rule."""

    __slots__ = ()
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def tested(self, test: rule_pb2.NumberTest) -> Expression:
        """The rule that a test of the number makes."""
        return self._finished(test)


class Favourite(_Computed, Tests):  # pyright: ignore[reportIncompatibleMethodOverride]
    """The most frequent value of a dimension; test it to get a rule."""

    __slots__ = ()
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def tested(self, test: rule_pb2.Test) -> Expression:
        """The rule that a test of the favourite makes."""
        return self._finished(test)


def did(*events: str) -> Did:
    """Did an event; of several types, which count as one."""
    return Did(Rule(did=Rule.Did(events=_named(events))))


def did_not(*events: str) -> Expression:
    """``~did(…)``; what restricts the events goes into ``did`` before the ``~``."""
    return ~did(*events)


def first(*events: str) -> Recency:
    """The first event of a type, or of several types as one."""
    return _recency(rule_pb2.EVENT_EDGE_FIRST, events)


def last(*events: str) -> Recency:
    """The last event of a type, or of several types as one."""
    return _recency(rule_pb2.EVENT_EDGE_LAST, events)


def sum_of(event: str, measure: str) -> ComputedNumber:
    """Sum of a measure; 0 over no events."""
    return _aggregate(rule_pb2.AGGREGATE_FUNCTION_SUM, event, measure)


def avg_of(event: str, measure: str) -> ComputedNumber:
    """Mean of a measure, exact; none over no events."""
    return _aggregate(rule_pb2.AGGREGATE_FUNCTION_AVG, event, measure)


def min_of(event: str, measure: str) -> ComputedNumber:
    """Smallest value of a measure."""
    return _aggregate(rule_pb2.AGGREGATE_FUNCTION_MIN, event, measure)


def max_of(event: str, measure: str) -> ComputedNumber:
    """Largest value of a measure."""
    return _aggregate(rule_pb2.AGGREGATE_FUNCTION_MAX, event, measure)


def count_distinct(event: str, name: str) -> ComputedNumber:
    """Different values of a dimension or measure; 0 over no events."""
    return _aggregate(rule_pb2.AGGREGATE_FUNCTION_COUNT_DISTINCT, event, name)


def favourite(event: str, dimension: str) -> Favourite:
    """The most frequent value of a dimension; ties are all favourites."""
    return Favourite("favourite", Rule.Favourite(event=event, dimension=dimension))


def rate(numerator: str, denominator: str) -> ComputedNumber:
    """Events over events; has no ``where``."""
    return ComputedNumber("rate", Rule.Rate(numerator=numerator, denominator=denominator))


def stars() -> ComputedNumber:
    """Engagement from 0 to 5; has no ``where``."""
    return ComputedNumber("stars", Rule.Stars())


def _recency(edge: rule_pb2.EventEdge.ValueType, events: tuple[str, ...]) -> Recency:
    return Recency(Rule(recency=Rule.Recency(edge=edge, events=_named(events))))


def _aggregate(
    function: rule_pb2.AggregateFunction.ValueType, event: str, name: str
) -> ComputedNumber:
    node = Rule.Aggregate(function=function, event=event, property=name)
    return ComputedNumber("aggregate", node)


def _step(
    event: str, where: Expression | None, within: tuple[Number, str] | None, *, negated: bool
) -> rule_pb2.Step:
    step = rule_pb2.Step(events=[event], negated=negated)
    if where is not None:
        step.where.CopyFrom(where.to_rule())
    if within is not None:
        step.within.CopyFrom(duration(*within))
    return step


def _named(events: tuple[str, ...]) -> tuple[str, ...]:
    if not events:
        raise TypeError("name one type of events or more")
    return events
