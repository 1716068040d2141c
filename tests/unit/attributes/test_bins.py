"""Numbers in bins, of few and of many values, are found as a plain search finds them."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from headcount_server.core.attributes import bins, make_index, number
from headcount_server.core.attributes.bins import Bins
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.attributes.postings import make_keys
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.steps import finish
from headcount_server.core.values import ValueColumn
from pyroaring import BitMap

MOST, LEAST = 2**63 - 1, -(2**63)


def number_index(values: list[int]) -> NumberIndex:
    index = make_index(AttributeSchema("x", AttributeType.INTEGER))
    assert isinstance(index, NumberIndex)
    rows = np.arange(len(values), dtype=np.uint32)
    present = np.ones(len(values), np.bool_)
    index.write(rows, ValueColumn(AttributeType.INTEGER, np.array(values, np.int64), present))
    return index


def spread(dice: Random) -> list[int]:
    """Values near each other and far apart, some of them often, and the ends of 64 bits."""
    width = dice.choice([3, 20, 300, 2**62])
    many = [dice.randint(-width, width) for _ in range(dice.choice([5, 60, 700]))]
    often = [dice.choice(many)] * dice.choice([0, len(many) // 2])
    return many + often + dice.choice([[], [MOST, LEAST], [MOST, MOST, LEAST]])


def bounds(values: list[int], dice: Random) -> list[int]:
    """Values that somebody has, their neighbours, and the ends."""
    some = dice.sample(values, min(len(values), 12))
    near = {value + step for value in some for step in (-1, 0, 1)}
    return sorted({v for v in near if LEAST <= v <= MOST} | {MOST, LEAST})


@pytest.mark.parametrize("exact_max", [128, 3])
@pytest.mark.parametrize("seed", range(12))
def test_ranges_lists_and_places_of_many_numbers(
    seed: int, exact_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bins, "_EXACT_MAX", exact_max)
    dice = Random(seed)
    values = spread(dice)
    index = number_index(values)
    ends = bounds(values, dice)
    everyone = BitMap(range(len(values)))
    for _ in range(40):
        low, high = dice.choice(ends), dice.choice(ends)
        expected = BitMap([row for row, value in enumerate(values) if low <= value <= high])
        assert index.range(low, high) == expected
        assert index.range_count(low, high, everyone) == len(expected)
        wanted = dice.sample(ends, min(len(ends), dice.choice([1, 2, 9])))
        assert index.values_in(wanted) == BitMap(
            [row for row, value in enumerate(values) if value in wanted]
        )
    ascending = sorted(values)
    for place in {1, 2, len(values) // 2 + 1, len(values)}:
        if place <= len(values):
            assert index.nth(place, False) == ascending[place - 1]
            assert index.nth(place, True) == ascending[-place]
    for value in ends:
        assert index.next_after(value) == min((v for v in values if v > value), default=None)


@pytest.mark.parametrize("exact_max", [1000, 5])
@pytest.mark.parametrize("seed", range(8))
def test_erased_numbers_leave_no_edge_behind(
    seed: int, exact_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an erasure the bins are as right as before, and no edge tells a value that is gone."""
    monkeypatch.setattr(bins, "_EXACT_MAX", exact_max)
    monkeypatch.setattr(bins, "BINS", 8)
    dice = Random(seed)
    values = [dice.choice([dice.randint(0, 40), dice.randint(0, 9) * 10]) for _ in range(30)]
    edges = bins.choose_edges(np.array(values))
    slots = np.searchsorted(edges, values, side="right") - 1
    made = bins.Bins(
        edges, [BitMap(np.flatnonzero(slots == i).tolist()) for i in range(len(edges))]
    )
    gone = BitMap(dice.sample(range(30), 12))
    left = {row: value for row, value in enumerate(values) if row not in gone}
    cut = made.without(
        gone, np.array([values[row] for row in gone]), lambda rows: np.array(values)[rows]
    )
    assert [int(edge) for edge in cut.edges] == sorted(set(map(int, cut.edges)))
    for value in set(values) - set(left.values()):
        assert value not in cut.edges
        if value + 1 not in left.values():
            assert value + 1 not in cut.edges
    for low, high in ((0, 0), (10, 40), (3, 17), (5, 95), (11, 19), (90, 90), (LEAST, MOST)):
        start, stop, across = cut.find(low, high)
        found = set().union(*cut.rows[start:stop]) if stop > start else set[int]()
        for i in across:
            found |= set(
                cut.opened(i, lambda rows: np.array(values)[rows]).between(low, high).rows()
            )
        assert found == {row for row, value in left.items() if low <= value <= high}


def test_a_bin_of_several_values_with_most_of_the_rows_is_lopsided() -> None:
    def of(edges: list[int], sizes: list[int]) -> bool:
        rows, first = [], 0
        for size in sizes:
            rows.append(BitMap(range(first, first + size)))
            first += size
        return bins.Bins(np.array(edges), rows).is_lopsided()

    assert of([LEAST, 5, 9], [0, 2_000, 0])
    assert not of([LEAST, 5, 6], [0, 2_000, 0])
    assert of([LEAST, 5, 7], [0, 2_000, 0])
    assert not of([LEAST, 5, 9], [0, 1_000, 0])


@pytest.mark.parametrize("pending_max", [20, 200])
@pytest.mark.parametrize("seed", range(6))
def test_numbers_written_for_long_without_a_read_are_found_all_the_same(
    seed: int, pending_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the changes are applied to the bins, or the bins are left to the next read."""
    monkeypatch.setattr(number, "_PENDING_MAX", pending_max)
    monkeypatch.setattr(bins, "_EXACT_MAX", 5)
    dice = Random(seed)
    values = [dice.randint(0, 400) for _ in range(dice.choice([300, 2_000]))]
    index = number_index(values)
    for step in range(40):
        if dice.random() < 0.3:
            low = dice.randint(0, 450)
            expected = BitMap([row for row, value in enumerate(values) if low <= value <= 450])
            assert index.range(low, 450) == expected
        rows = sorted(dice.sample(range(len(values)), dice.choice([1, 15, 100])))
        given = [450 if step % 2 else dice.randint(0, 450) for _ in rows]
        for row, value in zip(rows, given, strict=True):
            values[row] = value
        present = np.ones(len(rows), np.bool_)
        column = ValueColumn(AttributeType.INTEGER, np.array(given, np.int64), present)
        index.write(np.array(rows, np.uint32), column)
    for low in range(0, 451, 25):
        expected = BitMap([row for row, value in enumerate(values) if low <= value <= low + 40])
        assert index.range(low, low + 40) == expected


@pytest.mark.parametrize("seed", range(6))
def test_a_range_asked_again_is_known_from_other_unions(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearest unions, those up to the ends that were asked for twice, and parts of opened bins."""
    monkeypatch.setattr(bins, "_EXACT_MAX", 5)
    monkeypatch.setattr(bins, "_EXACT_KEPT", 3)
    dice = Random(seed)
    values = [dice.choice([dice.randint(0, 999), dice.randint(0, 9) * 10]) for _ in range(4_000)]
    index = number_index(values)
    for _ in range(60):
        low = dice.choice([None, dice.randint(-1, 1_000)])
        high = dice.choice([None, dice.randint(-1, 1_000)])
        expected = BitMap(
            row
            for row, value in enumerate(values)
            if (low is None or low <= value) and (high is None or value <= high)
        )
        for _ in range(dice.randint(1, 3)):
            found = index.range_pieces(low, high)
            assert found.rows() == expected
            assert found.count() == len(expected)
            some = BitMap(dice.sample(range(4_000), 500))
            assert found.count(some) == len(some & expected)


def test_a_union_of_first_bins_that_is_kept_has_nothing_of_a_change_in_the_bin_after_them() -> None:
    edges = np.array([LEAST, *range(1, 20)])
    before = Bins(edges, [BitMap([2 * i, 2 * i + 100]) for i in range(20)])
    count = 4  # of the bins that a union is kept of
    below = before.between(0, count + 9, BitMap()).rows()
    assert list(before.settling()) != []
    row = 0  # the first there is
    moved = [make_keys(np.array([0, count]), np.array([row, row], np.uint32))]
    after = finish(before.toggling(moved))
    assert after.rows[count] == before.rows[count] | BitMap([row])
    for start in range(count + 1):
        for stop in range(start + 1, 20):
            wanted = BitMap.union(BitMap(), *after.rows[start:stop])
            assert after.between(start, stop, BitMap()).rows() == wanted
    assert below == BitMap.union(*before.rows[: count + 9])
