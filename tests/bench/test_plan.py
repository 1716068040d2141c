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
from headcount_bench.planning.coefficients import Coefficients, sample_of
from headcount_bench.planning.model import Demand, forecast, workload_schema
from headcount_bench.planning.types import measure_types
from headcount_bench.workload.dataset import SCHEMA
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType

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
