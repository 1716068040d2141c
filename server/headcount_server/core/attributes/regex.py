"""Searching the values of a page for a pattern, many at a time.

The values stand in one text with the byte 0xFF between them, which is no UTF-8: no pattern matches
it (but for ``\\C``), so that nothing is found across it. For ``^`` and ``$`` each value stands on a
line of its own as well; what is found together with the ends of a line is looked at alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.patterns import Like, Matches

SEPARATOR = b"\xff"
_BETWEEN = b"\n\xff\n"
_ALONE = re.compile(r"\\[AzCQbB]|\(\?(?!P?<|[is]*[:)])")  # what means something else in a text
_ANCHOR = re.compile(r"[\^$]")
_FLAGS = re.compile(r"\(\?(?!P?<|s*[:)])")

Places = NDArray[np.int64]


def separated(joined: NDArray[np.uint8], bounds: NDArray[np.uint32]) -> bytes:
    """Values that stand one after another, each between separators. O(bytes).

    Args:
        joined: UTF-8.
        bounds: where each value begins in ``joined``, and where the last one ends.
    """
    result = np.empty(len(joined) + len(bounds), np.uint8)
    separators = bounds + np.arange(len(bounds), dtype=np.uint32)
    is_text = np.ones(len(result), np.bool_)
    is_text[separators] = False
    result[separators] = SEPARATOR[0]
    result[is_text] = joined
    return result.tobytes()


def places(
    folded: bytes, is_ascii: bool, test: Like | Matches, written: Callable[[], bytes]
) -> Places:
    """Places of the values that pass, ascending, each once. O(bytes + values found).

    Args:
        folded: the folded values, each between separators; at least one.
        is_ascii: whether all are ASCII as written.
        test: what is looked for.
        written: gives the values as written, each between separators.
    """
    if isinstance(test, Like):
        return _like(test, written() if test.exactly else folded)
    # A pattern that heeds no case can't tell ASCII from its lower case.
    as_written = test.exactly or not is_ascii or _FLAGS.search(test.pattern)
    text = written() if as_written else folded
    pattern = test.compiled()
    if _ALONE.search(test.pattern):
        return _alone(pattern, text.split(SEPARATOR)[1:-1])
    if _ANCHOR.search(test.pattern) or pattern.search(b"") is not None:
        return _lines(test.compiled("(?m:", ")[^\\n]*"), pattern, text)
    hits = test.compiled("(?:", ")(?s:.*)").finditer(text)
    return _places(_starts(hits), _positions(text)) - 1


def _like(test: Like, text: bytes) -> Places:
    if b"\n" in text:
        return _alone(test.compiled(), text.split(SEPARATOR)[1:-1])
    lines = text[1:-1].replace(SEPARATOR, b"\n")
    return _places(_starts(test.of_lines().finditer(lines)), _positions(lines, b"\n"))


def _lines(of_lines: Any, pattern: Any, text: bytes) -> Places:
    """Of a pattern with anchors: what is found on a line is sure, what is found with its ends or in
    values of several lines is only likely."""
    lines = text.replace(SEPARATOR, _BETWEEN)
    bounds = _positions(lines)
    hits = np.array([hit.span() for hit in of_lines.finditer(lines)], np.int64).reshape(-1, 2)
    found = np.searchsorted(bounds, hits[:, 0], side="right") - 1
    inside = (found >= 0) & (found < len(bounds) - 1)
    hits, found = hits[inside], found[inside]
    sure = (hits[:, 0] > bounds[found] + 1) & (hits[:, 1] < bounds[found + 1])
    if b"\n" in text:
        sure[:] = False
    passes = np.zeros(len(bounds) - 1, np.bool_)
    passes[found[sure]] = True
    likely = found[~sure]
    likely = _once(likely[~passes[likely]])
    values = [lines[bounds[i] + 2 : bounds[i + 1] - 1] for i in likely.tolist()]
    passes[likely[_alone(pattern, values)]] = True
    return np.flatnonzero(passes)


def _alone(pattern: Any, values: list[bytes]) -> Places:
    search = pattern.search
    passes = (search(value) is not None for value in values)
    return np.flatnonzero(np.fromiter(passes, np.bool_, len(values)))


def _starts(hits: Any) -> Places:
    return np.fromiter((hit.start() for hit in hits), np.int64)


def _places(starts: Places, bounds: Places) -> Places:
    """How many bounds are before each start, each number once."""
    return _once(np.searchsorted(bounds, starts, side="left"))


def _once(ascending: Places) -> Places:
    stays = np.ones(len(ascending), np.bool_)
    stays[1:] = ascending[1:] != ascending[:-1]
    return ascending[stays]


def _positions(text: bytes, separator: bytes = SEPARATOR) -> Places:
    return np.flatnonzero(np.frombuffer(text, np.uint8) == separator[0])
