"""Tests on dates and timestamps that are more than a window, and on changes, as nodes."""

from __future__ import annotations

from headcount_server.core.attributes.parts import Part, month_day
from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, day_date
from headcount_server.core.faults import refuse
from headcount_server.core.plan import nodes
from headcount_server.core.plan.attribute_nodes import ChangedIn, PairHolds, PartIn
from headcount_server.core.plan.bind_checks import check_moment, check_whole
from headcount_server.core.plan.scope import Scope, subject_of
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Operator, Sign, Unit
from headcount_server.core.schema import AttributeSchema

_NAMED: dict[type, tuple[Part, str, int]] = {
    tree.MonthIn: (Part.MONTH, "a month", 12),
    tree.DayOfMonthIn: (Part.DAY_OF_MONTH, "a day of the month", 31),
    tree.WeekdayIn: (Part.WEEKDAY, "a weekday", 7),
}
_ONE_END = tree.Ever | tree.MoreThan | tree.Before | tree.After
_HOURS = 24
_YEAR_DAYS = 366
_DAYS_MAX = 2 * _YEAR_DAYS  # so many in a row hold an anniversary of every day


def bind_parts(
    scope: Scope,
    attribute: AttributeSchema,
    test: tree.MonthIn | tree.DayOfMonthIn | tree.WeekdayIn,
    place: str,
    span: tree.Span | None,
) -> nodes.Node:
    """``month in``, ``day of month in``, ``weekday in``. ``place`` ends with the test's variant.

    Raises:
        InvalidRule: a part out of range.
    """
    part, what, last = _NAMED[type(test)]
    numbers = {
        check_whole(scope, value, f"{place}.parts[{i}]", span, what, 1, last)
        for i, value in enumerate(test.parts)
    }
    if not numbers:
        refuse(f"{place}.parts", "a list needs at least one value", "EMPTY_LIST", span)
    return PartIn(attribute.name, part, tuple(sorted(numbers)))


def bind_hours(
    scope: Scope,
    attribute: AttributeSchema,
    test: tree.HourBetween,
    place: str,
    span: tree.Span | None,
) -> nodes.Node:
    """``hour between``, over midnight where the ends are exchanged.

    Raises:
        InvalidRule: an hour out of range.
    """
    low = check_whole(scope, test.low, f"{place}.low", span, "an hour", 0, _HOURS - 1)
    high = check_whole(scope, test.high, f"{place}.high", span, "an hour", 0, _HOURS - 1)
    hours = {(low + i) % _HOURS for i in range((high - low) % _HOURS + 1)}
    return PartIn(attribute.name, Part.HOUR, tuple(sorted(hours)))


def bind_anniversary(
    scope: Scope,
    attribute: AttributeSchema,
    test: tree.Anniversary,
    place: str,
    span: tree.Span | None,
) -> nodes.Node:
    """The days of the year that have an anniversary in the window.

    Raises:
        InvalidRule: a window by hours, or one without two ends.
    """
    place = f"{place}.window"
    window = scope.window(test.window, place, hours=False)
    if isinstance(test.window, _ONE_END):
        message = "an anniversary needs a window with two ends, such as in next 7 days"
        refuse(place, message, "OUT_OF_RANGE", test.window.span or span)
    low = FIRST_DAY if window.low is None else max(window.low, FIRST_DAY)
    high = LAST_DAY if window.high is None else min(window.high, LAST_DAY)
    found = _anniversaries(low, high)
    if not found:
        return nodes.Nothing()
    return PartIn(attribute.name, Part.MONTH_DAY, tuple(sorted(found)))


def bind_pair(
    scope: Scope,
    attribute: AttributeSchema,
    test: tree.CompareAttribute,
    place: str,
    span: tree.Span | None,
) -> nodes.Node:
    """An attribute against another one and a duration, by calendar day.

    Raises:
        InvalidRule: an unknown or wrong attribute, a wrong duration.
    """
    other = scope.attribute(test.attribute, f"{place}.attribute", span)
    check_moment(subject_of(other), other.type, f"{place}.attribute", span)
    amount, unit = 0, Unit.DAY
    if test.offset is not None:
        amount = scope.amount(test.offset, f"{place}.offset", span)
        amount *= 1 if test.sign is Sign.PLUS else -1
        unit = test.offset.unit
    negated = test.operator is Operator.NOT_EQUAL
    operator = Operator.EQUAL if negated else test.operator
    node = PairHolds(attribute.name, operator, other.name, amount, unit)
    return nodes.Not(node) if negated else node


def bind_changed(
    scope: Scope,
    attribute: AttributeSchema,
    test: tree.Changed,
    place: str,
    span: tree.Span | None,
) -> nodes.Node:
    """Changes up to today in a window by days.

    Raises:
        InvalidRule: a window by hours, without a beginning, or that begins before what is kept.
    """
    place = f"{place}.window"
    window = scope.window(test.window, place, hours=False)
    kept = scope.schema.change_days
    today = scope.calendar.day_of(scope.now_us)
    first = today - kept
    if scope.changes_from is not None:
        first = max(first, scope.changes_from)
    if window.empty:
        return nodes.Nothing()
    if window.low is None or window.low < first:
        since = f", now from {day_date(first)} on" if FIRST_DAY <= first <= LAST_DAY else ""
        refuse(
            place,
            f"changes are kept for {kept} days{since}; the window must begin in them",
            "OUT_OF_RANGE",
            test.window.span or span,
            expected=(f"in last {max(today - first, 0)} days",),
        )
    high = today if window.high is None else min(window.high, today)
    if window.low > high:
        return nodes.Nothing()
    return ChangedIn(attribute.name, window.low, high)


def _anniversaries(low: int, high: int) -> set[int]:
    found: set[int] = set()
    for day in range(low, min(high, low + _DAYS_MAX) + 1):
        on = day_date(day)
        found.add(month_day(on.month, on.day))
        if (on.month, on.day) == (2, 28) and not _is_leap(on.year):
            found.add(month_day(2, 29))
    return found


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
