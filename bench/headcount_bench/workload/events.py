"""Made-up events of a year, day after day in order of time.

Each day campaigns are sent; who is engaged opens, who opens clicks, who clicks buys, minutes to
days later. What a day's sendings lead to depends on seed and day alone. Nobody has events before
signing up, and there are none after ``AS_OF``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headcount_bench.workload import arrays
from headcount_bench.workload import vocabulary as words
from headcount_bench.workload.arrays import Integers
from headcount_bench.workload.dataset import AS_OF, DAYS, EVENT_FIELDS, FIRST_DAY

SHARES = (0.60, 0.27, 0.09, 0.04)  # of all events: sent, open, click, purchase
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
_MILLISECOND_US = 1_000
_FIRST = (FIRST_DAY - date(1970, 1, 1)).days
_END_US = int(AS_OF.timestamp()) * 1_000_000
_STREAM = 2  # of random numbers, beside those of subscribers
_WEEKDAYS = np.array([1.1, 1.3, 1.2, 1.3, 1.0, 0.6, 0.5])  # sendings, from Monday on
_CAMPAIGN_DAYS = 3  # for so long a campaign is sent
_DELAYS_US = {"open": 9 * HOUR_US, "click": HOUR_US // 2, "purchase": 30 * HOUR_US}  # on average


@dataclass(frozen=True, slots=True)
class People:
    """What events need to know about all subscribers.

    Attributes:
        activity: cumulative, of all up to this one.
        engagement: how often each opens, against others.
        signup_days: days since 1970.
    """

    activity: NDArray[np.float64]
    engagement: NDArray[np.float32]
    signup_days: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Events:
    """Events of any types, column by column.

    Attributes:
        kinds: codes of ``vocabulary.EVENTS``.
        people: indexes of subscribers.
        times: microseconds since 1970.
        campaigns: codes.
        categories: codes of purchases, else -1.
        amounts: cents of purchases, else 0.
    """

    kinds: NDArray[np.int8]
    people: Integers
    times: Integers
    campaigns: Integers
    categories: Integers
    amounts: Integers

    def __len__(self) -> int:
        return len(self.people)

    def take(self, rows: Integers | NDArray[np.bool_]) -> Events:
        """Some of them."""
        return Events(
            self.kinds[rows], self.people[rows], self.times[rows], self.campaigns[rows],
            self.categories[rows], self.amounts[rows],
        )  # fmt: skip

    def columns(self) -> pa.RecordBatch:
        """As in the file."""
        columns = {
            "key": arrays.keys(self.people),
            "time": pa.array(self.times).cast(pa.timestamp("us", "UTC")),
            "event": arrays.coded(self.kinds.astype(np.int64), words.EVENTS),
            "campaign": arrays.coded(self.campaigns, words.CAMPAIGNS),
            "category": arrays.coded(self.categories, words.CATEGORIES),
            "amount": arrays.decimals(self.amounts, self.categories >= 0),
        }
        return pa.RecordBatch.from_arrays(
            [columns[name] for name in EVENT_FIELDS.names], schema=EVENT_FIELDS
        )


def days(people: People, total: int, seed: int) -> Iterator[Events]:
    """The events of each day, in order of time; ``total`` of them, but for very few."""
    planned = _planned(total)
    later = _none()
    for day in range(DAYS):
        random = np.random.Generator(np.random.PCG64([seed, _STREAM, day]))
        found = joined([later, _followed(random, people, day, planned[:, day])])
        is_now = found.times < (_FIRST + day + 1) * DAY_US
        if day == DAYS - 1:
            is_now[:] = True
        now, later = found.take(is_now), found.take(~is_now)
        yield now.take(np.argsort(now.times, kind="stable"))


def joined(parts: list[Events]) -> Events:
    """One after the other."""
    return Events(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Events.__slots__)
    )


def campaigns_on(day: int) -> Integers:
    """Codes of the campaigns that are sent on a day, counted from the first one."""
    launched = np.arange(words.CAMPAIGN_COUNT) * DAYS // words.CAMPAIGN_COUNT
    return np.flatnonzero((launched <= day) & (launched > day - _CAMPAIGN_DAYS))


def _planned(total: int) -> Integers:
    """How many events of each type the sendings of each day lead to."""
    weights = _WEEKDAYS[(np.arange(DAYS) + FIRST_DAY.weekday()) % 7]
    share = np.cumsum(weights) / weights.sum()
    ends = np.cumsum(SHARES) * total
    counts = np.diff(np.round(ends).astype(np.int64), prepend=0)
    planned = np.round(counts[:, None] * share[None, :]).astype(np.int64)
    return np.diff(planned, axis=1, prepend=0)


def _followed(random: np.random.Generator, people: People, day: int, planned: Integers) -> Events:
    """A day's sendings and what they lead to, the last days of the year not beyond its end."""
    sent = _sent(random, people, day, int(planned[0]))
    steps = [sent]
    for kind, event in enumerate(words.EVENTS[1:], start=1):
        steps.append(_next(random, people, steps[-1], kind, event, int(planned[kind])))
    return joined(steps)


def _sent(random: np.random.Generator, people: People, day: int, count: int) -> Events:
    chosen = np.empty(0, np.int64)
    while len(chosen) < count:  # nobody before signing up
        missing = count - len(chosen)
        drawn = _weighted(random, people.activity, missing + missing // 4 + 8)
        drawn = drawn[people.signup_days[drawn] <= _FIRST + day]
        chosen = np.concatenate([chosen, random.permutation(drawn)[:missing]])
    start = (_FIRST + day) * DAY_US
    until = min(start + 20 * HOUR_US, _END_US - HOUR_US)
    times = _rounded(
        start + 5 * HOUR_US + random.random(count) ** 2 * (until - start - 5 * HOUR_US)
    )
    running = campaigns_on(day)
    campaigns = running[words.pick(words.zipf(len(running), 0.6), random.random(count))]
    nothing = np.full(count, -1)
    return Events(
        np.zeros(count, np.int8), chosen, times, campaigns, nothing, np.zeros(count, np.int64)
    )


def _next(
    random: np.random.Generator, people: People, before: Events, kind: int, event: str, count: int
) -> Events:
    """What some do after an event, the engaged more often; the same event may lead to several."""
    if not len(before):
        return _none()
    weights = people.engagement[before.people].astype(np.float64)
    chosen = _weighted(random, np.cumsum(weights), count)
    since = before.times[chosen]
    delays = random.exponential(_DELAYS_US[event], count)
    left = (_END_US - since).astype(np.float64)
    times = since + np.where(delays < left, delays, random.random(count) * left).astype(np.int64)
    categories = np.full(count, -1)
    amounts = np.zeros(count, np.int64)
    if event == "purchase":
        skewed = words.zipf(len(words.CATEGORIES), words.CATEGORY_SKEW)
        categories = words.pick(skewed, random.random(count))
        amounts = np.clip(random.lognormal(8.2, 0.9, count), 99, 10**9).astype(np.int64)
    kinds = np.full(count, kind, np.int8)
    return Events(
        kinds, before.people[chosen], _rounded(times), before.campaigns[chosen], categories, amounts
    )


def _weighted(random: np.random.Generator, cumulative: NDArray[np.float64], count: int) -> Integers:
    """Indexes, ascending, each as often as its weight says."""
    chance = np.sort(random.random(count)) * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, chance, side="right"), len(cumulative) - 1)


def _rounded(times: NDArray[np.int64] | NDArray[np.float64]) -> Integers:
    return times.astype(np.int64) // _MILLISECOND_US * _MILLISECOND_US


def _none() -> Events:
    empty = np.empty(0, np.int64)
    return Events(empty.astype(np.int8), empty, empty, empty, empty, empty)
