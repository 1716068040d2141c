"""From which day on rounds ask for the events of the touched rows.

One round asks for about the same windows as the one before, so that all of their events can be
gathered at once. Nothing depends on it but how long a round takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from headcount_server.core.live.reads import Indexes

_KEPT = 64  # sets of indexes


class AskedOfEvents(NamedTuple):
    """Event type -> the first day, for one set of touched rows.

    Attributes:
        expected: what was asked before.
        found: where what is asked now is noted.
    """

    expected: Mapping[str, int]
    found: dict[str, int]

    def note(self, event: str, day: int) -> None:
        """The events of a type from a day on were asked for, and gathered."""
        self.found[event] = min(day, self.found.get(event, day))


class AskedDays:
    """What the rounds of some rules ask for."""

    def __init__(self) -> None:
        self._expected: dict[Indexes | None, dict[str, int]] = {}
        self._found: dict[Indexes | None, dict[str, int]] = {}

    def of(self, indexes: Indexes | None) -> AskedOfEvents:
        """For the rows that were touched in some indexes; None: all touched rows."""
        expected = self._expected.get(indexes, {})
        return AskedOfEvents(expected, self._found.setdefault(indexes, {}))

    def next_round(self) -> None:
        """What was found is expected from now on."""
        self._expected.update((key, days) for key, days in self._found.items() if days)
        if len(self._expected) > _KEPT:
            self._expected = {key: days for key, days in self._found.items() if days}
        self._found = {}
