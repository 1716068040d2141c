"""Bound tests on attributes, keys and sums of rules: see ``nodes``, which has the others."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from headcount_server.core.attributes.parts import Part
from headcount_server.core.rules.tree import Operator, Unit


@dataclass(frozen=True, slots=True)
class Sized:
    """Those who hold ``low`` to ``high`` keywords; spellings that fold alike are one."""

    attribute: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """Those with one of the highest (or lowest) values of all who have one, ties included.

    ``amount`` is how many places there are (a whole number), or what percentage, rounded up.
    """

    attribute: str
    bottom: bool
    amount: Fraction
    percent: bool


@dataclass(frozen=True, slots=True)
class PartIn:
    """Those of whose date, or timestamp in the audience's zone, a part is one of ``values``.

    ``values`` are ascending and unique, numbered as ``part`` says.
    """

    attribute: str
    part: Part
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairHolds:
    """The day of ``attribute`` compared with the day ``amount`` units after that of ``other``.

    The operator is not NOT_EQUAL, the unit one of days to years; false where either is missing.
    """

    attribute: str
    operator: Operator
    other: str
    amount: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Near:
    """Those at most ``radius_m`` metres (on the great circle) from a point in degrees."""

    attribute: str
    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Inside:
    """Those in a box of degrees, edges included; across the antimeridian where west > east."""

    attribute: str
    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class ChangedIn:
    """Those whose value changed on a day from ``low`` to ``high``."""

    attribute: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """``low <= mix(K(key) xor seed) < high``; ``seed`` is K of the seed's text."""

    seed: int
    low: int
    high: int


AttributeLeaf = Sized | Ranked | PartIn | PairHolds | Near | Inside | ChangedIn | Drawn
