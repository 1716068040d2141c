"""The dense bitmaps that Redis is given, each made whole, as SETBIT would leave it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_bench.compare.algebra import (
    Did,
    HasAny,
    OneOf,
    Question,
    SumAtLeast,
    Where,
    asks,
    leaves,
)
from headcount_bench.compare.blocks import LEVEL_BITS, LEVELS
from headcount_bench.compare.dataset import EVENTS, KEYWORDS, TAGS, Dataset

SMALL = ("age",)  # numbers with a cumulative bitmap for each value
SLICED = ("lifetime_spend", "signup_date")
ROUND = frozenset(
    digit * 10**power for power in range(2, 9) for digit in (1, 2, 5)
)  # minor units at which larger numbers have cumulative bitmaps
_MANY = 1_000  # a keyword with more values has bitmaps for those asked for only

Integers = NDArray[np.int64]
Rows = NDArray[Any]


@dataclass(slots=True)
class Kept:
    """What is kept.

    Attributes:
        lanes: of events: name, type and the where.
        counted: lanes whose counts are kept as slices too.
        sums: conditions whose sums are kept as slices.
        asked: values of keywords with many values.
        names: of the bitmaps of events, as they were set.
        bits: of each sliced number how many slices it has.
        ranges: of each small number its least and greatest value.
    """

    lanes: dict[str, tuple[str, Where]] = field(default_factory=dict[str, tuple[str, Where]])
    counted: set[str] = field(default_factory=set[str])
    sums: dict[str, SumAtLeast] = field(default_factory=dict[str, SumAtLeast])
    asked: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])
    bits: dict[str, int] = field(default_factory=dict[str, int])
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


def lanes(event: str, where: Where) -> list[str]:
    """Names of the bitmaps of an event type, for each value that a where allows."""
    if not where.dimensions:
        return [event]
    (one,) = where.dimensions
    return [f"{event}/{one.attribute}={value}" for value in one.values]


def name_of(ask: SumAtLeast) -> str:
    """Name of the slices of a sum."""
    return f"sum/{ask.event}.{ask.measure}/{ask.days.first}-{ask.days.last}/{ask.where}"


def kept(questions: Iterable[Question]) -> Kept:
    """What the questions need: every event type, and the values and counts asked for."""
    found = Kept(lanes={event: (event, Where()) for event in EVENTS})
    for question in questions:
        for ask in asks(question):
            for leaf in leaves(ask):
                if isinstance(leaf, SumAtLeast):
                    found.sums[name_of(leaf)] = leaf
                elif isinstance(leaf, Did) and len(leaf.where.dimensions) < 2:
                    _keep(found, leaf)
                elif isinstance(leaf, OneOf | HasAny):
                    found.asked.update(f"{leaf.attribute}:{value}" for value in leaf.values)
    return found


def load(client: Any, data: Dataset, kept: Kept) -> dict[str, list[str]]:
    """Sets all bitmaps; returns the values of each keyword that have one."""
    bits = _Bits(client, data.subscribers)
    bits.set("everyone", np.arange(data.subscribers))
    client.set("nobody", b"")
    values = _keywords(bits, data, kept)
    for name in SMALL:
        numbers, present = data.integers(data.people, name)
        low, high = int(numbers[present].min()), int(numbers[present].max())
        kept.ranges[name] = (low, high)
        for top in range(low, high + 1):
            bits.set(f"{name}:<={top}", np.flatnonzero(present & (numbers <= top)))
    for name in SLICED:
        numbers, present = data.integers(data.people, name)
        kept.bits[name] = bits.slices(name, np.where(present, numbers, 0))
        bits.set(f"{name}:known", np.flatnonzero(present))
        for top in sorted(ROUND):
            bits.set(f"{name}:<={top}", np.flatnonzero(present & (numbers <= top)))
    for lane, (event, where) in kept.lanes.items():
        _lane(bits, kept, lane, *_chosen(data, event, where))
    for name, ask in kept.sums.items():
        _sum(bits, data, kept, name, ask)
    return values


class _Bits:
    """Sets bitmaps of one width.

    Args:
        client: of the server.
        width: number of subscribers.
    """

    def __init__(self, client: Any, width: int) -> None:
        self.client = client
        self.width = width

    def set(self, name: str, rows: Rows) -> None:
        """The first row in the highest bit of the first byte, as SETBIT has it."""
        bits = np.zeros(self.width, np.uint8)
        bits[rows] = 1
        self.client.set(name, np.packbits(bits).tobytes())

    def slices(self, name: str, numbers: Integers, mark: str = "") -> int:
        """A bitmap for each bit of the numbers; returns how many."""
        many = int(numbers.max(initial=0)).bit_length()
        for bit in range(many):
            self.client.set(
                f"{name}:{mark}{bit}", np.packbits((numbers >> bit & 1).astype(np.uint8)).tobytes()
            )
        return many


def _keep(found: Kept, leaf: Did) -> None:
    for event in leaf.events:
        for place, lane in enumerate(lanes(event, leaf.where)):
            one = tuple(
                OneOf(test.attribute, (test.values[place],)) for test in leaf.where.dimensions
            )
            found.lanes[lane] = (event, Where(one))
            if leaf.times > 1:
                found.counted.add(lane)


def _keywords(bits: _Bits, data: Dataset, kept: Kept) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in KEYWORDS:
        codes, values = data.codes(data.people, name)
        _values(bits, kept, name, np.arange(data.subscribers), codes, values)
        found[name] = values
    owners, codes, values = data.tags()
    _values(bits, kept, TAGS, owners, codes, values)
    bits.set(f"{TAGS}:", owners)
    return found


def _values(bits: _Bits, kept: Kept, name: str, rows: Rows, codes: Rows, values: list[str]) -> None:
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(values) + 1))
    for code, value in enumerate(values):
        key = f"{name}:{value}"
        if len(values) <= _MANY or key in kept.asked:
            bits.set(key, rows[order[ends[code] : ends[code + 1]]])


def _chosen(data: Dataset, event: str, where: Where) -> tuple[Rows, Rows]:
    """Ids and days of the events that pass a where, by day."""
    ids, days = data.ids_and_days(event)
    for one in where.dimensions:
        codes, values = data.codes(data.event(event), one.attribute)
        wanted = [values.index(value) for value in one.values if value in values]
        passing = np.isin(codes, wanted)
        ids, days = ids[passing], days[passing]
    return ids, days


def _lane(bits: _Bits, kept: Kept, lane: str, ids: Rows, days: Rows) -> None:
    for level in range(LEVELS):
        blocks = days >> LEVEL_BITS * level
        starts = np.flatnonzero(np.r_[True, blocks[1:] != blocks[:-1]]) if len(days) else []
        for start, end in pairwise([*starts, len(days)]):
            name = f"{lane}:{level}:{blocks[start]}"
            bits.set(name, ids[start:end])
            kept.names.add(name)
            if lane in kept.counted:
                counts = np.bincount(ids[start:end], minlength=bits.width)
                many = bits.slices(name, counts, "n")
                kept.names.update(f"{name}:n{bit}" for bit in range(many))


def _sum(bits: _Bits, data: Dataset, kept: Kept, name: str, ask: SumAtLeast) -> None:
    if ask.where != Where():
        return
    ids, days = data.ids_and_days(ask.event)
    amounts, _ = data.integers(data.event(ask.event), ask.measure)
    inside = (days >= ask.days.first) & (days <= ask.days.last)
    sums = np.bincount(ids[inside], amounts[inside].astype(np.float64), bits.width)
    kept.bits[name] = bits.slices(name, sums.astype(np.int64))
    bits.set(f"{name}:known", np.arange(bits.width))
