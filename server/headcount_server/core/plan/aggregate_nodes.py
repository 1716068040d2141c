"""Bound conditions on what a person's events come to: see ``nodes``, which has the others.

Those without an event that counts are in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from headcount_server.core.plan.event_nodes import Source, Span
from headcount_server.core.rules.tree import Edge, Function
from headcount_server.core.texts import OneOf


@dataclass(frozen=True, slots=True)
class Ratios:
    """Fractions from ``low`` to ``high``; an end that is open is not included itself."""

    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True, slots=True)
class Total:
    """``low <= function(property) <= high`` over the events in the span that have the property.

    Sums, least and greatest values are in integers of the measure's scale and beyond 64 bits where
    they must. Of SUM and COUNT_DISTINCT, which are 0 over no event, the range never holds 0. AVG is
    an ``Average``.
    """

    source: Source
    property: str
    function: Function
    span: Span
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Average:
    """The mean of a measure, in units of its scale, lies in ``range``; false without a value."""

    source: Source
    measure: str
    span: Span
    range: Ratios


@dataclass(frozen=True, slots=True)
class Favourite:
    """A spelling of one of the values that most events have passes; ties are all favourites."""

    source: Source
    dimension: str
    span: Span
    test: OneOf


@dataclass(frozen=True, slots=True)
class Rate:
    """Events of one source over those of another lie in ``range``; false over none."""

    numerator: Source
    denominator: Source
    span: Span
    range: Ratios


@dataclass(frozen=True, slots=True)
class Stars:
    """For the distinct values of ``dimension`` of the sent events in ``span``: how many are opened,
    plus how many are clicked, over how many there are, lies in ``range``; false over none.

    Opens and clicks count where they lie in ``answered``.
    """

    sent: Source
    open: Source
    click: Source
    dimension: str
    span: Span
    answered: Span
    range: Ratios


@dataclass(frozen=True, slots=True)
class EdgePasses:
    """The first or last event of all sources in the span also passes, for its event type's sake,
    one of ``passing``. At equal times the one written first, or last, decides.
    """

    edge: Edge
    sources: tuple[Source, ...]
    span: Span
    passing: tuple[Source, ...]


Aggregated = Total | Average | Favourite | Rate | Stars | EdgePasses
