"""Answers the leaves of bound rules on what a person's events come to (``aggregate_nodes``)."""

from __future__ import annotations

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events import recency
from headcount_server.core.events.deciding import Views, decided, subject, wanted
from headcount_server.core.events.rolls import Asked, Roll, asked, settle
from headcount_server.core.events.spans import resolve
from headcount_server.core.plan.aggregate_nodes import Aggregated, EdgePasses


def evaluate(leaf: Aggregated, views: Views, within: BitMap | None = None) -> BitMap:
    """The rows of a leaf; none without an event is among them.

    Args:
        leaf: its event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    if isinstance(leaf, EdgePasses):
        return recency.evaluate(leaf, views, within)
    parts: list[Asked] = []
    for one in wanted(leaf):
        view = views[one.source.event]
        window = resolve(one.span, view.calendar)
        if window is None:
            return bitmaps.EMPTY
        parts.append(asked(Roll(view, one.source, one.kind, one.property), window))
    return settle(subject(leaf), parts, lambda tables: decided(leaf, views, tables), within)
