"""Made-up subscribers, in blocks of rows that depend on nothing but seed and block.

So the same seed gives the same subscribers however many are written at once, and a larger data set
begins with the subscribers of a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from headcount_bench.workload import arrays
from headcount_bench.workload import vocabulary as words
from headcount_bench.workload.dataset import LAST_DAY, SUBSCRIBER_FIELDS

pc: Any = pyarrow.compute  # has no types
BLOCK_ROWS = 1 << 17
INTERESTS_MAX = 8
SIGNUP_DAYS = 8 * 365
_LAST = (LAST_DAY - date(1970, 1, 1)).days
_ACTIVITY_MAX, _ENGAGEMENT_MAX = 60.0, 12.0  # a mail or two a day
_STREAM = 1  # of random numbers, beside those of events


@dataclass(frozen=True, slots=True)
class Block:
    """Some subscribers in a row.

    Attributes:
        columns: as in the file.
        signup_days: days since 1970.
        activity: how much each is sent, against others; heavy-tailed.
        engagement: how often each opens what was sent, against others.
    """

    columns: pa.RecordBatch
    signup_days: NDArray[np.int32]
    activity: NDArray[np.float64]
    engagement: NDArray[np.float32]


def blocks(count: int, seed: int) -> Iterator[Block]:
    """All subscribers, in order."""
    for number, start in enumerate(range(0, count, BLOCK_ROWS)):
        yield _block(seed, number, min(BLOCK_ROWS, count - start))


def _block(seed: int, number: int, rows: int) -> Block:
    """A block is made whole and cut, so that its first rows don't depend on its last."""
    random = np.random.Generator(np.random.PCG64([seed, _STREAM, number]))
    size = BLOCK_ROWS
    country = words.pick(words.zipf(50, words.COUNTRY_SKEW), random.random(size))
    signup = _LAST - _skewed_days(random.random(size))
    domain = words.pick(words.zipf(len(words.DOMAINS), words.DOMAIN_SKEW), random.random(size))
    indexes = np.arange(number * size, (number + 1) * size)
    age = np.clip(np.round(random.normal(42, 15, size)), 16, 90).astype(np.int16)
    columns = {
        "key": arrays.keys(indexes),
        "country": arrays.coded(country, words.COUNTRIES),
        "city": arrays.coded(_cities(random, country), words.CITIES),
        "gender": arrays.coded(_shared(random, words.GENDER_SHARES), words.GENDERS),
        "age": pa.array(age, mask=random.random(size) < 0.05),
        "plan": arrays.coded(_shared(random, words.PLAN_SHARES), words.PLANS),
        "status": arrays.coded(_shared(random, words.STATUS_SHARES), words.STATUSES),
        "language": arrays.coded(_languages(random, country), words.LANGUAGES),
        "interests": _interests(random),
        "signup_date": pa.array(signup.astype(np.int32)).cast(pa.date32()),
        "lifetime_spend": arrays.decimals(_spend(random)),
        "email_domain": arrays.coded(domain, words.DOMAINS),
        "email": _emails(random, indexes, domain),
    }
    batch = pa.RecordBatch.from_arrays(
        [columns[name] for name in SUBSCRIBER_FIELDS.names], schema=SUBSCRIBER_FIELDS
    )
    activity = np.minimum(random.lognormal(0, 1.4, size), _ACTIVITY_MAX)
    engagement = np.minimum(random.lognormal(0, 1.0, size), _ENGAGEMENT_MAX).astype(np.float32)
    return Block(
        batch.slice(0, rows), signup[:rows].astype(np.int32), activity[:rows], engagement[:rows]
    )


def _skewed_days(chance: NDArray[np.float64]) -> arrays.Integers:
    """Days before the last one, up to eight years; later ones are more frequent."""
    return (chance**1.3 * SIGNUP_DAYS).astype(np.int64)


def _shared(random: np.random.Generator, shares: tuple[float, ...]) -> arrays.Integers:
    return words.pick(np.cumsum(shares), random.random(BLOCK_ROWS))


def _cities(random: np.random.Generator, country: arrays.Integers) -> arrays.Integers:
    """One of the 100 cities of the country; one subscriber in fifty has none."""
    within = words.zipf(words.CITIES_PER_COUNTRY, words.CITY_SKEW)
    city = words.pick(within, random.random(BLOCK_ROWS))
    codes = country * words.CITIES_PER_COUNTRY + city
    return np.where(random.random(BLOCK_ROWS) < 0.02, -1, codes)


def _languages(random: np.random.Generator, country: arrays.Integers) -> arrays.Integers:
    """Mostly that of the country, else any."""
    other = random.integers(0, len(words.LANGUAGES), BLOCK_ROWS)
    is_main = random.random(BLOCK_ROWS) < 0.9
    return np.where(is_main, words.main_languages()[country], other)


def _interests(random: np.random.Generator) -> arrays.Array:
    """0 to 8 different ones; one that is drawn twice counts once."""
    drawn = words.pick(
        words.zipf(len(words.INTERESTS), words.INTEREST_SKEW),
        random.random((BLOCK_ROWS, INTERESTS_MAX)),
    )
    wanted = _shared(random, words.INTEREST_COUNT_SHARES)
    codes = np.where(np.arange(INTERESTS_MAX) < wanted[:, None], drawn, -1)
    codes.sort(axis=1)
    chosen = codes >= 0
    chosen[:, 1:] &= codes[:, 1:] != codes[:, :-1]
    return arrays.lists(codes, chosen, words.INTERESTS)


def _spend(random: np.random.Generator) -> arrays.Integers:
    """Cents: three in ten never bought, few spent thousands."""
    cents = np.minimum(np.round(random.lognormal(8.0, 1.5, BLOCK_ROWS)), 10**11).astype(np.int64)
    return np.where(random.random(BLOCK_ROWS) < 0.3, 0, cents)


def _emails(
    random: np.random.Generator, indexes: arrays.Integers, domain: arrays.Integers
) -> arrays.Array:
    first = random.integers(0, len(words.FIRST_NAMES), BLOCK_ROWS)
    last = random.integers(0, len(words.LAST_NAMES), BLOCK_ROWS)
    names = [f"{one}.{other}" for one in words.FIRST_NAMES for other in words.LAST_NAMES]
    at = [f"@{name}" for name in words.DOMAINS]
    return pc.binary_join_element_wise(
        pa.array(names).take(pa.array(first * len(words.LAST_NAMES) + last)),
        pa.array(indexes + 1).cast(pa.string()),
        pa.array(at).take(pa.array(domain)),
        "",
    )
