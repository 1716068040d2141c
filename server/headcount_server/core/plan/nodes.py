"""The bound rule: a small set algebra over index look-ups, with nothing left to decide.

Binding turns a rule tree into these nodes: names are checked, parameters replaced, windows resolved
to days or instants, numbers scaled to integers, negated tests written as ``Not``. A node is an
immutable value: equal nodes denote equal sets for one state of an audience, so a node is its own
canonical form and cache key. Days are days since 1970-01-01 in the audience's zone; instants are
microseconds since 1970-01-01T00:00Z. Ranges include both ends; None is unbounded; a range with
``low > high`` is empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from headcount_server.core.plan.aggregate_nodes import Aggregated
from headcount_server.core.plan.attribute_nodes import AttributeLeaf, Scored
from headcount_server.core.plan.behaviour_nodes import Behaviour
from headcount_server.core.texts import TextTest

# --- sets of subscribers ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class All:
    """Every existing subscriber."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody."""


@dataclass(frozen=True, slots=True)
class Not:
    """Every existing subscriber minus ``node``."""

    node: Node


@dataclass(frozen=True, slots=True)
class And:
    """The intersection; of none: everyone."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """The union; of none: nobody."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Members of at least ``count`` of ``nodes`` (equal nodes count each)."""

    count: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class IsSet:
    """Those with a value of the attribute."""

    attribute: str


@dataclass(frozen=True, slots=True)
class TextMatch:
    """The value passes: of keywords some value, of ``key`` the key's text."""

    attribute: str
    test: TextTest


@dataclass(frozen=True, slots=True)
class IsTrue:
    """A boolean attribute that is ``value``."""

    attribute: str
    value: bool


@dataclass(frozen=True, slots=True)
class NumberRange:
    """``low <= value <= high``: scaled integers, days of a date, or microseconds of a timestamp."""

    attribute: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class NumberIn:
    """The value is one of ``values`` (ascending, unique, scaled as in NumberRange)."""

    attribute: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyIn:
    """Subscribers of these keys; unknown ones are ignored."""

    keys: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InSegment:
    """Those whom a segment's rule denotes, as bound beside the node (``Binder.bound_segments``).

    Segments may use each other many times over; as leaves they are evaluated once each, and no
    rule grows beyond its own nodes.
    """

    segment: str


@dataclass(frozen=True, slots=True)
class SegmentMembers:
    """The members of a frozen segment."""

    segment: str


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

Leaf = (
    All | Nothing | IsSet | TextMatch | IsTrue | NumberRange | NumberIn | KeyIn | InSegment
    | SegmentMembers | DidAtLeast | Behaviour
    | Aggregated | AttributeLeaf
)  # fmt: skip
Node = Leaf | Not | And | Or | AtLeast | Scored
