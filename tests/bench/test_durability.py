"""The durability measurement: every way of writing, and what a data directory is put through."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.durability.writing import BATCH_EVENTS, batch_of, event_of, key_of
from headcount_bench.workload.dataset import Dataset


def test_batches_and_single_events_are_of_keys_that_there_are() -> None:
    people = {key_of(number) for number in range(50)}
    batch = batch_of(3, 50)
    assert len(batch.columns.keys.texts) == BATCH_EVENTS == len(batch.columns.times.integers.values)
    assert set(batch.columns.keys.texts) <= people
    assert event_of(99, 50).rows[0].key.text in people


def test_all_that_is_measured_is_told(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "raw.jsonl"
    found = CliRunner().invoke(main, [
        "durability", "--data", str(data.directory), "--duration", "0.2", "--subscribers", "64",
        "--repeats", "1", "--work", str(tmp_path / "work"), "--json", "--out", str(out),
    ])  # fmt: skip
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    writes = [line for line in lines if line["result"] == "writes"]
    assert len(writes) == 9
    assert {line["sync"] for line in writes} == {"always", "interval=100ms", "off"}
    assert all(line["events"] > 0 and line["events_per_s"] > 0 for line in writes)
    log, snapshot, both = [line for line in lines if line["result"] == "recovery"]
    assert log["events"] == sum(line["events"] for line in writes if line["sync"] == "always")
    manifest = data.manifest
    assert (snapshot["subscribers"], snapshot["events"]) == (manifest.subscribers, manifest.events)
    assert both["subscribers"] > snapshot["subscribers"]
    assert [line["reads"] > 0 for line in lines if line["result"] == "stall"] == [True] * 5
    (taken,) = [line for line in lines if line["result"] == "snapshot"]
    assert taken["bytes"] > 0
    assert not any((tmp_path / "work").iterdir())


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["durability", "--data", str(tmp_path / "none")])
    assert found.exit_code == 2
    assert "none" in found.output
