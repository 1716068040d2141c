"""How long a text may be to be read past its faults.

Tokens are counted roughly, without the grammar: a string, a word with the dots and dashes in it, a
comment, any other character. That is at most a few times off from what the parser reads, and never
the other way for a text that is a rule.
"""

from __future__ import annotations

import re
from itertools import islice

from headcount_server.core.rules.messages import FIELD, place
from headcount_server.errors import LimitExceeded, Violation
from headcount_server.limits import Limits

_PIECES = r'"(?:\\.|[^"\\])*"?|\#[^\n]*|[\w$]+(?:[.:+-]\w+)*'
_BUT_COMMAS = re.compile(_PIECES + r'|[^\s\w",]', re.DOTALL)
_ALL = re.compile(_PIECES + r'|[^\s\w"]', re.DOTALL)


def check_tolerant(text: str, limits: Limits) -> None:
    """Raise LimitExceeded if a text has too many tokens to be read tolerantly, finished or not.

    Commas don't count, so that a list of as many values as it may have passes.
    """
    limit = limits.tolerant_tokens_max
    over = _over(_BUT_COMMAS, text, limit)
    if over is not None:
        message = f"the text has more than {limit} tokens besides commas"
        raise _exceeded(text, over, f"{message}; such a long one is not read tolerantly",
            "tolerant_tokens_max",
        )  # fmt: skip


def check_recovery(text: str, fault: int, limits: Limits) -> None:
    """Raise LimitExceeded if a text with a fault has too many tokens to be read past it.

    Args:
        text: the part that would be read.
        fault: where its first fault is, a code point; the error's place.
        limits: of the server.
    """
    limit = limits.recovery_tokens_max
    if _over(_ALL, text, limit) is not None:
        message = f"the rule is unfinished or broken here, and the text has more than {limit}"
        raise _exceeded(text, fault, f"{message} tokens; such a long one must be a whole rule",
            "recovery_tokens_max",
        )  # fmt: skip


def _over(tokens: re.Pattern[str], text: str, limit: int) -> int | None:
    """Where the first token past the limit begins; None if there is none. O(length)."""
    if len(text) <= limit:
        return None
    found = next(islice(tokens.finditer(text), limit, None), None)
    return None if found is None else found.start()


def _exceeded(text: str, start: int, message: str, limit: str) -> LimitExceeded:
    line, column = place(text, start)
    description = f"line {line}, column {column}: {message}"
    violation = Violation(FIELD, description, "LIMIT_EXCEEDED", line, column, start, len(text))
    return LimitExceeded(description, (violation,), limit=limit)
