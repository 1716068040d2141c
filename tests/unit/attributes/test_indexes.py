"""Every index against a dictionary: random writes, erasures and reads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.attributes import AttributeIndex, load_index, make_index
from headcount_server.core.attributes.boolean import BooleanIndex
from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.attributes.text import TextIndex
from headcount_server.core.ragged import RaggedColumn
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.texts import (
    ContainsOneOf,
    EndsWith,
    OneOf,
    StartsWith,
    TextTest,
    fold,
)
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss
from headcount_server.limits import INT64_MAX, INT64_MIN
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

ROWS = [0, 1, 2, 65_535, 65_536, 65_537, 131_071, 131_072, 2**28, 2**32 - 1]
STRINGS = [
    "Straße",
    "STRASSE",
    "ß",
    "ss",
    "a",
    "A",
    "ab",
    "😀b",
    "é",
    "e\u0301",
    "\n",
    "a\x00b",
    "Ǆ",
]
NUMBERS = [INT64_MIN, INT64_MIN + 1, -5, -1, 0, 1, 2, 7, 1000, INT64_MAX - 1, INT64_MAX]
FORMS: dict[AttributeType, st.SearchStrategy[Any]] = {
    AttributeType.KEYWORD: st.sampled_from(STRINGS),
    AttributeType.KEYWORDS: st.lists(
        st.sampled_from(STRINGS), min_size=1, max_size=4, unique=True
    ).map(tuple),
    AttributeType.TEXT: st.sampled_from(STRINGS) | st.text(min_size=1, max_size=5),
    AttributeType.BOOLEAN: st.booleans(),
    AttributeType.INTEGER: st.sampled_from(NUMBERS) | st.integers(INT64_MIN, INT64_MAX),
    AttributeType.LOCATION: st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
}
Model = dict[int, Any]
Write = dict[int, Any]


def column(kind: AttributeType, data: list[Any]) -> ValueColumn:
    present = np.array([value is not None for value in data], np.bool_)
    if kind in (AttributeType.KEYWORD, AttributeType.TEXT):
        return ValueColumn(kind, [value or "" for value in data], present)
    if kind is AttributeType.KEYWORDS:
        return ValueColumn(kind, [value or () for value in data], present)
    if kind is AttributeType.LOCATION:
        pairs = np.array([value or (0.0, 0.0) for value in data], np.float64).reshape(-1, 2)
        return ValueColumn(kind, pairs, present)
    dtype = np.bool_ if kind is AttributeType.BOOLEAN else np.int64
    return ValueColumn(kind, np.array([value or 0 for value in data], dtype), present)


def write(index: AttributeIndex, batch: Write) -> BitMap:
    rows = np.array(list(batch), np.uint32)
    return index.write(rows, column(index.schema.type, list(batch.values())))


def new(kind: AttributeType) -> AttributeIndex:
    return make_index(AttributeSchema("a", kind))


def stored(value: Any) -> Any:
    return tuple(sorted(value)) if isinstance(value, tuple) and isinstance(value[0], str) else value


def where(model: Model, passes: Any) -> BitMap:
    return BitMap([row for row, value in model.items() if passes(value)])


def check(index: AttributeIndex, model: Model) -> None:
    assert index.exists == BitMap(model.keys())
    asked = np.array(ROWS[::-1] + ROWS[:3], np.uint32)
    expected = [stored(model.get(row)) for row in asked.tolist()]
    assert index.take(asked) == expected
    assert [index.get(row) for row in asked.tolist()] == expected
    assert all(size >= 0 for size in index.nbytes().values())


def texts_of(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def check_texts(index: KeywordIndex | KeywordsIndex | TextIndex, model: Model) -> None:
    tests: list[TextTest] = [
        OneOf(frozenset(["strasse", "ss"]), frozenset(["A"])),
        OneOf(frozenset(fold(text) for text in STRINGS), frozenset()),
        OneOf(frozenset(), frozenset(STRINGS)),
        ContainsOneOf(("ss", "b"), ()),
        ContainsOneOf((), ("ß", "e")),
        ContainsOneOf(("",), ()),
        StartsWith("a", False), StartsWith("A", True), StartsWith("", False),
        EndsWith("b", False), EndsWith("ße", True),
    ]  # fmt: skip
    for test in tests:
        expected = where(model, lambda v, t=test: any(t.matches(s, fold(s)) for s in texts_of(v)))
        assert index.select(test) == expected, test
        if isinstance(index, TextIndex):
            for within in (BitMap(ROWS[:5]), BitMap(), BitMap(range(200_000))):
                assert index.select(test, within) == expected & within


def check_values(index: KeywordIndex | KeywordsIndex, model: Model) -> None:
    for members in (BitMap(ROWS), BitMap(ROWS[::2]), BitMap()):
        counts: dict[str, int] = {}
        for row in members:
            folds = {fold(text) for text in texts_of(model[row])} if row in model else set()
            for folded in folds:
                counts[folded] = counts.get(folded, 0) + 1
        assert {fold(text): count for text, count in index.counts(members)} == counts
    held = {fold(text) for value in model.values() for text in texts_of(value)}
    assert {fold(text) for text, _ in index.values()} == held
    for text, rows in index.values():
        folded = fold(text)
        assert rows == where(model, lambda v, f=folded: f in map(fold, texts_of(v)))
    if isinstance(index, KeywordsIndex):
        sizes = {row: len({fold(t) for t in value}) for row, value in model.items()}
        assert index.sizes(np.array(ROWS, np.uint32)).tolist() == [sizes.get(r, 0) for r in ROWS]
        assert index.with_size(2, 3) == BitMap([r for r, s in sizes.items() if 2 <= s <= 3])
        assert index.with_size(None, None) == BitMap(sizes)


def check_numbers(index: NumberIndex, model: Model) -> None:
    ends: list[int | None] = [None, INT64_MIN - 1, *NUMBERS, INT64_MAX + 1]
    everyone = BitMap(ROWS[1:])
    for low in ends:
        for high in ends:
            least = INT64_MIN if low is None else low
            most = INT64_MAX if high is None else high
            expected = where(model, lambda v, a=least, b=most: a <= v <= b)
            assert index.range(low, high) == expected, (low, high)
            assert index.range_count(low, high, everyone) == len(expected & everyone)
    for asked in ((), (0,), (INT64_MIN, INT64_MAX), (INT64_MAX + 1,), tuple(NUMBERS)):
        assert index.values_in(asked) == where(model, lambda v, a=asked: v in a)
    held = [model[row] for row in everyone if row in model]
    assert index.minimum() == min(model.values(), default=None)
    assert index.maximum() == max(model.values(), default=None)
    assert index.maximum(everyone) == max(held, default=None)
    edges = [INT64_MIN, -1, 0, 7, INT64_MAX, INT64_MAX + 1]
    buckets = [sum(a <= v < b for v in held) for a, b in pairwise(edges)]
    assert index.histogram(edges, everyone) == buckets
    counts = {v: held.count(v) for v in held}
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    assert index.distinct_counts(everyone, 3) == order[:3]


def check_queries(index: AttributeIndex, model: Model) -> None:
    if isinstance(index, KeywordIndex | KeywordsIndex):
        check_values(index, model)
    if isinstance(index, KeywordIndex | KeywordsIndex | TextIndex):
        check_texts(index, model)
    if isinstance(index, NumberIndex):
        check_numbers(index, model)
    if isinstance(index, BooleanIndex):
        assert index.rows(True) == where(model, lambda v: v is True)
        assert index.rows(False) == where(model, lambda v: v is False)
        trues, falses = list(model.values()).count(True), list(model.values()).count(False)
        expected = [(True, trues), (False, falses)]
        assert index.counts(BitMap(ROWS)) == [pair for pair in expected if pair[1]]


def flat(parts: Any) -> Any:
    """Dumped data, comparable."""
    if isinstance(parts, dict):
        return {key: flat(part) for key, part in parts.items()}
    if isinstance(parts, list):
        return [flat(part) for part in parts]
    if isinstance(parts, np.ndarray):
        return (parts.dtype.str, parts.tobytes())
    assert isinstance(parts, BitMap | str | int | bool | bytes | None)
    return parts


@pytest.mark.parametrize("kind", FORMS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_an_index_does_what_a_dictionary_does(kind: AttributeType, data: st.DataObject) -> None:
    index, model, frozen = new(kind), dict[int, Any](), list[tuple[AttributeIndex, Model]]()
    for _ in range(data.draw(st.integers(1, 5))):
        action = data.draw(st.sampled_from(["write", "write", "erase", "freeze", "read"]))
        version = index.version
        if action == "write":
            batch = data.draw(st.dictionaries(st.sampled_from(ROWS), FORMS[kind] | st.none()))
            expected = {r for r, v in batch.items() if stored(v) != stored(model.get(r))}
            assert write(index, batch) == BitMap(expected)
            assert (index.version > version) == bool(expected)
            model = {r: v for r, v in {**model, **batch}.items() if v is not None}
        elif action == "erase":
            rows = BitMap(data.draw(st.sets(st.sampled_from(ROWS))))
            assert index.erase(rows) == BitMap(model.keys()) & rows
            model = {r: v for r, v in model.items() if r not in rows}
        elif action == "freeze":
            frozen.append((index.freeze(), dict(model)))
        else:
            check_queries(index, model)
        check(index, model)
    for old, then in [*frozen, (index, model)]:
        check(old, then)
        check_queries(old, then)
    loaded = load_index(index.schema, index.freeze().dump())
    check(loaded, model)
    check_queries(loaded, model)
    assert flat(loaded.dump()) == flat(index.dump())


@pytest.mark.parametrize("kind", FORMS)
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_a_value_that_is_taken_away_is_missing(kind: AttributeType, data: st.DataObject) -> None:
    value = data.draw(FORMS[kind])
    index = new(kind)
    write(index, {1: value, 2: value})
    write(index, {1: None})
    check(index, {2: value})
    check_queries(index, {2: value})


@pytest.mark.parametrize(
    "kind", [AttributeType.KEYWORD, AttributeType.KEYWORDS, AttributeType.TEXT]
)
def test_erasure_leaves_no_trace_of_what_was_ever_written(kind: AttributeType) -> None:
    index = new(kind)
    one = lambda text: (text,) if kind is AttributeType.KEYWORDS else text  # noqa: E731
    write(index, {1: one("first secret"), 2: one("common")})
    write(index, {1: one("second secret"), 3: one("other")})
    index.select(ContainsOneOf(("secret",), ()))
    index.erase(BitMap([1]))
    assert "secret" not in str(flat(index.dump()))
    assert not index.select(ContainsOneOf(("secret",), ()))
    assert index.get(2) == one("common")
    write(index, {4: one("first secret")})
    assert index.select(OneOf(frozenset(["first secret"]), frozenset())) == BitMap([4])


def test_erasure_forgets_earlier_spellings_of_a_person_without_a_value() -> None:
    index = new(AttributeType.KEYWORD)
    write(index, {1: "secret", 2: "x"})
    write(index, {1: None})
    version = index.version
    index.erase(BitMap([1]))
    assert "secret" not in str(flat(index.dump()))
    assert index.version > version


@pytest.mark.parametrize("kind", [AttributeType.KEYWORD, AttributeType.KEYWORDS])
def test_a_loaded_index_forgets_unheld_spellings_too(kind: AttributeType) -> None:
    index = new(kind)
    one = lambda text: (text,) if kind is AttributeType.KEYWORDS else text  # noqa: E731
    write(index, {1: one("secret"), 2: one("x")})
    write(index, {1: None})
    loaded = load_index(index.schema, index.dump())
    loaded.erase(BitMap([1]))
    assert "secret" not in str(flat(loaded.dump()))


def test_neighbours_that_all_pass_are_all_found() -> None:
    index = new(AttributeType.TEXT)
    write(index, dict.fromkeys(range(5), "aa"))
    for test in (
        EndsWith("a", False), StartsWith("a", False), ContainsOneOf(("a",), ()),
        OneOf(frozenset(["aa"]), frozenset()), EndsWith("aa", True),
    ):  # fmt: skip
        assert isinstance(index, TextIndex)
        assert index.select(test) == BitMap(range(5))


def test_more_spellings_than_are_told_apart_block_by_block() -> None:
    index = new(AttributeType.KEYWORD)
    write(index, {row: f"s{row % 3000}" for row in range(6000)})
    loaded = load_index(index.schema, index.dump())
    assert isinstance(loaded, KeywordIndex)
    assert loaded.select(OneOf(frozenset(["s7"]), frozenset())) == BitMap([7, 3007])
    assert len(loaded.counts(BitMap(range(3000)))) == 3000


def test_a_value_is_shown_as_the_first_spelling_that_somebody_holds() -> None:
    index = new(AttributeType.KEYWORD)
    assert isinstance(index, KeywordIndex)
    write(index, {5: "Straße", 1: "STRASSE"})
    write(index, {2: "strasse"})
    assert index.counts(BitMap(range(10))) == [("Straße", 3)]
    write(index, {5: "b"})
    assert index.counts(BitMap(range(10))) == [("STRASSE", 2), ("b", 1)]


def test_writing_the_same_value_is_no_change() -> None:
    index = new(AttributeType.KEYWORDS)
    write(index, {1: ("a", "b")})
    version = index.version
    assert not write(index, {1: ("b", "a"), 2: None})
    assert index.version == version


def test_a_frozen_index_refuses_writes() -> None:
    frozen = new(AttributeType.INTEGER).freeze()
    with pytest.raises(AssertionError):
        write(frozen, {1: 1})
    assert frozen.freeze() is frozen


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (AttributeType.KEYWORD, "codes"), (AttributeType.KEYWORD, "spellings"),
        (AttributeType.KEYWORDS, "codes"), (AttributeType.KEYWORDS, "spellings"),
        (AttributeType.TEXT, "values"), (AttributeType.BOOLEAN, "true"),
        (AttributeType.INTEGER, "exists"), (AttributeType.INTEGER, "values"),
        (AttributeType.LOCATION, "latitudes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrong", [None, [], {}, 7, BitMap([1, 2, 3])])
def test_damaged_parts_are_data_loss(kind: AttributeType, key: str, wrong: Any) -> None:
    index = new(kind)
    examples = {
        AttributeType.KEYWORD: "a", AttributeType.KEYWORDS: ("a", "b"), AttributeType.TEXT: "ä",
        AttributeType.BOOLEAN: False, AttributeType.INTEGER: 5, AttributeType.LOCATION: (1.0, 2.0),
    }  # fmt: skip
    write(index, {1: examples[kind]})
    parts = index.dump()
    if key == "exists" and isinstance(wrong, BitMap):
        wrong = BitMap([2])  # more members are not damage: their value may be 0
    if key == "true" and not isinstance(wrong, BitMap) and wrong != 7:
        wrong = BitMap([1])
    parts[key] = wrong
    with pytest.raises(DataLoss):
        load_index(index.schema, parts)
    parts.pop(key)
    with pytest.raises(DataLoss):
        load_index(index.schema, parts)


@pytest.mark.parametrize("values", ["few", "many", "heavy", "drifting"])
def test_ranges_over_many_rows(values: str) -> None:
    """Bins of every kind, bulk writes with reads between them, small writes after."""
    random = np.random.default_rng(7)
    count = 150_000
    data = {
        "few": random.integers(-3, 40, count) * 10,
        "many": random.integers(-(10**12), 10**12, count),
        "heavy": np.where(random.random(count) < 0.6, 0, random.integers(-500, 50_000, count)),
        "drifting": np.arange(count) * 3 - 1000,
    }[values].astype(np.int64)
    rows = random.permutation(count).astype(np.uint32)
    index = new(AttributeType.INTEGER)
    assert isinstance(index, NumberIndex)
    truth = np.zeros(count, np.int64)
    known = np.zeros(count, np.bool_)
    within = bitmaps.from_mask(random.random(count) < 0.3)
    for size in (50_000, 60_000, 10, 39_990, 1, 500, 100_000):
        part = random.choice(count, size, replace=False) if known.all() else None
        places = part if part is not None else np.arange(known.sum(), known.sum() + size)
        fresh = data[places] if part is None else data[random.permutation(count)[:size]]
        index.write(
            rows[places], ValueColumn(AttributeType.INTEGER, fresh, np.ones(size, np.bool_))
        )
        truth[rows[places]] = fresh
        known[places] = True
        exists = np.zeros(count, np.bool_)
        exists[rows[known]] = True
        for low, high in ((-100, 300), (0, 0), (None, 5000), (10**9, None), (7, 100_007)):
            hit = exists & (truth >= (low if low is not None else INT64_MIN))
            hit &= truth <= (high if high is not None else INT64_MAX)
            expected = bitmaps.from_mask(hit)
            assert index.range(low, high) == expected
            assert index.range_count(low, high, within) == len(expected & within)
        some = tuple(sorted(set(truth[::9973].tolist())))
        assert index.values_in(some) == bitmaps.from_mask(exists & np.isin(truth, some))
    edges = list(range(-1000, 50_001, 1000))
    everyone = truth[exists]
    expected_counts = np.histogram(everyone, edges)[0]
    expected_counts[-1] -= np.count_nonzero(everyone == edges[-1])
    assert index.histogram(edges, index.exists) == expected_counts.tolist()


def test_many_whole_values_and_pages_of_text() -> None:
    index = new(AttributeType.TEXT)
    assert isinstance(index, TextIndex)
    texts = [f"User.{i}@Exämple{i % 7}.com" if i % 3 else f"u{i}@x.org" for i in range(70_000)]
    index.write(
        np.arange(70_000, dtype=np.uint32),
        ValueColumn(AttributeType.TEXT, texts, np.ones(70_000, np.bool_)),
    )
    tests = [
        OneOf(frozenset(fold(texts[i]) for i in range(0, 70_000, 997)), frozenset([texts[5]])),
        OneOf(frozenset(), frozenset(t.lower() for t in texts[:40])),
        ContainsOneOf(("ämple3", "u69"), ("X.ORG", "User.7@")),
        StartsWith("User.65", True),
        EndsWith("5.COM".lower(), False),
    ]
    for test in tests:
        expected = BitMap([i for i, t in enumerate(texts) if test.matches(t, fold(t))])
        assert index.select(test) == expected
        index.write(
            np.array([3], np.uint32), ValueColumn(AttributeType.TEXT, [texts[3]], np.ones(1, bool))
        )
    frozen = index.freeze()
    index.erase(BitMap(range(65_536)))
    assert len(frozen.select(ContainsOneOf(("@",), ()))) == 70_000
    assert len(index.select(ContainsOneOf(("@",), ()))) == 70_000 - 65_536


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 1], [2]], "a code without a spelling"),  # one past the last
        ([[0], [1, 1]], "codes out of order"),
        ([[1, 0]], "codes out of order"),
    ],
)
def test_codes_that_cannot_be_are_data_loss(codes: list[list[int]], message: str) -> None:
    index = new(AttributeType.KEYWORDS)
    write(index, {1: ("a", "b")})
    parts = index.dump()
    damaged = RaggedColumn()
    lists = [np.array(held, "<u4").tobytes() for held in codes]
    damaged.put(np.arange(len(codes), dtype=np.uint32), lists)
    parts["codes"] = damaged.dump()
    with pytest.raises(DataLoss, match=message):
        load_index(index.schema, parts)


def test_codes_of_rows_need_rise_within_a_row_only() -> None:
    index = new(AttributeType.KEYWORDS)
    write(index, {1: ("a", "b"), 2: ("b",), 3: ("a",)})
    loaded = load_index(index.schema, index.dump())
    assert [loaded.get(row) for row in (1, 2, 3)] == [("a", "b"), ("b",), ("a",)]
