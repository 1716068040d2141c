"""Places in a rule, from the core's naming to that of the contract's messages.

The core names a fault's place by the classes of the rule tree, ``rule.and.rules[1].not.rule``.
The contract flattens the composites into the message ``Rule``, so there it is
``rule.rules[1].rules[0]``: children of every composite are ``.rules[i]``. Both agree everywhere
else.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Replacement = str | Callable[[re.Match[str]], str]

_RENAMED: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (re.compile(r"\.weighted_sum\.terms\[(\d+)\]\.rule\b"), r".rules[\1]"),
    (re.compile(r"\.weighted_sum\.terms\[(\d+)\]\.weight\b"), r".weighted_sum.weights[\1]"),
    (re.compile(r"\.weighted_sum\.terms\b"), ".rules"),
    (re.compile(r"\.not\.rule\b"), ".rules[0]"),
    (re.compile(r"\.(?:and|or|none_of|at_least)\.rules\b"), ".rules"),
    (re.compile(r"\.at_least\.count\b"), ".at_least"),
    (re.compile(r"\.(?:and|or|none_of|not)$"), ".combination"),
    (re.compile(r"\.test\.in(?=\.|$)"), ".test.in_list"),
    (re.compile(r"\.test\.is(?=\.|$)"), ".test.state"),
)


def contract_place(place: str) -> str:
    """The path in the contract's messages; one that is such a path already stays. O(length)."""
    for pattern, replacement in _RENAMED:
        place = pattern.sub(replacement, place)
    return place
