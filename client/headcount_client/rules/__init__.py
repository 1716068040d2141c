"""A typed builder of rules.

    from headcount_client.rules import attr, did, prop

    attr("country").in_(["DE", "AT"]) & did("open").at_least(3).in_last(30, "days")
    ~did("purchase").where(prop("category") == "shoes", prop("amount") > 100)

Every rule of the text form can be built. ``&``, ``|`` and ``~`` combine; windows are methods
(``in_last(30, "days")``, ``before(date(2026, 1, 1))``, ``in_this("month")``); numbers are ``int``
or ``Decimal``; ``param("name")`` stands wherever a value or a list may.
"""

from headcount_client.rules.attributes import Attribute, attr, prop
from headcount_client.rules.events import (
    avg_of,
    count_distinct,
    did,
    did_not,
    favourite,
    first,
    last,
    max_of,
    min_of,
    rate,
    stars,
    sum_of,
)
from headcount_client.rules.expression import Expression, all_of, any_of, at_least, none_of
from headcount_client.rules.groups import (
    bucket,
    entered,
    everyone,
    ids,
    inactive_for,
    known_for,
    left,
    nobody,
    sample,
    segment,
    weighted,
)
from headcount_client.rules.literals import exactly, param

__all__ = [
    "Attribute",
    "Expression",
    "all_of",
    "any_of",
    "at_least",
    "attr",
    "avg_of",
    "bucket",
    "count_distinct",
    "did",
    "did_not",
    "entered",
    "everyone",
    "exactly",
    "favourite",
    "first",
    "ids",
    "inactive_for",
    "known_for",
    "last",
    "left",
    "max_of",
    "min_of",
    "nobody",
    "none_of",
    "param",
    "prop",
    "rate",
    "sample",
    "segment",
    "stars",
    "sum_of",
    "weighted",
]
