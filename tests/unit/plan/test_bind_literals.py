"""Parameters given as texts stand where numbers and dates do, and where strings do."""

from __future__ import annotations

import pytest
from headcount_server.core.plan.bind import Binder
from headcount_server.core.rules.literals import parse_literal
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Rule, Value, ValueList
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.errors import InvalidRule

SCHEMA = Schema(
    KeyType.STRING,
    attributes=(
        AttributeSchema("country", AttributeType.KEYWORD),
        AttributeSchema("tags", AttributeType.KEYWORDS),
        AttributeSchema("email", AttributeType.TEXT),
        AttributeSchema("age", AttributeType.INTEGER),
        AttributeSchema("signup", AttributeType.DATE),
        AttributeSchema("seen", AttributeType.TIMESTAMP),
    ),
    events=(EventSchema("open", ("campaign",), (("amount", 2),)),),
)
NOW_US = 1_774_947_600_000_000


def bound(text: str, *segments: str, **literals: str) -> object:
    rules: dict[str, Rule] = {name: parse("everyone") for name in segments}
    parameters: dict[str, Value | ValueList] = {
        name: parse_literal(value) for name, value in literals.items()
    }
    return Binder(SCHEMA, rules, parameters, NOW_US).bind(parse(text))


@pytest.mark.parametrize(
    ("text", "literal", "same"),
    [
        ("country = $x", "007", 'country = "007"'),
        ("country = $x", "1_000", 'country = "1_000"'),
        ("country = $x", "2026-03-31", 'country = "2026-03-31"'),
        ("country = $x", "2026-02-30", 'country = "2026-02-30"'),
        ("country = $x", "2026-03-31T09:00+02:00", 'country = "2026-03-31T09:00+02:00"'),
        ("country = $x", '"007"', 'country = "007"'),
        ("country = $x", '("a",', r'country = "(\"a\","'),
        ("country = exactly $x", "007", 'country = exactly "007"'),
        ("country in $x", '(007, "a", 1.50)', 'country in ("007", "a", "1.50")'),
        ("country in ($x, 'b')".replace("'", '"'), "007", 'country in ("007", "b")'),
        ("country not contains $x", "-5", 'country not contains "-5"'),
        ("tags has $x", "2026", 'tags has "2026"'),
        ("tags has all of $x", "(1, 02)", 'tags has all of ("1", "02")'),
        ("email ends with $x", "0.50", 'email ends with "0.50"'),
        ("id in $x", "(007, 7)", 'id in ("007", "7")'),
        ("did open where (campaign = $x)", "0042", 'did open where (campaign = "0042")'),
        ("in segment $x", "2026", 'in segment "2026"'),
    ],
)
def test_a_literal_in_a_text_position_keeps_its_spelling(
    text: str, literal: str, same: str
) -> None:
    assert bound(text, "2026", x=literal) == bound(same, "2026")


@pytest.mark.parametrize(
    ("text", "literal", "same"),
    [
        ("age = $x", "007", "age = 7"),
        ("age in $x", "(1, 002)", "age in (1, 2)"),
        ("signup = $x", "2026-03-31", "signup = 2026-03-31"),
        ("signup in last $x days", "030", "signup in last 30 days"),
        ("seen before $x", "2026-03-31T09:00+02:00", "seen before 2026-03-31T07:00:00Z"),
        ("did open where (amount > $x)", "1.50", "did open where (amount > 1.5)"),
    ],
)
def test_the_same_literal_is_a_number_or_date_elsewhere(text: str, literal: str, same: str) -> None:
    assert bound(text, x=literal) == bound(same)


@pytest.mark.parametrize(
    ("text", "literal", "found"),
    [
        ("signup = $x", "2026-02-30", '"2026-02-30"'),
        ("signup on $x", "2026-02-30", '"2026-02-30"'),
        ("age = $x", '"7"', '"7"'),
        ("age = $x", "seven", '"seven"'),
        ("age = exactly $x", "7", '"7"'),
        ("country = 7", "", "7"),
        ("country in $x", '"a"', "$x"),
        ("country = $x", '("a")', "$x"),
    ],
)
def test_a_literal_of_the_wrong_type_is_refused(text: str, literal: str, found: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        bound(text, x=literal)
    (violation,) = caught.value.violations
    assert violation.reason == "WRONG_TYPE"
    assert violation.found == found
