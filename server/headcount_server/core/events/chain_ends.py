"""Which chains end well: what must not come after the last step, and from first to last in time.

``then not`` alone asks of the last step only. With ``all_within`` the time in which nothing may
come runs from the first step: a chain from ``first`` to ``last`` holds where ``last <= first + A``
and the next foul after ``last`` comes after ``first + A`` (or after the last step's own
``within``). So the first step must lie in ``last - A`` up to, but not including, ``next - A``:
neither the latest nor the earliest is always right. Last steps with the same next foul have the
same upper bound; under one bound the latest first step is right, and only groups from ``A`` before
the earliest of these last steps matter. Such a *stretch* is decided like any sequence.

Which stretches are worth it is told by bounds: the earliest and the latest first step of each last
one, and which groups can begin a chain at all. Where no group has fouls among its steps, chains
that cross can be swapped, so that these bounds are exact, and one stretch settles a subscriber.
"""

from __future__ import annotations

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.chain_groups import NEVER, Fouls, Groups, Places, lower_bound
from headcount_server.core.events.chains import (
    Links,
    can_begin,
    complete,
    first_steps,
    part_of,
)
from headcount_server.core.events.columns import Int64s, Mask
from headcount_server.core.plan.behaviour_nodes import Sequence
from headcount_server.core.ragged import ragged_index

_FOREVER = np.int64(np.iinfo(np.int64).max)  # the time of a foul that never comes


def rows_with_chain(node: Sequence, groups: Groups, links: Links, after: Fouls | None) -> BitMap:
    """The subscribers of the groups with a chain that ends well.

    Args:
        after: the fouls after the last step, if there must be none.
    """
    limit = node.all_within
    if limit is None:
        good = complete(links, len(groups))
        if after is not None:
            good &= _is_free(node, groups, _next_times(after))
        return bitmaps.from_rows(groups.rows[good])
    latest = first_steps(links, groups.times)
    good = (latest != NEVER) & (groups.times - np.where(latest == NEVER, 0, latest) <= limit)
    if after is None:
        return bitmaps.from_rows(groups.rows[good])
    nexts = _next_times(after)
    bounds = np.where(nexts == _FOREVER, _FOREVER, nexts - 1 - limit)
    sure = good & (_is_free(node, groups, nexts) | (latest <= bounds))
    found = bitmaps.from_rows(groups.rows[sure])
    open_ends = good & ~sure
    open_ends[open_ends] = ~_members(found, groups.rows[open_ends])
    if open_ends.any():
        found = found | _stretches(groups, links, limit, bounds, latest, open_ends)
    return found


def _next_times(after: Fouls) -> Int64s:
    nexts = np.full(len(after.after), _FOREVER)
    some = after.after < after.ends
    nexts[some] = after.times[after.after[some]]
    return nexts


def _is_free(node: Sequence, groups: Groups, nexts: Int64s) -> Mask:
    """Where no foul comes in the last step's own time."""
    never = nexts == _FOREVER
    assert node.absent is not None
    if node.absent.within is None:
        return never
    return never | (np.where(never, 0, nexts) - groups.times > node.absent.within)


def _stretches(
    groups: Groups, links: Links, limit: int, bounds: Int64s, latest: Int64s, ends: Mask
) -> BitMap:
    """The subscribers with a chain to one of ``ends`` that begins up to the end's bound."""
    earliest = -first_steps(links, -groups.times)  # of groups that end no chain it isn't asked
    ends = ends & (earliest <= bounds)
    ends = ends & _any_between(
        groups, can_begin(links, ends), np.maximum(earliest, groups.times - limit),
        np.minimum(latest, bounds),
    )  # fmt: skip
    found: list[BitMap] = []
    pending = np.flatnonzero(ends)
    while len(pending):
        # The latest stretch of each subscriber; they are settled one by one.
        rows = groups.rows[pending]
        last = np.append(rows[1:] != rows[:-1], True)
        chosen = pending[last]
        of_row = chosen[np.cumsum(np.concatenate(([0], last[:-1])))]
        same = (groups.firsts[pending] == groups.firsts[of_row]) & (
            bounds[pending] == bounds[of_row]
        )
        settled = _settled(groups, links, limit, bounds, pending[same])
        found.append(bitmaps.from_rows(settled))
        pending = pending[~same]
        pending = pending[~_members(found[-1], groups.rows[pending])]
    return bitmaps.union(found)


def _settled(
    groups: Groups, links: Links, limit: int, bounds: Int64s, ends: Places
) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The rows with a chain to one of ``ends``, which are one stretch of each subscriber."""
    rows = groups.rows[ends]
    first = np.append(True, rows[1:] != rows[:-1])
    earliest, last = ends[first], ends[np.append(first[1:], True)]
    low = lower_bound(
        groups.times, groups.firsts[earliest], earliest, groups.times[earliest] - limit
    )
    lengths = (last + 1 - low).astype(np.int64)
    at = ragged_index(low, lengths).astype(np.intp)
    starts = np.cumsum(lengths) - lengths
    offsets = np.repeat(starts, lengths)
    times = groups.times[at]
    begins = np.where(times <= np.repeat(bounds[last], lengths), times, NEVER)
    latest = first_steps(part_of(links, at, offsets), begins)
    good = (latest != NEVER) & (times - np.where(latest == NEVER, 0, latest) <= limit)
    return groups.rows[at[good & np.isin(at, ends)]]


def _any_between(groups: Groups, begins: Mask, low: Int64s, high: Int64s) -> Mask:
    """For each group whether one of ``begins``, of its partition and not after it, is in a range
    of times (ends included).
    """
    places = np.arange(len(groups))
    first = lower_bound(groups.times, groups.firsts, places + 1, low)
    beyond = lower_bound(groups.times, first, places + 1, np.minimum(high, _FOREVER - 1) + 1)
    before = np.concatenate(([0], np.cumsum(begins)))
    return before[np.maximum(beyond, first)] > before[first]


def _members(rows: BitMap, of: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> Mask:
    """Which of some rows are in a bitmap."""
    return np.isin(of, bitmaps.to_array(rows))
