"""Page tokens belong to one question."""

import pytest
from headcount_server.errors import InvalidInput
from headcount_server.limits import Limits
from headcount_server.rpc.paging import page_size, page_token, place_of
from hypothesis import given
from hypothesis import strategies as st

PLACES = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1)


@given(PLACES, st.binary())
def test_a_token_gives_its_place_back(after, question):
    token = page_token(question, after)
    assert place_of(token, question) == after
    assert token.isascii()


def test_the_start_and_the_end_have_no_token():
    assert page_token(b"q", None) == ""
    assert place_of("", b"q") is None


@given(PLACES)
def test_a_token_of_another_question_is_refused(after):
    with pytest.raises(InvalidInput) as caught:
        place_of(page_token(b"one", after), b"another")
    assert caught.value.violations[0].reason == "PAGE_TOKEN_MISMATCH"


@given(st.text(min_size=1, max_size=40))
def test_what_is_no_token_is_refused(token):
    with pytest.raises(InvalidInput) as caught:
        place_of(token, b"q")
    assert caught.value.violations[0].field == "page_token"


def test_sizes_have_a_default_and_a_bound():
    limits = Limits(page_size_default=10, page_size_max=100)
    assert [page_size(asked, limits) for asked in (0, 1, 100, 101)] == [10, 1, 100, 100]
    with pytest.raises(InvalidInput):
        page_size(-1, limits)
