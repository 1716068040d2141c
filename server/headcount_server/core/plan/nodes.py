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
from headcount_server.core.plan.attribute_nodes import AttributeLeaf
from headcount_server.core.plan.behaviour_nodes import Behaviour
from headcount_server.core.plan.event_nodes import DidAtLeast
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
class Scored:
    """The weights (any integers) of the nodes that hold add up to ``low`` to ``high``."""

    weights: tuple[int, ...]
    nodes: tuple[Node, ...]
    low: int | None
    high: int | None


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


Leaf = (
    All | Nothing | IsSet | TextMatch | IsTrue | NumberRange | NumberIn | KeyIn | InSegment
    | SegmentMembers | DidAtLeast | Behaviour
    | Aggregated | AttributeLeaf
)  # fmt: skip
Node = Leaf | Not | And | Or | AtLeast | Scored
