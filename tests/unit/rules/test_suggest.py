"""What the grammar expects at a place of an unfinished text."""

from __future__ import annotations

import pytest
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.suggest import Expectations, Kind, Standing, Subject, expectations
from headcount_server.core.rules.tree import Rule, Span
from headcount_server.errors import InvalidInput, LimitExceeded
from headcount_server.limits import Limits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies.rule_trees import rule_trees
from tests.unit.rules.examples import EXAMPLES

GENEROUS = Limits(rule_depth_max=1_000, rule_nodes_max=100_000)


def at(marked: str) -> Expectations:
    """The expectations at the place of ``|``."""
    position = marked.index("|")
    return expectations(marked[:position] + marked[position + 1 :], position)


ATTRIBUTE = Standing(Kind.ATTRIBUTE)
EVENT = Standing(Kind.EVENT)
MOMENT = Standing(Kind.MOMENT_ATTRIBUTE)
COUNTRY = Standing(Kind.VALUE, "country")


@pytest.mark.parametrize(
    ("marked", "kind"),
    [
        ("|", ATTRIBUTE),
        ("a = 1 and |", ATTRIBUTE),
        ("(a = 1 or not |", ATTRIBUTE),
        ("any of (a = 1, |", ATTRIBUTE),
        ("sum of (10 for |", ATTRIBUTE),
        ("a = and x = 1 and |", ATTRIBUTE),
        ("did |", EVENT),
        ("did not |", EVENT),
        ("did any of (open, |", EVENT),
        ("did open then |", EVENT),
        ("did open then not |", EVENT),
        ("did open then click without |", EVENT),
        ("last |", EVENT),
        ("sum(|", EVENT),
        ("rate(open / |", EVENT),
        ("did open where (c in last 5 campaigns |", EVENT),
        ("did open where (|", Standing(Kind.PROPERTY, events=("open",))),
        ("did open where |", Standing(Kind.PROPERTY, events=("open",))),
        ("did open where (a = 1 and (b = 2 or |", Standing(Kind.PROPERTY, events=("open",))),
        ("last any of (a, b) where (|", Standing(Kind.PROPERTY, events=("a", "b"))),
        ("last open is (|", Standing(Kind.PROPERTY, events=("open",))),
        ("did a then b where (|", Standing(Kind.PROPERTY, events=("b",))),
        ("did a then b without c where (|", Standing(Kind.PROPERTY, events=("c",))),
        ("sum(a.b) > 3 where (|", Standing(Kind.PROPERTY, events=("a",))),
        ("favourite(a.b) = 1 where (|", Standing(Kind.PROPERTY, events=("a",))),
        ("sum(purchase.|", Standing(Kind.MEASURE, events=("purchase",))),
        ("count distinct(purchase.|", Standing(Kind.DIMENSION, events=("purchase",))),
        ("favourite(purchase.|", Standing(Kind.DIMENSION, events=("purchase",))),
        ("did open then click same |", Standing(Kind.DIMENSION, events=("open",))),
        ("did open within 3 days after |", MOMENT),
        ("renewal >= |", MOMENT),
        ("country = |", COUNTRY),
        ('country in ("DE", |', COUNTRY),
        ("country not contains any of (|", COUNTRY),
        ("country = exactly |", COUNTRY),
        ('did open where (c = "|', Standing(Kind.VALUE, "c", ("open",))),
        ('favourite(a.b) = "|', Standing(Kind.VALUE, "b", ("a",))),
        ("in segment |", Standing(Kind.SEGMENT)),
        ('left segment "|', Standing(Kind.SEGMENT)),
        ('sample 10% seed "|', Standing(Kind.STRING)),
        ('email domain = "|', Standing(Kind.STRING)),
        ("id in (|", Standing(Kind.STRING)),
        ("age > |", Standing(Kind.NUMBER)),
        ("d on |", Standing(Kind.DATE)),
        ("d before |", Standing(Kind.TIMESTAMP)),
        ("name matches |", Standing(Kind.PATTERN)),
        ("age > $|", Standing(Kind.PARAMETER)),
    ],
)
def test_a_place_says_what_can_stand_there(marked: str, kind: Standing) -> None:
    assert kind in at(marked).kinds


@pytest.mark.parametrize(
    ("marked", "present", "absent"),
    [
        ("|", "did everyone not all ( last sum", "and or ) = open"),
        ("a = 1 |", "and or", ") did"),
        ("(a = 1 |", "and or )", "did ,"),
        ("any of (a = 1 |", "and or ) ,", "did"),
        ("country |", "= != in is has contains", "and or of"),
        ("x is |", "set missing true false", "not"),
        ("did open |", "at where in then and or ever", "is ="),
        ("d in last 3 |", "days hours weeks months quarters years", "minutes day"),
        ("d in last 1 |", "day hour week month quarter year", "days"),
        ("d this |", "day week month", "days hour minute"),
        ("did open on at least 3 |", "days", "day hours"),
        ("did open then click within 3 |", "minutes hours", "minute"),
        ("d day |", "of", "days"),
        ("d |", "day month weekday", "days"),
        ("d month in (|", "march", "monday"),
        ("d weekday in (|", "monday", "march"),
        ("home within 3 |", "km m mi", "days"),
        ("sum of (10 |", "for", "and"),
        ("d = 2026-02-30 |", "and or", "is"),
    ],
)
def test_a_place_says_which_keywords_can_stand_there(
    marked: str, present: str, absent: str
) -> None:
    keywords = at(marked).keywords
    assert set(present.split()) <= set(keywords)
    assert not set(absent.split()) & set(keywords)
    assert list(keywords) == sorted(set(keywords))


@pytest.mark.parametrize(
    ("marked", "prefix", "span", "in_string"),
    [
        ("co|", "co", (0, 2), False),
        ("co|untry = 1", "co", (0, 7), False),
        ("|country", "", (0, 0), False),
        ("a = 1 an|", "an", (6, 8), False),
        ('country = "D|', "D", (10, 12), True),
        ('country = "D|E"', "D", (10, 14), True),
        ('country = "|"', "", (10, 12), True),
        ('country = "D| and x = "y"', "D", (10, 12), True),
        (r'country = "a\"b|', 'a"b', (10, 15), True),
        ('country = "two w|', "two w", (10, 16), True),
        ('country = "DE"|', "", (14, 14), False),
        ("country = D|", "D", (10, 11), False),
        ("a = $co|", "$co", (4, 7), False),
        ("a = 2026-03|", "2026-03", (4, 11), False),
        ("a = 1 # co|", "", (10, 10), False),
    ],
)
def test_what_was_typed_is_told_and_replaced(
    marked: str, prefix: str, span: tuple[int, int], in_string: bool
) -> None:
    found = at(marked)
    assert (found.prefix, found.span, found.in_string) == (prefix, Span(*span), in_string)


@pytest.mark.parametrize("marked", ["a = 1 # co|", "x matches /a|", 'did "|', "x matches /a| b/"])
def test_nothing_is_expected_in_a_comment_pattern_or_misplaced_string(marked: str) -> None:
    found = at(marked)
    assert (found.keywords, found.kinds) == ((), ())


def test_the_subject_of_a_test_is_told() -> None:
    assert at("country |").subject == Subject("country")
    assert at("did open where (link |").subject == Subject("link", ("open",))
    assert at("favourite(a.b) |").subject == Subject("b", ("a",))
    assert at("a = 1 and |").subject is None


def test_a_position_outside_the_text_is_refused() -> None:
    for position in (-1, 4):
        with pytest.raises(InvalidInput) as caught:
            expectations("abc", position)
        assert caught.value.violations[0].field == "position"
    with pytest.raises(LimitExceeded):
        expectations("abc", 1, Limits(rule_text_bytes_max=2))


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_word_of_a_rule_is_expected_where_it_stands(text: str) -> None:
    parse(text)
    for position in range(len(text)):
        is_start = position == 0 or text[position - 1] in " (,."
        word = text[position:].split(" ")[0].split("(")[0].split(",")[0].split(")")[0]
        if is_start and word.isalpha() and text[:position].count('"') % 2 == 0:
            if "#" in text[:position] or "/" in text[:position]:
                continue
            found = expectations(text, position)
            stem = word.lower().removesuffix("s")
            keywords = {keyword.removesuffix("s") for keyword in found.keywords}
            names = [kind for kind in found.kinds if kind.kind.value <= Kind.MEASURE.value]
            assert stem in keywords or names or stem in ("sun", "mon", "favorite"), (word, position)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_trees(max_leaves=3), st.data())
def test_every_place_of_a_rule_has_expectations(rule: Rule, data: st.DataObject) -> None:
    text = format_rule(rule, GENEROUS)
    for _ in range(3):
        position = data.draw(st.integers(0, len(text)))
        found = expectations(text, position, GENEROUS)
        assert found.span.start <= position <= found.span.end
