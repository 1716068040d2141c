"""A count broken down by the values of attributes, numeric and date histograms, with lift."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import unlocked
from headcount_server.core.attributes import AttributeIndex, BooleanIndex, NumberIndex
from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.calendar import Calendar, day_date, period
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.spellings import spelt_number, spelt_period, spelt_value
from headcount_server.core.rules.names import nearest
from headcount_server.core.rules.tree import Rule, Unit
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.steps import Steps, apart, finish
from headcount_server.errors import InvalidInput, Violation

Integers = NDArray[np.int64]
LIMIT_DEFAULT = 1_000
_CHUNK_ROWS = 8_192  # a millisecond, where nearly all values differ
_PERIODS = (Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR)
_TIMES = (AttributeType.DATE, AttributeType.TIMESTAMP)
_NUMBERS = (AttributeType.INTEGER, AttributeType.DECIMAL)


@dataclass(frozen=True, slots=True)
class By:
    """What to break down by.

    Attributes:
        attribute: name of the attribute, or ``known_since``.
        limit: most frequent values to list; the others are counted together.
        edges: of a histogram of numbers, ascending; a bucket goes from an edge to before the next
            one, and one lies below the first and one from the last on.
        unit: of a histogram of dates or timestamps.
    """

    attribute: str
    limit: int = LIMIT_DEFAULT
    edges: tuple[Decimal, ...] = ()
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class BreakdownValue:
    """A value, how many members have it, how many of the base, and the ratio of their shares."""

    value: str
    count: int
    base_count: int
    lift: float


@dataclass(frozen=True, slots=True)
class BreakdownResult:
    """One breakdown: values by falling count, then by value; buckets in their order.

    ``other_count`` is members with values past the limit; of keywords, values of members.
    """

    attribute: str
    values: tuple[BreakdownValue, ...]
    missing_count: int
    other_count: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A count and its breakdowns."""

    total: int
    reachable: int
    base_total: int
    breakdowns: tuple[BreakdownResult, ...]


def breakdown(ask: Ask, rule: Rule, by: Sequence[By], base: Rule | None) -> Breakdown:
    """Breaks a count down.

    Args:
        ask: the options; their scope holds for the base too.
        rule: whose members are counted.
        by: what to break down by.
        base: what lift compares with; None: everyone in the scope.

    Raises:
        InvalidInput: an unknown attribute, or one that can't be broken down so.
        InvalidRule: a rule doesn't fit the schema.
    """
    return finish(breakdown_steps(ask, rule, by, base))


def breakdown_steps(ask: Ask, rule: Rule, by: Sequence[By], base: Rule | None) -> Steps[Breakdown]:
    """As ``breakdown``: a step for an attribute, for numbers one for each _CHUNK_ROWS members."""
    members = ask.members(rule)
    total, reachable = len(members), ask.reached(members)
    base_rows = ask.scope() if base is None else ask.members(base)
    asked = [_checked(ask, one, f"by[{place}]") for place, one in enumerate(by)]
    results: list[BreakdownResult] = []
    for one in asked:
        yield
        results.append((yield from _break(ask, one, members, base_rows)))
    return Breakdown(total, reachable, len(base_rows), tuple(results))


def _checked(ask: Ask, by: By, place: str) -> By:
    """The request if it can be answered; else InvalidInput."""
    schema = _schema_of(ask, by, place)
    if schema.type in (AttributeType.TEXT, AttributeType.LOCATION):
        _refuse(
            f"{place}.attribute", f'"{by.attribute}" is a {schema.type.value}, which has too many'
            " different values to break down by", "UNSUPPORTED_TYPE",
        )  # fmt: skip
    if by.edges and schema.type not in _NUMBERS:
        _refuse(f"{place}.edges", f'"{by.attribute}" is no number', "WRONG_TYPE")
    if any(low >= high for low, high in pairwise(by.edges)):
        _refuse(f"{place}.edges", "edges must ascend", "OUT_OF_RANGE")
    if by.unit is not None and schema.type not in _TIMES:
        _refuse(f"{place}.unit", f'"{by.attribute}" is no date or timestamp', "WRONG_TYPE")
    if by.unit is not None and by.unit not in _PERIODS:
        _refuse(f"{place}.unit", "day, week, month, quarter or year is possible", "OUT_OF_RANGE")
    limit_max = ask.audience.limits.breakdown_values_max
    if not 1 <= by.limit <= limit_max:
        _refuse(f"{place}.limit", f"1 to {limit_max} values are possible", "OUT_OF_RANGE")
    return by


def _schema_of(ask: Ask, by: By, place: str) -> AttributeSchema:
    if by.attribute == "known_since":
        return ask.audience.known_since.schema
    schema = ask.audience.schema.attribute(by.attribute)
    if by.attribute == "key":
        _refuse(
            f"{place}.attribute", "every key is another one; there is nothing to break down by",
            "UNSUPPORTED_TYPE",
        )  # fmt: skip
    if schema is None:
        close = nearest(by.attribute, ask.audience.attributes)
        hint = f'; did you mean "{close}"?' if close else ""
        _refuse(
            f"{place}.attribute", f'unknown attribute "{by.attribute}"{hint}', "UNKNOWN_ATTRIBUTE",
            close,
        )  # fmt: skip
    assert schema is not None
    return schema


def _break(ask: Ask, by: By, members: BitMap, base: BitMap) -> Steps[BreakdownResult]:
    index = ask.audience.index(by.attribute)
    counts = yield from _counts(index, by, members, ask.audience.calendar)
    yield
    base_counts = dict((yield from _counts(index, by, base, ask.audience.calendar)))
    yield
    in_order = bool(by.edges) or by.unit is not None
    if not in_order:
        counts = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    shown = counts if by.edges else [(value, count) for value, count in counts if count]
    yield
    total, base_total = len(members), len(base)
    values = tuple(
        BreakdownValue(value, count, among, _lift(count, total, among, base_total))
        for value, count in shown[: by.limit]
        for among in (base_counts.get(value, 0),)
    )
    missing = total - members.intersection_cardinality(index.exists)
    other = sum(count for _, count in shown[by.limit :])
    return BreakdownResult(by.attribute, values, missing, other)


def _counts(
    index: AttributeIndex, by: By, rows: BitMap, calendar: Calendar
) -> Steps[list[tuple[str, int]]]:
    if isinstance(index, KeywordIndex | KeywordsIndex):
        return (yield from index.counting(rows))
    if isinstance(index, BooleanIndex):
        return [("true" if value else "false", count) for value, count in index.counts(rows)]
    assert isinstance(index, NumberIndex)
    if by.edges:
        return (yield from _number_histogram(index, by.edges, rows))
    if by.unit is not None:
        return (yield from _period_histogram(index, by.unit, rows, calendar))
    counts = yield from _tallied(index, rows)
    return [(spelt_value(index.schema, value), count) for value, count in sorted(counts.items())]


def _number_histogram(
    index: NumberIndex, edges: tuple[Decimal, ...], rows: BitMap
) -> Steps[list[tuple[str, int]]]:
    """Counts below the first edge, between edges, and from the last one on."""
    scale = index.schema.scale
    labels = [f"< {spelt_number(edges[0])}"]
    labels += [f"[{spelt_number(low)}, {spelt_number(high)})" for low, high in pairwise(edges)]
    labels.append(f">= {spelt_number(edges[-1])}")
    exact = [Fraction(edge) * 10**scale for edge in edges]
    buckets = [0] * len(labels)
    for value, count in (yield from _tallied(index, rows)).items():
        buckets[bisect_right(exact, value)] += count
    return list(zip(labels, buckets, strict=True))


def _period_histogram(
    index: NumberIndex, unit: Unit, rows: BitMap, calendar: Calendar
) -> Steps[list[tuple[str, int]]]:
    is_timestamp = index.schema.type is AttributeType.TIMESTAMP
    days = yield from _tallied(index, rows, calendar.days_of if is_timestamp else None)
    buckets: Counter[int] = Counter()
    for day, count in days.items():
        buckets[period(day, unit)[0]] += count
    return [(spelt_period(day_date(day), unit), count) for day, count in sorted(buckets.items())]


def _tallied(
    index: NumberIndex, rows: BitMap, convert: Callable[[Integers], Integers] | None = None
) -> Steps[Counter[int]]:
    """How many of the rows have each value, or each of what values are converted to."""
    tally: Counter[int] = Counter()
    among = rows & index.exists
    present = yield from apart(partial(unlocked.to_array, among), len(among) * unlocked.LIST_NS)
    for start in range(0, len(present), _CHUNK_ROWS):
        values = index.values_of_rows(present[start : start + _CHUNK_ROWS])
        if convert is not None:
            values = convert(values)
        found, counts = np.unique(values, return_counts=True)
        for value, count in zip(found.tolist(), counts.tolist(), strict=True):
            tally[value] += count
        yield
    return tally


def _lift(count: int, total: int, base_count: int, base_total: int) -> float:
    if not base_count or not total:
        return 0.0
    return (count * base_total) / (total * base_count)


def _refuse(place: str, description: str, reason: str, suggestion: str = "") -> None:
    raise InvalidInput(description, (Violation(place, description, reason, suggestion=suggestion),))
