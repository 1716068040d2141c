"""Columns of events: plain arrays while they are written, packed ones once they rest.

Invariants: arrays are never changed after they are put into one of these values. A dimension's
code in a column is one more than its code among the store's spellings; 0 is an event without the
dimension. All columns of one value have the same length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Unsigned = NDArray[np.unsignedinteger[Any]]
Rows = NDArray[np.uint32]
Int64s = NDArray[np.int64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp] | slice | Mask

TIME_UNITS = (1_000_000, 1_000, 1)  # microseconds: most times are whole seconds or milliseconds
_WRAP = 2**64
_PROBE = 64  # values that are looked at before all of them are


@dataclass(frozen=True, slots=True)
class Packed:
    """64-bit integers as ``base + unit * data``, modulo 2^64, in the narrowest type that fits."""

    base: int
    unit: int
    data: Unsigned

    def unpack(self, at: Index = slice(None)) -> Int64s:
        """The integers at some places. O(places)."""
        values = self.data[at].astype(np.uint64)
        if self.unit != 1:
            values *= np.uint64(self.unit)
        values += np.uint64(self.base % _WRAP)
        return values.view(np.int64)

    def take(self, at: Index) -> Packed:
        """The integers at some places, as they are packed. O(places)."""
        return Packed(self.base, self.unit, self.data[at])


def pack(values: Int64s, units: Sequence[int] = (1,)) -> Packed:
    """The packed form of integers, with the first unit that divides all their distances. O(n).

    Args:
        values: in any order.
        units: descending; the last one is 1.
    """
    if not len(values):
        return Packed(0, 1, np.zeros(0, dtype=np.uint8))
    low, high = int(values.min()), int(values.max())
    offsets = values.astype(np.int64, copy=False).view(np.uint64) - np.uint64(low % _WRAP)
    unit = next(unit for unit in units if _divides(unit, offsets))
    if unit != 1:
        offsets = offsets // np.uint64(unit)
    return Packed(low, unit, narrow(offsets, (high - low) // unit))


def narrow(values: Unsigned, largest: int) -> Unsigned:
    """The values in the narrowest unsigned type that holds ``largest``; a copy. O(n)."""
    return values.astype(np.min_scalar_type(largest))


def _divides(unit: int, offsets: NDArray[np.uint64]) -> bool:
    if unit == 1:
        return True
    divisor = np.uint64(unit)
    return not (offsets[:_PROBE] % divisor).any() and not (offsets % divisor).any()


@dataclass(frozen=True, slots=True)
class Measure:
    """A packed measure; ``present`` is None where all have it. Missing ones hold the base."""

    values: Packed
    present: Mask | None

    def take(self, at: Index) -> Measure:
        """The measure of the events at some places, as it is packed. O(places)."""
        return Measure(self.values.take(at), None if self.present is None else self.present[at])

    def has(self) -> Mask:
        """Which events have the measure, in a new array."""
        if self.present is None:
            return np.ones(len(self.values.data), dtype=np.bool_)
        return self.present.copy()

    def within(self, low: int | None, high: int | None) -> Mask:
        """Which events have it from ``low`` to ``high``, both included; None is unbounded. O(n)."""
        base, data = self.values.base, self.values.data
        least = 0 if low is None else max(low - base, 0)
        largest = int(np.iinfo(data.dtype).max)
        most = largest if high is None else min(high - base, largest)
        if least > most:
            return np.zeros(len(data), dtype=np.bool_)
        mask = self.has()
        if least > 0:
            mask &= data >= least
        if most < largest:
            mask &= data <= most
        return mask

    def among(self, values: Sequence[int]) -> Mask:
        """Which events have it as one of ``values``. O(n log values)."""
        base, data = self.values.base, self.values.data
        largest = int(np.iinfo(data.dtype).max)
        wanted = [value - base for value in values if 0 <= value - base <= largest]
        if not wanted:
            return np.zeros(len(data), dtype=np.bool_)
        return self.has() & np.isin(data, np.array(wanted, dtype=data.dtype))


def pack_measure(values: Int64s, present: Mask | None) -> Measure:
    """The packed form of a measure; what stands at missing places is not looked at. O(n)."""
    if present is None or bool(present.all()):
        return Measure(pack(values), None)
    present = present if present.base is None else present.copy()
    some = values[present]
    if not len(some):
        return Measure(Packed(0, 1, np.zeros(len(values), dtype=np.uint8)), present)
    return Measure(pack(np.where(present, values, some.min())), present)


@dataclass(frozen=True, slots=True)
class Events:
    """Plain columns of events.

    Attributes:
        rows: the subscriber of each.
        times: microseconds.
        orders: places in the write order, which decides between events of equal time.
        codes: dimension -> codes plus one, 0 where missing.
        measures: measure -> scaled integers, and which are present (None: all).
    """

    rows: Rows
    times: Int64s
    orders: Int64s
    codes: dict[str, Unsigned]
    measures: dict[str, tuple[Int64s, Mask | None]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: Index) -> Events:
        """The events at some places, in that order. O(places)."""
        return Events(
            self.rows[at],
            self.times[at],
            self.orders[at],
            {name: codes[at] for name, codes in self.codes.items()},
            {
                name: (values[at], None if present is None else present[at])
                for name, (values, present) in self.measures.items()
            },
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays: list[NDArray[Any]] = [self.rows, self.times, self.orders, *self.codes.values()]
        for values, present in self.measures.values():
            arrays.append(values)
            if present is not None:
                arrays.append(present)
        return sum(array.nbytes for array in arrays)


def concatenate(parts: Sequence[Events]) -> Events:
    """All events of ``parts``, of which there is one or more, in their order. O(n)."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return Events(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.orders for part in parts]),
        {name: np.concatenate([part.codes[name] for part in parts]) for name in first.codes},
        {name: _joined([part.measures[name] for part in parts]) for name in first.measures},
    )


def _joined(parts: Sequence[tuple[Int64s, Mask | None]]) -> tuple[Int64s, Mask | None]:
    values = np.concatenate([values for values, _ in parts])
    if all(present is None for _, present in parts):
        return values, None
    masks = [np.ones(len(v), dtype=np.bool_) if mask is None else mask for v, mask in parts]
    return values, np.concatenate(masks)
