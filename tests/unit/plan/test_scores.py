"""Sums of weights are exact, whichever way they are added up."""

from __future__ import annotations

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.plan import scores
from headcount_server.core.plan.scores import scored
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

ROWS = (0, 1, 2, 5, 65_535, 65_536, 65_540, 200_000)
WEIGHTS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(
        (2**31, 2**32, -(2**32), 2**63, -(2**63), 2**64 - 1, 10**40, -(10**40), 2**32 - 1)
    ),
)
SETS = st.sets(st.sampled_from(ROWS)).map(BitMap)


def by_hand(
    weights: list[int], parts: list[BitMap], everyone: BitMap, low: int | None, high: int | None
) -> BitMap:
    totals = {r: sum(w for w, p in zip(weights, parts, strict=True) if r in p) for r in everyone}
    return BitMap(
        r for r, t in totals.items() if (low is None or t >= low) and (high is None or t <= high)
    )


@pytest.mark.parametrize("most", [0, 2, 32])
def test_the_members_are_those_whose_weights_add_up(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_TOTALS_MAX", most)

    @given(st.lists(st.tuples(WEIGHTS, SETS), min_size=1, max_size=7), SETS, st.data())
    @settings(max_examples=200, deadline=None)
    def check(terms: list[tuple[int, BitMap]], everyone: BitMap, data: st.DataObject) -> None:
        weights, parts = [w for w, _ in terms], [p for _, p in terms]
        chosen = data.draw(st.lists(st.sampled_from(weights)))
        near = st.integers(-1, 1).map(lambda by: sum(chosen) + by) | st.none() | WEIGHTS
        low, high = data.draw(near), data.draw(near)
        found = scored(weights, parts, everyone, low, high)
        assert found == by_hand(weights, parts, everyone, low, high)

    check()


def test_a_hundred_rules_with_different_weights() -> None:
    rng = np.random.default_rng(3)
    everyone = bitmaps.from_range(0, 70_000)
    parts = [bitmaps.from_mask(rng.random(70_000) < 0.4) for _ in range(100)]
    weights = [3**i for i in range(60)] + [-(7**i) for i in range(40)]
    low, high = -(7**38), 3**58
    found = scored(weights, parts, everyone, low, high)
    for row in rng.integers(0, 70_000, 200).tolist():
        total = sum(w for w, p in zip(weights, parts, strict=True) if row in p)
        assert (row in found) == (low <= total <= high)


def test_a_total_may_be_asked_for_that_only_one_sum_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "_TOTALS_MAX", 0)
    everyone, parts = BitMap([0, 1, 2]), [BitMap([0, 1]), BitMap([1, 2])]
    assert scored([3, -2], parts, everyone, 3, 3) == BitMap([0])
    assert scored([3, -2], parts, everyone, -2, -2) == BitMap([2])
    assert scored([3, -2], parts, everyone, 4, None) == BitMap()
