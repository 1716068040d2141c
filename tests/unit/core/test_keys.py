"""The key directory against a dict: three key types, erasure, collisions, dumps."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from headcount_server.core.columns import Column
from headcount_server.core.keys import KeyDirectory, allotment, hashing, mix, stable_hash
from headcount_server.core.schema import KeyType
from headcount_server.errors import DataLoss, InvalidBatch, LimitExceeded
from headcount_server.limits import DEFAULT_LIMITS, INT64_MAX, INT64_MIN
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

MAX = DEFAULT_LIMITS.uint32_key_max
text = st.one_of(
    st.sampled_from(["a", "b", "ä", "\0", "z" * 255, "1"]), st.text(min_size=1, max_size=3)
)
number = st.one_of(st.sampled_from([0, -1, INT64_MIN, INT64_MAX]), st.integers(-50, 50))
unsigned = st.one_of(st.sampled_from([0, 65_535, 65_536, MAX - 1, MAX]), st.integers(0, 50))
KEYS = {KeyType.STRING: text, KeyType.INT64: number, KeyType.UINT32: unsigned}


def given_keys(key_type: KeyType, keys: list[Any]) -> Any:
    return keys if key_type is KeyType.STRING else np.array(keys, np.int64)


def listed(keys: Any) -> list[Any]:
    return keys if isinstance(keys, list) else keys.tolist()


def order(key: Any) -> Any:
    return key.encode() if isinstance(key, str) else key


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, BitMap):
        return list(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def holds(directory: KeyDirectory, model: dict[Any, int], absent: list[Any]) -> None:
    key_type = directory.key_type
    assert directory.everyone == BitMap(model.values())
    assert len(directory) == len(model)
    keys = list(model)
    assert directory.find(given_keys(key_type, keys + absent)).tolist() == [
        model.get(key, -1) for key in keys + absent
    ]
    rows = np.array([model[key] for key in keys], np.uint32)
    assert listed(directory.keys(rows)) == keys
    assert [directory.key(int(row)) for row in rows] == keys
    assert directory.hashes(rows).tolist() == [stable_hash(str(key)) for key in keys]
    ordered = sorted(keys, key=order)
    assert listed(directory.sorted_keys(directory.everyone)) == ordered
    everyone = directory.everyone
    assert listed(directory.page_after(everyone, None, 3)) == ordered[:3]
    for place in range(0, len(ordered), 3):
        page = directory.page_after(everyone, ordered[place], 2)
        assert listed(page) == ordered[place + 1 : place + 3]
    texts = {r: t for rs, ts in directory.texts() for r, t in zip(rs.tolist(), ts, strict=True)}
    assert texts == {row: str(key).encode() for key, row in model.items()}


def steps_of(key_type: KeyType) -> st.SearchStrategy[list[Any]]:
    batch = st.lists(KEYS[key_type], max_size=8)
    others = st.sampled_from(["remove", "release", "freeze", "load"])
    return st.lists(st.one_of(batch, others), max_size=12)


histories = st.sampled_from(list(KeyType)).flatmap(
    lambda key_type: st.tuples(st.just(key_type), steps_of(key_type))
)


@given(histories, st.sampled_from([1, 2, 64]))
@settings(max_examples=150, deadline=None)
def test_a_directory_is_a_dict_and_deterministic(
    history: tuple[KeyType, list[Any]], partitions: int
) -> None:
    key_type, steps = history
    directory, twin = KeyDirectory(key_type, partitions), KeyDirectory(key_type, partitions)
    model, waiting, ever = dict[Any, int](), list[int](), list[Any]()
    frozen: list[tuple[KeyDirectory, dict[Any, int]]] = []
    for step in steps:
        if step == "remove":
            gone = sorted(model, key=order)[::2]
            rows = np.array([model.pop(key) for key in gone], np.uint32)
            for each in (directory, twin):
                each.remove(rows)
            waiting += rows.tolist()
        if step == "release" or (waiting and key_type is KeyType.UINT32):
            for each in (directory, twin):
                each.release(np.array(waiting, np.uint32))
            waiting = []
        if step == "freeze":
            frozen.append((directory.freeze(), dict(model)))
        if step == "load":
            twin = KeyDirectory.load(twin.dump())
        if isinstance(step, list):
            rows, is_new = directory.find_or_add(given_keys(key_type, step))
            again = twin.find_or_add(given_keys(key_type, step))
            assert rows.tolist() == again[0].tolist()
            assert is_new.tolist() == again[1].tolist()
            for key, row, new in zip(step, rows.tolist(), is_new.tolist(), strict=True):
                assert new == (key not in model)
                assert model.setdefault(key, row) == row
                assert row not in waiting
                if key_type is KeyType.UINT32:
                    assert row == key
                else:
                    assert (row >> 16) % partitions == stable_hash(str(key)) % partitions
            ever += step
    assert len(set(model.values())) == len(model)
    absent = [key for key in ever if key not in model]
    holds(directory, model, absent)
    holds(twin, model, absent)
    assert plain(directory.dump()) == plain(twin.dump())
    for view, contents in frozen:
        holds(view, contents, [key for key in ever if key not in contents])


def test_local_numbers_run_on_over_the_blocks_of_a_partition() -> None:
    directory = KeyDirectory(KeyType.INT64, 2)
    keys = np.arange(300_000, dtype=np.int64)
    rows, is_new = directory.find_or_add(keys)
    assert is_new.all()
    assert len(directory) == 300_000
    for partition in (0, 1):
        mine = rows[(rows >> 16) % 2 == partition].astype(np.int64)
        local = (mine >> 17) * 65_536 + (mine & 65_535)
        assert local.tolist() == list(range(len(mine)))
    assert directory.find(keys).tolist() == rows.tolist()
    assert directory.keys(rows).tolist() == keys.tolist()
    directory.remove(rows[::2])
    assert (directory.find(keys)[::2] == -1).all()
    assert directory.find(keys)[1::2].tolist() == rows[1::2].tolist()


def test_the_table_splits_and_still_finds_every_text() -> None:
    directory = KeyDirectory(KeyType.STRING)
    keys = [f"k{i}" for i in range(30_000)]
    parts = [directory.find_or_add(keys[i : i + 7000])[0] for i in range(0, len(keys), 7000)]
    rows = np.concatenate(parts)
    assert len(np.unique(rows)) == len(keys)
    assert directory.find(keys).tolist() == rows.tolist()
    assert (directory.find([f"m{i}" for i in range(9000)]) == -1).all()


def test_removed_entries_of_the_table_are_cleared_away() -> None:
    directory = KeyDirectory(KeyType.INT64, 4)
    size = directory.nbytes
    for turn in range(40):
        rows, _ = directory.find_or_add(np.arange(1000, dtype=np.int64) + 1000 * turn)
        directory.remove(rows)
        directory.release(rows)
    assert not directory.everyone
    assert directory.nbytes < size + 60_000


def test_keys_whose_hashes_collide_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(_: Any, lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return (lengths % 3).astype(np.uint32)

    monkeypatch.setattr(hashing, "text_hashes", few)
    monkeypatch.setattr(hashing, "text_hash", lambda text: len(text) % 3)
    directory = KeyDirectory(KeyType.STRING)
    keys = [f"{'x' * (i % 5)}{i}" for i in range(300)]
    rows, is_new = directory.find_or_add(keys)
    assert is_new.all()
    assert len(set(rows.tolist())) == 300
    assert directory.find(keys).tolist() == rows.tolist()
    assert directory.find(["xx", "9999", "abc"]).tolist() == [-1, -1, -1]
    directory.remove(rows[::3])
    expected = np.where(np.arange(300) % 3 == 0, -1, rows.astype(np.int64))
    assert directory.find(keys).tolist() == expected.tolist()
    assert directory.find_or_add(keys)[1].tolist() == (np.arange(300) % 3 == 0).tolist()


@given(st.lists(st.binary(max_size=30)))
def test_the_tables_hash_of_many_texts_is_that_of_each(texts: list[bytes]) -> None:
    joined = np.frombuffer(b"".join(texts), np.uint8)
    lengths = np.array([len(text) for text in texts], np.int64)
    expected = [hashing.text_hash(text) for text in texts]
    assert hashing.text_hashes(joined, lengths).tolist() == expected


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 17, 255])
def test_the_tables_hash_of_texts_of_one_length_is_that_of_each(size: int) -> None:
    texts = [bytes(range(i, i + size - 1)) + b"x" if size > 1 else b"x" for i in range(2)]
    joined = np.frombuffer(b"".join(texts), np.uint8)
    expected = [hashing.text_hash(text) for text in texts]
    assert hashing.text_hashes(joined, np.full(2, size)).tolist() == expected


def test_keys_chosen_to_share_their_mixed_bits_do_not_share_places() -> None:
    """Nobody knows the number that the table's hash starts from, so nobody can fill one place."""
    shared = np.arange(3_000, dtype=np.uint64)  # the same leading bits if mixed as they are
    keys = unmixed(shared).view(np.int64)
    assert mix(keys.view(np.uint64)).tolist() == shared.tolist()
    directory = KeyDirectory(KeyType.INT64)
    rows, is_new = directory.find_or_add(keys)
    assert is_new.all()
    assert directory.find(keys).tolist() == rows.tolist()
    assert len(np.unique(hashing.number_hashes(keys) >> np.uint32(20))) > 1_000


def unmixed(z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The inverse of `mix`."""

    def unshifted(z: np.ndarray[Any, Any], bits: int) -> np.ndarray[Any, Any]:
        result = z
        for _ in range(64 // bits):
            result = z ^ (result >> np.uint64(bits))
        return result

    z = unshifted(z, 31) * np.uint64(pow(0x94D049BB133111EB, -1, 2**64))
    z = unshifted(z, 27) * np.uint64(pow(0xBF58476D1CE4E5B9, -1, 2**64))
    return unshifted(z, 30)


def test_a_repeated_key_is_new_once() -> None:
    directory = KeyDirectory(KeyType.STRING)
    rows, is_new = directory.find_or_add(["a", "b", "a"])
    assert rows[0] == rows[2]
    assert is_new.tolist() == [True, True, False]


def test_freed_rows_are_reused_smallest_first_and_only_after_release() -> None:
    directory = KeyDirectory(KeyType.STRING, 1)
    directory.find_or_add(["a", "b", "c", "d"])
    directory.remove(np.array([3, 1], np.uint32))
    assert directory.find_or_add(["e"])[0].tolist() == [4]
    directory.release(np.array([3, 1], np.uint32))
    assert directory.find_or_add(["f", "g", "h"])[0].tolist() == [1, 3, 5]
    with pytest.raises(AssertionError):
        directory.release(np.array([0], np.uint32))


def residue(value: Any, seen: set[int], wanted: bytes) -> bool:
    """Whether bytes are left anywhere below an object."""
    if id(value) in seen:
        return False
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return wanted in value.tobytes()
    if isinstance(value, bytes):
        return wanted in value
    if isinstance(value, dict):
        return any(residue(each, seen, wanted) for each in value.values())
    slots = getattr(type(value), "__slots__", ())
    return any(residue(getattr(value, slot, None), seen, wanted) for slot in slots)


def test_erasure_leaves_no_trace_of_the_key() -> None:
    for key_type, key in ((KeyType.STRING, "SECRET"), (KeyType.INT64, 0x5EC4E75EC4E7)):
        directory = KeyDirectory(key_type)
        others = [f"k{i}" for i in range(500)] if isinstance(key, str) else list(range(500))
        rows, _ = directory.find_or_add([*others, key])  # pyright: ignore[reportArgumentType]
        wanted = key.encode() if isinstance(key, str) else key.to_bytes(8, "little")
        hashed = blake2b(str(key).encode(), digest_size=8).digest()
        assert residue(directory, set(), wanted)
        assert residue(directory, set(), hashed)
        directory.remove(rows[-1:])
        assert not residue(directory, set(), wanted)
        assert not residue(directory, set(), hashed)


@pytest.mark.parametrize(
    ("key_type", "keys", "bad", "remedy"),
    [
        (KeyType.STRING, ["a", "", "b"], [1], "1 to 255 bytes"),
        (KeyType.STRING, ["ä" * 128, "ä" * 127], [0], "256 bytes"),
        (KeyType.STRING, ["a", 5, None, True], [1, 2, 3], "are strings"),
        (KeyType.STRING, [b"a"], [0], "is bytes"),
        (KeyType.STRING, ["\ud800x"], [0], "surrogate"),
        (KeyType.INT64, [1, "2", True, 2.0], [1, 2, 3], "whole numbers"),
        (KeyType.INT64, [INT64_MAX + 1, INT64_MIN, INT64_MIN - 1], [0, 2], "is not from"),
        (KeyType.INT64, np.array([1.0]), [0], "floating-point"),
        (KeyType.INT64, np.array([True]), [0], "a boolean"),
        (KeyType.INT64, np.array([2**63, 1], np.uint64), [0], "is not from"),
        (KeyType.UINT32, np.array([MAX, MAX + 1]), [1], "int64 takes it"),
        (KeyType.UINT32, [0, -1], [1], "is not from 0 to"),
    ],
)
def test_bad_keys_are_refused_by_index(
    key_type: KeyType, keys: Any, bad: list[int], remedy: str
) -> None:
    directory = KeyDirectory(key_type)
    with pytest.raises(InvalidBatch) as refused:
        directory.find_or_add(keys)
    assert [violation.row for violation in refused.value.violations] == bad
    assert remedy in refused.value.violations[0].description
    assert refused.value.metadata["bad_rows"] == str(len(bad))
    assert [index for index, _ in directory.validate(keys)] == bad
    assert not directory.everyone


def test_an_error_lists_so_many_bad_keys_and_tells_the_total() -> None:
    with pytest.raises(InvalidBatch) as refused:
        KeyDirectory(KeyType.STRING).find_or_add([""] * 150)
    assert len(refused.value.violations) == 100
    assert refused.value.metadata["bad_rows"] == "150"


def test_looking_up_what_could_be_no_key_finds_nothing() -> None:
    strings = KeyDirectory(KeyType.STRING)
    strings.find_or_add(["a"])
    assert strings.find(["", "x" * 300, "\ud800", "a"])[:3].tolist() == [-1] * 3
    numbers = KeyDirectory(KeyType.INT64)
    numbers.find_or_add([0, 7])
    assert numbers.find([2**70, 7, -(2**70)]).tolist()[::2] == [-1, -1]
    assert numbers.find(np.array([2**64 - 1], np.uint64)).tolist() == [-1]
    rows = KeyDirectory(KeyType.UINT32)
    rows.find_or_add([0, 7])
    assert rows.find([-1, 2**32, 2**32 + 7, 7]).tolist() == [-1, -1, -1, 7]
    for directory, keys in ((strings, [1]), (numbers, ["7"]), (rows, [True])):
        with pytest.raises(InvalidBatch):
            directory.find(keys)  # pyright: ignore[reportArgumentType]


def test_empty_batches() -> None:
    for key_type in KeyType:
        directory = KeyDirectory(key_type)
        rows, is_new = directory.find_or_add([])
        assert rows.dtype == np.uint32
        assert not len(rows)
        assert not len(is_new)
        assert not len(directory.find([]))
        assert not len(directory.page_after(directory.everyone, None, 5))


def test_the_stable_hash_and_its_mix_are_those_of_the_contract() -> None:
    expected = int.from_bytes(blake2b("ä1".encode(), digest_size=8).digest(), "little")
    assert stable_hash("ä1") == expected
    z = 0x0123456789ABCDEF
    mixed = int(mix(np.array([z], np.uint64))[0])
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 % 2**64
    z ^= z >> 27
    z = z * 0x94D049BB133111EB % 2**64
    assert mixed == z ^ z >> 31


def test_a_dump_that_contradicts_itself_is_refused() -> None:
    directory = KeyDirectory(KeyType.STRING, 2)
    rows, _ = directory.find_or_add(["a", "b", "c"])
    directory.remove(rows[:1])
    directory.release(rows[:1])
    good = directory.dump()
    assert KeyDirectory.load(good).everyone == directory.everyone
    allotment = good["allotment"]
    for change in (
        {"everyone": BitMap([5])},
        {"key_type": "float"},
        {"hashes": Column(np.int8).dump()},
        {"allotment": allotment | {"free": directory.everyone}},
        {"allotment": allotment | {"next": np.zeros(2, np.int64)}},
        {"allotment": allotment | {"next": np.zeros(2, np.int32)}},
        {"allotment": None},
        {"texts": {}},
    ):
        with pytest.raises(DataLoss):
            KeyDirectory.load(good | change)


def test_keys_looked_up_one_by_one_are_found_as_those_looked_up_together():
    directory = KeyDirectory(KeyType.STRING, 4)
    keys = [f"key {i}" for i in range(12_000)]
    rows, _ = directory.find_or_add(keys)
    gone = rows[::3]
    directory.remove(gone)
    directory.release(gone)
    directory.find_or_add([f"new {i}" for i in range(2_000)])
    asked = [*keys[::7], "", "nobody", *(f"new {i}" for i in range(0, 2_000, 9))]
    together = directory.find(asked).tolist()
    assert [int(directory.find([key])[0]) for key in asked] == together
    assert 0 < sum(row < 0 for row in together) < len(together)


def test_pages_of_more_keys_than_one_step_looks_at_are_in_order() -> None:
    directory = KeyDirectory(KeyType.STRING)
    keys = [f"{number * 7_919 % 10_007:05d}" for number in range(6_000)]
    directory.find_or_add(keys)
    ordered, found, after = sorted(keys), [], None
    while page := list(directory.page_after(directory.everyone, after, 1_700)):
        found += page
        after = page[-1]
    assert found == ordered
    steps = directory.page_steps(directory.everyone, None, 10)
    assert len(list(steps)) == 3


def test_keys_up_to_both_ends_of_64_bits_are_found() -> None:
    numbers = KeyDirectory(KeyType.INT64)
    rows, _ = numbers.find_or_add([INT64_MAX, INT64_MIN])
    high, low = rows.tolist()
    assert numbers.find([2**70, INT64_MAX, INT64_MIN]).tolist() == [-1, high, low]
    assert numbers.find([INT64_MAX + 1, INT64_MIN - 1]).tolist() == [-1, -1]
    assert numbers.find(np.array([INT64_MAX, INT64_MAX + 1], np.uint64)).tolist() == [high, -1]


def test_a_key_of_255_bytes_is_good_beside_a_bad_one() -> None:
    directory = KeyDirectory(KeyType.STRING)
    assert directory.validate(["x" * 255]) == []
    assert [index for index, _ in directory.validate(["x" * 255, "", "x" * 256])] == [1, 2]
    assert directory.find_or_add(["x" * 255])[1].tolist() == [True]


@pytest.mark.parametrize(
    ("key", "fits"),
    [(INT64_MAX, True), (INT64_MIN, True), (INT64_MAX + 1, False), (INT64_MIN - 1, False)],
)
def test_only_a_key_of_64_bits_is_told_of_audiences_that_take_it(key: int, fits: bool) -> None:
    [(_, fault)] = KeyDirectory(KeyType.UINT32).validate([key])
    assert ("int64 takes it" in fault) == fits


@pytest.mark.parametrize("key_type", list(KeyType))
def test_the_subscriber_of_row_0_is_not_added_again(key_type: KeyType) -> None:
    directory = KeyDirectory(key_type, 1)
    key: Any = "0" if key_type is KeyType.STRING else 0
    rows, is_new = directory.find_or_add([key])
    assert (rows.tolist(), is_new.tolist()) == ([0], [True])
    rows, is_new = directory.find_or_add([key])
    assert (rows.tolist(), is_new.tolist()) == ([0], [False])


def test_rows_are_given_out_to_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allotment, "_BLOCKS_MAX", 2)
    given = allotment.Allotment(1)
    assert int(given.allot(np.zeros(2 * 65_536, np.uint64)).max()) == 2 * 65_536 - 1
    with pytest.raises(LimitExceeded):
        given.allot(np.zeros(1, np.uint64))


@pytest.mark.parametrize("partitions", [1, 4096])
def test_a_dump_may_have_1_to_4096_partitions(partitions: int) -> None:
    directory = KeyDirectory(KeyType.STRING, partitions)
    directory.find_or_add(["a", "b", "c"])
    good = directory.dump()
    assert KeyDirectory.load(good).everyone == directory.everyone
    for wrong in (0, 4097):
        parts = good["allotment"] | {"next": np.zeros(wrong, np.int64)}
        with pytest.raises(DataLoss):
            KeyDirectory.load(good | {"allotment": parts})


def test_a_dump_with_a_row_just_past_those_given_out_is_refused() -> None:
    directory = KeyDirectory(KeyType.STRING, 2)
    directory.find_or_add(["a", "b", "c", "d", "e", "f"])
    good = directory.dump()
    moved = good["allotment"]["next"] + np.array([-1, 1])
    with pytest.raises(DataLoss, match="never given out"):
        KeyDirectory.load(good | {"allotment": good["allotment"] | {"next": moved}})


@pytest.mark.parametrize(
    ("key", "shown"), [(10**59, f"{10**59}"), (10**60, "1" + "0" * 56 + "...")]
)
def test_a_key_at_fault_is_shown_as_far_as_it_helps(key: int, shown: str) -> None:
    [(index, fault)] = KeyDirectory(KeyType.STRING).validate([key])
    assert index == 0
    assert fault.startswith(f"key {shown} is ")
