"""What samples, buckets, sums, ranks, parts of dates and places are bound to, at their edges."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import nextafter, pi

import numpy as np
import pytest
from headcount_server.core.attributes.grid import EARTH_RADIUS_M, distances_m
from headcount_server.core.attributes.parts import Part, month_day
from headcount_server.core.calendar import day_number, instant_us
from headcount_server.core.keys import mix, stable_hash
from headcount_server.core.plan import nodes
from headcount_server.core.plan.attribute_nodes import (
    ChangedIn,
    Drawn,
    Inside,
    Near,
    PairHolds,
    PartIn,
    Ranked,
    Sized,
)
from headcount_server.core.plan.bind import Binder
from headcount_server.core.plan.evaluate import evaluate
from headcount_server.core.plan.nodes import All, Not, Nothing, Scored
from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Operator, Unit
from headcount_server.core.schema import KeyType
from headcount_server.errors import InvalidRule

from tests.property.world import World
from tests.strategies.settings import SCHEMAS, STRING_SCHEMA

NOW = instant_us(datetime(2026, 3, 31, 12, tzinfo=UTC))
SEED = stable_hash("x")
WORD = 2**64


def bind(text: str) -> nodes.Node:
    return Binder(STRING_SCHEMA, {}, {}, NOW).bind(parse(text))


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        ("50", Drawn(SEED, 0, 2**63)),
        ("25.0", Drawn(SEED, 0, 2**62)),
        ("33.3", Drawn(SEED, 0, -(-333 * WORD // 1000))),
        ("0." + "0" * 40 + "1", Drawn(SEED, 0, 1)),
        ("99." + "9" * 30, All()),  # less than one part of 2^64 short of everyone
        ("0", Nothing()),
        ("0." + "0" * 40, Nothing()),
        ("100", All()),
    ],
)
def test_a_sample_ends_at_its_percentage_exactly(percent: str, expected: nodes.Node) -> None:
    assert bind(f'sample {percent}% seed "x"') == expected


@pytest.mark.parametrize("count", [2, 3, 10, 1000, 10**18, 2**61, 2**64 - 1, 2**64])
def test_buckets_are_disjoint_and_together_everyone(count: int) -> None:
    ends = [0]
    for bucket in (1, 2):
        node = bind(f'bucket {bucket} of {count} seed "x"')
        assert isinstance(node, Drawn)
        assert (node.seed, node.low) == (SEED, ends[-1])
        # u · N / 2^64 rounded down is k - 1 at the first u, and not any more after the last
        assert node.low * count // WORD == bucket - 1
        assert (node.high - 1) * count // WORD == bucket - 1
        assert node.high * count // WORD == bucket
        ends.append(node.high)
    last = bind(f'bucket {count} of {count} seed "x"')
    assert isinstance(last, Drawn)
    assert last.high == WORD


def test_the_only_bucket_is_everyone() -> None:
    assert bind('bucket 1 of 1 seed "x"') == All()


@pytest.mark.parametrize("kind", list(KeyType))
def test_the_range_of_a_draw_has_its_lower_end_and_not_its_upper(kind: KeyType) -> None:
    key = "ann" if kind is KeyType.STRING else 7
    world = World(SCHEMAS[kind], NOW)
    world.upsert(key, {}, NOW)
    drawn = int(mix(np.array([stable_hash(str(key)) ^ SEED], np.uint64))[0])
    for low, high, holds in (
        (drawn, drawn + 1, True),
        (drawn + 1, WORD, False),
        (0, drawn, False),
        (0, drawn + 1, True),
    ):
        assert bool(evaluate(world.audience, Drawn(SEED, low, high))) == holds


@pytest.mark.parametrize(
    ("test", "low", "high"),
    [
        (">= 0.3", 3, None),
        ("> 0.3", 4, None),
        ("> 0.25", 3, None),
        ("<= 0.3", None, 3),
        ("< 0.3", None, 2),
        ("< 0.25", None, 2),
        ("= 0.3", 3, 3),
        ("= 0.25", 3, 2),  # no multiple of a tenth: nobody
        ("between -0.25 and 0.25", -2, 2),
    ],
)
def test_sums_are_in_whole_parts_of_the_finest_weight(
    test: str, low: int | None, high: int | None
) -> None:
    node = bind(f"sum of (0.1 for everyone, -2 for age > 3) {test}")
    assert isinstance(node, Scored)
    assert (node.weights, node.low, node.high) == ((1, -20), low, high)


def test_a_sum_unequal_to_a_number_is_the_negation() -> None:
    node = bind("sum of (1 for everyone) != 2")
    assert isinstance(node, Not)
    assert isinstance(node.node, Scored)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age in top 0.5%", Ranked("age", False, Fraction(1, 2), True)),
        ("age in bottom 7", Ranked("age", True, Fraction(7), False)),
        ("age in top 0%", Nothing()),
        ("age in bottom 0", Nothing()),
        ("tags size >= 2.5", Sized("tags", 3, None)),
        ("tags size < 1", Nothing()),
        ("tags size != 2", Not(Sized("tags", 2, 2))),
        ("last_login hour between 22 and 1", PartIn("last_login", Part.HOUR, (0, 1, 22, 23))),
        ("last_login hour between 5 and 5", PartIn("last_login", Part.HOUR, (5,))),
        ("birthday weekday in (sunday, 1, 7)", PartIn("birthday", Part.WEEKDAY, (1, 7))),
        ("home in box (1, 2, 3, 4)", Inside("home", 1.0, 2.0, 3.0, 4.0)),
        ("home in box (3, 2, 1, 4)", Nothing()),
        ("home within 2 km of (1, -2)", Near("home", 1.0, -2.0, 2000.0)),
        ("home within 2 m of (1, -2)", Near("home", 1.0, -2.0, 2.0)),
        ("home within 2 mi of (1, -2)", Near("home", 1.0, -2.0, 3218.688)),
        (
            "birthday < signup_date - 2 weeks",
            PairHolds("birthday", Operator.LESS, "signup_date", -2, Unit.WEEK),
        ),
        (
            "birthday != last_login",
            Not(PairHolds("birthday", Operator.EQUAL, "last_login", 0, Unit.DAY)),
        ),
        (
            "age changed in last 7 days",
            ChangedIn("age", day_number(date(2026, 3, 24)), day_number(date(2026, 3, 31))),
        ),
        (
            "age changed in next 7 days",
            ChangedIn("age", day_number(date(2026, 3, 31)), day_number(date(2026, 3, 31))),
        ),
        ("age changed after 2026-03-31", Nothing()),
    ],
)
def test_what_a_test_is_bound_to(text: str, expected: nodes.Node) -> None:
    assert bind(text) == expected


def test_the_largest_radius_is_half_the_globe() -> None:
    assert bind(f"home within {pi * EARTH_RADIUS_M:.3f} m of (0, 0)") != Nothing()
    half = Decimal(pi * EARTH_RADIUS_M)
    assert bind(f"home within {half:f} m of (0, 0)") != Nothing()
    with pytest.raises(InvalidRule, match="half the globe"):
        bind(f"home within {half + Decimal('1e-9'):f} m of (0, 0)")


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ("on 2026-02-28", [(2, 28), (2, 29)]),
        ("on 2024-02-28", [(2, 28)]),
        ("on 2024-02-29", [(2, 29)]),
        ("between 2025-12-31 and 2026-01-01", [(12, 31), (1, 1)]),
        ("between 2026-01-02 and 2026-01-01", []),
    ],
)
def test_an_anniversary_is_a_set_of_days_of_the_year(
    window: str, days: list[tuple[int, int]]
) -> None:
    expected = PartIn("birthday", Part.MONTH_DAY, tuple(sorted(month_day(*d) for d in days)))
    assert bind(f"birthday anniversary {window}") == (expected if days else Nothing())


@pytest.mark.parametrize("window", ["in last 366 days", "in this year", "in last 9999 years"])
def test_a_year_has_an_anniversary_of_every_day(window: str) -> None:
    node = bind(f"birthday anniversary {window}")
    assert isinstance(node, PartIn)
    assert len(node.values) == 366


def test_the_edge_of_a_circle_is_inside() -> None:
    world = World(STRING_SCHEMA, NOW)
    world.upsert("ann", {"home": (52.5, 13.45)}, NOW)
    away = float(distances_m(np.array([52.5]), np.array([13.45]), 48.1, 11.6)[0])
    for radius, holds in ((away, True), (nextafter(away, 0), False)):
        assert bool(evaluate(world.audience, Near("home", 48.1, 11.6, radius))) == holds


@pytest.mark.parametrize(("exponent", "is_bound"), [(1_000, True), (1_001, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_of_a_sum_has_so_many_digits_before_and_behind_the_point(
    exponent: int, is_bound: bool, sign: int
) -> None:
    number = tree.Number(Decimal(f"1E{sign * exponent}"))
    binder = Binder(STRING_SCHEMA, {}, {"n": number}, NOW)
    rule = parse("sum of (1 for everyone) > $n")
    if is_bound:
        assert isinstance(binder.bind(rule), Scored)
    else:
        with pytest.raises(InvalidRule, match="at most 1000 digits"):
            binder.bind(rule)
