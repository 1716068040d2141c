"""Sets counted by words give what bitmaps give, or nothing, whatever the blocks look like."""

from unittest.mock import patch

import pytest
from headcount_server.core.plan import combined, words
from headcount_server.core.plan.words import Combined, Kind, WordForms
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

EVERYONE = BitMap(range(0, 3 * 65_536 + 17)) - BitMap(range(70_000, 80_000))
EDGES = st.sampled_from([0, 1, 63, 64, 65_535, 65_536, 131_071, 131_072, 196_608, 196_624])
SETS = st.one_of(
    st.just(BitMap()),
    st.just(EVERYONE),
    st.just(BitMap(range(0, 196_625, 2)) & EVERYONE),  # what words are made with
    st.just(BitMap(range(1, 196_625, 2)) & EVERYONE),
    st.sets(EDGES).map(BitMap),
    st.builds(lambda a, b: BitMap(range(a, a + b)) & EVERYONE, EDGES, st.integers(1, 90_000)),
    st.builds(lambda a, b: BitMap(range(a, 196_625, b)) & EVERYONE, EDGES, st.integers(1, 99)),
)


@pytest.fixture(autouse=True)
def _costless():
    with patch.multiple(words, _COUNT=-(10**9)):
        yield


def _counts(forms, *sets, everyone=EVERYONE):
    """The second ask's answer."""
    forms.counts(everyone, *sets)
    return forms.counts(everyone, *sets)


@given(st.lists(SETS, min_size=1, max_size=3), st.lists(SETS, max_size=2), st.none() | SETS)
def test_counts_are_those_of_bitmaps(parts, without, other):
    either = Combined(Kind.ANY, tuple(parts))
    one = Combined(Kind.ALL, (EVERYONE, either), tuple(without))
    expected = BitMap.union(*parts)
    for rows in without:
        expected = expected - rows
    found = _counts(WordForms(), one, other)
    shared = expected if other is None else expected & other
    assert found is None or found == (len(expected), len(shared))
    unusual = (*parts, *without, *([] if other is None else [other]))
    if not any(len(rows ^ BitMap(range(0, 262_144, 2))) < 120_000 for rows in unusual):
        assert found is not None


def test_a_sum_is_counted_by_parity():
    sets = BitMap(range(0, 500)), BitMap(range(100, 200)), BitMap(range(300, 400))
    assert _counts(WordForms(), Combined(Kind.PARITY, sets), None) == (300, 300)


def test_rows_outside_the_blocks_of_everyone_are_left_to_bitmaps():
    for row in ((4 << 16) - 1, 4 << 16, 5 << 16):  # EVERYONE has four blocks
        beyond = BitMap([5, row])
        counts = _counts(WordForms(), Combined(Kind.ALL, (EVERYONE, beyond)), None)
        assert counts == ((1, 1) if row < 4 << 16 else None)
    # As many blocks as there should be, one of them another.
    swapped = (BitMap(range(0, 65_536, 2)) | BitMap([5 << 16])) - BitMap([5])
    assert _counts(WordForms(), Combined(Kind.ALL, (EVERYONE, swapped)), None) is None


def test_rows_far_apart_are_left_to_bitmaps():
    everyone = BitMap(range(0, 40 << 16, 1 << 16))
    some = BitMap([0, 3 << 16])
    one = Combined(Kind.ALL, (everyone, some))
    assert _counts(WordForms(), one, None, everyone=everyone) is None


def test_kept_words_stay_within_the_budget():
    forms = WordForms(100_000)  # of which three sets of four blocks take 96 KiB
    sets = [BitMap(range(i, 9_000, 7)) for i in range(6)]
    for rows in sets:
        expected = len(rows & EVERYONE)
        assert _counts(forms, Combined(Kind.ALL, (EVERYONE, rows)), None) == (expected, expected)
    assert 0 < forms.nbytes <= 100_000
    forms.clear()
    assert forms.nbytes == 0


def test_other_blocks_make_other_words():
    forms = WordForms()
    rows = BitMap(range(0, 9_000, 7))
    one = Combined(Kind.ALL, (EVERYONE, rows))
    assert _counts(forms, one, None) == (len(rows), len(rows))
    more = EVERYONE | BitMap(range(300_000, 320_000))
    assert _counts(forms, Combined(Kind.ALL, (more, rows)), None, everyone=more) == (
        len(rows), len(rows),
    )  # fmt: skip


def test_two_parts_are_combined_and_one_stands_for_itself():
    one, other = BitMap([1]), BitMap([2])
    assert combined._one(Kind.ANY, (one, other)) == Combined(Kind.ANY, (one, other))
    assert combined._one(Kind.ANY, (one,)) is one
    assert combined._one(Kind.ANY, ()) == BitMap()
