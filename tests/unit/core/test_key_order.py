"""Pages of string keys by the order that is kept of them, whatever is written between pages."""

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.keys import KeyDirectory
from headcount_server.core.keys import order as ordering
from headcount_server.core.keys.order import in_order
from headcount_server.core.schema import KeyType
from hypothesis import given
from hypothesis import strategies as st

texts = st.text("a\0bé", max_size=20).map(str.encode)
keys = st.text("abcdefghß", min_size=1, max_size=12)


@given(st.lists(texts, max_size=40))
def test_texts_in_the_order_of_their_bytes(some):
    lengths = np.array(list(map(len, some)), np.int64)
    order = in_order(np.frombuffer(b"".join(some), np.uint8), lengths)
    assert [some[i] for i in order.tolist()] == sorted(some)


@pytest.fixture(autouse=True)
def _runs_for_everything(monkeypatch):
    monkeypatch.setattr(ordering, "_FEW", 0)
    monkeypatch.setattr(ordering, "_LOOSE", 2)
    monkeypatch.setattr(ordering, "_PORTION", 1)


def members_of(directory, wanted):
    """The rows of keys, in a bitmap."""
    rows = directory.find(sorted(wanted)) if wanted else np.empty(0, np.int64)
    return bitmaps.from_rows(rows.astype(np.uint32))


writes = st.tuples(st.sampled_from(["add", "remove"]), st.sets(keys, max_size=30))


@given(
    partitions=st.sampled_from([1, 3, 64]),
    written=st.lists(writes, min_size=1, max_size=6),
    asked=st.sets(keys, max_size=20),
    limit=st.integers(1, 9),
)
def test_pages_are_those_of_the_sorted_keys(partitions, written, asked, limit):
    directory, present = KeyDirectory(KeyType.STRING, partitions), set()
    for what, some in written:
        if what == "add":
            directory.find_or_add(sorted(some))
            present |= some
        elif present & some:
            rows = directory.find(sorted(present & some)).astype(np.uint32)
            directory.remove(rows)
            directory.release(rows)
            present -= some
        for wanted in (present, present & asked):
            members = members_of(directory, wanted)
            ordered = sorted(wanted)
            assert directory.page_after(members, None, limit) == ordered[:limit]
            for after in sorted(asked)[:5]:
                larger = [key for key in ordered if key > after]
                assert directory.page_after(members, after, limit) == larger[:limit]


def test_all_pages_together_are_all_keys_once():
    directory = KeyDirectory(KeyType.STRING)
    names = [f"s{(i * 7_919) % 50_021:09d}" for i in range(50_021)]
    directory.find_or_add(names)
    wanted = names[::3]
    members = members_of(directory, wanted)
    found, after = [], None
    while page := directory.page_after(members, after, 997):
        found += page
        after = page[-1]
    assert found == sorted(wanted)


def test_a_page_looks_at_few_keys_but_its_own(monkeypatch):
    monkeypatch.setattr(ordering, "_PORTION", 8)
    directory = KeyDirectory(KeyType.STRING)
    directory.find_or_add([f"{i:08d}" for i in range(30_000)])
    directory.page_after(directory.everyone, None, 10)
    looked_at = []
    take = ordering.KeyOrder._take
    monkeypatch.setattr(
        ordering.KeyOrder, "_take", lambda self, rows: looked_at.extend(rows) or take(self, rows)
    )
    assert directory.page_after(directory.everyone, "00015000", 100)[0] == "00015001"
    assert 100 <= len(looked_at) <= 64 * (8 + 4)


def test_the_order_counts_as_memory():
    directory = KeyDirectory(KeyType.STRING)
    directory.find_or_add([f"{i:08d}" for i in range(30_000)])
    before = directory.nbytes
    directory.page_after(directory.everyone, None, 10)
    assert directory.nbytes == before + 2 * 30_000
