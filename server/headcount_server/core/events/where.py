"""Which events of a chunk pass a ``where``: one mask over the columns, all tests on the same event.

Truth is two-valued: a test on a property that an event lacks is false, and ``WhereNot`` turns each
event's answer around.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, assert_never

import numpy as np

from headcount_server.core.events.columns import Mask, Measure, Unsigned
from headcount_server.core.events.spellings import Spellings
from headcount_server.core.plan.event_nodes import (
    DimensionMatch,
    MeasureIn,
    MeasureRange,
    PropertyIsSet,
    Where,
    WhereAnd,
    WhereAtLeast,
    WhereNot,
    WhereOr,
)
from headcount_server.core.texts import TextTest


class Columns(Protocol):
    """The columns of some events; a ``Chunk`` is such."""

    @property
    def codes(self) -> Mapping[str, Unsigned]:
        """Dimension -> codes plus one, 0 where missing."""
        ...

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Measure -> its values."""
        ...

    def __len__(self) -> int:
        """How many events they are."""
        ...


def names_of(where: Where) -> Iterator[str]:
    """The dimensions and measures that a where looks at, perhaps more than once."""
    match where:
        case WhereNot():
            yield from names_of(where.where)
        case WhereAnd() | WhereOr() | WhereAtLeast():
            for part in where.wheres:
                yield from names_of(part)
        case PropertyIsSet():
            yield where.property
        case DimensionMatch():
            yield where.dimension
        case MeasureRange() | MeasureIn():
            yield where.measure
        case _:
            assert_never(where)


def passing(where: Where, chunk: Columns, spellings: Mapping[str, Spellings]) -> Mask:
    """Which events pass, as a new array. O(events × tests).

    Args:
        where: names dimensions and measures of the chunk alone.
        spellings: of each dimension.
    """
    match where:
        case WhereNot():
            return ~passing(where.where, chunk, spellings)
        case WhereAnd():
            return _all(where, chunk, spellings)
        case WhereOr():
            mask = np.zeros(len(chunk), dtype=np.bool_)
            for part in where.wheres:
                mask |= passing(part, chunk, spellings)
            return mask
        case WhereAtLeast():
            number = np.zeros(len(chunk), dtype=np.int32)
            for part in where.wheres:
                number += passing(part, chunk, spellings)
            return number >= where.count
        case PropertyIsSet():
            codes = chunk.codes.get(where.property)
            return chunk.measures[where.property].has() if codes is None else codes != 0
        case DimensionMatch():
            return _matching(chunk.codes[where.dimension], spellings[where.dimension], where.test)
        case MeasureRange():
            return chunk.measures[where.measure].within(where.low, where.high)
        case MeasureIn():
            return chunk.measures[where.measure].among(where.values)
        case _:
            assert_never(where)


def _all(where: WhereAnd, chunk: Columns, spellings: Mapping[str, Spellings]) -> Mask:
    mask: Mask | None = None
    for part in where.wheres:
        passed = passing(part, chunk, spellings)
        mask = passed if mask is None else mask & passed
        if not mask.any():
            return mask
    return np.ones(len(chunk), dtype=np.bool_) if mask is None else mask


def _matching(codes: Unsigned, spellings: Spellings, test: TextTest) -> Mask:
    few = spellings.few(test)
    if few is None:
        return spellings.table(test)[codes]
    largest = int(np.iinfo(codes.dtype).max)
    mask = np.zeros(len(codes), dtype=np.bool_)
    for code in few:
        if code <= largest:
            mask |= codes == code
    return mask
