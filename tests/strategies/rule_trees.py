"""Hypothesis strategies for rule trees over no schema: whatever the text form can spell.

``rule_trees()`` reaches every class of the tree. Names are drawn from few, keywords among them, so
that equal ones meet.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from headcount_server.core.rules import tree as t
from headcount_server.core.schema import RESERVED_NAMES
from hypothesis import strategies as st

_WORDS = (
    "open click country amount x where month day size set value then within ago now of on times"
    " campaigns last_seen in_x not_a key known_since is has true m km hour domain segment seed"
)
_LETTERS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
NAMES = st.sampled_from(_WORDS.split()) | _LETTERS.filter(lambda name: name not in RESERVED_NAMES)
_PATTERN_PARTS = ("a", "/", "\\/", "\\\\", "\\d", ".*", "\n", '"', "[#]", "\\.")


def _numbers() -> st.SearchStrategy[t.Value]:
    digits = st.integers(-(10**20), 10**20)
    return st.builds(
        lambda n, scale: t.Number(Decimal(n).scaleb(-scale)), digits, st.integers(0, 9)
    )


PARAMETERS = st.builds(t.Parameter, NAMES)
NUMBERS = st.one_of(_numbers(), st.integers(-9, 9).map(lambda n: t.Number(Decimal(n))), PARAMETERS)
WHOLE = st.integers(0, 400).map(lambda n: t.Number(Decimal(n))) | PARAMETERS
STRINGS = st.builds(t.Text, st.text(max_size=12) | st.text('"\\\n#a', max_size=6)) | PARAMETERS
VALUES = st.one_of(
    st.builds(t.Text, st.text(max_size=12), st.booleans()),
    _numbers(),
    st.builds(t.Parameter, NAMES, st.booleans()),
)
DATES = st.builds(t.Date, st.dates())
TIMESTAMPS = st.builds(
    t.Timestamp,
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda d: d.replace(tzinfo=UTC)),
)
MOMENTS = st.one_of(DATES, TIMESTAMPS, PARAMETERS)
BOUNDS = st.one_of(MOMENTS, NUMBERS)
LISTS = st.one_of(
    st.builds(t.ValueList, st.lists(VALUES, min_size=1, max_size=4).map(tuple)),
    st.builds(t.ValueList, st.just(()), NAMES),
)
UNITS = st.sampled_from(t.Unit)
DURATIONS = st.builds(t.Duration, WHOLE, UNITS)
WINDOWS = st.one_of(
    st.just(t.Ever()),
    st.builds(t.InLast, DURATIONS),
    st.builds(t.InNext, DURATIONS),
    st.builds(t.MoreThan, DURATIONS, st.sampled_from(t.Direction)),
    st.builds(t.Between, BOUNDS, BOUNDS),
    st.builds(t.BetweenRelative, WHOLE, WHOLE, UNITS, st.sampled_from(t.Direction)),
    st.builds(t.Calendar, st.sampled_from(t.Period), UNITS),
    st.builds(t.On, MOMENTS),
    st.builds(t.Before, MOMENTS),
    st.builds(t.After, MOMENTS),
)
NUMBER_TESTS = st.one_of(
    st.builds(t.Compare, st.sampled_from(t.Operator), NUMBERS),
    st.builds(t.Between, NUMBERS, NUMBERS),
)


def _compare_attributes() -> st.SearchStrategy[t.Test]:
    plain = st.builds(t.CompareAttribute, st.sampled_from(t.Operator), NAMES)
    moved = st.builds(
        t.CompareAttribute, st.sampled_from(t.Operator), NAMES, st.sampled_from(t.Sign), DURATIONS
    )
    return plain | moved


def _has_of() -> st.SearchStrategy[t.Test]:
    quantifiers = st.sampled_from([t.Quantifier.ANY, t.Quantifier.ALL, t.Quantifier.NONE])
    return st.one_of(
        st.builds(t.HasOf, quantifiers, LISTS),
        st.builds(t.HasOf, st.just(t.Quantifier.AT_LEAST), LISTS, WHOLE),
    )


def _parts(highest: int) -> st.SearchStrategy[tuple[t.Value, ...]]:
    number = st.integers(0, highest + 1).map(lambda n: t.Number(Decimal(n)))
    return st.lists(number | PARAMETERS, min_size=1, max_size=4).map(tuple)


def _plain_tests() -> st.SearchStrategy[t.Test]:
    pattern = st.lists(st.sampled_from(_PATTERN_PARTS), max_size=5).map("".join)
    return st.one_of(
        st.builds(t.Is, st.sampled_from(t.State)),
        st.builds(t.Compare, st.sampled_from(t.Operator), VALUES | DATES | TIMESTAMPS),
        _compare_attributes(),
        st.builds(t.In, LISTS, st.booleans()),
        st.builds(t.Contains, VALUES, st.booleans()),
        st.builds(t.ContainsAny, LISTS, st.booleans()),
        st.builds(t.StartsWith, VALUES),
        st.builds(t.EndsWith, VALUES),
        st.builds(t.Like, VALUES),
        st.builds(t.Matches, pattern, st.booleans()),
        st.builds(t.Has, VALUES),
        _has_of(),
        st.builds(t.HasPrefix, VALUES),
        st.builds(t.Size, NUMBER_TESTS),
        st.builds(t.Rank, NUMBERS, st.booleans(), st.booleans()),
        st.builds(t.InWindow, WINDOWS),
        st.builds(t.Anniversary, WINDOWS),
        st.builds(t.Changed, WINDOWS),
        st.builds(t.MonthIn, _parts(12)),
        st.builds(t.DayOfMonthIn, _parts(31)),
        st.builds(t.WeekdayIn, _parts(7)),
        st.builds(t.HourBetween, WHOLE, WHOLE),
        st.builds(t.Near, NUMBERS, st.sampled_from(t.LengthUnit), NUMBERS, NUMBERS),
        st.builds(t.InBox, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    )


TESTS = _plain_tests() | st.builds(t.Domain, _plain_tests() | st.builds(t.Domain, _plain_tests()))
ATTRIBUTES = st.builds(t.Attribute, NAMES, TESTS)


def _last_campaigns() -> st.SearchStrategy[t.Rule]:
    quantifiers = st.sampled_from([t.Quantifier.ANY, t.Quantifier.ALL, t.Quantifier.NONE])
    return st.one_of(
        st.builds(t.LastCampaigns, NAMES, quantifiers, WHOLE, NAMES),
        st.builds(t.LastCampaigns, NAMES, st.just(t.Quantifier.AT_LEAST), WHOLE, NAMES, WHOLE),
    )


def _composed(rules: st.SearchStrategy[t.Rule]) -> st.SearchStrategy[t.Rule]:
    several = st.lists(rules, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(t.And, several),
        st.builds(t.Or, several),
        st.builds(t.Not, rules),
        st.builds(t.NoneOf, several),
        st.builds(t.AtLeast, WHOLE, several),
    )


WHERES = st.recursive(ATTRIBUTES | _last_campaigns(), _composed, max_leaves=4)
_MAYBE_WHERE = st.none() | WHERES
_MAYBE_WINDOW = st.none() | WINDOWS
_EVENTS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@st.composite
def dids(draw: st.DrawFn) -> t.Did:
    """``did`` with every combination of its parts."""
    many = draw(st.none() | st.sampled_from(t.Many))
    often = None
    if many is not None:
        high = draw(WHOLE) if many is t.Many.BETWEEN else None
        often = t.Often(many, draw(WHOLE), high, draw(st.booleans()))
    when: dict[str, Any] = draw(
        st.one_of(
            st.just({}),
            st.fixed_dictionaries({"window": WINDOWS}),
            st.fixed_dictionaries(
                {"relative": st.builds(t.Relative, DURATIONS, st.sampled_from(t.Side), NAMES)}
            ),
            st.fixed_dictionaries({"habit": st.builds(t.Habit, _HABIT_MANY, WHOLE, WHOLE, UNITS)}),
        )
    )
    return t.Did(draw(_EVENTS), often, draw(_MAYBE_WHERE), **when)


_HABIT_MANY = st.sampled_from([t.Many.AT_LEAST, t.Many.AT_MOST, t.Many.EXACTLY])


@st.composite
def sequences(draw: st.DrawFn) -> t.Sequence:
    """Two to eight steps."""
    steps = [t.Step(draw(_EVENTS), where=draw(_MAYBE_WHERE))]
    number = draw(st.integers(1, 3) | st.just(7))
    for i in range(number):
        negated = i == number - 1 and draw(st.booleans())
        without = None if negated else draw(st.none() | st.builds(t.Without, NAMES, _MAYBE_WHERE))
        within = draw(st.none() | DURATIONS)
        steps.append(t.Step((draw(NAMES),), negated, draw(_MAYBE_WHERE), within, without))
    all_within, same = draw(st.none() | DURATIONS), draw(st.just("") | NAMES)
    return t.Sequence(tuple(steps), all_within, same, draw(_MAYBE_WINDOW))


def _conditions() -> st.SearchStrategy[t.Rule]:
    edges = st.sampled_from(t.Edge)
    functions = st.sampled_from(t.Function)
    return st.one_of(
        st.just(t.Everyone()),
        st.just(t.Nobody()),
        st.builds(t.Sample, NUMBERS, STRINGS),
        st.builds(t.Bucket, WHOLE, WHOLE, STRINGS),
        st.builds(t.IdIn, LISTS),
        st.builds(t.InSegment, STRINGS),
        st.builds(t.SegmentMove, st.sampled_from(t.Move), STRINGS, WINDOWS),
        ATTRIBUTES,
        dids(),
        sequences(),
        st.builds(t.Recency, edges, _EVENTS, _MAYBE_WHERE, _MAYBE_WHERE, _MAYBE_WINDOW),
        st.builds(t.Aggregate, functions, NAMES, NAMES, NUMBER_TESTS, _MAYBE_WHERE, _MAYBE_WINDOW),
        st.builds(t.Favourite, NAMES, NAMES, TESTS, _MAYBE_WHERE, _MAYBE_WINDOW),
        st.builds(t.Rate, NAMES, NAMES, NUMBER_TESTS, _MAYBE_WINDOW),
        st.builds(t.Stars, NUMBER_TESTS, _MAYBE_WINDOW),
        st.builds(t.Inactive, DURATIONS),
        st.builds(t.KnownFor, DURATIONS),
    )


def rule_trees(max_leaves: int = 6) -> st.SearchStrategy[t.Rule]:
    """Any rule that the text form can spell, of about that many conditions at most."""

    def extend(rules: st.SearchStrategy[t.Rule]) -> st.SearchStrategy[t.Rule]:
        terms = st.lists(st.builds(t.Weight, NUMBERS, rules), min_size=1, max_size=3).map(tuple)
        return _composed(rules) | st.builds(t.WeightedSum, terms, NUMBER_TESTS)

    return st.recursive(_conditions(), extend, max_leaves=max_leaves)
