"""Days, clock hours and calendar periods of one time zone, as integers.

A *day* is a number of days since 1970-01-01 in the zone; an *instant* is a number of microseconds
since 1970-01-01T00:00Z. Arithmetic on days is the proleptic Gregorian calendar's and never
overflows; ``FIRST_DAY`` to ``LAST_DAY`` (0001-01-01 to 9999-12-31) are the days that can be written
down, and every instant's day is one of them: what lies beyond counts as the first or last.

Local time is not monotonic: a clock that is set back over midnight repeats part of a day, so the
instants of a range of days are not always one interval, and a zone that crosses the date line
skips a day, which then has no instant at all. Both are exact here.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.rules.tree import Unit

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
FIRST_DAY = date.min.toordinal() - _EPOCH_ORDINAL
LAST_DAY = date.max.toordinal() - _EPOCH_ORDINAL
FIRST_US = FIRST_DAY * DAY_US
LAST_US = (LAST_DAY + 1) * DAY_US - 1

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Offsets are found a chunk of days at a time. The Gregorian calendar repeats after 146,097 days,
# which are 189 chunks: past the last listed transition a zone follows a yearly rule, so a chunk of
# the far future equals one of the cycle. Before 1800 every zone keeps its local mean time.
_CHUNK_DAYS = 773
_CYCLE_CHUNKS = 189
_CHUNK_US = _CHUNK_DAYS * DAY_US
_CONSTANT_BEFORE = (date(1800, 1, 1).toordinal() - _EPOCH_ORDINAL) // _CHUNK_DAYS
_CYCLE_FROM = (date(2200, 1, 1).toordinal() - _EPOCH_ORDINAL) // _CHUNK_DAYS
_OFFSET_US_MAX = DAY_US  # offsets are less than a day either way

Interval = tuple[int | None, int | None]  # instants, both ends included; None is unbounded


@dataclass(frozen=True, slots=True)
class _Table:
    """UTC offsets from ``starts[i]`` (instants, ascending) on; right within ``chunks`` alone."""

    chunks: frozenset[int] = frozenset()
    starts: list[int] = field(default_factory=list[int])
    offsets: list[int] = field(default_factory=list[int])

    def index(self, us: int) -> int:
        return max(bisect_right(self.starts, us) - 1, 0)

    def end(self, index: int) -> int | None:
        return self.starts[index + 1] if index + 1 < len(self.starts) else None


class Calendar:
    """The calendar of one IANA time zone.

    Offsets are looked up in the zone once and kept, so that later calls cost O(log) each. Reads
    from several threads are safe: the table is replaced, never changed.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._table = _Table()
        self._found: dict[int, list[tuple[int, int]]] = {}

    # --- instants to days --------------------------------------------------------------------

    def day_of(self, us: int) -> int:
        """The day that an instant falls on."""
        us = _clamp(us)
        table = self._around(us, us)
        return _clamp_day((us + table.offsets[table.index(us)]) // DAY_US)

    def days_of(self, us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The days of many instants, in order. O(n), by one pass where the offset is constant."""
        local, near_the_ends = self._locals(us)
        days = local // DAY_US
        return np.clip(days, FIRST_DAY, LAST_DAY) if near_the_ends else days

    def hours_of(self, us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The hour of the day, 0 to 23, that the zone's clocks show at many instants. O(n)."""
        return self._locals(us)[0] % DAY_US // HOUR_US

    def latest_day(self, us: int) -> int:
        """The latest day that any instant up to ``us`` falls on.

        That is the day of ``us``, but where the clock was just set back over midnight.
        """
        us = _clamp(us)
        table = self._around(us, us)
        index = table.index(us)
        latest = us + table.offsets[index]
        while index > 0 and us - table.starts[index] <= 2 * DAY_US:
            latest = max(latest, table.starts[index] - 1 + table.offsets[index - 1])
            index -= 1
        return _clamp_day(latest // DAY_US)

    def stretch_end(self, us: int) -> int | None:
        """The last instant from ``us`` on up to which the day stays the same.

        That is the end of the day, but where the clock is set back or forward over midnight. None
        on the last day that can be written down.
        """
        us = _clamp(us)
        day = self.day_of(us)
        for low, high in self.instants(day, day):
            if (low is None or low <= us) and (high is None or us <= high):
                return high
        raise AssertionError("an instant lies in its own day")

    # --- days to instants --------------------------------------------------------------------

    def start_of_day(self, day: int) -> int:
        """The first instant of a day that is one to write down.

        Where midnight doesn't exist the day starts when the clock is set forward; where it comes
        twice, at the first; a day that was skipped starts with the one after it.
        """
        start = self._from_day(day)[0][0]
        assert start is not None
        return start

    def end_of_day(self, day: int) -> int:
        """The last instant at which the local day is ``day`` or one before it."""
        end = self._through_day(day)[-1][1]
        assert end is not None
        return end

    def instants(self, low: int | None, high: int | None) -> tuple[Interval, ...]:
        """The instants whose day lies in the range (ends included, None unbounded).

        Returns:
            Ascending intervals that neither touch nor overlap: none for an empty range, else one,
            or a few where the clock was set back over the midnight at an end of the range.
        """
        if low is not None and low <= FIRST_DAY:
            low = None
        if high is not None and high >= LAST_DAY:
            high = None
        if (low is not None and low > LAST_DAY) or (high is not None and high < FIRST_DAY):
            return ()
        if low is not None and high is not None and low > high:
            return ()
        after: list[Interval] = [(None, None)] if low is None else self._from_day(low)
        before: list[Interval] = [(None, None)] if high is None else self._through_day(high)
        return tuple(_intersection(after, before))

    def local_to_us(self, local: datetime) -> int:
        """The instant at which clocks of the zone show a naive time.

        Of a time that comes twice it is the first; a time that is skipped is read by the offset
        before the change (PEP 495, ``fold=0``).
        """
        assert local.tzinfo is None
        offset = local.replace(tzinfo=self.zone, fold=0).utcoffset()
        assert offset is not None
        return (local - _EPOCH) // _MICROSECOND - offset // _MICROSECOND

    # --- clock hours -------------------------------------------------------------------------

    def hour_start(self, us: int) -> int:
        """The first instant of the clock hour that holds ``us``.

        Hours begin where the zone's clocks show minute 0, and where they are changed.
        """
        us = _clamp(us)
        table = self._around(us, us)
        index = table.index(us)
        start = us - (us + table.offsets[index]) % HOUR_US
        return max(start, table.starts[index]) if index else start

    def hour_end(self, us: int) -> int:
        """The last instant of the clock hour that holds ``us``."""
        us = _clamp(us)
        table = self._around(us, us)
        index = table.index(us)
        end = us - (us + table.offsets[index]) % HOUR_US + HOUR_US
        change = table.end(index)
        return (end if change is None else min(end, change)) - 1

    def _locals(self, us: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
        """What the zone's clocks show, and whether a day of it may lie off the calendar."""
        if us.size == 0:
            return np.empty(0, dtype=np.int64), False
        low, high = int(us.min()), int(us.max())
        if low < FIRST_US or high > LAST_US:
            us = np.clip(us, FIRST_US, LAST_US)
            low, high = _clamp(low), _clamp(high)
        if high - low > 64 * _CHUNK_US:
            numbers = us // _CHUNK_US
            first = low // _CHUNK_US
            present = np.flatnonzero(np.bincount(numbers - first)) + first
            table = self._ensure(frozenset(int(chunk) for chunk in present))
        else:
            table = self._around(low, high)
        if table.index(low) == table.index(high):
            local = us + table.offsets[table.index(low)]
        else:
            places = np.searchsorted(np.array(table.starts), us, side="right") - 1
            local = us + np.array(table.offsets)[np.maximum(places, 0)]
        return local, low - FIRST_US < DAY_US or LAST_US - high < DAY_US

    # --- the table of offsets ------------------------------------------------------------------

    def _from_day(self, day: int) -> list[Interval]:
        """The instants whose local day is ``day`` or later; the last interval is unbounded."""
        local = day * DAY_US
        found: list[Interval] = []
        for start, end, offset in self._stretches(local):
            begin = max(start, local - offset)
            if end is None:
                found.append((begin, None))
            elif begin < end:
                found.append((begin, end - 1))
        return _merged(found)

    def _through_day(self, day: int) -> list[Interval]:
        """The instants whose local day is ``day`` or earlier; the first interval is unbounded."""
        local = (day + 1) * DAY_US
        found: list[Interval] = []
        for start, end, offset in self._stretches(local):
            stop = local - offset if end is None else min(end, local - offset)
            if not found:
                found.append((None, stop - 1))
            elif start < stop:
                found.append((start, stop - 1))
        return _merged(found)

    def _stretches(self, local: int) -> list[tuple[int, int | None, int]]:
        """(start, end excluded, offset) of the stretches of one offset around a local time.

        The first begins and the last ends where no offset could reach ``local``; the last has no
        end.
        """
        low, high = local - 2 * _OFFSET_US_MAX, local + 2 * _OFFSET_US_MAX
        table = self._around(low, high)
        first, last = table.index(low), table.index(high)
        return [
            (
                low if i == first else table.starts[i],
                None if i == last else table.starts[i + 1],
                table.offsets[i],
            )
            for i in range(first, last + 1)
        ]

    def _around(self, low: int, high: int) -> _Table:
        """A table that is right from two days before ``low`` to two days after ``high``."""
        first, last = (low - 2 * DAY_US) // _CHUNK_US, (high + 2 * DAY_US) // _CHUNK_US
        table = self._table
        if all(chunk in table.chunks for chunk in range(first, last + 1)):
            return table
        return self._ensure(frozenset(range(first, last + 1)))

    def _ensure(self, chunks: frozenset[int]) -> _Table:
        table = self._table
        if chunks <= table.chunks:
            return table
        known = sorted(table.chunks | chunks)
        starts: list[int] = []
        offsets: list[int] = []
        for chunk in known:
            for within, offset in self._transitions(chunk):
                if not offsets or offsets[-1] != offset:
                    starts.append(chunk * _CHUNK_US + within)
                    offsets.append(offset)
        table = _Table(frozenset(known), starts, offsets)
        self._table = table
        return table

    def _transitions(self, chunk: int) -> list[tuple[int, int]]:
        """(microseconds into the chunk, offset from then on); the first is at 0."""
        chunk = max(chunk, _CONSTANT_BEFORE - 1)
        if chunk > _CYCLE_FROM:
            chunk = _CYCLE_FROM + (chunk - _CYCLE_FROM) % _CYCLE_CHUNKS
        found = self._found.get(chunk)
        if found is None:
            found = self._sampled(chunk)
            self._found[chunk] = found
        return found

    def _sampled(self, chunk: int) -> list[tuple[int, int]]:
        """By looking at every day: no zone changed its offset and back within three days."""
        base = _EPOCH_UTC + timedelta(days=chunk * _CHUNK_DAYS)
        offset = self._offset(base)
        found = [(0, offset)]
        for day in range(_CHUNK_DAYS):
            after = self._offset(base + timedelta(days=day + 1))
            if after != offset:
                self._bisect(base, day * 86_400, offset, (day + 1) * 86_400, after, found)
                offset = after
        return [(us, offset) for us, offset in found if us < _CHUNK_US]

    def _bisect(
        self,
        base: datetime,
        low: int,
        before: int,
        high: int,
        after: int,
        found: list[tuple[int, int]],
    ) -> None:
        """Append the changes after second ``low`` up to ``high``; changes fall on whole seconds."""
        if before == after:
            return
        if high - low == 1:
            found.append((high * 1_000_000, after))
            return
        middle = (low + high) // 2
        offset = self._offset(base + timedelta(seconds=middle))
        self._bisect(base, low, before, middle, offset, found)
        self._bisect(base, middle, offset, high, after, found)

    def _offset(self, instant: datetime) -> int:
        offset = instant.astimezone(self.zone).utcoffset()
        assert offset is not None
        return offset // _MICROSECOND


@lru_cache(maxsize=256)
def calendar(time_zone: str) -> Calendar:
    """The calendar of an IANA time zone, made once."""
    return Calendar(ZoneInfo(time_zone))


def instant_us(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an aware datetime."""
    return (instant - _EPOCH_UTC) // _MICROSECOND


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def day_date(day: int) -> date:
    """The date of a day from FIRST_DAY to LAST_DAY."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


def add(day: int, amount: int, unit: Unit) -> int:
    """The day ``amount`` units (days to years; may be negative) after ``day``.

    Months, quarters and years keep the day of the month, or end on the month's last one where it
    has fewer. The result may lie outside FIRST_DAY to LAST_DAY.
    """
    if unit is Unit.DAY:
        return day + amount
    if unit is Unit.WEEK:
        return day + 7 * amount
    year, month, day_of_month = _civil(day)
    year, month = _moved(year, month, amount * _MONTHS[unit])
    return _number(year, month, min(day_of_month, _month_length(year, month)))


def period(day: int, unit: Unit, shift: int = 0) -> tuple[int, int]:
    """First and last day of the calendar unit (day to year) holding ``day``, ``shift`` units on.

    Weeks begin on Monday.
    """
    if unit is Unit.DAY:
        return day + shift, day + shift
    if unit is Unit.WEEK:
        monday = day - (day + 3) % 7 + 7 * shift  # day 0 was a Thursday
        return monday, monday + 6
    months = _MONTHS[unit]
    year, month, _ = _civil(day)
    year, month = _moved(year, month - (month - 1) % months, shift * months)
    next_year, next_month = _moved(year, month, months)
    return _number(year, month, 1), _number(next_year, next_month, 1) - 1


_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400


def _civil(day: int) -> tuple[int, int, int]:
    """Year, month, day of the month; years may be 0, negative or past 9999."""
    cycles, within = divmod(day, _CYCLE_DAYS)
    found = date.fromordinal(within + _EPOCH_ORDINAL)
    return found.year + _CYCLE_YEARS * cycles, found.month, found.day


def _number(year: int, month: int, day_of_month: int) -> int:
    cycles, within = divmod(year - 1970, _CYCLE_YEARS)
    found = date(1970 + within, month, day_of_month)
    return day_number(found) + _CYCLE_DAYS * cycles


def _moved(year: int, month: int, months: int) -> tuple[int, int]:
    years, month_index = divmod(month - 1 + months, 12)
    return year + years, month_index + 1


def _month_length(year: int, month: int) -> int:
    return monthrange(2000 + year % 400, month)[1]


def _clamp(us: int) -> int:
    return min(max(us, FIRST_US), LAST_US)


def _clamp_day(day: int) -> int:
    return min(max(day, FIRST_DAY), LAST_DAY)


def _merged(intervals: list[Interval]) -> list[Interval]:
    """Ascending intervals, those that touch made one."""
    found: list[Interval] = []
    for low, high in intervals:
        previous = found[-1][1] if found else None
        if found and previous is not None and low is not None and previous + 1 == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def _intersection(left: list[Interval], right: list[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for low, high in left:
        for other_low, other_high in right:
            lows = [end for end in (low, other_low) if end is not None]
            highs = [end for end in (high, other_high) if end is not None]
            begin, end = max(lows, default=None), min(highs, default=None)
            if begin is None or end is None or begin <= end:
                found.append((begin, end))
    return sorted(found, key=lambda interval: (interval[0] is not None, interval[0] or 0))
