"""Texts that nest deeply are read as any other, only sooner."""

import pytest
from headcount_server.core.rules import nesting
from headcount_server.core.rules.parser import parse
from headcount_server.errors import HeadcountError, InvalidRule, LimitExceeded
from headcount_server.limits import DEFAULT_LIMITS, Limits
from hypothesis import example, given
from hypothesis import strategies as st

LONG = 1 << 20
PIECES = st.sampled_from([
    "(", "((", "(((((", ")", "))", ")))))", " ", "not ", "NOT ", "everyone", ' country = "(((" ',
    " matches /((((()/", " # (((((\n", "all of (", " and ", " or ", ", ", "x in (", '"a"',
    " did not open where (a > 1) ", 'tags has any of ("a")', "any of", "1", "matches #(((\n/((((/",
])  # fmt: skip


def read(text, limits=DEFAULT_LIMITS):
    """The rule with its spans, or the error."""
    try:
        return repr(parse(text, limits))
    except HeadcountError as error:
        return type(error), error.message, error.metadata, error.violations


@given(text=st.lists(PIECES, max_size=25).map("".join))
@example('((((((country = "DE") and ((((everyone)))))))))')
@example('country in (((("DE"))))')
@example("all of ((((everyone)), nobody))")
@example("((((((")
@example("((()))")
@example("((((not))))")
@example("((((everyone and))))")
@example("(((((everyone))")
@example("x matches #c\n /((((((/ and ((((everyone))))")
def test_a_text_is_read_the_same_with_its_idle_parentheses_left_out(text):
    plain = read(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nesting, "FEW", -1)
        assert read(text) == plain
        assert len(nesting.thinned(text, DEFAULT_LIMITS)) == len(text)


@given(text=st.lists(PIECES, max_size=25).map("".join))
def test_what_is_refused_for_its_depth_is_no_rule_within_the_limit(text):
    limits = Limits(rule_depth_max=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nesting, "FEW", -1)
        try:
            nesting.thinned(text, limits)
        except LimitExceeded:
            patch.setattr(nesting, "FEW", len(text))
            assert not isinstance(read(text, limits), str)


def test_idle_parentheses_are_left_out(monkeypatch):
    monkeypatch.setattr(nesting, "FEW", 0)
    assert nesting.thinned("((((everyone)))) or (nobody)", DEFAULT_LIMITS) == (
        "(( (everyone) )) or (nobody)"
    )
    assert nesting.thinned("((((everyone", DEFAULT_LIMITS) == "((  everyone"


def test_parentheses_that_are_not_directly_inside_each_other_stay(monkeypatch):
    monkeypatch.setattr(nesting, "FEW", 0)
    text = "(((everyone) or nobody) and everyone)"
    assert nesting.thinned(text, DEFAULT_LIMITS) == text


def test_a_mebibyte_of_parentheses_ends_where_the_text_does():
    with pytest.raises(InvalidRule, match=f"column {LONG + 1}: found the end of the text"):
        parse("(" * LONG)


def test_parentheses_count_nothing_however_many_they_are():
    half = LONG // 2 - 8
    assert parse("(" * half + "everyone" + ")" * half) == parse("everyone")


@pytest.mark.parametrize(
    ("piece", "column"), [("not ", 257), ("all of (", 520), ("not (", 321), ("NOT ", 257)]
)
def test_a_mebibyte_of_negations_or_groups_is_too_deep_at_its_place(piece, column):
    with pytest.raises(LimitExceeded, match="deeper than the limit of 64 nodes") as caught:
        parse(piece * (LONG // len(piece)))
    (violation,) = caught.value.violations
    assert (violation.line, violation.column) == (1, column)
    assert caught.value.metadata["limit"] == "rule_depth_max"
