"""The sizes of a segment over time, a point for every minute, clock hour or day."""

from __future__ import annotations

from collections.abc import Iterator

from headcount_server.core.audience import Audience
from headcount_server.core.calendar import Calendar, day_date
from headcount_server.core.live.history import SegmentHistory
from headcount_server.core.live.sizes import MINUTE_US, Size
from headcount_server.core.rules.tree import Unit
from headcount_server.core.segments import find
from headcount_server.errors import InvalidInput, LimitExceeded, Violation
from headcount_server.limits import Limits

UNITS = (Unit.MINUTE, Unit.HOUR, Unit.DAY)


def history(
    audience: Audience,
    segment: str,
    unit: Unit,
    start_us: int | None,
    end_us: int,
    limits: Limits,
) -> list[Size]:
    """One point for each stretch of time, ascending, also where nothing moved.

    Args:
        audience: whose segment it is.
        segment: its name.
        unit: minute, hour or day: clock hours and days of the audience's zone.
        start_us: the stretch that holds it is the first one; None: all that is kept.
        end_us: the stretches that begin before it.
        limits: of the server.

    Raises:
        NotFound: there is no such segment.
        InvalidInput: it keeps no history, or none so fine from ``start_us`` on.
        LimitExceeded: more points than an answer may have.
    """
    find(segment, audience.segments)
    kept = audience.histories.get(segment)
    if kept is None:
        what = (
            f'segment "{segment}" keeps no history; update it with history_days'
            " (segment update … --history DAYS)"
        )
        raise InvalidInput(what, (Violation("segment", what, "NO_HISTORY"),))
    calendar = audience.calendar
    points = kept.sizes.points()
    first_us = _first(kept, unit, points)
    if start_us is None:
        start_us = first_us
    elif start_us < first_us and unit is not Unit.DAY and first_us > kept.start_us:
        what = (
            f"sizes by {unit.name.lower()} are kept since {day_date(calendar.day_of(first_us))};"
            " ask for a later start_time, or by a longer unit"
        )
        raise InvalidInput(what, (Violation("start_time", what, "NOT_KEPT"),))
    start_us = max(start_us, first_us)
    found: list[Size] = []
    for size in _stretched(points, unit, start_us, end_us, calendar):
        found.append(size)
        if len(found) > limits.history_points_max:
            most = limits.history_points_max
            what = f"there are more than {most:,} points; the limit history_points_max is {most:,}"
            violation = Violation("start_time", what, "LIMIT_EXCEEDED")
            raise LimitExceeded(what, (violation,), limit="history_points_max")
    return found


def _first(kept: SegmentHistory, unit: Unit, points: list[Size]) -> int:
    """The instant from which on sizes are kept so finely."""
    if unit is Unit.MINUTE:
        return kept.sizes.minutes_from_us
    if unit is Unit.HOUR:
        return kept.sizes.hours_from_us
    return points[0].start_us if points else kept.start_us


def _stretched(
    points: list[Size], unit: Unit, start_us: int, end_us: int, calendar: Calendar
) -> Iterator[Size]:
    """The sizes of all stretches from the one that holds ``start_us`` to ``end_us``."""
    start = _begin(start_us, unit, calendar)
    place = total = 0
    while place < len(points) and points[place].start_us < start:
        total = points[place].total
        place += 1
    while start < end_us:
        following = _next(start, unit, calendar)
        entered = left = 0
        while place < len(points) and points[place].start_us < following:
            point = points[place]
            total, entered, left = point.total, entered + point.entered, left + point.left
            place += 1
        yield Size(start, total, entered, left)
        start = following


def _begin(us: int, unit: Unit, calendar: Calendar) -> int:
    if unit is Unit.MINUTE:
        return us - us % MINUTE_US
    if unit is Unit.HOUR:
        return calendar.hour_start(us)
    return calendar.start_of_day(calendar.day_of(us))


def _next(start: int, unit: Unit, calendar: Calendar) -> int:
    if unit is Unit.MINUTE:
        return start + MINUTE_US
    if unit is Unit.HOUR:
        return calendar.hour_end(start) + 1
    return calendar.end_of_day(calendar.day_of(start)) + 1
