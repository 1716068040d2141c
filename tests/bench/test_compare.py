"""The comparison: what is asked, that answers are checked, what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from headcount_bench.cli import main
from headcount_bench.compare import headcount, report, run
from headcount_bench.compare.algebra import (
    And,
    Answer,
    Days,
    Did,
    HasAny,
    Known,
    Not,
    OneOf,
    Question,
    Where,
    Within,
    pairs_of,
)
from headcount_bench.compare.asked import translator
from headcount_bench.compare.blocks import LEVEL_BITS, cover
from headcount_bench.compare.dataset import Dataset
from headcount_bench.compare.engine import Engine, Held, Missing, TimedOut
from headcount_bench.compare.engines import Kind
from headcount_bench.compare.run import Figure, Outcome, Plan
from headcount_bench.compare.translate import Translator, Untranslatable
from headcount_bench.faults import BenchFault
from headcount_bench.workload.dataset import AS_OF
from headcount_bench.workload.dataset import Dataset as Generated
from headcount_client.schema import from_toml
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.schemas import schema_of

TODAY = (AS_OF.date() - date(1970, 1, 1)).days


class Wrong(Engine):
    """Answers one less than is right, or too late."""

    name = "Wrong"
    ways = ("raw",)
    answer: Answer = (1,)
    is_late = False

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Nothing."""

    def ask(self, way: str, question: Question) -> Callable[[], Answer]:
        def asked() -> Answer:
            if self.is_late:
                raise TimedOut
            return self.answer

        return asked

    def held(self, way: str) -> Held:
        return Held(1, "memory")

    def close(self) -> None:
        """Nothing."""


class Late(Wrong):
    """Answers nothing in time."""

    name = "Late"
    is_late = True


class Absent(Wrong):
    """Isn't installed."""

    def __init__(self, timeout_s: float) -> None:
        raise Missing("Absent: apt-get install absent")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    for engine in (Wrong, Late, Absent):
        monkeypatch.setitem(
            run.ENGINES, engine.__name__.lower(),
            SimpleNamespace(open=lambda engine=engine: engine, subscriber_bytes=1, event_bytes=1),
        )  # fmt: skip


@pytest.fixture
def known(data: Generated) -> Translator:
    return translator(schema_of(from_toml(data.schema)), data.manifest)


def silent(text: str) -> None:
    """Nobody reads it."""


@pytest.mark.parametrize(
    ("rule", "plain"),
    [
        ("age < 30", Within("age", None, 29)),
        ("age > 29.5", Within("age", 30, None)),
        ("lifetime_spend > 100.00", Within("lifetime_spend", 10_001, None)),
        ("lifetime_spend between 1 and 2.005", Within("lifetime_spend", 100, 200)),
        ('country != "DE"', Not(OneOf("country", ("DE",)))),
        ('country not in ("DE", "FR")', Not(OneOf("country", ("DE", "FR")))),
        (
            'interests has none of ("a", "b")',
            And((Known("interests"), Not(HasAny("interests", ("a", "b"))))),
        ),
        ("did open in last 30 days", Did(("open",), Days(TODAY - 30, TODAY))),
        ("did open between 2 and 9 days ago", Did(("open",), Days(TODAY - 9, TODAY - 2))),
        ("inactive for 7 days", Not(Did(("open", "click", "purchase"), Days(TODAY - 7, TODAY)))),
        (
            "did open more than 2 times in last 2 weeks",
            Did(("open",), Days(TODAY - 14, TODAY), times=3),
        ),
        (
            'did click where (campaign = "c") in last 1 days',
            Did(("click",), Days(TODAY - 1, TODAY), Where((OneOf("campaign", ("c",)),))),
        ),
    ],
)
def test_rules_are_made_plain(known: Translator, rule: str, plain: object) -> None:
    assert known.ask(parse(rule)) == plain


@pytest.mark.parametrize(
    "rule", ["stars >= 3", "did open in this month", "email starts with 'a'".replace("'", '"')]
)
def test_what_the_comparison_does_not_know_is_refused(known: Translator, rule: str) -> None:
    with pytest.raises(Untranslatable):
        known.ask(parse(rule))


@pytest.mark.parametrize("days", [Days(20_000, 20_365), Days(7, 7), Days(0, 255), Days(3, 4)])
def test_blocks_cover_exactly_the_days(days: Days) -> None:
    found: list[int] = []
    for level, block in cover(days):
        found += range(block << LEVEL_BITS * level, (block + 1) << LEVEL_BITS * level)
    assert found == list(range(days.first, days.last + 1))


def test_pairs_are_counted_from_who_has_which_segments() -> None:
    assert pairs_of({0b01: 3, 0b11: 2, 0b10: 1, 0: 9}, 2) == (5, 2, 3)


@pytest.mark.usefixtures("engines")
def test_a_different_answer_is_an_error_that_names_both(data: Generated) -> None:
    with pytest.raises(BenchFault, match=r"s01: Wrong \(raw\) answers 1, Headcount [\d,]+$"):
        run.compare(data, Plan(("wrong",), 3, 1.0), silent)


@pytest.mark.usefixtures("engines")
def test_an_engine_that_is_not_there_is_named(data: Generated) -> None:
    outcome = run.compare(data, Plan(("absent",), 3, 1.0), silent)
    assert outcome.missing == ["Absent: apt-get install absent"]
    with pytest.raises(BenchFault, match="apt-get install absent"):
        run.compare(data, Plan(("absent",), 3, 1.0, is_chosen=True), silent)


@pytest.mark.usefixtures("engines")
def test_a_timeout_is_shown_as_such(data: Generated) -> None:
    outcome = run.compare(data, Plan(("late",), 3, 1.0), silent)
    assert {figure.why for figure in outcome.figures if figure.engine == "Late"} == {"timeout"}
    assert "timeout" in report.as_markdown(outcome)


def test_too_little_memory_is_said_before_starting(
    data: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run.ENGINES, "greedy", Kind("duck", "DuckDB", 1 << 50, 0))
    with pytest.raises(BenchFault, match=r"of memory, and .* are free: .* are missing"):
        run.compare(data, Plan(("greedy",), 3, 1.0), silent)


def test_a_ratio_is_to_headcount_beside_it() -> None:
    outcome = Outcome()
    for beside, own in (("A", 2.0), ("B", 4.0)):
        outcome.figures += [
            Figure("s01", run.HEADCOUNT, run.COLD, beside, (1,), [own]),
            Figure("s01", beside, "raw", beside, (1,), [own * 15]),
        ]
    assert [report.ratio(figure, outcome) for figure in outcome.figures[1::2]] == [15.0, 15.0]
    (verdict,) = report.verdicts(outcome)
    assert verdict.is_met
    outcome.figures[1].times_ms = [10.0]
    (verdict,) = report.verdicts(outcome)
    assert not verdict.is_met


def test_the_command_compares_and_writes(
    data: Generated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    out = tmp_path / "results.jsonl"
    command = ["compare", "--data", str(data.directory), "--engines", "duckdb,sqlite"]
    command += ["--repeats", "3", "--one-at-a-time", "--json", "--out", str(out)]
    command += ["--work", str(tmp_path / "work")]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    figures = [line for line in lines if line["what"] == "compare"]
    assert {line["engine"] for line in figures} == {"Headcount", "DuckDB", "SQLite"}
    assert {line["beside"] for line in figures} == {"DuckDB", "SQLite"}
    assert all(len(line["times_ms"]) == 3 and line["ratio"] > 0 for line in figures)
    assert {line["engine"] for line in lines if line["what"] == "store"} == {
        "Headcount", "DuckDB", "SQLite",
    }  # fmt: skip
    told = CliRunner().invoke(main, ["compare", "--results", str(out), "--markdown"])
    assert told.exit_code == 0, told.output
    assert told.output.count("| s07 ") == 3
    stamp = tmp_path / "work" / "headcount" / "of.json"
    kept = stamp.read_text()
    stamp.write_text("of other files")  # whose snapshot it can't take
    assert CliRunner().invoke(main, command).exit_code == 0
    assert stamp.read_text() == kept
    monkeypatch.delattr(headcount, "load")  # the second run takes what the first one kept
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 0, again.output


def test_an_unknown_engine_is_refused(data: Generated) -> None:
    command = ["compare", "--data", str(data.directory), "--engines", "oracle"]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 2
    assert "there is no engine 'oracle'; there are duckdb, " in found.output
