"""In what order sets are intersected, and results that are one step short of being built.

Two bitmaps of many rows are intersected word by word, unless the result has few: then each row is
picked out, which costs ten times as much. So the largest sets may have to go first; the costs of
both orders are estimated as if the sets were independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core.attributes.pieces import Pieces

_FULL = 1 / 16  # the density from which a container is a bitset
# Nanoseconds for each row of the universe: two bitsets made one, two bitsets compared, and for
# each row that is picked out of them or looked at in a list.
_JOIN, _COMPARE, _PICK, _LOOK = 0.009, 0.003, 1.8, 1.0


@dataclass(frozen=True, slots=True)
class Operand:
    """A set, or where ``negated`` everyone but the set."""

    rows: BitMap
    negated: bool


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """What ``base`` (None: everyone) and ``last`` share; where ``negated``, what only ``base`` has.

    Attributes:
        last: None for ``base`` itself, which there is then.
    """

    base: BitMap | None
    last: Pieces | None = None
    negated: bool = False

    def count(self) -> int:
        """How many rows there are."""
        if self.last is None:
            assert self.base is not None
            return len(self.base)
        shared = self.last.count(self.base)
        return len(self._whole()) - shared if self.negated else shared

    def within(self, rows: BitMap) -> Unbuilt:
        """What it shares with some rows."""
        return Unbuilt(rows if self.base is None else self.base & rows, self.last, self.negated)

    def rows(self) -> BitMap:
        """The set; not to be modified."""
        if self.last is None:
            return self._whole()
        last = self.last.rows()
        if self.base is None:
            assert not self.negated
            return last
        return self.base - last if self.negated else self.base & last

    def _whole(self) -> BitMap:
        assert self.base is not None, "only a sum of bitmaps is among everyone"
        return self.base


def in_order(operands: Sequence[Operand], universe: int, all_built: bool) -> list[Operand]:
    """The operands in the cheaper order; the first one isn't negated if any is not.

    Args:
        operands: any number.
        universe: how many rows there are.
        all_built: whether the last step is built too, rather than counted.
    """
    rising = sorted(operands, key=lambda o: (o.negated, -len(o.rows) if o.negated else len(o.rows)))
    if len(operands) < 3 - all_built or not universe:
        return rising
    falling = sorted(operands, key=lambda o: _density(o, universe), reverse=True)
    first = next((i for i, operand in enumerate(falling) if not operand.negated), 0)
    falling.insert(0, falling.pop(first))
    costs = [_cost(order, universe, all_built) for order in (rising, falling)]
    return rising if costs[0] <= costs[1] else falling


def _density(operand: Operand, universe: int) -> float:
    share = len(operand.rows) / universe
    return max(0.0, 1 - share) if operand.negated else share


def _cost(order: Sequence[Operand], universe: int, all_built: bool) -> float:
    """Nanoseconds for each row of the universe."""
    first, *others = order
    so_far = 1.0 if first.negated else _density(first, universe)
    total = _JOIN if first.negated and so_far else 0.0
    if first.negated:
        others = order
    for place, operand in enumerate(others, 1):
        share = len(operand.rows) / universe
        after = so_far * _density(operand, universe)
        if so_far < _FULL or share < _FULL:
            total += min(so_far, share) * _LOOK + (_JOIN if so_far >= _FULL else 0)
        elif place == len(others) and not all_built:
            total += _COMPARE
        else:
            total += _JOIN + (after * _PICK if after < _FULL else 0)
        so_far = after
    return total
