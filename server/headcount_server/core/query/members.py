"""Who matches: all, a page in the order of the keys, or a stable random sample."""

from __future__ import annotations

from functools import partial

import numpy as np
from pyroaring import BitMap

from headcount_server.core import unlocked
from headcount_server.core.keys import KeyDirectory, Keys, mix, stable_hash
from headcount_server.core.query.ask import Ask
from headcount_server.core.rules.tree import Rule
from headcount_server.core.steps import Steps, apart, finish

_SAMPLED = 1 << 15  # members whose ranks are looked at in one step


def members(ask: Ask, rule: Rule) -> BitMap:
    """The rows that match within the scope; not to be modified."""
    return ask.members(rule)


def page(
    ask: Ask, rule: Rule, after: str | int | None, limit: int
) -> tuple[Keys, int, str | int | None]:
    """A page of keys, ascending: (keys, number of all members, key to go on after or None).

    Args:
        ask: the options.
        rule: who is asked for.
        after: the last key of the page before, or None.
        limit: keys on a page, 1 or more.
    """
    return finish(page_steps(ask, rule, after, limit))


def page_steps(
    ask: Ask, rule: Rule, after: str | int | None, limit: int
) -> Steps[tuple[Keys, int, str | int | None]]:
    """As ``page``, a step for each block of string keys."""
    rows = ask.members(rule)
    yield
    keys = yield from ask.audience.keys.page_steps(rows, after, limit + 1)
    if len(keys) <= limit:
        return keys, len(rows), None
    last = keys[limit - 1]
    return keys[:limit], len(rows), last if isinstance(last, str) else int(last)


def sample(ask: Ask, rule: Rule, size: int, seed: str) -> tuple[Keys, int]:
    """Random members, the same ones for the same seed and members: (keys, number of all).

    Members are ranked by a hash of key and seed; the first ``size`` are taken.
    """
    return finish(sample_steps(ask, rule, size, seed))


def sample_steps(ask: Ask, rule: Rule, size: int, seed: str) -> Steps[tuple[Keys, int]]:
    """As ``sample``, a step for each _SAMPLED members."""
    rows = ask.members(rule)
    yield
    return (yield from sampled(ask.audience.keys, rows, size, seed)), len(rows)


def sampled(directory: KeyDirectory, rows: BitMap, size: int, seed: str) -> Steps[Keys]:
    """Keys of random rows out of some, the same ones for the same seed and keys. O(rows).

    Args:
        directory: of the rows.
        rows: not modified.
        size: how many, 1 or more.
        seed: any text.
    """
    among = yield from apart(partial(unlocked.to_array, rows), len(rows) * unlocked.LIST_NS)
    salt = np.uint64(stable_hash(seed))
    chosen = np.empty(0, np.uint32)
    ranks = np.empty(0, np.uint64)
    for start in range(0, len(among), _SAMPLED):
        some = among[start : start + _SAMPLED]
        ranked = mix(directory.hashes(some) ^ salt)
        if len(chosen) == size:  # those that come later lose where ranks are equal
            better = ranked < ranks[-1]
            some, ranked = some[better], ranked[better]
        if len(some):
            chosen, ranks = np.concatenate((chosen, some)), np.concatenate((ranks, ranked))
            order = np.lexsort((chosen, ranks))[:size]
            chosen, ranks = chosen[order], ranks[order]
        yield
    return directory.keys(chosen)
