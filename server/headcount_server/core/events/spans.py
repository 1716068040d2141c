"""Spans of bound rules, as the days and instants that bound them."""

from __future__ import annotations

from dataclasses import dataclass

from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, Calendar
from headcount_server.core.plan.event_nodes import Instants, Span

_SLACK_DAYS = 2  # a clock that is set back makes days run out of order, by one day at most


@dataclass(frozen=True, slots=True)
class Window:
    """Events on a day in ``low_day`` to ``high_day`` at a time in ``low_us`` to ``high_us``.

    All ends are included; instants that are None bound nothing. ``edges`` are the days that an
    instant may cut, or that an instant of the rule's ``now`` falls on; no other day is cut.
    """

    low_day: int
    high_day: int
    low_us: int | None
    high_us: int | None
    edges: tuple[int, ...]

    def days(self) -> tuple[int, int]:
        """The range of days."""
        return self.low_day, self.high_day


def resolve(span: Span, calendar: Calendar) -> Window | None:
    """The window of a span; None where no event can lie in it."""
    low_day, high_day = FIRST_DAY, LAST_DAY
    low_us: int | None = None
    if isinstance(span, Instants):
        low_us, high_us = span.low, span.high
        if low_us is not None and low_us > high_us:
            return None
    else:
        low_day = FIRST_DAY if span.low is None else max(span.low, FIRST_DAY)
        high_day, high_us = min(span.high, LAST_DAY), span.until
    edges: list[int] = []
    if low_us is not None:
        day = calendar.day_of(low_us)
        low_day = max(low_day, day - _SLACK_DAYS)
        edges += range(day - _SLACK_DAYS, day + _SLACK_DAYS + 1)
    if high_us is not None:
        day = calendar.day_of(high_us)
        high_day = min(high_day, day + _SLACK_DAYS)
        edges += range(day - _SLACK_DAYS, day + _SLACK_DAYS + 1)
    if low_day > high_day:
        return None
    kept = sorted({day for day in edges if low_day <= day <= high_day})
    return Window(low_day, high_day, low_us, high_us, tuple(kept))
