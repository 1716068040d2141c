"""Who matches: all, a page in the order of the keys, or a stable random sample."""

from __future__ import annotations

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.keys import KeyDirectory, Keys, mix, stable_hash
from headcount_server.core.query.ask import Ask
from headcount_server.core.rules.tree import Rule
from headcount_server.core.steps import Steps, finish


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
    rows = ask.members(rule)
    return sampled(ask.audience.keys, rows, size, seed), len(rows)


def sampled(directory: KeyDirectory, rows: BitMap, size: int, seed: str) -> Keys:
    """Keys of random rows out of some, the same ones for the same seed and keys. O(rows)."""
    among = bitmaps.to_array(rows)
    ranks = mix(directory.hashes(among) ^ np.uint64(stable_hash(seed)))
    if size < len(among):
        chosen = np.argpartition(ranks, size)[:size]
        order = chosen[np.lexsort((among[chosen], ranks[chosen]))]
    else:
        order = np.lexsort((among, ranks))
    return directory.keys(among[order])
