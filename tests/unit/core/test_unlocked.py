"""CRoaring's functions without the interpreter's lock say what pyroaring's methods say."""

import ctypes
import threading

import numpy as np
import pyroaring
import pytest
from headcount_server.core import bitmaps, unlocked
from headcount_server.core.unlocked import CFunctions, Methods, find
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

THERE = CFunctions(ctypes.CDLL(pyroaring.__file__))
WAYS = pytest.mark.parametrize("way", [THERE, Methods()], ids=["functions", "methods"])
ROWS_MAX = 1 << 20

spans = st.tuples(st.integers(0, ROWS_MAX), st.integers(1, 200_000), st.sampled_from([1, 2, 3, 40]))


@st.composite
def rows(draw):
    """Bitmaps with containers of every kind, small, large and empty."""
    found = BitMap(draw(st.lists(st.integers(0, ROWS_MAX), max_size=30)))
    for start, length, step in draw(st.lists(spans, max_size=3)):
        found |= BitMap(range(start, start + length, step))
    for start, length, _ in draw(st.lists(spans, max_size=1)):
        found -= BitMap(range(start, start + length))
    if draw(st.booleans()):
        found.run_optimize()
    return found


@WAYS
@given(left=rows(), right=rows())
def test_two_bitmaps(way, left, right):
    before = BitMap(left), BitMap(right)
    assert way.shared_count(left, right) == len(left & right)
    assert way.shared(left, right) == left & right
    assert way.without(left, right) == left - right
    assert (left, right) == before


@WAYS
@given(many=st.lists(rows(), max_size=5))
def test_many_bitmaps(way, many):
    before = list(map(BitMap, many))
    expected = BitMap()
    for one in many:
        expected |= one
    assert way.union(many) == expected
    assert many == before


@WAYS
@given(one=rows())
def test_the_members_in_an_array(way, one):
    found = way.to_array(one)
    assert found.dtype == np.uint32
    assert found.tolist() == list(one)


@WAYS
@given(left=rows(), right=rows())
def test_results_belong_to_the_caller(way, left, right):
    made = [way.shared(left, right), way.without(left, right), way.union([left, right])]
    before = BitMap(left), BitMap(right)
    for one in made:
        one.add(ROWS_MAX * 2)
        one.difference_update(left)
        one.clear()
    assert (left, right) == before


@WAYS
def test_threads_at_the_same_bitmaps_disturb_nobody(way):
    random = np.random.default_rng(1)
    shares = (0.6, 0.3, 0.1, 0.05, 0.01)
    published = [bitmaps.from_mask(random.random(1 << 20) < share) for share in shares]
    counts = [[len(left & right) for right in published] for left in published]
    whole, failures = BitMap.union(*published), []

    def work():
        try:
            for _ in range(10):
                for left, expected in zip(published, counts, strict=True):
                    shared = [way.shared(left, right) for right in published]
                    assert [way.shared_count(left, right) for right in published] == expected
                    assert list(map(len, shared)) == expected
                    assert way.union([*shared, *published]) == whole
                    assert len(way.to_array(left)) == len(left)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):  # the methods, on the same bitmaps
        assert [[len(one & other) for other in published] for one in published] == counts
    for thread in threads:
        thread.join()
    assert not failures


def test_the_functions_are_used_where_they_are_there():
    assert isinstance(find(), CFunctions)


def hidden(monkeypatch):
    class Library:
        def __init__(self, path):
            assert path == pyroaring.__file__

    monkeypatch.setattr(ctypes, "CDLL", Library)


def missing(monkeypatch):
    def load(path):
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", load)


def newer(monkeypatch):
    monkeypatch.setattr(pyroaring, "__croaring_version__", "v6.0.0")


def unknown(monkeypatch):
    monkeypatch.delattr(pyroaring, "__croaring_version__")


def wrong(monkeypatch):
    monkeypatch.setattr(CFunctions, "shared_count", lambda self, left, right: 1)


@pytest.mark.parametrize("spoil", [hidden, missing, newer, unknown, wrong])
def test_the_methods_are_used_where_the_functions_are_not_those_known(spoil, monkeypatch):
    spoil(monkeypatch)
    assert isinstance(find(), Methods)


@WAYS
def test_the_module_goes_either_way(way, monkeypatch):
    monkeypatch.setattr(unlocked, "OPERATIONS", way)
    left, right = BitMap(range(0, 200_000, 2)), BitMap(range(0, 200_000, 3))
    assert unlocked.shared_counts(left, [right, left, BitMap()]) == [33_334, 100_000, 0]
    assert unlocked.shared(left, right) == left & right
    assert unlocked.without(left, right) == left - right
    assert unlocked.union([left, right]) == left | right
    assert unlocked.to_array(right).tolist() == list(right)


def test_containers():
    assert unlocked.containers(BitMap()) == 0
    assert unlocked.containers(BitMap([65_535])) == 1
    assert unlocked.containers(BitMap([65_536])) == 2
