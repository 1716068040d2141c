"""Moves into and out of segments as nodes."""

from __future__ import annotations

from collections.abc import Mapping

from headcount_server.core.calendar import day_date
from headcount_server.core.faults import refuse
from headcount_server.core.plan import nodes
from headcount_server.core.plan.behaviour_nodes import Moved
from headcount_server.core.plan.bind_events import is_empty
from headcount_server.core.plan.scope import Scope
from headcount_server.core.rules import tree
from headcount_server.core.windows import InstantRange, below_value, event_span


def bind_move(
    scope: Scope,
    rule: tree.SegmentMove,
    place: str,
    name: str,
    histories: Mapping[str, int | None],
) -> nodes.Node:
    """Moves up to now, in a window of which all are kept. ``place`` ends with the variant.

    Args:
        scope: the question.
        rule: what is asked.
        place: of the rule.
        name: of the segment, which exists.
        histories: segments whose history is kept -> the first day of which all moves are kept;
            None: of all there were.

    Raises:
        InvalidRule: the segment keeps no history, or not for all of the window.
    """
    if name not in histories:
        refuse(
            below_value(f"{place}.segment", rule.segment),
            f'segment "{name}" keeps no history, so who {rule.move.name.lower()} it is not known;'
            " update it with history_days, the number of days to keep, and moves from then on are",
            "NO_HISTORY",
            rule.segment.span or rule.span,
            found=name,
        )
    window = scope.window(rule.window, f"{place}.window")
    first, low = histories[name], window.low
    if low is not None and isinstance(window, InstantRange):
        low = scope.calendar.day_of(low)
    if first is not None and not window.empty and (low is None or low < first):
        days = max(scope.calendar.day_of(scope.now_us) - first, 0)
        refuse(
            f"{place}.window",
            f'moves of segment "{name}" are kept from {day_date(first)} on; the window must begin'
            " there or later",
            "OUT_OF_RANGE",
            rule.window.span or rule.span,
            expected=(f"in last {days} days",),
        )
    span = event_span(window, scope.now_us, scope.calendar)
    return nodes.Nothing() if is_empty(span) else Moved(name, rule.move, span)
