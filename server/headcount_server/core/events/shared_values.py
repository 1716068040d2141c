"""Values of one dimension that several event types have, under numbers of their own.

Each event type codes its spellings for itself; here values that fold alike get one number,
whichever type and spelling they come from.
"""

from __future__ import annotations

import numpy as np

from headcount_server.core.events.columns import Int64s, Unsigned
from headcount_server.core.events.view import EventView
from headcount_server.core.texts import fold


class SharedValues:
    """Numbers of the values of one dimension, from 1 in the order in which they are met."""

    def __init__(self, dimension: str) -> None:
        self._dimension = dimension
        self._numbers: dict[str, int] = {}

    def numbers(self, view: EventView, codes: Unsigned) -> Int64s:
        """The numbers of an event type's codes plus one; 0 stays 0. O(n + values log values)."""
        if not len(codes):
            return np.zeros(0, dtype=np.int64)
        spellings = view.spellings[self._dimension]
        values = spellings.value_codes()[codes]
        used = np.unique(values)
        table = np.zeros(int(used[-1]) + 1, dtype=np.int64)
        for code in used.tolist():
            if code:
                folded = fold(spellings.spelling(code - 1))
                table[code] = self._numbers.setdefault(folded, len(self._numbers) + 1)
        return table[values]

    def ranks(self) -> Int64s:
        """Number -> its place among all folds met so far, in their order. O(values log values)."""
        result = np.zeros(len(self._numbers) + 1, dtype=np.int64)
        for rank, folded in enumerate(sorted(self._numbers)):
            result[self._numbers[folded]] = rank
        return result
