"""Windows of time, as methods of everything that can have one. Pure and immutable."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from headcount.v1 import rule_pb2

from headcount_client import values

W = TypeVar("W")
Number = int | Decimal | rule_pb2.Value
Moment = date | datetime | rule_pb2.Value


def unit(name: str) -> rule_pb2.Unit.ValueType:
    """A unit by its name: ``day`` or ``days``, minutes to years.

    Raises:
        ValueError: there is no such unit.
    """
    try:
        return rule_pb2.Unit.Value(f"UNIT_{name.upper().removesuffix('S')}")
    except ValueError:
        raise ValueError(
            f"{name!r} is no unit; minutes, hours, days, weeks, months, quarters, years are"
        ) from None


def duration(amount: Number, unit_name: str) -> rule_pb2.CalendarDuration:
    """A length of time such as 30 days."""
    return rule_pb2.CalendarDuration(amount=values.literal(amount), unit=unit(unit_name))


class Windowed(Generic[W]):
    """What can be asked of a window of time; each method gives what the window is applied to."""

    __slots__ = ()

    def in_window(self, window: rule_pb2.Window) -> W:
        """In a window given as a message."""
        raise NotImplementedError

    def ever(self) -> W:
        """At any time."""
        return self._in(ever=rule_pb2.Window.Ever())

    def in_last(self, amount: Number, unit: str) -> W:
        """``in last 30 days``: today and the 30 days before it."""
        return self._in(in_last=rule_pb2.Window.InLast(duration=duration(amount, unit)))

    def in_next(self, amount: Number, unit: str) -> W:
        """``in next 7 days``: today and the 7 days after it."""
        return self._in(in_next=rule_pb2.Window.InNext(duration=duration(amount, unit)))

    def more_than_ago(self, amount: Number, unit: str) -> W:
        """``more than 90 days ago``."""
        return self._more_than(amount, unit, rule_pb2.DIRECTION_AGO)

    def more_than_from_now(self, amount: Number, unit: str) -> W:
        """``more than 3 months from now``."""
        return self._more_than(amount, unit, rule_pb2.DIRECTION_FROM_NOW)

    def between_ago(self, low: Number, high: Number, unit: str) -> W:
        """``between 2 and 9 days ago``, both ends included."""
        return self._between(low, high, unit, rule_pb2.DIRECTION_AGO)

    def between_from_now(self, low: Number, high: Number, unit: str) -> W:
        """``between 1 and 2 weeks from now``, both ends included."""
        return self._between(low, high, unit, rule_pb2.DIRECTION_FROM_NOW)

    def in_this(self, unit: str) -> W:
        """``this month``."""
        return self._calendar(rule_pb2.CALENDAR_PERIOD_THIS, unit)

    def in_previous(self, unit: str) -> W:
        """``last month``: the calendar month before this one."""
        return self._calendar(rule_pb2.CALENDAR_PERIOD_LAST, unit)

    def in_following(self, unit: str) -> W:
        """``next month``: the calendar month after this one."""
        return self._calendar(rule_pb2.CALENDAR_PERIOD_NEXT, unit)

    def on(self, day: Moment) -> W:
        """``on 2026-03-31``; a date only."""
        return self._in(on=rule_pb2.Window.On(moment=values.literal(day)))

    def before(self, moment: Moment) -> W:
        """Before a date or an instant, which is excluded."""
        return self._in(before=rule_pb2.Window.Before(moment=values.literal(moment)))

    def after(self, moment: Moment) -> W:
        """After a date or an instant, which is excluded."""
        return self._in(after=rule_pb2.Window.After(moment=values.literal(moment)))

    def between(self, low: Any, high: Any) -> W:
        """From one date, instant or (of a number attribute) number to another, both included."""
        return self._in(
            between=rule_pb2.Between(low=values.literal(low), high=values.literal(high))
        )

    def _in(self, **kind: Any) -> W:
        return self.in_window(rule_pb2.Window(**kind))

    def _more_than(self, amount: Number, unit: str, direction: rule_pb2.Direction.ValueType) -> W:
        window = rule_pb2.Window.MoreThan(duration=duration(amount, unit), direction=direction)
        return self._in(more_than=window)

    def _between(
        self, low: Number, high: Number, name: str, direction: rule_pb2.Direction.ValueType
    ) -> W:
        window = rule_pb2.Window.BetweenRelative(
            low=values.literal(low),
            high=values.literal(high),
            unit=unit(name),
            direction=direction,
        )
        return self._in(between_relative=window)

    def _calendar(self, period: rule_pb2.CalendarPeriod.ValueType, name: str) -> W:
        return self._in(calendar=rule_pb2.Window.Calendar(period=period, unit=unit(name)))
