"""Texts that nest deeply, made quick to parse.

What is too deep is refused, what is idle is left out. Parentheses around a rule count nothing, but
each costs the parser as much as any token. Of those that stand directly inside each other only the
outer two and the innermost are needed for the tree, its spans and every error; the others are
replaced by spaces, so that all places stay.
"""

from __future__ import annotations

import re

from headcount_server.core.rules.messages import FIELD, place
from headcount_server.errors import LimitExceeded, Violation
from headcount_server.limits import Limits

FEW = 2_000  # parentheses and negations that need no care: they take the parser 20 ms
_KEPT = 2  # outer ones directly inside each other: one would let a list have too many
_BLANK = r"(?:\s|\#[^\n]*(?:\n|\Z))"
_TOKEN = re.compile(
    rf"""  (?P<open>\() | (?P<close>\))
        | (?P<not>(?<![\w$])not(?!\w))
        | (?P<of>(?<![\w$])of(?!\w))
        | {_BLANK}+
        | (?<![\w$])matches{_BLANK}+(?:exactly{_BLANK}+)?/(?:\\.|[^/\\])*/
        | "(?:\\.|[^"\\])*"?
        | [\w$.:+-]+ | .""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)


def thinned(text: str, limits: Limits) -> str:
    """A text of the same length, tree, spans and errors, with few idle parentheses. O(length).

    Raises:
        LimitExceeded: negations and groups alone nest deeper than a rule may.
    """
    if text.count("(") + text.lower().count("not") <= FEW:
        return text
    return _Scan(text, limits.rule_depth_max).thinned()


class _Scan:
    """One pass over a text.

    A place counts the tokens, so that what is next to each other has places next to each other.
    """

    def __init__(self, text: str, depth_max: int) -> None:
        self._text = text
        self._depth_max = depth_max
        self._starts: list[int] = []  # of tokens, by place
        self._partner: dict[int, int] = {}  # place of ( to that of its )
        self._open: list[tuple[int, int]] = []  # place, and depth outside of it

    def thinned(self) -> str:
        """The text; LimitExceeded where it is too deep."""
        depth = nots = 0  # of the nodes around what comes, and negations directly before it
        before: str | None = None
        for found in _TOKEN.finditer(self._text):
            kind = found.lastgroup
            if kind is None and (found[0].isspace() or found[0].startswith("#")):
                continue
            here = len(self._starts)
            self._starts.append(found.start())
            if kind == "open":
                self._open.append((here, depth))
                depth += nots + (before == "of")
            elif kind == "close" and self._open:
                opened, depth = self._open.pop()
                self._partner[opened] = here
            nots = nots + 1 if kind == "not" else 0
            if depth + nots > self._depth_max:
                raise self._too_deep(found.start())
            before = kind
        return self._without(self._idle())

    def _idle(self) -> list[int]:
        """Places of parentheses that have _KEPT others directly around them.

        A pair has one directly inside too: what the innermost holds may end too early, at its end.
        """
        idle: list[int] = []
        for opened, closed in self._partner.items():
            if all(self._partner.get(opened - i) == closed + i for i in (-1, *range(1, _KEPT + 1))):
                idle += (opened, closed)
        unclosed = {opened for opened, _ in self._open}
        for opened, _ in self._open:
            if all(opened - i in unclosed for i in range(1, _KEPT + 1)):
                idle.append(opened)
        return idle

    def _without(self, places: list[int]) -> str:
        characters = list(self._text)
        for at in places:
            characters[self._starts[at]] = " "
        return "".join(characters)

    def _too_deep(self, start: int) -> LimitExceeded:
        message = f"the rule is deeper than the limit of {self._depth_max} nodes"
        line, column = place(self._text, start)
        description = f"line {line}, column {column}: {message}"
        violation = Violation(
            FIELD, description, "LIMIT_EXCEEDED", line, column, start, len(self._text)
        )
        return LimitExceeded(description, (violation,), limit="rule_depth_max")
