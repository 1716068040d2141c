"""Answers of Forecast and Diff, field for field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headcount_client.results.answers import Answer, SequenceOf
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
class ForecastResponse(Answer, SequenceOf[ForecastPoint]):
    """Answer of Forecast; iterating gives its points.

    Attributes:
        points: one for now, then one for the end of each day after today.
    """

    points: tuple[ForecastPoint, ...]

    def _parts(self) -> tuple[ForecastPoint, ...]:
        return self.points


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
class DiffResponse(Answer):
    """Answer of Diff.

    Attributes:
        old_total: how many match the old version.
        new_total: how many match the new version.
        both: who matches both.
        only_old: who matches the old version alone, and would be lost.
        only_new: who matches the new version alone, and would be won.
    """

    old_total: int
    new_total: int
    both: DiffPart
    only_old: DiffPart
    only_new: DiffPart
