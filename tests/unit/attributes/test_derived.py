"""What indexes derive from their values stays right through writes, erasures and frozen copies."""

from __future__ import annotations

from datetime import date, timedelta
from math import radians

import numpy as np
import pytest
from headcount_server.core import bitmaps
from headcount_server.core.attributes import grid, location, make_index
from headcount_server.core.attributes.grid import Grid, distances_m
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.location import LocationIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.attributes.parts import Part, month_day
from headcount_server.core.calendar import calendar
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.values import ValueColumn
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tests.oracle.values import distance_m

BERLIN = calendar("Europe/Berlin")
LATITUDES = st.sampled_from(
    (0.0, 0.25, 52.5, 52.52, 89.9, 90.0, -90.0, -89.99, -18.1, -0.25, 1e-12)
)
LONGITUDES = st.sampled_from((0.0, 13.4, 180.0, -180.0, 179.9, -179.9, 90.0, -90.25, 0.25, -1e-12))
PLACES = st.lists(st.tuples(LATITUDES, LONGITUDES), min_size=1, max_size=40)


def index_of(kind: AttributeType) -> NumberIndex | KeywordsIndex | LocationIndex:
    found = make_index(AttributeSchema("x", kind))
    assert isinstance(found, NumberIndex | KeywordsIndex | LocationIndex)
    return found


def write(index: NumberIndex | KeywordsIndex | LocationIndex, values: dict[int, object]) -> None:
    rows = np.array(list(values), np.uint32)
    present = np.array([value is not None for value in values.values()], np.bool_)
    kind = index.schema.type
    data: object = list(values.values())
    if kind is AttributeType.LOCATION:
        data = np.array([(0.0, 0.0) if v is None else v for v in values.values()], np.float64)
    elif kind is not AttributeType.KEYWORDS:
        data = np.array([0 if v is None else v for v in values.values()], np.int64)
    else:
        data = [() if v is None else v for v in values.values()]
    index.write(rows, ValueColumn(kind, data, present))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_parts_of_dates_follow_writes(data: st.DataObject) -> None:
    index = index_of(AttributeType.DATE)
    assert isinstance(index, NumberIndex)
    days = st.integers(-400, 400) | st.sampled_from((11_016, 11_015, 19_782, -719_162, 2_932_896))
    held: dict[int, int] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        rows = st.integers(0, 12)
        batch = data.draw(st.dictionaries(rows, st.none() | days, min_size=1, max_size=8))
        write(index, dict(batch))
        held = {r: d for r, d in {**held, **batch}.items() if d is not None}
        if data.draw(st.booleans()):
            gone = data.draw(rows)
            index.erase(BitMap([gone]))
            held.pop(gone, None)
        frozen = index.freeze()
        part = data.draw(
            st.sampled_from((Part.MONTH, Part.DAY_OF_MONTH, Part.MONTH_DAY, Part.WEEKDAY))
        )
        expected: dict[int, set[int]] = {}
        for row, day in held.items():
            on = date(1970, 1, 1) + timedelta(days=day)
            number = {
                Part.MONTH: on.month,
                Part.DAY_OF_MONTH: on.day,
                Part.MONTH_DAY: month_day(on.month, on.day),
                Part.WEEKDAY: on.isoweekday(),
            }[part]
            expected.setdefault(number, set()).add(row)
        found = frozen.part_rows(part, BERLIN)
        assert {n: set(rows) for n, rows in enumerate(found) if rows} == expected
        assert index.part_rows(part, BERLIN) == found


@given(st.lists(st.sampled_from((-5, 0, 0, 3, 7, 7, 2**63 - 1, -(2**63))), min_size=1, max_size=30))
def test_the_nth_value_counts_every_tie(values: list[int]) -> None:
    index = index_of(AttributeType.INTEGER)
    assert isinstance(index, NumberIndex)
    write(index, dict(enumerate(values)))
    for place in range(1, len(values) + 1):
        assert index.nth(place, greatest=False) == sorted(values)[place - 1]
        assert index.nth(place, greatest=True) == sorted(values, reverse=True)[place - 1]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_sizes_of_sets_follow_writes(data: st.DataObject) -> None:
    index = index_of(AttributeType.KEYWORDS)
    assert isinstance(index, KeywordsIndex)
    words = st.sets(st.sampled_from(("a", "A", "b", "ss", "ß")), min_size=1).map(sorted).map(tuple)
    held: dict[int, tuple[str, ...]] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        rows = st.integers(0, 12)
        batch = data.draw(st.dictionaries(rows, st.none() | words, min_size=1, max_size=8))
        write(index, dict(batch))
        held = {r: v for r, v in {**held, **batch}.items() if v is not None}
        if data.draw(st.booleans()):
            gone = data.draw(rows)
            index.erase(BitMap([gone]))
            held.pop(gone, None)
        low, high = (
            data.draw(st.none() | st.integers(-1, 4)),
            data.draw(st.none() | st.integers(-1, 4)),
        )
        sizes = {row: len({word.casefold() for word in value}) for row, value in held.items()}
        expected = {
            r for r, n in sizes.items() if (low is None or n >= low) and (high is None or n <= high)
        }
        assert set(index.freeze().with_size(low, high)) == expected
        assert set(index.with_size(low, high)) == expected


@pytest.mark.parametrize("moved_max", [0, 4096])
@pytest.mark.parametrize("crowded", [1, 512])
def test_places_near_a_point_and_in_a_box_follow_writes(
    moved_max: int, crowded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "_MOVED_MAX", moved_max)
    monkeypatch.setattr(grid, "_CROWDED", crowded)
    degrees = (-180.0, -90.0, -18.1, 0.0, 0.25, 13.4, 52.52, 90.0, 179.9, 180.0)

    @given(st.data())
    @settings(max_examples=80, deadline=None)
    def check(data: st.DataObject) -> None:
        index = index_of(AttributeType.LOCATION)
        assert isinstance(index, LocationIndex)
        held: dict[int, tuple[float, float]] = {}
        for _ in range(data.draw(st.integers(1, 4))):
            place = st.tuples(LATITUDES, LONGITUDES)
            rows = st.integers(0, 30)
            batch = data.draw(st.dictionaries(rows, st.none() | place, min_size=1, max_size=20))
            write(index, dict(batch))
            held = {r: v for r, v in {**held, **batch}.items() if v is not None}
            if data.draw(st.booleans()):
                gone = data.draw(rows)
                index.erase(BitMap([gone]))
                held.pop(gone, None)
            centre = data.draw(place)
            radius = data.draw(st.sampled_from((0.5, 1e4, 3e5, 1e7, 1.99e7)))
            near = {row for row, (a, b) in held.items() if distance_m(a, b, *centre) <= radius}
            assert set(index.freeze().near(*centre, radius)) == near
            edge = st.sampled_from(degrees)
            latitude = edge.filter(lambda x: abs(x) <= 90)
            south, north = data.draw(latitude), data.draw(latitude)
            west, east = data.draw(edge), data.draw(edge)
            inside = {
                row
                for row, (a, b) in held.items()
                if south <= a <= north
                and (west <= b <= east if west <= east else b >= west or b <= east)
            }
            assert set(index.inside(south, west, north, east)) == inside

    check()


def test_a_grid_agrees_with_looking_at_every_place() -> None:
    rng = np.random.default_rng(5)
    latitudes = np.clip(np.concatenate([rng.uniform(-90, 90, 3000), rng.normal(52, 0.4, 3000),
                                        90 - rng.exponential(1, 500)]), -90, 90)  # fmt: skip
    longitudes = (np.concatenate([rng.uniform(-180, 180, 3000), rng.normal(180, 0.6, 3000),
                                  rng.uniform(-180, 180, 500)]) + 180) % 360 - 180  # fmt: skip
    rows = np.arange(len(latitudes), dtype=np.uint32)
    held = Grid(rows, latitudes, longitudes)
    looked_at = 0
    for latitude, longitude in (
        (52.0, 179.9),
        (52.3, -179.8),
        (90.0, 3.0),
        (0.0, 0.0),
        (-90.0, 0.0),
    ):
        away = distances_m(latitudes, longitudes, latitude, longitude)
        for radius in (100.0, 20_000.0, 49_999.5, 500_000.0, 9e6, 2e7):

            def exactly(
                some: grid.Rows, limit: float = radius, far: grid.Floats = away
            ) -> grid.Mask:
                nonlocal looked_at
                looked_at += len(some)
                return far[some] <= limit

            expected = bitmaps.from_mask(away <= radius)
            assert held.near(latitude, longitude, radius, exactly) == expected
    assert looked_at < 5 * 6 * len(rows) / 8


def test_a_degree_of_the_equator_is_its_part_of_the_circle() -> None:
    one = distances_m(np.array([0.0, 0.0]), np.array([180.0, 1.0]), 0.0, 0.0)
    assert one[1] == pytest.approx(6_371_008.8 * radians(1), rel=1e-15)
    assert one[0] == pytest.approx(6_371_008.8 * radians(180), rel=1e-15)


def test_a_box_takes_every_cell_apart_that_lies_across_its_edge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid, "_CROWDED", 2)
    places = [(0.1, -100.0)] + [(10 + i / 16, 10 + j / 16) for i in range(32) for j in range(32)]
    latitudes, longitudes = (np.array(column) for column in zip(*places, strict=True))
    held = Grid(np.arange(len(places), dtype=np.uint32), latitudes, longitudes)
    for south, west, north, east in (
        (9.9, 9.9, 10.3, 10.3),
        (10.0, 10.0, 10.0, 10.0),
        (10.0, 10.5, 12.0, 10.5),
        (10.5, -180.0, 10.5, 180.0),
        (10.125, 11.0, 11.5, 11.9375),
        (-90.0, 11.0, 90.0, 10.5),
    ):
        box = (latitudes >= south) & (latitudes <= north)
        from_west, to_east = longitudes >= west, longitudes <= east
        box &= (from_west & to_east) if west <= east else (from_west | to_east)
        found = held.inside(south, west, north, east, lambda rows, box=box: box[rows])
        assert found == bitmaps.from_mask(box)


def test_a_box_without_width_is_a_meridian() -> None:
    index = index_of(AttributeType.LOCATION)
    assert isinstance(index, LocationIndex)
    write(index, {0: (50.0, 13.0), 1: (50.0, 13.1), 2: (50.0, -20.0), 3: (10.0, 13.0)})
    assert set(index.inside(40.0, 13.0, 60.0, 13.0)) == {0}
    write(index, {4: (55.0, 13.0), 5: (55.0, 14.0)})
    assert set(index.inside(40.0, 13.0, 60.0, 13.0)) == {0, 4}
