"""The families of tests and rules that a strategy of rules may be restricted to."""

from __future__ import annotations

from enum import Enum, auto


class Family(Enum):
    """Kinds of tests and rules; ``and``, ``or``, ``not`` and groups are always there."""

    CONSTANT = auto()  # everyone, nobody
    KEYWORD = auto()  # = != in contains starts ends, on keyword and text attributes
    PATTERN = auto()  # like, matches
    DOMAIN = auto()
    KEYWORDS = auto()  # has, any, all, none of
    KEYWORDS_MORE = auto()  # has at least K of, has value starting with, size
    BOOLEAN = auto()
    NUMBER = auto()  # comparisons, between, in
    RANK = auto()
    MOMENT = auto()  # comparisons and windows by days, on dates and timestamps
    HOURS = auto()  # windows by hours, of timestamps and events
    COMPARE_ATTRIBUTE = auto()
    CALENDAR_PARTS = auto()  # anniversary, month, day of month, weekday, hour
    CHANGED = auto()
    LOCATION = auto()
    IS_SET = auto()
    KEY = auto()
    KNOWN_SINCE = auto()
    KNOWN_FOR = auto()
    ID_IN = auto()
    SAMPLE = auto()  # sample, bucket
    SEGMENT = auto()
    MOVE = auto()  # entered, left
    WEIGHTED = auto()
    DID = auto()  # how often, where, window
    RELATIVE = auto()
    HABIT = auto()
    LAST_CAMPAIGNS = auto()
    SEQUENCE = auto()
    RECENCY = auto()
    AGGREGATE = auto()
    FAVOURITE = auto()
    RATE = auto()
    STARS = auto()
    INACTIVE = auto()


FULL = frozenset(Family)
SPINE = frozenset(
    {
        Family.CONSTANT,
        Family.KEYWORD,
        Family.KEYWORDS,
        Family.BOOLEAN,
        Family.NUMBER,
        Family.MOMENT,
        Family.IS_SET,
        Family.KNOWN_FOR,
        Family.SEGMENT,
        Family.DID,
    }
)
