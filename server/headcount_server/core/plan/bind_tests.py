"""What tests on text and on numbers mean, for attributes and for properties of events alike.

Here a test becomes data (a ``TextTest``, a range, a list of integers) with its negation beside it;
what it is a test *of* is the caller's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as Either

from headcount_server.core import patterns, texts
from headcount_server.core.faults import below, refuse, shortened
from headcount_server.core.plan import numbers
from headcount_server.core.plan.bind_values import Subject, Values, one_of
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Operator, State
from headcount_server.core.texts import TextTest, fold

_SYMBOLS = {
    Operator.EQUAL: "=",
    Operator.NOT_EQUAL: "!=",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
}
_NAMES: dict[type, str] = {
    tree.In: "in",
    tree.Contains: "contains",
    tree.ContainsAny: "contains any of",
    tree.StartsWith: "starts with",
    tree.EndsWith: "ends with",
    tree.Like: "like",
    tree.Matches: "matches",
    tree.Domain: "domain",
    tree.Has: "has",
    tree.HasPrefix: "has value starting with",
    tree.Size: "size",
    tree.Between: "between",
    tree.Anniversary: "anniversary",
    tree.Changed: "changed",
    tree.MonthIn: "month in",
    tree.DayOfMonthIn: "day of month in",
    tree.WeekdayIn: "weekday in",
    tree.HourBetween: "hour between",
    tree.Near: "within … of",
    tree.InBox: "in box",
}
_QUANTIFIERS = {
    tree.Quantifier.ANY: "has any of",
    tree.Quantifier.ALL: "has all of",
    tree.Quantifier.NONE: "has none of",
    tree.Quantifier.AT_LEAST: "has at least … of",
}
SET_TESTS = ("is set", "is missing")
TEXT_TESTS = (
    "=", "!=", "in", "not in", "contains", "not contains", "contains any of",
    "not contains any of", "starts with", "ends with", "like", "matches", *SET_TESTS,
)  # fmt: skip
NUMBER_TESTS = ("=", "!=", "<", "<=", ">", ">=", "between", "in", "not in", *SET_TESTS)


@dataclass(frozen=True, slots=True)
class Presence:
    """``is set``."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One of ``values``, ascending and scaled."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """What is tested, and whether the test is the negation of that (true without a value)."""

    what: TextTest | numbers.Range | Listed | Presence
    negated: bool = False


def test_name(test: tree.Test) -> str:
    """How the text form spells a test, without its values."""
    match test:
        case tree.Compare() | tree.CompareAttribute():
            return _SYMBOLS[test.operator]
        case tree.Is():
            return f"is {test.state.name.lower()}"
        case tree.In() | tree.Contains() | tree.ContainsAny():
            return f"{'not ' if test.negated else ''}{_NAMES[type(test)]}"
        case tree.HasOf():
            return _QUANTIFIERS[test.quantifier]
        case tree.Rank():
            return "in bottom" if test.bottom else "in top"
        case tree.InWindow():
            return "between" if isinstance(test.window, tree.Between) else "a window of time"
        case _:
            return _NAMES[type(test)]


def require(
    test: tree.Test, known: tuple[str, ...], subject: Subject, place: str, span: tree.Span | None
) -> None:
    """Raise InvalidRule unless the test is one of the ``known`` ones of its subject."""
    name = test_name(test)
    if name in known:
        if isinstance(test, tree.CompareAttribute) and "anniversary" not in known:
            _refuse_pair(test, "contains" in known, subject, place, span)
        return
    refuse(
        place,
        f'{subject} and has no test "{name}"; it has {", ".join(known)}',
        "UNSUPPORTED_TEST",
        span,
        found=name,
        expected=known,
    )


def presence(test: tree.Is) -> Bound:
    """``is set`` and ``is missing``."""
    return Bound(Presence(), test.state is State.MISSING)


def text_test(
    test: tree.Test, values: Values, subject: Subject, place: str, span: tree.Span | None
) -> Bound:
    """A keyword test, or one on a domain. ``place`` ends with the test's variant; the test is in
    TEXT_TESTS.

    Raises:
        InvalidRule: a literal is no string; a pattern is too long or doesn't compile.
    """
    match test:
        case tree.Is():
            return presence(test)
        case tree.Compare():
            equal = one_of([values.text(test.value, subject, f"{place}.value", span)])
            return Bound(equal, test.operator is Operator.NOT_EQUAL)
        case tree.In():
            listed = values.texts(test.values, subject, f"{place}.values", span)
            return Bound(one_of(listed), test.negated)
        case tree.Contains():
            part = values.text(test.value, subject, f"{place}.value", span)
            return Bound(_contains([part]), test.negated)
        case tree.ContainsAny():
            parts = values.texts(test.values, subject, f"{place}.values", span)
            return Bound(_contains(parts), test.negated)
        case tree.StartsWith() | tree.EndsWith():
            text = values.text(test.value, subject, f"{place}.value", span)
            return Bound(affix(text, at="start" if isinstance(test, tree.StartsWith) else "end"))
        case tree.Like():
            return Bound(_like(test, values, subject, place, span))
        case tree.Domain():
            at = below(place, "test", test.test)
            require(test.test, TEXT_TESTS, Subject(subject.name, "a domain here"), at, span)
            return _of_domain(text_test(test.test, values, subject, at, span))
        case _:
            assert isinstance(test, tree.Matches), "the test was checked to be one on text"
            return Bound(_regex(test, values, place, span))


def affix(text: tree.Text, at: Either["start", "end"]) -> TextTest:
    """The test for a value that starts, or ends, with a text."""
    part = text.text if text.exactly else fold(text.text)
    kind = texts.StartsWith if at == "start" else texts.EndsWith
    return kind(part, text.exactly)


def number_test(
    test: tree.Test,
    scale: int,
    values: Values,
    subject: Subject,
    place: str,
    span: tree.Span | None,
) -> Bound:
    """A test on numbers of a scale. ``place`` ends with the test's variant; the test is in
    NUMBER_TESTS.

    Raises:
        InvalidRule: a literal is no number.
    """
    match test:
        case tree.Is():
            return presence(test)
        case tree.In():
            listed = values.numbers(test.values, subject, f"{place}.values", span)
            return Bound(_listed(numbers.listed(listed, scale)), test.negated)
        case tree.Compare():
            number = values.number(test.value, subject, f"{place}.value", span)
            negated = test.operator is Operator.NOT_EQUAL
            operator = Operator.EQUAL if negated else test.operator
            return Bound(numbers.compared(operator, number, scale), negated)
        case _:
            assert isinstance(test, tree.InWindow), "the test was checked to be one on numbers"
            window = test.window
            assert isinstance(window, tree.Between), "the only window on numbers"
            place = below(place, "window", window)
            low = values.number(window.low, subject, f"{place}.low", window.span or span)
            high = values.number(window.high, subject, f"{place}.high", window.span or span)
            return Bound(numbers.included(low, high, scale))


def _contains(parts: list[tree.Text]) -> TextTest:
    return texts.ContainsOneOf(
        tuple(sorted({fold(part.text) for part in parts if not part.exactly})),
        tuple(sorted({part.text for part in parts if part.exactly})),
    )


def _like(
    test: tree.Like, values: Values, subject: Subject, place: str, span: tree.Span | None
) -> TextTest:
    text = values.text(test.value, subject, f"{place}.value", span)
    at = below(place, "value", test.value)
    pattern = text.text if text.exactly else fold(text.text)
    _check_length(pattern, values, at, text.span or span)
    like = patterns.Like(pattern, text.exactly)
    try:
        like.compiled()
        like.of_lines()
    except patterns.PatternError:
        refuse(at, "the pattern is too large", "PATTERN_TOO_LARGE", text.span or span)
    return like.simplest()


def _regex(test: tree.Matches, values: Values, place: str, span: tree.Span | None) -> TextTest:
    at, found, span = f"{place}.pattern", shortened(test.pattern), test.span or span
    _check_length(test.pattern, values, at, span)
    regex = patterns.Matches(test.pattern, test.exactly)
    try:
        regex.compiled()
        regex.compiled("(?m:", ")[^\\n]*")
    except patterns.PatternError as error:
        message = f"the regular expression /{found}/ doesn't compile: {error}"
        refuse(at, message, "INVALID_REGEX", span, found=found, expected=("RE2 syntax",))
    return regex


def _check_length(pattern: str, values: Values, place: str, span: tree.Span | None) -> None:
    limit = values.limits.pattern_length_max
    if len(pattern) > limit:
        message = f"a pattern of {len(pattern)} characters; the limit is {limit}"
        refuse(place, message, "PATTERN_TOO_LARGE", span, found=shortened(pattern))


def _of_domain(bound: Bound) -> Bound:
    """The same of what follows the last ``@``; there is a domain where there is an ``@``."""
    if isinstance(bound.what, Presence):
        return Bound(texts.ContainsOneOf(("@",), ()), bound.negated)
    assert not isinstance(bound.what, numbers.Range | Listed), "a test on text"
    return Bound(patterns.DomainPasses(bound.what), bound.negated)


def _listed(listed: tuple[int, ...]) -> numbers.Range | Listed:
    if len(listed) > 1:
        return Listed(listed)
    return numbers.between(min(listed), max(listed)) if listed else numbers.EMPTY


def _refuse_pair(
    test: tree.CompareAttribute, text: bool, subject: Subject, place: str, span: tree.Span | None
) -> None:
    quoted = f'"{test.attribute}"'
    refuse(
        f"{place}.attribute",
        f"{subject}; write {quoted}, with double quotes"
        if text
        else f"{subject} and can't be compared with an attribute",
        "WRONG_TYPE",
        span,
        found=test.attribute,
        expected=("string",) if text else ("number",),
        suggestion=quoted if text else "",
    )
