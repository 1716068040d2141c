"""What the indexes of all types of attributes share.

Invariants: ``exists`` is the set of rows that have a value; bitmaps are replaced, never mutated, so
that frozen copies share them; ``version`` grows with every change, so that equal versions of one
index mean equal contents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.pending import (
    Change,
    Mask,
    Pending,
    Rows,
    Stored,
    joined,
    part_of,
    steps_of,
    together,
)
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.steps import Steps, finish
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss


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
        self._unseen = bitmaps.EMPTY  # rows with values in place that nobody may see yet

    def write(self, rows: Rows, values: ValueColumn) -> BitMap:
        """Store a value for each row; a missing one removes. All or nothing; never fails.

        Args:
            rows: unique, in any order.
            values: of this attribute's type, one for each row.

        Returns:
            The rows whose value changed; an equal value is no change, another spelling is one.
        """
        if not len(rows):
            return bitmaps.EMPTY
        return self.publish(finish(self.writing(rows, values)))

    def writing(
        self,
        rows: Rows,
        values: ValueColumn,
        unseen: Mask | None = None,
        order: NDArray[np.intp] | None = None,
    ) -> Steps[Pending]:
        """Make a write aside, in steps of about a millisecond; nobody sees it until ``publish``.

        Nothing else may be written to this index meanwhile, and the write has to be published.

        Args:
            rows: as in ``write``.
            values: likewise.
            unseen: which of the rows have no value here and are asked for by nobody; None: none.
            order: what ``np.argsort(rows)`` gives, where that is known.
        """
        assert not self._frozen, "a frozen index can't change"
        assert values.type is self.schema.type
        assert len(values) == len(rows)
        parts: list[Stored] = []
        for at in steps_of(len(rows)):
            parts.append(self._encoded(part_of(values, at)))
            yield
        new = joined(parts)
        order = np.argsort(rows) if order is None else order
        yield
        hidden = np.zeros(len(rows), np.bool_) if unseen is None else unseen[order]
        self._unseen = bitmaps.from_sorted(rows[order[hidden]])
        placed = yield from self._compared_in_steps(rows, new, order[hidden], is_unseen=True)
        unplaced = yield from self._compared_in_steps(rows, new, order[~hidden], is_unseen=False)
        alike = bitmaps.EMPTY
        for change in unplaced:
            respelled = self._respelled(change)
            if bool(respelled.any()):
                alike = alike | bitmaps.from_sorted(change.rows[respelled])
            yield
        changes = [together(part) for part in (placed, unplaced) if part]
        yield
        return (yield from self._pending(changes, [together(unplaced)] if unplaced else [], alike))

    def publish(self, pending: Pending) -> BitMap:
        """Let a write be seen; returns the rows whose value changed. O(rows that were seen)."""
        for change in pending.unplaced:
            self._place(change)
        self.exists = pending.exists
        self._unseen = bitmaps.EMPTY
        if pending.changed:
            self._follow(pending)
            self.version += 1
        return pending.changed

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
    def _encoded(self, values: ValueColumn) -> Stored:
        """Values as they are stored, in the order given."""

    @abstractmethod
    def _compared(self, rows: Rows, new: Stored, is_unseen: bool) -> Change:
        """What storing values does; rows ascend, and have no value if ``is_unseen``."""

    @abstractmethod
    def _place(self, change: Change) -> None:
        """Store the new values."""

    @abstractmethod
    def _noting(self, changes: Sequence[Change], pending: Pending) -> Steps[Any]:
        """What is made of changes (each ascending, no row in two) beside storing them."""

    @abstractmethod
    def _follow(self, pending: Pending) -> None:
        """Take what ``_noting`` made. O(1)."""

    def _respelled(self, change: Change) -> Mask:
        """Which rows get a value that is equal to the old one."""
        return np.zeros(len(change.rows), np.bool_)

    def _compared_in_steps(
        self, rows: Rows, new: Stored, places: NDArray[np.intp], is_unseen: bool
    ) -> Steps[list[Change]]:
        """What becomes of the rows at some places, which put them in order; in place if unseen."""
        changes: list[Change] = []
        for at in steps_of(len(places)):
            some = places[at]
            change = self._compared(rows[some], new[some], is_unseen)
            if is_unseen:
                self._place(change)
            if len(change.rows):
                changes.append(change)
            yield
        return changes

    def _pending(
        self, changes: Sequence[Change], unplaced: list[Change], respelled: BitMap
    ) -> Steps[Pending]:
        exists, changed = self.exists, bitmaps.EMPTY
        for change in changes:
            rows = bitmaps.from_sorted(change.rows)
            changed = changed | rows if changed else rows
            gone = change.rows[change.had & ~change.has]
            if len(gone):
                exists = exists - bitmaps.from_sorted(gone)
            born = change.rows[change.has & ~change.had]
            if len(born):
                exists = exists | bitmaps.from_sorted(born)
            yield
        pending = Pending(changed, respelled, exists, unplaced, None)
        if changed:
            pending.note = yield from self._noting(changes, pending)
        return pending

    @abstractmethod
    def _erase(self, rows: BitMap) -> bool:
        """Erase rows, all of which have a value; whether anything else was dropped."""

    @abstractmethod
    def _load(self, parts: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _freeze_parts(self) -> None:
        """Replace, in a fresh copy, what later writes would change by frozen copies."""


def membership(bitmap: BitMap, rows: Rows) -> Mask:
    """Which of the rows (ascending) are in the bitmap."""
    mask = np.zeros(len(rows), np.bool_)
    hit = bitmaps.from_sorted(rows) & bitmap if bitmap else bitmaps.EMPTY
    if len(hit) == len(rows):
        mask[:] = True
    elif hit:
        mask[np.searchsorted(rows, bitmaps.to_array(hit))] = True
    return mask
