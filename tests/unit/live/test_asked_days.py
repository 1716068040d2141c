"""What a round asked is known in the next one, and what is asked now at once."""

from __future__ import annotations

from headcount_server.core.live.asked_days import AskedDays
from headcount_server.core.plan.nodes import IsSet

OPEN = (frozenset[str](), frozenset({"open"}), frozenset[str]())


def test_the_first_day_is_that_of_this_round_and_of_the_one_before() -> None:
    days = AskedDays()
    asked = days.of(OPEN)
    assert asked.first_day("open") is None
    asked.note("open", 20)
    asked.note("open", 30)
    assert days.of(OPEN).first_day("open") == 20
    days.next_round()
    asked = days.of(OPEN)
    asked.note("open", 25)
    assert asked.first_day("open") == 20
    days.next_round()
    assert days.of(OPEN).first_day("open") == 25
    assert days.of(None).first_day("open") is None


def test_look_ups_are_those_of_the_last_round_that_asked_any() -> None:
    days = AskedDays()
    leaf = IsSet("age")
    days.of(None).leaves[leaf] = None
    for _ in range(2):
        days.next_round()
        assert list(days.of(None).leaves_before) == [leaf]
        assert not days.of(None).leaves
