"""Texts become trees and trees texts, without loss."""

from __future__ import annotations

from decimal import Decimal

import pytest
from headcount_server.core.rules import tree
from headcount_server.core.rules.bounds import check_bounds
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import And, Attribute, Compare, Did, Not, Number, Or, Text
from headcount_server.errors import InvalidRule
from hypothesis import HealthCheck, given, settings

from tests.strategies.rule_trees import rule_trees
from tests.unit.rules.examples import EXAMPLES

A = Attribute("a", tree.Is(tree.State.SET))
B = Attribute("b", tree.Is(tree.State.SET))
C = Attribute("c", tree.Is(tree.State.SET))


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_survives_formatting(text: str) -> None:
    rule = parse(text)
    check_bounds(rule)
    formatted = format_rule(rule)
    assert parse(formatted) == rule
    assert format_rule(parse(formatted)) == formatted


def test_the_examples_hold_every_class_of_the_tree() -> None:
    seen: set[type] = set()
    stack: list[object] = [parse(text) for text in EXAMPLES]
    while stack:
        part = stack.pop()
        seen.add(type(part))
        if isinstance(part, tuple):
            stack.extend(part)
        for name in getattr(part, "__dataclass_fields__", ()):
            stack.append(getattr(part, name))
    classes = {
        c for c in vars(tree).values() if isinstance(c, type) and hasattr(c, "__dataclass_fields__")
    }
    assert classes <= seen


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_trees())
def test_any_tree_survives_its_text(rule: tree.Rule) -> None:
    check_bounds(rule)
    text = format_rule(rule)
    parsed = parse(text)
    assert parsed == rule
    assert format_rule(parsed) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a is set and b is set and c is set", And((A, B, C))),
        ("(a is set and b is set) and c is set", And((And((A, B)), C))),
        ("a is set and (b is set and c is set)", And((A, And((B, C))))),
        ("a is set or b is set and c is set", Or((A, And((B, C))))),
        ("(a is set or b is set) and c is set", And((Or((A, B)), C))),
        ("not a is set and b is set", And((Not(A), B))),
        ("not (a is set and b is set)", Not(And((A, B)))),
        ("not not a is set", Not(Not(A))),
        ("all of (a is set)", And((A,))),
        ("any of (a is set)", Or((A,))),
        ("all of (a is set) and any of (b is set)", And((And((A,)), Or((B,))))),
        ("did not open", Not(Did(("open",)))),
        ("not did not open", Not(Not(Did(("open",))))),
        ("did open where (not (a is set or b is set))", Did(("open",), where=Not(Or((A, B))))),
    ],
)
def test_canonical_text_keeps_the_tree_as_written(text: str, rule: tree.Rule) -> None:
    assert parse(text) == rule
    assert format_rule(rule) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("all of (a is set, b is set)", "a is set and b is set"),
        ("not (did open)", "did not open"),
        ("did open ever", "did open ever"),
        ("did open where a is set and b is set", "did open where (a is set and b is set)"),
        ("did any of (open)", "did open"),
        (
            "did open where c in any of last 5 campaigns sent",
            "did open where (c in last 5 campaigns sent)",
        ),
        ("favorite(a.b) = 1", "favourite(a.b) = 1"),
        ("d this month", "d in this month"),
        ("d in last 1 days", "d in last 1 day"),
        ("did open at least 1 times", "did open at least 1 time"),
        ("x = 1_000.50", "x = 1000.5"),
        ("x = -0", "x = 0"),
        ("d = 2026-03-31T09:00+02:00", "d = 2026-03-31T07:00:00Z"),
        (
            "d month in (3, APR) and d weekday in (sun)",
            "d month in (march, april) and d weekday in (sunday)",
        ),
        ("((a is set))", "a is set"),
    ],
)
def test_text_has_one_canonical_form(text: str, canonical: str) -> None:
    assert format_rule(parse(text)) == canonical


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"a\"b"', 'a"b'),
        (r'"a\\"', "a\\"),
        (r'"a\n"', "a\\n"),
        (r'"\*\\\*"', "\\*\\\\*"),
        ('"line\nfeed"', "line\nfeed"),
        ('"\\\n"', "\\\n"),
        ('"# no comment"', "# no comment"),
    ],
)
def test_strings_unescape_only_quotes_and_backslashes(literal: str, text: str) -> None:
    rule = parse(f"x = {literal}")
    assert rule == Attribute("x", Compare(tree.Operator.EQUAL, Text(text)))
    assert parse(format_rule(rule)) == rule


def test_numbers_are_exact() -> None:
    rule = parse("x = -123456789012345678901234567890.000000000000000000000000001")
    assert isinstance(rule, Attribute)
    value = Decimal("-123456789012345678901234567890.000000000000000000000000001")
    assert rule.test == Compare(tree.Operator.EQUAL, Number(value))
    assert format_rule(rule) == f"x = {value}"
    large = Attribute("x", Compare(tree.Operator.EQUAL, Number(Decimal("1.5E+30"))))
    assert format_rule(large) == "x = 15" + "0" * 29


@pytest.mark.parametrize(
    "rule",
    [
        Attribute("Country", A.test),
        Attribute('a"b', A.test),
        Attribute("not", A.test),
        Attribute("x", Compare(tree.Operator.EQUAL, tree.Parameter("A b"))),
        Attribute("x", tree.Matches("a\\")),
        Attribute("x", tree.Matches("\\Qa\\/b\\E")),
        Attribute("x", tree.In(tree.ValueList((tree.Date(tree._date(2026, 1, 1)),)))),
        tree.Stars(Compare(tree.Operator.EQUAL, Text("x"))),
        tree.Inactive(tree.Duration(Number(Decimal("1.5")), tree.Unit.DAY)),
        tree.InSegment(Text("vip", exactly=True)),
        tree.LastCampaigns("campaign", tree.Quantifier.ANY, Number(Decimal(3)), "sent"),
        Did(("open",), where=tree.Everyone()),
        Did(("open",), where=Not(Did(("open",)))),
    ],
)
def test_a_tree_without_a_spelling_is_refused(rule: tree.Rule) -> None:
    with pytest.raises(InvalidRule) as caught:
        format_rule(rule)
    assert caught.value.violations[0].reason == "NO_TEXT_FORM"


def test_the_formatter_never_recurses_past_the_depth_limit() -> None:
    rule: tree.Rule = tree.Everyone()
    for _ in range(100_000):
        rule = Not(rule)
    with pytest.raises(InvalidRule.__mro__[1]) as caught:
        format_rule(rule)
    assert caught.value.metadata["limit"] == "rule_depth_max"


@pytest.mark.parametrize(
    ("pattern", "normal", "text"),
    [
        (r"a\/b", "a/b", r"/a\/b/"),
        ("a/b", "a/b", r"/a\/b/"),
        (r"a\\/b", r"a\\/b", r"/a\\\/b/"),
        (r"\\\/", r"\\/", r"/\\\//"),
        (r"\Q/\E\/", r"\Q/\E/", r"/\Q\/\E\//"),
        (r"\Qa\.b\E", r"\Qa\.b\E", r"/\Qa\.b\E/"),
    ],
)
def test_a_slash_of_a_pattern_has_one_form(pattern: str, normal: str, text: str) -> None:
    rule = Attribute("x", tree.Matches(pattern))
    assert rule == Attribute("x", tree.Matches(normal))
    assert format_rule(rule) == f"x matches {text}"
    assert parse(format_rule(rule)) == rule


def test_a_literal_backslash_before_a_slash_keeps_its_meaning() -> None:
    assert tree.Matches(r"\Q\/\E").pattern == r"\Q\/\E"


@pytest.mark.parametrize(
    "text",
    [
        "did open ever",
        "did open where (a is set) ever",
        "did open then click ever",
        "last open ever",
        "sum(a.b) > 3 ever",
        "favourite(a.b) = 1 ever",
        "rate(a / b) > 1 ever",
        "stars > 3 ever",
    ],
)
def test_ever_is_kept_as_written(text: str) -> None:
    rule = parse(text)
    assert getattr(rule, "window") == tree.Ever()  # noqa: B009
    assert format_rule(rule) == text
    bare = parse(text.removesuffix(" ever"))
    assert bare != rule
    assert getattr(bare, "window") is None  # noqa: B009
