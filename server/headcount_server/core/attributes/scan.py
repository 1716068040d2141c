"""Searching the strings of a block of rows as one text.

A ``Page`` joins the folded values of a block with the byte 0xFF, which UTF-8 never contains: a
needle with the separator before it is found at the start of a value, with it behind at the end,
with both it is the whole value. Folding goes character by character, so the fold of a part is a
part of the fold: tests that heed case search the folded text first and look at the values found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.attributes import regex
from headcount_server.core.patterns import DomainPasses, Like, Matches
from headcount_server.core.texts import (
    ContainsOneOf,
    EndsWith,
    OneOf,
    StartsWith,
    TextTest,
    fold,
)

_SEPARATOR = b"\xff"
_SEPARATOR_BYTE = 0xFF
_NEEDLES_MAX = 8  # whole values searched one by one; more are looked up in a set
_SAMPLE = 1 << 12  # bytes that tell which are rare
_TOGETHER, _ONE_BY_ONE = 2, 12  # bytes compared at all places, and then where these are found

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Page:
    """The values of some rows.

    Attributes:
        rows: ascending.
        text: folded values, each between separators.
        starts: where each value begins in ``text``.
        is_ascii: whether all values are ASCII as written.
    """

    rows: NDArray[np.uint32]
    text: bytes
    starts: NDArray[np.int64]
    is_ascii: bool

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return len(self.text) + self.starts.nbytes + self.rows.nbytes


def make_page(
    rows: NDArray[np.uint32], joined: NDArray[np.uint8], lengths: NDArray[np.int64]
) -> Page:
    """A page of UTF-8 values that stand one after another in ``joined``. O(bytes)."""
    stays = np.ones(len(joined) + len(rows) + 1, np.bool_)
    stays[0] = False
    stays[np.cumsum(lengths + 1)] = False
    separated = np.full(len(stays), _SEPARATOR_BYTE, np.uint8)
    separated[stays] = joined
    text = separated.tobytes()
    is_ascii = not len(joined) or int(joined.max()) < 128
    if is_ascii:
        text = text.lower()  # of bytes: the letters A to Z alone
    else:
        text = fold(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    starts = np.flatnonzero(np.frombuffer(text, np.uint8) == _SEPARATOR_BYTE)[:-1] + 1
    return Page(rows, text, starts, is_ascii)


def search(
    page: Page, test: TextTest, read: Callable[[NDArray[np.uint32]], Iterable[bytes | None]]
) -> NDArray[np.uint32]:
    """The rows of the page whose value passes, ascending.

    Args:
        page: where to look.
        test: of ``core.texts`` (searched as said above) or another one (asked about every value).
        read: the values of rows as written, asked for where they matter.
    """
    if isinstance(test, Like | Matches):
        joined = lambda: _SEPARATOR.join([b"", *(v or b"" for v in read(page.rows)), b""])  # noqa: E731
        return page.rows[regex.places(page.text, page.is_ascii, test, joined)]
    sure, possible = _candidates(page, test)
    if len(possible):
        possible = np.setdiff1d(possible, sure)
        values = read(page.rows[possible])
        passes = np.fromiter((_passes(test, value) for value in values), np.bool_, len(possible))
        sure = np.union1d(sure, possible[passes])
    return page.rows[sure]


def passing(test: TextTest, values: Iterable[bytes | None]) -> NDArray[np.bool_]:
    """Which values, as written, pass; one after another."""
    return np.array([_passes(test, value) for value in values], np.bool_)


def _passes(test: TextTest, value: bytes | None) -> bool:
    if value is None:
        return False
    spelling = value.decode()
    return test.matches(spelling, fold(spelling))


def _candidates(page: Page, test: TextTest) -> tuple[Places, Places]:
    """Places of values, ascending, that pass for sure and that may pass."""
    nothing = np.empty(0, np.int64)
    match test:
        case OneOf():
            sure = _whole(page, [text.encode() for text in sorted(test.folded)])
            return sure, _whole(page, [fold(text).encode() for text in sorted(test.exact)])
        case ContainsOneOf():
            sure = _any(page, [text.encode() for text in test.folded])
            return sure, _any(page, [fold(text).encode() for text in test.exact])
        case StartsWith():
            found = _any(page, [_SEPARATOR + fold(test.part).encode()])
            return (nothing, found) if test.exactly else (found, nothing)
        case EndsWith():
            found = _any(page, [fold(test.part).encode() + _SEPARATOR])
            return (nothing, found) if test.exactly else (found, nothing)
        case DomainPasses():
            return _domain_candidates(page, test.test)
        case _:
            return nothing, np.arange(len(page.rows))


def _domain_candidates(page: Page, test: TextTest) -> tuple[Places, Places]:
    nothing = np.empty(0, np.int64)
    if isinstance(test, OneOf):
        sure = _domains(page, test.folded)
        return sure, _domains(page, {fold(text) for text in test.exact})
    if isinstance(test, EndsWith):
        found = _any(page, [fold(test.part).encode() + _SEPARATOR])
        found = _both(page, found, _find(page, b"@"))
        return (nothing, found) if test.exactly or "@" in test.part else (found, nothing)
    if isinstance(test, ContainsOneOf) and test.folded + test.exact:
        parts = {fold(text).encode() for text in (*test.folded, *test.exact)}
        return nothing, _both(page, _any(page, sorted(parts)), _find(page, b"@"))
    return nothing, _find(page, b"@")


def _both(page: Page, left: Places, right: Places) -> Places:
    held = np.zeros(len(page.rows), np.bool_)
    held[left] = True
    return right[held[right]]


def _domains(page: Page, domains: Collection[str]) -> Places:
    """Places of the values whose domain is one of these, which are folded."""
    wanted = sorted(domain.encode() for domain in domains if "@" not in domain)
    if len(wanted) <= _NEEDLES_MAX:
        return _any(page, [b"@" + domain + _SEPARATOR for domain in wanted])
    known = set(wanted)
    parts = (part.rpartition(b"@") for part in page.text[1:-1].split(_SEPARATOR))
    passes = (bool(at) and domain in known for _, at, domain in parts)
    return np.flatnonzero(np.fromiter(passes, np.bool_, len(page.rows)))


def _whole(page: Page, values: list[bytes]) -> Places:
    if len(values) <= _NEEDLES_MAX:
        return _any(page, [_SEPARATOR + value + _SEPARATOR for value in values])
    wanted = set(values)
    parts = page.text[1:-1].split(_SEPARATOR)
    return np.flatnonzero(np.fromiter((part in wanted for part in parts), np.bool_, len(parts)))


def _any(page: Page, needles: list[bytes]) -> Places:
    if len(needles) == 1:
        return _find(page, needles[0])
    passes = np.zeros(len(page.rows), np.bool_)
    for needle in needles:
        passes[_find(page, needle)] = True
    return np.flatnonzero(passes)


def _find(page: Page, needle: bytes) -> Places:
    """Places of the values that hold the needle, ascending."""
    if needle in (b"", _SEPARATOR):
        return np.arange(len(page.rows))
    if needle == _SEPARATOR + _SEPARATOR:
        return np.empty(0, np.int64)  # no value is empty
    leads = needle.startswith(_SEPARATOR)
    is_whole = leads and needle.endswith(_SEPARATOR)  # neighbours share the separator
    sought = needle[:-1] if is_whole else needle
    ends = _ends(page.text, sought)
    if is_whole:  # the text ends with a separator, so that something follows every value
        ends = ends[np.frombuffer(page.text, np.uint8)[ends] == _SEPARATOR_BYTE]
    places = np.searchsorted(page.starts, ends - len(sought) + leads, side="right") - 1
    return places[np.concatenate((np.ones(1, np.bool_), places[1:] != places[:-1]))[: len(places)]]


def _ends(text: bytes, sought: bytes) -> Places:
    """Where each occurrence ends, ascending; those that overlap too. O(bytes).

    Bytes are compared by arrays, the two that are rarest in a sample first: a search that stops at
    each hit takes longer, and holds the interpreter's lock.
    """
    array = np.frombuffer(text, np.uint8)
    count = len(array) - len(sought) + 1
    if count <= 0:
        return np.empty(0, np.int64)
    often = np.bincount(array[:_SAMPLE], minlength=256)[np.frombuffer(sought, np.uint8)]
    rarest: list[int] = np.argsort(often, kind="stable").tolist()
    hits = np.ones(count, np.bool_)
    for place in rarest[:_TOGETHER]:
        hits &= array[place : place + count] == sought[place]
    found = np.flatnonzero(hits)
    for place in rarest[_TOGETHER:_ONE_BY_ONE]:
        found = found[array[found + place] == sought[place]]
    if len(sought) > _ONE_BY_ONE:
        held = (text.startswith(sought, at) for at in found.tolist())
        found = found[np.fromiter(held, np.bool_, len(found))]
    return found + len(sought)
