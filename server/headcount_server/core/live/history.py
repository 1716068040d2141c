"""The history of one segment: who is in it, who entered and left it when, and how large it was.

It starts empty: who was in the segment when it was switched on did not enter. A move bears the time
of the write, the update of a rule or the passing of time that caused it. Moves and sizes are kept
for ``days`` days; erasing a person removes their moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events.evaluate import evaluate
from headcount_server.core.events.store import EventStore
from headcount_server.core.live.maintained import Maintained, Round
from headcount_server.core.live.sizes import Sizes
from headcount_server.core.plan.event_nodes import DidAtLeast, Source, Span
from headcount_server.core.rules.tree import Move, Rule
from headcount_server.core.schema import EventSchema
from headcount_server.core.view import AudienceView
from headcount_server.errors import DataLoss, HeadcountError


class SegmentHistory:
    """See the module. Changes only by the commands of its audience (see ``histories``).

    Args:
        audience: whose segment it is.
        rule: of the segment.
        days: for how long moves and sizes are kept, 1 or more.
        number: that no other history of the audience has or had.
        start_us: when it was switched on.

    Attributes:
        maintained: the members.
        sizes: how many they were.
        stores: the moves, as events without properties.
        first_day: moves before this day were dropped; None: none were.
    """

    def __init__(
        self, audience: AudienceView, rule: Rule, days: int, number: int, start_us: int
    ) -> None:
        self.maintained = Maintained(rule)
        self.days = days
        self.number = number
        self.start_us = start_us
        self.first_day: int | None = None
        self.sizes = Sizes(start_us)
        self._calendar = audience.calendar
        self._folded_day = self._calendar.day_of(start_us)
        self._start_day = self._folded_day
        self._erased = 0  # members erased since the last update
        self._is_new = True
        self.stores = {
            move: EventStore(_schema(move, number), audience.calendar, audience.buckets)
            for move in Move
        }

    @property
    def is_new(self) -> bool:
        """Whether the first members are still to be found."""
        return self._is_new

    @property
    def stands_still(self) -> bool:
        """Whether the segment's rule can't be bound, so that nobody moves."""
        return self.maintained.bound is None

    def start(self, round: Round) -> None:
        """Finds the first members, who enter nowhere; where that fails, a later start does."""
        try:
            self.maintained.update(round)
        except HeadcountError:
            return
        self._is_new = False
        self.sizes.note(round.now_us, len(self.maintained.members), 0, 0)

    def redefine(self, rule: Rule, days: int) -> None:
        """Takes another rule, which moves people at the next update, or another time to keep."""
        if rule != self.maintained.rule:
            self.maintained.rule = rule
            self.maintained.bound = None
        if days != self.days:
            self.days = days
            self._folded_day -= 1  # so that the next update drops what is too old

    def update(self, round: Round) -> BitMap:
        """Brings the members up to a round and notes who moved.

        While the rule can't be bound, nobody moves.

        Returns:
            The rows that entered or left; not to be modified.
        """
        try:
            delta = self.maintained.update(round)
        except HeadcountError:
            delta = None
        now = round.now_us
        self._drop(now)
        entered = left = bitmaps.EMPTY
        if delta is not None:
            entered, left = delta.entered, delta.left
        if entered or left or self._erased:
            total = len(self.maintained.members)
            self.sizes.note(now, total, len(entered), len(left) + self._erased)
            self._erased = 0
            self._record(Move.ENTERED, entered, now)
            self._record(Move.LEFT, left, now)
        return entered | left

    def erase(self, rows: BitMap) -> None:
        """Leaves no trace of erased subscribers but in the sizes, where they left."""
        for store in self.stores.values():
            store.erase(rows)
        gone = self.maintained.members & rows
        if gone:
            self._erased += len(gone)
            self.maintained.members = self.maintained.members - gone

    def moved(self, move: Move, span: Span, within: BitMap | None = None) -> BitMap:
        """Who entered or left in a span; as a look-up among candidates, where they are given."""
        store = self.stores[move]
        name = store.schema.name
        return evaluate(DidAtLeast((Source(name),), span, 1), {name: store}, within)

    def next_after(self, us: int) -> int | None:
        """The time of the first move after an instant; None where there is none."""
        found = [store.next_after(us) for store in self.stores.values()]
        return min((time for time in found if time is not None), default=None)

    def kept_from(self, us: int) -> int | None:
        """The first day of which all moves are kept at an instant; None: nothing was dropped."""
        first = self._calendar.day_of(us) - self.days
        if first <= self._start_day:
            return self.first_day
        return first if self.first_day is None else max(first, self.first_day)

    def parts(self) -> dict[str, Any]:
        """What ``dumped`` makes plain data of; later changes leave it alone. O(days + points)."""
        return {
            "number": self.number,
            "start_us": self.start_us,
            "first_day": self.first_day,
            "folded_day": self._folded_day,
            "members": self.maintained.members,
            "sizes": self.sizes.dump(),
            **{move.name.lower(): store.detached() for move, store in self.stores.items()},
        }

    @classmethod
    def load(
        cls, audience: AudienceView, rule: Rule, days: int, parts: Mapping[str, Any]
    ) -> SegmentHistory:
        """What ``dumped`` gave; ``resume`` follows when the whole audience is loaded.

        Raises:
            DataLoss: a part isn't what was dumped.
        """
        history = cls(audience, rule, days, parts["number"], parts["start_us"])
        history._is_new = False
        history.first_day = parts["first_day"]
        history._folded_day = parts["folded_day"]
        history.sizes = Sizes.load(parts["sizes"])
        history.maintained.members = parts["members"]
        if not isinstance(history.maintained.members, BitMap):
            raise DataLoss("the history of a segment has no members")
        for move in Move:
            history.stores[move] = EventStore.load(
                _schema(move, history.number), audience.calendar, parts[move.name.lower()],
                audience.buckets,
            )  # fmt: skip
        return history

    def resume(self, round: Round) -> None:
        """Binds the rule again; who was a member is one."""
        try:
            self.maintained.resume(round)
        except HeadcountError:
            self.maintained.bound = None

    def _record(self, move: Move, rows: BitMap, now_us: int) -> None:
        if rows:
            times = np.full(len(rows), now_us, np.int64)
            self.stores[move].record(bitmaps.to_array(rows), times, {}, {})

    def _drop(self, now_us: int) -> None:
        """Once a day, forgets the moves and sizes that are too old."""
        today = self._calendar.day_of(now_us)
        if today <= self._folded_day:
            return
        self._folded_day = today
        first = self.kept_from(now_us)
        if first is not None and first != self.first_day:
            self.first_day = first
            for store in self.stores.values():
                store.forget_before(first)
        self.sizes.fold(today, self.first_day, self._calendar)


def dumped(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of the ``parts`` of a history. O(moves)."""
    stores = {name: part.dump() for name, part in parts.items() if isinstance(part, EventStore)}
    return {**parts, **stores}


def _schema(move: Move, number: int) -> EventSchema:
    return EventSchema(f"{move.name.lower()} {number}")
