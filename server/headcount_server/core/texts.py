"""Tests on one string, and the dictionary that gives every spelling of a property a small code.

A *spelling* is a string as written; its *fold* is its full Unicode case-folding. Text compares by
fold unless a test says ``exactly``. Spellings that fold alike are one *value*, shown as first
written. Codes are dense, in the order of first writing, and never re-used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headcount_server.errors import DataLoss


def fold(text: str) -> str:
    """Full Unicode case-folding (``ß`` = ``ss``; accents are kept)."""
    return text.casefold()


class TextTest(Protocol):
    """A bound test on one string."""

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes; ``folded`` is ``fold(spelling)``."""
        ...


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equal to one of ``folded``, or to one of ``exact`` with case."""

    folded: frozenset[str]
    exact: frozenset[str]

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes."""
        return folded in self.folded or spelling in self.exact


@dataclass(frozen=True, slots=True)
class ContainsOneOf:
    """Contains one of ``folded``, or one of ``exact`` with case; every string contains ``""``."""

    folded: tuple[str, ...]
    exact: tuple[str, ...]

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes."""
        return any(part in folded for part in self.folded) or any(
            part in spelling for part in self.exact
        )


@dataclass(frozen=True, slots=True)
class StartsWith:
    """Begins with ``part``, which is already folded unless ``exactly``."""

    part: str
    exactly: bool

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes."""
        return (spelling if self.exactly else folded).startswith(self.part)


@dataclass(frozen=True, slots=True)
class EndsWith:
    """Ends with ``part``, which is already folded unless ``exactly``."""

    part: str
    exactly: bool

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes."""
        return (spelling if self.exactly else folded).endswith(self.part)


class Dictionary:
    """Spellings and their codes.

    Attributes:
        spellings: code -> string as written.
        folds: code -> its fold.
        values: code -> the first code that folds alike (the *value code*); ``values[c] == c`` for
            the spelling that a value is shown as.
    """

    def __init__(self) -> None:
        self.spellings: list[str] = []
        self.folds: list[str] = []
        self.values: list[int] = []
        self._codes: dict[str, int] = {}
        self._alike: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.spellings)

    def add(self, spelling: str) -> int:
        """The code of a spelling, a new one if it has none. O(1)."""
        code = self._codes.get(spelling)
        if code is None:
            code = len(self.spellings)
            folded = fold(spelling)
            alike = self._alike.setdefault(folded, [])
            alike.append(code)
            self._codes[spelling] = code
            self.spellings.append(spelling)
            self.folds.append(folded)
            self.values.append(alike[0])
        return code

    def add_all(self, spellings: Iterable[str]) -> NDArray[np.uint32]:
        """The codes of many spellings, in order; new ones are added in order."""
        given = list(spellings)
        try:
            return np.fromiter(map(self._codes.__getitem__, given), np.uint32, len(given))
        except KeyError:
            return np.fromiter(map(self.add, given), np.uint32, len(given))

    def code(self, spelling: str) -> int | None:
        """The code of exactly this spelling, or None."""
        return self._codes.get(spelling)

    def alike(self, folded: str) -> Sequence[int]:
        """The codes of all spellings with this fold, ascending. O(1)."""
        return self._alike.get(folded, ())

    def select(self, test: TextTest) -> list[int]:
        """The codes whose spelling passes, ascending. O(values asked) for OneOf, else O(codes)."""
        if isinstance(test, OneOf):
            found = {code for folded in test.folded for code in self.alike(folded)}
            found.update(c for s in test.exact if (c := self.code(s)) is not None)
            return sorted(found)
        matches: Callable[[str, str], bool] = test.matches
        return [
            code
            for code, (spelling, folded) in enumerate(zip(self.spellings, self.folds, strict=True))
            if matches(spelling, folded)
        ]

    def without(self, codes: Iterable[int]) -> Dictionary:
        """A new dictionary in which these codes have lost their spelling; the others keep theirs.

        The codes stay taken: their spelling and fold are the empty string, which no value is.
        """
        spellings = list(self.spellings)
        for code in codes:
            spellings[code] = ""
        return Dictionary.load(spellings)

    def dump(self) -> list[str]:
        """The spellings in the order of their codes; "" for a code that lost its spelling."""
        return list(self.spellings)

    @classmethod
    def load(cls, spellings: list[str]) -> Dictionary:
        """The dictionary that ``dump`` wrote.

        Raises:
            DataLoss: a spelling stands twice.
        """
        dictionary = cls()
        for code, spelling in enumerate(spellings):
            if spelling:
                dictionary.add(spelling)
            else:
                dictionary.spellings.append("")
                dictionary.folds.append("")
                dictionary.values.append(code)
        if len(dictionary) != len(spellings):
            raise DataLoss("a dictionary holds a spelling twice")
        return dictionary
