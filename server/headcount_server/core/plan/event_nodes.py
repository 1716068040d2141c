"""Nodes about events: which of them count (spans, sources, wheres), and the plainest rule on them.

Days are days since 1970-01-01 in the audience's zone; instants are microseconds since
1970-01-01T00:00Z. Ranges include both ends; None is unbounded; one with ``low > high`` is empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from headcount_server.core.texts import TextTest

# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Days:
    """Events whose calendar day in the audience's zone lies in the range, and not after ``until``.

    ``until`` is the question's ``now`` in microseconds (included). It is None where ``high`` is a
    day that ends before ``now``, so that the same past days give the same value at any ``now``.
    """

    low: int | None
    high: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Instants:
    """Events whose time lies in the range, both ends included; ``high`` is never after ``now``."""

    low: int | None
    high: int


Span = Days | Instants


@dataclass(frozen=True, slots=True)
class DidAtLeast:
    """At least ``count`` (1 or more) events, or days with an event, in the span.

    ``sources`` are the event types, without duplicates, each with its where bound to that type.
    """

    sources: tuple[Source, ...]
    span: Span
    count: int
    on_days: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The events of one type that pass ``where``."""

    event: str
    where: Where | None = None


# --- wheres: sets of events ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WhereNot:
    """Events that don't pass."""

    where: Where


@dataclass(frozen=True, slots=True)
class WhereAnd:
    """Events that pass all; of none: every event."""

    wheres: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class WhereOr:
    """Events that pass one; of none: no event."""

    wheres: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class WhereAtLeast:
    """Events that pass at least ``count``."""

    count: int
    wheres: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class PropertyIsSet:
    """Events that have the dimension or measure."""

    property: str


@dataclass(frozen=True, slots=True)
class DimensionMatch:
    """Events whose dimension passes; false without one."""

    dimension: str
    test: TextTest


@dataclass(frozen=True, slots=True)
class MeasureRange:
    """``low <= measure <= high`` in integers of the measure's scale; false without a value."""

    measure: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class MeasureIn:
    """The measure is one of ``values`` (ascending, unique, scaled)."""

    measure: str
    values: tuple[int, ...]


Where = (
    WhereNot | WhereAnd | WhereOr | WhereAtLeast | PropertyIsSet | DimensionMatch | MeasureRange
    | MeasureIn
)  # fmt: skip
