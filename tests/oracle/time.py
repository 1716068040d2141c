"""Windows and calendars of the oracle, on plain integers.

Times are µs since 1970-01-01T00:00Z; days are proleptic Gregorian ordinals (``date.toordinal``).
A calendar day of an instant is asked of the zone instant by instant, so skipped days, days of 23 or
25 hours and clocks set back over midnight need no thought here.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from headcount_server.core.rules import tree

SECOND = 1_000_000
MINUTE, HOUR, DAY, WEEK = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND, 604_800 * SECOND
FOREVER = 10**30  # beyond every day and every time
ELAPSED = {
    tree.Unit.MINUTE: MINUTE,
    tree.Unit.HOUR: HOUR,
    tree.Unit.DAY: DAY,
    tree.Unit.WEEK: WEEK,
}
MONTHS = {tree.Unit.MONTH: 1, tree.Unit.QUARTER: 3, tree.Unit.YEAR: 12}
_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_CLOCK_MIN, _CLOCK_MAX = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """An aware datetime as µs since the epoch."""
    return (moment - _EPOCH.replace(tzinfo=UTC)) // timedelta(microseconds=1)


class Zone:
    """The clock on the wall of an IANA time zone."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)

    def wall(self, time: int) -> int:
        """What the clock shows at an instant, as µs since 1970-01-01T00:00 on that clock."""
        nearest = min(max(time, micros(_CLOCK_MIN)), micros(_CLOCK_MAX))
        moment = _EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=nearest)
        offset = moment.astimezone(self._zone).utcoffset()
        assert offset is not None
        return time + offset // timedelta(microseconds=1)

    def day(self, time: int) -> int:
        """The calendar day that an instant falls on."""
        return self.wall(time) // DAY + _EPOCH_DAY

    def hour(self, time: int) -> int:
        """The hour of the day, 0 to 23."""
        return self.wall(time) % DAY // HOUR

    def hour_start(self, time: int) -> int:
        """The instant at which the clock hour holding ``time`` began; a change begins one."""
        start = time - self.wall(time) % HOUR
        return start if self._same(start, time) else self._first_like(time, start)

    def hour_end(self, time: int) -> int:
        """The last instant of the clock hour holding ``time``; a change ends it."""
        end = time - self.wall(time) % HOUR + HOUR - 1
        return end if self._same(end, time) else self._first_like(end, time) - 1

    def _same(self, one: int, other: int) -> bool:
        """Whether the clock runs on from one instant to the other without a change."""
        return self.wall(one) - one == self.wall(other) - other

    def _first_like(self, time: int, before: int) -> int:
        """The first instant after ``before``, up to ``time``, with the offset of ``time``."""
        low, high = before, time
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._same(middle, time) else (middle, high)
        return high


def whole(value: tree.Value | None) -> int:
    """A bound whole number."""
    assert isinstance(value, tree.Number)
    return int(value.number)


def shift(day: int, amount: int, unit: tree.Unit) -> int:
    """The day ``amount`` units later; months end on their last day; ±FOREVER off the calendar."""
    if unit not in MONTHS:
        return day + amount * (7 if unit is tree.Unit.WEEK else 1)
    start = date.fromordinal(day)
    year, month = divmod(start.year * 12 + start.month - 1 + amount * MONTHS[unit], 12)
    if not 1 <= year <= 9999:
        return FOREVER if amount > 0 else -FOREVER
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1])).toordinal()


def period_start(day: int, unit: tree.Unit) -> int:
    """The first day of the calendar day, week, month, quarter or year that holds ``day``."""
    on = date.fromordinal(day)
    match unit:
        case tree.Unit.WEEK:
            return day - on.weekday()
        case tree.Unit.MONTH:
            return on.replace(day=1).toordinal()
        case tree.Unit.QUARTER:
            return date(on.year, (on.month - 1) // 3 * 3 + 1, 1).toordinal()
        case tree.Unit.YEAR:
            return date(on.year, 1, 1).toordinal()
        case _:
            return day


@dataclass(frozen=True)
class Interval:
    """``low`` to ``high``, both included: days, or instants where ``instants``."""

    low: int
    high: int
    instants: bool = False

    def holds(self, zone: Zone, time: int) -> bool:
        """Whether an instant lies inside, by its calendar day unless instants are meant."""
        return self.low <= (time if self.instants else zone.day(time)) <= self.high


def interval(window: tree.Window | None, now: int, zone: Zone) -> Interval:
    """What a window means at ``now``."""
    match window:
        case None | tree.Ever():
            return Interval(-FOREVER, FOREVER)
        case tree.InLast(tree.Duration(amount, unit)):
            return _relative(0, whole(amount), unit, -1, now, zone, up_to_now=True)
        case tree.InNext(tree.Duration(amount, unit)):
            return _relative(0, whole(amount), unit, 1, now, zone, up_to_now=True)
        case tree.BetweenRelative(low, high, unit, direction):
            sign = -1 if direction is tree.Direction.AGO else 1
            return _relative(whole(low), whole(high), unit, sign, now, zone)
        case tree.MoreThan(tree.Duration(amount, unit), direction):
            if direction is tree.Direction.AGO:
                edge = _relative(0, whole(amount), unit, -1, now, zone)
                return Interval(-FOREVER, edge.low - 1, edge.instants)
            edge = _relative(0, whole(amount), unit, 1, now, zone)
            return Interval(edge.high + 1, FOREVER, edge.instants)
        case tree.Calendar(period, unit):
            this = period_start(zone.day(now), unit)
            start = shift(this, {"THIS": 0, "LAST": -1, "NEXT": 1}[period.name], unit)
            return Interval(start, FOREVER if start == FOREVER else shift(start, 1, unit) - 1)
        case tree.Between(low, high):
            return Interval(_point(low), _point(high), isinstance(low, tree.Timestamp))
        case tree.On(moment):
            return Interval(_point(moment), _point(moment))
        case tree.Before(moment):
            return Interval(-FOREVER, _point(moment) - 1, isinstance(moment, tree.Timestamp))
        case tree.After(moment):
            return Interval(_point(moment) + 1, FOREVER, isinstance(moment, tree.Timestamp))


def anniversary(day: int, within: Interval) -> bool:
    """Whether some year's anniversary of ``day`` lies in an interval of days with two ends."""
    born = date.fromordinal(day)
    low = max(within.low, date.min.toordinal())
    high = min(within.high, date.max.toordinal())
    if low > high:
        return False
    years = range(date.fromordinal(low).year, date.fromordinal(high).year + 1)
    return any(low <= _in_year(born, year) <= high for year in years)


def _in_year(born: date, year: int) -> int:
    last = monthrange(year, born.month)[1]
    return date(year, born.month, min(born.day, last)).toordinal()


def _relative(
    near: int, far: int, unit: tree.Unit, sign: int, now: int, zone: Zone, up_to_now: bool = False
) -> Interval:
    """From ``near`` to ``far`` units away from now, earlier (-1) or later (1)."""
    if unit is tree.Unit.HOUR:
        start = zone.hour_start(now)
        ends = (start + sign * near * HOUR, start + sign * far * HOUR)
        low, high = ends if sign > 0 else ends[::-1]
        low, high = zone.hour_start(low), zone.hour_end(high)
        if up_to_now:
            low, high = (now, high) if sign > 0 else (low, now)
        return Interval(low, high, instants=True)
    today = zone.day(now)
    ends = (shift(today, sign * near, unit), shift(today, sign * far, unit))
    low, high = ends if sign > 0 else ends[::-1]
    return Interval(low, high)


def _point(value: tree.Value) -> int:
    match value:
        case tree.Date(day):
            return day.toordinal()
        case tree.Timestamp(moment):
            return micros(moment)
        case _:
            raise AssertionError(f"{value} is no moment")
