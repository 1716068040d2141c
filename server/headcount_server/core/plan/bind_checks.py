"""Literals that must lie in a range, and names that must be of a type."""

from __future__ import annotations

from decimal import Decimal
from typing import NoReturn

from headcount_server.core.faults import refuse
from headcount_server.core.plan.bind_values import Subject
from headcount_server.core.plan.scope import Scope
from headcount_server.core.rules import tree
from headcount_server.core.schema import AttributeType
from headcount_server.core.windows import below_value, spelt

_FAR = 10**40  # more than any bound below; larger numbers come out as this


def check_number(
    scope: Scope,
    value: tree.Value,
    subject: Subject,
    place: str,
    span: tree.Span | None,
    what: str,
    low: int,
    high: int | None,
) -> Decimal:
    """The number, which is from ``low`` to ``high`` (None: any).

    Raises:
        InvalidRule: it is no number, or lies outside.
    """
    number = scope.values.number(value, subject, place, span)
    if not (low <= number and (high is None or number <= high)):
        right = f"{low} or more" if high is None else f"from {low} to {high}"
        refuse_range(scope.values.one(value, place, span), place, span, what, right)
    return number


def check_whole(
    scope: Scope,
    value: tree.Value,
    place: str,
    span: tree.Span | None,
    what: str,
    low: int,
    high: int | None,
) -> int:
    """The whole number, which is from ``low`` to ``high`` (None: any).

    Raises:
        InvalidRule: it is no whole number, or lies outside.
    """
    number = scope.values.whole(value, place, what, span, _FAR)
    if number < low or (high is not None and number > high):
        right = f"{low} or more" if high is None else f"from {low} to {high}"
        refuse_range(scope.values.one(value, place, span), place, span, what, right)
    return number


def check_moment(subject: Subject, kind: AttributeType, place: str, span: tree.Span | None) -> None:
    """Raise InvalidRule unless an attribute holds dates or timestamps."""
    if kind in (AttributeType.DATE, AttributeType.TIMESTAMP):
        return
    message = f"{subject}; a date or timestamp attribute is needed here"
    refuse(place, message, "WRONG_TYPE", span, found=subject.name, expected=("date", "timestamp"))


def refuse_range(
    value: tree.Value, place: str, span: tree.Span | None, what: str, right: str
) -> NoReturn:
    """Raise InvalidRule for a literal that lies outside ``right``."""
    refuse(
        below_value(place, value),
        f"{what} must be {right}, not {spelt(value)}",
        "OUT_OF_RANGE",
        value.span or span,
        found=spelt(value),
        expected=(right,),
    )
