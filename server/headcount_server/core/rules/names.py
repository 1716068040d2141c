"""The nearest known name to a misspelt one. Pure; no schema, no grammar."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, candidates: Iterable[str]) -> str:
    """The candidate most like ``word``, or "" where none is near enough to be meant.

    Near enough is one edit for words up to 4 characters, two up to 8, three above; an edit inserts,
    drops or replaces a character or exchanges two neighbours. Case is ignored. Of equally near
    candidates the first wins. O(candidates x length x edits).
    """
    folded = word.casefold()
    best, best_distance = "", _edits_max(folded) + 1
    for candidate in candidates:
        distance = _distance(folded, candidate.casefold(), best_distance - 1)
        if distance < best_distance:
            best, best_distance = candidate, distance
            if distance == 0:
                break
    return best


def _edits_max(word: str) -> int:
    if len(word) < 2:
        return 0
    return 1 if len(word) <= 4 else 2 if len(word) <= 8 else 3


def _distance(a: str, b: str, limit: int) -> int:
    """Edits from ``a`` to ``b`` (optimal string alignment), ``limit`` + 1 for any more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before_previous: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            edits = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                edits = min(edits, before_previous[j - 2] + 1)
            row.append(edits)
        if min(row) > limit:
            return limit + 1
        before_previous, previous = previous, row
    return min(previous[-1], limit + 1)
