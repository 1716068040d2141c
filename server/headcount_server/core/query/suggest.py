"""What can stand at a place in an unfinished rule about one audience: keywords, names, values.

The grammar says what kind of thing fits; the schema fills in the names and drops the tests that the
subject's type doesn't have; the indexes give the values with their counts.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.audience import KNOWN_SINCE, Audience
from headcount_server.core.rules.format_tests import quoted
from headcount_server.core.rules.suggest import (
    Expectations,
    Kind,
    Standing,
    Subject,
    expectations,
)
from headcount_server.core.schema import AttributeType, EventSchema
from headcount_server.core.texts import fold
from headcount_server.limits import DEFAULT_LIMITS, Limits

LIMIT_DEFAULT = 20

_EVERY = "is changed"
_TEXT = "= != in not contains starts ends like matches"
_NUMBER = "= != < <= > >= between in not"
_MOMENT = (
    "= != < <= > >= between in more on before after this last next ever"
    " anniversary month day weekday hour"
)
_TESTS = {
    AttributeType.KEYWORD: f"{_TEXT} {_EVERY}",
    AttributeType.TEXT: f"{_TEXT} domain {_EVERY}",
    AttributeType.KEYWORDS: f"has size {_EVERY}",
    AttributeType.BOOLEAN: _EVERY,
    AttributeType.INTEGER: f"{_NUMBER} {_EVERY}",
    AttributeType.DECIMAL: f"{_NUMBER} {_EVERY}",
    AttributeType.DATE: f"{_MOMENT} {_EVERY}",
    AttributeType.TIMESTAMP: f"{_MOMENT} {_EVERY}",
    AttributeType.LOCATION: f"within in {_EVERY}",
}
_AFTER_IN = {
    AttributeType.KEYWORD: "(",
    AttributeType.TEXT: "(",
    AttributeType.INTEGER: "( top bottom",
    AttributeType.DECIMAL: "( top bottom",
    AttributeType.DATE: "last next this",
    AttributeType.TIMESTAMP: "last next this",
    AttributeType.LOCATION: "box",
}
_OF_CAMPAIGNS = "any all none at last"  # what else follows `in` in a where
_AFTER_IS = {AttributeType.BOOLEAN: "true false set missing"}
_AFTER_NOT = {
    AttributeType.KEYWORD: "in contains",
    AttributeType.TEXT: "in contains",
    AttributeType.INTEGER: "in",
    AttributeType.DECIMAL: "in",
}
_STRINGS = (AttributeType.KEYWORD, AttributeType.KEYWORDS, AttributeType.TEXT)
_MOMENTS = (AttributeType.DATE, AttributeType.TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to insert.

    Attributes:
        text: what to insert; strings stand in double quotes.
        kind: ``keyword``, ``attribute``, ``event``, ``dimension``, ``measure``, ``value`` or
            ``segment``.
        count: subscribers who have the value of an attribute, events that have that of a
            dimension, those of the future included; 0 for others.
        start: first code point of the text that it replaces.
        end: the one behind the last.
    """

    text: str
    kind: str
    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str  # what the prefix is looked for in
    kind: str
    count: int = 0
    is_string: bool = False


def suggest(
    audience: Audience,
    text: str,
    position: int,
    limit: int = LIMIT_DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Suggestion]:
    """What can stand at a place, best first: beginning with what was typed, then containing it;
    of these the most frequent, then by name.

    Case is folded. Values of ``text`` attributes, numbers and dates are not listed. O(values) where
    a value can stand.

    Args:
        audience: whose names and values.
        text: the rule, finished or not.
        position: in code points, 0 to the text's length.
        limit: at most so many, 1 or more.
        limits: of the server.

    Raises:
        InvalidInput: the position is outside the text, or the text was broken UTF-8.
        LimitExceeded: the text is too long.
    """
    return suggestions(audience, expectations(text, position, limits), limit)


def suggestions(
    audience: Audience, expected: Expectations, limit: int = LIMIT_DEFAULT
) -> list[Suggestion]:
    """The same where the text has been read already: ``expectations`` needs no audience."""
    prefix = fold(expected.prefix)
    ranked: list[tuple[bool, int, str, str, _Candidate]] = []
    for candidate in _candidates(audience, expected):
        folded = fold(candidate.name)
        if prefix in folded:
            is_inside = not folded.startswith(prefix)
            ranked.append((is_inside, -candidate.count, folded, candidate.name, candidate))
    best = heapq.nsmallest(limit, ranked, key=lambda entry: (*entry[:4], entry[4].kind))
    start, end = expected.span.start, expected.span.end
    return [
        Suggestion(quoted(c.name) if c.is_string else c.name, c.kind, c.count, start, end)
        for *_, c in best
    ]


def _candidates(audience: Audience, expected: Expectations) -> Iterator[_Candidate]:
    allowed = _allowed(audience, expected)
    for keyword in expected.keywords:
        if allowed is None or keyword in allowed:
            yield _Candidate(keyword, "keyword")
    subject = expected.subject
    kind = None if subject is None else _type_of(audience, subject)
    for standing in expected.kinds:
        if standing.kind is Kind.MOMENT_ATTRIBUTE and kind is not None and kind not in _MOMENTS:
            continue  # only dates and timestamps compare with each other
        yield from _named(audience, standing)


# --- keywords that a type has --------------------------------------------------------------------


def _allowed(audience: Audience, expected: Expectations) -> frozenset[str] | None:
    """The keywords that the subject's type has at the place; None where the type says nothing."""
    subject = expected.subject
    kind = None if subject is None else _type_of(audience, subject)
    if subject is None or kind is None:
        return None
    is_event = bool(subject.events)
    match expected.before:
        case "NAME" | "RPAR" if "is" in expected.keywords:
            words = set(_TESTS[kind].split()) - ({"changed"} if is_event else set())
        case "DOMAIN":
            words = {*_TEXT.split(), "is"}
        case "NOT":
            words = set(_AFTER_NOT.get(kind, "").split())
        case "IN":
            words = set(_AFTER_IN.get(kind, "").split())
            if is_event and kind is AttributeType.KEYWORD:
                words.update(_OF_CAMPAIGNS.split())
        case "IS":
            words = set(_AFTER_IS.get(kind, "set missing").split())
        case _:
            words = set(expected.keywords) - (set() if kind in _STRINGS else {"exactly"})
    return frozenset(words)


def _type_of(audience: Audience, subject: Subject) -> AttributeType | None:
    """A dimension is a keyword, a measure a number, a key a text; None for an unknown name."""
    if subject.events:
        for event in _events(audience, subject.events):
            if subject.name in event.dimensions:
                return AttributeType.KEYWORD
            if event.scale(subject.name) is not None:
                return AttributeType.DECIMAL
        return None
    if subject.name == "key":
        return AttributeType.TEXT
    if subject.name == KNOWN_SINCE.name:
        return KNOWN_SINCE.type
    attribute = audience.schema.attribute(subject.name)
    return None if attribute is None else attribute.type


# --- names and values ----------------------------------------------------------------------------


def _named(audience: Audience, standing: Standing) -> Iterable[_Candidate]:
    schema = audience.schema
    match standing.kind:
        case Kind.ATTRIBUTE:
            names = ["key", KNOWN_SINCE.name, *(a.name for a in schema.attributes)]
            return [_Candidate(name, "attribute") for name in names]
        case Kind.MOMENT_ATTRIBUTE:
            moments = [a.name for a in (*schema.attributes, KNOWN_SINCE) if a.type in _MOMENTS]
            return [_Candidate(name, "attribute") for name in moments]
        case Kind.EVENT:
            return [_Candidate(event.name, "event") for event in schema.events]
        case Kind.PROPERTY | Kind.DIMENSION | Kind.MEASURE:
            return _properties(_events(audience, standing.events), standing.kind)
        case Kind.SEGMENT:
            return [_Candidate(name, "segment", is_string=True) for name in audience.segments]
        case Kind.VALUE:
            return _values(audience, standing)
        case _:
            return ()


def _events(audience: Audience, names: tuple[str, ...]) -> list[EventSchema]:
    found = [audience.schema.event(name) for name in dict.fromkeys(names)]
    return [event for event in found if event is not None]


def _properties(events: list[EventSchema], kind: Kind) -> Iterator[_Candidate]:
    """The dimensions and measures that all of the event types declare."""
    if not events:
        return
    first, *others = events
    if kind is not Kind.MEASURE:
        for name in first.dimensions:
            if all(name in other.dimensions for other in others):
                yield _Candidate(name, "dimension")
    if kind is not Kind.DIMENSION:
        for name, _ in first.measures:
            if all(other.scale(name) is not None for other in others):
                yield _Candidate(name, "measure")


def _values(audience: Audience, standing: Standing) -> Iterator[_Candidate]:
    if standing.events:
        counts = _dimension_counts(_events(audience, standing.events), audience, standing.name)
    else:
        index = audience.attributes.get(standing.name)
        if not isinstance(index, KeywordIndex | KeywordsIndex):
            return
        counts = index.counts(audience.everyone)
    for value, count in counts:
        yield _Candidate(value, "value", count, is_string=True)


def _dimension_counts(
    events: list[EventSchema], audience: Audience, name: str
) -> list[tuple[str, int]]:
    """Values of several event types that fold alike are one, shown as the first type has it."""
    shown: dict[str, str] = {}
    sums: dict[str, int] = {}
    for event in events:
        if name in event.dimensions:
            for value, count in audience.events[event.name].value_counts(name):
                folded = fold(value)
                shown.setdefault(folded, value)
                sums[folded] = sums.get(folded, 0) + count
    return [(shown[folded], count) for folded, count in sums.items()]
