"""The key directory of an audience: from key to row, from row to key, and who exists.

Rows lie in partitions: partition p owns the blocks b with ``b % partitions == p``. A string or
int64 key goes to the partition that its stable hash names and gets the next local number there, in
the order of the log; a uint32 key is its own row. Invariants: the same calls give the same rows; a
row that was removed is given out again only after ``release``; ``everyone`` is immutable and
replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core.bitmaps import EMPTY, from_rows, nbytes, to_array
from headcount_server.core.columns import Column, by_block
from headcount_server.core.keys import hashing
from headcount_server.core.keys.allotment import Allotment
from headcount_server.core.keys.checks import (
    AnyKeys,
    Texts,
    checked_numbers,
    checked_texts,
    faults,
    sought_numbers,
    sought_texts,
)
from headcount_server.core.keys.order import KeyOrder
from headcount_server.core.keys.table import RowTable
from headcount_server.core.ragged import RaggedColumn
from headcount_server.core.schema import KeyType
from headcount_server.core.steps import Steps, finish
from headcount_server.errors import DataLoss, InvalidBatch
from headcount_server.limits import DEFAULT_LIMITS, PARTITIONS_DEFAULT, Limits

Keys = list[str] | NDArray[np.int64]  # strings, or numbers of both integer key types
Rows = NDArray[np.uint32]

_FEW = 64  # keys that are looked up one by one
_STEP_KEYS = 2_048  # keys that are stored in one step
_FIND_KEYS = 4_096  # keys that are hashed or looked up in one step


@dataclass(frozen=True, slots=True)
class Added:
    """Keys with their rows, those that are new among them.

    Attributes:
        rows: of each key.
        is_new: whether the key is new and stands at its first place here.
        is_unseen: whether the key is new.
        new_rows: of the new keys, by first place.
        everyone: the rows of all subscribers with them.
    """

    rows: Rows
    is_new: NDArray[np.bool_]
    is_unseen: NDArray[np.bool_]
    new_rows: Rows
    everyone: BitMap


class KeyDirectory:
    """All keys of an audience.

    Args:
        key_type: what the keys are.
        partitions: number of row partitions.
        limits: of the server.
    """

    __slots__ = (
        "_allotment",
        "_everyone",
        "_exists",
        "_frozen",
        "_hashes",
        "_limits",
        "_numbers",
        "_order",
        "_table",
        "_texts",
        "_unseen",
        "key_type",
        "partitions",
    )

    def __init__(
        self,
        key_type: KeyType,
        partitions: int = PARTITIONS_DEFAULT,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.key_type = key_type
        self.partitions = partitions
        self._limits = limits
        self._everyone = EMPTY
        self._hashes = Column(np.uint64)
        self._texts = RaggedColumn()  # of string keys
        self._order: KeyOrder | None = None  # of string keys, once a page was asked for
        self._numbers = Column(np.int64)  # of int64 keys
        self._exists = Column(np.bool_, False)  # of uint32 keys
        self._table: RowTable | None = RowTable()
        self._allotment = Allotment(partitions)
        self._frozen = False
        self._unseen = EMPTY  # rows whose keys are stored but may not be seen yet

    @property
    def everyone(self) -> BitMap:
        """The rows of all existing subscribers; immutable."""
        return self._everyone

    def __len__(self) -> int:
        return len(self._everyone)

    def validate(self, keys: AnyKeys) -> list[tuple[int, str]]:
        """``(index, what is wrong and what would be right)`` of each key that can't be used."""
        return faults(self.key_type, keys, self._limits)

    def find(self, keys: AnyKeys) -> NDArray[np.int64]:
        """The row of each key, -1 where there is none; a key that could not be has none.

        Raises:
            InvalidBatch: keys of the wrong Python type.
        """
        if self.key_type is KeyType.STRING:
            texts = sought_texts(keys)  # pyright: ignore[reportArgumentType]
            return self._seen(self._find_texts(texts))
        numbers, fits = sought_numbers(keys)
        if self.key_type is KeyType.INT64:
            return self._seen(np.where(fits, self._find_numbers(numbers), -1))
        fits &= (numbers >= 0) & (numbers <= self._limits.uint32_key_max)
        rows = np.where(fits, numbers, 0)
        exists = self._exists.take(rows.astype(np.uint32))
        return np.where(fits & exists, rows, -1)

    def find_or_add(self, keys: AnyKeys) -> tuple[Rows, NDArray[np.bool_]]:
        """The row of each key, and which of them were added by their first occurrence here.

        A key that is repeated gets one row and is new at its first place only.

        Raises:
            InvalidBatch: some key can't be used; nothing was added.
            LimitExceeded: a partition is full; nothing was added.
        """
        added = finish(self.adding(keys))
        self.publish(added)
        return added.rows, added.is_new

    def adding(self, keys: AnyKeys) -> Steps[Added]:
        """As ``find_or_add``, in steps of about a millisecond; seen only after ``publish``.

        Nothing else may be added or removed before that. Raises as there.
        """
        assert not self._frozen, "a frozen directory can't change"
        if self.key_type is KeyType.STRING:
            return (yield from self._adding_texts(keys))  # pyright: ignore[reportArgumentType]
        numbers = checked_numbers(self.key_type, keys, self._limits)
        yield
        return (yield from self._adding_numbers(numbers))

    def publish(self, added: Added) -> None:
        """Let keys that were added be seen. O(1), for uint32 keys O(keys)."""
        if self.key_type is KeyType.UINT32 and len(added.new_rows):
            self._exists.put(added.new_rows, True)
        self._everyone = added.everyone
        self._unseen = EMPTY

    def finding(self, keys: AnyKeys) -> Steps[NDArray[np.int64]]:
        """As ``find``, in steps of about a millisecond."""
        parts: list[NDArray[np.int64]] = []
        for start in range(0, max(len(keys), 1), _FIND_KEYS):
            parts.append(self.find(keys[start : start + _FIND_KEYS]))
            yield
        return np.concatenate(parts)

    def validating(self, keys: AnyKeys) -> Steps[list[tuple[int, str]]]:
        """As ``validate``, in steps of about a millisecond."""
        found: list[tuple[int, str]] = []
        for start in range(0, len(keys), _FIND_KEYS):
            part = self.validate(keys[start : start + _FIND_KEYS])
            found += [(start + index, fault) for index, fault in part]
            yield
        return found

    def key(self, row: int) -> str | int:
        """The key of an existing row."""
        assert row in self._everyone, "only existing subscribers have keys"
        keys = self.keys(np.array([row], np.uint32))
        return keys[0] if isinstance(keys, list) else int(keys[0])

    def keys(self, rows: Rows) -> Keys:
        """The keys of existing rows, in the order of ``rows``."""
        if self.key_type is KeyType.UINT32:
            return rows.astype(np.int64)
        if self.key_type is KeyType.INT64:
            return self._numbers.take(rows)
        return [text.decode() for text in self._take_texts(rows)]

    def hashes(self, rows: Rows) -> NDArray[np.uint64]:
        """The stable hash of the key of each existing row."""
        return self._hashes.take(rows)

    def texts(self) -> Iterator[tuple[Rows, list[bytes]]]:
        """``(rows, keys as UTF-8 text)`` per block that has any, ascending, for `key` tests."""
        if self.key_type is KeyType.STRING:
            for rows, texts in self._texts.pages():
                if self._unseen:
                    seen = [row not in self._unseen for row in rows.tolist()]
                    yield rows[seen], [t for t, s in zip(texts, seen, strict=True) if s]
                else:
                    yield rows, texts
            return
        rows = to_array(self._everyone)
        for _, index in by_block(rows):
            yield rows[index], self.texts_of(rows[index])

    def texts_of(self, rows: Rows) -> list[bytes]:
        """The UTF-8 text of the key of each existing row, in the order of ``rows``."""
        if self.key_type is KeyType.STRING:
            return self._take_texts(rows)
        keys = self.keys(rows)
        assert not isinstance(keys, list)
        return hashing.decimal_texts(keys)

    def sorted_keys(self, members: BitMap | Rows) -> Keys:
        """The keys of existing rows: strings in the order of their UTF-8 bytes, or ascending."""
        rows = to_array(members) if isinstance(members, BitMap) else members
        keys = self.keys(rows)
        if isinstance(keys, list):
            return sorted(keys)  # by code points, which is the order of the UTF-8 bytes
        return np.sort(keys)

    def page_after(self, members: BitMap, after: str | int | None, limit: int) -> Keys:
        """The ``limit`` smallest keys of members that lie after ``after`` (or from the start).

        Cost: O(members) in numpy, with a look at few keys but those of the page; for string keys
        the first page makes the order that the next ones go by.
        """
        return finish(self.page_steps(members, after, limit))

    def page_steps(self, members: BitMap, after: str | int | None, limit: int) -> Steps[Keys]:
        """As ``page_after``, for string keys a step for each block or some of them."""
        if self.key_type is KeyType.STRING:
            assert after is None or isinstance(after, str)
            order = self._order = self._order or KeyOrder(self._texts)
            smallest = yield from order.smallest(self._everyone, members, after, limit)
            return [text.decode() for text in smallest]
        assert after is None or isinstance(after, int)
        numbers = self.keys(to_array(members))
        assert not isinstance(numbers, list)
        if after is not None:
            numbers = numbers[numbers > after]
        if limit < len(numbers) and self.key_type is KeyType.INT64:
            numbers = np.partition(numbers, limit)[:limit]
        return np.sort(numbers)[:limit]

    def remove(self, rows: Rows) -> None:
        """Forget existing rows (any order, unique) and their keys.

        The keys' bytes are gone from here when this returns; only a frozen directory still has
        them. The rows wait for ``release``.
        """
        assert not self._frozen, "a frozen directory can't change"
        gone = from_rows(rows)
        assert gone.issubset(self._everyone), "only existing subscribers are removed"
        if self.key_type is KeyType.UINT32:
            self._exists.put(rows, False)
        else:
            self._rows_by_hash().remove(self._table_hashes(rows), rows)
        if self._order is not None:
            self._order.forget(rows)
        self._texts.remove(rows, at_once=True)
        self._numbers.put(rows, 0)
        self._hashes.put(rows, 0)
        self._everyone = self._everyone - gone
        self._allotment.retire(gone)

    def release(self, rows: Rows) -> None:
        """Let removed rows be given out again, now that no index holds them any more.

        The smallest are given out first.
        """
        assert not self._frozen, "a frozen directory can't change"
        self._allotment.release(from_rows(rows), reusable=self.key_type is not KeyType.UINT32)

    def freeze(self) -> KeyDirectory:
        """A read-only directory of the present contents. O(pages); its first find is O(keys)."""
        if self._frozen:
            return self
        frozen = KeyDirectory(self.key_type, self.partitions, self._limits)
        frozen._everyone = self._everyone
        frozen._hashes = self._hashes.freeze()
        frozen._texts = self._texts.freeze()
        frozen._numbers = self._numbers.freeze()
        frozen._exists = self._exists.freeze()
        frozen._allotment = self._allotment.freeze()
        frozen._table = None
        frozen._frozen = True
        return frozen

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        columns = (self._hashes, self._texts, self._numbers, self._exists)
        table = self._table.nbytes if self._table else 0
        table += self._order.nbytes if self._order else 0
        return table + nbytes(self._everyone) + sum(column.nbytes for column in columns)

    def dump(self) -> dict[str, Any]:
        """Plain data: the same calls give the same data. Encode before the next change."""
        parts: dict[str, Any] = {
            "key_type": self.key_type.value,
            "everyone": self._everyone,
            "hashes": self._hashes.dump(),
            "allotment": self._allotment.dump(),
        }
        if self.key_type is KeyType.STRING:
            parts["texts"] = self._texts.dump()
        elif self.key_type is KeyType.INT64:
            parts["numbers"] = self._numbers.dump()
        return parts

    @classmethod
    def load(cls, parts: Mapping[str, Any], limits: Limits = DEFAULT_LIMITS) -> KeyDirectory:
        """The directory of dumped data. O(keys).

        Raises:
            DataLoss: the data aren't what ``dump`` gives.
        """
        try:
            allotment = Allotment.load(parts["allotment"])
            directory = cls(KeyType(parts["key_type"]), allotment.partitions, limits)
            directory._allotment = allotment
            directory._everyone = parts["everyone"]
            directory._hashes = Column.load(parts["hashes"])
            if directory.key_type is KeyType.STRING:
                directory._texts = RaggedColumn.load(parts["texts"])
            elif directory.key_type is KeyType.INT64:
                directory._numbers = Column.load(parts["numbers"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataLoss(f"a key directory can't be loaded: {error!r}") from error
        directory._check_loaded()
        directory._table = None
        directory._rows_by_hash()
        return directory

    def _check_loaded(self) -> None:
        if self._hashes.dtype != np.uint64 or self._numbers.dtype != np.int64:
            raise DataLoss("the columns of a key directory have the wrong types")
        if self.key_type is KeyType.STRING and self._texts.rows() != self._everyone:
            raise DataLoss("a key directory has keys without subscribers or the reverse")
        self._allotment.check(self._everyone, numbered=self.key_type is not KeyType.UINT32)
        if self.key_type is KeyType.UINT32:
            self._exists.put(to_array(self._everyone), True)

    def _rows_by_hash(self) -> RowTable:
        if self._table is None:
            self._table = RowTable()
            if self.key_type is not KeyType.UINT32:
                rows, hashes = to_array(self._everyone), self._all_hashes()
                self._table.fill(hashes, rows)
        return self._table

    def _all_hashes(self) -> NDArray[np.uint32]:
        """The table's hashes of all keys, in the order of their rows."""
        if self.key_type is KeyType.INT64:
            return hashing.number_hashes(self._numbers.take(to_array(self._everyone)))
        pages = self._texts.joined_pages()
        parts = [hashing.text_hashes(joined, lengths) for _, joined, lengths in pages]
        return np.concatenate(parts) if parts else np.empty(0, np.uint32)

    def _table_hashes(self, rows: Rows) -> NDArray[np.uint32]:
        """The table's hashes of the keys of some rows."""
        if self.key_type is KeyType.INT64:
            return hashing.number_hashes(self._numbers.take(rows))
        return hashing.text_hashes(*self._texts.gather(rows))

    def _take_texts(self, rows: Rows) -> list[bytes]:
        texts = [text for text in self._texts.take(rows) if text is not None]
        assert len(texts) == len(rows), "only existing subscribers have keys"
        return texts

    def _find_numbers(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        def same(places: NDArray[np.intp], rows: Rows) -> NDArray[np.bool_]:
            return self._numbers.take(rows) == numbers[places]

        return self._rows_by_hash().find(hashing.number_hashes(numbers), same)

    def _find_texts(self, texts: Texts) -> NDArray[np.int64]:
        if len(texts) <= _FEW:
            return np.array(list(map(self._find_text, texts.each())), np.int64)
        joined, lengths = texts.joined, texts.lengths
        starts = np.cumsum(lengths) - lengths

        def same(places: NDArray[np.intp], rows: Rows) -> NDArray[np.bool_]:
            return self._texts.equal(rows, joined, starts[places], lengths[places])

        return self._rows_by_hash().find(hashing.text_hashes(joined, lengths), same)

    def _find_text(self, text: bytes) -> int:
        hash_ = hashing.text_hash(text)
        return self._rows_by_hash().find_one(hash_, lambda row: self._texts.get(row) == text)

    def _seen(self, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Found rows, -1 in the place of those that may not be seen yet."""
        if self._unseen:
            hidden = [row >= 0 and row in self._unseen for row in found.tolist()]
            found[hidden] = -1
        return found

    def _adding_texts(self, keys: Sequence[str]) -> Steps[Added]:
        found_parts = [np.empty(0, np.int64)]
        for start in range(0, len(keys), _FIND_KEYS):
            texts = self._checked(keys, slice(start, start + _FIND_KEYS))
            found_parts.append(self._find_texts(texts))
            yield
        found = np.concatenate(found_parts)
        missing = np.flatnonzero(found < 0)
        numbering: dict[str, int] = {}
        which: list[int] = []
        for start in range(0, len(missing), _FIND_KEYS):
            some: list[int] = missing[start : start + _FIND_KEYS].tolist()
            which += [numbering.setdefault(keys[i], len(numbering)) for i in some]
            yield
        ordinals = np.array(which, np.int64)
        _, first = np.unique(ordinals, return_index=True)
        firsts = missing[first]
        yield
        new = list(numbering)
        added: list[bytes] = []
        hash_parts = [np.empty(0, np.uint64)]
        for start in range(0, len(new), _FIND_KEYS):
            part = [key.encode() for key in new[start : start + _FIND_KEYS]]
            added += part
            hash_parts.append(hashing.stable_hashes(part))
            yield
        hashes = np.concatenate(hash_parts)
        rows = self._allotment.allot(hashes)
        yield

        def place(at: NDArray[np.intp]) -> NDArray[np.uint32]:
            some = [added[i] for i in at.tolist()]
            lengths = np.fromiter(map(len, some), np.int64, len(some))
            joined = np.frombuffer(b"".join(some), np.uint8)
            self._texts.put_joined(rows[at], joined, lengths)
            if len(some) <= _FEW:
                return np.array(list(map(hashing.text_hash, some)), np.uint32)
            return hashing.text_hashes(joined, lengths)

        yield from self._placing(rows, hashes, place)
        return self._added(found, missing, firsts, rows, rows[ordinals])

    def _adding_numbers(self, numbers: NDArray[np.int64]) -> Steps[Added]:
        if self.key_type is KeyType.INT64:
            parts = [np.empty(0, np.int64)]
            for start in range(0, len(numbers), _FIND_KEYS):
                parts.append(self._find_numbers(numbers[start : start + _FIND_KEYS]))
                yield
            found = np.concatenate(parts)
        else:
            own = numbers.astype(np.uint32)
            assert not self._allotment.is_waiting(own), "release removed rows before they return"
            found = np.where(self._exists.take(own), numbers, -1)
        yield
        missing = np.flatnonzero(found < 0)
        _, first, inverse = np.unique(numbers[missing], return_index=True, return_inverse=True)
        order = np.argsort(first)  # the order of first occurrence
        ordinals = np.empty(len(order), np.int64)
        ordinals[order] = np.arange(len(order))
        firsts = missing[first[order]]
        yield
        texts = hashing.decimal_texts(numbers[firsts])
        yield
        hashes = hashing.stable_hashes(texts)
        yield
        if self.key_type is KeyType.UINT32:
            rows = numbers[firsts].astype(np.uint32)
        else:
            rows = self._allotment.allot(hashes)

        def place(at: NDArray[np.intp]) -> NDArray[np.uint32]:
            added = numbers[firsts[at]]
            if self.key_type is KeyType.INT64:
                self._numbers.put(rows[at], added)
            return hashing.number_hashes(added)

        yield from self._placing(rows, hashes, place)
        return self._added(found, missing, firsts, rows, rows[ordinals[inverse]])

    def _checked(self, keys: Sequence[str], at: slice) -> Texts:
        """The UTF-8 text of some of the keys; raises InvalidBatch for all that are wrong."""
        try:
            return checked_texts(keys[at], self._limits)
        except InvalidBatch:
            return checked_texts(keys, self._limits)

    def _placing(
        self,
        rows: Rows,
        hashes: NDArray[np.uint64],
        place: Callable[[NDArray[np.intp]], NDArray[np.uint32]],
    ) -> Steps[None]:
        """Store the keys of rows that nobody sees yet.

        Args:
            rows: of the keys.
            hashes: stable ones.
            place: stores the keys at some places among them, and gives the table's hashes of these.
        """
        self._unseen = from_rows(rows)
        order = np.argsort(rows)
        for start in range(0, len(rows), _STEP_KEYS):
            at = order[start : start + _STEP_KEYS]
            table_hashes = place(at)
            self._hashes.put(rows[at], hashes[at])
            yield
            if self.key_type is not KeyType.UINT32:
                table = self._rows_by_hash()
                yield from table.making_room()
                table.insert(table_hashes, rows[at])
                yield

    def _added(
        self,
        found: NDArray[np.int64],
        missing: NDArray[np.intp],
        firsts: NDArray[np.intp],
        rows: Rows,
        row_of_missing: Rows,
    ) -> Added:
        is_new = np.zeros(len(found), np.bool_)
        is_new[firsts] = True
        is_unseen = found < 0
        found[missing] = row_of_missing
        return Added(
            found.astype(np.uint32), is_new, is_unseen, rows, self._everyone | self._unseen
        )
