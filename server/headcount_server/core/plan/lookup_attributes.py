"""Evaluates bound tests on attributes and keys that are more than one range or value."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps, civil
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.location import LocationIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.keys import mix
from headcount_server.core.plan.attribute_nodes import (
    AttributeLeaf,
    ChangedIn,
    Drawn,
    Inside,
    Near,
    PairHolds,
    PartIn,
    Ranked,
    Sized,
)
from headcount_server.core.rules.tree import Operator
from headcount_server.core.schema import AttributeType
from headcount_server.core.view import AudienceView

Integers = NDArray[np.int64]

_COMPARE: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: np.equal,
    Operator.LESS: np.less,
    Operator.LESS_OR_EQUAL: np.less_equal,
    Operator.GREATER: np.greater,
    Operator.GREATER_OR_EQUAL: np.greater_equal,
}
_CHUNK = 1 << 18  # keys that are mixed at a time


def look_up_attribute(
    audience: AudienceView, leaf: AttributeLeaf, within: BitMap | None = None
) -> BitMap:
    """The rows of a leaf; not to be modified. ``within`` is as in ``look_up``."""
    if isinstance(leaf, Drawn):
        return _drawn(audience, leaf, within)
    if isinstance(leaf, ChangedIn):
        return audience.changes.between(leaf.attribute, leaf.low, leaf.high)
    if isinstance(leaf, PairHolds):
        return _pair(audience, leaf, within)
    index = audience.index(leaf.attribute)
    if isinstance(leaf, Sized):
        assert isinstance(index, KeywordsIndex)
        return index.with_size(leaf.low, leaf.high)
    if isinstance(leaf, Near | Inside):
        assert isinstance(index, LocationIndex)
        if isinstance(leaf, Near):
            return index.near(leaf.latitude, leaf.longitude, leaf.radius_m)
        return index.inside(leaf.south, leaf.west, leaf.north, leaf.east)
    assert isinstance(index, NumberIndex)
    if isinstance(leaf, Ranked):
        return _ranked(index, leaf)
    assert isinstance(leaf, PartIn)
    held = index.part_rows(leaf.part, audience.calendar)
    return bitmaps.union([held[value] for value in leaf.values])


def _ranked(index: NumberIndex, leaf: Ranked) -> BitMap:
    """Ties of the last place are all in, so it is those up to the value at that place."""
    count = len(index.exists)
    places = ceil(leaf.amount * count / 100) if leaf.percent else min(int(leaf.amount), count)
    if places <= 0:
        return bitmaps.EMPTY
    last = index.nth(places, greatest=not leaf.bottom)
    return index.range(None, last) if leaf.bottom else index.range(last, None)


def _pair(audience: AudienceView, leaf: PairHolds, within: BitMap | None) -> BitMap:
    left, right = audience.index(leaf.attribute), audience.index(leaf.other)
    both = left.exists & right.exists
    rows = bitmaps.to_array(both if within is None else both & within)
    moved = civil.by_day(
        _days(audience, leaf.other, rows), lambda days: civil.add(days, leaf.amount, leaf.unit)
    )
    holds = _COMPARE[leaf.operator](_days(audience, leaf.attribute, rows), moved)
    return bitmaps.from_sorted(rows[holds])


def _days(audience: AudienceView, attribute: str, rows: NDArray[np.uint32]) -> Integers:
    """The calendar days of those rows, all of which have a value."""
    index = audience.index(attribute)
    assert isinstance(index, NumberIndex)
    values = index.values_of_rows(rows)
    if index.schema.type is AttributeType.TIMESTAMP:
        return audience.calendar.days_of(values)
    return values


def _drawn(audience: AudienceView, leaf: Drawn, within: BitMap | None) -> BitMap:
    asked = audience.everyone if within is None else within & audience.everyone
    rows = bitmaps.to_array(asked)
    seed, low, last = np.uint64(leaf.seed), np.uint64(leaf.low), np.uint64(leaf.high - 1)
    found: list[NDArray[np.uint32]] = [rows[:0]]
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        drawn = mix(audience.keys.hashes(some) ^ seed)
        found.append(some[(drawn >= low) & (drawn <= last)])
    return bitmaps.from_sorted(np.concatenate(found))
