"""Single literals, as a command line or a request binds them to parameters.

A literal reads as it does in a rule's text, by the terminals of the grammar. It keeps its spelling,
because the same characters may be meant as text where the parameter stands.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from headcount_server.core.rules.build_literals import LITERALS
from headcount_server.core.rules.parser import grammar
from headcount_server.core.rules.piece import BadTokenError, Piece
from headcount_server.core.rules.tree import Date, Number, Text, Timestamp, Value, ValueList
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from headcount_server.limits import DEFAULT_LIMITS, NUMBER_DIGITS_MAX, Limits

FIELD = "literal"
_ALTERNATIVES = {"TIMESTAMP": "timestamp", "DATE": "date", "NUMBER": "number", "STRING": "text"}


def parse_literal(text: str, limits: Limits = DEFAULT_LIMITS) -> Value | ValueList:
    """What a parameter is bound to by a text: a literal where it reads as one, else a string.

    A number, date, timestamp, string in double quotes (with ``exactly`` before it or without), or a
    list of these in parentheses, with nothing but white space around it, is that literal. All the
    rest is a string: a word, a date that doesn't exist, a list with a parameter or without its end,
    a number longer than a rule can hold. A text from one double quote to another is always the text
    between them, so what looks like a number or a list can be given as a string. Numbers, dates and
    timestamps, also those of a list, have the text as typed in ``spelling``; nothing has a span.
    O(length).

    Args:
        text: as typed; the empty text is the empty string.
        limits: of the server.

    Raises:
        InvalidRule: the text was broken UTF-8 (``INVALID_TEXT``).
        LimitExceeded: the text or the list is too long.
    """
    _check(text, limits)
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] == '"':
        return _one(stripped) or Text(stripped[1:-1])
    if stripped.startswith("(") and stripped.endswith(")"):
        return _many(stripped, limits) or Text(text)
    value = _one(stripped)
    return Text(text) if value is None else _spelt(value, text)


def _one(text: str) -> Value | None:
    found = _literal().fullmatch(text)
    return None if found is None else _made(found)


def _many(text: str, limits: Limits) -> ValueList | None:
    """The values of a list, or None where the text is no list of literals."""
    values: list[Value] = []
    item, at = _item(), 1
    while at < len(text):
        found = item.match(text, at)
        value = None if found is None else _made(found)
        if found is None or value is None:
            return None
        values.append(_spelt(value, found[found.lastgroup or 0]))
        at = found.end()
        if text[at - 1] == ")":
            break
    if at < len(text):
        return None
    limit = limits.list_values_max
    if len(values) > limit:
        message = f"the list has {len(values)} values; the limit is {limit}"
        raise LimitExceeded(message, (_violation(message),), limit="list_values_max")
    return ValueList(tuple(values))


def _made(found: re.Match[str]) -> Value | None:
    """The value of the one token in a match; None where it has the form alone."""
    kind = found.lastgroup
    assert kind is not None
    token = Piece(*found.span(kind), found[kind])
    if kind == "NUMBER" and len(found[kind]) > NUMBER_DIGITS_MAX:
        return None
    try:
        made = LITERALS[_ALTERNATIVES[kind]]([None, token] if kind == "STRING" else [token])
    except BadTokenError:
        return None
    if kind == "STRING":
        return Text(made.value.text, exactly=found["EXACTLY"] is not None)
    return replace(made.value, span=None)


def _spelt(value: Value, spelling: str) -> Value:
    return (
        replace(value, spelling=spelling) if isinstance(value, Number | Date | Timestamp) else value
    )


@cache
def _literal() -> re.Pattern[str]:
    patterns = {t.name: t.pattern.to_regexp() for t in grammar().terminals}
    exactly = rf"(?P<EXACTLY>{patterns['EXACTLY']}\s*)?"
    kinds = [f"(?P<{kind}>{_plain(patterns[kind])})" for kind in _ALTERNATIVES]
    return re.compile("|".join([*kinds[:-1], exactly + kinds[-1]]))


@cache
def _item() -> re.Pattern[str]:
    """A literal of a list with the comma or parenthesis behind it."""
    return re.compile(rf"\s*(?:{_literal().pattern})\s*[,)]")


def _plain(pattern: str) -> str:
    """A terminal's pattern without groups that would count as the last one of a match."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


def _check(text: str, limits: Limits) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = f"a lone surrogate at {error.start}, which is no character: broken UTF-8"
        raise InvalidRule(message, (_violation(message, "INVALID_TEXT"),)) from None
    limit = limits.rule_text_bytes_max
    if size > limit:
        message = f"the text is {size} bytes long; the limit is {limit} bytes"
        raise LimitExceeded(message, (_violation(message),), limit="rule_text_bytes_max")


def _violation(message: str, reason: str = "LIMIT_EXCEEDED") -> Violation:
    return Violation(FIELD, message, reason)
