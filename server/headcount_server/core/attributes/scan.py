"""Searching the strings of a block of rows as one text.

A ``Page`` has the folded values of a block one after another, and where each begins. A part is
sought in all of them at once, the beginning and the end of a value where they are known to stand.
Folding goes character by character, so the fold of a part is a part of the fold: tests that heed
case search the folded text first and look at the values found.
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

_AT = ord("@")
_ASCII_MAX = 0x7F  # bytes up to this one are characters by themselves
_UPPER, _LETTERS = np.uint8(ord("A")), np.uint8(26)
_NEEDLES_MAX = 8  # whole values compared one by one; more are looked up in a set
_SAMPLE = 1 << 12  # bytes that tell which are rare
_TOGETHER, _ONE_BY_ONE = 2, 12  # bytes compared at all places, and then where these are found

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Read = Callable[[Places], Iterable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Page:
    """Values of which none is empty.

    Attributes:
        text: the folded values, one after another.
        bounds: where each begins in ``text``, and where the last one ends.
        is_ascii: whether all values are ASCII as written.
        is_view: whether ``text`` are the bytes that it was made of, which are folded already.
    """

    text: Bytes
    bounds: NDArray[np.uint32]
    is_ascii: bool
    is_view: bool

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of memory, without those of others."""
        return self.bounds.nbytes + (0 if self.is_view else self.text.nbytes)


def make_page(joined: Bytes, lengths: NDArray[np.int64]) -> Page:
    """A page of UTF-8 values that stand one after another in ``joined``, which stays as it is.

    O(bytes).
    """
    bounds = np.zeros(len(lengths) + 1, np.uint32)
    np.cumsum(lengths, out=bounds[1:])
    is_ascii = not len(joined) or int(joined.max()) <= _ASCII_MAX
    if is_ascii:
        is_folded = not bool((joined - _UPPER < _LETTERS).any())
        text = joined if is_folded else np.frombuffer(joined.tobytes().lower(), np.uint8)
        return Page(text, bounds, is_ascii, is_view=is_folded)
    between = regex.separated(joined, bounds)
    folded = fold(between.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if folded == between:
        return Page(joined, bounds, is_ascii, is_view=True)
    separated = np.frombuffer(folded, np.uint8)
    separators = np.flatnonzero(separated == regex.SEPARATOR[0])
    bounds = (separators - np.arange(len(separators))).astype(np.uint32)
    return Page(np.delete(separated, separators), bounds, is_ascii, is_view=False)


def search(page: Page, test: TextTest, read: Read) -> Places:
    """The places of the values that pass, ascending.

    Args:
        page: where to look.
        test: of ``core.texts`` (searched as said above) or another one (asked about every value).
        read: the values as written at some places, asked for where they matter.
    """
    if isinstance(test, Like | Matches):
        folded = regex.separated(page.text, page.bounds)
        return regex.places(folded, page.is_ascii, test, lambda: _written(page, read))
    sure, possible = _candidates(page, test)
    if len(possible):
        possible = np.setdiff1d(possible, sure)
        passes = np.fromiter((_passes(test, v) for v in read(possible)), np.bool_, len(possible))
        sure = np.union1d(sure, possible[passes])
    return sure


def passing(test: TextTest, values: Iterable[bytes | None]) -> NDArray[np.bool_]:
    """Which values, as written, pass; one after another."""
    return np.array([_passes(test, value) for value in values], np.bool_)


def _written(page: Page, read: Read) -> bytes:
    values = (value or b"" for value in read(np.arange(len(page))))
    return regex.SEPARATOR.join([b"", *values, b""])


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
            sure = _whole(page, {text.encode() for text in test.folded})
            return sure, _whole(page, {fold(text).encode() for text in test.exact})
        case ContainsOneOf():
            sure = _any(page, _holding, [text.encode() for text in test.folded])
            return sure, _any(page, _holding, [fold(text).encode() for text in test.exact])
        case StartsWith():
            found = _starting(page, fold(test.part).encode())
            return (nothing, found) if test.exactly else (found, nothing)
        case EndsWith():
            found = _ending(page, fold(test.part).encode())
            return (nothing, found) if test.exactly else (found, nothing)
        case DomainPasses():
            return _domain_candidates(page, test.test)
        case _:
            return nothing, np.arange(len(page))


def _domain_candidates(page: Page, test: TextTest) -> tuple[Places, Places]:
    nothing = np.empty(0, np.int64)
    if isinstance(test, OneOf):
        sure = _domains(page, test.folded)
        return sure, _domains(page, {fold(text) for text in test.exact})
    if isinstance(test, EndsWith):
        found = _ending(page, fold(test.part).encode())
        if len(found):
            found = _both(page, found, _holding(page, b"@"))
        return (nothing, found) if test.exactly or "@" in test.part else (found, nothing)
    if isinstance(test, ContainsOneOf) and test.folded + test.exact:
        parts = {fold(text).encode() for text in (*test.folded, *test.exact)}
        return nothing, _both(page, _any(page, _holding, sorted(parts)), _holding(page, b"@"))
    return nothing, _holding(page, b"@")


def _both(page: Page, left: Places, right: Places) -> Places:
    held = np.zeros(len(page), np.bool_)
    held[left] = True
    return right[held[right]]


def _domains(page: Page, domains: Collection[str]) -> Places:
    """Places of the values whose domain is one of these, which are folded."""
    wanted = {b"@" + domain.encode() for domain in domains if "@" not in domain}
    if len(wanted) <= _NEEDLES_MAX:
        return _any(page, _ending, sorted(wanted))
    signs = np.flatnonzero(page.text == _AT)
    places = _places(page, signs)
    is_last = np.ones(len(places), np.bool_)
    is_last[:-1] = places[1:] != places[:-1]
    places = places[is_last]
    return _among(page, wanted, places, signs[is_last])


def _whole(page: Page, values: Collection[bytes]) -> Places:
    if len(values) <= _NEEDLES_MAX:
        return _any(page, _equal, sorted(values))
    return _among(page, values, np.arange(len(page)), page.bounds[:-1])


def _among(
    page: Page, wanted: Collection[bytes], places: Places, starts: NDArray[np.integer]
) -> Places:
    """Those of the places whose value is wanted from where it is said to start."""
    ends = page.bounds[places + 1]
    is_long = np.isin(ends - starts, np.array([len(value) for value in wanted], np.int64))
    text = page.text.tobytes()
    bounds = zip(starts[is_long].tolist(), ends[is_long].tolist(), strict=True)
    places = places[is_long]
    passes = (text[start:end] in wanted for start, end in bounds)
    return places[np.fromiter(passes, np.bool_, len(places))]


def _any(page: Page, find: Callable[[Page, bytes], Places], needles: list[bytes]) -> Places:
    if len(needles) == 1:
        return find(page, needles[0])
    passes = np.zeros(len(page), np.bool_)
    for needle in needles:
        passes[find(page, needle)] = True
    return np.flatnonzero(passes)


def _equal(page: Page, value: bytes) -> Places:
    return _from(page, np.flatnonzero(_lengths(page) == len(value)), page.bounds[:-1], value)


def _starting(page: Page, part: bytes) -> Places:
    return _from(page, np.flatnonzero(_lengths(page) >= len(part)), page.bounds[:-1], part)


def _ending(page: Page, part: bytes) -> Places:
    starts = page.bounds[1:].astype(np.int64) - len(part)
    return _from(page, np.flatnonzero(starts >= page.bounds[:-1]), starts, part)


def _from(page: Page, places: Places, starts: NDArray[np.integer], part: bytes) -> Places:
    """Those of the places at whose start the part stands; it doesn't go over their end. O(places)
    most often: few are left after the first bytes."""
    for offset, byte in enumerate(part):
        if not len(places):
            break
        places = places[page.text[starts[places] + offset] == byte]
    return places


def _lengths(page: Page) -> NDArray[np.uint32]:
    return page.bounds[1:] - page.bounds[:-1]


def _holding(page: Page, part: bytes) -> Places:
    """Places of the values that hold the part, ascending."""
    if not part:
        return np.arange(len(page))
    starts = _occurrences(page.text, part)
    places = _places(page, starts)
    places = places[starts + len(part) <= page.bounds[places + 1]]  # else it lies in two values
    stays = np.ones(len(places), np.bool_)
    stays[1:] = places[1:] != places[:-1]
    return places[stays]


def _places(page: Page, starts: Places) -> Places:
    """The value that each of these bytes is of."""
    return np.searchsorted(page.bounds, starts.astype(np.uint32), side="right") - 1


def _occurrences(text: Bytes, sought: bytes) -> Places:
    """Where each occurrence starts, ascending; those that overlap too. O(bytes).

    Bytes are compared by arrays, the two that are rarest in a sample first: a search that stops at
    each hit takes longer, and holds the interpreter's lock.
    """
    count = len(text) - len(sought) + 1
    if count <= 0:
        return np.empty(0, np.int64)
    often = np.bincount(text[:_SAMPLE], minlength=256)[np.frombuffer(sought, np.uint8)]
    rarest: list[int] = np.argsort(often, kind="stable").tolist()
    hits = np.ones(count, np.bool_)
    for place in rarest[:_TOGETHER]:
        hits &= text[place : place + count] == sought[place]
    found = np.flatnonzero(hits)
    for place in rarest[_TOGETHER:_ONE_BY_ONE]:
        found = found[text[found + place] == sought[place]]
    if len(sought) > _ONE_BY_ONE:
        held = (text[at : at + len(sought)].tobytes() == sought for at in found.tolist())
        found = found[np.fromiter(held, np.bool_, len(found))]
    return found
