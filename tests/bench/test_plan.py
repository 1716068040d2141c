"""Plans: what was measured is forecast, what is larger needs more, and nonsense is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.growth.points import Point, points_of
from headcount_bench.inprocess.run import as_lines, measure
from headcount_bench.planning import coefficients, types
from headcount_bench.planning.checking import deviations, generated_counts
from headcount_bench.planning.coefficients import Coefficients, Sample, sample_of
from headcount_bench.planning.model import Demand, forecast, workload_schema
from headcount_bench.planning.types import Cost, measure_types
from headcount_bench.workload.dataset import SCHEMA
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType
from headcount_server.limits import SNAPSHOT_LOG_BYTES_DEFAULT, SNAPSHOTS_KEPT_DEFAULT

from tests.bench.conftest import made
from tests.bench.test_engine import quiet


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Point]:
    root = tmp_path_factory.mktemp("plan")
    found = [made(root / str(size), subscribers=size) for size in (2_000, 6_000)]
    return points_of(line for one in found for line in as_lines(measure(one, 3, quiet, True)))


@pytest.fixture(scope="module")
def known(points: Sequence[Point], tmp_path_factory: pytest.TempPathFactory) -> Coefficients:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(types, "ROWS", 2_000)
        patch.setattr(types, "_BATCH", 1_000)
        costs = measure_types()
    path = tmp_path_factory.mktemp("coefficients") / "mine.json"
    samples = [sample_of(point, generated_counts(point.events)) for point in points]
    coefficients.write(path, samples, costs)
    return coefficients.read(path)


def demand(subscribers: int) -> Demand:
    return Demand(workload_schema(), subscribers, generated_counts(subscribers * 6), 365)


def test_what_was_measured_is_forecast(points: Sequence[Point], known: Coefficients) -> None:
    for point in points:
        found = {one.quantity: one for one in deviations(point, known)}
        for quantity in ("memory", "snapshot", "subscribers a second", "a count"):
            assert found[quantity].is_within, found[quantity]


def test_a_size_is_forecast_from_the_others_too(
    points: Sequence[Point], known: Coefficients
) -> None:
    small, large = known.samples
    middle = replace(
        small, subscribers=4_000,
        **{name: (getattr(small, name) + getattr(large, name)) / 2
           for name in ("subscriber_s", "event_s", "start_s", "count_ms")},
    )  # fmt: skip
    more = replace(known, samples=[small, middle, large])
    assert all(one.unaided is None for one in deviations(points[0], known))  # too few are left
    found = {one.quantity: one for one in deviations(points[1], more)}
    fewer = replace(known, samples=[small, middle])
    for quantity, one in found.items():
        without = next(o for o in deviations(points[1], fewer) if o.quantity == quantity)
        assert one.unaided == without.expected
        assert without.unaided is None
    assert found["subscribers a second"].unaided == pytest.approx(1 / middle.subscriber_s)


def by_hand(**changed: float) -> Coefficients:
    """Coefficients of round numbers: two sizes, each index a byte a row, but what is changed."""
    names = [one.name for one in workload_schema().attributes]
    events = [one.name for one in workload_schema().events]
    kinds = [*(kind.value for kind in AttributeType), *(f"key.{kind.value}" for kind in KeyType)]
    types = {name: Cost(1, 1, 1e-6) for name in (*kinds, "event")}
    types |= {name: Cost(0, 0, 0) for name in ("dimension", "measure")}
    values = {
        "subscriber_s": 2e-5, "event_s": 1e-6, "start_s": 1e-8, "count_ms": 1.0,
        "subscriber_log": 100, "event_log": 40, "resident_bytes": 1e8, **changed,
    }  # fmt: skip
    samples: list[Sample] = []
    for people in (1_000, 100_000):
        parts: dict[str, int] = dict.fromkeys((*names, "keys", "known_since", "changes"), people)
        parts |= {f"events.{name}": people for name in events}
        memory = {**parts, "roll-ups": 0, "results": 0}
        each = {
            **values, "start_s": values["start_s"] * sum(parts.values()),
            "count_ms": values["count_ms"] * people / 1_000,
            "resident_bytes": values["resident_bytes"] + sum(memory.values()),
        }  # fmt: skip
        counts = dict.fromkeys(events, people)
        samples.append(Sample(people, counts, memory, parts, **each))  # pyright: ignore[reportArgumentType]
    return Coefficients({}, samples, types)


def test_the_arithmetic_is_that_of_a_row_an_event_and_a_count() -> None:
    known, people = by_hand(), 10_000
    schema = workload_schema()
    counts = {event.name: people for event in schema.events}
    found = forecast(Demand(schema, people, counts, 365), known)
    indexes = people * (len(schema.attributes) + 3 + len(schema.events))
    assert sum(found.memory.values()) == pytest.approx(indexes)
    assert found.resident_bytes == pytest.approx(1e8 + indexes)
    assert found.snapshot_bytes == pytest.approx(indexes)
    assert found.start_s == pytest.approx(indexes * 1e-8)
    assert found.disk_bytes == pytest.approx(
        indexes * (SNAPSHOTS_KEPT_DEFAULT + 1) + 2 * SNAPSHOT_LOG_BYTES_DEFAULT
    )
    assert found.subscribers_per_s == pytest.approx(50_000)
    assert found.events_per_s == pytest.approx(1_000_000)
    assert found.log_day_bytes == pytest.approx(40 * len(counts) * people / 365)
    assert found.count_ms == pytest.approx(10)  # in proportion, between the two sizes
    assert found.counts_per_s == pytest.approx(100)
    far = forecast(Demand(schema, 1_000_000, counts, 365), known)
    assert far.count_ms == pytest.approx(1_000)
    assert far.subscribers_per_s == pytest.approx(50_000)


def test_more_attributes_and_smaller_keys_cost_in_proportion() -> None:
    known, people = by_hand(), 10_000
    schema = workload_schema()
    home = AttributeSchema("home", AttributeType.LOCATION)
    wider = replace(schema, attributes=(*schema.attributes, home))
    found = forecast(Demand(wider, people, {}, 365), known)
    assert found.memory["home"] == pytest.approx(people)
    cost = (len(schema.attributes) + 2) / (len(schema.attributes) + 1)
    assert found.subscribers_per_s == pytest.approx(50_000 / cost)
    half = replace(known, types={**known.types, "key.uint32": Cost(0.5, 0.25, 1e-6)})
    numbers = replace(schema, key=KeyType.UINT32)
    small = forecast(Demand(numbers, people, {}, 365), half)
    assert small.memory["keys"] == pytest.approx(people / 2)


def test_forecasts_grow_with_subscribers_events_and_attributes(known: Coefficients) -> None:
    base = forecast(demand(50_000), known)
    more = forecast(demand(100_000), known)
    assert more.resident_bytes > base.resident_bytes
    assert more.snapshot_bytes > 1.5 * base.snapshot_bytes
    assert more.count_ms >= base.count_ms
    schema = workload_schema()
    wider = replace(
        schema, attributes=(*schema.attributes, AttributeSchema("home", AttributeType.LOCATION))
    )
    with_home = forecast(replace(demand(50_000), schema=wider), known)
    assert with_home.memory["home"] > 0
    assert with_home.subscribers_per_s <= base.subscribers_per_s
    quiet_ones = forecast(replace(demand(50_000), events={}), known)
    assert quiet_ones.log_day_bytes == 0
    assert quiet_ones.resident_bytes < base.resident_bytes


def test_integer_keys_cost_less_than_strings(known: Coefficients) -> None:
    numbers = replace(workload_schema(), key=KeyType.UINT32)
    found = forecast(replace(demand(50_000), schema=numbers), known)
    assert found.memory["keys"] < forecast(demand(50_000), known).memory["keys"]


def test_committed_coefficients_are_whole() -> None:
    known = coefficients.read()
    assert known.measured["commit"]
    assert len(known.samples) >= coefficients.SIZES_MIN
    assert {"key.string", "event", "dimension", "measure"} <= set(known.types)
    assert {kind.value for kind in AttributeType} <= set(known.types)


def test_the_command_forecasts_a_schema(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(SCHEMA)
    run = [
        "plan", "--schema", str(path), "--subscribers", "4000000", "--events-per-day", "900000",
    ]  # fmt: skip
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    assert "start from a snapshot" in done.stdout
    told = json.loads(CliRunner().invoke(main, [*run, "--json"]).stdout)
    assert told["events"] == 900_000 * 365
    assert told["resident_bytes"] > 4_000_000 * 100


def test_the_command_checks_raw_results(points: Sequence[Point], tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps(line) + "\n" for line in points[0].lines))
    done = CliRunner().invoke(main, ["plan", "--check", "--from", str(raw), "--json"])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 6


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("[audience]\nkey = 'strin'\n", "strin"),
        ("[attributes\n", "plan.toml"),
        ("[attributes]\nage = 'integer'\n", "declares no event types"),
    ],
)
def test_a_schema_that_can_t_be_planned_is_refused(
    schema: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(schema)
    done = CliRunner().invoke(
        main, ["plan", "--schema", str(path), "--subscribers", "10", "--events-per-day", "10"]
    )
    assert done.exit_code == 2
    assert message in done.stderr


def test_what_is_needed_is_said(tmp_path: Path) -> None:
    assert "are needed" in CliRunner().invoke(main, ["plan"]).stderr
    assert "needs --data" in CliRunner().invoke(main, ["plan", "--calibrate"]).stderr
    lost = ["plan", "--coefficients", str(tmp_path / "nowhere.json"), "--check"]
    assert "no coefficients" in CliRunner().invoke(main, lost).stderr
    missing = ["plan", "--schema", str(tmp_path / "no.toml"), "--subscribers", "1"]
    done = CliRunner().invoke(main, [*missing, "--events-per-day", "1"])
    assert "can't be read" in done.stderr
