"""Ragged columns against a dict, over removals, frozen copies and dumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from headcount_server.core.ragged import RaggedColumn
from headcount_server.errors import DataLoss
from hypothesis import given, settings
from hypothesis import strategies as st

EDGES = [0, 65_535, 65_536, 2**28 - 1, 2**28, 2**32 - 1]
row = st.one_of(st.sampled_from(EDGES), st.integers(0, 70_000))
value = st.one_of(st.none(), st.binary(max_size=9), st.just(b"x" * 100))
batch = st.dictionaries(row, value, max_size=12)


def put(column: RaggedColumn, values: dict[int, bytes | None]) -> None:
    column.put(np.array(list(values), np.uint32), list(values.values()))


def holds(column: RaggedColumn, model: dict[int, bytes | None]) -> None:
    rows = [*model, *EDGES, *reversed(model)]
    array = np.array(rows, np.uint32)
    expected = [model.get(r) for r in rows]
    assert column.take(array) == expected
    assert [column.get(r) for r in rows] == expected
    assert column.lengths(array).tolist() == [-1 if v is None else len(v) for v in expected]
    for turn in range(2):  # each row's own value, and that of another
        sought = [v or b"" for v in expected[turn:] + expected[:turn]]
        lengths = np.array([len(v) for v in sought], np.int64)
        joined = np.frombuffer(b"".join(sought), np.uint8)
        equal = column.equal(array, joined, np.cumsum(lengths) - lengths, lengths)
        assert equal.tolist() == [e == s for e, s in zip(expected, sought, strict=True)]
    stored = {r: v for rs, vs in column.pages() for r, v in zip(rs.tolist(), vs, strict=True)}
    assert stored == {r: v for r, v in model.items() if v is not None}
    assert list(column.rows()) == sorted(stored)


@given(st.lists(st.one_of(batch, st.sampled_from(["freeze", "erase"])), max_size=10))
@settings(max_examples=80, deadline=None)
def test_a_ragged_column_is_a_dict(steps: list[Any]) -> None:
    column, model = RaggedColumn(), dict[int, bytes | None]()
    frozen: list[tuple[RaggedColumn, dict[int, bytes | None]]] = []
    for step in steps:
        if step == "freeze":
            frozen.append((column.freeze(), dict(model)))
        elif step == "erase":
            gone = sorted(model)[::2]
            column.remove(np.array(gone, np.uint32), at_once=True)
            model = {r: v for r, v in model.items() if r not in gone}
        else:
            put(column, step)
            model.update(step)
    for view, contents in [*frozen, (column, model)]:
        holds(view, contents)
        loaded = RaggedColumn.load(view.dump())
        holds(loaded, contents)
        put(loaded, {5: b"more", 65_536: None})
        holds(loaded, contents | {5: b"more", 65_536: None})
        holds(view, contents)


def plain(parts: dict[str, Any]) -> Any:
    sizes = [(p["block"], p["values"].tobytes()) for p in parts["sizes"]["pages"]]
    return sizes, [heap.tobytes() for heap in parts["heaps"]]


@given(st.lists(batch, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_dump_depends_on_the_contents_alone(batches: list[dict[int, bytes | None]]) -> None:
    slowly, contents = RaggedColumn(), dict[int, bytes | None]()
    for values in batches:
        put(slowly, values)
        contents.update(values)
    at_once = RaggedColumn()
    put(at_once, dict(sorted(contents.items(), reverse=True)))
    assert plain(slowly.dump()) == plain(at_once.dump())


def heap_bytes(column: RaggedColumn) -> bytes:
    heaps = column._heaps.values()  # pyright: ignore[reportPrivateUsage]
    return b"".join(heap.buffer.tobytes() for heap in heaps)


def test_erased_bytes_are_gone_at_once() -> None:
    column = RaggedColumn()
    column.put(np.array([1, 2, 3], np.uint32), [b"ann", b"SECRET", b"bob"])
    assert b"SECRET" in heap_bytes(column)
    column.remove(np.array([2], np.uint32), at_once=True)
    assert b"SECRET" not in heap_bytes(column)
    assert column.take(np.array([1, 2, 3], np.uint32)) == [b"ann", None, b"bob"]


def test_overwriting_doesnt_grow_without_bound() -> None:
    column = RaggedColumn()
    rows = np.arange(100, dtype=np.uint32)
    for i in range(100):
        column.put(rows, [b"%0100d" % i] * 100)
    assert column.nbytes < 100 * 100 * 3 + 10_000


def test_codes_are_stored_as_bytes_of_an_array() -> None:
    column = RaggedColumn()
    codes = np.array([7, 2**32 - 1], np.uint32)
    column.put(np.array([9], np.uint32), [codes.tobytes()])
    stored = column.get(9)
    assert stored is not None
    assert np.frombuffer(stored, np.uint32).tolist() == codes.tolist()


def test_what_no_dump_gives_is_refused() -> None:
    column = RaggedColumn()
    column.put(np.array([1], np.uint32), [b"abc"])
    good = column.dump()
    for heaps in ([], [np.zeros(2, np.uint8)], [np.zeros(3, np.int8)], [b"abc"], None):
        with pytest.raises(DataLoss):
            RaggedColumn.load(good | {"heaps": heaps})
    with pytest.raises(DataLoss):
        RaggedColumn.load({"heaps": []})


def test_an_empty_value_is_a_value() -> None:
    column = RaggedColumn()
    rows = np.array([1, 2, 3], np.uint32)
    column.put(rows, [b"", None, b"x"])
    assert column.take(rows) == [b"", None, b"x"]
    assert [column.get(row) for row in (1, 2, 3)] == [b"", None, b"x"]
