"""Who came and who went among the touched rows, found without looking at all of them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from headcount_server.core.live import gathered
from headcount_server.core.live.restricted import Restricted
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.query import Ask
from headcount_server.core.rules.parser import parse
from pyroaring import BitMap

from tests.meaning.told import NOW, Told, instant
from tests.unit.live.test_restricted import BEHAVIOUR, COUNTRIES, VALUES

MIXED = (
    'country = "DE" and did open at least 2 times in last 20 days',
    'country != "DE" and not did open at least 2 times in last 20 days',
    "age >= 5 and did open on at least 3 days",
    "age >= 5 or did open on at least 3 days",
    'did open at least 2 times and did click and country in ("DE", "AT", "CH")',
    "not (did open at least 3 times or did click at least 2 times)",
    "did any of (open, click) on at least 2 days",
    "sum of (2 for did open at least 2 times, 1 for did click, 1 for age = 5) >= 3",
    'last open is (campaign = "a") and age >= 5',
    "known for at least 1 days",
    "everyone",
    'id in ("p3", "p4", "new1")',
    'in segment "opened"',
    'not in segment "opened" and age >= 5',
    'in segment "outer" and did click',
)
SEGMENTS = {
    "opened": "did open at least 2 times in last 20 days",
    "outer": 'in segment "opened" or country = "AT"',
}
EVERY = [*BEHAVIOUR, *VALUES, *MIXED]


def _happens(told: Told, drawn: random.Random, people: list[str], events: int) -> None:
    now = datetime.fromtimestamp(instant(NOW) / 1e6, UTC)
    for _ in range(events):
        at = now - timedelta(days=drawn.randrange(-1, 30), seconds=drawn.randrange(80_000))
        event, campaign = drawn.choice(("open", "open", "click")), drawn.choice("ab")
        told.did(drawn.choice(people), event, at.isoformat(), campaign=campaign)


@pytest.mark.parametrize("is_gathered", [True, False], ids=["gathered", "looked_up"])
@pytest.mark.parametrize("seed", range(4))
def test_who_moved_is_the_difference_of_before_and_after(
    seed: int, is_gathered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "_READ", 10_000 if is_gathered else 0)
    drawn, told = random.Random(seed), Told()
    people = [f"p{number}" for number in range(40)]
    for number, key in enumerate(people):
        told.person(key, country=COUNTRIES[number % 9], age=number % 9)
    _happens(told, drawn, people, 70)
    for name, rule in SEGMENTS.items():
        told.world.define(name, parse(rule))
    audience = told.world.audience
    before = {text: _members(told, text) for text in EVERY}
    touched = audience.listen()
    for number in range(2):
        told.person(f"new{number}", country="DE", age=5)
    if seed % 2:
        for key in people[:6]:
            told.person(key, country=drawn.choice(COUNTRIES), age=drawn.randrange(9))
    if seed == 3:
        told.world.erase(["p7", "p8"])
        told.person("another", age=5)
    _happens(told, drawn, [*people[:6], *people[9:20], "new1"], 25)
    shared = Restricted(audience, touched.rows(), None, touched)
    for text in EVERY:
        bound = Ask(audience, instant(NOW))
        node = optimise(bound.bind(parse(text)))
        used = {name: optimise(made) for name, made in bound.segments.items()}
        after = _members(told, text)
        apart = Restricted(audience, touched.rows(), None, touched)
        for asked in (shared, apart):
            entered, left = asked.moved(node, used, before[text])
            gone = before[text] & touched.erased  # a row made anew left, and may have entered
            assert entered | gone == (after - before[text]) | gone, text
            assert (before[text] - left) | entered == after, text


def test_who_did_something_and_was_erased_left() -> None:
    told = Told().person("ann", age=5).person("bob", age=5).did("ann", "open", NOW)
    text = "age = 5 and did not open at least 2 times"
    audience, before = told.world.audience, _members(told, text)
    touched = audience.listen()
    told.did("ann", "open", NOW)
    told.world.erase(["ann"])
    ask = Ask(audience, instant(NOW))
    node = optimise(ask.bind(parse(text)))
    entered, left = Restricted(audience, touched.rows(), None, touched).moved(node, {}, before)
    assert (len(before), len(left)) == (2, 1)
    assert not entered
    assert before - left == _members(told, text)


def _members(told: Told, text: str) -> BitMap:
    ask = Ask(told.world.audience, instant(NOW))
    return ask.rows(ask.bind(parse(text)))
