"""The nearest known name to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name most like ``word``, ignoring case, or "" where none is near."""
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?``, or "" where nothing is near."""
    name = nearest(word, known)
    return f'; did you mean "{name}"?' if name else ""


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Names in a sentence, cut after ``limit``."""
    found = list(names)
    more = f", … ({len(found)} in all)" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more
