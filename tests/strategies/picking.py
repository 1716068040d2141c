"""How the strategies of audiences and rules draw: one index into a pool at a time.

Strategies for whole rules would have to be built anew for every setting; drawing indices costs
microseconds and shrinks towards the front of each pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from headcount_server.core.rules import tree
from hypothesis import strategies as st

from .families import Family
from .settings import Setting

T = TypeVar("T")


@lru_cache(maxsize=512)
def _index(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, size - 1)


class Pick:
    """Draws for one setting, restricted to some families."""

    def __init__(
        self, draw: st.DrawFn, setting: Setting, families: frozenset[Family] = frozenset()
    ) -> None:
        self._draw = draw
        self.setting = setting
        self.families = families

    def index(self, size: int) -> int:
        """0 to ``size`` - 1."""
        return self._draw(_index(size)) if size > 1 else 0

    def one(self, pool: Sequence[T]) -> T:
        """One of a pool."""
        return pool[self.index(len(pool))]

    def of(self, *makers: Callable[[], T]) -> T:
        """What one of these makes."""
        return self.one(makers)()

    def rarely(self, out_of: int) -> bool:
        """True one time in so many."""
        return self.index(out_of) == out_of - 1

    def some(self, make: Callable[[], T], low: int = 1, high: int = 3) -> tuple[T, ...]:
        """``low`` to ``high`` of what is made."""
        return tuple(make() for _ in range(low + self.index(high - low + 1)))

    def has(self, family: Family) -> bool:
        """Whether a family may stand here."""
        return family in self.families

    def number(self, *pool: Decimal | int | str) -> tree.Number:
        """One of these number literals."""
        return tree.Number(Decimal(self.one(pool)))

    def text(self, pool: Sequence[str]) -> tree.Text:
        """A text literal; one in four heeds case."""
        return tree.Text(self.one(pool), self.rarely(4))

    def texts(self, pool: Sequence[str]) -> tree.ValueList:
        """A list of one to three text literals."""
        return tree.ValueList(self.some(lambda: self.text(pool)))
