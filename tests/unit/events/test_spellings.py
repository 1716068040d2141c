"""Spellings as a view of the first codes sees them, and the uses that say which are forgotten."""

from __future__ import annotations

import numpy as np
from headcount_server.core.events.spellings import MISSING, Coded, Spellings

MANY = [f"value {i}" for i in range(16)]  # as many as there is room for uses at first


def of(column: list[str | None]) -> Spellings:
    spellings = Spellings()
    spellings.count_uses(spellings.encode(column))
    return spellings


def test_values_written_after_a_view_was_frozen_are_not_in_it() -> None:
    spellings = of(["a", "b", "c"])
    assert spellings.values(2) == ["a", "b"]
    assert spellings.counts(2) == [("a", 1), ("b", 1)]
    assert spellings.dump(2) == ["a", "b"]


def test_a_dump_of_a_view_leaves_later_and_forgotten_spellings_out() -> None:
    spellings = of(["a", "b"]).after_loss(np.array([1], np.uint32))
    spellings.count_uses(spellings.encode(["c"]))
    assert spellings.dump(2) == [None, "b"]
    assert spellings.dump(3) == [None, "b", "c"]
    assert [spellings.spelling(code) for code in (1, 2)] == ["b", "c"]


def test_a_missing_value_is_no_use_of_a_spelling() -> None:
    spellings = of([*MANY, None])
    assert spellings.counts(16) == [(value, 1) for value in MANY]
    spellings.check_uses()


def test_losing_a_missing_value_forgets_no_spelling() -> None:
    spellings = of([*MANY, None]).after_loss(np.array([0], np.uint32))
    assert spellings.counts(16) == [(value, 1) for value in MANY]


def test_the_last_of_the_first_spellings_is_forgotten_with_its_last_event() -> None:
    spellings = of([*MANY, None, None]).after_loss(np.array([16, 0], np.uint32))
    assert spellings.values(16) == MANY[:-1]
    assert len(spellings) == 16


def test_of_a_coded_column_the_first_value_counts_too() -> None:
    spellings = Spellings()
    column = Coded(["not used", "b", "a"], np.array([2, 1, MISSING, 2], np.uint32))
    assert spellings.encode(column).tolist() == [1, 2, 0, 1]
    assert spellings.values(9) == ["a", "b"]
