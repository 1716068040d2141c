"""Generated files: the same for the same seed, and as the workload says."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.faults import BenchFault
from headcount_bench.resources import require_disk, require_memory
from headcount_bench.workload import subscribers
from headcount_bench.workload.dataset import AS_OF, Dataset, open_dataset
from headcount_bench.workload.generate import Plan, check
from headcount_bench.workload.questions import EXTRA, QUESTIONS, STANDARD, Kind, find
from headcount_client.schema import from_toml
from headcount_server.core.commands import CreateAudience, CreateSegment
from headcount_server.core.rules.parser import parse
from headcount_server.core.state import State
from headcount_server.limits import DEFAULT_LIMITS
from headcount_server.rpc.schemas import schema_of

from tests.bench.conftest import made


def rows(path: Path) -> list[dict[str, object]]:
    return pq.read_table(path).to_pylist()


def test_the_same_seed_gives_the_same_bytes(data: Dataset, tmp_path: Path) -> None:
    again = made(tmp_path / "again")
    assert again.subscribers.read_bytes() == data.subscribers.read_bytes()
    assert again.events.read_bytes() == data.events.read_bytes()
    assert again.manifest == data.manifest


def test_another_seed_gives_other_people(data: Dataset, tmp_path: Path) -> None:
    other = made(tmp_path / "other", seed=2)
    assert rows(other.subscribers) != rows(data.subscribers)


def test_values_do_not_depend_on_the_size_of_row_groups(data: Dataset, tmp_path: Path) -> None:
    small = made(tmp_path / "small", group_rows=100)
    assert pq.ParquetFile(small.events).num_row_groups > pq.ParquetFile(data.events).num_row_groups
    assert rows(small.events) == rows(data.events)


def test_a_larger_set_begins_with_the_subscribers_of_a_smaller_one(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = made(tmp_path / "larger", subscribers=3_500, events_per_subscriber=0)
    assert rows(larger.subscribers)[:3_000] == rows(data.subscribers)
    assert not larger.events.exists()


def test_blocks_follow_each_other_without_gaps() -> None:
    count = subscribers.BLOCK_ROWS + 5
    keys = [k for b in subscribers.blocks(count, 1) for k in b.columns.column("key").to_pylist()]
    assert keys == [f"s{number:09d}" for number in range(1, count + 1)]


def test_subscribers_are_as_the_workload_says(data: Dataset) -> None:
    people = rows(data.subscribers)
    assert len({one["email"] for one in people}) == len(people)
    assert all(str(one["email"]).endswith(f"@{one['email_domain']}") for one in people)
    ages = [one["age"] for one in people if one["age"] is not None]
    assert (min(ages), max(ages)) == (16, 90)  # pyright: ignore[reportArgumentType]
    active = sum(one["status"] == "active" for one in people) / len(people)
    assert 0.86 < active < 0.90
    sizes = {len(one["interests"] or ()) for one in people}  # pyright: ignore
    assert sizes == set(range(9))
    assert all(len(set(one["interests"] or ())) == len(one["interests"] or ()) for one in people)  # pyright: ignore


def test_events_are_in_order_of_time_inside_the_year_and_after_signing_up(data: Dataset) -> None:
    signup = {one["key"]: one["signup_date"] for one in rows(data.subscribers)}
    found = rows(data.events)
    times = [one["time"] for one in found]
    assert times == sorted(times)  # pyright: ignore
    assert times[-1] <= AS_OF  # pyright: ignore
    assert all(one["time"].date() >= signup[one["key"]] for one in found)  # pyright: ignore
    counts = data.manifest.event_counts
    assert counts["sent"] > counts["open"] > counts["click"] > counts["purchase"] > 0
    assert len(found) == data.manifest.events == sum(counts.values()) == 18_000
    for one in found:
        bought = one["event"] == "purchase"
        assert (one["category"] is not None) is bought
        assert (one["amount"] is not None) is bought
        assert one["campaign"] is not None


def test_every_question_fits_the_schema(data: Dataset) -> None:
    state = State(DEFAULT_LIMITS)
    state.apply(CreateAudience("bench", schema_of(from_toml(data.schema)), 0))
    for number, question in enumerate(QUESTIONS):
        for rule in question.rules:
            tree = parse(rule, DEFAULT_LIMITS)
            state.validate(CreateSegment("bench", f"q{number}", tree, 0, 0))


def test_questions_have_their_ids_and_kinds() -> None:
    assert [one.id for one in STANDARD] == [f"s{number:02d}" for number in range(1, 15)]
    assert [one.id for one in EXTRA] == ["x1", "x2", "x3"]
    assert find("s12").by == "country"
    assert find("s13").kind is Kind.OVERLAP
    assert len(find("s13").rules) == 10


def test_files_that_are_not_what_the_schema_says_are_refused(tmp_path: Path) -> None:
    small = made(tmp_path / "small", subscribers=100, events_per_subscriber=1)
    table = pq.read_table(small.subscribers)
    pq.write_table(table.drop_columns(["plan"]), small.subscribers)
    with pytest.raises(BenchFault, match='no column "plan"'):
        open_dataset(small.directory)
    pq.write_table(table.slice(0, 50), small.subscribers)
    with pytest.raises(BenchFault, match="50 rows, but the manifest says 100"):
        open_dataset(small.directory)
    small.subscribers.write_bytes(b"no Parquet")
    with pytest.raises(BenchFault, match="no Parquet file"):
        open_dataset(small.directory)
    (small.directory / "schema.toml").write_text("[audience]\n")
    with pytest.raises(BenchFault, match="don't match"):
        open_dataset(small.directory)


def test_a_directory_that_is_missing_or_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchFault, match="no such directory"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(BenchFault, match="no whole data set"):
        open_dataset(tmp_path)


def test_what_there_is_no_room_for_says_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BenchFault, match=r"disk at .* are missing") as fault:
        require_disk(tmp_path / "a" / "b", 1 << 60, "this")
    assert fault.value.exit_code == 3
    with pytest.raises(BenchFault, match=r"of memory, and .* are free: .* are missing"):
        require_memory(1 << 60, "this")
    with pytest.raises(BenchFault, match="are missing"):
        check(Plan(900_000_000, 1_000, 1, tmp_path / "large"))


def test_the_command_prints_one_object_and_refuses_a_directory_in_use(tmp_path: Path) -> None:
    run = ["generate", "--subscribers", "500", "--out", str(tmp_path / "d"), "--json"]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["subscribers"] == 500
    assert told["files"]["subscribers.parquet"] > 0
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 2
    assert "data set already" in again.stderr
