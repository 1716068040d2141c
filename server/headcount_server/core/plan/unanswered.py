"""Tests on attributes that are part of the language but not evaluated yet.

What can be checked of them is: a wrong one is refused like any other, a right one is told to be
unanswered by name.
"""

from __future__ import annotations

from typing import NoReturn

from headcount_server.core.faults import refuse
from headcount_server.core.plan.bind_tests import (
    check_number_test,
    test_name,
    unanswered,
)
from headcount_server.core.plan.bind_values import Subject
from headcount_server.core.plan.scope import Scope, subject_of, unknown_property
from headcount_server.core.rules import tree
from headcount_server.core.schema import AttributeType, EventSchema
from headcount_server.core.windows import below_value, spelt

UNANSWERED = (
    tree.CompareAttribute | tree.Size | tree.Rank | tree.Anniversary | tree.Changed
    | tree.MonthIn | tree.DayOfMonthIn | tree.WeekdayIn | tree.HourBetween | tree.Near | tree.InBox
)  # fmt: skip
_PARTS: dict[type, tuple[str, int]] = {
    tree.MonthIn: ("a month", 12),
    tree.DayOfMonthIn: ("a day of the month", 31),
    tree.WeekdayIn: ("a weekday", 7),
}


def refuse_unanswered(
    scope: Scope, subject: Subject, test: UNANSWERED, place: str, span: tree.Span | None
) -> NoReturn:
    """Check a test that its attribute's type has; ``place`` ends with the test's variant.

    Raises:
        InvalidRule: a literal, name or window in it is wrong.
        Unimplemented: nothing is.
    """
    match test:
        case tree.CompareAttribute():
            _check_pair(scope, test, place, span)
            raise unanswered("a comparison of two attributes")
        case tree.Size():
            check_number_test(test.test, scope.values, subject, place, span)
        case tree.Rank():
            _check_rank(scope, subject, test, place, span)
        case tree.Anniversary():
            _check_anniversary(scope, test, place, span)
        case tree.Changed():
            _check_changed(scope, test, place, span)
        case tree.MonthIn() | tree.DayOfMonthIn() | tree.WeekdayIn():
            what, last = _PARTS[type(test)]
            for i, part in enumerate(test.parts):
                check_whole(scope, part, f"{place}.parts[{i}]", span, what, 1, last)
        case tree.HourBetween():
            for name, hour in (("low", test.low), ("high", test.high)):
                check_whole(scope, hour, f"{place}.{name}", span, "an hour", 0, 23)
        case tree.Near() | tree.InBox():
            _check_location(scope, subject, test, place, span)
    raise unanswered(test_name(test))


def check_number(
    scope: Scope,
    value: tree.Value,
    subject: Subject,
    place: str,
    span: tree.Span | None,
    what: str,
    low: int,
    high: int | None,
) -> None:
    """Raise InvalidRule unless the literal is a number from ``low`` to ``high`` (None: any)."""
    number = scope.values.number(value, subject, place, span)
    if low <= number and (high is None or number <= high):
        return
    _refuse_range(scope.values.one(value, place, span), place, span, what, low, high)


def check_whole(
    scope: Scope,
    value: tree.Value,
    place: str,
    span: tree.Span | None,
    what: str,
    low: int,
    high: int | None,
) -> None:
    """Raise InvalidRule unless the literal is a whole number from ``low`` to ``high``."""
    number = scope.values.whole(value, place, what, span)
    if number < low or (high is not None and number > high):
        _refuse_range(scope.values.one(value, place, span), place, span, what, low, high)


def check_campaigns(
    scope: Scope, rule: tree.LastCampaigns, event: EventSchema, place: str
) -> NoReturn:
    """Check the names and numbers of a test on last campaigns; ``place`` ends with its variant.

    Raises:
        InvalidRule: one is wrong.
        Unimplemented: none is.
    """
    names = scope.schema.engagement
    for field, found, right in (
        ("name", rule.name, names.campaign),
        ("event", rule.event, names.sent),
    ):
        if found != right:
            message = f'"{found}" stands where [engagement] names "{right}"'
            refuse(
                f"{place}.{field}", message, "WRONG_NAME", rule.span, found=found, suggestion=right
            )
    if names.campaign not in event.dimensions:
        unknown_property(scope, names.campaign, event, f"{place}.name", rule.span)
    scope.values.whole(rule.last, f"{place}.last", "the number of campaigns", rule.span)
    if rule.count is not None:
        scope.values.whole(rule.count, f"{place}.count", "the count", rule.span)
    raise unanswered("in last … campaigns")


def _refuse_range(
    value: tree.Value, place: str, span: tree.Span | None, what: str, low: int, high: int | None
) -> NoReturn:
    right = f"{low} or more" if high is None else f"from {low} to {high}"
    refuse(
        below_value(place, value),
        f"{what} must be {right}, not {spelt(value)}",
        "OUT_OF_RANGE",
        value.span or span,
        found=spelt(value),
        expected=(right,),
    )


def _check_pair(
    scope: Scope, test: tree.CompareAttribute, place: str, span: tree.Span | None
) -> None:
    other = scope.attribute(test.attribute, f"{place}.attribute", span)
    check_moment(subject_of(other), other.type, f"{place}.attribute", span)
    if test.offset is not None:
        scope.amount(test.offset, f"{place}.offset", span)


def check_moment(subject: Subject, kind: AttributeType, place: str, span: tree.Span | None) -> None:
    """Raise InvalidRule unless an attribute holds dates or timestamps."""
    if kind in (AttributeType.DATE, AttributeType.TIMESTAMP):
        return
    message = f"{subject}; a date or timestamp attribute is needed here"
    refuse(place, message, "WRONG_TYPE", span, found=subject.name, expected=("date", "timestamp"))


def _check_rank(
    scope: Scope, subject: Subject, test: tree.Rank, place: str, span: tree.Span | None
) -> None:
    place = f"{place}.amount"
    if test.percent:
        check_number(scope, test.amount, subject, place, span, "a percentage", 0, 100)
    else:
        scope.values.whole(test.amount, place, "how many", span)


def _check_anniversary(
    scope: Scope, test: tree.Anniversary, place: str, span: tree.Span | None
) -> None:
    place = f"{place}.window"
    window = scope.window(test.window, place, hours=False)
    if window.low is None or window.high is None:
        message = "an anniversary needs a window with two ends, such as in next 7 days"
        refuse(place, message, "OUT_OF_RANGE", test.window.span or span)


def _check_changed(scope: Scope, test: tree.Changed, place: str, span: tree.Span | None) -> None:
    place = f"{place}.window"
    window = scope.window(test.window, place, hours=False)
    kept = scope.schema.change_days
    if window.low is None or window.low < scope.calendar.day_of(scope.now_us) - kept:
        refuse(
            place,
            f"changes are kept for {kept} days; the window must begin in them",
            "OUT_OF_RANGE",
            test.window.span or span,
            expected=(f"in last {kept} days",),
        )


def _check_location(
    scope: Scope,
    subject: Subject,
    test: tree.Near | tree.InBox,
    place: str,
    span: tree.Span | None,
) -> None:
    latitude, longitude = ("a latitude", -90, 90), ("a longitude", -180, 180)
    if isinstance(test, tree.Near):
        ends = (
            ("radius", test.radius, ("a radius", 0, None)),
            ("latitude", test.latitude, latitude),
            ("longitude", test.longitude, longitude),
        )
    else:
        ends = (
            ("south", test.south, latitude),
            ("west", test.west, longitude),
            ("north", test.north, latitude),
            ("east", test.east, longitude),
        )
    for name, value, (what, low, high) in ends:
        check_number(scope, value, subject, f"{place}.{name}", span, what, low, high)
