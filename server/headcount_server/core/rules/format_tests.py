"""The canonical text of literals, durations, windows and tests.

Every function raises ``InvalidRule`` for what the text form has no spelling for; a tree that was
parsed never holds such a thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any, NoReturn

from headcount_server.core.rules import tree
from headcount_server.core.rules.build_literals import MONTHS, WEEKDAYS
from headcount_server.core.rules.build_tests import OPERATORS
from headcount_server.core.rules.tree import (
    Between,
    Compare,
    Date,
    Duration,
    NumberTest,
    Parameter,
    Text,
    Timestamp,
    Value,
    ValueList,
    Window,
)
from headcount_server.core.schema import RESERVED_NAMES
from headcount_server.errors import InvalidRule, Violation

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NOT_NAMES = RESERVED_NAMES - {"key", "known_since"}
_SYMBOLS = {operator: symbol for symbol, operator in OPERATORS.items()}
_TO_ESCAPE = re.compile(r'"|\\(?=["\\]|\Z)')
_PATTERN_PART = re.compile(r"\\.|/|[^\\/]+", re.DOTALL)


def name(text: str) -> str:
    """A name, refused where the text form couldn't read it back."""
    if not _NAME.fullmatch(text) or text in _NOT_NAMES:
        refuse(
            f"{text[:80]!r} can't be a name in the text form (a-z, 0-9 and '_', no reserved word)"
        )
    return text


def string(value: Value) -> str:
    """A string or parameter without ``exactly``."""
    if isinstance(value, Text) and not value.exactly:
        return quoted(value.text)
    return _bare_parameter(value, "a string")


def number(value: Value) -> str:
    """A number, without exponent or needless zeros, or a parameter."""
    if isinstance(value, tree.Number):
        return _decimal(value.number)
    return _bare_parameter(value, "a number")


def whole(value: Value) -> str:
    """A whole number of 0 or more, or a parameter."""
    if isinstance(value, tree.Number):
        if value.number < 0 or value.number != value.number.to_integral_value():
            refuse(f"{value.number} stands where only a whole number can")
        return _decimal(value.number)
    return _bare_parameter(value, "a whole number")


def text_value(value: Value) -> str:
    """A value of a list or text test: string, number or parameter, with ``exactly`` if so."""
    if isinstance(value, Text):
        return ("exactly " if value.exactly else "") + quoted(value.text)
    if isinstance(value, Parameter):
        return ("exactly " if value.exactly else "") + "$" + _parameter_name(value.parameter)
    return number(value)


def moment(value: Value) -> str:
    """A date, timestamp or parameter."""
    if isinstance(value, Date):
        return value.date.isoformat()
    if isinstance(value, Timestamp):
        if value.timestamp.tzinfo is None:
            refuse(f"the timestamp {value.timestamp} has no time zone")
        return value.timestamp.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return _bare_parameter(value, "a date or timestamp")


def quoted(text: str) -> str:
    """A string in double quotes; a backslash is doubled only where it would escape."""
    return '"' + _TO_ESCAPE.sub(r"\\\g<0>", text) + '"'


def values(value: ValueList) -> str:
    """``("a", 3)`` or ``$name``."""
    if value.parameter:
        return "$" + _parameter_name(value.parameter)
    return "(" + ", ".join([text_value(item) for item in value.values]) + ")"


def duration(value: Duration) -> str:
    """``30 days``, ``1 day``, ``$n days``."""
    amount = whole(value.amount)
    return f"{amount} {plural(value.unit.name.lower(), amount)}"


def plural(word: str, amount: str) -> str:
    """The word, in the singular after 1."""
    return word if amount == "1" else word + "s"


def window(value: Window) -> str:
    """Any window, with ``in`` where it is optional."""
    if isinstance(value, tree.InLast):
        return f"in last {duration(value.duration)}"
    if isinstance(value, tree.InNext):
        return f"in next {duration(value.duration)}"
    if isinstance(value, tree.MoreThan):
        return f"more than {duration(value.duration)} {_direction(value.direction)}"
    if isinstance(value, Between):
        return f"between {_bound(value.low)} and {_bound(value.high)}"
    if isinstance(value, tree.BetweenRelative):
        low, high = whole(value.low), whole(value.high)
        unit = plural(value.unit.name.lower(), high)
        return f"between {low} and {high} {unit} {_direction(value.direction)}"
    if isinstance(value, tree.Calendar):
        return f"in {value.period.name.lower()} {value.unit.name.lower()}"
    if isinstance(value, tree.Ever):
        return "ever"
    return f"{type(value).__name__.lower()} {moment(value.moment)}"


def number_test(value: NumberTest) -> str:
    """``>= 3`` or ``between 3 and 5``: numbers and parameters only."""
    if isinstance(value, Compare):
        return f"{_SYMBOLS[value.operator]} {number(value.value)}"
    return f"between {number(value.low)} and {number(value.high)}"


def test(value: tree.Test) -> str:
    """Any test of an attribute."""
    prefix: list[str] = []
    while isinstance(value, tree.Domain):
        prefix.append("domain ")
        value = value.test
    return "".join(prefix) + _TESTS[type(value)](value)


def refuse(message: str) -> NoReturn:
    """Raise InvalidRule for something that the text form can't spell."""
    raise InvalidRule(message, (Violation("rule", message, "NO_TEXT_FORM"),))


def _decimal(value: Decimal) -> str:
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _parameter_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        refuse(f"{text[:80]!r} can't be a parameter's name in the text form (a-z, 0-9 and '_')")
    return text


def _bare_parameter(value: Value, what: str) -> str:
    if isinstance(value, Parameter) and not value.exactly:
        return "$" + _parameter_name(value.parameter)
    refuse(f"{value} stands where only {what} or a parameter can")


def _bound(value: Value) -> str:
    return number(value) if isinstance(value, tree.Number) else moment(value)


def _direction(value: tree.Direction) -> str:
    return "ago" if value is tree.Direction.AGO else "from now"


def _compare(value: Compare) -> str:
    right = value.value
    operand = moment(right) if isinstance(right, Date | Timestamp) else text_value(right)
    return f"{_SYMBOLS[value.operator]} {operand}"


def _compare_attribute(value: tree.CompareAttribute) -> str:
    text = f"{_SYMBOLS[value.operator]} {name(value.attribute)}"
    if value.offset is None:
        return text
    return f"{text} {'+' if value.sign is tree.Sign.PLUS else '-'} {duration(value.offset)}"


def _pattern(value: tree.Matches) -> str:
    """The pattern between slashes, each slash in it as ``\\/``."""
    parts: list[str] = _PATTERN_PART.findall(value.pattern)
    if sum(map(len, parts)) != len(value.pattern):
        refuse("the pattern ends in a backslash that escapes nothing")
    if "\\/" in parts:
        refuse("a backslash before a slash between \\Q and \\E; write it as \\\\ outside them")
    text = "".join("\\/" if part == "/" else part for part in parts)
    return f"matches {'exactly ' if value.exactly else ''}/{text}/"


def _has_of(value: tree.HasOf) -> str:
    if value.quantifier is tree.Quantifier.AT_LEAST and value.count is not None:
        return f"has at least {whole(value.count)} of {values(value.values)}"
    return f"has {value.quantifier.name.lower()} of {values(value.values)}"


def _rank(value: tree.Rank) -> str:
    side = "bottom" if value.bottom else "top"
    return f"in {side} {number(value.amount)}{'%' if value.percent else ''}"


def _parts(parts: tuple[Value, ...], names: tuple[str, ...]) -> str:
    texts = [whole(part) for part in parts]
    named = {str(i): name for i, name in enumerate(names, 1)}
    return "(" + ", ".join([named.get(text, text) for text in texts]) + ")"


def _near(value: tree.Near) -> str:
    centre = f"({number(value.latitude)}, {number(value.longitude)})"
    return f"within {number(value.radius)} {value.unit.name.lower()} of {centre}"


def _in_box(value: tree.InBox) -> str:
    edges = (value.south, value.west, value.north, value.east)
    return "in box (" + ", ".join([number(edge) for edge in edges]) + ")"


def _negated(value: Any) -> str:
    return "not " if value.negated else ""


_TESTS: dict[type, Callable[[Any], str]] = {
    tree.Is: lambda t: f"is {t.state.name.lower()}",
    Compare: _compare,
    tree.CompareAttribute: _compare_attribute,
    tree.In: lambda t: f"{_negated(t)}in {values(t.values)}",
    tree.Contains: lambda t: f"{_negated(t)}contains {text_value(t.value)}",
    tree.ContainsAny: lambda t: f"{_negated(t)}contains any of {values(t.values)}",
    tree.StartsWith: lambda t: f"starts with {text_value(t.value)}",
    tree.EndsWith: lambda t: f"ends with {text_value(t.value)}",
    tree.Like: lambda t: f"like {text_value(t.value)}",
    tree.Matches: _pattern,
    tree.Has: lambda t: f"has {text_value(t.value)}",
    tree.HasOf: _has_of,
    tree.HasPrefix: lambda t: f"has value starting with {text_value(t.value)}",
    tree.Size: lambda t: f"size {number_test(t.test)}",
    tree.Rank: _rank,
    tree.InWindow: lambda t: window(t.window),
    tree.Anniversary: lambda t: f"anniversary {window(t.window)}",
    tree.Changed: lambda t: f"changed {window(t.window)}",
    tree.MonthIn: lambda t: f"month in {_parts(t.parts, MONTHS)}",
    tree.DayOfMonthIn: lambda t: f"day of month in {_parts(t.parts, ())}",
    tree.WeekdayIn: lambda t: f"weekday in {_parts(t.parts, WEEKDAYS)}",
    tree.HourBetween: lambda t: f"hour between {whole(t.low)} and {whole(t.high)}",
    tree.Near: _near,
    tree.InBox: _in_box,
}
