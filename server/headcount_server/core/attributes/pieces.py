"""A set of rows that is known as a sum of bitmaps, to be counted without building it.

Every row of the set lies in one bitmap more of ``plus`` than of ``minus``; any other row lies in as
many of the one as of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core import bitmaps


@dataclass(frozen=True, slots=True)
class Pieces:
    """The summands, none of which is to be modified."""

    plus: tuple[BitMap, ...]
    minus: tuple[BitMap, ...] = ()

    def rows(self) -> BitMap:
        """The set; not to be modified."""
        if not self.minus:
            return bitmaps.union(self.plus)
        # The sum is 0 or 1, so it is as good as the parity.
        first, second, *rest = sorted((*self.plus, *self.minus), key=len, reverse=True)
        result = first ^ second
        for piece in rest:
            result ^= piece
        return result

    def count(self, within: BitMap | None = None) -> int:
        """How many of ``within`` (None: of all rows) are in the set."""
        if within is None:
            return sum(map(len, self.plus)) - sum(map(len, self.minus))
        return sum(map(within.intersection_cardinality, self.plus)) - sum(
            map(within.intersection_cardinality, self.minus)
        )
