"""Reads beside heavy questions, bulk loads and a snapshot, on a real server."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.stalls import companions as module
from headcount_bench.stalls.companions import companions, repeated
from headcount_bench.stalls.writes import BULKS, CHANGED_AGAIN
from headcount_bench.workload.dataset import Dataset
from headcount_server.core.rules.parser import parse
from headcount_server.limits import DEFAULT_LIMITS


def test_a_companion_does_its_work_at_least_once() -> None:
    async def once(number: int) -> None:
        done.append(number)

    done: list[int] = []
    assert len(asyncio.run(repeated(once, time.perf_counter() - 1))) == 1
    assert done == [0]


@pytest.mark.parametrize("rule", [module._part, module._window, module._times, module._sum])
def test_what_is_new_is_never_asked_twice(rule) -> None:
    rules = [rule(number) for number in range(300)]
    assert len(set(rules)) == len(rules)
    for one in rules:
        parse(one, DEFAULT_LIMITS)


def test_what_changed_before_a_snapshot_has_other_values_than_before() -> None:
    for number in range(CHANGED_AGAIN.batches):
        before = BULKS["changes"].make(number).upsert_subscribers.columns
        again = CHANGED_AGAIN.make(number).upsert_subscribers.columns
        assert before.keys == again.keys
        for first, second in zip(before.columns, again.columns, strict=True):
            same = zip(first.texts.values, second.texts.values, strict=True)
            assert any(a != b for a, b in same)


def test_reads_are_measured_beside_each(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headcount_bench.stalls.writes._ROWS", 50)
    monkeypatch.setattr("headcount_bench.stalls.measuring._SETTLED_S", 1.0)
    out = tmp_path / "raw.jsonl"
    found = CliRunner().invoke(main, [
        "stalls", "--data", str(data.directory), "--seconds", "0.1", "--rate", "100", "--json",
        "--out", str(out), "--work", str(tmp_path / "work"),
        "--prepared", str(tmp_path / "prepared"),
    ])  # fmt: skip
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [json.loads(line) for line in found.stdout.splitlines()] == lines
    assert [line["beside"] for line in lines] == [one.name for one in companions()]
    for line in lines:
        assert line["reads"] > 0
        assert not line["errors"]
        assert line["p50_ms"] <= line["p99_ms"] <= line["max_ms"]
        assert (line["done"] > 0) == (line["beside"] != "none")
    assert (tmp_path / "prepared").is_dir()
    assert not any((tmp_path / "work").iterdir())


def test_a_companion_that_there_isn_t_is_told_with_those_that_there_are(data: Dataset) -> None:
    run = ["stalls", "--data", str(data.directory), "--beside", "overlapp"]
    found = CliRunner().invoke(main, run)
    assert found.exit_code == 2
    assert "overlapp" in found.stderr
    assert "overlap, regions" in found.stderr
