"""Load: what is due when, what is timed from when, and the command against a real server."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hdrh.histogram import HdrHistogram
from headcount_bench.cli import main
from headcount_bench.load.pace import LONGEST_US, TIMER_S, Pace, Recorded, since
from headcount_bench.load.writing import BATCH_EVENTS, Writes
from headcount_bench.serving import Server, serving
from headcount_client.client import Client

SCHEMA = """
[audience]
key = "string"
[attributes]
age = "integer"
[events.open]
dimensions = ["campaign"]
"""


def test_calls_are_due_at_the_rate_each_once() -> None:
    pace = Pace(rate=4, duration_s=1, begin_s=10)
    assert [pace.take() for _ in range(6)] == [10, 10.25, 10.5, 10.75, None, None]


def test_a_call_that_had_to_wait_for_a_worker_is_timed_from_when_it_was_due() -> None:
    assert since(1.0, 5.0, slept=False) == 1.0
    recorded = Recorded()
    recorded.add(due_s=1.0, woke_s=5.0, slept=False, end_s=5.5)
    assert recorded.ms(50) == pytest.approx(4_500, rel=0.002)
    assert recorded.late == 1


def test_a_timer_that_wakes_late_is_not_held_against_the_server() -> None:
    assert since(1.0, 1.0 + TIMER_S / 2, slept=True) == 1.0 + TIMER_S / 2
    assert since(1.0, 1.0 + 2 * TIMER_S, slept=True) == 1.0


def test_latencies_past_the_histogram_count_as_its_longest() -> None:
    recorded = Recorded()
    recorded.add(0.0, 0.0, slept=True, end_s=1_000.0)
    assert recorded.count == 1
    assert recorded.max_ms == pytest.approx(LONGEST_US / 1_000, rel=0.002)


def test_writes_take_keys_in_turn_and_batches_are_bounded() -> None:
    writes = Writes("a", "open", ["k1", "k2", "k3"], rate=40)
    assert writes.size == 2
    columns = writes.batch(1).record_events.columns
    assert list(columns.keys.texts) == ["k3", "k1"]
    assert len(columns.times.integers.values) == 2
    assert Writes("a", "open", [1], rate=1_000_000).size == BATCH_EVENTS
    assert list(Writes("a", "open", [7], 20).batch(3).record_events.columns.keys.numbers) == [7]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with serving(tmp_path_factory.mktemp("served")) as found:
        with Client(found.address) as client:
            client.create_audience("shop", SCHEMA)
            client.create_audience("empty", SCHEMA)
            client.create_audience("plain", '[audience]\nkey = "string"\n')
            client.upsert_subscribers("shop", [{"key": f"k{n}", "age": n} for n in range(20)])
        yield found


def loaded(server: Server, *more: str) -> Result:
    arguments = ["load", "--address", server.address, "--duration", "0.5", "--rate", "40", *more]
    return CliRunner().invoke(main, arguments)


def test_each_mode_answers_what_was_due_while_events_are_written(
    server: Server, tmp_path: Path
) -> None:
    plot, out = tmp_path / "plot.svg", tmp_path / "raw.jsonl"
    found = loaded(
        server, "--audience", "shop", "--rule", "age > 3", "--rule", "did open in last 3 days",
        "--writes", "200", "--pid", str(server.pid), "--json", "--plot", str(plot),
        "--out", str(out),
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in found.output.splitlines()]
    assert [line["mode"] for line in lines] == ["unary", "batch", "stream"]
    for line in lines:
        assert line["reads"]["count"] == 20
        assert line["reads"]["errors"] == line["writes"]["errors"] == {}
        assert line["written"] == 100
        decoded = HdrHistogram.decode(line["reads"]["histogram"])
        assert decoded.get_total_count() == 20
    assert [json.loads(line) for line in out.read_text().splitlines()] == lines
    assert "<svg" in plot.read_text()
    with Client(server.address) as client:
        assert client.get_server_status().audiences[-1].event_count == 300


def test_a_server_that_is_not_there_is_told(server: Server) -> None:
    found = CliRunner().invoke(main, ["load", "--address", "127.0.0.1:1"])
    assert found.exit_code == 4
    assert "no server answers at 127.0.0.1:1" in found.output


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--audience", "none"], 3, 'no audience "none"'),
        (["--audience", "shop", "--rule", "agee > 3"], 3, 'did you mean "age"?'),
        (["--audience", "shop"], 3, "can't be asked"),
        (["--audience", "plain", "--rule", "everyone", "--writes", "5"], 2, "no event type"),
        (["--audience", "empty", "--rule", "everyone", "--writes", "5"], 2, "has no subscribers"),
        (["--pid", "99999999"], 2, "no process"),
        (["--data", "."], 2, "give --address"),
        (["--rate", "0"], 2, "x>0"),
    ],
)
def test_what_can_not_be_measured_is_told(
    server: Server, more: list[str], code: int, told: str
) -> None:
    found = loaded(server, *more)
    assert found.exit_code == code
    assert told in found.output


def test_a_plot_of_an_unknown_kind_is_told(server: Server, tmp_path: Path) -> None:
    found = loaded(
        server, "--audience", "shop", "--rule", "everyone", "--mode", "unary",
        "--plot", str(tmp_path / "plot.nothing"),
    )  # fmt: skip
    assert found.exit_code == 3
    assert "can't be written" in found.output
