"""What can stand at a place in an unfinished text, without a schema.

The text before the place is read tolerantly; the parser's stack then says which terminals could
stand there, and the symbols above the innermost condition's start say what a name or string would
name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from lark import Token

from headcount_server.core.rules.build_literals import MONTHS, WEEKDAYS, unquoted
from headcount_server.core.rules.parser import check_text
from headcount_server.core.rules.piece import Piece
from headcount_server.core.rules.recovery import END, Recovery
from headcount_server.core.rules.tokens import check_recovery
from headcount_server.core.rules.tree import Span
from headcount_server.errors import InvalidInput, Violation
from headcount_server.limits import DEFAULT_LIMITS, Limits


class Kind(Enum):
    """What a place can hold besides keywords."""

    ATTRIBUTE = auto()
    MOMENT_ATTRIBUTE = auto()  # a date or timestamp attribute
    EVENT = auto()
    PROPERTY = auto()  # a dimension or measure that all of ``events`` declare
    DIMENSION = auto()  # of ``events``
    MEASURE = auto()  # of ``events``
    SEGMENT = auto()  # a string
    VALUE = (
        auto()
    )  # of the attribute ``name``, or of the dimension ``name`` of ``events``; a string
    STRING = auto()  # any
    NUMBER = auto()
    DATE = auto()
    TIMESTAMP = auto()
    PATTERN = auto()
    PARAMETER = auto()


STRINGS = frozenset({Kind.SEGMENT, Kind.VALUE, Kind.STRING})


@dataclass(frozen=True, slots=True)
class Subject:
    """An attribute, or a dimension or measure of events; ``events`` is empty for an attribute."""

    name: str
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that can stand at a place, with the event types and the name that it is of."""

    kind: Kind
    name: str = ""
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectations:
    """What can stand at a place.

    Attributes:
        keywords: words and symbols in lower case, sorted; not filtered by the prefix.
        kinds: names, values and literals, in the order of ``Kind``.
        prefix: what was typed of it so far; of a string the text behind its opening quote.
        span: the code points that what is chosen replaces: the word or string around the place.
        in_string: whether the place is inside a string, so that only a string can stand there.
        subject: what the test at the place is on; None where no test was begun.
        before: the terminal before, such as ``NAME``, ``COMPARISON``, ``IN``; "" at the start.
    """

    keywords: tuple[str, ...]
    kinds: tuple[Standing, ...]
    prefix: str
    span: Span
    in_string: bool
    subject: Subject | None
    before: str


def expectations(text: str, position: int, limits: Limits = DEFAULT_LIMITS) -> Expectations:
    """What can stand at a place. About 20 µs a token before it; what follows it doesn't matter.

    Args:
        text: finished or not.
        position: in code points, 0 to the text's length.
        limits: of the server.

    Raises:
        InvalidInput: the position is outside the text (``OUT_OF_RANGE``), or the text was broken
            UTF-8 (``INVALID_TEXT``).
        LimitExceeded: the text, or the part before the place, is too long.
    """
    check_text(text, limits)
    if not 0 <= position <= len(text):
        message = f"position {position} is outside the text, which is {len(text)} long"
        raise InvalidInput(message, (Violation("position", message, "OUT_OF_RANGE"),))
    typed = _typed(text, position)
    if typed is None:
        return Expectations((), (), "", Span(position, position), False, None, "")
    before = text[: typed.span.start]
    check_recovery(before, len(before), limits)
    recovery = Recovery(before)
    recovery.read()
    return _Stack(recovery).expectations(typed)


# --- what was typed so far -----------------------------------------------------------------------

_TYPED = re.compile(
    r"""  "(?:\\.|[^"\\])*"
        | (?P<string>"(?:\\.|[^"\\])*\\?\Z)
        | (?P<comment>\#[^\n]*)
        | (?<![\w$])matches\s+(?:exactly\s+)?/(?:\\.|[^/\\])*/
        | (?P<pattern>(?<![\w$])matches\s+(?:exactly\s+)?/(?:\\.|[^/\\])*\\?\Z)
        | (?P<word>\$?[^\W\d]\w*|-?\d[\w.:+-]*|\$)""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
_QUOTE = re.compile(r'\\.|(")', re.DOTALL)
_REST = re.compile(r"\w*")


@dataclass(frozen=True, slots=True)
class _Typed:
    prefix: str
    span: Span
    in_string: bool


def _typed(text: str, position: int) -> _Typed | None:
    """The word or string that a place is in or behind; None inside a comment or pattern."""
    last: re.Match[str] | None = None
    for found in _TYPED.finditer(text, 0, position):
        last = found
    if last is None or last.end() < position or last.lastgroup is None:
        return _Typed("", Span(position, position), in_string=False)
    start = last.start()
    if last.lastgroup == "word":
        rest = _REST.match(text, position)
        assert rest is not None
        return _Typed(last[0], Span(start, rest.end()), in_string=False)
    if last.lastgroup != "string":
        return None
    quotes = [found.end() for found in _QUOTE.finditer(text, position) if found[1]]
    end = quotes[0] if len(quotes) % 2 else position  # the strings behind have two quotes each
    return _Typed(unquoted(f'{last[0]} "')[:-1], Span(start, end), in_string=True)


# --- what the parser's stack says ----------------------------------------------------------------

_SYMBOLS = {
    "COMPARISON": ("=", "!=", "<", "<=", ">", ">="),
    "LPAR": ("(",),
    "RPAR": (")",),
    "COMMA": (",",),
    "DOT": (".",),
    "SLASH": ("/",),
    "PERCENT": ("%",),
    "PLUS": ("+",),
    "MINUS": ("-",),
    "LENGTH": ("km", "m", "mi"),
    "CAMPAIGNS": ("campaigns",),
    "TIMES": ("times",),
}
_LITERALS = {
    "STRING": Kind.STRING,
    "NUMBER": Kind.NUMBER,
    "DATE": Kind.DATE,
    "TIMESTAMP": Kind.TIMESTAMP,
    "REGEX": Kind.PATTERN,
    "PARAM": Kind.PARAMETER,
}
_UNITS = ("day", "week", "month", "quarter", "year")
_UNIT_TERMINALS = frozenset({"UNIT", "HOUR", "DAY", "MONTH"})
_ORDER = {kind: rank for rank, kind in enumerate(Kind)}
_AGGREGATES = frozenset({"SUM", "AVG", "MIN", "MAX"})


class _Stack:
    """The symbols of the innermost condition, and of the one that its where belongs to."""

    def __init__(self, recovery: Recovery) -> None:
        index, _ = recovery.condition_start()
        self._accepted = recovery.accepted()
        self._symbols = recovery.values[index:]
        self._types = [_type(symbol) for symbol in self._symbols]
        self._events: tuple[str, ...] = ()
        self._is_test = recovery.is_test(index)
        if self._is_test:
            outer, _ = recovery.condition_start(index)
            self._events = _events_of(recovery.values[outer:index])
        before = recovery.values[-1] if recovery.values else None
        self._before = _type(before)
        self._is_one = self._before == "NUMBER" and str(before) == "1"

    def expectations(self, typed: _Typed) -> Expectations:
        subject = self._subject()
        kinds = self._kinds(subject)
        keywords: set[str] = set()
        if typed.in_string:
            kinds = {kind for kind in kinds if kind.kind in STRINGS}
        elif typed.prefix.startswith("$"):
            kinds = {kind for kind in kinds if kind.kind is Kind.PARAMETER}
        else:
            keywords = self._keywords()
        return Expectations(
            tuple(sorted(keywords)),
            tuple(sorted(kinds, key=lambda kind: _ORDER[kind.kind])),
            typed.prefix,
            typed.span,
            typed.in_string,
            subject,
            self._before,
        )

    def _keywords(self) -> set[str]:
        accepted = self._accepted
        words: set[str] = set()
        for name in sorted(accepted - _UNIT_TERMINALS - _LITERALS.keys() - {END, "NAME", "WORD"}):
            words.update(_SYMBOLS.get(name, (name.lower(),)))
        if "UNIT" in accepted:
            words.update(self._units())
        else:
            plural = "WEEKDAY" not in accepted  # ``on 3 days``, but ``day of month``
            words.update(
                name.lower() + ("s" if plural and name == "DAY" else "")
                for name in accepted & _UNIT_TERMINALS
            )
        if "WORD" in accepted:
            words.update(MONTHS if "MONTH" in self._types else WEEKDAYS)
        return words

    def _units(self) -> list[str]:
        if self._before in ("THIS", "LAST", "NEXT"):
            return list(_UNITS)
        units = [*_UNITS, "hour"]
        if "THEN" in self._types:
            units.append("minute")
        return units if self._is_one else [f"{unit}s" for unit in units]

    def _subject(self) -> Subject | None:
        types = self._types
        if types[:1] == ["NAME"]:
            return Subject(str(self._symbols[0]), self._events)
        if types[:1] == ["FAVOURITE"] and "RPAR" in types:
            return Subject(str(self._symbols[4]), (str(self._symbols[2]),))
        return None

    def _kinds(self, subject: Subject | None) -> set[Standing]:
        kinds: set[Standing] = set()
        for terminal in sorted(self._accepted):
            if terminal == "NAME":
                kinds.update(self._names())
            elif terminal == "STRING":
                kinds.add(self._string(subject))
            elif terminal in _LITERALS:
                kinds.add(Standing(_LITERALS[terminal]))
        return kinds

    def _names(self) -> list[Standing]:
        types, symbols = self._types, self._symbols
        if not types:
            if self._is_test:
                return [Standing(Kind.PROPERTY, events=self._events)]
            return [Standing(Kind.ATTRIBUTE)]
        if self._before == "DOT":
            event = (str(symbols[-2]),)
            kind = Kind.MEASURE if _is_measured(symbols[0]) else Kind.DIMENSION
            return [Standing(kind, events=event)]
        if self._before == "COMPARISON":
            return [] if self._is_test else [Standing(Kind.MOMENT_ATTRIBUTE)]
        if self._before in ("AFTER", "BEFORE"):
            return [Standing(Kind.MOMENT_ATTRIBUTE)]
        if self._before == "SAME":
            return [Standing(Kind.DIMENSION, events=_events_of(symbols[:3]))]
        return [Standing(Kind.EVENT)]

    def _string(self, subject: Subject | None) -> Standing:
        types = self._types
        if "SEGMENT" in types:
            return Standing(Kind.SEGMENT)
        if subject is None or "DOMAIN" in types or "LIKE" in types:
            return Standing(Kind.STRING)
        return Standing(Kind.VALUE, subject.name, subject.events)


def _type(symbol: Any) -> str:
    return symbol.type if isinstance(symbol, Token) else ""


def _is_measured(symbol: Any) -> bool:
    """Whether what begins a condition is a function of a measure: all but ``count distinct``."""
    return isinstance(symbol, Piece) and getattr(symbol.value, "name", "") in _AGGREGATES


def _events_of(symbols: list[Any]) -> tuple[str, ...]:
    """The event types that the last where of a condition is about."""
    types = [_type(symbol) for symbol in symbols]
    for i in range(len(symbols) - 1, -1, -1):
        value = symbols[i].value if isinstance(symbols[i], Piece) else None
        if isinstance(value, tuple) and value and all(isinstance(part, str) for part in value):
            return value
        if types[i] == "NAME":
            before = types[i - 1]
            if before in ("THEN", "NOT", "WITHOUT") or types[i + 1 : i + 2] == ["DOT"]:
                return (str(symbols[i]),)
    return ()
