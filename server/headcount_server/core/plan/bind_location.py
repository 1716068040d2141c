"""Tests on a location as nodes."""

from __future__ import annotations

from fractions import Fraction
from math import pi

from headcount_server.core.attributes.grid import EARTH_RADIUS_M
from headcount_server.core.faults import Faults
from headcount_server.core.plan import nodes
from headcount_server.core.plan.attribute_nodes import Inside, Near
from headcount_server.core.plan.bind_checks import check_number, refuse_range
from headcount_server.core.plan.scope import Scope, subject_of
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import LengthUnit
from headcount_server.core.schema import AttributeSchema

_METRES = {
    LengthUnit.KM: Fraction(1000),
    LengthUnit.M: Fraction(1),
    LengthUnit.MI: Fraction(1_609_344, 1000),
}
_NAMES = {LengthUnit.KM: "km", LengthUnit.M: "m", LengthUnit.MI: "mi"}
_HALF_THE_GLOBE_M = pi * EARTH_RADIUS_M
_LATITUDE, _LONGITUDE = ("a latitude", -90, 90), ("a longitude", -180, 180)
_TINY = -30  # a radius below 10^-30 is that of a point


def bind_near(
    scope: Scope, attribute: AttributeSchema, test: tree.Near, place: str, span: tree.Span | None
) -> nodes.Node:
    """``within … of``. ``place`` ends with the test's variant.

    Raises:
        InvalidRule: a radius that is not above 0 or beyond half the globe, a latitude or longitude
            out of range.
    """
    faults = Faults()
    radius = latitude = longitude = 0.0
    with faults.collecting():
        radius = _radius_m(scope, attribute, test, f"{place}.radius", span)
    with faults.collecting():
        latitude = _degrees(scope, attribute, test.latitude, f"{place}.latitude", span, _LATITUDE)
    with faults.collecting():
        longitude = _degrees(
            scope, attribute, test.longitude, f"{place}.longitude", span, _LONGITUDE
        )
    faults.check()
    return Near(attribute.name, latitude, longitude, radius)


def bind_box(
    scope: Scope, attribute: AttributeSchema, test: tree.InBox, place: str, span: tree.Span | None
) -> nodes.Node:
    """``in box``. ``place`` ends with the test's variant.

    Raises:
        InvalidRule: a latitude or longitude out of range.
    """
    faults = Faults()
    edges: list[float] = []
    for name, value, bounds in (
        ("south", test.south, _LATITUDE),
        ("west", test.west, _LONGITUDE),
        ("north", test.north, _LATITUDE),
        ("east", test.east, _LONGITUDE),
    ):
        with faults.collecting():
            edges.append(_degrees(scope, attribute, value, f"{place}.{name}", span, bounds))
    faults.check()
    south, west, north, east = edges
    if south > north:
        return nodes.Nothing()
    return Inside(attribute.name, south, west, north, east)


def _radius_m(
    scope: Scope, attribute: AttributeSchema, test: tree.Near, place: str, span: tree.Span | None
) -> float:
    number = scope.values.number(test.radius, subject_of(attribute), place, span)
    half = _HALF_THE_GLOBE_M / float(_METRES[test.unit])
    if not 0 < number <= half:
        right = f"above 0 and at most {half:.1f} {_NAMES[test.unit]}, half the globe"
        refuse_range(scope.values.one(test.radius, place, span), place, span, "a radius", right)
    return float(Fraction(number) * _METRES[test.unit]) if number.adjusted() > _TINY else 0.0


def _degrees(
    scope: Scope,
    attribute: AttributeSchema,
    value: tree.Value,
    place: str,
    span: tree.Span | None,
    bounds: tuple[str, int, int],
) -> float:
    what, low, high = bounds
    return float(check_number(scope, value, subject_of(attribute), place, span, what, low, high))
