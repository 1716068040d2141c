"""What tolerant parsing leaves of unfinished and broken texts, and what it says of the rest."""

from __future__ import annotations

import pytest
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.recovery import FAULTS_MAX
from headcount_server.core.rules.tolerant import parse_tolerant
from headcount_server.core.rules.tree import Rule, Span
from headcount_server.errors import InvalidRule, LimitExceeded
from headcount_server.limits import Limits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies.rule_trees import rule_trees
from tests.unit.rules.examples import EXAMPLES

GENEROUS = Limits(rule_depth_max=1_000, rule_nodes_max=100_000)


def left_of(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The text of what is left, and the places of the faults with what was found there."""
    tolerant = parse_tolerant(text)
    places = [(fault.start, fault.found) for fault in tolerant.incomplete]
    return format_rule(tolerant.rule) if tolerant.rule is not None else "", places


END = "the end of the text"


@pytest.mark.parametrize(
    ("text", "left", "faults"),
    [
        ('country = "DE" and age >', 'country = "DE"', [(24, END)]),
        ("country = and age > 3", "age > 3", [(10, "and")]),
        ('(a = "x" or ) and b = "y"', 'a = "x" and b = "y"', [(12, ")")]),
        ("did open at least", "", [(17, END)]),
        ("not", "", [(3, END)]),
        ("", "", [(0, END)]),
        ("# nothing", "", [(0, "# nothing")]),
        ("(a = 1 or (b = 2", "a = 1 or b = 2", [(16, END)]),
        ("(a = 1 or b =", "a = 1", [(13, END)]),
        ('country = "DE and age > 3', "", [(10, '"DE and age > 3')]),
        ('x = 1 or country = "DE and', "x = 1", [(19, '"DE and')]),
        ("a = 1 and", "a = 1", [(9, END)]),
        ("and and x = 1", "x = 1", [(0, "and"), (4, "and")]),
        ("a = 1) and b = 2", "a = 1 and b = 2", [(5, ")")]),
        ("a = 1, b = 2 and c = 3", "a = 1 and c = 3", [(5, ",")]),
        ("a = ) and b = 1", "b = 1", [(4, ")")]),
        ('country in ("DE", and age > 3', "age > 3", [(18, "and")]),
        ('country in ("DE", "AT"', "", [(22, END)]),
        ('x in ("a" "b and (") and y = 1', "y = 1", [(10, '"b and ("')]),
        ("x in (a, b) and y = 1", "y = 1", [(6, "a")]),
        ("a = 1 foo and b = 2", "b = 2", [(6, "foo")]),
        ("(a = 1 or b = 2) foo and c = 3", "c = 3", [(17, "foo")]),
        ("a = 1 b = f(x and y, z) or c = 3", "c = 3", [(6, "b")]),
        ("a = 1 foo # and b = 2\n or c = 3", "c = 3", [(6, "foo")]),
        ("Country = 1 and b = 1", "b = 1", [(0, "Country")]),
        ("d = 2026-02-30 and x = 1", "x = 1", [(4, "2026-02-30")]),
        ("x month in (3, foo) and y = 1", "y = 1", [(15, "foo")]),
        ("age between 3 and", "", [(17, END)]),
        ("age between and x = 1", "x = 1", [(12, "and")]),
        ("age between 3 and and x = 1", "x = 1", [(18, "and")]),
        ("at least 2 of (a = 1, b = , c = 3)", "at least 2 of (a = 1, c = 3)", [(26, ",")]),
        ("none of (a = ) or all of (b = 1, c)", "b = 1", [(13, ")"), (34, ")")]),
        ("sum of (10 for a = 1", "", [(20, END)]),
        (
            "sum of (10 for a = 1, x for b = 2 and c = 3, 5 for d = 4) >= 3",
            "sum of (10 for a = 1, 5 for d = 4) >= 3",
            [(22, "x")],
        ),
        ("sum of (10 for a = 1, 5 for b =) > 1", "sum of (10 for a = 1) > 1", [(31, ")")]),
        ("did open where", "did open", [(14, END)]),
        ("did open where c = or a = 1", "did open or a = 1", [(19, "or")]),
        (
            'did open where (c = and link contains "x") in last 3 days',
            'did open where (link contains "x") in last 3 days',
            [(20, "and")],
        ),
        ("did open where (c = 1", "did open where (c = 1)", [(21, END)]),
        ("did open where c = 1 and did click", "did open where (c = 1)", [(25, "did")]),
        ("last open is (c = ) ever", "last open ever", [(18, ")")]),
        ("did open then click where (c = )", "did open then click", [(31, ")")]),
        ("did open then not click then x or a = 1", "a = 1", [(14, "not")]),
        ("x matches /a and b = 1", "", [(10, "/a and b = 1")]),
        ("x matches /a and (/ y and b = 1", "b = 1", [(20, "y")]),
        ("X matches /a and (/ and b = 1", "b = 1", [(0, "X")]),
        (")))", "", [(0, ")"), (1, ")"), (2, ")")]),
    ],
)
def test_a_broken_condition_is_left_out_and_told(
    text: str, left: str, faults: list[tuple[int, str]]
) -> None:
    assert left_of(text) == (left, faults)


def test_a_fault_says_what_is_expected() -> None:
    (fault,) = parse_tolerant('country = "DE" and age >').incomplete
    assert fault.field == "rule_text"
    assert (fault.line, fault.column) == (1, 25)
    assert "a number" in fault.expected
    (fault,) = parse_tolerant("(a = 1").incomplete
    assert fault.expected == (")", "and", "or")


@pytest.mark.parametrize(
    "text", ["a = 1 and", "a = 1 b", "x in (a)", "d = 2026-02-30 and", "(a = 1", "", "a = 'x'"]
)
def test_the_first_fault_is_the_one_that_strict_parsing_tells(text: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        parse(text)
    assert parse_tolerant(text).incomplete[0] == caught.value.violations[0]


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_complete_rule_has_no_faults(text: str) -> None:
    tolerant = parse_tolerant(text)
    assert tolerant.rule == parse(text)
    assert tolerant.incomplete == ()


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_rule_before_a_broken_condition_is_kept(text: str) -> None:
    if " where " in text and "(" not in text.split(" where ")[1][:1]:
        return  # the `and` after it would belong to the where
    text = text.split(" #")[0]
    tolerant = parse_tolerant(f"({text}) and x =")
    assert tolerant.rule == parse(text)
    assert len(tolerant.incomplete) == 1


def test_spans_are_places_of_the_whole_text() -> None:
    text = 'age > and country = "DE"'
    rule = parse_tolerant(text).rule
    assert rule is not None
    assert rule.span == Span(10, len(text))


def check_left(text: str) -> Rule | None:
    tolerant = parse_tolerant(text, GENEROUS)
    if tolerant.rule is not None:
        assert parse(format_rule(tolerant.rule, GENEROUS), GENEROUS) == tolerant.rule
    assert all(0 <= fault.start <= fault.end <= len(text) for fault in tolerant.incomplete)
    try:
        assert parse(text, GENEROUS) == tolerant.rule
        assert not tolerant.incomplete
    except InvalidRule:
        assert tolerant.incomplete
    return tolerant.rule


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_trees(max_leaves=4), st.data())
def test_any_prefix_of_a_rule_leaves_a_rule(rule: Rule, data: st.DataObject) -> None:
    text = format_rule(rule, GENEROUS)
    for _ in range(3):
        check_left(text[: data.draw(st.integers(0, len(text)))])


_TEXT = (
    "( ) , and or not all any none of at least 2 in last 30 days did open where campaign = <"
    ' "x" $p 2026-01-01 2026-02-30 is set between matches /x/ sum rate for then within has exactly'
    " from now first \" / ' 3.5 ever everyone segment month"
)
_WORDS = _TEXT.split()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
def test_any_words_leave_a_rule(text: str) -> None:
    check_left(text)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_trees(max_leaves=3), st.data())
def test_a_rule_with_a_piece_cut_out_or_put_in_leaves_a_rule(
    rule: Rule, data: st.DataObject
) -> None:
    text = format_rule(rule, GENEROUS)
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(at + 12, len(text))))
    check_left(text[:at] + data.draw(st.sampled_from(["", *_WORDS])) + text[end:])


def test_limits_hold_for_what_is_left() -> None:
    with pytest.raises(LimitExceeded):
        parse_tolerant("not " * 100)
    with pytest.raises(LimitExceeded):
        parse_tolerant("x = 1 and ", Limits(rule_text_bytes_max=5))
    with pytest.raises(InvalidRule) as caught:
        parse_tolerant("x = \udc80")
    assert caught.value.violations[0].reason == "INVALID_TEXT"


@pytest.mark.parametrize("part", ["(", ")", ", ", "x ", '"', "a = and ", "(a = 1, ", "@ and "])
def test_a_long_broken_text_is_read_once(part: str) -> None:
    tolerant = parse_tolerant(part * 5_000, Limits(rule_nodes_max=100_000))
    assert 1 <= len(tolerant.incomplete) <= FAULTS_MAX


@pytest.mark.parametrize(("number", "told"), [(99, 99), (100, 100), (101, 100)])
def test_a_hundred_faults_are_told(number: int, told: int) -> None:
    tolerant = parse_tolerant(" or ".join(["d = 2026-02-30"] * number))
    assert len(tolerant.incomplete) == told == min(number, FAULTS_MAX)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("any of (everyone) and age >", "any of (everyone)"),
        ("all of (everyone) or age >", "all of (everyone)"),
        ("any of (everyone, age >)", "everyone"),
    ],
)
def test_a_group_of_one_stays_one_and_a_group_that_is_left_with_one_is_that_one(
    text: str, kept: str
) -> None:
    assert parse_tolerant(text).rule == parse(kept)
