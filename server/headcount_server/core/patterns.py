"""Tests on strings by pattern: ``like``, ``matches`` and ``domain``.

Patterns are kept as text, so that a test is a value; what they compile to is remembered beside.
Both kinds run in RE2, in time linear in the string whatever the pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from headcount_server.core.texts import ContainsOneOf, EndsWith, OneOf, StartsWith, TextTest
from headcount_server.limits import REGEX_MEMORY_MAX

_LIKE_PART = re.compile(r"\\([*?])|(\*+)|(\?)", re.DOTALL)
_MEANS_ITSELF = re.compile(r"[0-9A-Za-z_]|[^\x00-\x7f]")


class PatternError(ValueError):
    """A regular expression that doesn't compile; the message is RE2's."""


@dataclass(frozen=True, slots=True)
class Like:
    """The whole value fits ``pattern``, which is already folded unless ``exactly``.

    ``*`` stands for any characters or none, ``?`` for one, ``\\*`` and ``\\?`` for themselves.
    """

    pattern: str
    exactly: bool

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes; ``folded`` is its fold."""
        text = spelling if self.exactly else folded
        return self.compiled().search(text.encode()) is not None

    def compiled(self) -> Any:
        """The regular expression of a whole value in UTF-8.

        Raises:
            PatternError: it is too large.
        """
        return _like(self.pattern, "(?s)\\A", ".", "\\z")

    def simplest(self) -> TextTest:
        """The test that is passed by the same strings and is the cheapest to search for.

        ``text``, ``text*``, ``*text`` and ``*text*`` need no regular expression.
        """
        texts, last = [""], 0
        for part in _LIKE_PART.finditer(self.pattern):
            texts[-1] += self.pattern[last : part.start()] + (part[1] or "")
            last = part.end()
            if part[3]:
                return self
            if part[2]:
                texts.append("")
        texts[-1] += self.pattern[last:]
        match texts:
            case [text]:
                alone = frozenset([text])
                return OneOf(frozenset(), alone) if self.exactly else OneOf(alone, frozenset())
            case [text, ""]:
                return StartsWith(text, self.exactly)
            case ["", text]:
                return EndsWith(text, self.exactly)
            case ["", text, ""]:
                return ContainsOneOf((), (text,)) if self.exactly else ContainsOneOf((text,), ())
            case _:
                return self

    def of_lines(self) -> Any:
        """The regular expression of a line that is a value without the end of a line in it."""
        return _like(self.pattern, "(?m)^", "[^\n]", "$")


@dataclass(frozen=True, slots=True)
class Matches:
    """RE2 finds ``pattern`` anywhere in the value as written, without case unless ``exactly``."""

    pattern: str
    exactly: bool

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes; ``folded`` is its fold."""
        return self.compiled().search(spelling.encode()) is not None

    def compiled(self, before: str = "", after: str = "") -> Any:
        """The compiled regular expression, within another one; its ``search`` takes bytes.

        Raises:
            PatternError: it doesn't compile, or to a program that is too large.
        """
        return _regex(before + self.pattern + after, self.exactly)


@dataclass(frozen=True, slots=True)
class DomainPasses:
    """What follows the last ``@`` passes ``test``; false without one."""

    test: TextTest

    def matches(self, spelling: str, folded: str) -> bool:
        """Whether the string passes; ``folded`` is its fold."""
        _, at, domain = spelling.rpartition("@")
        return bool(at) and self.test.matches(domain, folded.rpartition("@")[2])


@lru_cache(maxsize=256)
def _like(pattern: str, start: str, one: str, end: str) -> Any:
    """The regular expression of a like, ``one`` being any character."""
    parts = [start]
    last = 0
    for part in _LIKE_PART.finditer(pattern):
        parts.append(_quoted(pattern[last : part.start()]))
        parts.append(_quoted(part[1]) if part[1] else one + "*" if part[2] else one)
        last = part.end()
    parts += [_quoted(pattern[last:]), end]
    return _regex("".join(parts), True)


@lru_cache(maxsize=256)
def _regex(pattern: str, exactly: bool) -> Any:
    options = re2.Options()
    options.case_sensitive = exactly
    options.never_capture = True
    options.log_errors = False
    options.max_mem = REGEX_MEMORY_MAX
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0] if error.args else "not a regular expression"
        text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
        raise PatternError(text) from error


def _quoted(text: str) -> str:
    """The pattern of a text that means itself."""
    return "".join(c if _MEANS_ITSELF.match(c) else f"\\x{{{ord(c):x}}}" for c in text)
