"""Texts that a command line binds to parameters."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from headcount_server.core.rules.literals import parse_literal
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import (
    Attribute,
    Compare,
    Date,
    Number,
    Text,
    Timestamp,
    Value,
    ValueList,
)
from headcount_server.errors import InvalidRule, LimitExceeded
from headcount_server.limits import NUMBER_DIGITS_MAX, Limits
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", Number(Decimal(7))),
        ("007", Number(Decimal(7))),
        ("-12", Number(Decimal(-12))),
        (" 0.50 ", Number(Decimal("0.5"))),
        ("1_000_000", Number(Decimal(1_000_000))),
        ("2026-03-31", Date(date(2026, 3, 31))),
        ("2026-03-31T09:00+02:00", Timestamp(datetime(2026, 3, 31, 7, tzinfo=UTC))),
        ("2026-03-31T09:00:00.5Z", Timestamp(datetime(2026, 3, 31, 9, 0, 0, 500_000, UTC))),
    ],
)
def test_a_literal_keeps_its_spelling(text: str, value: Value) -> None:
    found = parse_literal(text)
    assert found == value
    assert isinstance(found, Number | Date | Timestamp)
    assert found.spelling == text
    assert found.span is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "DE",
        "two words",
        "2026-02-30",
        "2026-13-01T00:00Z",
        "2026-03-31T09:00",
        "+5",
        "1e5",
        "5 # five",
        "1__0",
        ".5",
        "--5",
        "$x",
        "true",
        '"',
        '("a",',
        '("a",)',
        '("a" "b")',
        '(("a"))',
        "()",
        "(a, b)",
        "($x, 1)",
        "(2026-02-30)",
        "(1, 2) x",
        "(1), (2)",
        "1, 2",
        "9" * 1_001,
        "/x/",
        "exactly",
    ],
)
def test_anything_else_is_a_string(text: str) -> None:
    assert parse_literal(text) == Text(text)


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ('"DE"', "DE"),
        ('"007"', "007"),
        ('"("', "("),
        ('"(1, 2)"', "(1, 2)"),
        ('""', ""),
        (r'"a\"b\\"', 'a"b\\'),
        (' " x " ', " x "),
        ('"C:\\"', "C:\\"),
        ('"a", "b"', 'a", "b'),
    ],
)
def test_a_value_in_double_quotes_is_the_text_between_them(text: str, between: str) -> None:
    assert parse_literal(text) == Text(between)


def test_a_list_keeps_the_spelling_of_each_value() -> None:
    found = parse_literal('( 007,"a, b" ,2026-03-31, EXACTLY "x",-1.50)')
    values = (
        Number(Decimal(7)),
        Text("a, b"),
        Date(date(2026, 3, 31)),
        Text("x", exactly=True),
        Number(Decimal("-1.5")),
    )
    assert found == ValueList(values)
    assert isinstance(found, ValueList)
    assert [getattr(value, "spelling", None) for value in found.values] == [
        "007",
        None,
        "2026-03-31",
        None,
        "-1.50",
    ]


def test_one_value_is_no_list() -> None:
    assert parse_literal('"a"') == Text("a")
    assert parse_literal('("a")') == ValueList((Text("a"),))


def test_a_text_past_a_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse_literal("(1, 2, 3)", Limits(list_values_max=2))
    assert caught.value.metadata["limit"] == "list_values_max"
    with pytest.raises(LimitExceeded) as caught:
        parse_literal("ää", Limits(rule_text_bytes_max=3))
    assert caught.value.metadata["limit"] == "rule_text_bytes_max"
    with pytest.raises(InvalidRule) as invalid:
        parse_literal("a\udc80")
    assert invalid.value.violations[0].reason == "INVALID_TEXT"


@given(st.text('()",$0127-: Z.T_exactly#\\\n', max_size=12) | st.text(max_size=12))
def test_a_literal_reads_as_it_does_in_a_rule(text: str) -> None:
    found = parse_literal(text)
    try:
        rule = parse(f"x = {text}")
    except InvalidRule:
        return
    if isinstance(found, Text) and found.text == text:
        return
    assert isinstance(rule, Attribute)
    assert isinstance(rule.test, Compare)
    assert rule.test.value == found


def test_a_text_at_a_limit_is_read() -> None:
    assert len(parse_literal("(1, 2)", Limits(list_values_max=2)).values) == 2
    assert parse_literal("ä", Limits(rule_text_bytes_max=2)) == Text("ä")
    assert isinstance(parse_literal("9" * NUMBER_DIGITS_MAX), Number)
    assert isinstance(parse_literal("9" * (NUMBER_DIGITS_MAX + 1)), Text)


@pytest.mark.parametrize("text", ["2026-03-31T09:00+05:59", "2026-03-31T09:59:59-23:59"])
def test_an_offset_has_up_to_59_minutes(text: str) -> None:
    assert isinstance(parse_literal(text), Timestamp)
