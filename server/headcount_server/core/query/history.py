"""How large a segment was over time, and how many entered and left it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from headcount_server.core.audience import Audience
from headcount_server.core.calendar import Calendar
from headcount_server.core.live.sizes import MINUTE_US, Size
from headcount_server.core.rules.tree import Unit
from headcount_server.core.segments import find
from headcount_server.errors import InvalidInput, LimitExceeded, NoHistory, Violation
from headcount_server.limits import HISTORY_HOUR_DAYS, HISTORY_MINUTE_DAYS

if TYPE_CHECKING:
    from headcount_server.core.live.history import SegmentHistory

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HistoryPoint(NamedTuple):
    """A minute, clock hour or day of the audience's zone that begins at ``time_us``.

    Attributes:
        time_us: its first instant, microseconds since 1970-01-01T00:00Z.
        total: the segment's size at its end, or at the end of the question in the last one.
        entered_count: moves into the segment in it; one person may enter several times.
        left_count: moves out of it, erasures among them.
    """

    time_us: int
    total: int
    entered_count: int
    left_count: int


def history(
    audience: Audience, segment: str, unit: Unit, start_us: int | None, end_us: int
) -> list[HistoryPoint]:
    """A point for every minute, hour or day, ascending, also where nothing changed. O(points).

    Minutes are kept for 7 days, hours for 90, days for the segment's ``history_days``. The first
    point is the unit that holds ``start_us``, or where the history begins later, its beginning.

    Args:
        audience: whose segment it is.
        segment: its name.
        unit: MINUTE, HOUR or DAY.
        start_us: microseconds; None: all that is kept by that unit.
        end_us: microseconds; no unit begins at it or later.

    Raises:
        NotFound: there is no such segment.
        NoHistory: its history isn't kept; says how to switch that on. Or it stands still, since
            the segment's rule can't be answered.
        InvalidInput: another unit, or a start before what is kept by that unit.
        LimitExceeded: too many points; a longer unit or a shorter time gives fewer.
    """
    found = find(segment, audience.segments)
    kept = audience.histories.get(segment)
    if kept is None:
        what = "is a static list" if found.frozen is not None else "keeps no history"
        remedy = "" if found.frozen is not None else (
            "; update it with history_days, the number of days to keep, and it does from then on"
        )  # fmt: skip
        raise NoHistory(f'segment "{segment}" {what}{remedy}', segment=segment)
    if kept.stands_still:
        what = (
            "its rule can't be answered any more, so nobody knows how many it has now; counting the"
            " segment says why, and with a rule that can be answered it goes on"
        )
        raise NoHistory(f'the history of segment "{segment}" stands still: {what}', segment=segment)
    earliest = _earliest(kept, audience.calendar, unit)
    if start_us is None or start_us < kept.start_us:
        start_us = max(earliest, kept.start_us)
    starts = _starting(unit, audience.calendar)
    first = starts(max(start_us, kept.start_us))
    if first < starts(earliest):
        _refuse_start(unit, start_us, earliest)
    return _points(
        kept.sizes.points(), _units(first, end_us, unit, audience.calendar), starts,
        audience.limits.history_points_max,
    )  # fmt: skip


def _points(
    sizes: list[Size], units: Iterator[int], starts: Callable[[int], int], limit: int
) -> list[HistoryPoint]:
    points: list[HistoryPoint] = []
    place, total = 0, 0
    for start in units:
        if len(points) >= limit:
            raise LimitExceeded(
                f"more than {limit:,} points; the limit history_points_max is {limit}: ask for a"
                " longer unit or a shorter time",
                (Violation("unit", "too many points", "LIMIT_EXCEEDED"),),
                limit="history_points_max",
            )
        entered = left = 0
        while place < len(sizes) and starts(sizes[place].start_us) <= start:
            size = sizes[place]
            total, place = size.total, place + 1
            if starts(size.start_us) == start:
                entered, left = entered + size.entered, left + size.left
        points.append(HistoryPoint(start, total, entered, left))
    return points


def _earliest(kept: SegmentHistory, calendar: Calendar, unit: Unit) -> int:
    """From when on the history is kept by a unit."""
    if unit is Unit.MINUTE:
        return kept.sizes.minutes_from_us
    if unit is Unit.HOUR:
        return kept.sizes.hours_from_us
    if unit is Unit.DAY:
        first = kept.first_day
        return kept.start_us if first is None else calendar.start_of_day(first)
    description = f"{unit.name.lower()}s can't be asked for; minutes, hours and days can"
    raise InvalidInput(description, (Violation("unit", description, "UNSUPPORTED_UNIT"),))


def _starting(unit: Unit, calendar: Calendar) -> Callable[[int], int]:
    """What gives the first instant of the unit that holds an instant."""
    if unit is Unit.MINUTE:
        return lambda us: us - us % MINUTE_US
    if unit is Unit.HOUR:
        return calendar.hour_start
    return lambda us: calendar.start_of_day(calendar.day_of(us))


def _units(first: int, end_us: int, unit: Unit, calendar: Calendar) -> Iterator[int]:
    """The first instants of units, ascending, before ``end_us``."""
    if unit is Unit.MINUTE:
        yield from range(first, end_us, MINUTE_US)
        return
    day = calendar.day_of(first)
    while first < end_us:
        yield first
        if unit is Unit.HOUR:
            first = calendar.hour_end(first) + 1
            continue
        before = first
        while first == before:  # a day that was skipped starts with the one after it
            day += 1
            first = calendar.start_of_day(day)


def _refuse_start(unit: Unit, start_us: int, earliest_us: int) -> NoReturn:
    names = {Unit.MINUTE: HISTORY_MINUTE_DAYS, Unit.HOUR: HISTORY_HOUR_DAYS}
    days = names.get(unit)
    reason = "" if days is None else f"; {unit.name.lower()}s are kept for {days} days"
    description = (
        f"the history is kept by {unit.name.lower()} from {_spelt(earliest_us)} on, and"
        f" {_spelt(start_us)} is before that{reason}"
    )
    raise InvalidInput(description, (Violation("start_time", description, "OUT_OF_RANGE"),))


def _spelt(us: int) -> str:
    return (
        (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
