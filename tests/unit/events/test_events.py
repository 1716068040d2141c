"""The event store and ``evaluate`` against a list of events that is searched plainly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.calendar import Calendar
from headcount_server.core.events.cache import BucketCache
from headcount_server.core.events.dump import dump
from headcount_server.core.events.evaluate import as_a_sum, evaluate
from headcount_server.core.events.select import select
from headcount_server.core.events.spellings import MISSING, Coded
from headcount_server.core.events.store import EventStore
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.event_nodes import (
    Days,
    DidAtLeast,
    DimensionMatch,
    Instants,
    MeasureIn,
    MeasureRange,
    PropertyIsSet,
    Source,
    Span,
    Where,
    WhereAnd,
    WhereAtLeast,
    WhereNot,
    WhereOr,
)
from headcount_server.core.schema import EventSchema
from headcount_server.core.texts import ContainsOneOf, OneOf, StartsWith, fold
from headcount_server.errors import DataLoss
from hypothesis import given, settings
from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
# A clock set back over midnight, one set forward at midnight, a skipped day, odd offsets.
ZONES = {
    "America/St_Johns": datetime(2006, 10, 29, 2, 31, tzinfo=UTC),
    "America/Sao_Paulo": datetime(2018, 11, 4, 3, 0, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 30, 10, 0, tzinfo=UTC),
    "Australia/Adelaide": datetime(2024, 10, 5, 16, 30, tzinfo=UTC),
    "UTC": datetime(1970, 1, 3, tzinfo=UTC),
}
SCHEMAS = {
    "buy": EventSchema("buy", ("category", "link"), (("amount", 2), ("quantity", 0))),
    "open": EventSchema("open", ("category",), (("amount", 2),)),
}
SPELLINGS = ["shoes", "Shoes", "SHOES", "hats", "straße", "STRASSE", "", "/sale/x"]
AMOUNTS = [-(2**63), -1, 0, 1, 250, 2**40, 2**63 - 1]
CALENDARS = {zone: Calendar(ZoneInfo(zone)) for zone in ZONES}


def micros(moment: datetime) -> int:
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@dataclass(frozen=True)
class Line:
    event: str
    row: int
    time: int
    order: int
    dimensions: dict[str, str | None]
    measures: dict[str, int | None]


@dataclass
class Model:
    """All events in the order of writing, and the same in stores."""

    zone: str
    lines: list[Line] = field(default_factory=list)
    stores: dict[str, EventStore] = field(default_factory=dict)
    next_order: int = 0

    def __post_init__(self) -> None:
        cache = BucketCache(200_000)
        for name, schema in SCHEMAS.items():
            self.stores[name] = EventStore(schema, CALENDARS[self.zone], cache)

    def write(self, event: str, lines: list[tuple[int, int, list[str | None], list[int | None]]],
              coded: bool = False) -> None:  # fmt: skip
        schema = SCHEMAS[event]
        dimensions: dict[str, list[str | None]] = {n: [] for n in schema.dimensions}
        measures: dict[str, list[int | None]] = {n: [] for n, _ in schema.measures}
        first = self.next_order
        for row, time, texts, numbers in lines:
            own = dict(zip(schema.dimensions, texts, strict=False))
            sums = dict(zip(measures, numbers, strict=False))
            self.lines.append(Line(event, row, time, self.next_order, own, sums))
            self.next_order += 1
            for name, text in own.items():
                dimensions[name].append(text)
            for name, number in sums.items():
                measures[name].append(number)
        self.stores[event].record(
            np.array([line[0] for line in lines], dtype=np.uint32),
            np.array([line[1] for line in lines], dtype=np.int64),
            {n: coded_column(c) if coded else c for n, c in dimensions.items()},
            {
                n: (
                    np.array([v or 0 for v in c], dtype=np.int64),
                    np.array([v is not None for v in c], dtype=np.bool_),
                )
                for n, c in measures.items()
            },
            np.arange(first, self.next_order, dtype=np.int64),
        )

    def erase(self, rows: set[int]) -> None:
        self.lines = [line for line in self.lines if line.row not in rows]
        for store in self.stores.values():
            store.erase(bitmaps.from_rows(sorted(rows)))

    def day(self, time: int) -> int:
        moment = datetime.fromtimestamp(time // 1_000_000, UTC).astimezone(ZoneInfo(self.zone))
        return (moment.date() - EPOCH.date()).days

    def passing(self, node: DidAtLeast) -> list[Line]:
        wheres = {source.event: source.where for source in node.sources}
        return [
            line
            for line in self.lines
            if line.event in wheres
            and passes(wheres[line.event], line)
            and self.in_span(node.span, line.time)
        ]

    def in_span(self, span: Span, time: int) -> bool:
        if isinstance(span, Instants):
            return (span.low is None or span.low <= time) and time <= span.high
        day = self.day(time)
        return (
            (span.low is None or span.low <= day)
            and day <= span.high
            and (span.until is None or time <= span.until)
        )

    def expected(self, node: DidAtLeast) -> set[int]:
        lines = self.passing(node)
        if node.on_days:
            counted = Counter(row for row, _ in {(line.row, self.day(line.time)) for line in lines})
        else:
            counted = Counter(line.row for line in lines)
        return {row for row, count in counted.items() if count >= node.count}


def coded_column(column: list[str | None]) -> Coded:
    spellings = ["not used", *sorted({s for s in column if s is not None})]
    codes = [MISSING if s is None else spellings.index(s) for s in column]
    return Coded(spellings, np.array(codes, dtype=np.uint32))


def passes(where: Where | None, line: Line) -> bool:
    match where:
        case None:
            return True
        case WhereNot():
            return not passes(where.where, line)
        case WhereAnd():
            return all(passes(part, line) for part in where.wheres)
        case WhereOr():
            return any(passes(part, line) for part in where.wheres)
        case WhereAtLeast():
            return sum(passes(part, line) for part in where.wheres) >= where.count
        case PropertyIsSet():
            return {**line.dimensions, **line.measures}[where.property] is not None
        case DimensionMatch():
            text = line.dimensions[where.dimension]
            return text is not None and where.test.matches(text, fold(text))
        case MeasureRange():
            number = line.measures[where.measure]
            return (
                number is not None
                and (where.low is None or where.low <= number)
                and (where.high is None or number <= where.high)
            )
        case MeasureIn():
            return line.measures[where.measure] in where.values


def times(zone: str) -> st.SearchStrategy[int]:
    """Around the edge of a clock change, at whole hours, and far away on either side."""
    edge = micros(ZONES[zone])
    near = st.integers(-30, 30).map(lambda hours: edge + hours * HOUR)
    odd = st.sampled_from([-60_000_000, -1, 0, 1, 30_000_000, 3_540_000_000])
    fine = st.tuples(near, odd).map(sum)
    days = st.integers(-90, 90).map(lambda days: edge + days * 24 * HOUR)
    far = st.sampled_from(["0001-01-02T03:00", "1899-05-05", "9999-12-30T01:00"]).map(
        lambda text: micros(datetime.fromisoformat(text).replace(tzinfo=UTC))
    )
    return st.one_of(near, fine, days, far)


def rows() -> st.SearchStrategy[int]:
    return st.sampled_from([0, 1, 2, 3, 65_535, 65_536, 200_000, 2**32 - 1])


def lines(zone: str) -> st.SearchStrategy[list[tuple[int, int, list, list]]]:
    text = st.sampled_from([*SPELLINGS, None])
    number = st.sampled_from([*AMOUNTS, None])
    return st.lists(
        st.tuples(rows(), times(zone), st.tuples(text, text), st.tuples(number, number)),
        min_size=1,
        max_size=12,
    )


TESTS = st.one_of(
    st.sets(st.sampled_from(SPELLINGS), max_size=3).map(
        lambda values: OneOf(frozenset(map(fold, values)), frozenset())
    ),
    st.sampled_from(SPELLINGS).map(lambda value: OneOf(frozenset(), frozenset({value}))),
    st.just(OneOf(frozenset(map(str, range(9))) | {"hats", "shoes"}, frozenset())),
    st.sampled_from(["s", "/", ""]).map(lambda part: StartsWith(part, False)),
    st.just(ContainsOneOf(("e",), ("S",))),
)


def wheres(event: str) -> st.SearchStrategy[Where]:
    schema = SCHEMAS[event]
    dimension = st.sampled_from(schema.dimensions)
    measure = st.sampled_from([name for name, _ in schema.measures])
    bound = st.sampled_from([*AMOUNTS, None, 2, -(2**70), 2**70])
    leaf = st.one_of(
        st.builds(DimensionMatch, dimension, TESTS),
        st.builds(MeasureRange, measure, bound, bound),
        st.sets(st.sampled_from([*AMOUNTS, 7, 2**65]), max_size=3).flatmap(
            lambda values: st.builds(MeasureIn, measure, st.just(tuple(sorted(values))))
        ),
        st.builds(PropertyIsSet, st.one_of(dimension, measure)),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(WhereNot, inner),
            st.builds(WhereAnd, st.lists(inner, max_size=3).map(tuple)),
            st.builds(WhereOr, st.lists(inner, max_size=3).map(tuple)),
            st.builds(WhereAtLeast, st.integers(0, 3), st.lists(inner, max_size=3).map(tuple)),
        ),
        max_leaves=4,
    )


@st.composite
def nodes(draw: st.DrawFn, zone: str) -> DidAtLeast:
    model = Model(zone)
    events = draw(st.sampled_from([("buy",), ("open",), ("buy", "open")]))
    sources = tuple(Source(e, draw(st.one_of(st.none(), wheres(e)))) for e in events)
    first, second = draw(times(zone)), draw(times(zone))
    low = draw(st.sampled_from([None, min(first, second), first]))
    high = max(first, second)
    if draw(st.booleans()):
        span: Span = Instants(low, high)
    else:
        until = draw(st.sampled_from([None, high, first]))
        span = Days(None if low is None else model.day(low), model.day(high), until)
    return DidAtLeast(sources, span, draw(st.integers(1, 5)), draw(st.booleans()))


STEPS = st.sampled_from(["write", "write", "write", "ask", "ask", "erase", "freeze", "compact"])


def check(model: Model, views: dict[str, EventView], node: DidAtLeast, found: set[int]) -> None:
    assert set(evaluate(node, views)) == found
    within = {0, 2, 65_536, 77}
    assert set(evaluate(node, views, bitmaps.from_rows(sorted(within)))) == found & within


@settings(max_examples=80, deadline=None)
@given(data=st.data(), zone=st.sampled_from(sorted(ZONES)))
def test_counts_equal_plain_search_whatever_was_written_read_erased_or_frozen_in_between(
    data: st.DataObject, zone: str
) -> None:
    model = Model(zone)
    frozen: list[tuple[dict[str, EventView], DidAtLeast, set[int]]] = []
    asked = [data.draw(nodes(zone)) for _ in range(3)]
    for step in data.draw(st.lists(STEPS, min_size=3, max_size=9)):
        if step == "write":
            event = data.draw(st.sampled_from(sorted(SCHEMAS)))
            model.write(event, data.draw(lines(zone)), data.draw(st.booleans()))
        elif step == "erase":
            model.erase(data.draw(st.sets(rows(), max_size=3)))
        elif step == "freeze":
            node = data.draw(st.sampled_from(asked))
            views = {name: store.freeze() for name, store in model.stores.items()}
            frozen.append((views, node, model.expected(node)))
        elif step == "compact":
            for store in model.stores.values():
                store.compact()
        for node in asked:
            check(model, dict(model.stores), node, model.expected(node))
    for views, node, found in frozen:
        check(model, views, node, found)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), zone=st.sampled_from(sorted(ZONES)))
def test_events_are_given_back_in_time_and_write_order(data: st.DataObject, zone: str) -> None:
    model = Model(zone)
    for _ in range(data.draw(st.integers(1, 3))):
        model.write("buy", data.draw(lines(zone)))
        if data.draw(st.booleans()):
            model.stores["buy"].contents()
    store = model.stores["buy"]
    for row in {line.row for line in model.lines} | {9}:
        expected = sorted(
            (ln.time, ln.order, ln.dimensions, ln.measures) for ln in model.lines if ln.row == row
        )
        assert [tuple(event) for event in store.events_of(row)] == expected
    node = data.draw(nodes(zone).filter(lambda node: node.sources[0].event == "buy"))
    node = DidAtLeast(node.sources[:1], node.span, 1)
    within = data.draw(st.one_of(st.none(), st.sets(rows())))
    given_rows = None if within is None else bitmaps.from_rows(sorted(within))
    found = select(store, node.sources[0], node.span, given_rows, ("category", "amount"))
    names = [None, *store.spellings["category"].dump(len(store.spellings["category"]))]
    values, present = found.measures["amount"]
    has = [True] * len(found) if present is None else present.tolist()
    got = list(
        zip(
            found.rows.tolist(),
            found.times.tolist(),
            found.orders.tolist(),
            [names[code] for code in found.codes["category"].tolist()],
            [v if p else None for v, p in zip(values.tolist(), has, strict=True)],
            strict=True,
        )
    )
    expected = sorted(
        (ln.row, ln.time, ln.order, ln.dimensions["category"], ln.measures["amount"])
        for ln in model.passing(node)
        if within is None or ln.row in within
    )
    assert got == expected


@settings(max_examples=60, deadline=None)
@given(data=st.data(), zone=st.sampled_from(sorted(ZONES)))
def test_dumps_depend_on_the_writes_alone_and_load_to_the_same_answers(
    data: st.DataObject, zone: str
) -> None:
    eager, lazy = Model(zone), Model(zone)
    node = data.draw(nodes(zone))
    for _ in range(data.draw(st.integers(1, 4))):
        event, written = data.draw(st.sampled_from(sorted(SCHEMAS))), data.draw(lines(zone))
        gone = data.draw(st.sets(rows(), max_size=2))
        for model in (eager, lazy):
            model.write(event, written, coded=model is lazy)
            if model is eager:
                evaluate(node, dict(model.stores))
                model.stores[event].compact()
            model.erase(gone)
    views: dict[str, EventView] = {}
    for name, store in eager.stores.items():
        frozen = lazy.stores[name].freeze()
        dumped = lazy.stores[name].dump()
        assert same(store.dump(), dumped)
        lazy.stores[name].erase(bitmaps.from_rows([0, 1]))
        assert same(dump(frozen), dumped)
        views[name] = loaded = EventStore.load(SCHEMAS[name], CALENDARS[zone], dumped)
        assert same(loaded.dump(), dumped)
        assert loaded.event_count == store.event_count
        assert loaded.version == store.version
    check(eager, views, node, eager.expected(node))


def same(left: object, right: object) -> bool:
    """Equal plain data, of equal types throughout."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and bool(np.array_equal(left, right))
    return left == right


def bulk_model(count: int = 30_000) -> tuple[Model, np.random.Generator]:
    """Enough events for every path of sorting, blocks and caching."""
    generator = np.random.default_rng(5)
    model = Model("Australia/Adelaide")
    edge = micros(ZONES[model.zone])
    for part in range(3):
        drawn = zip(
            generator.integers(0, 3_000, count // 3).tolist(),
            (edge + generator.integers(-40, 40, count // 3) * HOUR * 7).tolist(),
            generator.integers(0, 60, count // 3).tolist(),
            generator.integers(0, 300, count // 3).tolist(),
            strict=True,
        )
        model.write(
            "buy",
            [(r, t, [f"c{c}" if c else None, f"L{a}"], [a, None]) for r, t, c, a in drawn],
            coded=part == 1,
        )
        model.stores["buy"].contents()
    return model, generator


def test_many_events_over_many_days_count_as_few_do() -> None:
    model, generator = bulk_model()
    edge = micros(ZONES[model.zone])
    today = model.day(edge)
    wanted = DimensionMatch("category", StartsWith("c1", False))
    for where in (None, wanted, WhereAnd((wanted, MeasureRange("amount", 10, 200)))):
        for span in (Days(None, today, edge), Days(today - 8, today + 2, None),
                     Instants(edge - 90 * HOUR, edge + 20 * HOUR)):  # fmt: skip
            for count, on_days in ((1, False), (2, False), (4, False), (3, True)):
                node = DidAtLeast((Source("buy", where),), span, count, on_days)
                found = model.expected(node)
                small = bitmaps.from_rows(generator.integers(0, 3_000, 20))
                cold = {n: EventStore.load(SCHEMAS[n], CALENDARS[model.zone], s.dump())
                        for n, s in model.stores.items()}  # fmt: skip
                assert set(evaluate(node, cold, small)) == found & set(small)
                assert set(evaluate(node, dict(model.stores))) == found
                assert set(evaluate(node, dict(model.stores))) == found


def test_a_late_event_and_an_erasure_show_in_warm_answers() -> None:
    model, _ = bulk_model(6_000)
    edge = micros(ZONES[model.zone])
    node = DidAtLeast((Source("buy"),), Days(None, model.day(edge) + 9, None), 3)
    for _ in range(3):
        assert set(evaluate(node, dict(model.stores))) == model.expected(node)
        for _ in range(3):
            model.write("buy", [(9_999, edge - 100 * HOUR, ["late", None], [1, 1])])
        assert 9_999 in evaluate(node, dict(model.stores))
        model.erase({9_999, 5})
        assert set(evaluate(node, dict(model.stores))) == model.expected(node)


def test_a_frozen_view_that_is_asked_doesn_t_bring_the_erased_back() -> None:
    model, _ = bulk_model(3_000)
    frozen: dict[str, EventView] = {n: store.freeze() for n, store in model.stores.items()}
    nodes = [
        DidAtLeast((Source("buy"),), Days(None, 30_000, None), 1),
        DidAtLeast((Source("buy"), Source("open")), Days(None, 30_000, None), 2),
    ]
    before = [model.expected(node) for node in nodes]
    for node in nodes:
        evaluate(node, dict(model.stores))
    gone = set(range(0, 3_000, 2))
    model.erase(gone)
    for _ in range(2):
        for node, members in zip(nodes, before, strict=True):
            assert members & gone
            assert set(evaluate(node, frozen)) == members
            assert set(evaluate(node, dict(model.stores))) == members - gone


def test_instants_hold_over_a_clock_that_is_set_back_over_midnight() -> None:
    model = Model("America/St_Johns")
    edge = micros(ZONES[model.zone])  # 00:01 becomes 23:01 of the day before
    minutes = range(-180, 181, 1)
    for minute in minutes:
        model.write("open", [(minute + 180, edge + minute * 60_000_000, [None], [None])])
    assert model.day(edge - 1) == model.day(edge) + 1
    for low in (-3, -1, 0, 1, 58, 59, 60):
        for high in (-1, 0, 1, 58, 59, 60, 61):
            for span in (
                Instants(edge + low * 60_000_000, edge + high * 60_000_000),
                Days(model.day(edge), model.day(edge), edge + high * 60_000_000),
                Days(model.day(edge) + 1, model.day(edge) + 1, edge + high * 60_000_000),
            ):
                node = DidAtLeast((Source("open"),), span, 1)
                assert set(evaluate(node, dict(model.stores))) == model.expected(node)


def test_an_empty_range_is_nobody() -> None:
    model, _ = bulk_model(300)
    today = model.day(micros(ZONES[model.zone]))
    for span in (Days(today, today - 1, None), Instants(5, 4), Days(today, today, 0)):
        for count in (1, 2):
            node = DidAtLeast((Source("buy"),), span, count)
            assert not evaluate(node, dict(model.stores))
            assert len(select(model.stores["buy"], Source("buy"), span)) == 0


def test_erasing_forgets_spellings_that_nobody_else_used() -> None:
    model = Model("UTC")
    model.write("buy", [(1, 0, ["Shoes", None], [1, 1]), (2, 5, ["shoes", None], [1, 1])])
    model.write("buy", [(1, 0, ["secret", "x"], [1, 1])])
    store = model.stores["buy"]
    assert store.values("category") == ["Shoes", "secret"]
    before = store.freeze()
    model.erase({1})
    assert store.values("category") == ["shoes"]
    assert store.values("link") == []
    assert "secret" not in repr(store.dump())
    assert before.values("category") == ["Shoes", "secret"]
    model.write("buy", [(3, 0, ["Secret", "y"], [1, 1])])
    assert store.values("category") == ["shoes", "Secret"]
    node = DidAtLeast(
        (Source("buy", DimensionMatch("category", OneOf(frozenset({"secret"}), frozenset()))),),
        Days(None, 10, None),
        1,
    )
    assert set(evaluate(node, dict(model.stores))) == {3}
    assert [event.dimensions["category"] for event in before.events_of(1)] == ["Shoes", "secret"]
    assert store.spellings["category"].value_codes().tolist() == [0, 0, 2, 0, 4]


def test_unchanged_days_keep_their_arrays_between_dumps() -> None:
    model = Model("UTC")
    day = 24 * HOUR
    model.write("buy", [(1, 0, ["a", None], [1, 1]), (2, 3 * day, ["b", None], [1, 1])])
    first = model.stores["buy"].dump()["days"]
    model.write("buy", [(1, 3 * day + 5, ["a", None], [1, 1])])
    second = model.stores["buy"].dump()["days"]
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert second[0]["rows"] is first[0]["rows"]
    assert second[1]["rows"] is not first[1]["rows"]


def test_the_sizes_and_days_of_a_store_can_be_read() -> None:
    model = Model("UTC")
    store = model.stores["buy"]
    assert (store.event_count, store.first_day, store.last_day, store.version) == (0, None, None, 0)
    day = 24 * HOUR
    model.write("buy", [(1, 0, ["a", None], [1, 1]), (1, 5, ["a", None], [1, 1])])
    model.write("buy", [(2, -3 * day, ["b", None], [1, None])])
    assert store.nbytes()["pending"] > 0
    assert store.day_counts() == {-3: 1, 0: 2}
    assert (store.event_count, store.first_day, store.last_day, store.version) == (3, -3, 0, 2)
    sizes = store.nbytes()
    assert sizes["pending"] == 0
    assert sizes["rows"] == 12
    assert sizes["property.amount"] == 3


def test_the_cache_keeps_to_its_budget() -> None:
    model, _ = bulk_model(3_000)
    model.stores["buy"].cache.budget_bytes = 20_000
    edge = micros(ZONES[model.zone])
    for days in range(12):
        node = DidAtLeast((Source("buy"),), Days(model.day(edge) - days, model.day(edge), edge), 2)
        assert set(evaluate(node, dict(model.stores))) == model.expected(node)
        assert model.stores["buy"].cache.nbytes <= 20_000


BREAKAGES = {
    "another type": lambda d: d.update(event="open"),
    "dimensions": lambda d: d.update(dimensions={}),
    "a spelling twice": lambda d: d["dimensions"].update(category=["a", "a"]),
    "a spelling unused": lambda d: d["dimensions"]["category"].append("z"),
    "a spelling forgotten": lambda d: d["dimensions"].update(category=[None, "b"]),
    "days out of order": lambda d: d["days"].reverse(),
    "another day": lambda d: d["days"][0].update(day=-5),
    "rows out of order": lambda d: d["days"][1].update(rows=d["days"][1]["rows"][::-1]),
    "rows of another type": lambda d: d["days"][0].update(rows=np.zeros(1, dtype=np.int64)),
    "a short column": lambda d: d["days"][1]["times"].update(data=np.zeros(1, dtype=np.uint8)),
    "a signed column": lambda d: d["days"][0]["times"].update(data=np.zeros(1, dtype=np.int8)),
    "another unit": lambda d: d["days"][0]["times"].update(unit=7),
    "past 64 bits": lambda d: d["days"][0]["measures"]["amount"].update(base=2**63),
    "a short presence": lambda d: d["days"][1]["measures"]["amount"].update(
        present=np.ones(1, dtype=np.bool_)
    ),
    "places never given": lambda d: d.update(next_order=1),
    "no version": lambda d: d.pop("version"),
    "a missing column": lambda d: d["days"][0]["dimensions"].pop("link"),
    "a day twice": lambda d: d["days"].append(d["days"][1]),
    "an event twice": lambda d: d["days"][1].update(
        rows=np.full(2, 2, np.uint32),
        times={"base": 24 * HOUR, "unit": 1, "data": np.zeros(2, np.uint8)},
        orders={"base": 1, "unit": 1, "data": np.zeros(2, np.uint8)},
    ),
    "a place that is still to be given": lambda d: d.update(next_order=2),
    "a place below 0": lambda d: d["days"][0]["orders"].update(base=-1),
    "an empty day": lambda d: d["days"][0].update(rows=np.zeros(0, dtype=np.uint32)),
}


@pytest.mark.parametrize("what", sorted(BREAKAGES))
def test_damaged_parts_are_refused(what: str) -> None:
    model = Model("UTC")
    day = 24 * HOUR
    model.write("buy", [(1, 0, ["a", None], [1, 1]), (2, day, ["b", None], [1, None])])
    model.write("buy", [(7, day, ["b", None], [1, None])])
    parts = model.stores["buy"].dump()
    BREAKAGES[what](parts)
    with pytest.raises(DataLoss):
        EventStore.load(SCHEMAS["buy"], CALENDARS["UTC"], parts)


def spread(days: list[int]) -> EventStore:
    """An event of row 1 at noon of each of some days, written at once in this order."""
    store = EventStore(SCHEMAS["open"], CALENDARS["UTC"], BucketCache(200_000))
    times = np.array([24 * HOUR * day + 12 * HOUR for day in days])
    none = (np.zeros(len(days), np.int64), np.zeros(len(days), np.bool_))
    orders = np.arange(len(days), dtype=np.int64)
    store.record(
        np.ones(len(days), np.uint32),
        times,
        {"category": [None] * len(days)},
        {"amount": none},
        orders,
    )
    return store


@pytest.mark.parametrize("apart", [65_535, 65_536, 65_537])
def test_days_far_apart_in_one_batch_come_in_order(apart: int) -> None:
    store = spread([*([apart, 0] * 2), *([7] * 600)])
    days = [(part["day"], len(part["rows"])) for part in dump(store)["days"]]
    assert days == [(0, 2), (7, 600), (apart, 2)]


def test_a_value_as_large_as_its_column_can_hold_is_among_others() -> None:
    amounts = [5, 5 + 254, 5 + 255]
    model = Model("UTC")
    model.write("open", [(row, 0, ["a"], [amount]) for row, amount in enumerate(amounts)])
    for row, amount in enumerate(amounts):
        where = MeasureIn("amount", (amount,))
        node = DidAtLeast((Source("open", where),), Days(None, 10, None), 1)
        assert list(evaluate(node, dict(model.stores))) == [row]


def test_a_code_as_large_as_its_column_can_hold_is_found() -> None:
    model = Model("UTC")
    model.write("open", [(row, 0, [f"c{row}"], [1]) for row in range(255)])
    for row in (0, 253, 254):
        where = DimensionMatch("category", OneOf(frozenset([f"c{row}"]), frozenset()))
        node = DidAtLeast((Source("open", where),), Days(None, 10, None), 1)
        assert list(evaluate(node, dict(model.stores))) == [row]


def test_who_reaches_a_count_in_the_longest_range_is_counted_once() -> None:
    model, day = Model("UTC"), 24 * HOUR
    now = 30 * day + 12 * HOUR
    before = [5 * day + i * day for i in range(4)]
    lines = [
        (row, time, [None, None], [1, 1])
        for row in range(100)
        for time in [*before[: row % 5], *([now - HOUR] * (row % 3)), now + HOUR]
    ]
    model.write("buy", lines)
    for count in range(2, 7):
        node = DidAtLeast((Source("buy"),), Days(0, 30, now), count)
        expected = {row for row in range(100) if row % 5 + row % 3 >= count}
        for _ in range(3):
            assert set(evaluate(node, dict(model.stores))) == expected
            assert as_a_sum(node, dict(model.stores)).count() == len(expected)
