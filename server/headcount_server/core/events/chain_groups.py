"""The events that can be steps of a sequence, in groups of one moment.

A *partition* is what one chain is made of: a subscriber's events or, where the steps must agree on
a dimension, those with one of its values. A *group* is a partition's events of one time. Groups are
in the order of (row, value, time), so that those of a partition stand together in time's order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.events.columns import Int64s, Mask, Rows
from headcount_server.core.events.sorting import event_order
from headcount_server.core.ragged import ragged_index

Places = NDArray[np.intp]
Bits = NDArray[np.uint16]
Feasible = dict[tuple[int, int], Mask]

NEVER = np.int64(np.iinfo(np.int64).min)  # before every time
FOREVER = np.int64(np.iinfo(np.int64).max)  # after every time


@dataclass(frozen=True, slots=True)
class Marked:
    """Events of some subscribers, each once, in any order.

    Attributes:
        values: number of what they must agree on, 0 where they need not or have none.
        steps: bit i where the event can be step i.
        fouls: bit i where it must not lie between the steps i - 1 and i unless it is one of the
            chain's, or, for the bit after the last step's, must not come after the last step.
    """

    rows: Rows
    times: Int64s
    values: Int64s
    steps: Bits
    fouls: Bits

    def take(self, at: Places | Mask) -> Marked:
        """The events at some places."""
        return Marked(
            self.rows[at], self.times[at], self.values[at], self.steps[at], self.fouls[at]
        )


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of events; see the module.

    Attributes:
        events: of all groups, in their order.
        starts: where each group begins among them.
        rows, times: of each group.
        firsts: the first group of each group's partition.
    """

    events: Marked
    starts: Places
    rows: Rows
    times: Int64s
    firsts: Places

    def __len__(self) -> int:
        return len(self.starts)

    def sizes(self) -> Places:
        """How many events each has."""
        return np.diff(self.starts, append=len(self.events.rows))

    def owners(self, events: Places) -> Places:
        """The group of each of some events."""
        return np.searchsorted(self.starts, events, side="right") - 1

    def count(self, mask: Mask) -> Int64s:
        """How many of each one's events are in a mask over all events."""
        return np.add.reduceat(mask.astype(np.int64), self.starts)


def group(events: Marked, by_value: bool) -> Groups:
    """The groups of one event or more. O(n), by value O(n log n)."""
    if by_value:
        order = np.lexsort((events.times, events.values, events.rows))
    else:
        order = event_order(events.rows, events.times)
    events = events.take(order)
    rows, times, values = events.rows, events.times, events.values
    other = np.ones(len(rows), dtype=np.bool_)
    other[1:] = (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])
    fresh = other.copy()
    fresh[1:] |= times[1:] != times[:-1]
    starts = np.flatnonzero(fresh)
    first = np.flatnonzero(other[starts])
    firsts = np.repeat(first, np.diff(first, append=len(starts)))
    return Groups(events, starts, rows[starts], times[starts], firsts)


def lower_bound(times: Int64s, low: Places, high: Places, targets: Int64s) -> Places:
    """The first place of ``low`` to ``high`` (excluded) with a time from the target on, or high.

    O(log of the longest range) passes over the ranges still open.

    Args:
        times: ascending within every range.
    """
    result = low.copy()
    at = np.flatnonzero(low < high)
    low, high, targets = low[at], high[at], targets[at]
    while len(at):
        middle = (low + high) >> 1
        less = times[middle] < targets
        low, high = np.where(less, middle + 1, low), np.where(less, high, middle)
        is_open = low < high
        result[at] = low
        at, low, high, targets = at[is_open], low[is_open], high[is_open], targets[is_open]
    return result


def feasible(groups: Groups, steps: int, kinds: int, dead: Bits) -> Feasible:
    """Which steps each group's events can be at once: (first, last step) -> mask over the groups.

    The steps i to j can be taken at one moment where different events of the group can be assigned
    to them, such that every foul of that moment which lies between two of the chain's steps is
    itself a step. Which fouls do follows from i and j alone: those of the kinds max(i, 1) to j + 1.

    By Hall's theorem different events for all steps exist where any set of steps T has |T| events
    that can be one of them. A foul is a step where, in the same way, at most |T| of the fouls can
    be nothing but the steps T. Where the steps can be assigned and the fouls can be, both can be at
    once (Mendelsohn & Dulmage, "Some generalizations of the problem of distinct representatives").

    O(2^steps · events of groups of several, or with fouls).

    Args:
        groups: one or more.
        steps: how many there are.
        kinds: bits of the kinds of fouls there are.
        dead: for each group the kinds of which there is a foul at its moment that is no step.
    """
    any_step = np.bitwise_or.reduceat(groups.events.steps, groups.starts)
    found: Feasible = {(i, i): (any_step >> i) & 1 == 1 for i in range(steps)}
    many = np.flatnonzero(groups.sizes() > 1)
    if len(many):
        sizes = groups.sizes()[many]
        at = ragged_index(groups.starts[many], sizes)
        _assignable(found, groups.events.steps[at], np.cumsum(sizes) - sizes, many, steps)
    for (i, j), mask in found.items():
        active = _active(i, j, kinds)
        if active:
            np.logical_and(mask, dead & active == 0, out=mask)
            _only_steps(mask, groups, i, j, active)
    return {ends: mask for ends, mask in found.items() if mask.any()}


def _active(i: int, j: int, kinds: int) -> int:
    return kinds & ((1 << j + 2) - 1) & ~((1 << max(i, 1)) - 1)


def _assignable(found: Feasible, bits: Bits, starts: Places, many: Places, steps: int) -> None:
    """Adds the ranges of two steps and more to ``found``, of whose groups ``many`` are given."""
    short: Feasible = {}
    for chosen in range(1, 1 << steps):
        low, high = (chosen & -chosen).bit_length() - 1, chosen.bit_length() - 1
        counts = np.add.reduceat((bits & chosen != 0).astype(np.int64), starts)
        lacks = counts < chosen.bit_count()
        short[low, high] = short[low, high] | lacks if (low, high) in short else lacks
    length = len(found[0, 0])
    for distance in range(1, steps):
        for i in range(steps - distance):
            j = i + distance
            short[i, j] = short[i, j] | short[i + 1, j] | short[i, j - 1]
            mask = np.zeros(length, dtype=np.bool_)
            mask[many] = ~short[i, j]
            found[i, j] = mask


def _only_steps(mask: Mask, groups: Groups, i: int, j: int, active: int) -> None:
    """Clears the groups whose fouls can't all be steps ``i`` to ``j``."""
    events = groups.events
    fouls = np.flatnonzero((events.fouls & active != 0) & (events.steps != 0))
    if not len(fouls):
        return
    owners = groups.owners(fouls)
    fouls, owners = fouls[mask[owners]], owners[mask[owners]]
    some, owners = np.unique(owners, return_inverse=True)
    range_bits = (1 << j + 1) - (1 << i)
    bits = events.steps[fouls] & range_bits
    good = np.ones(len(some), dtype=np.bool_)
    chosen = range_bits
    while True:
        inside = bits & (range_bits & ~chosen) == 0
        good &= np.bincount(owners[inside], minlength=len(some)) <= chosen.bit_count()
        if not chosen:
            break
        chosen = (chosen - 1) & range_bits
    mask[some[~good]] = False
