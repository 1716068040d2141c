"""Look-ups among few rows: what costs by the rows that were touched rather than by the audience."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.live.asked_days import AskedOfEvents
from headcount_server.core.live.few_events import FewEvents
from headcount_server.core.live.places import Mask, Places
from headcount_server.core.plan.aggregate_nodes import Aggregated
from headcount_server.core.plan.event_nodes import DidAtLeast
from headcount_server.core.plan.lookup import look_up
from headcount_server.core.plan.nodes import Leaf, NumberIn, NumberRange, TextMatch
from headcount_server.limits import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience

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
        self, audience: Audience, places: Places, asked: AskedOfEvents | None = None
    ) -> None:
        self._audience = audience
        self._places = places
        self._events = FewEvents(audience.events, places, asked)
        self._values: dict[str, tuple[Ats, Integers]] = {}
        self._codes: dict[str, tuple[Ats, Ats]] = {}

    def look_up(self, leaf: Leaf) -> int:
        """Those of the rows that a leaf, other than ``InSegment``, denotes, as a set of places."""
        places = self._places
        if not len(places):
            return 0
        if len(places) <= _FEW:
            if isinstance(leaf, NumberRange | NumberIn):
                return self._numbers(leaf)
            if isinstance(leaf, DidAtLeast):
                return self._events.did(leaf)
            if isinstance(leaf, Aggregated):
                found = self._events.aggregated(leaf)
                if found is not None:
                    return found
            if isinstance(leaf, TextMatch) and leaf.attribute != "key":
                index = self._audience.attributes[leaf.attribute]
                if isinstance(index, KeywordIndex | KeywordsIndex):
                    return self._spellings(index, leaf)
        return places.set_of_rows(look_up(self._audience, leaf, places.base) & places.base)

    def _numbers(self, leaf: NumberRange | NumberIn) -> int:
        at, values = self._values_of(leaf.attribute)
        if isinstance(leaf, NumberIn):
            wanted = [value for value in leaf.values if INT64_MIN <= value <= INT64_MAX]
            return self._set(at, np.isin(values, np.array(wanted, np.int64)))
        low = INT64_MIN if leaf.low is None else leaf.low
        high = INT64_MAX if leaf.high is None else leaf.high
        if low > INT64_MAX or high < INT64_MIN:
            return 0
        low, high = max(low, INT64_MIN), min(high, INT64_MAX)
        return self._set(at, (values >= low) & (values <= high))

    def _values_of(self, attribute: str) -> tuple[Ats, Integers]:
        """The places of the rows with a value, ascending, and the values."""
        known = self._values.get(attribute)
        if known is None:
            index = self._audience.index(attribute)
            assert isinstance(index, NumberIndex)
            mask = self._places.nobody()
            some = np.frombuffer((self._places.base & index.exists).to_array(), np.uint32)
            mask[self._places.of(some)] = True
            known = (np.flatnonzero(mask), index.values_of_rows(some))
            self._values[attribute] = known
        return known

    def _spellings(self, index: KeywordIndex | KeywordsIndex, leaf: TextMatch) -> int:
        at, codes = self._codes_of(leaf.attribute, index)
        wanted = index.dictionary.select(leaf.test)
        if len(wanted) > _EACH:
            return self._set(at, np.isin(codes, np.array(wanted, np.uint32)))
        passes = np.zeros(len(codes), np.bool_)
        for code in wanted:
            passes |= codes == code
        return self._set(at, passes)

    def _codes_of(self, attribute: str, index: KeywordIndex | KeywordsIndex) -> tuple[Ats, Ats]:
        """The codes of the spellings that the rows hold, each with the place of its row."""
        known = self._codes.get(attribute)
        if known is None:
            if isinstance(index, KeywordIndex):
                known = (np.arange(len(self._places)), index.codes.take(self._places.rows))
            else:
                known = index.codes_of(self._places.rows)
            self._codes[attribute] = known
        return known

    def _set(self, at: Ats, passes: Mask) -> int:
        """The places of those that pass."""
        mask = self._places.nobody()
        mask[at[passes]] = True
        return self._places.set_of(mask)
