"""Bitmaps: making, reading, thresholds, and bytes that can't be trusted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.errors import DataLoss
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

EDGES = [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 131_071, 2**28 - 1, 2**28, 2**32 - 1]
rows_ = st.sets(st.one_of(st.sampled_from(EDGES), st.integers(0, 2**32 - 1), st.integers(0, 300)))
spans = st.tuples(st.integers(0, 200_000), st.integers(0, 70_000), st.integers(1, 20))


@given(rows_)
def test_rows_come_back(rows: set[int]) -> None:
    array = np.array(sorted(rows), dtype=np.uint32)
    made = bitmaps.from_sorted(array)
    assert made == BitMap(rows)
    assert bitmaps.to_array(made).tolist() == sorted(rows)
    assert bitmaps.from_rows(np.concatenate([array[::-1], array])) == made


@given(st.lists(spans, max_size=4))
@settings(max_examples=40, deadline=None)
def test_dense_and_sparse_containers_are_made_alike(parts: list[tuple[int, int, int]]) -> None:
    mask = np.zeros(300_000, dtype=np.bool_)
    for start, length, step in parts:
        mask[start : start + length : step] = True
    rows = np.flatnonzero(mask).astype(np.uint32)
    expected = BitMap(rows)
    assert bitmaps.from_sorted(rows) == expected
    assert bitmaps.from_mask(mask) == expected
    assert bitmaps.decode(bitmaps.encode(expected)) == expected
    for first in (65_536 * 3, 77):
        assert bitmaps.from_mask(mask, first) == BitMap(rows + np.uint32(first))


def test_containers_of_4096_and_4097_members() -> None:
    for size in (4096, 4097, 65_536):
        rows = np.arange(size, dtype=np.uint32)
        made = bitmaps.from_sorted(rows)
        assert len(made) == size
        assert made == BitMap(range(size))
        assert (made | BitMap([70_000])) - BitMap([70_000]) == made


def test_nothing_is_empty() -> None:
    none = np.empty(0, dtype=np.uint32)
    for made in (
        bitmaps.from_sorted(none),
        bitmaps.from_rows([]),
        bitmaps.from_mask(np.zeros(70_000, dtype=np.bool_)),
        bitmaps.from_range(5, 5),
        bitmaps.union([]),
        bitmaps.decode(bitmaps.encode(bitmaps.EMPTY)),
    ):
        assert not made
    assert not len(bitmaps.to_array(bitmaps.EMPTY))


@given(st.lists(st.sets(st.integers(0, 40)), max_size=8), st.integers(1, 9))
def test_at_least_counts_every_bitmap(sets: list[set[int]], threshold: int) -> None:
    counted = Counter(row for members in sets for row in members)
    expected = {row for row, count in counted.items() if count >= threshold}
    given_ = [BitMap(members) for members in sets]
    assert bitmaps.at_least(threshold, given_) == BitMap(expected)
    assert given_ == [BitMap(members) for members in sets]


@pytest.mark.parametrize("count", [3, 4, 7, 8, 9, 16, 17])
def test_at_least_of_large_bitmaps(count: int) -> None:
    rng = np.random.default_rng(count)
    masks = rng.random((count, 100_000)) < rng.random((count, 1))
    given_ = [bitmaps.from_mask(mask) for mask in masks]
    before = [bitmap.serialize() for bitmap in given_]
    totals = masks.sum(axis=0)
    for threshold in range(1, count + 2):
        expected = bitmaps.from_mask(totals >= threshold)
        assert bitmaps.at_least(threshold, given_) == expected, threshold
    assert [bitmap.serialize() for bitmap in given_] == before


def test_union_and_intersection() -> None:
    given_ = [BitMap([1, 2, 3]), BitMap([2, 3]), BitMap([3, 70_000])]
    assert bitmaps.union(given_) == BitMap([1, 2, 3, 70_000])
    assert bitmaps.intersection(given_) == BitMap([3])
    assert bitmaps.intersection([*given_, BitMap()]) == BitMap()


def test_the_same_members_have_the_same_bytes() -> None:
    optimised = BitMap(range(100_000))
    optimised.run_optimize()
    plain = bitmaps.from_mask(np.ones(100_000, dtype=np.bool_))
    assert bitmaps.encode(optimised) == bitmaps.encode(plain)
    assert len(bitmaps.encode(plain)) < 100


SAMPLES = [
    BitMap([5]),
    BitMap([1, 70_000, 2**32 - 1]),
    BitMap(range(0, 10_000, 2)),
    BitMap(range(100_000)),
    BitMap(range(0, 400_000, 3)) | BitMap(range(500_000, 600_000)),
    BitMap([*range(100), *range(65_536, 65_700), *range(131_072, 131_100), 200_000, 300_000]),
]


@pytest.mark.parametrize("bitmap", SAMPLES)
def test_bytes_cut_short_or_too_long_are_refused(bitmap: BitMap) -> None:
    data = bitmaps.encode(bitmap)
    assert bitmaps.decode(data) == bitmap
    assert bitmaps.decode(bitmap.serialize()) == bitmap
    for length in {*range(min(len(data), 80)), len(data) // 2, len(data) - 1}:
        with pytest.raises(DataLoss):
            bitmaps.decode(data[:length])
    with pytest.raises(DataLoss):
        bitmaps.decode(data + b"\0")


@given(st.sampled_from(SAMPLES), st.integers(0), st.integers(1, 255), st.booleans())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_refused_or_a_sound_bitmap(
    bitmap: BitMap, place: int, flip: int, plain: bool
) -> None:
    data = bytearray(bitmap.serialize() if plain else bitmaps.encode(bitmap))
    data[place % min(len(data), 200)] ^= flip
    try:
        decoded = bitmaps.decode(bytes(data))
    except DataLoss:
        return
    members = bitmaps.to_array(decoded)
    assert len(members) == len(decoded)
    assert bool((members[1:] > members[:-1]).all())


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    try:
        decoded = bitmaps.decode(data)
    except DataLoss:
        return
    assert bitmaps.decode(decoded.serialize()) == decoded


def test_disordered_containers_are_refused() -> None:
    good = bytearray(BitMap([1, 2, 70_000]).serialize())
    swapped = bytearray(good)
    swapped[-6:-4], swapped[-4:-2] = good[-4:-2], good[-6:-4]
    with pytest.raises(DataLoss, match="ordered"):
        bitmaps.decode(bytes(swapped))
    keys = bytearray(good)
    keys[8:10], keys[12:14] = good[12:14], good[8:10]
    with pytest.raises(DataLoss, match="order"):
        bitmaps.decode(bytes(keys))


def test_nbytes_follows_the_containers() -> None:
    assert bitmaps.nbytes(bitmaps.EMPTY) == 0
    assert bitmaps.nbytes(BitMap([1, 2])) < 50
    assert 8192 <= bitmaps.nbytes(BitMap(range(0, 65_536, 2))) < 8300


def test_a_container_of_4096_members_is_an_array_also_beside_larger_ones() -> None:
    """4,096 members are the most that the format reads as an array."""
    for sizes in ((4096,), (4096, 5000), (5000, 4096, 4097), (4095, 4096)):
        rows = np.concatenate([np.arange(n) + 65_536 * i for i, n in enumerate(sizes)])
        mask = np.zeros(65_536 * len(sizes), dtype=np.bool_)
        mask[rows] = True
        expected = BitMap(rows.tolist())
        for made in (bitmaps.from_sorted(rows.astype(np.uint32)), bitmaps.from_mask(mask)):
            assert made == expected
            assert bitmaps.decode(bitmaps.encode(made)) == expected
            assert bitmaps.to_array(made).tolist() == rows.tolist()


def stored(*containers: tuple[int, list[int]]) -> bytes:
    """Array containers as they lie in the portable format, whatever is wrong with them."""
    head = np.array([12_346, len(containers)], "<u4").tobytes()
    keys = np.array([(key, len(held) - 1) for key, held in containers], "<u2").tobytes()
    bodies = [np.array(held, "<u2").tobytes() for _, held in containers]
    first = len(head) + len(keys) + 4 * len(containers)
    offsets = [first + sum(map(len, bodies[:i])) for i in range(len(bodies))]
    return head + keys + np.array(offsets, "<u4").tobytes() + b"".join(bodies)


def stored_runs(*pairs: tuple[int, int]) -> bytes:
    """One container of runs, each its first member and how many follow it."""
    held = sum(more + 1 for _, more in pairs)
    head = np.array([12_347], "<u4").tobytes() + b"\1"
    return head + np.array([0, held - 1, len(pairs), *sum(pairs, ())], "<u2").tobytes()


def test_what_is_stored_in_order_is_read() -> None:
    assert bitmaps.decode(stored((0, [1, 2]), (3, [0, 65_535]))) == BitMap(
        [1, 2, 3 * 65_536, 4 * 65_536 - 1]
    )
    assert bitmaps.decode(stored_runs((0, 4), (6, 1), (65_534, 1))) == BitMap(
        [0, 1, 2, 3, 4, 6, 7, 65_534, 65_535]
    )


@pytest.mark.parametrize(
    "data",
    [
        stored((0, [1, 1])),
        stored((0, [2, 1])),
        stored((3, [1]), (3, [2])),
        stored((3, [1]), (2, [2])),
        stored_runs((0, 4), (4, 1)),
        stored_runs((5, 1), (0, 1)),
        stored_runs((65_535, 1)),
    ],
)
def test_what_is_stored_out_of_order_or_twice_is_damage(data: bytes) -> None:
    with pytest.raises(DataLoss, match="order"):
        bitmaps.decode(data)


def test_an_array_of_4096_and_few_containers_of_runs_are_read() -> None:
    """Arrays end at 4,096 members; from 4 containers on those with runs have offsets, too."""
    even = list(range(0, 8192, 2))
    assert bitmaps.decode(stored((0, even))) == BitMap(even)
    for count in (3, 4, 5):
        made = BitMap([block * 65_536 + row for block in range(count) for row in range(1000)])
        assert bitmaps.decode(bitmaps.encode(made)) == made


def test_parts_of_4096_and_4097_members_come_back() -> None:
    for size in (4096, 4097):
        parts = bitmaps.Parts()
        parts.add(3, np.arange(size, dtype=np.uint16))
        first = 3 * bitmaps.BLOCK_ROWS
        assert parts.bitmap() == BitMap(range(first, first + size))


def test_a_member_in_every_container_comes_back() -> None:
    every = BitMap(list(range(0, 1 << 32, bitmaps.BLOCK_ROWS)))
    assert bitmaps.decode(bitmaps.encode(every)) == every
