"""Words of bitmaps have a bit for each member, made either way."""

import numpy as np
import pytest
from headcount_server.core import dense
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

BLOCKS = 4
COUNT = BLOCKS * 1_024
ENDS = st.sampled_from([0, 1, 63, 64, 65_535, 65_536, 131_071, 196_608, 262_143])
SETS = st.one_of(
    st.just(BitMap()),
    st.sets(ENDS | st.integers(0, 262_143)).map(BitMap),
    st.builds(lambda first, step: BitMap(range(first, 262_144, step)), ENDS, st.integers(1, 99)),
)


@pytest.mark.parametrize("make", [dense.words_of, dense.by_numpy])
@given(rows=SETS, runs=st.booleans())
def test_a_bit_is_set_for_each_member(make, rows, runs):
    if runs:
        rows.run_optimize()
    words = make(rows, COUNT)
    assert len(words) == COUNT
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    assert np.flatnonzero(bits).tolist() == list(rows)
    assert dense.cardinality(words) == len(rows)


def test_words_may_go_on_after_the_last_member():
    words = dense.words_of(BitMap([70]), 1 << 16)
    assert words[1] == 1 << 6
    assert dense.cardinality(words) == 1


def test_a_member_past_the_words_is_refused():
    with pytest.raises(AssertionError):
        dense.words_of(BitMap([64]), 1)
