"""What is compared with DuckDB: many rules, and some of every kind that the rule language has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module

import pytest
from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import parse

MODULES = (
    "adventureworks", "cdnow", "completejourney", "hillstrom", "mailings",
    "online_retail", "places",
)  # fmt: skip
RULES = [case.rule for name in MODULES for case in import_module(f"tests.data.test_{name}").CASES]
ELSEWHERE = {tree.Span, tree.SegmentMove}  # no rule; moves bear the time of a write, no data's
CLASSES = {
    kind.__name__
    for kind in vars(tree).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind not in ELSEWHERE
}
CHOICES = {
    *(f"Aggregate {one.name}" for one in tree.Function),
    *(f"Recency {one.name}" for one in tree.Edge),
    *(f"Compare {one.name}" for one in tree.Operator),
    *(f"Is {one.name}" for one in tree.State),
    *(f"Often {one.name}" for one in tree.Many),
    *(f"HasOf {one.name}" for one in tree.Quantifier),
    *(f"LastCampaigns {one.name}" for one in tree.Quantifier),
    *(f"Duration {one.name}" for one in tree.Unit if one is not tree.Unit.MINUTE),
    *(f"Near {one.name}" for one in tree.LengthUnit),
    "Did where", "Did habit", "Did relative", "Often on_days", "Recency passes", "Step negated",
    "Sequence same", "Sequence all_within", "Rank bottom", "Rank percent", "Text exactly",
    "In negated", "Contains negated", "ContainsAny negated",
}  # fmt: skip


def parts(node: object) -> Iterator[object]:
    """A node and all that it holds."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack.extend(part)  # pyright: ignore[reportUnknownArgumentType]
        elif is_dataclass(part):
            yield part
            stack.extend(getattr(part, field.name) for field in fields(part))


def kinds(rule: str) -> set[str]:
    """The classes of the rule tree that a rule is made of, and what it chooses in them."""
    found: set[str] = set()
    for part in parts(parse(rule)):
        name = type(part).__name__
        found.add(name)
        for field in fields(part):  # pyright: ignore[reportArgumentType]
            value = getattr(part, field.name)
            if isinstance(value, Enum):
                found.add(f"{name} {value.name}")
            elif value not in (None, False, "", ()):
                found.add(f"{name} {field.name}")
    return found


COMPARED = Counter(kind for rule in RULES for kind in kinds(rule))


def test_many_different_rules_are_compared() -> None:
    assert len(set(RULES)) >= 60


@pytest.mark.parametrize("kind", sorted(CLASSES | CHOICES))
def test_every_kind_of_rule_is_compared(kind: str) -> None:
    assert COMPARED[kind], f"no rule compared with DuckDB has {kind}"
