"""How large a segment was: a point for every minute, clock hour or day in which that changed.

Minutes are kept for a week and then folded into hours, hours for 90 days and then folded into days,
in the audience's zone. What is kept is ascending: days, hours, minutes. A point has the size at the
end of its stretch, and how many entered and left in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from headcount_server.core.calendar import Calendar
from headcount_server.errors import DataLoss
from headcount_server.limits import HISTORY_HOUR_DAYS, HISTORY_MINUTE_DAYS

MINUTE_US = 60_000_000
_COLUMNS = ("starts", "totals", "entered", "left")
_SERIES = ("days", "hours", "minutes")


class Size(NamedTuple):
    """A stretch of time that begins at ``start_us``: the size at its end, and the moves in it."""

    start_us: int
    total: int
    entered: int
    left: int


class _Series:
    """Points of one resolution, in columns of 64-bit integers."""

    def __init__(self) -> None:
        self.columns = tuple(array("q") for _ in _COLUMNS)

    def __len__(self) -> int:
        return len(self.columns[0])

    def points(self, start: int = 0) -> list[Size]:
        """The points from a place on."""
        return [Size(*point) for point in zip(*(c[start:] for c in self.columns), strict=True)]

    def add(self, point: Size) -> None:
        """A point that is not before the last; one of the same stretch goes into that."""
        starts, totals, entered, left = self.columns
        if starts and starts[-1] >= point.start_us:
            totals[-1] = point.total
            entered[-1] += point.entered
            left[-1] += point.left
        else:
            for column, value in zip(self.columns, point, strict=True):
                column.append(value)

    def taken_before(self, us: int) -> list[Size]:
        """Takes the points that begin before an instant away."""
        count = int(np.searchsorted(np.array(self.columns[0], np.int64), us))
        found = [Size(*point) for point in zip(*(c[:count] for c in self.columns), strict=True)]
        if count:
            self.columns = tuple(column[count:] for column in self.columns)
        return found


class Sizes:
    """The sizes of one segment.

    Attributes:
        minutes_from_us: all changes from this instant on are kept by minute.
        hours_from_us: all from this one on by clock hour, or by minute.
    """

    def __init__(self, start_us: int) -> None:
        self.minutes_from_us = start_us
        self.hours_from_us = start_us
        self._days, self._hours, self._minutes = _Series(), _Series(), _Series()

    def note(self, us: int, total: int, entered: int, left: int) -> None:
        """The size from an instant on, not before the last one noted."""
        self._minutes.add(Size(us - us % MINUTE_US, total, entered, left))

    def fold(self, today: int, first_day: int | None, calendar: Calendar) -> None:
        """Makes what is old coarser, and drops what lies before ``first_day``."""
        until = calendar.start_of_day(today - HISTORY_MINUTE_DAYS)
        for point in self._minutes.taken_before(until):
            self._hours.add(point._replace(start_us=calendar.hour_start(point.start_us)))
        self.minutes_from_us = max(self.minutes_from_us, until)
        until = calendar.start_of_day(today - HISTORY_HOUR_DAYS)
        for point in self._hours.taken_before(until):
            day = calendar.day_of(point.start_us)
            self._days.add(point._replace(start_us=calendar.start_of_day(day)))
        self.hours_from_us = max(self.hours_from_us, until)
        if first_day is not None:
            self._drop_before(calendar.start_of_day(first_day))

    def points(self) -> list[Size]:
        """All points, ascending. O(points)."""
        return self._days.points() + self._hours.points() + self._minutes.points()

    def dump(self) -> dict[str, Any]:
        """Plain data. O(points)."""
        parts: dict[str, Any] = {
            "minutes_from_us": self.minutes_from_us,
            "hours_from_us": self.hours_from_us,
        }
        for name, series in zip(_SERIES, (self._days, self._hours, self._minutes), strict=True):
            parts[name] = {
                column: np.array(values, np.int64)
                for column, values in zip(_COLUMNS, series.columns, strict=True)
            }
        return parts

    @classmethod
    def load(cls, parts: Mapping[str, Any]) -> Sizes:
        """What ``dump`` gave.

        Raises:
            DataLoss: it isn't that.
        """
        sizes = cls(parts["minutes_from_us"])
        sizes.hours_from_us = parts["hours_from_us"]
        for name, series in zip(_SERIES, (sizes._days, sizes._hours, sizes._minutes), strict=True):
            columns = [parts[name][column] for column in _COLUMNS]
            if any(c.dtype != np.int64 or len(c) != len(columns[0]) for c in columns):
                raise DataLoss(f"the sizes of a segment by {name} don't fit together")
            series.columns = tuple(array("q", column.tobytes()) for column in columns)
        return sizes

    def _drop_before(self, us: int) -> None:
        """Drops what is too old, but for the size that the segment still had afterwards."""
        for series in (self._days, self._hours, self._minutes):
            last = series.taken_before(us)[-1:]
            rest = series.points()
            if last and not (rest and rest[0].start_us == us):
                kept = _Series()
                for point in (Size(us, last[0].total, 0, 0), *rest):
                    kept.add(point)
                series.columns = kept.columns
