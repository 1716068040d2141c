"""Errors of a rule's text: the place, what was found, what could stand there, what was meant.

Places are code points from 0 in ``Violation.start`` and ``end``, lines and columns from 1. A line
ends at a line feed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from headcount_server.core.rules.build_literals import MONTHS, WEEKDAYS
from headcount_server.core.rules.names import nearest
from headcount_server.core.rules.piece import BadTokenError
from headcount_server.core.rules.slips import remedy
from headcount_server.core.rules.tree import Span
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
_COMMON = [
    "DID",
    "IN",
    "NOT",
    "IS",
    "HAS",
    "CONTAINS",
    "LAST",
    "FIRST",
    "SUM",
    "EVERYONE",
    "STARTS",
    "BETWEEN",
    "MORE",
    "WHERE",
    "WITHIN",
    "THEN",
    "ON",
    "AFTER",
    "BEFORE",
    "ENDS",
    "CHANGED",
]
_CHOICES = {
    "UNIT": ("minutes", "hours", "days", "weeks", "months", "quarters", "years"),
    "LENGTH": ("km", "mi"),
    "WORD": (*MONTHS, *WEEKDAYS),
}
_FIRST = list(_WORDS)[: list(_WORDS).index("PARAM")]
_RANK = {name: rank for rank, name in enumerate([*_FIRST, *_COMMON])}
_CLOSING = {name: rank for rank, name in enumerate(_WORDS) if name not in _FIRST}
_TOKEN = re.compile(
    r"""  "(?:\\.|[^"\\])*"               # a string
        | \$?[^\W\d]\w*                    # a word or parameter
        | -?\d[\w.:+-]*                    # a number or date
        | ['‘’“”«»„`][^'‘’“”«»„`]*['‘’“”«»„`]?
        | <=|>=|!=|&&|\|\||.""",
    re.DOTALL | re.VERBOSE,
)
_WORD = re.compile(r"\$?[^\W\d]\w*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_CLOCK = re.compile(r"[Tt ]?\d\d:\d\d")
_LOOSE_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?!\d)")
_QUOTES = frozenset("'‘’“”«»„`")
_STATES = frozenset({"SET", "MISSING", "TRUE", "FALSE"})
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
    span: Span,
    message: str,
    *,
    reason: str = "SYNTAX",
    expected: tuple[str, ...] = (),
    suggestion: str = "",
    question: str = 'did you mean "{}"?',
) -> InvalidRule:
    """The error for a span of the text.

    Args:
        text: the whole rule.
        span: what is wrong; empty at the end of the text.
        message: how it is wrong.
        reason: stable code.
        expected: what could stand there.
        suggestion: what was probably meant, or "".
        question: how the message puts the suggestion, {} standing for it.
    """
    line, column = place(text, span.start)
    found = _shortened(text[span.start : span.end]) or _END
    description = f"line {line}, column {column}: {message}"
    if suggestion:
        description += "; " + question.replace("{}", suggestion)
    violation = Violation(
        field=FIELD,
        description=description,
        reason=reason,
        line=line,
        column=column,
        start=span.start,
        end=span.end,
        found=found,
        expected=expected,
        suggestion=suggestion,
    )
    return InvalidRule(description, (violation,))


def empty(text: str) -> InvalidRule:
    """The error for a text without a token."""
    message = "the rule is empty; `everyone` is the rule of all"
    return fault(text, Span(0, len(text)), message, reason="EMPTY", expected=("a rule",))


def bad_token(text: str, error: BadTokenError) -> InvalidRule:
    """The error for a token that fits the grammar but not the language."""
    return fault(
        text,
        error.span,
        error.message,
        reason=error.reason,
        expected=error.expected,
        suggestion=error.suggestion,
    )


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
    end = len(text.rstrip())
    span = _extent(text, start) if start < end else Span(end, end)
    found = text[span.start : span.end]
    message = f"found {_quoted(found)}, expected {_listed(expected, len(terminals))}"
    if (meant := remedy(text, span.start, found, terminals, before)) is not None:
        hint = {"suggestion": meant.suggestion, "question": meant.words}
        message += "" if meant.suggestion else f"; {meant.words}"
        return fault(text, span, message, expected=expected, **hint)
    if (slip := _slip(text, span, terminals, before)) is not None:
        return slip
    suggestion = _suggestion(found, terminals)
    if suggestion:
        return fault(text, span, message, expected=expected, suggestion=suggestion)
    follows = before if "COMPARISON" in terminals else ""
    earlier = _misspelt_before(text, span.start, follows)
    question = 'is the word before meant to be "{}"?'
    return fault(text, span, message, expected=expected, suggestion=earlier, question=question)


def _expected(terminals: frozenset[str]) -> tuple[str, ...]:
    names = sorted(
        terminals, key=lambda name: (_CLOSING.get(name, 0), _RANK.get(name, len(_RANK)), name)
    )
    if "UNIT" in terminals:
        names = [name for name in names if name not in ("HOUR", "DAY", "MONTH")]
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


def _extent(text: str, start: int) -> Span:
    """What a person would call the token there."""
    if start and text[start - 1 : start + 1] in _OPERATOR_SLIPS:
        return Span(start - 1, start + 1)
    found = _TOKEN.match(text, start)
    assert found is not None
    return Span(start, found.end())


def _suggestion(found: str, terminals: frozenset[str]) -> str:
    if not _WORD.fullmatch(found):
        return ""
    if "PARAM" in terminals and found.startswith("$"):
        return _lowered(found)
    if "NAME" in terminals and found.lower() not in RESERVED_NAMES and _lowered(found):
        return found.lower()
    if found.lower() in RESERVED_NAMES:
        return ""
    words: list[str] = []
    for name in sorted(terminals):
        if name.isalpha() and name not in _WORDS:
            words.append(name.lower())
        else:
            words.extend(_CHOICES.get(name, ()))
    words.extend(
        word for word in ("and", "or", "days") if word.upper().removesuffix("S") in terminals
    )
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
    words = re.findall(
        r"[a-z][a-z0-9_]*", text[max(0, start - 200) : start].split("#", maxsplit=1)[0]
    )
    if not words or len(words[-1]) < 3:
        return ""
    meant = nearest(
        words[-1], sorted(RESERVED_NAMES - {"key", "known_since", "id", "in", "at", "or"})
    )
    return "" if words[-1].startswith(meant) else meant


def _slip(text: str, span: Span, terminals: frozenset[str], before: str) -> InvalidRule | None:
    """The common slips of people used to other languages, each with its remedy."""
    found = text[span.start : span.end]
    rest = Span(span.start, len(text))
    expected = _expected(terminals)
    if terminals == frozenset({"NAME"}) and before == "AND":
        message = (
            f"found {_quoted(found)}, expected a test of the where: every 'and' after a where"
            " without parentheses belongs to it; close the where with parentheses, where (…),"
            " to go on after it"
        )
        return fault(text, span, message, reason="UNCLOSED_WHERE", expected=expected)
    if found.startswith('"') and not _STRING.match(text, span.start):
        message = "the string has no closing double quote"
        return fault(text, rest, message, reason="UNTERMINATED_STRING", expected=('"',))
    if found.startswith("/") and "REGEX" in terminals:
        message = "the pattern has no closing slash (inside it a slash is written \\/)"
        return fault(text, rest, message, reason="UNTERMINATED_PATTERN", expected=("/",))
    if found[:1] in _QUOTES:
        return _slip_of_quotes(text, span, terminals)
    if found in _OPERATOR_SLIPS:
        right = _OPERATOR_SLIPS[found]
        return fault(text, span, f'found "{found}"', expected=(right,), suggestion=right)
    if terminals == _STATES and found.lower() == "not":
        message = (
            f'found "{found}", expected one of: `set`, `missing`, `true`, `false`;'
            " a negation stands before the name, as in: not age is set"
        )
        return fault(text, span, message, expected=expected)
    return _slip_of_time(text, span, expected)


def _slip_of_quotes(text: str, span: Span, terminals: frozenset[str]) -> InvalidRule:
    found = text[span.start : span.end]
    message = f"found {found[0]}, expected a double quote: strings stand in double quotes"
    inner = found.strip("".join(_QUOTES))
    fits = "STRING" in terminals and '"' not in inner
    return fault(
        text,
        span,
        message,
        expected=_expected(terminals),
        suggestion=f'"{inner}"' if fits else "",
        question="did you mean {}?",
    )


def _slip_of_time(text: str, span: Span, expected: tuple[str, ...]) -> InvalidRule | None:
    """A timestamp without its offset, a date with too few digits."""
    start = span.start
    if _CLOCK.match(text, start) and text[max(0, start - 10) : start][4:5] == "-":
        message = "a timestamp is written as 2026-03-31T09:00:00Z, with Z or an offset like +02:00"
        whole = Span(start - 10, span.end)
        return fault(text, whole, message, reason="INVALID_TIMESTAMP", expected=expected)
    begin = max(start - 4, 0) if text[start : start + 1] == "-" else start
    loose = _LOOSE_DATE.match(text, begin)
    if loose is None or len(loose.group()) == len("2026-03-31"):
        return None
    year, month, day = loose.group().split("-")
    message = f"found {loose.group()}, but dates are written as 2026-03-31, months with two digits"
    return fault(
        text,
        Span(*loose.span()),
        message,
        reason="INVALID_DATE",
        expected=expected,
        suggestion=f"{year}-{month:0>2}-{day:0>2}",
    )


def _quoted(found: str) -> str:
    if found.startswith('"') or not found:
        return _shortened(found) or _END
    return f'"{_shortened(found)}"'
