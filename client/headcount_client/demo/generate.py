"""Made-up subscribers and events of a shop, as columnar batches. Deterministic: a seed, no clock.

Activity is heavy-tailed: a few people open nearly everything, most open little. Who never clicks
buys seldom; days run from ``last_day`` back over a year.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from headcount.v1 import ingest_service_pb2 as pb
from numpy.typing import NDArray

AUDIENCE = "shop"
DAYS = 365
SCHEMA = """
[audience]
key = "string"
time_zone = "Europe/Berlin"
reachable = 'status = "active"'
[attributes]
country = "keyword"
city = "keyword"
gender = "keyword"
age = "integer"
plan = "keyword"
status = "keyword"
interests = "keywords"
signup_date = "date"
lifetime_spend = { type = "decimal", scale = 2 }
newsletter = "boolean"
email = "text"
[events.sent]
dimensions = ["campaign"]
activity = false
[events.open]
dimensions = ["campaign"]
[events.click]
dimensions = ["campaign"]
[events.purchase]
dimensions = ["category", "campaign"]
measures = { amount = { scale = 2 } }
"""

_COUNTRIES = ("DE", "US", "GB", "FR", "NL", "AT", "CH", "PL", "IT", "ES", "SE", "DK")
_CITIES = (
    "Berlin", "London", "New York", "Paris", "Hamburg", "Vienna", "Munich", "Amsterdam", "Warsaw",
    "Zurich", "Milan", "Madrid", "Cologne", "Leeds", "Lyon", "Stockholm", "Copenhagen", "Boston",
)  # fmt: skip
_GENDERS = ("female", "male", "other")
_PLANS = ("free", "basic", "pro")
_STATUSES = ("active", "unsubscribed", "bounced")
_INTERESTS = (
    "running", "yoga", "cycling", "hiking", "football", "tennis", "swimming", "climbing", "fitness",
    "sailing", "skiing", "travel", "outdoor", "nutrition", "gadgets", "kids", "fashion", "sale",
)  # fmt: skip
_CATEGORIES = ("shoes", "jackets", "shirts", "bags", "bikes", "tents", "watches", "nutrition")
_DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "web.de", "icloud.com", "example.org")
_CAMPAIGNS = 60
_MICROS = 1_000_000
_EPOCH = date(1970, 1, 1)

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one type by time: subscriber, microseconds, campaign; purchases have more."""

    event: str
    subscribers: Codes
    times: Codes
    campaigns: Codes
    categories: Codes | None = None
    cents: Codes | None = None

    def __len__(self) -> int:
        return len(self.subscribers)


class Shop:
    """The made-up shop.

    Args:
        subscribers: how many.
        last_day: the day up to which events go.
        seed: other seeds, other people.
    """

    def __init__(self, subscribers: int, last_day: date, seed: int = 7) -> None:
        self.subscribers = subscribers
        self._last_day = (last_day - _EPOCH).days
        self._random = np.random.default_rng(seed)
        # 0..1, heavy-tailed: the chance that a person opens what was sent
        self._keenness = self._random.beta(0.9, 3.0, subscribers)

    def subscriber_batches(self, rows: int) -> Iterator[pb.SubscriberColumns]:
        """All subscribers, ``rows`` at a time."""
        for start in range(0, self.subscribers, rows):
            yield self._subscribers(start, min(start + rows, self.subscribers))

    def events(self) -> list[Events]:
        """A year of events by type; over ten for each subscriber."""
        sent = self._sent()
        opened = self._following(sent, "open", self._keenness[sent.subscribers] * 0.9, 18)
        clicked = self._following(opened, "click", np.full(len(opened), 0.22), 1)
        bought = self._following(clicked, "purchase", np.full(len(clicked), 0.25), 30)
        categories = _skewed(self._random, len(_CATEGORIES), len(bought))
        cents = np.round(self._random.lognormal(8.2, 0.8, len(bought))).astype(np.int64)
        bought = Events(
            "purchase", bought.subscribers, bought.times, bought.campaigns, categories, cents
        )
        return [sent, opened, clicked, bought]

    def _sent(self) -> Events:
        """Weekly sendings, of which everyone gets a share that differs from person to person."""
        frequency = self._random.uniform(0.05, 0.35, self.subscribers)
        weeks: list[Codes] = []
        times: list[Codes] = []
        for campaign in range(_CAMPAIGNS):
            chosen = np.flatnonzero(self._random.random(self.subscribers) < frequency)
            day = self._last_day - DAYS + 1 + campaign * DAYS // _CAMPAIGNS
            at = (day * 86_400 + 8 * 3_600) * _MICROS
            weeks.append(chosen)
            times.append(at + self._random.integers(0, 7_200 * _MICROS, len(chosen)))
        campaigns = np.repeat(np.arange(_CAMPAIGNS), [len(chosen) for chosen in weeks])
        return Events("sent", np.concatenate(weeks), np.concatenate(times), campaigns)

    def _following(
        self, before: Events, event: str, chance: NDArray[np.float64], hours: float
    ) -> Events:
        """Events that follow some of others, after ``hours`` on average."""
        chosen = self._random.random(len(before)) < chance
        wait = self._random.exponential(hours * 3_600 * _MICROS, int(chosen.sum()))
        times = before.times[chosen] + wait.astype(np.int64)
        within = times < (self._last_day + 1) * 86_400 * _MICROS
        return Events(
            event,
            before.subscribers[chosen][within],
            times[within],
            before.campaigns[chosen][within],
        )

    def _subscribers(self, start: int, stop: int) -> pb.SubscriberColumns:
        random, count = self._random, stop - start
        numbers = range(start, stop)
        domains = _skewed(random, len(_DOMAINS), count).tolist()
        ages = np.clip(np.round(random.normal(41, 14, count)), 16, 95).astype(np.int64)
        days = self._last_day - random.integers(0, 8 * 365, count)
        spend = np.round(random.lognormal(8.5, 1.4, count)).astype(np.int64)
        sizes = random.integers(0, 6, count).tolist()
        interests = [
            pb.Texts(values=[_INTERESTS[i] for i in random.integers(0, len(_INTERESTS), size)])
            for size in sizes
        ]
        emails = [
            f"user{number}@{_DOMAINS[domain]}"
            for number, domain in zip(numbers, domains, strict=True)
        ]
        has_age = random.random(count) < 0.93
        columns = [
            _coded("country", _COUNTRIES, _skewed(random, len(_COUNTRIES), count)),
            _coded("city", _CITIES, _skewed(random, len(_CITIES), count)),
            _coded("gender", _GENDERS, random.choice(3, count, p=(0.52, 0.45, 0.03))),
            pb.Column(name="age", integers=pb.Integers(values=ages), present=has_age),
            _coded("plan", _PLANS, random.choice(3, count, p=(0.7, 0.2, 0.1))),
            _coded("status", _STATUSES, random.choice(3, count, p=(0.88, 0.09, 0.03))),
            pb.Column(name="interests", text_lists=pb.TextLists(values=interests)),
            pb.Column(name="signup_date", integers=pb.Integers(values=days)),
            pb.Column(name="lifetime_spend", decimals=pb.Decimals(scale=2, unscaled=spend)),
            pb.Column(name="newsletter", booleans=pb.Booleans(values=random.random(count) < 0.6)),
            pb.Column(name="email", texts=pb.Texts(values=emails)),
            pb.Column(name="known_since", integers=pb.Integers(values=days * 86_400 * _MICROS)),
        ]
        keys = pb.Keys(texts=[f"user{number}" for number in numbers])
        return pb.SubscriberColumns(keys=keys, columns=columns)


def event_batches(events: Events, rows: int) -> Iterator[pb.EventColumns]:
    """The events of one type as columns, ``rows`` at a time."""
    for start in range(0, len(events), rows):
        part = slice(start, start + rows)
        columns = [_coded("campaign", _campaign_names(), events.campaigns[part])]
        if events.categories is not None and events.cents is not None:
            columns.append(_coded("category", _CATEGORIES, events.categories[part]))
            amounts = pb.Decimals(scale=2, unscaled=events.cents[part])
            columns.append(pb.Column(name="amount", decimals=amounts))
        yield pb.EventColumns(
            keys=pb.Keys(texts=[f"user{number}" for number in events.subscribers[part].tolist()]),
            times=pb.Column(integers=pb.Integers(values=events.times[part])),
            event=events.event,
            columns=columns,
        )


def end_of(last_day: date) -> datetime:
    """The last instant of the generated data, for ``as_of``."""
    return datetime.combine(last_day + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)


def _campaign_names() -> list[str]:
    return [f"campaign-{number:02d}" for number in range(_CAMPAIGNS)]


def _coded(name: str, dictionary: tuple[str, ...] | list[str], codes: Codes) -> pb.Column:
    return pb.Column(name=name, coded_texts=pb.CodedTexts(dictionary=dictionary, codes=codes))


def _skewed(random: np.random.Generator, values: int, count: int) -> Codes:
    """Codes of which the first are the most frequent (zipf-like)."""
    weights = 1 / np.arange(1, values + 1)
    return random.choice(values, count, p=weights / weights.sum())
