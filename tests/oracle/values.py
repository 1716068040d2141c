"""Tests on single values: text, keyword sets, numbers, places. None stands for a missing value."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import re2  # pyright: ignore[reportMissingTypeStubs]
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Operator, Quantifier, State

from .time import whole

EARTH_RADIUS_M = 6_371_008.8
METRES = {tree.LengthUnit.KM: 1_000.0, tree.LengthUnit.M: 1.0, tree.LengthUnit.MI: 1_609.344}
Parameters = dict[str, "tree.Value | tuple[tree.Value, ...]"]


def bound(part: Any, parameters: Parameters) -> Any:
    """The same part of a rule tree with every parameter replaced by its value."""
    if isinstance(part, tree.Parameter):
        value = parameters[part.parameter]
        if part.exactly and isinstance(value, tree.Text):
            return replace(value, exactly=True)
        return value
    if isinstance(part, tree.ValueList) and part.parameter:
        return tree.ValueList(tuple(parameters[part.parameter]))  # pyright: ignore
    if isinstance(part, tuple):
        return tuple(bound(p, parameters) for p in part)  # pyright: ignore
    if is_dataclass(part) and not isinstance(part, type):
        return replace(
            part, **{f.name: bound(getattr(part, f.name), parameters) for f in fields(part)}
        )
    return part


def order(operator: Operator, left: Any, right: Any) -> bool:
    """``left operator right``; a missing left is unequal to everything and nothing else."""
    if operator is Operator.NOT_EQUAL:
        return left is None or left != right
    if left is None:
        return False
    return {
        Operator.EQUAL: left == right,
        Operator.LESS: left < right,
        Operator.LESS_OR_EQUAL: left <= right,
        Operator.GREATER: left > right,
        Operator.GREATER_OR_EQUAL: left >= right,
    }[operator]


def number(value: tree.Value) -> Fraction:
    """A number literal, exactly."""
    assert isinstance(value, tree.Number)
    return Fraction(value.number)


def number_holds(
    test: tree.Test | tree.NumberTest, stored: int | Decimal | Fraction | None
) -> bool:
    """A test on a number."""
    value = None if stored is None else Fraction(stored)
    match test:
        case tree.Compare(operator, literal):
            return order(operator, value, number(literal))
        case tree.Between(low, high) | tree.InWindow(tree.Between(low, high)):
            return value is not None and number(low) <= value <= number(high)
        case tree.In(values, negated):
            return any(value == number(literal) for literal in values.values) != negated
        case tree.Is(state):
            return (value is not None) == (state is State.SET)
        case _:
            raise AssertionError(f"{test} is no test on a number")


def spelt(literal: tree.Value, value: str) -> tuple[str, str]:
    """Literal and value as they are compared: folded, unless the literal says exactly."""
    assert isinstance(literal, tree.Text)
    if literal.exactly:
        return literal.text, value
    return literal.text.casefold(), value.casefold()


def same(literal: tree.Value, value: str) -> bool:
    """Whether a literal names this value."""
    left, right = spelt(literal, value)
    return left == right


def text_holds(test: tree.Test, value: str | None) -> bool:
    """A keyword or text test."""
    match test:
        case tree.Compare(Operator.NOT_EQUAL, literal):
            return value is None or not same(literal, value)
        case tree.In(_, True) | tree.Contains(_, True) | tree.ContainsAny(_, True):
            return not text_holds(replace(test, negated=False), value)
        case tree.Is(state):
            return (value is not None) == (state is State.SET)
        case tree.Domain(of_domain):
            has_domain = value is not None and "@" in value
            return text_holds(of_domain, value.rsplit("@", 1)[1] if value and has_domain else None)
        case _:
            return value is not None and _positive(test, value)


def _positive(test: tree.Test, value: str) -> bool:
    match test:
        case tree.Compare(Operator.EQUAL, literal):
            return same(literal, value)
        case tree.In(values):
            return any(same(literal, value) for literal in values.values)
        case tree.Contains(literal):
            part, text = spelt(literal, value)
            return part in text
        case tree.ContainsAny(values):
            return any(_positive(tree.Contains(literal), value) for literal in values.values)
        case tree.StartsWith(literal):
            part, text = spelt(literal, value)
            return text.startswith(part)
        case tree.EndsWith(literal):
            part, text = spelt(literal, value)
            return text.endswith(part)
        case tree.Like(literal):
            return like(*spelt(literal, value))
        case tree.Matches(pattern, exactly):
            return re2.search(pattern if exactly else f"(?i){pattern}", value) is not None
        case _:
            raise AssertionError(f"{test} is no test on text")


def like(pattern: str, value: str) -> bool:
    """Whether the whole value fits: ``*`` any run, ``?`` one character, escaped themselves."""
    if not pattern:
        return not value
    if pattern[:2] in ("\\*", "\\?"):
        return value[:1] == pattern[1] and like(pattern[2:], value[1:])
    if pattern[0] == "*":
        return any(like(pattern[1:], value[i:]) for i in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and like(pattern[1:], value[1:])


def keywords_holds(test: tree.Test, values: Collection[str] | None) -> bool:
    """A test on a set of keywords; an empty set is missing."""
    if isinstance(test, tree.Is):
        return bool(values) == (test.state is State.SET)
    if not values:
        return isinstance(test, tree.Size) and number_holds(test.test, None)
    match test:
        case tree.Has(literal):
            return any(same(literal, v) for v in values)
        case tree.HasOf(quantifier, listed, count):
            held = {
                _folded(literal): any(
                    same(alike, v)
                    for alike in listed.values
                    if _folded(alike) == _folded(literal)
                    for v in values
                )
                for literal in listed.values
            }
            each = (any(same(literal, v) for v in values) for literal in listed.values)
            if quantifier is Quantifier.AT_LEAST:
                return sum(held.values()) >= whole(count)
            if quantifier is Quantifier.ALL:
                return all(each)
            return any(each) == (quantifier is Quantifier.ANY)
        case tree.HasPrefix(literal):
            return any(_positive(tree.StartsWith(literal), v) for v in values)
        case tree.Size(of_size):
            return number_holds(of_size, len({v.casefold() for v in values}))
        case _:
            raise AssertionError(f"{test} is no test on keywords")


def _folded(literal: tree.Value) -> str:
    assert isinstance(literal, tree.Text)
    return literal.text.casefold()


def place_holds(test: tree.Test, place: tuple[float, float] | None) -> bool:
    """A test on a latitude and longitude in degrees."""
    if isinstance(test, tree.Is):
        return (place is not None) == (test.state is State.SET)
    if place is None:
        return False
    latitude, longitude = place
    match test:
        case tree.Near():
            limit = float(number(test.radius)) * METRES[test.unit]
            centre = float(number(test.latitude)), float(number(test.longitude))
            return distance_m(latitude, longitude, *centre) <= limit
        case tree.InBox():
            south, west, north, east = (
                float(number(edge)) for edge in (test.south, test.west, test.north, test.east)
            )
            across = west <= longitude or longitude <= east
            straight = west <= longitude <= east
            return south <= latitude <= north and (across if west > east else straight)
        case _:
            raise AssertionError(f"{test} is no test on a place")


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in metres on the sphere (haversine)."""
    a, b = math.radians(lat1), math.radians(lat2)
    across, up = math.radians(lon2 - lon1) / 2, (b - a) / 2
    h = math.sin(up) ** 2 + math.cos(a) * math.cos(b) * math.sin(across) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))
