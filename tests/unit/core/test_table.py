"""The table of keys: filled at once it finds what one grown bit by bit finds."""

from __future__ import annotations

import numpy as np
import pytest
from headcount_server.core.keys.table import RowTable


@pytest.mark.parametrize("count", [0, 1, 2_559, 2_560, 20_000, 163_000])
def test_a_table_filled_at_once_finds_what_one_grown_bit_by_bit_finds(count: int) -> None:
    dice = np.random.default_rng(count)
    hashes = dice.permutation(np.unique(dice.integers(0, 2**32, count + 700, dtype=np.uint32)))
    hashes = hashes[: count + 500]
    rows = np.arange(count, dtype=np.uint32)
    filled, grown = RowTable(), RowTable()
    filled.fill(hashes[:count], rows)
    grown.insert(hashes[:count], rows)
    for table in (filled, grown):
        table.insert(hashes[count : count + 300], np.arange(count, count + 300, dtype=np.uint32))
        table.remove(hashes[:count:3], rows[::3])
    same = lambda places, found: hashes[found] == hashes[places]  # noqa: E731
    expected = np.arange(count + 500)
    expected[:count:3] = -1
    expected[count + 300 :] = -1
    assert filled.find(hashes, same).tolist() == expected.tolist()
    assert grown.find(hashes, same).tolist() == expected.tolist()


def test_a_table_of_hashes_that_share_their_leading_bits_is_filled_all_the_same() -> None:
    hashes = np.arange(10_000, dtype=np.uint32) << np.uint32(3)
    table = RowTable()
    table.fill(hashes, np.arange(10_000, dtype=np.uint32))
    found = table.find(hashes, lambda places, rows: hashes[rows] == hashes[places])
    assert found.tolist() == list(range(10_000))


def test_rows_are_found_while_room_is_made_and_after() -> None:
    dice = np.random.default_rng(4)
    hashes = dice.permutation(np.unique(dice.integers(0, 2**32, 400_000, dtype=np.uint32)))
    rows = np.arange(len(hashes), dtype=np.uint32)
    table, steps = RowTable(), 0
    same = lambda places, found: hashes[found] == hashes[places]  # noqa: E731
    for start in range(0, len(rows), 2_000):
        for _ in table.making_room():
            steps += 1
            if start > 300_000:
                assert table.find(hashes[: start + 9], same).tolist() == [
                    *range(start), *([-1] * 9)
                ]  # fmt: skip
        table.insert(hashes[start : start + 2_000], rows[start : start + 2_000])
    assert steps > 20
    assert table.find(hashes, same).tolist() == rows.tolist()
