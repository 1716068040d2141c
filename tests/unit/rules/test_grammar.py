"""What the grammar file promises about names, conflicts and places."""

from __future__ import annotations

import logging
import re
from decimal import Decimal

import pytest
from headcount_server.core.rules import tree
from headcount_server.core.rules.build import callbacks
from headcount_server.core.rules.parser import grammar, parse
from headcount_server.core.rules.tree import Attribute, Compare, Did, Not, Number, Operator, Span
from headcount_server.core.schema import RESERVED_NAMES
from lark import Lark, logger

WORDS = sorted(
    {
        word
        for terminal in grammar().terminals
        if (found := re.match(r"[a-z]+(?=s?\??\(\?!)|favou", terminal.pattern.value))
        for word in [found.group()]
    }
)


def test_the_one_conflict_is_the_and_of_a_where(caplog: pytest.LogCaptureFixture) -> None:
    logger.setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG, logger=logger.name):
        logger.addHandler(caplog.handler)
        Lark.open_from_package(
            "headcount_server.core.rules", "grammar.lark", parser="lalr", debug=True
        )
        logger.removeHandler(caplog.handler)
    logger.setLevel(logging.CRITICAL)
    conflicts = [r.getMessage() for r in caplog.records if "onflict" in r.getMessage()]
    assert conflicts
    assert all(
        message.startswith("Shift/Reduce conflict for terminal AND") for message in conflicts
    )
    reduced = [r.getMessage() for r in caplog.records if "<" in r.getMessage()]
    assert all("where" in message for message in reduced)


def test_every_alternative_has_a_callback() -> None:
    made = {rule.alias or rule.origin.name for rule in grammar().rules}
    inlined = {
        "start",
        "rule",
        "conj",
        "neg",
        "atom",
        "condition",
        "wrule",
        "wconj",
        "wneg",
        "watom",
    }
    inlined |= {"wtest", "when", "operand", "bound", "moment", "part"}
    assert {n for n in made if not n.startswith("__") and n not in inlined} <= set(callbacks())


def test_reserved_names_are_those_of_the_schema() -> None:
    pattern = next(t.pattern.value for t in grammar().terminals if t.name == "NAME")
    alternatives = re.match(r"\(\?!\(([a-z|]+)\)", pattern)
    assert alternatives is not None
    assert set(alternatives.group(1).split("|")) == RESERVED_NAMES - {"key", "known_since"}


def test_no_place_takes_both_a_name_and_a_word_that_is_no_reserved_one() -> None:
    parser = grammar().parser.parser
    reserved = {word.upper() for word in RESERVED_NAMES}
    words = {word.upper() for word in WORDS} - {"FAVOU"}
    checked = 0
    for actions in parser._parse_table.states.values():
        if "NAME" in actions:
            checked += 1
            assert not (words & set(actions)) - reserved
    assert checked > 10


def test_no_place_takes_two_terminals_that_fit_the_same_text() -> None:
    patterns = {
        t.name: re.compile(t.pattern.to_regexp())
        for t in grammar().terminals
        if t.name not in ("SPACE", "COMMENT")
    }
    samples = [
        *WORDS,
        "days",
        "hours",
        "months",
        "weeks",
        "minute",
        "favourite",
        "km",
        "m",
        "mi",
        "xyz",
    ]
    samples += ["-3", "3", "2026-03-31", "/x/", "/", "$p", '"x"', "<=", "<", "-", "january"]
    for actions in grammar().parser.parser._parse_table.states.values():
        for sample in samples:
            fit = [n for n in actions if n in patterns and patterns[n].fullmatch(sample)]
            assert len(fit) < 2, (sample, fit)


@pytest.mark.parametrize(
    "name",
    [
        "where",
        "month",
        "day",
        "open",
        "size",
        "set",
        "value",
        "then",
        "of",
        "is",
        "has",
        "key",
        "known_since",
        "in_x",
        "nots",
        "android",
        "segment",
        "times",
        "km",
        "now",
        "ever",
        "true",
    ],
)
def test_a_word_that_is_not_reserved_is_a_name_wherever_a_name_stands(name: str) -> None:
    assert parse(f"{name} = 1") == Attribute(name, Compare(Operator.EQUAL, Number(Decimal(1))))
    assert parse(f"x >= {name}") == Attribute(
        "x", tree.CompareAttribute(Operator.GREATER_OR_EQUAL, name)
    )
    assert parse(f"did {name} where {name} is set") == Did(
        (name,), where=Attribute(name, tree.Is(tree.State.SET))
    )
    assert parse(f"did {name} then {name} without {name} same {name}")
    assert parse(f"did any of ({name}, x) within 3 days after {name}")
    assert parse(f"sum({name}.{name}) > ${name} and rate({name}/{name}) > 1")
    assert parse(f"did x where {name} in last 5 campaigns {name}")


@pytest.mark.parametrize("word", WORDS)
def test_keywords_are_words_in_any_case(word: str) -> None:
    texts = [text for text in _texts() if re.search(rf"(?<!\$)\b{word}", text)]
    assert texts
    for text in texts:
        assert parse(re.sub(rf"(?<!\$)\b{word}(?=s?\b)", word.title(), text)) == parse(text)


def _texts() -> list[str]:
    from tests.unit.rules.examples import EXAMPLES

    as_name = re.compile(r'"|#|/|\b(open|click|day|value|key)\b(?! (of|starting|ago))')
    plain = [text for text in EXAMPLES if not as_name.search(text)]
    return [
        *plain,
        "x day of month in (1)",
        "t has value starting with 3",
        "rate(a / b) > 1",
        "bucket 1 of 2 seed $s",
        "sample 1% seed $s",
        "in segment $s",
        "did x fewer than 3 times",
        "did x at most 3 times",
        "first x",
        "sum(x.y) > 3",
        "did x then z without u same v",
        "sample 3% seed $p",
        "d weekday in (1)",
        "d weekdays in (1)",
        "entered segment $s in last 3 days",
        "left segment $s ever",
        "favourite(a.b) = exactly $x",
        "did x on at least 3 days",
        "x domain contains any of $p",
        "x starts with $p",
        "x ends with $p",
        "x like $p",
        "x matches /p/",
        "did x where a in last 3 campaigns sent",
    ]


def test_a_word_that_goes_on_is_no_keyword() -> None:
    assert parse("in_x = 1 and not_y = 2 and did_z = 3")
    assert parse("x = 1 and andy = 2") == parse("(x = 1) and (andy = 2)")


@pytest.mark.parametrize("unit", ["minute", "hour", "day", "week", "month", "quarter", "year"])
def test_units_in_singular_and_plural_are_alike(unit: str) -> None:
    assert parse(f"d in last 3 {unit}") == parse(f"d in last 3 {unit}s")


def test_all_of_and_and_are_one_node() -> None:
    assert parse("all of (a = 1, b = 2)") == parse("a = 1 and b = 2")
    assert parse("any of (a = 1, b = 2)") == parse("a = 1 or b = 2")


def test_an_and_after_a_where_without_parentheses_belongs_to_it() -> None:
    open_where = parse("did x where a = 1 and b = 2 in last 3 days and c = 3")
    assert open_where == parse("did x where (a = 1 and b = 2) in last 3 days and c = 3")
    assert parse("did x where a = 1 or c = 3") == parse("(did x where (a = 1)) or c = 3")
    assert parse("did x where (a = 1) and c = 3") == parse("(did x where (a = 1)) and c = 3")


def test_spans_are_the_place_of_each_node_in_code_points() -> None:
    text = (
        "  ñ = 1".replace("ñ", "n")
        + ' and # 😀\n (not ( b = "😀" ) or did not open where c=2 and d = 3 ever)'
    )
    rule = parse(text)
    assert isinstance(rule, tree.And)
    assert _spelt(text, rule) == text.strip()
    first, second = rule.rules
    assert _spelt(text, first) == "n = 1"
    assert isinstance(second, tree.Or)
    assert _spelt(text, second) == 'not ( b = "😀" ) or did not open where c=2 and d = 3 ever'
    negation, did_not = second.rules
    assert _spelt(text, negation) == 'not ( b = "😀" )'
    assert isinstance(negation, Not)
    assert isinstance(negation.rule, Attribute)
    assert _spelt(text, negation.rule) == 'b = "😀"'
    assert _spelt(text, negation.rule.test.value) == '"😀"'
    assert isinstance(did_not, Not)
    assert isinstance(did_not.rule, Did)
    assert did_not.rule.where is not None
    assert _spelt(text, did_not.rule.where) == "c=2 and d = 3"


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("x in ( 1, 2 )", "( 1, 2 )"),
        ("x in $p", "$p"),
        ('x = exactly "a"', 'exactly "a"'),
        ("x on 2026-03-31", "on 2026-03-31"),
        ("x in this month", "in this month"),
        ("x between 3 and 5 days ago", "between 3 and 5 days ago"),
        ("did a then not b within 3 days in last 3 days", "not b within 3 days"),
    ],
)
def test_literals_windows_and_steps_have_spans(text: str, spelt: str) -> None:
    spans = _spans(parse(text))
    assert spelt in {text[span.start : span.end] for span in spans}


def test_every_span_lies_within_its_parent() -> None:
    from tests.unit.rules.examples import EXAMPLES

    for text in EXAMPLES:
        for span in _spans(parse(text)):
            assert 0 <= span.start < span.end <= len(text)
        for node, _ in tree.walk(parse(text)):
            assert node.span is not None
            for child in tree.children(node) + tree.wheres(node):
                assert child.span is not None
                assert node.span.start <= child.span.start
                assert child.span.end <= node.span.end


def _spelt(text: str, node: object) -> str:
    span = getattr(node, "span", None)
    assert isinstance(span, Span)
    return text[span.start : span.end]


def _spans(rule: object) -> list[Span]:
    found: list[Span] = []
    stack = [rule]
    while stack:
        part = stack.pop()
        if isinstance(part, Span):
            found.append(part)
        elif isinstance(part, tuple):
            stack.extend(part)
        for name in getattr(part, "__dataclass_fields__", ()):
            stack.append(getattr(part, name))
    return found
