"""What may be asked of event types whose old events are folded (see ``events.folding``).

Every place that binds a span of events says here what it needs of them. What the first and the last
event decide is answered; for the rest the span must begin on a day that is kept in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, Calendar, day_date
from headcount_server.core.faults import refuse
from headcount_server.core.plan import event_nodes
from headcount_server.core.plan.scope import Scope
from headcount_server.core.rules import tree

EVER = event_nodes.Days(None, LAST_DAY, None)


class Need(Enum):
    """What a condition looks at, of the events of a source in its span."""

    ALL = auto()  # every one, or its dimensions or measures
    ONE = auto()  # whether there is one
    EDGE = auto()  # the first or the last one of all there are


def check_kept(
    scope: Scope,
    sources: Sequence[event_nodes.Source],
    span: event_nodes.Span,
    need: Need,
    place: str,
    at: tree.Span | None,
) -> None:
    """Raise InvalidRule where the events that a condition needs are folded.

    Args:
        scope: of the question.
        sources: the events; one with a where needs all of its type in the span.
        span: where they lie; an empty one needs none.
        need: what is looked at.
        place: of the condition, for faults; ``at`` its place in the text.
    """
    if span.low is not None and span.low > span.high:
        return
    for source in sources:
        day = scope.kept_from.get(source.event)
        wanted = need if source.where is None else Need.ALL
        if day is None or _is_answered(scope, day, span, wanted):
            continue
        first = day_date(day) if FIRST_DAY <= day <= LAST_DAY else "later"
        days = max(scope.calendar.day_of(scope.now_us) - day, 0)
        refuse(
            place,
            f'events "{source.event}" are kept from {first} on; of those before, only everyone\'s'
            " first and last is, without dimensions and measures: the window must begin on that day"
            " or later",
            "OUT_OF_RANGE",
            at,
            found=source.event,
            expected=(f"in last {days} days",),
        )


def _is_answered(scope: Scope, day: int, span: event_nodes.Span, need: Need) -> bool:
    """Whether the events kept in full from ``day`` on, and the edges before it, are enough."""
    calendar = scope.calendar
    end = calendar.end_of_day(day - 1)  # no folded event is later
    if isinstance(span, event_nodes.Days):
        is_within = span.low is not None and span.low >= day
    else:
        is_within = span.low is not None and span.low > end
    if is_within or need is Need.ALL:
        return is_within
    if scope.now_us < end:  # some of the last ones are later
        return False
    if need is Need.EDGE:
        return True
    if isinstance(span, event_nodes.Instants):
        return span.low is None or span.high >= end
    if span.low is None:
        return span.high >= day - 1 or _begins_once(calendar, span.high + 1)
    return span.high >= day - 1 and _begins_once(calendar, span.low)


def _begins_once(calendar: Calendar, day: int) -> bool:
    """Whether all earlier days end before it begins: the clock isn't set back over its midnight."""
    if not FIRST_DAY < day <= LAST_DAY:
        return True
    return calendar.end_of_day(day - 1) < calendar.start_of_day(day)
