"""What is folded is what is certain, up to the last number that leaves it open."""

from __future__ import annotations

import pytest
from headcount_server.core.plan.nodes import (
    All,
    AtLeast,
    IsSet,
    Node,
    Nothing,
    NumberRange,
    Or,
    Scored,
)
from headcount_server.core.plan.rewrites.constants import fold_constants

A, B = IsSet("a"), IsSet("b")
ALL, NOTHING = All(), Nothing()


@pytest.mark.parametrize(
    ("count", "folded"), [(0, ALL), (1, ALL), (2, Or((A, B))), (4, NOTHING), (5, NOTHING)]
)
def test_whoever_everyone_is_counts_as_one(count: int, folded: Node) -> None:
    assert fold_constants(AtLeast(count, (ALL, A, B))) == folded


@pytest.mark.parametrize(
    ("low", "high", "folded"),
    [
        (3, None, None),
        (4, None, NOTHING),
        (None, -2, None),
        (None, -3, NOTHING),
        (-2, 3, ALL),
        (-1, 3, None),
        (-2, 2, None),
    ],
)
def test_totals_are_certain_only_past_their_extremes(
    low: int | None, high: int | None, folded: Node | None
) -> None:
    node = Scored((3, -2), (A, B), low, high)
    assert fold_constants(node) == (node if folded is None else folded)


def test_a_range_of_one_number_is_not_empty() -> None:
    assert fold_constants(NumberRange("a", 3, 3)) == NumberRange("a", 3, 3)
    assert fold_constants(NumberRange("a", 3, 2)) == NOTHING
