"""The proleptic Gregorian calendar over arrays of days since 1970-01-01.

After Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years are counted from March,
so that leap days end them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.rules.tree import Unit

Days = NDArray[np.int64]

_ERA_DAYS = 146_097  # of 400 years
_TO_MARCH_0000 = 719_468
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


def civil(days: Days) -> tuple[Days, Days, Days]:
    """Year, month (1 to 12) and day of the month (1 to 31) of each day."""
    shifted = days + _TO_MARCH_0000
    era = shifted // _ERA_DAYS
    of_era = shifted - era * _ERA_DAYS
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = np.where(from_march < 10, from_march + 3, from_march - 9)
    return year + era * 400 + (month <= 2), month, day


def number(year: Days, month: Days, day: Days) -> Days:
    """The day of each year, month and day of the month."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _TO_MARCH_0000


def add(days: Days, amount: int, unit: Unit) -> Days:
    """The day ``amount`` units (days to years; may be negative) after each, as ``calendar.add``."""
    if unit is Unit.DAY:
        return days + amount
    if unit is Unit.WEEK:
        return days + 7 * amount
    year, month, day = civil(days)
    months = year * 12 + month - 1 + amount * _MONTHS[unit]
    year, month = months // 12, months % 12 + 1
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length = _LENGTHS[month - 1] + (leap & (month == 2))
    return number(year, month, np.minimum(day, length))


def by_day(days: Days, function: Callable[[Days], Days]) -> Days:
    """``function(days)``, of every day between the first and last only once where they are few."""
    if not len(days):
        return function(days)
    low, high = int(days.min()), int(days.max())
    if high - low >= len(days):
        return function(days)
    return function(np.arange(low, high + 1))[days - low]
