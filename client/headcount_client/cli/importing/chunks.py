"""What readers of files hand on: some rows as columns, and the lines that are no rows.

Columns are Arrow arrays, named by what they are imported as. Lines count from 1; of a Parquet file,
rows do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Array: TypeAlias = Any  # pyarrow has no types
Lines: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that isn't imported.

    Attributes:
        line: its number.
        reason: what is wrong with it.
        content: the line itself, or its values as JSON.
    """

    line: int
    reason: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file.

    Attributes:
        lines: the line of each row, ascending.
        columns: target to values, one for each row.
        position: how far the file is read after this chunk, in the source's unit.
        rejected: lines that are no rows.
        content: the line of a row, by its index.
        header_lines: lines before the first row, which numbers as keys don't count.
    """

    lines: Lines
    columns: Mapping[str, Array]
    position: int
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    content: Callable[[int], str] = str
    header_lines: int = 0


class Source(Protocol):
    """A file to import.

    Attributes:
        name: the path as it was given.
        columns: the names of its columns.
        total: its length in the unit of ``Chunk.position``.
    """

    name: str
    columns: Sequence[str]
    total: int

    def chunks(self, targets: Mapping[str, str], rows: int) -> Iterator[Chunk]:
        """The rows in their order; ``targets`` is column to target, of those that are wanted."""
        ...


class FileFault(Exception):
    """A file that can't be imported at all; the message says what is wrong."""


def text_array(cells: Sequence[str]) -> Array:
    """Strings as an array."""
    return pa.array(cells, pa.string())


def consecutive(first: int, count: int) -> Lines:
    """Line numbers of rows that follow each other."""
    return np.arange(first, first + count, dtype=np.int64)
