"""Parts of a date or timestamp that come again: month, day of the month, weekday, hour.

Days and hours are those of the audience's zone.
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.calendar import Calendar
from headcount_server.core.civil import by_day, civil

Integers = NDArray[np.int64]
MONTH_LENGTH_MAX = 31


class Part(Enum):
    """What is told apart, and how it is numbered."""

    MONTH = auto()  # 1 to 12
    DAY_OF_MONTH = auto()  # 1 to 31
    MONTH_DAY = auto()  # (month - 1) * 31 + day of the month - 1
    WEEKDAY = auto()  # Monday 1 to Sunday 7
    HOUR = auto()  # 0 to 23, of timestamps only


COUNTS = {
    Part.MONTH: 13, Part.DAY_OF_MONTH: 32, Part.MONTH_DAY: 372, Part.WEEKDAY: 8, Part.HOUR: 24
}  # fmt: skip


def month_day(month: int, day: int) -> int:
    """The number of a MONTH_DAY."""
    return (month - 1) * MONTH_LENGTH_MAX + day - 1


def parts_of(part: Part, values: Integers, calendar: Calendar | None) -> Integers:
    """The part of each value.

    Args:
        part: which one.
        values: instants where there is a calendar, else days.
        calendar: of the audience's zone.
    """
    if part is Part.HOUR:
        assert calendar is not None, "a date has no hours"
        return calendar.hours_of(values)
    days = values if calendar is None else calendar.days_of(values)
    if part is Part.WEEKDAY:
        return (days + 3) % 7 + 1  # day 0 was a Thursday
    return by_day(days, lambda some: _of_civil(part, some))


def _of_civil(part: Part, days: Integers) -> Integers:
    _, month, day = civil(days)
    if part is Part.MONTH:
        return month
    if part is Part.DAY_OF_MONTH:
        return day
    return (month - 1) * MONTH_LENGTH_MAX + day - 1
