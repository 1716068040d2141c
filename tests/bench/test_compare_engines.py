"""Every engine of the comparison answers as Headcount does; one that isn't installed is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from headcount_bench.compare.algebra import Breakdown, Count, Pairs
from headcount_bench.compare.asked import asked, translator
from headcount_bench.compare.dataset import Dataset, prepare
from headcount_bench.compare.engine import Engine, Inexpressible, Missing, TimedOut
from headcount_bench.compare.engines import ENGINES
from headcount_bench.inprocess.loading import load
from headcount_bench.workload.dataset import Dataset as Generated
from headcount_bench.workload.questions import QUESTIONS
from headcount_server.core.audience import Audience
from headcount_server.core.query import Ask
from headcount_server.core.query.breakdown import By, breakdown
from headcount_server.core.query.overlap import overlap
from headcount_server.core.rules.parser import parse

RULES = (
    'not (age < 30 or gender = "male")',  # a missing age or gender is no reason to be left out
    "age >= 80 and not age > 85",
    "age between 90 and 200",
    "lifetime_spend = 0",
    "lifetime_spend between 20.00 and 20.50",
    "lifetime_spend <= 50.00 and lifetime_spend >= 10.005",
    'not interests has "running" and city != "Alaburg"',
    'interests has all of ("running", "cycling")',
    "signup_date in last 90 days",
    "did not open in last 365 days",
    "did purchase where (amount >= 50.00) in last 300 days",
    'did click more than 1 times where (campaign in ("spring-000", "sale-001", "news-002"))',
    "did any of (open, click) at least 5 times in last 200 days",
    'sum(purchase.amount) > 99.99 where (category = "shoes") in last 365 days',
    "did sent then purchase within 3 days in last 100 days",
    'not (did sent in last 5 days and (gender = "female" or not did open in last 9 days))',
    "did purchase more than 300 days ago",
)


@pytest.fixture(scope="module")
def audience(data: Generated) -> Audience:
    return load(data, lambda _what, _rows: None).audience


@pytest.fixture(scope="module")
def prepared(data: Generated, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    place = tmp_path_factory.mktemp("prepared")
    work = place / "work"
    work.mkdir()
    return prepare(data, place, work)


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(
    request: pytest.FixtureRequest, audience: Audience, data: Generated, prepared: Dataset
) -> Iterator[Engine]:
    try:
        opened = ENGINES[request.param].open()(30.0)
    except Missing as missing:
        pytest.skip(f"not installed: {missing}")
    try:
        known = translator(audience.schema, data.manifest)
        extra = {rule: Count(known.ask(parse(rule))) for rule in RULES}
        opened.load(prepared, asked(audience.schema, data.manifest) | extra)
        yield opened
    finally:
        opened.close()


def test_the_standard_questions(engine: Engine, audience: Audience, data: Generated) -> None:
    answered = 0
    for one in QUESTIONS:
        ask = Ask(audience, data.manifest.as_of_us)
        question = asked(audience.schema, data.manifest)[one.id]
        rules = [parse(rule) for rule in one.rules]
        if isinstance(question, Pairs):
            rows = overlap(ask, rules, False).rows
            truth = tuple(n for place, row in enumerate(rows) for n in row[place:])
        elif isinstance(question, Breakdown):
            values = breakdown(ask, rules[0], [By(one.by)], None).breakdowns[0].values
            truth = tuple(value.count for value in sorted(values, key=lambda value: value.value))
        else:
            truth = (ask.count(ask.bind(rules[0])),)
        for way in engine.ways:
            try:
                ready = engine.ask(way, question)
            except Inexpressible:
                continue
            assert ready() == truth, (engine.name, way, one.id)
            assert ready() == truth
            answered += 1
    assert answered >= 14


@pytest.mark.parametrize("rule", RULES)
def test_other_rules(engine: Engine, audience: Audience, data: Generated, rule: str) -> None:
    ask = Ask(audience, data.manifest.as_of_us)
    truth = ask.count(ask.bind(parse(rule)))
    question = Count(translator(audience.schema, data.manifest).ask(parse(rule)))
    for way in engine.ways:
        try:
            ready = engine.ask(way, question)
        except Inexpressible:
            assert way == "bitmaps"
            continue
        assert ready() == (truth,), (engine.name, way)


def test_what_it_holds_is_told(engine: Engine) -> None:
    for way in engine.ways:
        assert engine.held(way).bytes > 10_000


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_a_server_ends_with_the_comparison(
    name: str, audience: Audience, data: Generated, prepared: Dataset
) -> None:
    try:
        opened = ENGINES[name].open()(30.0)
    except Missing as missing:
        pytest.skip(f"not installed: {missing}")
    place: Path = Path(opened.place)  # pyright: ignore
    opened.load(prepared, {})
    process = opened.process  # pyright: ignore
    assert process.poll() is None
    opened.close()
    assert process.poll() is not None
    assert not place.exists()


def test_a_question_that_takes_too_long_is_ended(
    data: Generated, audience: Audience, prepared: Dataset
) -> None:
    opened = ENGINES["sqlite"].open()(0.001)
    try:
        questions = asked(audience.schema, data.manifest)
        opened.load(prepared, questions)
        with pytest.raises(TimedOut):
            opened.ask("raw", questions["s13"])()
    finally:
        opened.close()
