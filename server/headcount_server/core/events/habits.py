"""Who did what in how many calendar periods: ``Habit`` from the counts of each period."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.calendar import FIRST_DAY, period
from headcount_server.core.events.evaluate import evaluate as did_at_least
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.behaviour_nodes import Habit
from headcount_server.core.plan.event_nodes import DidAtLeast, Span
from headcount_server.core.windows import DayRange, event_span


def evaluate(node: Habit, views: Mapping[str, EventView], within: BitMap | None = None) -> BitMap:
    """The subscribers who did enough in enough of the periods.

    Periods without an event of any source are passed over, so that the cost is that of a count for
    each period with one.

    Args:
        node: its sources' event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    if not node.sources or not node.last:
        return bitmaps.EMPTY
    calendar = views[node.sources[0].event].calendar
    today = calendar.day_of(node.until)
    earliest = period(today, node.unit, 1 - node.last)[0]
    low, high = max(earliest, FIRST_DAY), period(today, node.unit)[1]
    chosen = [views[source.event] for source in node.sources]
    days = sorted({day for view in chosen for day in view.days_between(low, high)})
    found: list[BitMap] = []
    place = 0
    while place < len(days):
        first, last = period(days[place], node.unit)
        place = bisect_right(days, last)
        span = event_span(DayRange(first, last), node.until, calendar)
        found.append(_enough(node, span, views, within))
    return bitmaps.at_least(node.count, found)


def _enough(
    node: Habit, span: Span, views: Mapping[str, EventView], within: BitMap | None
) -> BitMap:
    """Those with enough events in one period, but not too many."""
    rows = did_at_least(DidAtLeast(node.sources, span, node.low, node.on_days), views, within)
    if node.high is None or not rows:
        return rows
    more = DidAtLeast(node.sources, span, node.high + 1, node.on_days)
    return rows - did_at_least(more, views, rows if within is not None else None)
