"""On which days whose value of an attribute changed: what ``changed in …`` asks.

A bitmap of rows for each attribute and calendar day of the audience's zone. Bitmaps are replaced,
never modified.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.steps import Steps, finish


class Days(dict[int, BitMap]):
    """Day -> rows that changed."""


class Changes:
    """Days of changes by attribute."""

    def __init__(self) -> None:
        self._days: dict[str, dict[int, BitMap]] = {}
        self.first_day: int | None = None  # kept from this day on; None: nothing was dropped

    def add(
        self, attribute: str, changed: BitMap, rows: NDArray[np.uint32], days: NDArray[np.int64]
    ) -> None:
        """Notes those of ``rows`` that are in ``changed``, which has no others, on their days."""
        self.publish(attribute, finish(self.adding(attribute, changed, rows, days)))

    def adding(
        self, attribute: str, changed: BitMap, rows: NDArray[np.uint32], days: NDArray[np.int64]
    ) -> Steps[Days]:
        """As ``add``, in steps of a day each; what comes of it is for ``publish``."""
        known, found = self._days.get(attribute, {}), Days()
        is_one = bool(len(days)) and int(days.min()) == int(days.max())
        order = None if is_one else np.argsort(days, kind="stable")
        yield
        for day in [int(days[0])] if is_one else np.unique(days).tolist():
            if order is None:
                moved = changed
            else:
                start, stop = np.searchsorted(days, [day, day + 1], sorter=order).tolist()
                moved = bitmaps.from_rows(rows[order[start:stop]]) & changed
            if moved:
                found[day] = known.get(day, bitmaps.EMPTY) | moved
            yield
        return found

    def publish(self, attribute: str, days: Days) -> None:
        """Takes the days that ``adding`` made; nothing was added to the attribute since."""
        self._days.setdefault(attribute, {}).update(days)

    def between(self, attribute: str, low: int, high: int) -> BitMap:
        """Rows with a change on a day from ``low`` to ``high``, both included. O(days kept)."""
        by_day = self._days.get(attribute, {})
        return bitmaps.union([rows for day, rows in sorted(by_day.items()) if low <= day <= high])

    def forget_before(self, day: int) -> None:
        """Drops what is older than ``day``."""
        self.first_day = day if self.first_day is None else max(day, self.first_day)
        for attribute, by_day in self._days.items():
            if any(old < self.first_day for old in by_day):
                kept = {d: rows for d, rows in by_day.items() if d >= self.first_day}
                self._days[attribute] = kept

    def erase(self, rows: BitMap) -> None:
        """Leaves no trace of these rows."""
        for by_day in self._days.values():
            for day, held in list(by_day.items()):
                if held.intersect(rows):
                    by_day[day] = held - rows

    @property
    def nbytes(self) -> int:
        """Memory of the bitmaps."""
        return sum(bitmaps.nbytes(rows) for days in self._days.values() for rows in days.values())

    def dump(self) -> dict[str, Any]:
        """Attribute -> day (as text) -> rows, ascending."""
        return {
            attribute: {str(day): rows for day, rows in sorted(by_day.items()) if rows}
            for attribute, by_day in sorted(self._days.items())
        }

    @classmethod
    def load(cls, parts: dict[str, Any]) -> Changes:
        """What ``dump`` wrote."""
        changes = cls()
        for attribute, by_day in parts.items():
            changes._days[attribute] = {int(day): rows for day, rows in by_day.items()}
        return changes
