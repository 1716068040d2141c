"""Whether there is a chain of events for the steps of a sequence, exactly and without search.

A chain's events of one moment are steps that follow each other; ``chain_groups.feasible`` tells
which a group's events can be at once, whatever the chain does before and after. So a chain is a
path of groups of one partition, later and later, whose ranges of steps join on. What the range that
begins with step i asks of the group before it is that it is not too early: not farther back than
the step's ``within``, nor before the last foul that lies strictly between. Both bounds grow with
time, so the groups that can come before form a window that ends right before the group. Fouls at
the very moment of a step are the matter of ``feasible``.

For a chain that ends in a group with step j, what came before matters only by the time of its first
step. ``all_within`` favours the latest: a maximum over each window is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headcount_server.core.events.chain_groups import NEVER, Feasible, Places
from headcount_server.core.events.columns import Int64s, Mask


@dataclass(frozen=True, slots=True)
class Links:
    """What may follow what.

    Attributes:
        ranges: (first, last step) -> which groups' events can be these steps at once.
        lows: for each step but the first, the first group that may come right before each group.
    """

    ranges: Feasible
    lows: Sequence[Places]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.lows) + 1


def complete(links: Links, size: int) -> Mask:
    """Which groups can end a chain. O(groups · steps²)."""
    places = np.arange(size)
    ends: list[Mask] = []
    for j in range(links.steps):
        mask = np.zeros(size, dtype=np.bool_)
        for i in range(j + 1):
            fits = links.ranges.get((i, j))
            if fits is None:
                continue
            if i:
                before = np.maximum.accumulate(np.where(ends[i - 1], places, -1))
                fits = fits.copy()
                fits[1:] &= before[:-1] >= links.lows[i - 1][1:]
                fits[:1] = False
            mask |= fits
        ends.append(mask)
    return ends[-1]


def first_steps(links: Links, times: Int64s) -> Int64s:
    """For each group the greatest of ``times`` of the first group of the chains that end there.

    NEVER where none does, and from groups whose time is NEVER none begins. O(groups · steps² ·
    log of the longest window).
    """
    ends: list[Int64s] = []
    for j in range(links.steps):
        greatest = np.full(len(times), NEVER)
        for i in range(j + 1):
            fits = links.ranges.get((i, j))
            if fits is not None:
                begun = times if not i else _before(links, i, ends)
                np.maximum(greatest, begun, out=greatest, where=fits)
        ends.append(greatest)
    return ends[-1]


def can_begin(links: Links, ends: Mask) -> Mask:
    """Which groups can begin a chain that ends in one of ``ends``. O(groups · steps²)."""
    places = np.arange(len(ends))
    begins: list[Mask] = [ends] * (links.steps + 1)
    for i in reversed(range(links.steps)):
        mask = np.zeros(len(ends), dtype=np.bool_)
        for j in range(i, links.steps):
            fits = links.ranges.get((i, j))
            if fits is None:
                continue
            if j == links.steps - 1:
                mask |= fits & ends
                continue
            # The groups that may follow end with the last whose window reaches back to this one.
            high = np.searchsorted(links.lows[j], places, side="right") - 1
            following = np.where(begins[j + 1], places, len(ends))
            following = np.minimum.accumulate(following[::-1])[::-1]
            follows = np.zeros(len(ends), dtype=np.bool_)
            follows[:-1] = following[1:] <= high[:-1]
            mask |= fits & follows
        begins[i] = mask
    return begins[0]


def part_of(links: Links, at: Places, offsets: Places) -> Links:
    """The links among some groups, given in runs of neighbours of one partition each.

    Args:
        at: the groups.
        offsets: for each of them, the place of its run's first one in ``at``.
    """
    ranges = {ends: mask[at] for ends, mask in links.ranges.items()}
    lows = [offsets + np.maximum(low[at] - at[offsets], 0) for low in links.lows]
    return Links(ranges, lows)


def _before(links: Links, i: int, ends: Sequence[Int64s]) -> Int64s:
    return _window_maximum(ends[i - 1], links.lows[i - 1])


def _window_maximum(values: Int64s, lows: Places) -> Int64s:
    """For each place the greatest value from ``lows`` up to the place before it, or NEVER.

    A sparse table, level by level: windows of 2^n to 2^(n+1) - 1 places are covered by two of 2^n.
    """
    places = np.arange(len(values))
    lengths = places - lows
    levels = np.frexp(lengths)[1] - 1
    result = np.full(len(values), NEVER)
    table, span = values.copy(), 1
    for level in range(int(levels.max(initial=-1)) + 1):
        at = np.flatnonzero((levels == level) & (lengths > 0))
        result[at] = np.maximum(table[lows[at]], table[at - span])
        table[:-span] = np.maximum(table[:-span], table[span:])
        span *= 2
    return result
