"""What the indexes of all types of attributes share.

Invariants: ``exists`` is the set of rows that have a value; bitmaps are replaced, never mutated, so
that frozen copies share them; ``version`` grows with every change, so that equal versions of one
index mean equal contents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

Rows = NDArray[np.uint32]
Mask = NDArray[np.bool_]


class AttributeIndex(ABC):
    """The values of one attribute, and the sets of rows that tests on it ask for.

    Attributes:
        schema: the attribute.
        version: how many writes and erasures changed something.
        exists: rows with a value; not to be modified.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        self.schema = schema
        self.version = 0
        self.exists = bitmaps.EMPTY
        self._frozen = False

    def write(self, rows: Rows, values: ValueColumn) -> BitMap:
        """Store a value for each row; a missing one removes. All or nothing; never fails.

        Args:
            rows: unique, in any order.
            values: of this attribute's type, one for each row.

        Returns:
            The rows whose value changed; an equal value is no change, another spelling is one.
        """
        assert not self._frozen, "a frozen index can't change"
        assert values.type is self.schema.type
        assert len(values) == len(rows)
        changed = self._write(rows, values) if len(rows) else bitmaps.EMPTY
        if changed:
            self.version += 1
        return changed

    def respelled(self, rows: Rows, values: ValueColumn) -> BitMap:
        """Rows that a write with these arguments would change, but to an equal value.

        Text is equal if it folds alike; only its spelling changes.
        """
        return bitmaps.EMPTY

    def erase(self, rows: BitMap) -> BitMap:
        """Remove the values of rows and every trace of what was written for them.

        Returns:
            The rows that had a value.
        """
        assert not self._frozen, "a frozen index can't change"
        hit = rows & self.exists
        if self._erase(hit) or hit:
            self.version += 1
        return hit

    def settling(self) -> Iterator[None]:
        """Do in small steps what the next read would have to do at once, such as to build bitmaps.

        Each step takes a few milliseconds; it may be left off, and what is read or written in
        between is as right as ever.
        """
        yield from ()

    @abstractmethod
    def get(self, row: int) -> Any:
        """The canonical value of one row, or None."""

    @abstractmethod
    def take(self, rows: Rows) -> list[Any]:
        """The canonical value of each row (in any order, repeated or not), or None."""

    @abstractmethod
    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""

    @abstractmethod
    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data. Freeze first where writes go on."""

    @classmethod
    def load(cls, schema: AttributeSchema, parts: Mapping[str, Any]) -> Self:
        """The index that ``dump`` wrote.

        Raises:
            DataLoss: the parts aren't what ``dump`` gives.
        """
        index = cls(schema)
        try:
            index._load(parts)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise DataLoss(f"attribute {schema.name!r} can't be loaded: {error!r}") from error
        return index

    def freeze(self) -> Self:
        """A read-only copy of the present contents. O(pages + bitmaps)."""
        if self._frozen:
            return self
        frozen = copy(self)
        frozen._freeze_parts()
        frozen._frozen = True
        return frozen

    @abstractmethod
    def _write(self, rows: Rows, values: ValueColumn) -> BitMap: ...

    @abstractmethod
    def _erase(self, rows: BitMap) -> bool:
        """Erase rows, all of which have a value; whether anything else was dropped."""

    @abstractmethod
    def _load(self, parts: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _freeze_parts(self) -> None:
        """Replace, in a fresh copy, what later writes would change by frozen copies."""

    def _exist(self, born: Rows, gone: Rows) -> None:
        """Rows (ascending) that have a value now, and rows that have none any more."""
        if len(gone):
            self.exists = self.exists - bitmaps.from_sorted(gone)
        if len(born):
            self.exists = self.exists | bitmaps.from_sorted(born)


def ascending(rows: Rows) -> NDArray[np.intp] | None:
    """The order that sorts unique rows; None where they are sorted."""
    if len(rows) < 2 or bool((rows[1:] > rows[:-1]).all()):
        return None
    return np.argsort(rows)


def membership(bitmap: BitMap, rows: Rows) -> Mask:
    """Which of the rows (ascending) are in the bitmap."""
    mask = np.zeros(len(rows), np.bool_)
    hit = bitmaps.from_sorted(rows) & bitmap if bitmap else bitmaps.EMPTY
    if len(hit) == len(rows):
        mask[:] = True
    elif hit:
        mask[np.searchsorted(rows, bitmaps.to_array(hit))] = True
    return mask
