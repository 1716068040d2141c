"""What the errors of a rule's text say, and where."""

from __future__ import annotations

import pytest
from headcount_server.core.rules.messages import EXPECTED_MAX
from headcount_server.core.rules.names import nearest
from headcount_server.core.rules.parser import parse
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from hypothesis import given
from hypothesis import strategies as st


def violation(text: str) -> Violation:
    with pytest.raises(InvalidRule) as caught:
        parse(text)
    (found,) = caught.value.violations
    assert found.field == "rule_text"
    assert found.description == caught.value.message
    assert found.description.startswith(f"line {found.line}, column {found.column}: ")
    return found


@pytest.mark.parametrize(
    ("text", "place", "found", "expected", "suggestion"),
    [
        ('country = "DE" foo', (1, 16), "foo", ("and", "or", "the end of the text"), ""),
        ('country = "DE" adn x = 1', (1, 16), "adn", ("and", "or", "the end of the text"), "and"),
        ("(a = 1", (1, 7), "the end of the text", (")", "and", "or"), ""),
        ("a = 1)", (1, 6), ")", ("and", "or", "the end of the text"), ""),
        ("d in last 30 dyas", (1, 14), "dyas", ("a unit of time such as days",), "days"),
        ("d in last 30", (1, 13), "the end of the text", ("a unit of time such as days",), ""),
        ("a = 1 and\n\n  in segmnt", (3, 6), "segmnt", ("segment",), "segment"),
        ("sample 10 seed $s", (1, 11), "seed", ("%",), ""),
        ("did Open", (1, 5), "Open", ("a name", "not", "any"), "open"),
        ("x between 3", (1, 12), "the end of the text", ("and",), ""),
        ('😀 = "DE"', (1, 1), "😀", None, ""),
        ('x = "😀" 3', (1, 9), "3", ("and", "or", "the end of the text"), ""),
        ("inactive for many days", (1, 14), "many", ("a number", "a parameter such as $name"), ""),
        (
            "x in (2026-03-31)",
            (1, 7),
            "2026-03-31",
            ("a string in double quotes", "a number", "exactly", "a parameter such as $name"),
            "",
        ),
        ("x in segment $Vip", (1, 6), "segment", None, ""),
        ("in segment $Vip", (1, 12), "$Vip", None, "$vip"),
        ("in segment vip", (1, 12), "vip", None, '"vip"'),
        ("country = DE", (1, 11), "DE", None, '"DE"'),
        ("and x = 1", (1, 1), "and", None, ""),
        ("country holds 3", (1, 9), "holds", None, ""),
        ("sum(amount) > 3", (1, 11), ")", (".",), ""),
        ("Country = 1", (1, 1), "Country", None, "country"),
        ("x = 1 or or y = 1", (1, 10), "or", None, ""),
        ("x = \u200b1", (1, 5), "U+200B", None, ""),
    ],
)
def test_an_error_says_where_what_and_what_instead(
    text: str,
    place: tuple[int, int],
    found: str,
    expected: tuple[str, ...] | None,
    suggestion: str,
) -> None:
    fault = violation(text)
    assert (fault.line, fault.column) == place
    assert fault.found == found
    assert fault.suggestion == suggestion
    assert fault.reason == "SYNTAX"
    if found not in ("the end of the text", "U+200B"):
        assert text[fault.start : fault.end] == found
    if expected is not None:
        assert fault.expected == expected
    assert all(word in fault.description for word in fault.expected)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("dit open in last 3 days", "did"),
        ("evryone", "everyone"),
        ("inactiv for 3 days", "inactive"),
    ],
)
def test_a_misspelt_first_word_is_suggested_where_it_shows(text: str, suggestion: str) -> None:
    fault = violation(text)
    assert fault.suggestion == suggestion
    assert f'is the word before meant to be "{suggestion}"?' in fault.description


@pytest.mark.parametrize(
    ("text", "start", "end", "suggestion"),
    [
        ("x == 1", 2, 4, "="),
        ("x <> 1", 2, 4, "!="),
        ("x => 1", 2, 4, ">="),
        ("x ≠ 1", 2, 3, "!="),
        ("x = 1 && y = 1", 6, 8, "and"),
        ("x = 1 || y = 1", 6, 8, "or"),
        ("x = 1 & y = 1", 6, 7, "and"),
        ("!x = 1", 0, 1, "not"),
        ("x = 'a'", 4, 7, '"a"'),
        ("x = “a b”", 4, 9, '"a b"'),
        ("x in ('a', 'b')", 6, 9, '"a"'),
    ],
)
def test_slips_of_other_languages_get_their_remedy(
    text: str, start: int, end: int, suggestion: str
) -> None:
    fault = violation(text)
    assert (fault.start, fault.end) == (start, end)
    assert fault.suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "place", "suggestion"),
    [
        ('x is "DE"', 6, "="),
        ("x is 3", 6, "="),
        ("x is null", 6, "missing"),
        ("x is empty", 6, "missing"),
        ("x is Yes", 6, "true"),
        ("x is no", 6, "false"),
        ("x is present", 6, "set"),
        ('x not = "DE"', 7, "!="),
        ('x equals "DE"', 3, "="),
        ('x includes "DE"', 3, "contains"),
        ('x startswith "DE"', 3, "starts with"),
        ('x in ["DE"]', 6, "("),
        ('x in ("DE"]', 11, ")"),
        ("x today", 3, "this day"),
        ("did x 3 times", 7, "exactly 3"),
        ("did x >= 3 times", 7, "at least"),
        ("did x < 3 times", 7, "fewer than"),
        ("x within 5 miles of (1, 2)", 12, "mi"),
        ("x within 5 kilometres of (1, 2)", 12, "km"),
    ],
)
def test_slips_of_speech_get_their_remedy(text: str, place: int, suggestion: str) -> None:
    fault = violation(text)
    assert (fault.column, fault.suggestion) == (place, suggestion)
    assert f'"{suggestion}"' in fault.description


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x > 1,000", "a number is written as 1000, 1_000 or 0.5"),
        ("x > 1.000.000", "a number is written as"),
        ("x > 1e6", "a number is written as"),
        ("x > 31.03.2026", "a date is written as 2026-03-31"),
        ("did x last 30 days", 'write "in last 30 …"'),
        ("x changed last 7 days", 'write "in last 7 …"'),
        ("didn't open", 'write "did not"'),
        ("didn’t open", 'write "did not"'),
        ("sum(amount) > 3", "the event stands before the property: sum(event.amount)"),
        ("count distinct ( product ) > 3", "count distinct(event.product)"),
        ("count(open) > 3", "events are counted as in: did open at least 3 times"),
    ],
)
def test_slips_that_no_other_word_mends_are_told_how_to_write(text: str, words: str) -> None:
    fault = violation(text)
    assert words in fault.description
    assert fault.suggestion == ""


@pytest.mark.parametrize(
    ("text", "reason", "place", "words"),
    [
        ("", "EMPTY", 1, "empty"),
        (" # only a comment", "EMPTY", 1, "empty"),
        ("d = 2026-02-30", "INVALID_DATE", 5, "2026-02-30 doesn't exist"),
        ("d on 0000-01-01", "INVALID_DATE", 6, "0000-01-01 doesn't exist"),
        ("d on 2026-3-1", "INVALID_DATE", 6, '"2026-03-01"'),
        ("d after 2026-03-31T25:00Z", "INVALID_TIMESTAMP", 9, "doesn't exist"),
        ("d after 2026-03-31T23:00:60Z", "INVALID_TIMESTAMP", 9, "doesn't exist"),
        ("d after 2026-03-31T23:00+01:60", "INVALID_TIMESTAMP", 9, "doesn't exist"),
        ("d after 2026-03-31T23:00+24:00", "INVALID_TIMESTAMP", 9, "doesn't exist"),
        ("d after 0001-01-01T00:00+01:00", "INVALID_TIMESTAMP", 9, "outside the years"),
        ("d after 2026-03-31T09:00:00", "INVALID_TIMESTAMP", 9, "offset"),
        ("at least 1.5 of (x = 1)", "INVALID_NUMBER", 10, "whole number"),
        ("did x at least -3 times", "INVALID_NUMBER", 16, "whole number"),
        ("did x between 1.5 and 3 times", "INVALID_NUMBER", 15, "whole number"),
        ("did x between 2026-01-01 and 3 times", "INVALID_NUMBER", 15, "whole number"),
        ("d between 1.5 and 3 days ago", "INVALID_NUMBER", 11, "whole number"),
        ("d month in (1, marhc)", "INVALID_MONTH", 16, '"march"'),
        ("d weekday in (mondey)", "INVALID_WEEKDAY", 15, '"monday"'),
        ("d day of month in (monday)", "INVALID_NUMBER", 20, "numbers"),
        ('x = "abc', "UNTERMINATED_STRING", 5, "no closing double quote"),
        (r'x = "abc\"', "UNTERMINATED_STRING", 5, "no closing double quote"),
        ("x matches /abc", "UNTERMINATED_PATTERN", 11, "no closing slash"),
        ("did x then not y then z", "INVALID_SEQUENCE", 12, "last step"),
        ("did x then not y without z", "INVALID_SEQUENCE", 18, "then not"),
        (
            "did x where a = 1 and known for at least 3 days",
            "UNCLOSED_WHERE",
            23,
            "close the where",
        ),
        ("did x where a = 1 and not b = 2", "UNCLOSED_WHERE", 23, "close the where"),
        ("did x where a = 1 and", "UNCLOSED_WHERE", 22, "close the where"),
        ("x is not set", "SYNTAX", 6, "not age is set"),
        ("x = \ud800", "INVALID_TEXT", 5, "surrogate"),
    ],
)
def test_a_fault_has_its_own_reason_and_place(
    text: str, reason: str, place: int, words: str
) -> None:
    fault = violation(text)
    assert fault.reason == reason
    assert fault.column == place
    assert words in fault.description


@pytest.mark.parametrize(
    "text",
    [
        "did x within 3 days then y",
        "did x at least 3 times then y",
        "x in last 3",
        "d in last 3 days ago",
        "last x is set",
        "x last 30 days",
        "sum of (1 for x = 1)",
        "bucket 1 of 2",
        "all of ()",
        "x in ()",
        "did x where ()",
        "did any of ()",
        "id = 3",
        "first = 3",
        "x = id",
        "x = 1_",
        "x = .5",
        "x = 1.",
        "X = 1",
        "did x where y = 1 or in segment $s)",
        "x y",
        "x = 1 in last 3 days",
        "campaign in last 5 campaigns sent",
    ],
)
def test_what_the_grammar_does_not_have_is_refused(text: str) -> None:
    assert violation(text).reason == "SYNTAX"


def test_no_more_is_listed_than_helps() -> None:
    assert len(violation("x").expected) == EXPECTED_MAX
    assert len(set(violation("x").expected)) == EXPECTED_MAX
    assert violation("x").description.endswith("…")
    few = violation("a = ")
    assert len(few.expected) < EXPECTED_MAX
    assert "one of: " in few.description
    assert not few.description.endswith("…")


@given(st.text(max_size=30) | st.text("abx =1\"'()#\\/.-<>$\n and or not in did", max_size=30))
def test_any_text_is_a_rule_or_an_error_with_a_place(text: str) -> None:
    try:
        parse(text)
    except InvalidRule as error:
        (fault,) = error.violations
        assert 0 <= fault.start <= fault.end <= len(text)
        assert fault.line >= 1
        assert fault.column >= 1
    except LimitExceeded as error:
        raise AssertionError from error


@pytest.mark.parametrize(
    ("word", "nearest_one"),
    [
        ("contry", "country"),
        ("COUNTRY", "country"),
        ("cuontry", "country"),
        ("ciyt", "city"),
        ("xyz", ""),
        ("a", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_near(word: str, nearest_one: str) -> None:
    assert nearest(word, ["city", "country", "county_of_birth"]) == nearest_one


@pytest.mark.parametrize(
    ("word", "known", "is_near"),
    [
        ("ag", "age", True),
        ("a", "ag", False),
        ("abcd", "abcx", True),
        ("abcd", "abxy", False),
        ("abcde", "abcxy", True),
        ("abcde", "abcdefg", True),
        ("abcdefgh", "abcdexyz", False),
        ("abcdefghi", "abcdefxyz", True),
        ("abcdefghi", "abcdewxyz", False),
    ],
)
def test_a_longer_word_may_have_more_slips(word: str, known: str, is_near: bool) -> None:
    assert nearest(word, [known]) == (known if is_near else "")


@pytest.mark.parametrize(("length", "shown"), [(40, "b" * 40), (41, "b" * 39 + "…")])
def test_what_stood_there_is_shown_as_far_as_it_helps(length: int, shown: str) -> None:
    assert violation("a " + "b" * length).found == shown
