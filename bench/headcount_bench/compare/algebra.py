"""What the standard questions ask, in terms that every engine can be asked in.

A rule's tree is made plain for one ``now``: days are numbers of days since 1970-01-01, both ends of
every range are included, decimals are whole minor units. Only the part of the rule language that
the questions use is there; an engine that has no way to say a leaf says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OneOf:
    """A keyword attribute has one of the values."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasAny:
    """A keywords attribute has at least one of the values."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """A number or date attribute lies in a range; None: no bound on that side."""

    attribute: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Contains:
    """A text attribute contains some folded text."""

    attribute: str
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """A keywords attribute has any value."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Where:
    """What one event has to have: values of dimensions, ranges of measures."""

    dimensions: tuple[OneOf, ...] = ()
    measures: tuple[Within, ...] = ()


@dataclass(frozen=True, slots=True)
class Days:
    """Days since 1970-01-01 in the audience's zone, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Did:
    """At least ``times`` events (all types counted together) that pass the where, in some days."""

    events: tuple[str, ...]
    days: Days
    where: Where = Where()
    times: int = 1


@dataclass(frozen=True, slots=True)
class SumAtLeast:
    """The sum of a measure of a person's events in some days is at least that many minor units."""

    event: str
    measure: str
    days: Days
    minimum: int
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Sequence:
    """An event and another one of a second type at most ``within_us`` after it, in some days."""

    first: str
    first_where: Where
    then: str
    then_where: Where
    within_us: int | None
    days: Days


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the parts."""

    parts: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Everybody else."""

    part: Ask


EventLeaf = Did | SumAtLeast | Sequence
Leaf = OneOf | HasAny | Known | Within | Contains | EventLeaf
Ask = Leaf | And | Or | Not


@dataclass(frozen=True, slots=True)
class Count:
    """How many subscribers."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Breakdown:
    """How many subscribers for each value of a keyword attribute that somebody has."""

    ask: Ask
    by: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """How many subscribers each pair of several segments shares, each segment with itself first."""

    segments: tuple[Ask, ...]


Question = Count | Breakdown | Pairs
Answer = tuple[int, ...]
"""Of a count the number; of a breakdown the counts by ascending value without the zeros; of pairs
the matrix's upper triangle row by row, its diagonal included."""


def leaves(ask: Ask) -> tuple[Leaf, ...]:
    """The leaves of a rule, from left to right."""
    if isinstance(ask, And | Or):
        return tuple(leaf for part in ask.parts for leaf in leaves(part))
    return leaves(ask.part) if isinstance(ask, Not) else (ask,)


def asks(question: Question) -> tuple[Ask, ...]:
    """The rules of a question."""
    return question.segments if isinstance(question, Pairs) else (question.ask,)


def pairs_of(masks: dict[int, int], segments: int) -> Answer:
    """The answer to pairs from how many people have each set of segments (bit i: segment i)."""
    return tuple(
        sum(n for mask, n in masks.items() if mask >> a & 1 and mask >> b & 1)
        for a in range(segments)
        for b in range(a, segments)
    )
