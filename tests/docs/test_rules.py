"""The table of all rules: it has every rule of the grammar, and each example is answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from headcount_server.core.rules import tree
from headcount_server.core.rules.build import callbacks
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import grammar, parse
from lark import Lark

from tests.meaning.told import Told

PAGE = (Path(__file__).parents[2] / "RULES.md").read_text()
EXAMPLES = [
    example
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| rule |", "| window |"))
    for example in re.findall(r"`([^`]+)`", line)
]


@pytest.fixture(scope="module")
def told() -> Told:
    found = Told()
    found.person("ann", country="DE", plan="pro", tags="news", age=30, vip=True, day="2026-03-31")
    found.did("ann", "purchase", "2026-03-30T10:00:00Z", category="shoes", amount="120")
    found.world.define("vip", parse("vip is true"), 30)
    return found


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_answered_and_its_canonical_text_is_the_same_rule(
    told: Told, example: str
) -> None:
    rule = parse(example)
    assert told.who(example) == told.who(format_rule(rule))
    assert parse(format_rule(rule)) == rule


def parts(node: Any) -> Iterator[Any]:
    """A tree and all that it holds."""
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, tuple):
            stack.extend(part)
        stack.extend(getattr(part, name) for name in getattr(part, "__dataclass_fields__", ()))


def test_every_kind_of_node_and_every_choice_of_it_has_an_example() -> None:
    found = [part for example in EXAMPLES for part in parts(parse(example))]
    kinds = {type(part) for part in found}
    choices = {part for part in found if isinstance(part, Enum)}
    declared = [kind for kind in vars(tree).values() if isinstance(kind, type)]
    nodes = {kind for kind in declared if hasattr(kind, "__dataclass_fields__")}
    assert nodes - kinds == {tree.Parameter}, "parameters stand wherever values do"
    enums = [kind for kind in declared if issubclass(kind, Enum) and kind is not Enum]
    assert {choice for kind in enums for choice in kind} == choices


def test_every_word_and_every_alternative_of_the_grammar_has_an_example() -> None:
    made: set[str] = set()

    def recording(name: str, build: Any) -> Any:
        def recorded(children: Any) -> Any:
            made.add(name)
            return build(children)

        return recorded

    known = callbacks()
    transformer = SimpleNamespace(**{name: recording(name, known[name]) for name in known})
    reader = Lark(
        grammar().source_grammar, parser="lalr", lexer="contextual", transformer=transformer
    )
    words: set[str] = set()
    for example in EXAMPLES:
        words |= {token.type for token in reader.parse_interactive(example).exhaust_lexer()}
        reader.parse(example)
    declared = {terminal.name for terminal in reader.terminals} - set(reader.ignore_tokens)
    assert declared - words == {"PARAM"}
    parameters = {name for name in known if "param" in name}
    assert parameters
    assert set(known) - made == parameters
