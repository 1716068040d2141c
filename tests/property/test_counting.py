"""Counts that build nothing against plain evaluation, at densities where the order matters."""

from unittest.mock import patch

import numpy as np
from headcount_server.core import bitmaps
from headcount_server.core.audience import Audience
from headcount_server.core.commands import AttributeValues, UpsertSubscribers
from headcount_server.core.plan import words
from headcount_server.core.plan.evaluate import Evaluation, plain
from headcount_server.core.plan.intersect import Operand, in_order
from headcount_server.core.plan.nodes import And, AtLeast, Not, NumberIn, NumberRange, Or, TextMatch
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType, Schema
from headcount_server.core.steps import finish
from headcount_server.core.texts import OneOf
from headcount_server.core.values import ValueColumn
from headcount_server.limits import DEFAULT_LIMITS
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

COUNT = 140_000  # more than two blocks
LETTERS = "abcdefgh"


def _audience():
    """Letters of falling frequency; numbers with values of many rows, of one row, and none."""
    random = np.random.default_rng(7)
    attributes = (
        AttributeSchema("letter", AttributeType.KEYWORD),
        AttributeSchema("number", AttributeType.INTEGER),
        AttributeSchema("small", AttributeType.INTEGER),
    )
    schema = Schema(KeyType.UINT32, attributes=attributes)
    audience = Audience("a", schema, 0, DEFAULT_LIMITS)
    rows = np.arange(COUNT, dtype=np.int64) * 3 // 2  # not every row exists
    letters = [LETTERS[i] for i in np.minimum(random.geometric(0.45, COUNT), 8) - 1]
    numbers = random.integers(-(10**6), 10**6, COUNT)
    numbers[:3] = -(2**63), 2**63 - 1, 0
    some = random.random(COUNT) < 0.9
    columns = [
        (AttributeType.KEYWORD, letters, np.ones(COUNT, bool)),
        (AttributeType.INTEGER, numbers, some),
        (AttributeType.INTEGER, random.integers(-3, 20, COUNT), np.ones(COUNT, bool)),
    ]
    values = tuple(
        AttributeValues(attribute.name, ValueColumn(*column))
        for attribute, column in zip(attributes, columns, strict=True)
    )
    finish(audience.upserting(UpsertSubscribers("a", rows, values, 0)))()
    return audience


AUDIENCE = _audience()
ENDS = st.one_of(
    st.none(),
    st.integers(-(10**6), 10**6),
    st.sampled_from([-(2**63), 2**63 - 1, 2**64, -1, 0, 1]),
)
LEAVES = st.one_of(
    st.sets(st.sampled_from(LETTERS), min_size=1).map(
        lambda letters: TextMatch("letter", OneOf(frozenset(letters), frozenset()))
    ),
    st.builds(NumberRange, st.just("number"), ENDS, ENDS),
    st.builds(NumberRange, st.just("small"), st.integers(-4, 21), st.integers(-4, 21)),
    st.builds(NumberIn, st.just("small"), st.just((-3, 0, 7, 19))),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=5).map(lambda nodes: And(tuple(nodes))),
        st.lists(inner, min_size=2, max_size=4).map(lambda nodes: Or(tuple(nodes))),
        st.builds(lambda nodes: AtLeast(2, tuple(nodes)), st.lists(inner, min_size=3, max_size=4)),
        inner.map(Not),
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(NODES, NODES, st.integers(1, 3))
def test_counts_are_those_of_plain_evaluation(node, reachable, times):
    expected, reached = plain(AUDIENCE, node), plain(AUDIENCE, reachable)
    for _ in range(times):  # from the second time on with rows that are kept
        found = Evaluation(AUDIENCE).count_reachable(optimise(node), optimise(reachable))
        assert found == (len(expected), len(expected & reached))
        assert Evaluation(AUDIENCE).count(node) == len(expected)
        assert Evaluation(AUDIENCE).rows(node) == expected
    AUDIENCE.lookups.clear()


@settings(max_examples=60, deadline=None)
@given(NODES, st.data())
def test_what_is_kept_is_unmade_by_writes(node, data):
    for _ in range(4):
        assert Evaluation(AUDIENCE).rows(node) == plain(AUDIENCE, node)
        assert Evaluation(AUDIENCE).count(node) == len(plain(AUDIENCE, node))
        keys = np.array(data.draw(st.lists(st.integers(0, 300_000), max_size=5, unique=True)))
        letters = [data.draw(st.sampled_from(LETTERS)) for _ in keys]
        column = ValueColumn(AttributeType.KEYWORD, letters, np.ones(len(keys), bool))
        values = (AttributeValues("letter", column),) if data.draw(st.booleans()) else ()
        command = UpsertSubscribers("a", keys.astype(np.int64), values, 0)
        finish(AUDIENCE.upserting(command))()


@given(st.lists(st.tuples(st.integers(0, 1_000), st.booleans()), max_size=6), st.booleans())
def test_an_order_has_every_operand_and_begins_with_one_that_is_not_negated(sizes, all_built):
    operands = [Operand(BitMap(range(size)), negated) for size, negated in sizes]
    ordered = in_order(operands, 1_000, all_built)
    assert sorted(map(id, ordered)) == sorted(map(id, operands))
    if not all(operand.negated for operand in operands):
        assert not ordered[0].negated


@settings(max_examples=100, deadline=None)
@given(NODES, st.none() | NODES)
def test_counts_by_words_are_those_of_plain_evaluation(node, reachable):
    expected = plain(AUDIENCE, node)
    reached = expected if reachable is None else expected & plain(AUDIENCE, reachable)
    other = None if reachable is None else optimise(reachable)
    with patch.multiple(words, _COUNT=-(10**9)):
        for _ in range(3):
            found = Evaluation(AUDIENCE).count_reachable(optimise(node), other)
            assert found == (len(expected), len(reached))


def test_counts_by_words_follow_writes_and_erasures():
    audience = _audience()
    letters = [TextMatch("letter", OneOf(frozenset({x}), frozenset())) for x in LETTERS]
    nodes = [
        And((Or(tuple(letters[1:5])), Not(NumberRange("small", 3, 12)))),
        And((Not(letters[0]), Not(letters[2]), Not(NumberRange("small", 0, 0)))),
    ]
    random = np.random.default_rng(1)
    with patch.multiple(words, _COUNT=-(10**9)):
        for _ in range(4):
            for node in nodes * 3:
                assert Evaluation(audience).count(node) == len(plain(audience, node))
            assert audience.words.nbytes
            audience.erase(BitMap(random.choice(bitmaps.to_array(audience.everyone), 500)))
            assert not audience.words.nbytes
            for node in nodes * 3:
                assert Evaluation(audience).count(node) == len(plain(audience, node))
            keys = np.unique(random.integers(0, 400_000, 300)).astype(np.int64)  # new blocks too
            column = ValueColumn(AttributeType.KEYWORD, ["c"] * len(keys), np.ones(len(keys), bool))
            finish(
                audience.upserting(
                    UpsertSubscribers("a", keys, (AttributeValues("letter", column),), 0)
                )
            )()
