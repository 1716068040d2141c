"""The calendar over arrays agrees with the one of single days."""

from __future__ import annotations

from datetime import date

import numpy as np
from headcount_server.core import calendar, civil
from headcount_server.core.rules.tree import Unit
from hypothesis import given
from hypothesis import strategies as st

DAYS = st.integers(calendar.FIRST_DAY, calendar.LAST_DAY)
UNITS = st.sampled_from((Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR))


def test_every_day_of_eight_hundred_years_has_its_date() -> None:
    days = np.arange(calendar.day_number(date(1599, 12, 31)), calendar.day_number(date(2400, 3, 2)))
    year, month, day = civil.civil(days)
    for i in range(0, len(days), 97):
        found = calendar.day_date(int(days[i]))
        assert (found.year, found.month, found.day) == (year[i], month[i], day[i])
    assert (civil.number(year, month, day) == days).all()


def test_the_first_and_last_day_have_their_dates() -> None:
    year, month, day = civil.civil(np.array([calendar.FIRST_DAY, calendar.LAST_DAY]))
    assert (year.tolist(), month.tolist(), day.tolist()) == ([1, 9999], [1, 12], [1, 31])


@given(st.lists(DAYS, max_size=20), st.integers(-200_000, 200_000), UNITS)
def test_adding_is_that_of_single_days(days: list[int], amount: int, unit: Unit) -> None:
    found = civil.add(np.array(days, np.int64), amount, unit)
    assert found.tolist() == [calendar.add(day, amount, unit) for day in days]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_function_of_days_is_asked_once_a_day(days: list[int]) -> None:
    values = np.array(days, np.int64)
    assert (civil.by_day(values, lambda some: some * some) == values * values).all()


def test_adding_keeps_to_the_last_day_of_months_in_every_kind_of_year() -> None:
    first = [date(year, month, 1) for year in (1, 4, 1899, 1900, 1996, 2000, 2003, 9996, 9999)
             for month in range(1, 13)]  # fmt: skip
    days = [calendar.day_number(one) + of for one in first for of in (0, 27, 28, 29, 30)]
    days = [day for day in days if day <= calendar.LAST_DAY]
    for unit, amounts in ((Unit.MONTH, (-13, -1, 1, 11, 25)), (Unit.YEAR, (-100, -4, -1, 1, 100))):
        for amount in amounts:
            found = civil.add(np.array(days, np.int64), amount, unit)
            assert found.tolist() == [calendar.add(day, amount, unit) for day in days]
