"""Look-ups among few rows: what costs by the rows that were touched rather than by the audience."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.live.asked_days import AskedOfEvents, Late
from headcount_server.core.live.few_events import FewEvents, did_among
from headcount_server.core.live.places import Mask, Places
from headcount_server.core.plan.aggregate_nodes import Aggregated
from headcount_server.core.plan.event_nodes import DidAtLeast
from headcount_server.core.plan.lookup import look_up
from headcount_server.core.plan.nodes import (
    IsSet,
    IsTrue,
    Leaf,
    NumberIn,
    NumberRange,
    TextMatch,
)
from headcount_server.core.view import AudienceView
from headcount_server.limits import INT64_MAX, INT64_MIN

Integers = NDArray[np.int64]
Ats = NDArray[np.integer]

_FEW = 65_536  # of more rows the values are not read one by one
_EACH = 8  # up to so many spellings are compared one by one


class Few:
    """Look-ups among some rows of one revision of an audience; values read once are kept.

    Args:
        audience: whose indexes are asked; not to change meanwhile.
        places: of existing subscribers.
        asked: what was asked of the events before; None: nothing is known.
    """

    def __init__(
        self, audience: AudienceView, places: Places, asked: AskedOfEvents | None = None
    ) -> None:
        self._audience = audience
        self._places = places
        self._asked = AskedOfEvents() if asked is None else asked
        self._events = FewEvents(audience.events, places, self._asked)
        self._is_late = False
        self._others: dict[Leaf, int] = {}
        self._values: dict[str, tuple[Ats, Integers]] = {}
        self._codes: dict[str, tuple[Ats, Ats]] = {}

    def capture(self) -> Iterator[None]:
        """Reads what is expected to be asked, in steps."""
        if len(self._places) <= _FEW:
            yield from self._events.capture()
        for leaf in list({**self._asked.leaves_before, **self._asked.leaves}):
            self._read(leaf)
            yield

    def freeze(self) -> None:
        """The audience may change from now on: what wasn't read is ``Late``."""
        self._is_late = True
        self._events.freeze()

    def look_up(self, leaf: Leaf) -> int:
        """Those of the rows that a leaf, other than ``InSegment``, denotes, as a set of places.

        Raises:
            Late: see ``freeze``.
        """
        places = self._places
        if not len(places):
            return 0
        if len(places) <= _FEW:
            if isinstance(leaf, NumberRange | NumberIn):
                return self._numbers(leaf)
            if isinstance(leaf, DidAtLeast | Aggregated):
                gathered = self._events
                did = isinstance(leaf, DidAtLeast)
                found = gathered.did(leaf) if did else gathered.aggregated(leaf)
                if found is not None:
                    return found
            if isinstance(leaf, TextMatch) and leaf.attribute != "key":
                index = self._audience.attributes[leaf.attribute]
                if isinstance(index, KeywordIndex | KeywordsIndex):
                    return self._spellings(index, leaf)
        return self._other(leaf)

    def reached(self, leaf: DidAtLeast, since: Mapping[str, int]) -> int | None:
        """Those whom a leaf denotes now and didn't without the events that came, or more of them.

        Args:
            leaf: what was done.
            since: event type -> the first place in the write order of those that came.

        Returns:
            A set of places, of whom the leaf denotes all; None where the events aren't gathered.
        """
        if not 0 < len(self._places) <= _FEW:
            return None
        return self._events.reached(leaf, since)

    def _other(self, leaf: Leaf) -> int:
        self._asked.leaves[leaf] = None
        found = self._others.get(leaf)
        if found is None:
            if self._is_late:
                raise Late
            places = self._places
            if isinstance(leaf, DidAtLeast) and len(places) <= _FEW:
                rows = did_among(leaf, self._audience.events, places.base)
            else:
                rows = look_up(self._audience, leaf, places.base) & places.base
            found = self._others[leaf] = places.set_of_rows(rows)
        return found

    def _read(self, leaf: Leaf) -> None:
        """Reads what a look-up that was asked before needs, where that still exists."""
        if isinstance(leaf, IsSet | TextMatch | IsTrue | NumberRange | NumberIn):
            built_in = leaf.attribute in ("key", "known_since")
            if not built_in and leaf.attribute not in self._audience.attributes:
                return
        self.look_up(leaf)

    def _numbers(self, leaf: NumberRange | NumberIn) -> int:
        at, values = self._values_of(leaf)
        if isinstance(leaf, NumberIn):
            wanted = [value for value in leaf.values if INT64_MIN <= value <= INT64_MAX]
            return self._set(at, np.isin(values, np.array(wanted, np.int64)))
        low = INT64_MIN if leaf.low is None else leaf.low
        high = INT64_MAX if leaf.high is None else leaf.high
        if low > INT64_MAX or high < INT64_MIN:
            return 0
        low, high = max(low, INT64_MIN), min(high, INT64_MAX)
        return self._set(at, (values >= low) & (values <= high))

    def _values_of(self, leaf: NumberRange | NumberIn) -> tuple[Ats, Integers]:
        """The places of the rows with a value, ascending, and the values."""
        attribute = leaf.attribute
        known = self._values.get(attribute)
        if known is None:
            self._note_read(leaf)
            index = self._audience.index(attribute)
            assert isinstance(index, NumberIndex)
            mask = self._places.nobody()
            some = np.frombuffer((self._places.base & index.exists).to_array(), np.uint32)
            mask[self._places.of(some)] = True
            known = (np.flatnonzero(mask), index.values_of_rows(some))
            self._values[attribute] = known
        return known

    def _spellings(self, index: KeywordIndex | KeywordsIndex, leaf: TextMatch) -> int:
        at, codes = self._codes_of(leaf, index)
        wanted = index.dictionary.select(leaf.test)
        if len(wanted) > _EACH:
            return self._set(at, np.isin(codes, np.array(wanted, np.uint32)))
        passes = np.zeros(len(codes), np.bool_)
        for code in wanted:
            passes |= codes == code
        return self._set(at, passes)

    def _codes_of(self, leaf: TextMatch, index: KeywordIndex | KeywordsIndex) -> tuple[Ats, Ats]:
        """The codes of the spellings that the rows hold, each with the place of its row."""
        attribute = leaf.attribute
        known = self._codes.get(attribute)
        if known is None:
            self._note_read(leaf)
            if isinstance(index, KeywordIndex):
                known = (np.arange(len(self._places)), index.codes.take(self._places.rows))
            else:
                known = index.codes_of(self._places.rows)
            self._codes[attribute] = known
        return known

    def _note_read(self, leaf: Leaf) -> None:
        """An attribute is read for the first time; one leaf of it stands for all."""
        self._asked.leaves[leaf] = None
        if self._is_late:
            raise Late

    def _set(self, at: Ats, passes: Mask) -> int:
        """The places of those that pass."""
        mask = self._places.nobody()
        mask[at[passes]] = True
        return self._places.set_of(mask)
