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
from headcount_server.core.events.chain_groups import (
    FOREVER,
    NEVER,
    Groups,
    Places,
    lower_bound,
)
from headcount_server.core.events.chains import (
    Links,
    can_begin,
    complete,
    first_steps,
    part_of,
)
from headcount_server.core.events.columns import Int64s, Mask, Rows
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.plan.behaviour_nodes import Sequence
from headcount_server.core.ragged import ragged_index


def rows_with_chain(node: Sequence, groups: Groups, links: Links, nexts: Int64s | None) -> BitMap:
    """The subscribers of the groups with a chain that ends well.

    Args:
        nexts: where none must come after the last step, the time of each one's next foul, or
            FOREVER.
    """
    limit = node.all_within
    if limit is None:
        good = complete(links, len(groups))
        if nexts is not None:
            good &= _is_free(node, groups, nexts)
        return _bitmap(groups.rows[good])
    latest = first_steps(links, groups.times)
    good = (latest != NEVER) & (groups.times - np.where(latest == NEVER, 0, latest) <= limit)
    if nexts is None:
        return _bitmap(groups.rows[good])
    bounds = np.where(nexts == FOREVER, FOREVER, nexts - 1 - limit)
    sure = good & (_is_free(node, groups, nexts) | (latest <= bounds))
    found = _bitmap(groups.rows[sure])
    open_ends = good & ~sure
    open_ends[open_ends] = ~_members(found, groups.rows[open_ends])
    if open_ends.any():
        found = found | _stretches(groups, links, limit, bounds, latest, open_ends)
    return found


def _is_free(node: Sequence, groups: Groups, nexts: Int64s) -> Mask:
    """Where no foul comes in the last step's own time."""
    never = nexts == FOREVER
    assert node.absent is not None
    if node.absent.within is None:
        return never
    return never | (np.where(never, 0, nexts) - groups.times > node.absent.within)


def _stretches(
    groups: Groups, links: Links, limit: int, bounds: Int64s, latest: Int64s, ends: Mask
) -> BitMap:
    """The subscribers with a chain to one of ``ends`` that begins up to the end's bound."""
    earliest = -first_steps(links, -groups.times)  # of groups that end no chain it isn't asked
    begins = can_begin(links, ends)
    pending = np.flatnonzero(ends & (earliest <= bounds))
    low = np.maximum(earliest[pending], groups.times[pending] - limit)
    high = np.minimum(latest[pending], bounds[pending])
    pending = pending[_any_between(groups, pending, begins, low, high)]
    found: list[BitMap] = []
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
        found.append(_bitmap(settled))
        pending = pending[~same]
        pending = pending[~_members(found[-1], groups.rows[pending])]
    return bitmaps.union(found)


def _settled(groups: Groups, links: Links, limit: int, bounds: Int64s, ends: Places) -> Rows:
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


def _any_between(groups: Groups, at: Places, begins: Mask, low: Int64s, high: Int64s) -> Mask:
    """For some groups whether one of ``begins``, of the same partition and not after it, is in a
    range of times (ends included).
    """
    first = lower_bound(groups.times, groups.firsts[at], at + 1, low)
    beyond = lower_bound(groups.times, first, at + 1, high + 1)
    before = np.concatenate(([0], np.cumsum(begins)))
    return before[beyond] > before[first]


def _members(rows: BitMap, of: Rows) -> Mask:
    """Which of some rows are in a bitmap."""
    members = bitmaps.to_array(rows)
    if not len(members):
        return np.zeros(len(of), dtype=np.bool_)
    return members[np.minimum(members.searchsorted(of), len(members) - 1)] == of


def _bitmap(rows: Rows) -> BitMap:
    """The bitmap of rows that ascend and may repeat."""
    return bitmaps.from_sorted(rows[run_starts(rows)])
