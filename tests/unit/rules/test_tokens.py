"""How long a text may be to be read past its faults."""

from __future__ import annotations

import pytest
from headcount_server.core.rules.suggest import expectations
from headcount_server.core.rules.tolerant import parse_tolerant
from headcount_server.errors import LimitExceeded
from headcount_server.limits import DEFAULT_LIMITS, Limits

MIB = 1 << 20


def refused(text: str, limits: Limits = DEFAULT_LIMITS) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as caught:
        parse_tolerant(text, limits)
    return caught.value


@pytest.mark.parametrize(
    "piece", ["(", ")", ",", "a ", "not ", "x = 1 or ", "(x and ", "'", "a=1)"]
)
def test_a_mebibyte_of_nonsense_is_refused_before_it_is_read(piece: str):
    error = refused(piece * (MIB // len(piece)))
    assert error.metadata["limit"] in ("tolerant_tokens_max", "recovery_tokens_max")


def test_an_unfinished_text_past_the_limit_is_refused_at_its_first_fault():
    limits = Limits(recovery_tokens_max=10)
    assert parse_tolerant("a = 1 and\nb = 2 and c =", limits).incomplete
    error = refused("a = 1 and\nb = 2 and c = and", limits)
    fault = error.violations[0]
    assert error.metadata["limit"] == "recovery_tokens_max"
    assert (fault.line, fault.column, fault.start) == (2, 15, 24)


def test_a_finished_text_is_read_however_many_tokens_an_unfinished_one_may_have():
    listed = ", ".join(f'"{i}"' for i in range(1_000))
    limits = Limits(recovery_tokens_max=10, tolerant_tokens_max=1_004)
    assert parse_tolerant(f"a in ({listed})", limits).incomplete == ()
    error = refused(f"a in ({listed}) ", Limits(tolerant_tokens_max=1_003))
    assert error.metadata["limit"] == "tolerant_tokens_max"


def test_suggestions_read_only_what_stands_before_the_place():
    limits = Limits(recovery_tokens_max=11)
    text = "a = 1 and b = 2 and c = 3 and d = 4"
    assert expectations(text, 24, limits).prefix == ""
    with pytest.raises(LimitExceeded) as caught:
        expectations(text, len(text), limits)
    assert caught.value.metadata["limit"] == "recovery_tokens_max"
