"""Aggregates, favourites, rates, stars and edge events against events that are searched plainly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.calendar import Calendar
from headcount_server.core.events import compare, rolls, tables
from headcount_server.core.events.answers import evaluate
from headcount_server.core.events.cache import BucketCache
from headcount_server.core.events.store import EventStore
from headcount_server.core.events.tables import Table
from headcount_server.core.events.tallies import Kind, Part, joined, tally
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.aggregate_nodes import (
    Aggregated,
    Average,
    EdgePasses,
    Favourite,
    Rate,
    Ratios,
    Stars,
    Total,
)
from headcount_server.core.plan.event_nodes import Days, Instants, MeasureRange, Source, Span
from headcount_server.core.rules.tree import Edge, Function
from headcount_server.core.schema import EventSchema
from headcount_server.core.texts import OneOf, fold

HOUR = 3_600_000_000
DAY = 24 * HOUR
CALENDARS = {zone: Calendar(ZoneInfo(zone)) for zone in ("UTC", "America/St_Johns")}
NOW = {"UTC": 20_000 * DAY + 15 * HOUR, "America/St_Johns": 13_450 * DAY + 20 * HOUR}
# In St John's the clock was set back over midnight that day, from 00:01 to 23:01, at 02:31 UTC.
AROUND = [13_450 * DAY + 2 * HOUR + minute * HOUR // 60 for minute in (29, 30, 31, 45, 89, 90)]
SCHEMAS = [
    EventSchema("sent", ("campaign",), (("amount", 2),)),
    EventSchema("open", ("campaign",), (("amount", 2),)),
    EventSchema("click", ("campaign",)),
]
SPELLINGS = [None, "a", "A", "b", "straße", "STRASSE", "c"]
AMOUNTS = [None, 0, 1, -1, 250, -(2**63), 2**63 - 1, 2**62]


@dataclass(frozen=True)
class Line:
    event: str
    row: int
    time: int
    order: int
    campaign: str | None
    amount: int | None


class Model:
    """Events as a list, and the same in stores that share a cache."""

    def __init__(self, zone: str, seed: int, rows: Sequence[int]) -> None:
        self.calendar, self.now = CALENDARS[zone], NOW[zone]
        self.cache = BucketCache()
        self.stores = {s.name: EventStore(s, self.calendar, self.cache) for s in SCHEMAS}
        self.lines: list[Line] = []
        self._rng = np.random.default_rng(seed)
        self._rows = rows
        self._order = 0

    def write(self, count: int, low: int, high: int) -> None:
        """So many events at times from ``low`` to ``high`` before now."""
        rng = self._rng
        for _ in range(count):
            schema = SCHEMAS[int(rng.integers(3))]
            time = self.now - int(rng.integers(low, high)) // HOUR * HOUR
            if low == 0 and self.calendar is not CALENDARS["UTC"] and rng.integers(3) == 0:
                time = AROUND[int(rng.integers(len(AROUND)))]
            line = Line(
                schema.name,
                self._rows[int(rng.integers(len(self._rows)))],
                time,
                self._order,
                SPELLINGS[int(rng.integers(len(SPELLINGS)))],
                AMOUNTS[int(rng.integers(len(AMOUNTS)))] if schema.measures else None,
            )
            self._order += 1
            self.lines.append(line)
            amount = np.array([line.amount or 0]), np.array([line.amount is not None])
            self.stores[line.event].record(
                np.array([line.row]), np.array([line.time]), {"campaign": [line.campaign]},
                {"amount": amount} if schema.measures else {}, np.array([line.order]),
            )  # fmt: skip

    def erase(self, rows: Sequence[int]) -> None:
        self.lines = [line for line in self.lines if line.row not in rows]
        for store in self.stores.values():
            store.erase(bitmaps.from_rows(rows))

    def found(self, row: int, source: Source, span: Span) -> list[Line]:
        found = [x for x in self.lines if x.row == row and x.event == source.event]
        if source.where is not None:
            assert isinstance(source.where, MeasureRange)
            low = source.where.low
            assert low is not None
            found = [x for x in found if x.amount is not None and x.amount >= low]
        if isinstance(span, Instants):
            low_us = span.low
            return [x for x in found
                    if (low_us is None or x.time >= low_us) and x.time <= span.high]  # fmt: skip
        days = [(x, self.calendar.day_of(x.time)) for x in found]
        return [x for x, day in days
                if (span.low is None or day >= span.low) and day <= span.high
                and (span.until is None or x.time <= span.until)]  # fmt: skip

    def holds(self, node: Aggregated, row: int) -> bool:
        match node:
            case Total():
                return self._total(node, row)
            case Average():
                values = [x.amount for x in self.found(row, node.source, node.span)]
                given = [v for v in values if v is not None]
                return bool(given) and inside(Fraction(sum(given), len(given)), node.range)
            case Favourite():
                lines = self.found(row, node.source, node.span)
                spelt = [x.campaign for x in lines if x.campaign is not None]
                counts = Counter(map(fold, spelt))
                most = max(counts.values(), default=0)
                return any(node.test.matches(s, fold(s)) for s in spelt if counts[fold(s)] == most)
            case Rate():
                part, of = (len(self.found(row, source, node.span))
                            for source in (node.numerator, node.denominator))  # fmt: skip
                return of > 0 and inside(Fraction(part, of), node.range)
            case Stars():
                sent = self._campaigns(row, node.sent, node.span)
                answers = [sent & self._campaigns(row, source, node.answered)
                           for source in (node.open, node.click)]  # fmt: skip
                return bool(sent) and inside(
                    Fraction(sum(map(len, answers)), len(sent)), node.range
                )
            case EdgePasses():
                lines = [x for source in node.sources for x in self.found(row, source, node.span)]
                pick = min if node.edge is Edge.FIRST else max
                edge = pick(lines, key=lambda x: (x.time, x.order), default=None)
                return edge is not None and any(
                    edge in self.found(row, source, node.span) for source in node.passing
                )

    def check(self, node: Aggregated, within: Sequence[int] | None = None) -> None:
        some = self._rows if within is None else within
        expected = {row for row in some if self.holds(node, row)}
        views: dict[str, EventView] = {**self.stores}
        given = None if within is None else bitmaps.from_rows(within)
        assert set(evaluate(node, views, given)) == expected

    def kept_rows(self) -> set[int]:
        """Every row in anything that the cache holds."""
        found: set[int] = set()
        for _, value, _ in self.cache._entries.values():
            for part in (value.rows.tolist(),) if isinstance(value, Table) else value:
                found |= set(part)
        return found

    def _campaigns(self, row: int, source: Source, span: Span) -> set[str]:
        found = self.found(row, source, span)
        return {fold(x.campaign) for x in found if x.campaign is not None}

    def _total(self, node: Total, row: int) -> bool:
        lines = self.found(row, node.source, node.span)
        given = [x.amount for x in lines if x.amount is not None]
        totals: dict[Function, Callable[[], int | None]] = {
            Function.SUM: lambda: sum(given) or None,
            Function.MIN: lambda: min(given, default=None),
            Function.MAX: lambda: max(given, default=None),
            Function.COUNT_DISTINCT: lambda: (
                len(self._campaigns(row, node.source, node.span))
                if node.property == "campaign" else len(set(given))
            ) or None,
        }  # fmt: skip
        total = totals[node.function]()
        low, high = node.low, node.high
        return (
            total is not None and (low is None or total >= low) and (high is None or total <= high)
        )


def inside(value: Fraction, some: Ratios) -> bool:
    low, high = some.low, some.high
    return (low is None or (value > low if some.low_open else value >= low)) and (
        high is None or (value < high if some.high_open else value <= high)
    )


RANGES = [
    Ratios(Fraction(0), None, low_open=True),
    Ratios(Fraction(1, 2), Fraction(1, 2)),
    Ratios(Fraction(33, 100), Fraction(10**30, 3)),
    Ratios(None, Fraction(2, 3), high_open=True),
    Ratios(Fraction(-(2**62)), Fraction(10**9 + 1, 3)),
    Ratios(Fraction(2**61), None),
]
BOUNDS = [(1, None), (None, -1), (2**63, None), (None, -(2**63)), (2, 3), (1, 2**64 - 2),
          (2**62, 2**62), (-(2**70), -(2**63) - 1), (10**40, None)]  # fmt: skip


def nodes(model: Model) -> list[Aggregated]:
    today = model.calendar.day_of(model.now)
    spans: list[Span] = [
        Days(None, today, model.now),
        Days(today - 9, today - 1, None),
        Days(today - 1, today, model.now),
        Instants(model.now - 30 * HOUR, model.now - HOUR),
    ]
    sent, opened, click = (Source(schema.name) for schema in SCHEMAS)
    large = Source("sent", MeasureRange("amount", 1, None))
    found: list[Aggregated] = []
    for i, span in enumerate(spans):
        for source in (sent, large):
            for low, high in BOUNDS:
                found.append(Total(source, "amount", Function.SUM, span, low, high))
                if -(2**63) <= (low or 0) < 2**63 and -(2**63) <= (high or 0) < 2**63:
                    found.append(Total(source, "amount", Function.MIN, span, low, high))
                    found.append(Total(source, "amount", Function.MAX, span, low, high))
            found += [Average(source, "amount", span, some) for some in RANGES]
            for name in ("campaign", "amount"):
                for low, high in ((1, 1), (2, None), (1, 3)):
                    found.append(Total(source, name, Function.COUNT_DISTINCT, span, low, high))
            for test in ({"a"}, {"strasse", "b"}):
                found.append(
                    Favourite(source, "campaign", span, OneOf(frozenset(test), frozenset()))
                )
            exact = OneOf(frozenset(), frozenset({"A", "straße"}))
            found.append(Favourite(source, "campaign", span, exact))
        found += [Rate(opened, sent, span, some) for some in RANGES]
        found += [Rate(sent, sent, span, RANGES[0])]
        found += [Stars(sent, opened, click, "campaign", span, spans[0], r) for r in RANGES]
        for edge in Edge:
            found.append(EdgePasses(edge, (sent,), span, (large,)))
            both = (opened, sent) if i % 2 else (click, opened, sent)
            found.append(EdgePasses(edge, both, span, (large, Source("open"))))
    return found


@pytest.mark.parametrize("zone", CALENDARS)
@pytest.mark.parametrize(
    ("dense", "newer"), [(0, 8_192), (10**9, 8_192), (0, 3)], ids=["sorted", "by array", "settled"]
)
def test_answers_hold_through_writes_late_events_and_erasures(
    zone: str, dense: int, newer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_DENSE_FACTOR", dense)
    monkeypatch.setattr(rolls, "_NEWER_MAX", newer)
    model = Model(zone, 7, (3, 4, 70_000, 70_001, 200_000))
    asked = nodes(model)
    model.write(120, 0, 14 * DAY)
    for node in asked:
        model.check(node)
    model.write(12, 0, 10 * HOUR)  # today
    for node in asked:
        model.check(node)
        model.check(node)
    model.write(3, 3 * DAY, 9 * DAY)  # late
    model.write(3, -5 * DAY, 0)  # of the future
    for node in asked:
        model.check(node)
    assert 4 in model.kept_rows()
    model.erase([4])
    assert 4 not in model.kept_rows()
    for node in asked:
        model.check(node)


def test_late_events_and_erasures_leave_what_was_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(kind: Kind, parts: Sequence[Part]) -> Table:
        read.append(sum(len(part.rows) for part in parts))
        return tally(kind, parts)

    monkeypatch.setattr(rolls, "tally", counted)
    model = Model("UTC", 9, range(10, 500))
    for store in model.stores.values():
        rows = np.arange(20_000, dtype=np.uint32) % 500
        times = model.now - DAY - np.arange(20_000) % (9 * DAY // HOUR) * HOUR
        amounts = np.ones(20_000, np.int64)
        store.record(rows, times, {}, {"amount": (amounts, None)} if store.schema.measures else {})
    today = model.calendar.day_of(model.now)
    node = Total(Source("sent"), "amount", Function.SUM, Days(None, today, model.now), 41, None)
    views: dict[str, EventView] = {**model.stores}
    before = evaluate(node, views)
    assert model.cache.nbytes > 500 * (4 + 8)  # a row and a sum each
    assert sum(read) == 20_000
    read.clear()
    sent = model.stores["sent"]
    for row, days in ((600, 3), (601, 0)):
        rows, times = np.full(41, row), np.full(41, model.now - days * DAY)
        sent.record(rows, times, {}, {"amount": (np.ones(41, np.int64), None)})
        found = evaluate(node, views)
        assert row in found
    assert found - before == bitmaps.from_rows([600, 601])
    sent.erase(bitmaps.from_rows([499, 600]))
    assert evaluate(node, views) == found - bitmaps.from_rows([499, 600])
    assert sum(read) <= 41 * 4


def test_rates_and_stars_follow_each_of_their_event_types() -> None:
    model = Model("UTC", 10, (3, 4))
    today = model.calendar.day_of(model.now)
    sources = [Source(schema.name) for schema in SCHEMAS]
    sent, opened, _ = sources
    span = Days(None, today, model.now)
    asked: list[Aggregated] = [Rate(opened, sent, span, RANGES[1])]
    asked += [Stars(*sources, "campaign", span, span, Ratios(Fraction(n), None)) for n in (1, 2)]
    written = "sent3a sent3b open3a sent3A open3B click3A sent4a click3b sent3c open4a click4a"
    for text in written.split():
        event, row, campaign = text[:-2], int(text[-2]), text[-1]
        line = Line(event, row, model.now - 3 * DAY, len(model.lines), campaign, None)
        model.lines.append(line)
        columns = {"campaign": [campaign]}
        model.stores[event].record(np.array([row]), np.array([line.time]), columns, {})
        for node in asked:
            model.check(node)


@pytest.mark.parametrize("zone", CALENDARS)
def test_candidates_alone_get_the_same_answer(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolls, "_MANY_EVENTS", 0)
    model = Model(zone, 8, (3, 4, 70_000, 70_001, 200_000))
    model.write(100, 0, 14 * DAY)
    for within in ((), (4,), (3, 70_001, 300_000)):
        for node in nodes(model):
            model.check(node, within)
    assert not any(isinstance(value, Table) for _, value, _ in model.cache._entries.values())
    for node in nodes(model):
        model.check(node)
        model.check(node, (3, 70_001))


@pytest.mark.parametrize("kind", Kind)
def test_tables_of_parts_join_to_the_table_of_all(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    pool = np.array([0, 1, -1, 5, 2**40, -(2**63), 2**63 - 1], np.int64)
    for size in (4, 7):
        parts: list[Part] = []
        for count in (0, 1, 9, 40):
            rows = np.sort(rng.integers(0, 6, count)).astype(np.uint32)
            values = pool[rng.integers(0, size, count)]
            parts.append(Part(rows, values, 5 if size == 4 else 2**63))
        for dense in (0, 100):
            monkeypatch.setattr(tables, "_DENSE_FACTOR", dense)
            whole = content(kind, tally(kind, parts))
            assert content(kind, joined(kind, [tally(kind, [part]) for part in parts])) == whole
            assert content(kind, joined(kind, [tally(kind, []), tally(kind, parts)])) == whole
            assert whole == plainly(kind, parts)


def content(kind: Kind, table: Table) -> list[tuple[int, ...]]:
    """Lines with the sums as they are, without those where they are all 0."""
    first = {Kind.SUM: 0, Kind.MEAN: 1}.get(kind)
    lines: list[tuple[int, ...]] = []
    for row, *numbers in zip(
        table.rows.tolist(), *(c.tolist() for c in table.columns), strict=True
    ):
        if first is not None and len(numbers) > first + 1:
            high, low = numbers[first:]
            lines.append((row, *numbers[:first], high * 2**32 + low))
        else:
            lines.append((row, *numbers))
    return lines if kind is not Kind.SUM else [line for line in lines if line[1]]


def plainly(kind: Kind, parts: Sequence[Part]) -> list[tuple[int, ...]]:
    by_row: dict[int, list[int]] = {}
    for part in parts:
        for row, value in zip(part.rows.tolist(), part.values.tolist(), strict=True):
            by_row.setdefault(row, []).append(value)
    lines: list[tuple[int, ...]] = []
    for row, values in sorted(by_row.items()):
        match kind:
            case Kind.COUNT:
                lines.append((row, len(values)))
            case Kind.SUM:
                lines += [(row, sum(values))] if sum(values) else []
            case Kind.MEAN:
                lines.append((row, len(values), sum(values)))
            case Kind.MIN:
                lines.append((row, min(values)))
            case Kind.MAX:
                lines.append((row, max(values)))
            case Kind.VALUES:
                lines += [(row, *line) for line in sorted(Counter(values).items())]
    return lines


@pytest.mark.parametrize("sums", [[0, 1, -1, 7, 2**62 - 1, 1 - 2**62], [2**63, -(2**93), 2**93]])
def test_sums_are_compared_exactly_at_every_boundary(sums: list[int]) -> None:
    wide = (np.array([s >> 32 for s in sums]), np.array([s & 0xFFFFFFFF for s in sums]))
    narrow = (np.array(sums),) if max(map(abs, sums)) < 2**62 else wide
    bounds = [s + d for s in sums for d in (-1, 0, 1)] + [-(10**40), 10**40]
    for columns in (wide, narrow):
        for low in [None, *bounds]:
            for high in [None, *bounds]:
                found = compare.between(columns, low, high).tolist()
                assert found == [
                    (low is None or s >= low) and (high is None or s <= high) for s in sums
                ]


def test_fractions_are_compared_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = [0, 1, -1, 3, 10**18, -(10**18), 10**18 + 1] * 4
    denominators = [d for d in (1, 3, 7, 10**6) for _ in range(7)]
    columns, below = (np.array(sums),), np.array(denominators)
    values = [Fraction(s, d) for s, d in zip(sums, denominators, strict=True)]
    little = Fraction(1, 10**900)
    for limit in (1 << 20, 5):
        monkeypatch.setattr(compare, "_LISTED_MAX", limit)
        for bound in {value + e for value in values for e in (0, little, -little)}:
            for some in (Ratios(bound, None), Ratios(bound, None, True), Ratios(None, bound),
                         Ratios(None, bound, high_open=True), Ratios(bound, bound)):  # fmt: skip
                found = compare.ratios_between(columns, below, some).tolist()
                assert found == [inside(value, some) for value in values]
