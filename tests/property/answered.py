"""The families of rules that the server answers."""

from __future__ import annotations

from tests.strategies.families import SPINE, Family

ATTRIBUTES = frozenset(
    {
        Family.PATTERN,
        Family.DOMAIN,
        Family.KEY,
        Family.KNOWN_SINCE,
        Family.HOURS,
        Family.ID_IN,
        Family.KEYWORDS_MORE,
        Family.RANK,
        Family.CALENDAR_PARTS,
        Family.COMPARE_ATTRIBUTE,
        Family.LOCATION,
        Family.CHANGED,
        Family.SAMPLE,
        Family.WEIGHTED,
    }
)
TOTALS = frozenset(
    {Family.AGGREGATE, Family.RECENCY, Family.FAVOURITE, Family.RATE, Family.STARS, Family.INACTIVE}
)
BEHAVIOUR = frozenset({Family.RELATIVE, Family.HABIT, Family.LAST_CAMPAIGNS, Family.SEQUENCE})
MOVES = frozenset({Family.MOVE})
ANSWERED = SPINE | ATTRIBUTES | TOTALS | BEHAVIOUR | MOVES
