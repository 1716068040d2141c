"""Callbacks of the grammar's literals, durations and windows.

A token with the form of a date, number or name that isn't one raises ``BadTokenError``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from datetime import date as _date
from decimal import Decimal
from types import MappingProxyType

from headcount_server.core.rules.names import nearest
from headcount_server.core.rules.piece import BadTokenError, Callbacks, Children, callback
from headcount_server.core.rules.tree import (
    After,
    Before,
    Between,
    BetweenRelative,
    Calendar,
    Date,
    Direction,
    Duration,
    Ever,
    InLast,
    InNext,
    MoreThan,
    Number,
    On,
    Parameter,
    Period,
    Span,
    Text,
    Timestamp,
    Unit,
    Value,
    ValueList,
    Window,
)

__all__ = ["LITERALS", "MONTHS", "WEEKDAYS", "unquoted", "whole_number", "word_number"]

_MONTHS = "january february march april may june july august september october november december"
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"
MONTHS: tuple[str, ...] = tuple(_MONTHS.split())
WEEKDAYS: tuple[str, ...] = tuple(_WEEKDAYS.split())

LITERALS: Callbacks = {}
_UNITS = MappingProxyType({unit.name.lower(): unit for unit in Unit})


def word_number(word: str, span: Span, names: tuple[str, ...]) -> Number:
    """The number, from 1, of a month or weekday named in full or by its first three letters."""
    folded = word.lower()
    for i, name in enumerate(names, 1):
        if folded in (name, name[:3]):
            return Number(Decimal(i), span=span)
    kind = "month" if names is MONTHS else "weekday"
    suggestion = nearest(folded, names)
    raise BadTokenError(
        span, f"INVALID_{kind.upper()}", f"no {kind} is called {word!r}", names, suggestion
    )


def whole_number(value: Value) -> Value:
    """The value itself; BadTokenError for any literal but a whole number of 0 or more."""
    if isinstance(value, Parameter):
        return value
    if isinstance(value, Number):
        number = value.number
        if number >= 0 and number == number.to_integral_value():
            return value
    assert value.span is not None
    raise BadTokenError(value.span, "INVALID_NUMBER", "not a whole number", ("a whole number",))


def unquoted(literal: str) -> str:
    """The text of a string in double quotes: \\" and \\\\ unescaped, any other backslash kept."""
    inner = literal[1:-1]
    if "\\" not in inner:
        return inner
    parts: list[str] = []
    at = 0
    while (slash := inner.find("\\", at)) >= 0:
        following = inner[slash + 1]
        parts.append(inner[at:slash])
        parts.append(following if following in '"\\' else "\\" + following)
        at = slash + 2
    return "".join(parts) + inner[at:]


# --- literals ---


@callback(LITERALS)
def number(c: Children, span: Span) -> Number:
    return Number(Decimal(c[0].value.replace("_", "")), span=span)


@callback(LITERALS)
def whole(c: Children, span: Span) -> Number:
    digits = c[0].value.replace("_", "")
    if not digits.isdigit():
        raise BadTokenError(
            span, "INVALID_NUMBER", f"{c[0].value} is no whole number", ("a whole number",)
        )
    return Number(Decimal(digits), span=span)


@callback(LITERALS)
def text(c: Children, span: Span) -> Text:
    return Text(unquoted(c[1].value), c[0] is not None, span=span)


@callback(LITERALS)
def bare_text(c: Children, span: Span) -> Text:
    return Text(unquoted(c[0].value), False, span=span)


@callback(LITERALS)
def parameter(c: Children, span: Span) -> Parameter:
    return Parameter(c[1].value[1:], c[0] is not None, span=span)


@callback(LITERALS)
def bare_parameter(c: Children, span: Span) -> Parameter:
    return Parameter(c[0].value[1:], False, span=span)


@callback(LITERALS)
def date(c: Children, span: Span) -> Date:
    try:
        return Date(_date.fromisoformat(c[0].value), span=span)
    except ValueError:
        raise BadTokenError(span, "INVALID_DATE", f"the date {c[0].value} doesn't exist") from None


@callback(LITERALS)
def timestamp(c: Children, span: Span) -> Timestamp:
    literal = c[0].value
    try:
        if not literal.endswith("Z") and int(literal[-2:]) > 59:
            raise ValueError(literal)
        return Timestamp(datetime.fromisoformat(literal).astimezone(UTC), span=span)
    except ValueError:
        message = f"the timestamp {literal} doesn't exist"
    except OverflowError:
        message = f"the timestamp {literal} is outside the years 1 to 9999 in UTC"
    raise BadTokenError(span, "INVALID_TIMESTAMP", message)


@callback(LITERALS)
def word(c: Children, span: Span) -> str:
    return c[0].value


@callback(LITERALS)
def value_list(c: Children, span: Span) -> ValueList:
    return ValueList(tuple([child.value for child in c[1::2]]), "", span=span)


@callback(LITERALS)
def list_parameter(c: Children, span: Span) -> ValueList:
    return ValueList((), c[0].value[1:], span=span)


# --- durations and windows ---


@callback(LITERALS)
def unit(c: Children, span: Span) -> Unit:
    return _UNITS[c[0].value.lower().removesuffix("s")]


@callback(LITERALS)
def duration(c: Children, span: Span) -> Duration:
    return Duration(c[0].value, c[1].value)


@callback(LITERALS)
def direction(c: Children, span: Span) -> Direction:
    return Direction.AGO if len(c) == 1 else Direction.FROM_NOW


@callback(LITERALS)
def bounds(c: Children, span: Span) -> tuple[Value, Value]:
    return c[1].value, c[3].value


@callback(LITERALS)
def ever(c: Children, span: Span) -> Ever:
    return Ever(span)


@callback(LITERALS)
def in_last(c: Children, span: Span) -> InLast:
    return InLast(c[2].value, span)


@callback(LITERALS)
def in_next(c: Children, span: Span) -> InNext:
    return InNext(c[2].value, span)


@callback(LITERALS)
def more_than(c: Children, span: Span) -> MoreThan:
    return MoreThan(c[2].value, c[3].value, span)


@callback(LITERALS)
def between(c: Children, span: Span) -> Between:
    low, high = c[0].value
    return Between(low, high, span)


@callback(LITERALS)
def between_relative(c: Children, span: Span) -> BetweenRelative:
    low, high = c[0].value
    return BetweenRelative(whole_number(low), whole_number(high), c[1].value, c[2].value, span)


@callback(LITERALS)
def calendar(c: Children, span: Span) -> Calendar:
    return Calendar(Period[c[1].value.upper()], c[2].value, span)


@callback(LITERALS)
def on(c: Children, span: Span) -> Window:
    return On(c[1].value, span)


@callback(LITERALS)
def before(c: Children, span: Span) -> Window:
    return Before(c[1].value, span)


@callback(LITERALS)
def after(c: Children, span: Span) -> Window:
    return After(c[1].value, span)
