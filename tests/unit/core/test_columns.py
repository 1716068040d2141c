"""Columns against a dict, over frozen copies, block edges and dumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from headcount_server.core.columns import BLOCK_ROWS, Column, by_block, by_block_ascending
from headcount_server.errors import DataLoss
from hypothesis import given, settings
from hypothesis import strategies as st

EDGES = [0, 255, 256, 65_535, 65_536, 131_071, 2**28 - 1, 2**28, 2**32 - 1]
row = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**32 - 1), st.integers(0, 70_000))
batch = st.dictionaries(row, st.integers(0, 5), max_size=12)
run = st.tuples(st.sampled_from([0, 60_000, 65_000, 2**28]), st.integers(1, 9000))


def put(column: Column, values: dict[int, int]) -> None:
    column.put(np.array(list(values), np.uint32), np.array(list(values.values()), np.int64))


def holds(column: Column, model: dict[int, int], extra: list[int]) -> None:
    rows = [*model, *extra, *reversed(model)]
    assert column.take(np.array(rows, np.uint32)).tolist() == [model.get(r, 0) for r in rows]
    assert [column.get(r) for r in rows] == [model.get(r, 0) for r in rows]
    stored = {
        r: v for rs, vs in column.stored() for r, v in zip(rs.tolist(), vs.tolist(), strict=True)
    }
    assert stored == {r: v for r, v in model.items() if v}
    assert list(stored) == sorted(stored)
    paged = {first + i: v for first, vs in column.pages() for i, v in enumerate(vs.tolist()) if v}
    assert paged == stored


@given(st.lists(st.one_of(batch, run, st.just("freeze")), max_size=8), st.lists(row, max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_column_is_a_dict_with_a_default(steps: list[Any], extra: list[int]) -> None:
    column, model = Column(np.int64), dict[int, int]()
    frozen: list[tuple[Column, dict[int, int]]] = []
    for step in steps:
        if step == "freeze":
            frozen.append((column.freeze(), dict(model)))
        elif isinstance(step, tuple):
            rows = np.arange(step[0], step[0] + step[1], dtype=np.uint32)
            column.put(rows, 7)
            model.update(dict.fromkeys(rows.tolist(), 7))
        else:
            put(column, step)
            model.update(step)
    for view, contents in [*frozen, (column, model)]:
        holds(view, contents, extra)


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


@given(st.lists(batch, max_size=5), st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_the_dump_depends_on_the_contents_alone(batches: list[dict[int, int]], more: int) -> None:
    slowly, contents = Column(np.uint32), dict[int, int]()
    slowly.put(np.arange(more, dtype=np.uint32), 3)
    slowly.put(np.arange(more, dtype=np.uint32), 0)
    for values in batches:
        put(slowly, values)
        contents.update(values)
    at_once = Column(np.uint32)
    put(at_once, dict(sorted(contents.items(), reverse=True)))
    assert plain(slowly.dump()) == plain(at_once.dump())
    loaded = Column.load(slowly.dump())
    holds(loaded, contents, [])
    assert plain(loaded.dump()) == plain(slowly.dump())
    loaded.put(np.array([1, 65_536], np.uint32), 9)
    holds(slowly, contents, [])


def test_a_loaded_column_leaves_read_only_arrays_alone() -> None:
    column = Column(np.int64)
    column.put(np.arange(1000, dtype=np.uint32), 5)
    parts = column.dump()
    parts["pages"][0]["values"] = np.frombuffer(parts["pages"][0]["values"].tobytes(), np.int64)
    loaded = Column.load(parts)
    loaded.put(np.array([3, 2000], np.uint32), 6)
    assert loaded.take(np.array([2, 3, 2000, 2001], np.uint32)).tolist() == [5, 6, 6, 0]


def test_a_few_scattered_rows_cost_little() -> None:
    column = Column(np.uint64)
    rows = np.arange(0, 2**28, 65_536 // 4, dtype=np.uint32) + np.uint32(16_383)
    column.put(rows, 1)
    assert column.nbytes < 100 * len(rows)
    small = Column(np.uint64)
    small.put(np.arange(64, dtype=np.uint32) * np.uint32(65_536), 1)
    assert small.nbytes < 64 * 2600


def test_a_sparse_page_turns_dense_and_back_again_by_growth() -> None:
    column = Column(np.int32, -1)
    everywhere = np.arange(0, 65_536, 64, dtype=np.uint32)
    column.put(everywhere, 1)
    assert column.nbytes < 10_000
    for step in range(1, 64):
        column.put(everywhere + np.uint32(step), step)
    assert 65_536 * 4 <= column.nbytes < 65_536 * 4 + 1000
    expected = np.arange(65_536) % 64
    expected[::64] = 1
    assert column.take(np.arange(65_536, dtype=np.uint32)).tolist() == expected.tolist()
    other = Column(np.int32, -1)
    other.put(np.arange(10, dtype=np.uint32), 5)
    other.put(np.array([60_000], np.uint32), 6)
    assert other.nbytes < 2000
    assert [other.get(r) for r in (0, 9, 10, 60_000, 60_001)] == [5, 5, -1, 6, -1]


def test_nan_is_a_possible_fill() -> None:
    column = Column(np.float64, np.nan)
    column.put(np.array([5, 70_000], np.uint32), [0.0, 1.5])
    assert [rows.tolist() for rows, _ in column.stored()] == [[5], [70_000]]
    assert np.isnan(column.get(6))
    assert column.get(5) == 0.0
    assert np.isnan(Column.load(column.dump()).get(6))


@given(st.sets(row, max_size=40))
def test_ascending_rows_fall_into_the_same_blocks_by_search(rows: set[int]) -> None:
    ascending = np.array(sorted(rows), np.uint32)
    assert list(by_block_ascending(ascending)) == [
        (block, slice(index.start, index.stop) if isinstance(index, slice) else index)
        for block, index in by_block(ascending)
    ]


@given(st.dictionaries(row, st.integers(1, 5), max_size=40))
def test_a_column_tells_who_stores_something(values: dict[int, int]) -> None:
    column = Column(np.int64)
    put(column, values)
    assert list(column.rows()) == sorted(values)
    put(column, dict.fromkeys(list(values)[::2], 0))
    assert list(column.rows()) == sorted(list(values)[1::2])
    loaded = Column.load(column.dump())
    assert loaded.rows() == column.rows()


def test_by_block_keeps_the_order_within_a_block() -> None:
    rows = np.array([65_536, 3, 65_540, 1, 65_538], np.uint32)
    found = {block: rows[index].tolist() for block, index in by_block(rows)}
    assert found == {0: [3, 1], 1: [65_536, 65_540, 65_538]}
    assert list(by_block(rows[:0])) == []


def test_a_frozen_column_refuses_changes() -> None:
    frozen = Column(np.int8).freeze()
    with pytest.raises(AssertionError):
        frozen.put(np.array([1], np.uint32), 1)
    assert frozen.freeze() is frozen


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "object"},
        {"dtype": "<i4"},
        {"dtype": 7j},
        {"fill": np.zeros(2, np.int64)},
        {"pages": [{"block": 70_000, "values": np.zeros(1, np.int64)}]},
        {"pages": [{"block": 65_536, "values": np.zeros(1, np.int64)}]},
        {"pages": [{"block": 0, "values": np.zeros(0, np.int64)}]},
        {"pages": [{"block": 0, "values": np.zeros(65_537, np.int64)}]},
        {"pages": [{"block": 0, "values": np.zeros(1, np.int32)}]},
        {"pages": [{"block": 0, "values": np.zeros(70_000, np.int64)}]},
        {"pages": [{"block": 1, "values": np.ones(1, np.int64)}] * 2},
        {"pages": [{"values": np.ones(1, np.int64)}]},
        {"pages": [{"block": 0, "values": [1]}]},
        {"pages": [{"block": 0, "values": np.ones(2, np.int64), "locals": np.ones(2, np.uint16)}]},
    ],
)
def test_what_no_dump_gives_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataLoss):
        Column.load(Column(np.int64).dump() | change)
    without = Column(np.int64).dump()
    del without[next(iter(change))]
    with pytest.raises(DataLoss):
        Column.load(without)


def test_the_row_after_the_last_of_a_dense_page_has_the_default() -> None:
    parts = Column(np.int64).dump()
    column = Column.load(parts | {"pages": [{"block": 0, "values": np.full(256, 7, np.int64)}]})
    assert column.take(np.array([255, 256], np.uint32)).tolist() == [7, 0]
    assert column.take(np.array([256, 257, 0], np.uint32)).tolist() == [0, 0, 7]
    assert [column.get(row) for row in (255, 256, 257)] == [7, 0, 0]


def test_a_page_may_have_all_rows_of_the_last_block() -> None:
    parts = Column(np.int64).dump()
    page = {"block": 65_535, "values": np.ones(65_536, np.int64)}
    column = Column.load(parts | {"pages": [page]})
    assert column.take(np.array([2**32 - 1], np.uint32)).tolist() == [1]


def test_the_row_after_a_page_is_unset_also_where_blocks_are_interleaved() -> None:
    column = Column(np.int64)
    column.put(np.arange(BLOCK_ROWS + 1024, dtype=np.uint32), np.full(BLOCK_ROWS + 1024, 7))
    rows = np.array([BLOCK_ROWS + 1024, 5, BLOCK_ROWS + 1023], np.uint32)
    assert column.take(rows).tolist() == [0, 7, 7]
