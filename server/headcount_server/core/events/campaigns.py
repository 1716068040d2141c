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
from headcount_server.core.plan.nodes import Days, DidAtLeast, PropertyIsSet, Source

_DAYS_FIRST = 32  # with sendings, that are looked at before those before them, and so on doubled


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

    Days are looked at from the latest back. Whoever has enough campaigns that were sent after
    every instant of the days not yet seen needs no earlier ones.
    """
    days = view.days_between(*_days(view, ever))
    found: list[tuple[Rows, Int64s]] = []
    kept: tuple[Rows, Int64s, Int64s] | None = None
    size = _DAYS_FIRST
    while days and rows:
        batch, days = days[-size:], days[:-size]
        size *= 2
        span = Days(batch[0], batch[-1], ever.until)
        events = select(view, sendings, span, rows, (node.dimension,))
        numbers = values.numbers(view, events.codes[node.dimension])
        kept = _latest(kept, (events.rows, numbers, events.times), values.ranks(), node.last)
        done = _complete(kept, node.last, view.calendar.end_of_day(days[-1]) if days else None)
        found.append((kept[0][done], kept[1][done]))
        kept = (kept[0][~done], kept[1][~done], kept[2][~done])
        rows = rows - bitmaps.from_rows(found[-1][0])
    joined = np.concatenate([part for part, _ in found])
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate([part for _, part in found])[order]


def _days(view: EventView, ever: Days) -> tuple[int, int]:
    window = resolve(ever, view.calendar)
    return (1, 0) if window is None else window.days()


def _latest(
    kept: tuple[Rows, Int64s, Int64s] | None,
    more: tuple[Rows, Int64s, Int64s],
    ranks: Int64s,
    last: int,
) -> tuple[Rows, Int64s, Int64s]:
    """Row, value and latest time of each row's last campaigns so far, the latest first."""
    if kept is not None:
        more = (
            np.concatenate((kept[0], more[0])),
            np.concatenate((kept[1], more[1])),
            np.concatenate((kept[2], more[2])),
        )
    rows, values, times = more
    order = np.lexsort((-times, values, rows))
    rows, values, times = rows[order], values[order], times[order]
    firsts = np.ones(len(rows), dtype=np.bool_)
    firsts[1:] = (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])
    rows, values, times = rows[firsts], values[firsts], times[firsts]
    order = np.lexsort((-ranks[values], -times, rows))
    rows, values, times = rows[order], values[order], times[order]
    near = _nth(rows) < last
    return rows[near], values[near], times[near]


def _complete(kept: tuple[Rows, Int64s, Int64s], last: int, unseen_us: int | None) -> Mask:
    """Which entries are of rows whose last campaigns are known; all, where no day is unseen."""
    rows, _, times = kept
    if unseen_us is None or not len(rows):
        return np.ones(len(rows), dtype=np.bool_)
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
    return np.isin(last_rows.astype(np.int64) * factor + last_values, given)


def _nth(rows: Rows) -> NDArray[np.intp]:
    """The place of each within its run of equal rows, from 0."""
    starts = run_starts(rows)
    return np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
