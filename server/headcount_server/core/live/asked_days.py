"""What rounds ask of the touched rows: events from which day on, values, other look-ups.

One round asks for about the same as the one before, so that all of it can be read at once, before
anything else is written. Nothing depends on it but how long a round takes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.live.places import TABLE_MAX, Table
from headcount_server.core.live.reads import Indexes
from headcount_server.core.plan.nodes import Leaf


class Late(Exception):
    """Something was written since a round began, and it didn't read before what is asked now."""


_KEPT = 64  # sets of indexes


@dataclass(slots=True)
class AskedOfEvents:
    """What is known of one set of touched rows, by event type.

    Attributes:
        expected: the first day that rounds before this one asked for.
        found: the first day asked for in this one, of events that were gathered.
        credit: how many chunks may be read for what was asked in vain.
        leaves: look-ups of other kinds, asked now, and before.
    """

    expected: dict[str, int] = field(default_factory=dict[str, int])
    found: dict[str, int] = field(default_factory=dict[str, int])
    credit: Counter[str] = field(default_factory=Counter[str])
    leaves: dict[Leaf, None] = field(default_factory=dict[Leaf, None])
    leaves_before: dict[Leaf, None] = field(default_factory=dict[Leaf, None])

    def first_day(self, event: str) -> int | None:
        """From which day on events are best gathered at once; None: nobody knows."""
        found, expected = self.found.get(event), self.expected.get(event)
        if found is None or expected is None:
            return expected if found is None else found
        return min(found, expected)

    def note(self, event: str, day: int) -> None:
        """The events of a type from a day on were asked for, and gathered."""
        self.found[event] = min(day, self.found.get(event, day))


class AskedDays:
    """What the rounds of some rules ask for, and memory that they use one after the other."""

    def __init__(self) -> None:
        self._asked: dict[Indexes | None, AskedOfEvents] = {}
        self._table = Table()

    def table(self, rows: BitMap) -> Table | None:
        """Says where these rows stand, until it is asked for others; None: too high for one."""
        if not rows or rows.max() >= TABLE_MAX:
            return None
        self._table.fill(bitmaps.to_array(rows))
        return self._table

    def of(self, indexes: Indexes | None) -> AskedOfEvents:
        """For the rows that were touched in some indexes; None: all touched rows."""
        if indexes not in self._asked and len(self._asked) >= _KEPT:
            self._asked.clear()
        return self._asked.setdefault(indexes, AskedOfEvents())

    def next_round(self) -> None:
        """What was found is expected from now on."""
        for asked in self._asked.values():
            asked.expected.update(asked.found)
            asked.found = {}
            asked.leaves_before, asked.leaves = asked.leaves or asked.leaves_before, {}
            asked.credit.clear()
