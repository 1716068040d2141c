"""Searching many values at a time finds what looking at each of them finds."""

from __future__ import annotations

import numpy as np
import pytest
from headcount_server.core.attributes import scan
from headcount_server.core.patterns import DomainPasses, Like, Matches, PatternError
from headcount_server.core.texts import ContainsOneOf, EndsWith, OneOf, StartsWith, TextTest, fold
from hypothesis import given, settings
from hypothesis import strategies as st

PIECES = ("a", "b", "B", "@", ".", "ß", "SS", "\n", "é", "K", "K", "x", "-", "1", " ")
VALUES = st.lists(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), min_size=1, max_size=40
)
REGEXES = (
    "a", "^a", "a$", "^$", "", "b|^x", "[^a]", "[^@]+@", "\\Aa", "a\\z", "(?m)^a$", "(?s).a", ".a",
    "\\bx", "\\Bx", "\\b", "\\B", "(?i)A", "(?-i)B", "k", "[a-z]$", "\\n", "\\s", "a*", "(a|b)*$",
    "ß", "[[:upper:]]", "\\pL{2}", "x??", "^[^a]*$", "\\Qa.b\\E", "(?P<n>a)b", "(?:a)b", "a.b",
    "\\d",
    "\\C",
)  # fmt: skip
LIKES = (
    "*",
    "?",
    "a*",
    "*a",
    "*a*",
    "a?b",
    "**",
    "",
    "?*?",
    "*ß*",
    "*ss",
    "\\*",
    "*@*.?",
    "é?",
    "*b?*",
)
DOMAINS = ("b", "B.x", "ß", "ss", "", "a@", "x")


def searched(values: list[str], test: TextTest) -> list[str]:
    """The values that a search of one page finds."""
    written = [value.encode() for value in values]
    lengths = np.array([len(value) for value in written], np.int64)
    joined = np.frombuffer(b"".join(written), np.uint8)
    page = scan.make_page(joined, lengths)
    found = scan.search(page, test, lambda places: [written[place] for place in places.tolist()])
    return [values[place] for place in found.tolist()]


def alone(values: list[str], test: TextTest) -> list[str]:
    return [value for value in values if test.matches(value, fold(value))]


@given(VALUES, st.sampled_from(REGEXES), st.booleans())
@settings(max_examples=1_000, deadline=None)
def test_a_regular_expression_finds_the_same_in_many_values(
    values: list[str], pattern: str, exactly: bool
) -> None:
    test = Matches(pattern, exactly)
    assert searched(values, test) == alone(values, test)


@given(VALUES, st.sampled_from(LIKES), st.booleans())
def test_like_finds_the_same_in_many_values(values: list[str], text: str, exactly: bool) -> None:
    test = Like(text if exactly else fold(text), exactly)
    assert searched(values, test) == alone(values, test)


@given(
    VALUES,
    st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=12),
    st.sampled_from(("one", "contains", "starts", "ends", "like", "matches")),
    st.booleans(),
)
def test_a_test_on_domains_finds_the_same_in_many_values(
    values: list[str], domains: list[str], kind: str, exactly: bool
) -> None:
    text = domains[0] if exactly else fold(domains[0])
    folded = [fold(domain) for domain in domains]
    tests: dict[str, TextTest] = {
        "one": OneOf(frozenset(folded), frozenset(domains[:2])),
        "contains": ContainsOneOf(tuple(folded), tuple(domains[:2])),
        "starts": StartsWith(text, exactly),
        "ends": EndsWith(text, exactly),
        "like": Like(f"*{text}?", exactly),
        "matches": Matches("^b", exactly),
    }
    test = DomainPasses(tests[kind])
    assert searched(values, test) == alone(values, test)


@given(
    VALUES,
    st.lists(st.text("abß@.s", min_size=1, max_size=3), min_size=1, max_size=12),
    st.sampled_from(("one", "contains", "starts", "ends")),
    st.booleans(),
)
def test_values_with_letters_that_fold_to_more_are_found(
    values: list[str], parts: list[str], kind: str, exactly: bool
) -> None:
    part = parts[0] if exactly else fold(parts[0])
    folded = [fold(value) for value in (*parts, *values[::3])]
    tests: dict[str, TextTest] = {
        "one": OneOf(frozenset(folded), frozenset((*parts[:2], *values[1::3]))),
        "contains": ContainsOneOf(tuple(folded), tuple(parts[:2])),
        "starts": StartsWith(part, exactly),
        "ends": EndsWith(part, exactly),
    }
    assert searched(values, tests[kind]) == alone(values, tests[kind])


@pytest.mark.parametrize(
    ("values", "is_view"),
    [
        (["a@b.c", "d"], True),
        (["a@b.c", "D"], False),
        (["élan", "müller"], True),  # folded already, if not ASCII
        (["Élan", "müller"], False),
        (["straße"], False),
        (["z{[`"], True),  # the neighbours of A to Z are no letters
        (["Z"], False),
        (["A"], False),
    ],
)
def test_a_page_of_folded_values_takes_no_bytes_of_its_own(
    values: list[str], is_view: bool
) -> None:
    written = [value.encode() for value in values]
    joined = np.frombuffer(b"".join(written), np.uint8)
    page = scan.make_page(joined, np.array([len(value) for value in written], np.int64))
    assert page.is_view == is_view == (page.text is joined)
    assert page.text.tobytes() == "".join(map(fold, values)).encode()
    assert page.nbytes == 4 * (len(values) + 1) + (0 if is_view else len(page.text))


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("a*b?c", "AxxByC", True),
        ("a*b?c", "abc", False),
        ("a\\*b\\?c", "A*b?C", True),
        ("a\\*b\\?c", "axb?c", False),
        ("a\\b", "a\\b", True),
        ("\\\\*", "\\*", True),  # a backslash, then the character itself
        ("*", "a\nb", True),
        ("?", "é", True),
        ("?", "ß", False),  # folds to two characters
        ("", "a", False),
    ],
)
def test_like_is_about_the_whole_folded_value(pattern: str, value: str, fits: bool) -> None:
    assert Like(fold(pattern), False).matches(value, fold(value)) == fits


@given(
    st.lists(st.sampled_from(("a", "ß", "S", "*", "?", "\\*", "\\?", "\\", "\n")), max_size=5),
    st.lists(st.sampled_from(("a", "ß", "S", "*", "?", "\\", "\n")), max_size=5),
    st.booleans(),
)
@settings(max_examples=1_000)
def test_the_simplest_test_of_a_like_is_passed_by_the_same_values(
    pieces: list[str], value: list[str], exactly: bool
) -> None:
    pattern, written = "".join(pieces), "".join(value)
    like = Like(pattern if exactly else fold(pattern), exactly)
    simplest = like.simplest()
    assert simplest.matches(written, fold(written)) == like.matches(written, fold(written))


@pytest.mark.parametrize(
    ("pattern", "simplest"),
    [
        ("a\\*", OneOf(frozenset(["a*"]), frozenset())),
        ("a**", StartsWith("a", False)),
        ("*\\?", EndsWith("?", False)),
        ("*a*", ContainsOneOf(("a",), ())),
        ("**", StartsWith("", False)),
        ("", OneOf(frozenset([""]), frozenset())),
        ("*a*b", Like("*a*b", False)),
        ("a?", Like("a?", False)),
    ],
)
def test_a_like_with_stars_at_its_ends_alone_needs_no_regular_expression(
    pattern: str, simplest: TextTest
) -> None:
    assert Like(pattern, False).simplest() == simplest


def test_a_pattern_is_a_value() -> None:
    assert Matches("a+", False) == Matches("a+", False)
    assert len({Matches("a", False), Matches("a", True), Matches("a", False)}) == 2
    assert len({Like("a", False), DomainPasses(Like("a", False)), Like("a", True)}) == 3


@pytest.mark.parametrize("pattern", ["a(", "[b-a]", "\\1", "(?=a)", "x{1001}", "\\pL{900}", "*"])
def test_a_bad_or_large_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        Matches(pattern, False).compiled()


def test_stars_don_t_multiply() -> None:
    assert not Like("*a" * 40 + "b", False).matches("a" * 4000, "a" * 4000)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^foo", ["foo", "food"]),
        ("d$", ["food"]),
        ("^foo$", ["foo"]),
        (r"$\nfoo", []),  # what lies before a value on its page isn't of it
        (r"^foo\n", []),  # nor what lies after it
        (r"^food\n", []),
    ],
)
def test_an_anchored_expression_sees_one_value_at_a_time(pattern: str, found: list[str]) -> None:
    assert searched(["foo", "bar", "food"], Matches(pattern, False)) == found


@pytest.mark.parametrize("kind", ["contains", "starts", "ends", "one"])
@given(
    values=st.lists(st.text("ab", min_size=1, max_size=30), min_size=1, max_size=20),
    part=st.text("ab", min_size=1, max_size=20) | st.sampled_from(["a" * 13, "ab" * 10, "a" * 40]),
    copies=st.integers(0, 2),
)
def test_parts_of_any_length_are_found_where_they_overlap_too(
    values: list[str], part: str, kind: str, copies: int
) -> None:
    values = [*values, *(["a" + part * copies + "b", part * copies] if copies else [])]
    tests: dict[str, TextTest] = {
        "contains": ContainsOneOf((part,), ()),
        "starts": StartsWith(part, False),
        "ends": EndsWith(part, False),
        "one": OneOf(frozenset([part]), frozenset()),
    }
    assert searched(values, tests[kind]) == alone(values, tests[kind])
