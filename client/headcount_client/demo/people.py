"""Made-up subscribers and events, the same ones for the same seed and day. Pure, numpy only.

A year of weekly campaigns: who is engaged opens more, who opens clicks, who clicks buys. Times are
microseconds since 1970 in UTC and end at the day that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
DAYS = 365
CAMPAIGNS = 52

_PLACES = (
    ("DE", 30, ("Berlin", "Hamburg", "Munich", "Cologne", "Leipzig")),
    ("FR", 16, ("Paris", "Lyon", "Marseille", "Lille")),
    ("GB", 14, ("London", "Manchester", "Bristol", "Leeds")),
    ("US", 14, ("New York", "Chicago", "Austin", "Seattle")),
    ("AT", 8, ("Vienna", "Graz", "Linz")),
    ("CH", 7, ("Zurich", "Basel", "Bern")),
    ("NL", 6, ("Amsterdam", "Utrecht", "Rotterdam")),
    ("ES", 5, ("Madrid", "Barcelona", "Valencia")),
)
_FIRST = (
    "anna", "ben", "clara", "david", "emma", "felix", "greta", "hugo",
    "ida", "jonas", "karla", "leo", "mia", "noah", "olga", "paul",
)  # fmt: skip
_LAST = (
    "adler", "berg", "cole", "duval", "ernst", "fuchs", "green",
    "hansen", "ito", "jung", "klein", "lopez", "moreau", "novak",
)  # fmt: skip
_DOMAINS = ("gmail.com", "outlook.com", "gmx.de", "yahoo.com", "example.org")
_TAGS = ("newsletter", "sale", "outdoor", "running", "kids", "home", "gift", "beta")
_CATEGORIES = ("shoes", "jackets", "bags", "home", "toys", "books")
_THEMES = ("spring", "summer", "autumn", "winter", "sale", "new-arrivals", "outlet", "thanks")


@dataclass(frozen=True, slots=True)
class Coded:
    """Strings by code: ``dictionary[codes[i]]``; a code of -1 is a missing value."""

    dictionary: Sequence[str]
    codes: Integers


@dataclass(frozen=True, slots=True)
class People:
    """Subscribers, column by column; missing numbers are where ``has_age`` is False.

    Attributes:
        signup_day: days since 1970.
        spend_cents: of all their purchases.
        tags: for each subscriber a bit per tag.
    """

    keys: list[str]
    email: list[str]
    country: Coded
    city: Coded
    gender: Coded
    plan: Coded
    status: Coded
    age: Integers
    has_age: NDArray[np.bool_]
    signup_day: Integers
    spend_cents: Integers
    consent: NDArray[np.bool_]
    tags: Integers
    engagement: NDArray[np.float64]

    def tag_lists(self, start: int, end: int) -> list[list[str]]:
        """The tags of some subscribers."""
        return [
            [tag for bit, tag in enumerate(_TAGS) if bits >> bit & 1]
            for bits in self.tags[start:end].tolist()
        ]


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one type, in order of time.

    Attributes:
        people: index of the subscriber.
        times: microseconds since 1970 in UTC.
        dimensions: name to values.
        measures: name to values times 10^scale, with the scale.
    """

    event: str
    people: Integers
    times: Integers
    dimensions: dict[str, Coded]
    measures: dict[str, tuple[Integers, int]]

    def __len__(self) -> int:
        return len(self.people)


def generate(count: int, today: int, seed: int = 7) -> tuple[People, list[Events]]:
    """Subscribers and their events of the year up to a day.

    Args:
        count: number of subscribers.
        today: days since 1970; its events reach up to its begin.
        seed: another seed, other people.
    """
    random = np.random.default_rng(seed)
    people = _people(random, count, today)
    sent = _sent(random, people, today)
    opened = _followed(random, sent, people.engagement * 0.75, "open", 20 * HOUR_US, today)
    clicked = _followed(random, opened, people.engagement * 0.55, "click", HOUR_US, today)
    bought = _purchases(random, clicked, people, today)
    spend = np.zeros(count, np.int64)
    np.add.at(spend, bought.people, bought.measures["amount"][0])
    people.spend_cents[:] = spend
    return people, [sent, opened, clicked, bought]


def _people(random: np.random.Generator, count: int, today: int) -> People:
    weights = np.array([weight for _, weight, _ in _PLACES], float)
    country = random.choice(len(_PLACES), count, p=weights / weights.sum())
    first = random.integers(0, len(_FIRST), count)
    last = random.integers(0, len(_LAST), count)
    domain = random.choice(len(_DOMAINS), count, p=(0.45, 0.2, 0.15, 0.12, 0.08))
    numbers = np.arange(1, count + 1)
    email = [
        f"{_FIRST[f]}.{_LAST[k]}{n}@{_DOMAINS[d]}"
        for f, k, n, d in zip(first.tolist(), last.tolist(), numbers.tolist(), domain.tolist(),
                              strict=True)
    ]  # fmt: skip
    tags = np.zeros(count, np.int64)
    for bit in range(len(_TAGS)):
        tags |= (random.random(count) < 0.45 / (bit + 1)).astype(np.int64) << bit
    age = np.clip(random.normal(41, 14, count), 16, 92).astype(np.int64)
    since = (random.beta(1.2, 1.8, count) * 5 * 365).astype(np.int64)
    return People(
        keys=[f"s{number:06d}" for number in numbers.tolist()],
        email=email,
        country=Coded([name for name, _, _ in _PLACES], country),
        city=_cities(random, country),
        gender=Coded(("female", "male", "other"), _coded(random, count, (0.5, 0.4, 0.02))),
        plan=Coded(("free", "basic", "pro"), _coded(random, count, (0.7, 0.22, 0.08))),
        status=Coded(
            ("active", "unsubscribed", "bounced"), _coded(random, count, (0.86, 0.1, 0.04))
        ),
        age=age,
        has_age=random.random(count) < 0.9,
        signup_day=today - 1 - since,
        spend_cents=np.zeros(count, np.int64),
        consent=random.random(count) < 0.8,
        tags=tags,
        engagement=random.beta(1.6, 2.2, count),
    )


def _cities(random: np.random.Generator, country: Integers) -> Coded:
    """A city of the country; one subscriber in twenty has none."""
    names = [city for _, _, cities in _PLACES for city in cities]
    sizes = np.array([len(cities) for _, _, cities in _PLACES])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.minimum(random.random(len(country)), random.random(len(country)))
    codes = starts[country] + (place * sizes[country]).astype(np.int64)
    return Coded(names, np.where(random.random(len(country)) < 0.05, -1, codes))


def _coded(random: np.random.Generator, count: int, shares: tuple[float, ...]) -> Integers:
    """Codes with these shares; the rest up to 1 is missing."""
    found = np.searchsorted(np.cumsum(shares), random.random(count), side="right")
    return np.where(found < len(shares), found, -1).astype(np.int64)


def _campaigns() -> list[str]:
    return [f"{_THEMES[week % len(_THEMES)]}-{week + 1:02d}" for week in range(CAMPAIGNS)]


def _sent(random: np.random.Generator, people: People, today: int) -> Events:
    """One campaign a week, each to those who had signed up, and some more often than others."""
    chance = 0.14 + 0.18 * people.engagement
    found: list[tuple[Integers, Integers, Integers]] = []
    for week in range(CAMPAIGNS):
        day = today - DAYS + 7 * week + 1
        chosen = np.flatnonzero((random.random(len(chance)) < chance) & (people.signup_day < day))
        start = day * DAY_US + 8 * HOUR_US
        times = start + random.integers(0, 2 * HOUR_US, len(chosen))
        found.append((chosen, times, np.full(len(chosen), week)))
    who, times, campaign = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _ordered("sent", who, times, {"campaign": Coded(_campaigns(), campaign)}, {})


def _followed(
    random: np.random.Generator,
    before: Events,
    chance: NDArray[np.float64],
    event: str,
    delay_us: int,
    today: int,
) -> Events:
    """What some do after an event, with the campaign of that event."""
    chosen = random.random(len(before)) < chance[before.people]
    times = before.times[chosen] + random.exponential(delay_us, int(chosen.sum())).astype(np.int64)
    campaign = before.dimensions["campaign"]
    kept = times < today * DAY_US
    codes = campaign.codes[chosen][kept]
    dimensions = {"campaign": Coded(campaign.dictionary, codes)}
    if event == "click":
        links = ("/sale", "/new", "/account", "/story")
        dimensions["link"] = Coded(links, random.integers(0, len(links), len(codes)))
    return _ordered(event, before.people[chosen][kept], times[kept], dimensions, {})


def _purchases(random: np.random.Generator, clicked: Events, people: People, today: int) -> Events:
    """After a click, or just so."""
    bought = _followed(random, clicked, people.engagement * 0.6, "purchase", HOUR_US, today)
    others = random.integers(0, len(people.keys), len(people.keys) // 2)
    days = random.integers(people.signup_day[others].clip(today - DAYS + 1), today)
    times = days * DAY_US + random.integers(6 * HOUR_US, 23 * HOUR_US, len(others))
    who = np.concatenate([bought.people, others])
    campaign = bought.dimensions["campaign"]
    codes = np.concatenate([campaign.codes, np.full(len(others), -1)])
    category = random.choice(len(_CATEGORIES), len(who), p=(0.3, 0.2, 0.15, 0.15, 0.1, 0.1))
    amount = np.maximum(random.lognormal(3.6, 0.7, len(who)) * 100, 99).astype(np.int64)
    dimensions = {
        "campaign": Coded(campaign.dictionary, codes),
        "category": Coded(_CATEGORIES, category),
    }
    measures = {"amount": (amount, 2), "quantity": (random.integers(1, 5, len(who)), 0)}
    return _ordered("purchase", who, np.concatenate([bought.times, times]), dimensions, measures)


def _ordered(
    event: str,
    people: Integers,
    times: Integers,
    dimensions: dict[str, Coded],
    measures: dict[str, tuple[Integers, int]],
) -> Events:
    order = np.argsort(times, kind="stable")
    return Events(
        event,
        people[order],
        times[order],
        {name: Coded(c.dictionary, c.codes[order]) for name, c in dimensions.items()},
        {name: (values[order], scale) for name, (values, scale) in measures.items()},
    )
