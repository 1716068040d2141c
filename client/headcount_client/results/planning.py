"""Answers of Forecast and Diff, field for field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from headcount_client.results.times import milliseconds
from headcount_client.values import Key


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """The size of a rule at a time to come.

    Attributes:
        time: now, then the last microsecond of each day in the audience's zone.
        total: how many match then.
        reachable: how many of them can be reached then.
        entered_count: how many match that didn't at the point before.
        left_count: how many matched at the point before and don't any more.
    """

    time: datetime | None
    total: int
    reachable: int
    entered_count: int
    left_count: int


@dataclass(frozen=True, slots=True)
class ForecastResponse:
    """Answer of Forecast; iterating gives its points.

    Attributes:
        points: one for now, then one for the end of each day after today.
        audience_size: every existing subscriber of the audience.
        revision: revision that the answer reflects.
        as_of_time: the time that was taken for now.
        engine_duration: time spent in the engine.
    """

    points: tuple[ForecastPoint, ...]
    audience_size: int
    revision: int
    as_of_time: datetime | None
    engine_duration: timedelta | None

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[ForecastPoint]:
        return iter(self.points)

    def __getitem__(self, index: int) -> ForecastPoint:
        return self.points[index]

    @property
    def engine_ms(self) -> float:
        """Time spent in the engine, in milliseconds."""
        return milliseconds(self.engine_duration)


@dataclass(frozen=True, slots=True)
class DiffPart:
    """Those whom two versions of a rule have in common, or one has alone.

    Attributes:
        total: how many they are.
        reachable: how many of them can be reached.
        sample: keys of some of them, chosen at random.
    """

    total: int
    reachable: int
    sample: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class DiffResponse:
    """Answer of Diff.

    Attributes:
        old_total: how many match the old version.
        new_total: how many match the new version.
        both: who matches both.
        only_old: who matches the old version alone, and would be lost.
        only_new: who matches the new version alone, and would be won.
        audience_size: every existing subscriber of the audience.
        revision: revision that the answer reflects.
        as_of_time: the time that was taken for now.
        engine_duration: time spent in the engine.
    """

    old_total: int
    new_total: int
    both: DiffPart
    only_old: DiffPart
    only_new: DiffPart
    audience_size: int
    revision: int
    as_of_time: datetime | None
    engine_duration: timedelta | None

    @property
    def engine_ms(self) -> float:
        """Time spent in the engine, in milliseconds."""
        return milliseconds(self.engine_duration)
