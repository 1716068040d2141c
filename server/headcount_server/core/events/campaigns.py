"""Who did something about their own last campaigns: ``LastCampaigns``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.columns import Int64s, Mask, Rows
from headcount_server.core.events.evaluate import evaluate as did_at_least
from headcount_server.core.events.select import select
from headcount_server.core.events.shared_values import SharedValues
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.events.spans import resolve
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.behaviour_nodes import LastCampaigns
from headcount_server.core.plan.event_nodes import Days, DidAtLeast, PropertyIsSet, Source

_DAYS_FIRST = 64  # with sendings, that are looked at for everyone
_DAYS_FACTOR = 8  # as many more for whom these aren't enough


def evaluate(
    node: LastCampaigns, views: Mapping[str, EventView], within: BitMap | None = None
) -> BitMap:
    """Those whose events are of enough of their own last campaigns.

    Only those who did and were sent anything at all are looked at. O(their events in the span, and
    their sendings back to the last campaigns).

    Args:
        node: its event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    if not node.sources or not node.last or node.count == 0:
        return bitmaps.EMPTY
    sendings = Source(node.sent, PropertyIsSet(node.dimension))
    calendar = views[node.sent].calendar
    ever = Days(None, calendar.latest_day(node.until), node.until)
    rows = did_at_least(DidAtLeast(node.sources, node.span, 1), views, within)
    rows = did_at_least(DidAtLeast((sendings,), ever, 1), views, rows)
    if not rows:
        return bitmaps.EMPTY
    values = SharedValues(node.dimension)
    last_rows, last_values = _last(node, views[node.sent], sendings, ever, rows, values)
    answered = _answered(node, views, rows, values, last_rows, last_values)
    starts = run_starts(last_rows)
    counts = np.add.reduceat(answered.astype(np.int64), starts)
    enough = np.diff(starts, append=len(last_rows)) if node.count is None else node.count
    return bitmaps.from_sorted(last_rows[starts][counts >= enough])


def _last(
    node: LastCampaigns,
    view: EventView,
    sendings: Source,
    ever: Days,
    rows: BitMap,
    values: SharedValues,
) -> tuple[Rows, Int64s]:
    """Row and value of each one's last campaigns, by row.

    The latest days are looked at first. Whoever has enough campaigns that were sent after every
    instant of the days before needs no more; for the others more days are looked at.
    """
    window = resolve(ever, view.calendar)
    assert window is not None, "there are sendings in it"
    days = view.days_between(*window.days())
    found: list[tuple[Rows, Int64s]] = []
    size = _DAYS_FIRST
    while rows:
        span = Days(days[-size] if size < len(days) else None, ever.high, ever.until)
        events = select(view, sendings, span, rows, (node.dimension,))
        numbers = values.numbers(view, events.codes[node.dimension])
        owners, sent, times = _latest(events.rows, numbers, events.times, values.ranks(), node.last)
        if size < len(days):
            unseen_us = view.calendar.end_of_day(days[-size - 1])
            enough = _complete(owners, times, node.last, unseen_us)
            owners, sent = owners[enough], sent[enough]
        found.append((owners, sent))
        rows = rows - bitmaps.from_sorted(owners[run_starts(owners)])
        size *= _DAYS_FACTOR
    joined = np.concatenate([part for part, _ in found])
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate([part for _, part in found])[order]


def _latest(
    rows: Rows, values: Int64s, times: Int64s, ranks: Int64s, last: int
) -> tuple[Rows, Int64s, Int64s]:
    """Row, value and latest time of each row's last campaigns, the latest first; rows ascend.

    Args:
        rows, values, times: in the order of (row, time).
        ranks: of values that were sent at equal times, the order.
    """
    starts = run_starts(rows)
    lengths = np.diff(starts, append=len(rows))
    backwards = np.repeat(2 * starts + lengths - 1, lengths) - np.arange(len(rows))
    rows, values, times = rows[backwards], values[backwards], times[backwards]
    keys = rows.astype(np.int64) * len(ranks) + values
    order = np.argsort(keys, kind="stable")
    firsts = np.zeros(len(rows), dtype=np.bool_)
    firsts[order[run_starts(keys[order])]] = True
    rows, values, times = rows[firsts], values[firsts], times[firsts]
    if bool(((rows[1:] == rows[:-1]) & (times[1:] == times[:-1])).any()):
        order = np.lexsort((-ranks[values], -times, rows))
        rows, values, times = rows[order], values[order], times[order]
    near = _nth(rows) < last
    return rows[near], values[near], times[near]


def _complete(rows: Rows, times: Int64s, last: int, unseen_us: int) -> Mask:
    """Which entries are of rows with enough campaigns after what wasn't looked at."""
    starts = run_starts(rows)
    lengths = np.diff(starts, append=len(rows))
    earliest = times[starts + lengths - 1]
    return np.repeat((lengths == last) & (earliest > unseen_us), lengths)


def _answered(
    node: LastCampaigns,
    views: Mapping[str, EventView],
    rows: BitMap,
    values: SharedValues,
    last_rows: Rows,
    last_values: Int64s,
) -> Mask:
    """Which of the last campaigns the events in the span are of."""
    given_rows: list[Rows] = []
    given_values: list[Int64s] = []
    for source in node.sources:
        view = views[source.event]
        events = select(view, source, node.span, rows, (node.dimension,))
        given_rows.append(events.rows)
        given_values.append(values.numbers(view, events.codes[node.dimension]))
    factor = len(values.ranks())  # rows are 32 bits and values events of memory: 63 bits hold both
    given = np.concatenate(given_rows).astype(np.int64) * factor + np.concatenate(given_values)
    given.sort()
    wanted = last_rows.astype(np.int64) * factor + last_values
    return given[np.minimum(given.searchsorted(wanted), len(given) - 1)] == wanted


def _nth(rows: Rows) -> NDArray[np.intp]:
    """The place of each within its run of equal rows, from 0."""
    starts = run_starts(rows)
    return np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
