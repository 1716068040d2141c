"""Look-ups among few rows: what costs by the rows that were touched rather than by the audience."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.coded import CodedIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.live.few_events import did_among
from headcount_server.core.plan.event_nodes import DidAtLeast
from headcount_server.core.plan.lookup import look_up
from headcount_server.core.plan.nodes import Leaf, NumberIn, NumberRange, TextMatch
from headcount_server.limits import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience

Rows = NDArray[np.uint32]
Integers = NDArray[np.int64]

_FEW = 16_384  # of more rows the values are not read one by one


class Few:
    """Look-ups among some rows of one revision of an audience; values read once are kept.

    Args:
        audience: whose indexes are asked; not to change meanwhile.
        rows: existing subscribers.
    """

    def __init__(self, audience: Audience, rows: BitMap) -> None:
        self._audience = audience
        self.rows = rows
        self._values: dict[str, tuple[Rows, Integers]] = {}

    def look_up(self, leaf: Leaf) -> BitMap:
        """Those of the rows that a leaf, other than ``InSegment``, denotes; not to be modified."""
        if not self.rows:
            return bitmaps.EMPTY
        if len(self.rows) <= _FEW:
            if isinstance(leaf, NumberRange | NumberIn):
                return self._numbers(leaf)
            if isinstance(leaf, DidAtLeast):
                return did_among(leaf, self._audience.events, self.rows)
            if isinstance(leaf, TextMatch) and leaf.attribute != "key":
                index = self._audience.attributes[leaf.attribute]
                if isinstance(index, CodedIndex):
                    return self._spellings(index, leaf)
        return look_up(self._audience, leaf, self.rows) & self.rows

    def _numbers(self, leaf: NumberRange | NumberIn) -> BitMap:
        some, values = self._values_of(leaf.attribute)
        if isinstance(leaf, NumberIn):
            wanted = [value for value in leaf.values if INT64_MIN <= value <= INT64_MAX]
            return _bitmap(some[np.isin(values, np.array(wanted, np.int64))])
        low = INT64_MIN if leaf.low is None else leaf.low
        high = INT64_MAX if leaf.high is None else leaf.high
        if low > INT64_MAX or high < INT64_MIN:
            return bitmaps.EMPTY
        low, high = max(low, INT64_MIN), min(high, INT64_MAX)
        return _bitmap(some[(values >= low) & (values <= high)])

    def _values_of(self, attribute: str) -> tuple[Rows, Integers]:
        """The rows with a value, ascending, and the values."""
        known = self._values.get(attribute)
        if known is None:
            index = self._audience.index(attribute)
            assert isinstance(index, NumberIndex)
            some = bitmaps.to_array(self.rows & index.exists)
            known = self._values[attribute] = (some, index.values_of_rows(some))
        return known

    def _spellings(self, index: CodedIndex, leaf: TextMatch) -> BitMap:
        held = index.spellings()
        passing = [code for code in index.dictionary.select(leaf.test) if code < len(held)]
        if len(passing) == 1:
            return held[passing[0]] & self.rows
        return bitmaps.union([held[code] & self.rows for code in passing])


def _bitmap(rows: Rows) -> BitMap:
    """Few ascending rows: faster so than a container at a time."""
    return BitMap(array("I", rows.astype(np.uint32, copy=False).tobytes()))
