"""Callbacks of the grammar's tests on attributes, dimensions and measures."""

from __future__ import annotations

from headcount_server.core.rules.build_literals import MONTHS, WEEKDAYS, word_number
from headcount_server.core.rules.piece import (
    BadTokenError,
    Callbacks,
    Children,
    Piece,
    callback,
    name_of,
)
from headcount_server.core.rules.tree import (
    Anniversary,
    Between,
    Changed,
    Compare,
    CompareAttribute,
    Contains,
    ContainsAny,
    DayOfMonthIn,
    Domain,
    EndsWith,
    Has,
    HasOf,
    HasPrefix,
    HourBetween,
    In,
    InBox,
    InWindow,
    Is,
    LengthUnit,
    Like,
    Matches,
    MonthIn,
    Near,
    Operator,
    Quantifier,
    Rank,
    Sign,
    Size,
    Span,
    StartsWith,
    State,
    Value,
    WeekdayIn,
)

__all__ = ["OPERATORS", "TESTS"]

TESTS: Callbacks = {}
OPERATORS = {
    "=": Operator.EQUAL,
    "!=": Operator.NOT_EQUAL,
    "<": Operator.LESS,
    "<=": Operator.LESS_OR_EQUAL,
    ">": Operator.GREATER,
    ">=": Operator.GREATER_OR_EQUAL,
}


@callback(TESTS)
def number_compare(c: Children, span: Span) -> Compare:
    return Compare(OPERATORS[c[0].value], c[1].value)


@callback(TESTS)
def number_between(c: Children, span: Span) -> Between:
    return Between(c[1].value, c[3].value, span)


@callback(TESTS)
def is_test(c: Children, span: Span) -> Is:
    return Is(State[c[1].value.upper()])


@callback(TESTS)
def compare(c: Children, span: Span) -> Compare:
    return Compare(OPERATORS[c[0].value], c[1].value)


@callback(TESTS)
def compare_attribute(c: Children, span: Span) -> CompareAttribute:
    if len(c) == 2:
        return CompareAttribute(OPERATORS[c[0].value], name_of(c[1]))
    sign = Sign.MINUS if c[2].value == "-" else Sign.PLUS
    return CompareAttribute(OPERATORS[c[0].value], name_of(c[1]), sign, c[3].value)


@callback(TESTS)
def in_list(c: Children, span: Span) -> In:
    return In(c[2].value, c[0] is not None)


@callback(TESTS)
def contains(c: Children, span: Span) -> Contains:
    return Contains(c[2].value, c[0] is not None)


@callback(TESTS)
def contains_any(c: Children, span: Span) -> ContainsAny:
    return ContainsAny(c[4].value, c[0] is not None)


@callback(TESTS)
def starts_with(c: Children, span: Span) -> StartsWith:
    return StartsWith(c[2].value)


@callback(TESTS)
def ends_with(c: Children, span: Span) -> EndsWith:
    return EndsWith(c[2].value)


@callback(TESTS)
def like(c: Children, span: Span) -> Like:
    return Like(c[1].value)


@callback(TESTS)
def matches(c: Children, span: Span) -> Matches:
    parts: list[str] = []
    inner = c[2].value[1:-1]
    at = 0
    while (slash := inner.find("\\", at)) >= 0:
        following = inner[slash + 1]
        parts.append(inner[at:slash])
        parts.append("/" if following == "/" else "\\" + following)
        at = slash + 2
    return Matches(
        "".join(parts) + inner[at:], c[1] is not None, Span(c[2].start_pos, c[2].end_pos)
    )


@callback(TESTS)
def domain(c: Children, span: Span) -> Domain:
    return Domain(c[1].value)


@callback(TESTS)
def has(c: Children, span: Span) -> Has:
    return Has(c[1].value)


@callback(TESTS)
def has_of(c: Children, span: Span) -> HasOf:
    return HasOf(Quantifier[c[1].value.upper()], c[3].value)


@callback(TESTS)
def has_at_least(c: Children, span: Span) -> HasOf:
    return HasOf(Quantifier.AT_LEAST, c[5].value, c[3].value)


@callback(TESTS)
def has_prefix(c: Children, span: Span) -> HasPrefix:
    return HasPrefix(c[4].value)


@callback(TESTS)
def size(c: Children, span: Span) -> Size:
    return Size(c[1].value)


@callback(TESTS)
def rank(c: Children, span: Span) -> Rank:
    return Rank(c[2].value, percent=c[3] is not None, bottom=c[1].type == "BOTTOM")


@callback(TESTS)
def in_window(c: Children, span: Span) -> InWindow:
    return InWindow(c[0].value)


@callback(TESTS)
def anniversary(c: Children, span: Span) -> Anniversary:
    return Anniversary(c[1].value)


@callback(TESTS)
def changed(c: Children, span: Span) -> Changed:
    return Changed(c[1].value)


@callback(TESTS)
def month_in(c: Children, span: Span) -> MonthIn:
    return MonthIn(tuple([_part(piece, MONTHS) for piece in c[3::2]]))


@callback(TESTS)
def day_of_month_in(c: Children, span: Span) -> DayOfMonthIn:
    return DayOfMonthIn(tuple([_part(piece, None) for piece in c[5::2]]))


@callback(TESTS)
def weekday_in(c: Children, span: Span) -> WeekdayIn:
    return WeekdayIn(tuple([_part(piece, WEEKDAYS) for piece in c[3::2]]))


@callback(TESTS)
def hour_between(c: Children, span: Span) -> HourBetween:
    return HourBetween(c[2].value, c[4].value)


@callback(TESTS)
def near(c: Children, span: Span) -> Near:
    return Near(c[1].value, LengthUnit[c[2].value.upper()], c[5].value, c[7].value)


@callback(TESTS)
def in_box(c: Children, span: Span) -> InBox:
    return InBox(*[piece.value for piece in c[3::2]])


def _part(piece: Piece, names: tuple[str, ...] | None) -> Value:
    if not isinstance(piece.value, str):
        return piece.value
    span = Span(piece.start_pos, piece.end_pos)
    if names is None:
        message = f"days of a month are numbers, {piece.value!r} is none"
        raise BadTokenError(span, "INVALID_NUMBER", message, ("a whole number",))
    return word_number(piece.value, span, names)
