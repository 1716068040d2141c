"""The families of rules that the server answers."""

from __future__ import annotations

from tests.strategies.families import Family

TOTALS = frozenset(
    {Family.AGGREGATE, Family.RECENCY, Family.FAVOURITE, Family.RATE, Family.STARS, Family.INACTIVE}
)
