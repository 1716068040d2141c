"""Errors on standard error, and the exit code that they end with."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from headcount_client.errors import DeadlineExceeded, HeadcountError, Unavailable, Violation
from headcount_client.names import listed

EXIT_USAGE = 2
EXIT_SERVER = 3
EXIT_UNREACHABLE = 4
EXIT_INTERRUPTED = 130
_LINE_LENGTH_MAX = 200


def exit_code(error: HeadcountError) -> int:
    """4 where no server answered, else 3."""
    if isinstance(error, Unavailable | DeadlineExceeded) and not error.from_server:
        return EXIT_UNREACHABLE
    return EXIT_SERVER


def report(error: HeadcountError, address: str, texts: Mapping[str, str]) -> None:
    """Tell what went wrong; a rule's fault with the place in its text."""
    console = _console()
    if exit_code(error) == EXIT_UNREACHABLE:
        _say(console, f"no server answers at {address}: {error.message}")
        console.print(
            "start one with: headcount serve --data DIR, or name another with --address",
            markup=False,
            soft_wrap=True,
        )
        return
    _say(console, error.message)
    for violation in error.violations:
        _violation(console, violation, error, texts)
    if error.retry_after_s is not None:
        console.print(f"try again in {error.retry_after_s:g} s", markup=False)


def complain(message: str) -> None:
    """One line on standard error."""
    _say(_console(), message)


def _console() -> Console:
    terminal = sys.stderr.isatty()
    return Console(stderr=True, highlight=False, no_color=not terminal)


def _say(console: Console, message: str) -> None:
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


def _violation(
    console: Console, violation: Violation, error: HeadcountError, texts: Mapping[str, str]
) -> None:
    text = _text_of(violation, texts)
    if violation.description and violation.description not in error.message:
        line = f"  {violation.field}: {violation.description}"
        console.print(line, markup=False, soft_wrap=True)
    if text is not None and violation.line > 0:
        for line in caret_lines(text, violation):
            console.print(line, markup=False, soft_wrap=True)
    if violation.expected and "expected" not in error.message:
        expected = f"  expected: {listed(violation.expected)}"
        console.print(expected, markup=False, soft_wrap=True)
    if violation.suggestion and "did you mean" not in error.message:
        suggestion = f"  did you mean {violation.suggestion}?"
        console.print(suggestion, markup=False, soft_wrap=True)


def caret_lines(text: str, violation: Violation) -> list[str]:
    """The line of the text with the fault, and carets under the place."""
    lines = text.split("\n")
    if violation.line > len(lines):
        return []
    line = lines[violation.line - 1].rstrip("\r")
    column = max(violation.column - 1, 0)
    width = max(violation.end - violation.start, 1) if violation.start >= 0 else 1
    width = max(min(width, len(line) - column), 1)
    first = max(0, column - _LINE_LENGTH_MAX // 2)
    line = line[first : first + _LINE_LENGTH_MAX]
    column -= first
    blank = "".join("\t" if character == "\t" else " " for character in line[:column])
    blank = blank.ljust(column)
    label = f"  {violation.line} | " if len(lines) > 1 else "  "
    return [label + line, " " * len(label) + blank + "^" * min(width, _LINE_LENGTH_MAX - column)]


def _text_of(violation: Violation, texts: Mapping[str, str]) -> str | None:
    """The rule that a fault is in: of the field named, else the only one there is."""
    for field, text in texts.items():
        if violation.field == field or violation.field.endswith(f".{field}"):
            return text
        place = field.removesuffix("_text")
        if violation.field == place or violation.field.startswith(f"{place}."):
            return text
    return next(iter(texts.values())) if len(texts) == 1 else None
