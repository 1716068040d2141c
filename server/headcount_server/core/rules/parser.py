"""The text form of rules, parsed: Lark's LALR parser over ``grammar.lark``.

Parsing needs no schema and never recurses: neither parentheses nor any other nesting overflows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from lark import Lark
from lark.exceptions import UnexpectedInput, UnexpectedToken

from headcount_server.core.rules import messages
from headcount_server.core.rules.bounds import check_size
from headcount_server.core.rules.build import callbacks
from headcount_server.core.rules.nesting import thinned
from headcount_server.core.rules.piece import BadTokenError
from headcount_server.core.rules.tree import Rule, Span
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from headcount_server.limits import DEFAULT_LIMITS, Limits


def parse(text: str, limits: Limits = DEFAULT_LIMITS) -> Rule:
    """The rule that a text spells, every node and literal with its span.

    About 10 µs a token; a mebibyte takes seconds, so long texts don't belong on an event loop.

    Raises:
        InvalidRule: the text is no rule; one violation with line, column, code points, what was
            found and expected, and the nearest keyword.
        LimitExceeded: text, depth, nodes, a list, a sequence or a number past its limit.
    """
    check_text(text, limits)
    thin = thinned(text, limits)
    try:
        piece = cast(Any, grammar().parse(thin))
    except UnexpectedInput as error:
        raise _syntax_error(text, thin, error) from None
    except BadTokenError as error:
        raise messages.bad_token(text, error) from None
    rule: Rule = piece.value
    check_parsed(text, rule, limits)
    return rule


def check_parsed(text: str, rule: Rule, limits: Limits) -> None:
    """Raise LimitExceeded, with the place in the text, if a rule parsed from it is past a limit."""
    try:
        check_size(rule, limits)
    except LimitExceeded as error:
        raise _located(text, error) from None


@cache
def grammar() -> Lark:
    """The parser's tables; the first call takes a quarter of a second, which a start does."""
    return Lark.open_from_package(
        "headcount_server.core.rules",
        "grammar.lark",
        parser="lalr",
        lexer="contextual",
        transformer=cast(Any, SimpleNamespace(**callbacks())),
    )


def check_text(text: str, limits: Limits) -> None:
    """Raise InvalidRule if a text was broken UTF-8, LimitExceeded if it is too long."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = "a lone surrogate, which is no character: the text was broken UTF-8"
        span = Span(error.start, error.end)
        raise messages.fault(text, span, message, reason="INVALID_TEXT") from None
    limit = limits.rule_text_bytes_max
    if size > limit:
        start = len(text.encode()[:limit].decode(errors="ignore"))
        line, column = messages.place(text, start)
        message = f"the text is {size} bytes long; the limit is {limit} bytes"
        description = f"line {line}, column {column}: {message}"
        violation = Violation(
            messages.FIELD, description, "LIMIT_EXCEEDED", line, column, start, len(text)
        )
        raise LimitExceeded(description, (violation,), limit="rule_text_bytes_max")


def _syntax_error(text: str, thin: str, error: UnexpectedInput) -> InvalidRule:
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    position = len(text) if ended else cast(int, error.pos_in_stream)
    accepted, before = _accepted(thin, position)
    if ended and not before:
        return messages.empty(text)
    return messages.unexpected(text, position, accepted, before)


def _accepted(text: str, position: int) -> tuple[set[str], str]:
    """Terminals that could stand at a place, and the one before it ("" at the start).

    Read again up to there, because the failed parse has already closed what the bad token ended.
    """
    parser = cast(Any, grammar().parse_interactive(text))
    before = ""
    try:
        for token in parser.lexer_thread.lex(parser.parser_state):
            if token.start_pos >= position:
                break
            parser.feed_token(token)
            before = token.type
    except UnexpectedInput:
        pass  # the token at the place is none at all
    return parser.accepts(), before


def _located(text: str, error: LimitExceeded) -> LimitExceeded:
    violation = error.violations[0]
    start = max(violation.start, 0)
    line, column = messages.place(text, start)
    description = f"line {line}, column {column}: {violation.description}"
    located = replace(
        violation, field=messages.FIELD, description=description, line=line, column=column
    )
    return LimitExceeded(description, (located,), **error.metadata)
