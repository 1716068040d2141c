"""Rules among few touched rows mean what they mean among everyone, at every edge of a window."""

from __future__ import annotations

import numpy as np
import pytest
from headcount_server.core.live import few, maintained, places
from headcount_server.core.live.restricted import Restricted
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.query import Ask
from headcount_server.core.rules.parser import parse
from headcount_server.limits import INT64_MAX, INT64_MIN
from pyroaring import BitMap

from tests.meaning.told import NOW, Told, instant

COUNTRIES = ("DE", "AT", "CH", "FR", "IT", "ES", "PT", "NL", "BE")
FIRST, LAST = "2026-03-10T09:00:00Z", "2026-03-20T21:00:00Z"
BEFORE_FIRST, AFTER_FIRST = "2026-03-10T08:59:59.999999Z", "2026-03-10T09:00:00.000001Z"
BEFORE_LAST, AFTER_LAST = "2026-03-20T20:59:59.999999Z", "2026-03-20T21:00:00.000001Z"
TIMES = {
    "first": (FIRST,),
    "last": (LAST,),
    "both": (FIRST, LAST),
    "outside": (BEFORE_FIRST, AFTER_LAST),
    "inside": (AFTER_FIRST, BEFORE_LAST),
    "now": (NOW,),
    "later": ("2026-03-31T12:34:00.000001Z",),
}
BEHAVIOUR = (
    f"did open between {FIRST} and {LAST}",
    f"did open at least 2 times between {FIRST} and {LAST}",
    f"did open exactly 1 times between {AFTER_FIRST} and {LAST}",
    f"did open between {FIRST} and {BEFORE_LAST}",
    f"did open after {FIRST}",
    f"did open before {LAST}",
    f"did open at least 2 times before {AFTER_LAST}",
    "did open at least 2 times between 2026-03-10 and 2026-03-20",
    "did open at least 2 times between 2026-03-11 and 2026-03-20",
    "did open at least 2 times between 2026-03-10 and 2026-03-19",
    "did open on at least 2 days between 2026-03-10 and 2026-03-20",
    "did open on at least 2 days between 2026-03-11 and 2026-03-31",
    "did open on 2026-03-10",
    "did open on 2026-03-20",
    "did open in last 0 days",
    "did open in last 21 days",
    "did open in last 20 days",
    "did open more than 11 days ago",
    "did open more than 21 days ago",
    'did open at least 2 times where (campaign = "a") between 2026-03-10 and 2026-03-20',
    f'did open where (campaign = "a") between {FIRST} and {BEFORE_LAST}',
    "did open",
    "did not open in last 11 days",
    f"at least 2 of (did open after {FIRST}, did open before {FIRST}, did open on 2026-03-20)",
)
VALUES = (
    f"age = {INT64_MAX}",
    f"age = {INT64_MIN}",
    f"age in ({INT64_MIN}, 5)",
    f"age in ({INT64_MAX}, 5)",
    f"age in ({INT64_MAX + 1}, {INT64_MIN - 1}, 5)",
    f"age >= {INT64_MAX}",
    f"age <= {INT64_MIN}",
    f"age > {INT64_MAX}",
    f"age < {INT64_MIN}",
    f"age between {INT64_MIN} and {INT64_MAX}",
    "age is missing",
    "country is set",
    'country in ("' + '", "'.join(COUNTRIES[:8]) + '")',
    'country in ("' + '", "'.join(COUNTRIES) + '")',
    'not country starts with "d"',
)


@pytest.fixture(scope="module")
def told() -> Told:
    """People with events at the edges of windows, and others with one on each of many days."""
    found = Told()
    for number, (key, times) in enumerate(TIMES.items()):
        found.person(key, country=COUNTRIES[number])
        found.did(key, "open", *times, campaign="a" if number % 2 else "b")
        found.did(key, "click", *times[:1])
    for number in range(14):
        key = f"daily{number}"
        found.person(key, country=COUNTRIES[number % 9])
        found.did(key, "open", f"2026-03-{8 + number:02}T12:00:00Z", campaign="a")
    for key, age in {"least": INT64_MIN, "greatest": INT64_MAX, "five": 5, "none": None}.items():
        found.person(key, age=age)
    return found


@pytest.mark.parametrize("text", BEHAVIOUR + VALUES)
@pytest.mark.parametrize("is_few", [True, False], ids=["read", "looked_up"])
@pytest.mark.parametrize("is_table", [True, False], ids=["table", "search"])
def test_a_rule_among_some_rows_is_the_rule_and_the_rows(
    told: Told, text: str, is_few: bool, is_table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience = told.world.audience
    everyone = audience.everyone
    monkeypatch.setattr(few, "_FEW", 16_384 if is_few else 0)
    monkeypatch.setattr(places, "TABLE_MAX", 1 << 24 if is_table else 0)
    ask = Ask(audience, instant(NOW))
    node = optimise(ask.bind(parse(text)))
    members = ask.rows(node)
    rows = sorted(everyone)
    others = [optimise(ask.bind(parse(other))) for other in (*BEHAVIOUR[:3], "did click")]
    for some in (everyone, BitMap(rows[::2]), BitMap(rows[1::3]), BitMap(rows[:1]), BitMap()):
        assert Restricted(audience, some).among(node, {}) == members & some
        gathered = Restricted(audience, some)
        for other in others:
            assert gathered.among(other, {}) == ask.rows(other) & some
        assert gathered.among(node, {}) == members & some


def test_equal_answers_on_both_sides_of_what_is_few(told: Told) -> None:
    audience, text = told.world.audience, 'age > 3 or country = "DE"'
    ask = Ask(audience, instant(NOW))
    node = optimise(ask.bind(parse(text)))
    rows = len(audience.everyone)
    for most in (rows - 1, rows, rows + 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(few, "_FEW", most)
            patch.setattr(maintained, "_FEW", most)
            assert Restricted(audience, audience.everyone).among(node, {}) == ask.rows(node)


def test_a_table_that_is_filled_again_tells_of_the_rows_it_has_now() -> None:
    table = places.Table()
    for rows in ([1, 4], [0, 3, 5], [], [6, 9], [2]):
        table.fill(np.array(rows, np.uint32))
        assert table.length == len(rows)
        assert table.of(np.array(rows, np.uint32)).tolist() == list(range(len(rows)))
        some = BitMap(rows[1:])
        assert places.Places(some, table).of(np.array(rows[1:], np.uint32)).tolist() == list(
            range(len(some))
        )
