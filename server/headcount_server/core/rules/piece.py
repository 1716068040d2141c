"""What lies on the parser's stack: a value with its place, and the callbacks that make it.

Lark calls the callback of each alternative with a list of tokens and pieces, in the order of the
text, None where an optional part is absent. Both have ``start_pos`` and ``end_pos`` (code points)
and ``value``, so a node's span is its first child's start to its last child's end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headcount_server.core.rules.tree import Name, Span

Children = list[Any]  # Piece | lark.Token | None
Callbacks = dict[str, Callable[[Children], "Piece"]]


class Piece:
    """A value and the code points of the text that it was made from."""

    __slots__ = ("end_pos", "start_pos", "value")

    def __init__(self, start_pos: int, end_pos: int, value: Any) -> None:
        self.start_pos = start_pos
        self.end_pos = end_pos
        self.value = value


class BadTokenError(Exception):
    """A token that fits the grammar but not the language, found while building the tree."""

    def __init__(
        self,
        span: Span,
        reason: str,
        message: str,
        expected: tuple[str, ...] = (),
        suggestion: str = "",
    ) -> None:
        super().__init__(message)
        self.span = span
        self.reason = reason
        self.message = message
        self.expected = expected
        self.suggestion = suggestion


def span_of(children: Children) -> Span:
    """First present child's start to last present child's end."""
    first = next(c for c in children if c is not None)
    last = children[-1]
    if last is None:
        last = next(c for c in reversed(children) if c is not None)
    return Span(first.start_pos, last.end_pos)


def name_of(token: Any) -> Name:
    """The name that a token is, with its place."""
    return Name.at(str(token.value), Span(token.start_pos, token.end_pos))


def callback(callbacks: Callbacks) -> Callable[[Callable[[Children, Span], Any]], Any]:
    """Register a function under its own name (less a final ``_``) as an alternative's callback.

    The function gets the children and their span, and returns the value of the new piece.
    """

    def register(build: Callable[[Children, Span], Any]) -> Any:
        def made(children: Children) -> Piece:
            span = span_of(children)
            return Piece(span.start, span.end, build(children, span))

        callbacks[build.__name__.rstrip("_")] = made
        return build

    return register
