"""Who did what how often: ``DidAtLeast`` from the lanes of its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.events import counters
from headcount_server.core.events.columns import Rows
from headcount_server.core.events.counters import Counter
from headcount_server.core.events.lanes import Kind, Lane
from headcount_server.core.events.select import Candidates, passing_places
from headcount_server.core.events.spans import Window, resolve
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.event_nodes import DidAtLeast

_TERMS_MAX = 8  # counts beside the longest range that are looked at one by one
_SPREAD_MAX = 32  # times as many rows as there are bits, at most, in counts by row
_FEW = 4_096  # candidates that are looked up one by one rather than by making new buckets
_MANY_EVENTS = 50  # … where the buckets would be made of that many events a candidate


def evaluate(
    node: DidAtLeast, views: Mapping[str, EventView], within: BitMap | None = None
) -> BitMap:
    """The subscribers with at least ``node.count`` events, or days with one, in the span.

    O(blocks) operations on bitmaps where the buckets of the sources are warm; making them is
    O(events in the span) once. Subscribers without any event are never in the result.

    Args:
        node: its sources' event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    chosen = [views[source.event] for source in node.sources]
    window = resolve(node.span, chosen[0].calendar) if chosen else None
    if window is None or (within is not None and not within):
        return bitmaps.EMPTY
    lane = Lane(chosen, node.sources, _kind(node))
    if within is not None and _is_cheaper_alone(lane, window, pieces(lane, window)[1], within):
        return _of_candidates(lane, window, node.count, within)
    result = _reached(lane, window, node.count).rows()
    return result if within is None else result & within


def as_a_sum(node: DidAtLeast, views: Mapping[str, EventView]) -> Pieces:
    """The rows of ``evaluate``: those of the longest range of days, which are kept, and others."""
    chosen = [views[source.event] for source in node.sources]
    window = resolve(node.span, chosen[0].calendar) if chosen else None
    if window is None:
        return Pieces(())
    return _reached(Lane(chosen, node.sources, _kind(node)), window, node.count)


def pieces(lane: Lane, window: Window) -> tuple[list[int], list[tuple[int, int]]]:
    """The days to look at one by one, and the ranges of whole days between them.

    The day of ``now`` is always looked at alone, so that its writes don't unmake a range.
    """
    edges: list[int] = []
    today = None
    if window.high_us is not None:
        today = lane.views[0].calendar.day_of(window.high_us)
    for day in window.edges:
        if day == today or not lane.is_whole(day, window.low_us, window.high_us):
            edges.append(day)
    ranges: list[tuple[int, int]] = []
    start = window.low_day
    for day in [*edges, window.high_day + 1]:
        if lane.days_between(start, day - 1):
            ranges.append((start, day - 1))
        start = day + 1
    return edges, ranges


def _kind(node: DidAtLeast) -> Kind:
    assert node.count >= 1
    if node.count == 1:
        return Kind.DID
    return Kind.DAYS if node.on_days else Kind.OFTEN


def _reached(lane: Lane, window: Window, count: int) -> Pieces:
    """The rows whose counts in the window come to ``count``; kept until events come to its days."""
    edges, ranges = pieces(lane, window)
    is_whole = all(lane.is_whole(day, window.low_us, window.high_us) for day in edges)
    if is_whole and len(edges) + len(ranges) > 1:
        answer = lane.answer(
            *window.days(), count, lambda: _added(lane, window, edges, ranges, count).rows()
        )
        return _pieces_of(answer)
    return _added(lane, window, edges, ranges, count)


def _added(
    lane: Lane,
    window: Window,
    edges: Sequence[int],
    ranges: Sequence[tuple[int, int]],
    count: int,
) -> Pieces:
    """The rows of the longest range, and those that reach the count with what lies beside it."""
    longest = max(ranges, key=lambda r: r[1] - r[0], default=None)
    small = [lane.day(day, window.low_us, window.high_us) for day in edges]
    small += [lane.range(*r) for r in ranges if r != longest]
    rest = counters.union(small) if lane.kind is Kind.DID else counters.add(small)
    if longest is None:
        return _pieces_of(counters.at_least(rest, count))
    reached = lane.reached(*longest, count)
    more = _more(lane, longest, rest, count, reached) if rest else bitmaps.EMPTY
    return _pieces_of(reached, more)


def _more(
    lane: Lane, longest: tuple[int, int], rest: Counter, count: int, reached: BitMap
) -> BitMap:
    """The rows that reach the count only with the ``rest``."""
    base = lane.range(*longest)
    most = min((1 << len(rest)) - 1, count)
    if count == 1 or not base:
        return counters.at_least(rest, count) - reached
    if most > _TERMS_MAX or counters.spread(base) > _SPREAD_MAX * sum(map(len, base)):
        touched = counters.members(rest)
        both = counters.add([counters.restricted(base, touched), rest])
        return counters.at_least(both, count) - reached
    counts = lane.counts(*longest)
    found: list[Rows] = []
    for of_rest in range(1, most + 1):
        rows = bitmaps.to_array(counters.at_least(rest, of_rest))
        of_base = np.zeros(len(rows), counts.dtype)
        known = int(np.searchsorted(rows, np.uint32(len(counts))))
        of_base[:known] = counts[rows[:known]]
        found.append(rows[(of_base >= count - of_rest) & (of_base < count)])
    return bitmaps.from_rows(np.concatenate(found))


def _pieces_of(*parts: BitMap) -> Pieces:
    """The sum of sets that have no row in common."""
    return Pieces(tuple(filter(None, parts)))


def _is_cheaper_alone(
    lane: Lane, window: Window, ranges: Sequence[tuple[int, int]], within: BitMap
) -> bool:
    if len(within) > _FEW or all(lane.is_warm(*r) for r in ranges):
        return False
    days = lane.days_between(*window.days())
    events = sum(len(chunk) for view in lane.views for day in days for chunk in view.chunks_of(day))
    return events > _MANY_EVENTS * len(within) * max(1, len(days) // 16)


def _of_candidates(lane: Lane, window: Window, count: int, within: BitMap) -> BitMap:
    """The same answer from the columns, for the candidates alone."""
    candidates = Candidates(within)
    found: list[np.ndarray[tuple[int], np.dtype[np.uint32]]] = []
    for day in lane.days_between(*window.days()):
        today: list[np.ndarray[tuple[int], np.dtype[np.uint32]]] = []
        for view, source in zip(lane.views, lane.sources, strict=True):
            for chunk in view.chunks_of(day):
                at = passing_places(view, source, chunk, window, candidates)
                today.append(chunk.rows if at is None else chunk.rows[at])
        if lane.kind is Kind.DAYS and today:
            today = [np.unique(np.concatenate(today))]
        found += today
    if not found:
        return bitmaps.EMPTY
    return counters.at_least(counters.of_rows(np.sort(np.concatenate(found))), count)
