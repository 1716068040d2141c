"""Errors of a rule's text: the place, what was found, what could stand there, what was meant.

Places are code points from 0 in ``Violation.start`` and ``end``, lines and columns from 1. A line
ends at a line feed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from headcount_server.core.rules.build_literals import MONTHS, WEEKDAYS
from headcount_server.core.rules.names import nearest
from headcount_server.core.schema import RESERVED_NAMES
from headcount_server.errors import InvalidRule, Violation

FIELD = "rule_text"
EXPECTED_MAX = 12  # more would hide what matters
_FOUND_LENGTH_MAX = 40
_END = "the end of the text"

# Terminals of the grammar that are no keywords, in the order in which they are listed.
_WORDS = {
    "NAME": "a name",
    "STRING": "a string in double quotes",
    "NUMBER": "a number",
    "DATE": "a date such as 2026-03-31",
    "TIMESTAMP": "a timestamp such as 2026-03-31T09:00:00Z",
    "REGEX": "a pattern between slashes",
    "WORD": "the name of a month or weekday",
    "LPAR": "(",
    "COMPARISON": "a comparison (= != < <= > >=)",
    "UNIT": "a unit of time such as days",
    "LENGTH": "a unit of length (km, m, mi)",
    "PERCENT": "%",
    "PLUS": "+",
    "MINUS": "-",
    "DOT": ".",
    "SLASH": "/",
    "PARAM": "a parameter such as $name",
    "COMMA": ",",
    "RPAR": ")",
    "DAY": "days",
    "AND": "and",
    "OR": "or",
    "$END": _END,
}
# Keywords that people look for first; the others follow in the order of the alphabet.
_COMMON = (
    "DID IN NOT IS HAS CONTAINS LAST FIRST SUM EVERYONE STARTS BETWEEN MORE WHERE WITHIN THEN ON AFTER"
    " BEFORE ENDS CHANGED"
).split()
_CHOICES = {
    "UNIT": ("minutes", "hours", "days", "weeks", "months", "quarters", "years"),
    "LENGTH": ("km", "mi"),
    "WORD": (*MONTHS, *WEEKDAYS),
}
_FIRST = list(_WORDS)[: list(_WORDS).index("PARAM")]
_RANK = {name: rank for rank, name in enumerate([*_FIRST, *_COMMON])}
_CLOSING = {name: rank for rank, name in enumerate(_WORDS) if name not in _FIRST}
_TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|\$?[^\W\d]\w*|-?\d[\w.:+-]*|[\'‘’“”«»„][^\'‘’“”«»„]*[\'‘’“”«»„]?|<=|>=|!=|&&|\|\||.',
    re.DOTALL,
)
_WORD = re.compile(r"\$?[^\W\d]\w*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_QUOTES = frozenset("'‘’“”«»„`")
_OPERATOR_SLIPS = {
    "==": "=",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "!": "not",
    "~": "like",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
}


def place(text: str, start: int) -> tuple[int, int]:
    """Line and column, both from 1, of a code point of the text. O(length)."""
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)


def fault(
    text: str,
    start: int,
    end: int,
    message: str,
    reason: str = "SYNTAX",
    expected: tuple[str, ...] = (),
    suggestion: str = "",
    found: str | None = None,
) -> InvalidRule:
    """The error for the code points ``start`` to ``end``; ``message`` says what is wrong there."""
    line, column = place(text, start)
    if found is None:
        found = _shortened(text[start:end])
    description = f"line {line}, column {column}: {message}"
    if suggestion:
        description += f'; did you mean "{suggestion}"?'
    violation = Violation(
        FIELD, description, reason, line, column, start, end, found, expected, suggestion
    )
    return InvalidRule(description, (violation,))


def unexpected(text: str, start: int, accepted: Iterable[str], before: str) -> InvalidRule:
    """The error for a place where no token that the grammar accepts begins.

    Args:
        text: the whole rule.
        start: where the unexpected token begins; at or past the end of the text if it ended early.
        accepted: names of the terminals that could stand there.
        before: the terminal before, or "" at the start.
    """
    terminals = frozenset(accepted)
    expected = _expected(terminals)
    start = min(start, len(text.rstrip()))
    if start >= len(text.rstrip()):
        found, end = _END, start
        shown = found
    else:
        start, end = _extent(text, start)
        found = _shortened(text[start:end])
        shown = f'"{found}"' if not found.startswith('"') else found
    slip = _slip(text, start, end, terminals, before)
    if slip is not None:
        return slip
    message = f"found {shown}, expected {_listed(expected, len(terminals))}"
    suggestion = _suggestion(text[start:end], terminals)
    if not suggestion and (earlier := _misspelt_before(text, start, before)):
        message += f'; is the word before meant to be "{earlier}"?'
        line, column = place(text, start)
        description = f"line {line}, column {column}: {message}"
        violation = Violation(
            FIELD, description, "SYNTAX", line, column, start, end, found, expected, earlier
        )
        return InvalidRule(description, (violation,))
    return fault(text, start, end, message, "SYNTAX", expected, suggestion, found)


def _expected(terminals: frozenset[str]) -> tuple[str, ...]:
    names = sorted(
        terminals, key=lambda name: (_CLOSING.get(name, 0), _RANK.get(name, len(_RANK)), name)
    )
    words = [_WORDS.get(name, name.lower()) for name in names]
    if len(words) <= EXPECTED_MAX:
        return tuple(words)
    closing = [word for word in words if word in (",", ")", "and", "or", _END)]
    opening = [word for word in words if word not in closing]
    return tuple(opening[: EXPECTED_MAX - len(closing)] + closing)


def _listed(expected: tuple[str, ...], count: int) -> str:
    words = ", ".join(f"`{word}`" if _is_symbol(word) else word for word in expected)
    if len(expected) == 1:
        return words
    return f"one of: {words}" + (", …" if count > len(expected) else "")


def _is_symbol(word: str) -> bool:
    return " " not in word


def _shortened(found: str) -> str:
    if len(found) > _FOUND_LENGTH_MAX:
        found = found[: _FOUND_LENGTH_MAX - 1] + "…"
    return "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in found)


def _extent(text: str, start: int) -> tuple[int, int]:
    """First and last code point of what a person would call the token there."""
    if start and text[start - 1 : start + 1] in _OPERATOR_SLIPS:
        start -= 1
        return start, start + 2
    found = _TOKEN.match(text, start)
    assert found is not None
    return start, found.end()


def _suggestion(found: str, terminals: frozenset[str]) -> str:
    if not _WORD.fullmatch(found):
        return ""
    if "PARAM" in terminals and found.startswith("$"):
        return _lowered(found)
    if "NAME" in terminals and found.lower() not in RESERVED_NAMES and _lowered(found):
        return found.lower()
    words: list[str] = []
    for name in sorted(terminals):
        if name.isalpha() and name not in _WORDS:
            words.append(name.lower())
        else:
            words.extend(_CHOICES.get(name, ()))
    words.extend(word for word in ("and", "or", "days") if word.upper().removesuffix("S") in terminals)
    return nearest(found, words)


def _lowered(found: str) -> str:
    """The name in lower case, where that is all that is wrong with it."""
    lower = found.lower()
    name = lower.removeprefix("$")
    return lower if lower != found and re.fullmatch(r"[a-z][a-z0-9_]*", name) else ""


def _misspelt_before(text: str, start: int, before: str) -> str:
    """The keyword that a name before the place may have been meant as: ``dit open``."""
    if before != "NAME":
        return ""
    words = re.findall(r"[a-z][a-z0-9_]*", text[max(0, start - 200) : start].split("#")[0])
    if not words or len(words[-1]) < 3:
        return ""
    return nearest(words[-1], sorted(RESERVED_NAMES - {"key", "known_since", "id", "in", "at", "or"}))


def _slip(
    text: str, start: int, end: int, terminals: frozenset[str], before: str
) -> InvalidRule | None:
    """The common slips of people used to other languages, each with its remedy."""
    found = text[start:end]
    expected = _expected(terminals)
    if terminals == {"NAME"} and before == "AND":
        message = (
            f"found {_quoted(found)}, expected a test of the where: every 'and' after a where without"
            " parentheses belongs to it; close the where with parentheses, where (…), to go on after it"
        )
        return fault(text, start, end, message, "UNCLOSED_WHERE", expected)
    if found.startswith('"') and not _STRING.match(text, start):
        message = "the string has no closing double quote"
        return fault(text, start, len(text), message, "UNTERMINATED_STRING", ('"',))
    if found.startswith("/") and "REGEX" in terminals:
        message = "the pattern has no closing slash (inside it a slash is written \\/)"
        return fault(text, start, len(text), message, "UNTERMINATED_PATTERN", ("/",))
    if found[:1] in _QUOTES:
        message = f"found {found[0]}, expected a double quote: strings stand in double quotes"
        inner = found.strip("".join(_QUOTES))
        suggestion = f'"{inner}"' if "STRING" in terminals and '"' not in inner else ""
        return _plain(text, start, end, message, expected, suggestion)
    if found in _OPERATOR_SLIPS:
        right = _OPERATOR_SLIPS[found]
        return fault(text, start, end, f'found "{found}"', "SYNTAX", (right,), right)
    if terminals == {"SET", "MISSING", "TRUE", "FALSE"} and found.lower() == "not":
        message = "found \"not\" after 'is', expected one of: `set`, `missing`, `true`, `false`; a negation stands before the name, as in: not age is set"
        return fault(text, start, end, message, "SYNTAX", expected)
    return _slip_of_time(text, start, end, expected)


def _slip_of_time(
    text: str, start: int, end: int, expected: tuple[str, ...]
) -> InvalidRule | None:
    if re.compile(r"[Tt ]?\d\d:\d\d").match(text, start) and text[max(0, start - 10) : start][4:5] == "-":
        message = "a timestamp is written as 2026-03-31T09:00:00Z, with Z or an offset such as +02:00"
        return fault(text, start - 10, end, message, "INVALID_TIMESTAMP", expected)
    begin = start - 4 if text[start : start + 1] == "-" else start
    loose = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?!\d)").match(text, max(begin, 0))
    if loose and len(loose.group()) < 10:
        message = f"found {loose.group()}, but a date is written as 2026-03-31, with two digits each"
        year, month, day = loose.group().split("-")
        suggestion = f"{year}-{month:0>2}-{day:0>2}"
        return fault(text, begin, loose.end(), message, "INVALID_DATE", expected, suggestion)
    return None


def _plain(
    text: str, start: int, end: int, message: str, expected: tuple[str, ...], suggestion: str
) -> InvalidRule:
    """An error whose suggestion is already between double quotes."""
    error = fault(text, start, end, message, "SYNTAX", expected)
    violation = error.violations[0]
    description = violation.description + (f"; did you mean {suggestion}?" if suggestion else "")
    line, column = violation.line, violation.column
    return InvalidRule(
        description,
        (
            Violation(
                FIELD, description, "SYNTAX", line, column, start, end, violation.found, expected, suggestion
            ),
        ),
    )


def _quoted(found: str) -> str:
    return f'"{_shortened(found)}"' if found else _END
