"""Numbered batches of an import, and where one that was broken off goes on.

A file's batches are numbered under a producer that is named for the file's bytes, for everything
that shapes its batches, and for which import of that very file it is. The server remembers how many
of them it has, so nothing needs to be kept beside the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from headcount_client.cli.importing.chunks import FileFault
from headcount_client.cli.importing.layout import Layout
from headcount_client.client import Client
from headcount_client.errors import OutOfRange

_FAR = 1 << 62  # a number that no batch has
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the batches of an import are numbered.

    Attributes:
        producer: under which name; "": they are not.
        done: how many of them the server has already.
    """

    producer: str = ""
    done: int = 0


NOT_NUMBERED = Numbering()


def numbering(
    client: Client,
    layout: Layout,
    path: Path,
    columns: Mapping[str, str],
    shape: tuple[object, ...],
    resume: bool,
) -> Numbering:
    """The numbering of a new import, or with ``resume`` of the last one of this file. O(bytes).

    Args:
        client: of the server.
        layout: what the rows are imported as.
        path: the file.
        columns: column to target.
        shape: whatever else the batches depend on.
        resume: whether to go on with one that was begun.

    Raises:
        FileFault: there is nothing to go on with.
    """
    if not path.is_file():
        if resume:
            raise FileFault("is no file that can be read twice; --resume needs one")
        return NOT_NUMBERED
    name = _digest(path, repr((version("headcount"), layout, sorted(columns.items()), shape)))

    def done(number: int) -> int:
        return _done(client, layout, f"import {name} {number}")

    begun = _begun(done)
    if not resume:
        return Numbering(f"import {name} {begun}")
    if not begun:
        raise FileFault(
            f"nothing to resume: no import of this file as it is now, with these options, was begun"
            f" into {layout.audience} with its present schema; import it without --resume"
        )
    return Numbering(f"import {name} {begun - 1}", done(begun - 1))


def _begun(done: Callable[[int], int]) -> int:
    """How many imports were begun: the first number that has no batch. O(log) questions."""
    low, high = 0, 1
    while done(high - 1):
        low, high = high, 2 * high
    high -= 1
    while low < high:
        middle = (low + high) // 2
        if done(middle):
            low = middle + 1
        else:
            high = middle
    return low


def _done(client: Client, layout: Layout, producer: str) -> int:
    """How many batches of a producer an audience has."""
    try:
        if layout.events:
            client.record_events(
                layout.audience, producer=producer, sequence=_FAR, validate_only=True
            )
        else:
            client.upsert_subscribers(
                layout.audience, producer=producer, sequence=_FAR, validate_only=True
            )
    except OutOfRange as error:
        return int(error.metadata["expected"]) - 1
    raise AssertionError("a batch of that number can't be the next")


def _digest(path: Path, shape: str) -> str:
    found = blake2b(shape.encode(), digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()
