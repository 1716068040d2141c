"""What people write from habits of speech and of other languages, and what they mean by it.

A slip never changes what is accepted; it only adds to an error what was probably meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TESTS = {
    "equals": "=", "equal": "=", "eq": "=", "isnt": "!=", "include": "contains",
    "includes": "contains", "contain": "contains", "startswith": "starts with",
    "begins": "starts with", "endswith": "ends with", "today": "this day",
    "yesterday": "last day", "tomorrow": "next day", "exists": "is set",
}  # fmt: skip
_STATES = {
    "null": "missing", "empty": "missing", "blank": "missing", "none": "missing",
    "unset": "missing", "yes": "true", "no": "false", "known": "set", "present": "set",
}  # fmt: skip
_AFTER_IS = frozenset({"SET", "MISSING", "TRUE", "FALSE"})
_OFTEN = {
    ">=": "at least", "<=": "at most", "=": "exactly", ">": "more than", "<": "fewer than",
}  # fmt: skip
_LENGTHS = {"kilometers": "km", "kilometres": "km", "miles": "mi", "meters": "m", "metres": "m"}
_PARENTHESES = {
    "[": ("(", "LPAR"), "{": ("(", "LPAR"), "]": (")", "RPAR"), "}": (")", "RPAR"),
}  # fmt: skip
_AFTER_EVENT = frozenset({"DOT"})
_CALL = re.compile(r"\b(\w+|count\s+distinct)\s*\(\s*(\w+)\s*$", re.IGNORECASE)
_TIMES = re.compile(r"\s*times?\b", re.IGNORECASE)
_NEGATION = re.compile(r"['’]t\b", re.IGNORECASE)
_MEANT = 'did you mean "{}"?'
_QUOTED = "did you mean {}?"
_DAY_FIRST = re.compile(r"\d{1,2}[.,]\d{1,2}[.,]\d{4}$")
_DATE = "a date is written as 2026-03-31"
_NUMBER = "a number is written as 1000, 1_000 or 0.5"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What was probably meant in place of the token, or "", and the words that say so.

    ``{}`` in the words stands for the suggestion.
    """

    suggestion: str
    words: str = _MEANT


def remedy(
    text: str, start: int, found: str, terminals: frozenset[str], before: str
) -> Remedy | None:
    """The remedy of a slip, where the text shows one.

    Args:
        text: the whole rule.
        start: where the unexpected token begins.
        found: that token.
        terminals: names of the terminals that could stand there.
        before: the terminal before, or "" at the start.
    """
    word = found.lower()
    if _NEGATION.match(text, start) and text[:start].lower().endswith("didn"):
        return Remedy("", 'write "did not"')
    if start and text[start - 1].isdigit() and re.match(r"[.,]\d|[eE]\d", text[start:]):
        return Remedy("", _DATE if _DAY_FIRST.search(text[: start + 8]) else _NUMBER)
    if found in _PARENTHESES and _PARENTHESES[found][1] in terminals:
        return Remedy(_PARENTHESES[found][0])
    if before == "NOT" and found == "=" and "CONTAINS" in terminals:
        return Remedy("!=")
    if before in ("LAST", "NEXT") and found.isdigit():
        return Remedy("", f'write "in {before.lower()} {found} …"')
    if terminals == _AFTER_EVENT and (owner := _CALL.search(text[:start])):
        return Remedy("", f"the event stands before the property: {owner[1]}(event.{owner[2]})")
    if before == "COUNT" and found == "(":
        return Remedy("", "events are counted as in: did open at least 3 times")
    if "THEN" in terminals and "EXACTLY" in terminals:
        if found in _OFTEN:
            return Remedy(_OFTEN[found])
        if found.isdigit() and _TIMES.match(text, start + len(found)):
            return Remedy(f"exactly {found}")
    return _of_word(word, terminals) or _of_string(text, start, found, terminals)


def _of_word(word: str, terminals: frozenset[str]) -> Remedy | None:
    if terminals == _AFTER_IS:
        if word in _STATES:
            return Remedy(_STATES[word])
        if word.startswith('"') or word[:1].isdigit():
            return Remedy("=", 'did you mean "=" in place of "is"?')
    if word in _TESTS and "COMPARISON" in terminals and "CONTAINS" in terminals:
        return Remedy(_TESTS[word])
    if word in _LENGTHS and "LENGTH" in terminals:
        return Remedy(_LENGTHS[word])
    return None


def _of_string(text: str, start: int, found: str, terminals: frozenset[str]) -> Remedy | None:
    """A word where a string is needed."""
    if "STRING" not in terminals or not re.fullmatch(r"[^\W\d]\w*", found):
        return None
    after = text[start + len(found) :]
    return Remedy(f'"{found}"', _QUOTED) if not after or after[0] in " \t\n,)#" else None
