"""What is odd about a node that can nevertheless be answered."""

from __future__ import annotations

from dataclasses import dataclass

from headcount_server.core.rules.tree import (
    AtLeast,
    Attribute,
    Between,
    Date,
    Did,
    Everyone,
    InNext,
    InWindow,
    Nobody,
    Number,
    Rule,
    Sequence,
    Timestamp,
    Value,
)


@dataclass(frozen=True, slots=True)
class Warning:
    """A stable code and the same in words."""

    reason: str
    message: str


REDUNDANT = Warning("REDUNDANT", "the count is the same without this condition")
CONTRADICTION = Warning(
    "CONTRADICTION", "nobody matches all of these conditions, though each has members"
)


def warnings(rule: Rule, constant: bool | None) -> tuple[Warning, ...]:
    """The warnings of one node.

    Args:
        rule: the node.
        constant: True if it is everyone whatever the data are, False if nobody, None if neither.
    """
    found: list[Warning] = []
    if _asks_too_many(rule):
        found.append(Warning("COUNT_PAST_NUMBER", "more rules are asked to hold than there are"))
    between = _between(rule)
    if between is not None and _is_reversed(between.low, between.high):
        found.append(Warning(
            "RANGE_REVERSED", "the ends of the range are exchanged, so that nobody lies in it"
        ))  # fmt: skip
    if isinstance(rule, Did | Sequence) and isinstance(rule.window, InNext):
        found.append(Warning(
            "FUTURE_EVENTS", "events later than now never count: only today's up to now do here"
        ))  # fmt: skip
    if constant is False and not found and not isinstance(rule, Nobody):
        found.append(Warning("ALWAYS_EMPTY", "nobody can match this, whatever the data are"))
    if constant is True and not isinstance(rule, Everyone):
        found.append(Warning("ALWAYS_EVERYONE", "everyone matches this, whatever the data are"))
    return tuple(found)


def _asks_too_many(rule: Rule) -> bool:
    if not isinstance(rule, AtLeast) or not isinstance(rule.count, Number):
        return False
    return rule.count.number > len(rule.rules)


def _between(rule: Rule) -> Between | None:
    if isinstance(rule, Attribute) and isinstance(rule.test, InWindow):
        window = rule.test.window
    elif isinstance(rule, Did | Sequence):
        window = rule.window
    else:
        return None
    return window if isinstance(window, Between) else None


def _is_reversed(low: Value, high: Value) -> bool:
    if isinstance(low, Number) and isinstance(high, Number):
        return low.number > high.number
    if isinstance(low, Date) and isinstance(high, Date):
        return low.date > high.date
    if isinstance(low, Timestamp) and isinstance(high, Timestamp):
        return low.timestamp > high.timestamp
    return False
