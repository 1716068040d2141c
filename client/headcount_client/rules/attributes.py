"""Tests on attributes, and in a ``where`` on dimensions and measures. Pure and immutable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from headcount.v1 import rule_pb2
from headcount.v1.rule_pb2 import Test

from headcount_client import values
from headcount_client.rules.expression import Expression
from headcount_client.rules.literals import value_list
from headcount_client.rules.numbers import Comparable, Number
from headcount_client.rules.windows import Windowed, duration

Text = str | rule_pb2.Value
List = Iterable[Any] | rule_pb2.Value
_LENGTHS = {
    "km": rule_pb2.LENGTH_UNIT_KM,
    "m": rule_pb2.LENGTH_UNIT_M,
    "mi": rule_pb2.LENGTH_UNIT_MI,
}


class Tests(Windowed[Expression]):
    """All tests; which of them an attribute takes depends on its type."""

    __slots__ = ()
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def tested(self, test: Test) -> Expression:
        """The rule that a test makes."""
        raise NotImplementedError

    def __eq__(self, other: Any) -> Expression:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared(rule_pb2.OPERATOR_EQUAL, other)

    def __ne__(self, other: Any) -> Expression:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared(rule_pb2.OPERATOR_NOT_EQUAL, other)

    def __lt__(self, other: Any) -> Expression:
        return self._compared(rule_pb2.OPERATOR_LESS, other)

    def __le__(self, other: Any) -> Expression:
        return self._compared(rule_pb2.OPERATOR_LESS_OR_EQUAL, other)

    def __gt__(self, other: Any) -> Expression:
        return self._compared(rule_pb2.OPERATOR_GREATER, other)

    def __ge__(self, other: Any) -> Expression:
        return self._compared(rule_pb2.OPERATOR_GREATER_OR_EQUAL, other)

    def is_set(self) -> Expression:
        """Has a value."""
        return self._state(rule_pb2.TEST_STATE_SET)

    def is_missing(self) -> Expression:
        """Has no value."""
        return self._state(rule_pb2.TEST_STATE_MISSING)

    def is_true(self) -> Expression:
        """A boolean that is true."""
        return self._state(rule_pb2.TEST_STATE_TRUE)

    def is_false(self) -> Expression:
        """A boolean that is false."""
        return self._state(rule_pb2.TEST_STATE_FALSE)

    def in_(self, listed: List) -> Expression:
        """One of several values, or of a list parameter."""
        return self.tested(Test(in_list=Test.In(values=value_list(listed))))

    def not_in(self, listed: List) -> Expression:
        """None of several values, also where there is no value."""
        return self.tested(Test(in_list=Test.In(values=value_list(listed), negated=True)))

    def contains(self, text: Text) -> Expression:
        """Contains a text."""
        return self.tested(Test(contains=Test.Contains(value=values.literal(text))))

    def not_contains(self, text: Text) -> Expression:
        """Doesn't contain a text, also where there is no value."""
        test = Test.Contains(value=values.literal(text), negated=True)
        return self.tested(Test(contains=test))

    def contains_any(self, texts: List) -> Expression:
        """Contains one of several texts."""
        return self.tested(Test(contains_any=Test.ContainsAny(values=value_list(texts))))

    def not_contains_any(self, texts: List) -> Expression:
        """Contains none of several texts, also where there is no value."""
        test = Test.ContainsAny(values=value_list(texts), negated=True)
        return self.tested(Test(contains_any=test))

    def starts_with(self, text: Text) -> Expression:
        """Starts with a text."""
        return self.tested(Test(starts_with=Test.StartsWith(value=values.literal(text))))

    def ends_with(self, text: Text) -> Expression:
        """Ends with a text."""
        return self.tested(Test(ends_with=Test.EndsWith(value=values.literal(text))))

    def like(self, pattern: Text) -> Expression:
        """The whole value fits a pattern with ``*`` and ``?``."""
        return self.tested(Test(like=Test.Like(value=values.literal(pattern))))

    def matches(self, pattern: str, *, exactly: bool = False) -> Expression:
        """A regular expression (RE2, without slashes) is found; ``exactly`` heeds case."""
        return self.tested(Test(matches=Test.Matches(pattern=pattern, exactly=exactly)))

    def has(self, value: Text) -> Expression:
        """A set has a value."""
        return self.tested(Test(has=Test.Has(value=values.literal(value))))

    def has_any(self, listed: List) -> Expression:
        """A set has one of several values."""
        return self._has_of(rule_pb2.QUANTIFIER_ANY, listed)

    def has_all(self, listed: List) -> Expression:
        """A set has all of several values."""
        return self._has_of(rule_pb2.QUANTIFIER_ALL, listed)

    def has_none(self, listed: List) -> Expression:
        """A set has none of several values."""
        return self._has_of(rule_pb2.QUANTIFIER_NONE, listed)

    def has_at_least(self, count: Number, listed: List) -> Expression:
        """A set has at least ``count`` of several values."""
        return self._has_of(rule_pb2.QUANTIFIER_AT_LEAST, listed, count)

    def has_value_starting_with(self, text: Text) -> Expression:
        """A set has a value that starts with a text."""
        return self.tested(Test(has_prefix=Test.HasPrefix(value=values.literal(text))))

    def in_top(self, amount: Number, *, percent: bool = False) -> Expression:
        """Among the largest values: so many, or so many percent."""
        return self._ranked(amount, percent, bottom=False)

    def in_bottom(self, amount: Number, *, percent: bool = False) -> Expression:
        """Among the smallest values: so many, or so many percent."""
        return self._ranked(amount, percent, bottom=True)

    def month_in(self, *months: Number) -> Expression:
        """In one of the months, 1 to 12."""
        return self.tested(Test(month_in=Test.MonthIn(parts=map(values.literal, months))))

    def day_of_month_in(self, *days: Number) -> Expression:
        """On one of the days of the month, 1 to 31."""
        parts = map(values.literal, days)
        return self.tested(Test(day_of_month_in=Test.DayOfMonthIn(parts=parts)))

    def weekday_in(self, *weekdays: Number) -> Expression:
        """On one of the weekdays, Monday 1 to Sunday 7."""
        parts = map(values.literal, weekdays)
        return self.tested(Test(weekday_in=Test.WeekdayIn(parts=parts)))

    def hour_between(self, low: Number, high: Number) -> Expression:
        """From one hour to another, both included; wraps over midnight."""
        test = Test.HourBetween(low=values.literal(low), high=values.literal(high))
        return self.tested(Test(hour_between=test))

    def within(self, radius: Number, unit: str, of: tuple[Number, Number]) -> Expression:
        """Within a radius (km, m or mi) of a latitude and longitude, both exact."""
        if unit not in _LENGTHS:
            raise ValueError(f"{unit!r} is no unit of a radius; km, m and mi are")
        near = Test.Near(
            radius=values.literal(radius),
            unit=_LENGTHS[unit],
            latitude=values.literal(of[0]),
            longitude=values.literal(of[1]),
        )
        return self.tested(Test(near=near))

    def in_box(self, south: Number, west: Number, north: Number, east: Number) -> Expression:
        """In a box; it crosses the date line where west is more than east."""
        box = Test.InBox(
            south=values.literal(south),
            west=values.literal(west),
            north=values.literal(north),
            east=values.literal(east),
        )
        return self.tested(Test(in_box=box))

    def in_window(self, window: rule_pb2.Window) -> Expression:
        """A date or timestamp lies in a window, a number between two others."""
        return self.tested(Test(in_window=Test.InWindow(window=window)))

    @property
    def size(self) -> Size:
        """The number of values of a set."""
        return Size(self.tested)

    @property
    def domain(self) -> Domain:
        """What follows the last ``@``, with the tests of a keyword."""
        return Domain(self.tested)

    @property
    def anniversary(self) -> Repeated:
        """Some year's anniversary, in a window with two ends."""
        return Repeated(self.tested, "anniversary")

    @property
    def changed(self) -> Repeated:
        """A change of the value, in a window by days."""
        return Repeated(self.tested, "changed")

    def _state(self, state: rule_pb2.TestState.ValueType) -> Expression:
        return self.tested(Test(state=Test.Is(state=state)))

    def _compared(self, operator: rule_pb2.Operator.ValueType, other: Any) -> Expression:
        if isinstance(other, Attribute):
            other = Offset(other.name)
        if isinstance(other, Offset):
            test = Test.CompareAttribute(operator=operator, attribute=other.attribute)
            if other.offset is not None:
                test.sign = other.sign
                test.offset.CopyFrom(other.offset)
            return self.tested(Test(compare_attribute=test))
        compare = rule_pb2.Compare(operator=operator, value=values.literal(other))
        return self.tested(Test(compare=compare))

    def _has_of(
        self, quantifier: rule_pb2.Quantifier.ValueType, listed: List, count: Number | None = None
    ) -> Expression:
        test = Test.HasOf(quantifier=quantifier, values=value_list(listed))
        if count is not None:
            test.count.CopyFrom(values.literal(count))
        return self.tested(Test(has_of=test))

    def _ranked(self, amount: Number, percent: bool, *, bottom: bool) -> Expression:
        rank = Test.Rank(amount=values.literal(amount), percent=percent, bottom=bottom)
        return self.tested(Test(rank=rank))


class Offset:
    """Another attribute, plus or minus a duration in days to years."""

    __slots__ = ("attribute", "offset", "sign")

    def __init__(
        self,
        attribute: str,
        offset: rule_pb2.CalendarDuration | None = None,
        sign: rule_pb2.OffsetSign.ValueType = rule_pb2.OFFSET_SIGN_PLUS,
    ) -> None:
        self.attribute = attribute
        self.offset = offset
        self.sign = sign


class Attribute(Tests):
    """An attribute of a subscriber; in a ``where``, a dimension or measure of an event."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def tested(self, test: Test) -> Expression:
        """The rule that a test makes."""
        return Expression(
            rule_pb2.Rule(attribute=rule_pb2.Rule.Attribute(name=self.name, test=test))
        )

    def plus(self, amount: int, unit: str) -> Offset:
        """This attribute plus a duration, to compare another one with."""
        return Offset(self.name, duration(amount, unit))

    def minus(self, amount: int, unit: str) -> Offset:
        """This attribute minus a duration, to compare another one with."""
        return Offset(self.name, duration(amount, unit), rule_pb2.OFFSET_SIGN_MINUS)

    def in_last_campaigns(
        self, last: Number, sent: str, *, quantifier: str = "any", count: Number | None = None
    ) -> Expression:
        """In a ``where``: in any, all, none or at_least (``count``) of the last campaigns."""
        node = rule_pb2.Rule.LastCampaigns(
            name=self.name,
            quantifier=rule_pb2.Quantifier.Value(f"QUANTIFIER_{quantifier.upper()}"),
            last=values.literal(last),
            event=sent,
        )
        if count is not None:
            node.count.CopyFrom(values.literal(count))
        return Expression(rule_pb2.Rule(last_campaigns=node))


class Domain(Tests):
    """The domain of an address."""

    __slots__ = ("_outer",)

    def __init__(self, outer: Callable[[Test], Expression]) -> None:
        self._outer = outer

    def tested(self, test: Test) -> Expression:
        """The rule that a test of the domain makes."""
        return self._outer(Test(domain=Test.Domain(test=test)))


class Size(Comparable[Expression]):
    """The number of values of a set."""

    __slots__ = ("_outer",)

    def __init__(self, outer: Callable[[Test], Expression]) -> None:
        self._outer = outer

    def tested(self, test: rule_pb2.NumberTest) -> Expression:
        """The rule that a test of the size makes."""
        return self._outer(Test(size=Test.Size(test=test)))


class Repeated(Windowed[Expression]):
    """An anniversary or a change, in a window."""

    __slots__ = ("_kind", "_outer")

    def __init__(self, outer: Callable[[Test], Expression], kind: str) -> None:
        self._outer = outer
        self._kind = kind

    def in_window(self, window: rule_pb2.Window) -> Expression:
        """In a window given as a message."""
        if self._kind == "changed":
            return self._outer(Test(changed=Test.Changed(window=window)))
        return self._outer(Test(anniversary=Test.Anniversary(window=window)))


def attr(name: str) -> Attribute:
    """An attribute by its name; ``key`` and ``known_since`` are built in."""
    return Attribute(name)


def prop(name: str) -> Attribute:
    """A dimension or measure by its name, in a ``where``."""
    return Attribute(name)
