"""Faults of a rule, as data: where, what, and what would be right.

The *place* of a fault is a path into the rule tree. It begins with the name of the field that holds
the rule (``rule`` unless the caller says otherwise) and goes on with field names; an element of a
tuple has its index from 0; where a field holds one of several classes (rule, test, window, value)
the class follows in snake_case. So the literal in the second condition of ``a and age = "x"`` is
``rule.and.rules[1].attribute.test.compare.value.text``. A fault of a node itself, such as an
unknown name, ends with the field at fault: ``rule.and.rules[1].attribute.name``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import NoReturn

from headcount_server.core.rules.tree import Name, Span
from headcount_server.errors import InvalidRule, Unimplemented, Violation

VIOLATIONS_MAX = 20  # faults told of one rule; more would help nobody
FOUND_LENGTH_MAX = 80  # of a literal in a message

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@lru_cache(maxsize=256)
def variant(kind: type) -> str:
    """A class of the rule tree as it stands in places."""
    return _CAPITAL.sub("_", kind.__name__).lower()


def below(place: str, field: str, node: object) -> str:
    """The place of a ``node`` in a field that holds one of several classes."""
    return f"{place}.{field}.{variant(type(node))}"


def refuse(
    place: str,
    description: str,
    reason: str,
    span: Span | None = None,
    *,
    found: str = "",
    expected: Sequence[str] = (),
    suggestion: str = "",
) -> NoReturn:
    """Raise InvalidRule with one violation.

    It stands at ``span``; at ``found`` where that is a name that knows its place.
    """
    span = found.span if isinstance(found, Name) else span
    start, end = (span.start, span.end) if span is not None else (-1, -1)
    violation = Violation(
        place,
        description,
        reason,
        start=start,
        end=end,
        found=found,
        expected=tuple(expected),
        suggestion=suggestion,
    )
    raise InvalidRule(description, (violation,))


def shortened(text: str) -> str:
    """``text``, cut where it would fill a message."""
    return text if len(text) <= FOUND_LENGTH_MAX else f"{text[: FOUND_LENGTH_MAX - 1]}…"


class Faults:
    """Collects the faults of several parts, so that all of them are told at once.

    A part that this version doesn't answer yet counts only where nothing is wrong.
    """

    def __init__(self) -> None:
        self._violations: list[Violation] = []
        self._unimplemented: Unimplemented | None = None

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Keep what is raised within for ``check``."""
        try:
            yield
        except InvalidRule as error:
            self._violations.extend(v for v in error.violations if v not in self._violations)
            if len(self._violations) >= VIOLATIONS_MAX:
                self.check()
        except Unimplemented as error:
            self._unimplemented = self._unimplemented or error

    def check(self) -> None:
        """Raise what was collected.

        Raises:
            InvalidRule: something is wrong; at most VIOLATIONS_MAX violations.
            Unimplemented: nothing is wrong, but something isn't answered yet.
        """
        if self._violations:
            first, *others = self._violations[:VIOLATIONS_MAX]
            more = f" (and {len(others)} more)" if others else ""
            raise InvalidRule(first.description + more, (first, *others))
        if self._unimplemented is not None:
            raise self._unimplemented
