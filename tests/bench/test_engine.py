"""The engine in this process answers what the files say, and tells what it took."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.growth.points import points_of
from headcount_bench.inprocess.asking import asker, forget
from headcount_bench.inprocess.loading import load
from headcount_bench.inprocess.run import as_lines, measure
from headcount_bench.workload import questions
from headcount_bench.workload.dataset import LAST_DAY, Dataset
from headcount_server.core.audience import Audience

from tests.bench.conftest import made


def quiet(name: str, amount: int) -> None:
    del name, amount


@pytest.fixture(scope="module")
def audience(data: Dataset) -> Audience:
    return load(data, quiet).audience


def answered(audience: Audience, data: Dataset, name: str) -> Any:
    return asker(audience, questions.find(name), data.manifest.as_of_us)()


def day_of(event: dict[str, Any]) -> date:
    return event["time"].date()


def test_everything_in_the_files_is_loaded(audience: Audience, data: Dataset) -> None:
    assert audience.subscriber_count == data.manifest.subscribers
    for event, count in data.manifest.event_counts.items():
        assert audience.events[event].event_count == count
    expected = pq.read_table(data.subscribers).to_pylist()[17]
    record = audience.subscriber(expected["key"], event_limit=1_000)
    assert record is not None
    assert record.values["country"] == expected["country"]
    assert record.values["email"] == expected["email"]
    assert record.values.get("age") == expected["age"]
    assert record.values["lifetime_spend"] == int(expected["lifetime_spend"] * 100)
    assert set(record.values.get("interests", ())) == set(expected["interests"] or ())
    days = (expected["signup_date"] - date(1970, 1, 1)).days
    assert record.values["signup_date"] == days


def test_counts_are_those_of_the_files(audience: Audience, data: Dataset) -> None:
    people: list[dict[str, Any]] = pq.read_table(data.subscribers).to_pylist()
    events: list[dict[str, Any]] = pq.read_table(data.events).to_pylist()
    country = sum(one["country"] == questions.COUNTRY for one in people)
    assert answered(audience, data, "s01") == country > 0
    since = LAST_DAY - timedelta(30)
    opened = Counter(e["key"] for e in events if e["event"] == "open" and day_of(e) >= since)
    assert answered(audience, data, "s05") == len(opened) > 0
    often = sum(times >= 3 for times in opened.values())
    assert answered(audience, data, "s07") == often > 0
    spent: Counter[str] = Counter()
    for one in events:
        if one["event"] == "purchase":
            spent[one["key"]] += one["amount"]
    half = LAST_DAY - timedelta(180)
    bought = {e["key"] for e in events if e["category"] == questions.CATEGORY and day_of(e) >= half}
    assert answered(audience, data, "s08") == sum(spent[key] >= 200 for key in bought) > 0
    alive = {e["key"] for e in events if e["event"] != "sent" and day_of(e) >= half}
    assert answered(audience, data, "s10") == len(people) - len(alive) > 0
    named = sum(questions.EMAIL_PART in one["email"] for one in people)
    assert answered(audience, data, "x3") == named > 0


def test_a_breakdown_and_an_overlap_agree_with_counts(audience: Audience, data: Dataset) -> None:
    by_country = answered(audience, data, "s12")
    assert sum(by_country.values()) == answered(audience, data, "s03")
    matrix = answered(audience, data, "s13")
    names = questions.find("s13").parameters["questions"]
    assert isinstance(names, tuple)
    assert [matrix[i][i] for i in range(10)] == [answered(audience, data, n) for n in names]


def test_forgetting_leaves_neither_results_nor_roll_ups(audience: Audience, data: Dataset) -> None:
    for _ in range(3):
        answered(audience, data, "s02")
        answered(audience, data, "s07")
    assert audience.lookups.nbytes > 0
    assert audience.buckets.nbytes > 0
    forget(audience, blocks=False)
    assert audience.lookups.nbytes == 0
    assert audience.buckets.nbytes > 0
    forget(audience, blocks=True)
    assert audience.buckets.nbytes == 0


def test_a_run_tells_load_memory_and_every_question(data: Dataset) -> None:
    run = measure(data, 3, quiet, with_disk=True)
    lines = as_lines(run)
    assert [line["result"] for line in lines] == ["load", "snapshot"] + ["question"] * 17
    assert run.kept is not None
    assert {"keys", "attribute.email", "event.open"} <= set(run.kept.files)
    assert run.events.log_bytes > data.manifest.events
    assert json.loads(json.dumps(lines))[0]["rates"]["events"]["rows"] == data.manifest.events
    assert set(run.memory) >= {"keys", "email", "events.open", "roll-ups", "results"}
    assert all(one.times("warm").median > 0 for one in run.figures)


def test_attributes_alone_are_asked_what_they_can_answer(tmp_path: Path) -> None:
    alone = made(tmp_path / "alone", subscribers=500, events_per_subscriber=0)
    run = measure(alone, 3, quiet)
    asked = [one.question.id for one in run.figures]
    assert asked == ["s01", "s02", "s03", "s04", "s09", "s11", "s12", "x3"]


def test_the_command_shows_tables_and_keeps_raw_results(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "raw" / "results.jsonl"
    run = ["engine", "--data", str(data.directory), "--repeats", "3", "--out", str(out)]
    shown = CliRunner().invoke(main, run)
    assert shown.exit_code == 0, shown.output
    assert "memory by index" in shown.stdout
    assert len(out.read_text().splitlines()) == 18
    assert CliRunner().invoke(main, [*run, "--json"]).stdout.count("\n") == 18
    assert len(out.read_text().splitlines()) == 36


def test_a_missing_data_set_is_wrong_usage(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["engine", "--data", str(tmp_path / "nowhere")])
    assert done.exit_code == 2
    assert "no such directory" in done.stderr


def test_a_snapshot_of_the_same_files_is_started_from(data: Dataset, tmp_path: Path) -> None:
    run = ["engine", "--data", str(data.directory), "--repeats", "3", "--json"]
    run += ["--snapshot", str(tmp_path / "kept")]
    loaded, started = (
        [json.loads(line) for line in CliRunner().invoke(main, run).stdout.splitlines()]
        for _ in range(2)
    )
    assert [lines[0]["start"] is None for lines in (loaded, started)] == [True, False]
    assert started[0]["start"]["seconds"] > 0
    assert started[0]["start"]["settling_seconds"] > 0
    answers = [[line["answer"] for line in lines[1:]] for lines in (loaded, started)]
    assert answers[0] == answers[1]
    points = points_of([*loaded, *started])  # what was started says nothing of loading
    assert [point.load for point in points] == [loaded[0]]
    assert len(points[0].questions) == len(loaded) - 1
    other = made(tmp_path / "other", subscribers=2_000)
    run[2] = str(other.directory)
    first = json.loads(CliRunner().invoke(main, run).stdout.splitlines()[0])
    assert first["start"] is None
    assert first["subscribers"] == 2_000
