"""Who was erased and when: what a restored snapshot must not bring back.

Of an erased key two hashes are remembered, never the key: the stable hash by which it is found, and
a second one, so that nobody else is taken for it (2^-128). A key that was erased several times
counts with the newest time: what a snapshot holds of it is older than one erasure if it is older
than the newest. Invariants: the arrays of a part never change; the same erasures in the same order
dump alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.keys import KeyDirectory, stable_hashes
from headcount_server.core.keys.hashing import decimal_texts
from headcount_server.errors import DataLoss

MARK_US = 3_600_000_000  # erasures of one hour make one mark
_CHECK = b"headcount erased"
_TIER = 2  # a part is merged into the one before unless that is at least so many times as long

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mark:
    """The erasures of about an hour.

    Attributes:
        time_us: of the first one, microseconds since 1970 UTC.
        position: of the last one, in the log.
    """

    time_us: int
    position: int


@dataclass(frozen=True, slots=True)
class Since:
    """What a snapshot is older than.

    Attributes:
        position: where it stands in the log; None: in another log, and its time tells.
        time_us: when it was taken, microseconds since 1970 UTC.
    """

    position: int | None
    time_us: int


@dataclass(frozen=True, slots=True)
class _Part:
    """Erased keys, each once, in the order of their hashes."""

    hashes: NDArray[np.uint64]
    checks: NDArray[np.uint64]
    positions: Int64s
    times: Int64s

    def __len__(self) -> int:
        return len(self.hashes)


class Erasures:
    """The erasures of all audiences of a server, by the names of the audiences."""

    def __init__(self) -> None:
        self._parts: dict[str, list[_Part]] = {}
        self._marks: list[Mark] = []

    def __bool__(self) -> bool:
        return bool(self._marks)

    @property
    def marks(self) -> Sequence[Mark]:
        """When there were erasures, ascending in time and position; not modified."""
        return self._marks

    def note(
        self, audience: str, keys: Sequence[str] | Int64s, position: int, time_us: int
    ) -> None:
        """Remembers keys that were erased, or would have been if they had been there.

        Amortised O(log erasures) for each.

        Args:
            audience: whose they were.
            keys: of its subscribers.
            position: of the command in the log; higher than any before.
            time_us: of the command.
        """
        if not len(keys):
            return
        texts = decimal_texts(keys) if isinstance(keys, np.ndarray) else _utf8(keys)
        length = len(texts)
        part = _Part(
            stable_hashes(texts), _checks(texts),
            np.full(length, position, np.int64), np.full(length, time_us, np.int64),
        )  # fmt: skip
        self._add(audience, part)
        last = self._marks[-1] if self._marks else None
        if last is not None and time_us - last.time_us < MARK_US:
            self._marks[-1] = Mark(last.time_us, position)
        else:
            self._marks.append(Mark(time_us, position))

    def rows(self, audience: str, keys: KeyDirectory, since: Since) -> BitMap:
        """The rows of a restored audience whose keys were erased since. O(keys)."""
        known = _merged(self._parts.get(audience, ()))
        if since.position is None:
            chosen = known.times >= since.time_us
        else:
            chosen = known.positions > since.position
        wanted, checks = known.hashes[chosen], known.checks[chosen]
        if not len(wanted):
            return bitmaps.EMPTY
        pairs = set(zip(wanted.tolist(), checks.tolist(), strict=True))
        everyone = bitmaps.to_array(keys.everyone)
        hashes = keys.hashes(everyone)
        likely = np.isin(hashes, wanted)
        rows = everyone[likely]
        found = zip(hashes[likely].tolist(), _checks(keys.texts_of(rows)).tolist(), strict=True)
        return bitmaps.from_rows(rows[np.array([pair in pairs for pair in found], np.bool_)])

    def joined(self, other: Erasures, position: int) -> None:
        """Takes over what a snapshot of another log knows of, as if it were noted at a position."""
        for name, parts in other._parts.items():
            known = _merged(parts)
            positions = np.full(len(known), position, np.int64)
            self._add(name, _Part(known.hashes, known.checks, positions, known.times))
        if other and not self._marks:
            self._marks.append(Mark(other._marks[-1].time_us, position))

    def freeze(self) -> Erasures:
        """The same erasures, which later ones leave alone. O(marks)."""
        frozen = Erasures()
        frozen._parts = {name: list(parts) for name, parts in self._parts.items()}
        frozen._marks = list(self._marks)
        return frozen

    def dump(self) -> dict[str, Any]:
        """Plain data. O(erasures)."""
        return {
            "mark_times": np.array([mark.time_us for mark in self._marks], np.int64),
            "mark_positions": np.array([mark.position for mark in self._marks], np.int64),
            "audiences": [_dump(name, parts) for name, parts in sorted(self._parts.items())],
        }

    @classmethod
    def load(cls, parts: Mapping[str, Any]) -> Erasures:
        """What ``dump`` wrote.

        Raises:
            DataLoss: it isn't.
        """
        result = cls()
        try:
            times, positions = parts["mark_times"].tolist(), parts["mark_positions"].tolist()
            result._marks = [Mark(*mark) for mark in zip(times, positions, strict=True)]
            result._parts = {one["name"]: [_load(one)] for one in parts["audiences"]}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataLoss(f"erasures can't be read: {error!r}") from error
        if any(a.position >= b.position for a, b in pairwise(result._marks)):
            raise DataLoss("erasures are out of order")
        return result

    def _add(self, audience: str, part: _Part) -> None:
        parts = self._parts.setdefault(audience, [])
        parts.append(_merged([part]))
        while len(parts) > 1 and len(parts[-2]) < _TIER * len(parts[-1]):
            parts[-2:] = [_merged(parts[-2:])]


def _merged(parts: Sequence[_Part]) -> _Part:
    """One part of all: the newest erasure of each key."""
    hashes = np.concatenate([np.empty(0, np.uint64), *(part.hashes for part in parts)])
    checks = np.concatenate([np.empty(0, np.uint64), *(part.checks for part in parts)])
    positions = np.concatenate([np.empty(0, np.int64), *(part.positions for part in parts)])
    times = np.concatenate([np.empty(0, np.int64), *(part.times for part in parts)])
    order = np.lexsort((times, positions, checks, hashes))
    hashes, checks = hashes[order], checks[order]
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = (hashes[1:] != hashes[:-1]) | (checks[1:] != checks[:-1])
    kept = order[is_last]
    return _Part(hashes[is_last], checks[is_last], positions[kept], times[kept])


def _dump(name: str, parts: Sequence[_Part]) -> dict[str, Any]:
    part = _merged(parts)
    return {
        "name": name,
        "hashes": part.hashes,
        "checks": part.checks,
        "positions": part.positions,
        "times": part.times,
    }


def _load(parts: Mapping[str, Any]) -> _Part:
    columns = [parts[name] for name in ("hashes", "checks", "positions", "times")]
    types = [np.uint64, np.uint64, np.int64, np.int64]
    if [column.dtype for column in columns] != types or len({*map(len, columns)}) != 1:
        raise DataLoss("the columns of erasures have other types or lengths")
    return _Part(*columns)


def _utf8(keys: Sequence[str]) -> list[bytes]:
    return [key.encode() for key in keys]


def _checks(texts: Sequence[bytes]) -> NDArray[np.uint64]:
    digests = b"".join([blake2b(text, digest_size=8, person=_CHECK).digest() for text in texts])
    return np.frombuffer(digests, "<u8").astype(np.uint64, copy=False)
