"""What a write to an index comes to, made aside before anybody can see it.

A write goes through three stages: its values are turned into what the index stores, and held
against what is stored already, a part at a time; what belongs to rows that nobody can see yet is
put in place; then everything else is published in one short step. Arrays aren't modified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core.values import ValueColumn

STEP_ROWS = 1024  # rows that are looked at in one step: about a millisecond of keywords

Rows = NDArray[np.uint32]
Mask = NDArray[np.bool_]
Stored = NDArray[Any]  # values as an index stores them


@dataclass(frozen=True, slots=True)
class Change:
    """Rows whose value changes, ascending.

    Attributes:
        old, new: as the index stores them.
        had, has: whether there is a value.
    """

    rows: Rows
    old: Stored
    new: Stored
    had: Mask
    has: Mask


@dataclass(slots=True)
class Pending:
    """A write that is made but can't be seen.

    Attributes:
        changed: the rows whose value, or its spelling, changes.
        respelled: those of them that get another spelling of an equal value.
        exists: who has a value after the write.
        unplaced: what is still to be stored, since somebody may see these rows.
        note: what the index makes of the changes beside storing them.
    """

    changed: BitMap
    respelled: BitMap
    exists: BitMap
    unplaced: list[Change]
    note: Any


def steps_of(length: int) -> Iterator[slice]:
    """The places of each step; one empty step of nothing."""
    for start in range(0, max(length, 1), STEP_ROWS):
        yield slice(start, min(start + STEP_ROWS, length))


def objects(values: Sequence[bytes | None]) -> Stored:
    """Byte strings as an array, which is compared and taken from like others."""
    return np.array(values, np.object_)


def has_bytes(stored: Stored) -> Mask:
    """Where an array of ``objects`` has a value, of which none is empty."""
    return stored.astype(np.bool_)


def part_of(values: ValueColumn, at: slice) -> ValueColumn:
    """The values at some places."""
    return ValueColumn(values.type, values.data[at], values.present[at])


def joined(parts: Sequence[Stored]) -> Stored:
    """Stored values one after another; one part or more."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts)


def where(change: Change, mask: Mask) -> Change:
    """The change of some of the rows."""
    if bool(mask.all()):
        return change
    places = np.flatnonzero(mask)
    return Change(
        change.rows[places],
        change.old[places],
        change.new[places],
        change.had[places],
        change.has[places],
    )


def part_of_change(change: Change, at: slice) -> Change:
    """The change of the rows at some places."""
    return Change(change.rows[at], change.old[at], change.new[at], change.had[at], change.has[at])


def together(changes: Sequence[Change]) -> Change:
    """Changes of rows that ascend from one to the next as one; one change or more."""
    return Change(
        joined([change.rows for change in changes]),
        joined([change.old for change in changes]),
        joined([change.new for change in changes]),
        joined([change.had for change in changes]),
        joined([change.has for change in changes]),
    )
