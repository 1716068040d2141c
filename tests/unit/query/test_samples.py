"""Samples are taken a portion of the members at a time."""

import sys

import numpy as np
import pytest
from headcount_server.core.commands import CreateAudience, UpsertSubscribers
from headcount_server.core.keys import mix, stable_hash
from headcount_server.core.query import Ask, checked, diff, page, sample
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType, Schema
from headcount_server.core.state import State

COUNT = 1_000


@pytest.fixture(scope="module")
def ask():
    state = State()
    state.apply(CreateAudience("a", Schema(KeyType.UINT32), 0))
    state.apply(UpsertSubscribers("a", np.arange(COUNT), (), 0))
    return Ask(state.audience("a"), 0)


def ranked(seed, keys):
    """The keys in the order of their ranks."""
    hashes = np.array([stable_hash(str(key)) for key in keys], np.uint64)
    ranks = mix(hashes ^ np.uint64(stable_hash(seed)))
    return [int(keys[i]) for i in np.argsort(ranks)]


@pytest.mark.parametrize("portion", [1, 7, 64, COUNT, 2 * COUNT])
@pytest.mark.parametrize("size", [1, 5, 100, COUNT - 1, COUNT, COUNT + 1])
def test_the_members_of_the_lowest_ranks_are_sampled_in_their_order(
    ask, portion, size, monkeypatch
):
    monkeypatch.setattr(sys.modules[sample.__module__], "_SAMPLED", portion)
    keys, total = sample(ask, parse("everyone"), size, "x")
    assert total == COUNT
    assert list(keys) == ranked("x", range(COUNT))[:size]


def test_nobody_is_sampled_of_nobody(ask):
    keys, total = sample(ask, parse("nobody"), 3, "x")
    assert (list(keys), total) == ([], 0)


def test_parts_of_a_difference_are_sampled_each(ask):
    found = diff(ask, parse("id in (1, 2, 3)"), parse("id in (2, 3, 4, 5)"), 2, "y")
    assert list(found.both.sample) == ranked("y", [2, 3])
    assert list(found.only_old.sample) == [1]
    assert list(found.only_new.sample) == ranked("y", [4, 5])


@pytest.mark.parametrize("limit", [1, 999, 1_000, 1_001])
def test_the_page_that_has_the_last_one_has_no_next(ask, limit):
    keys, total, after = page(ask, parse("everyone"), None, limit)
    assert total == COUNT
    assert list(keys) == list(range(min(limit, COUNT)))
    assert after == (limit - 1 if limit < COUNT else None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("all of (everyone) and nosuch = 1", "all of (everyone)"),
        ("any of (everyone) and nosuch = 1", "any of (everyone)"),
        ("any of (everyone, nobody) and nosuch = 1", "everyone or nobody"),
        ("any of (everyone, nosuch = 1)", "everyone"),
    ],
)
def test_a_group_of_one_stays_one_and_a_group_that_is_left_with_one_is_that_one(ask, text, kept):
    found = checked(ask, parse(text))
    assert found.kept == parse(kept)
