"""Growth: several sizes, each measured in a process of its own, and what was measured before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.faults import BenchFault
from headcount_bench.growth.points import measure_all, read_points, require_room, sizes_of
from headcount_bench.sizes import name_size, read_size, read_sizes


def test_sizes_are_read_as_people_write_them() -> None:
    assert read_sizes("10m,100k, 2.5m,1_000,100k") == [1_000, 100_000, 2_500_000, 10_000_000]
    assert [name_size(size) for size in (999, 1_000, 100_000, 2_500_000)] == [
        "999", "1k", "100k", "2.5m",
    ]  # fmt: skip
    for wrong in ("", "k", "-1", "10g", "0"):
        with pytest.raises(BenchFault, match="no size"):
            read_size(wrong)


def test_two_sizes_are_measured_drawn_and_used_again(tmp_path: Path) -> None:
    raw, picture = tmp_path / "raw.jsonl", tmp_path / "plots" / "growth.png"
    run = [
        "growth", "--sizes", "1k,2k", "--attributes-only-size", "3k", "--data", str(tmp_path),
        "--repeats", "3",
    ]  # fmt: skip
    done = CliRunner().invoke(main, [*run, "--plot", str(picture), "--out", str(raw)])
    assert done.exit_code == 0, done.output
    assert picture.stat().st_size > 10_000
    assert "1,000" in done.stdout
    assert "3,000, attributes only" in done.stdout
    points = read_points([raw])
    assert [point.subscribers for point in points] == [1_000, 2_000, 3_000]
    assert [round(point.events, -3) for point in points] == [6_000, 12_000, 0]
    assert all(point.snapshot is not None for point in points)
    again = CliRunner().invoke(main, [*run, "--from", str(raw), "--json"])
    assert [json.loads(line) for line in again.stdout.splitlines()] == [
        line for point in points for line in point.lines
    ]


def test_a_size_that_there_is_no_room_for_is_refused_before_any_runs(tmp_path: Path) -> None:
    sizes = sizes_of([1_000, 900_000_000], 6, tmp_path)
    with pytest.raises(BenchFault, match=r"900,000,000 subscribers needs about .* are missing"):
        require_room(sizes, 1)
    with pytest.raises(BenchFault, match="are missing"):
        measure_all(sizes, [], 1, 3, lambda what: None)
    assert not list(tmp_path.iterdir())


def test_raw_results_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    with pytest.raises(BenchFault, match="no raw results"):
        read_points([tmp_path / "broken.jsonl"])
    with pytest.raises(BenchFault, match="no raw results"):
        read_points([tmp_path / "nowhere.jsonl"])
