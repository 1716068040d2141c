"""Groups, scores, segments, samples, parameters, and the limits of rules."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b

import pytest
from headcount_server.core.commands import CreateSegment, DeleteSegment, UpdateSegment
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType
from headcount_server.errors import HeadcountError, InvalidInput, InvalidRule, LimitExceeded

from tests.meaning.told import Told


@pytest.fixture(scope="module")
def people() -> Told:
    told = Told().person("a", age=1, country="x").person("b", age=2, country="x").person("c", age=3)
    return told.did("a", "open", "2026-03-01").did("c", "open", "2026-03-01")


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ('age = 1 or age = 2 and country = "y"', "a"),
        ('(age = 1 or age = 2) and country = "y"', ""),
        ('not age = 1 and country = "x"', "b"),
        ('not (age = 1 and country = "x")', "b c"),
        ("not not age = 1", "a"),
        ("all of (age >= 1, did open)", "a c"),
        ("all of (age >= 2)", "b c"),
        ("any of (age = 1, age = 3)", "a c"),
        ("none of (age = 1, age = 3)", "b"),
        ("at least 2 of (age = 1, did open, country is set)", "a"),
        ("at least 1 of (age = 1, did open, country is set)", "a b c"),
        ("at least 2 of (age = 1, age = 1)", "a"),
        ("at least 0 of (nobody)", "a b c"),
        ("at least 3 of (everyone, everyone)", ""),
        ("not at least 3 of (everyone, everyone)", "a b c"),
        ('sum of (10 for did open, 5 for country = "x", -20 for age = 3) >= 5', "a b"),
        ('sum of (10 for did open, 5 for country = "x", -20 for age = 3) >= 15', "a"),
        ('sum of (10 for did open, 5 for country = "x", -20 for age = 3) = -10', "c"),
        ("sum of (0.1 for age >= 1, 0.2 for age >= 1) = 0.3", "a b c"),
        ("sum of (0.1 for age >= 1, 0.2 for age >= 2) != 0.3", "a"),
        ("sum of (1 for nobody) = 0", "a b c"),
        ("sum of (1 for nobody) < 0", ""),
        ("sum of (1 for everyone, 1 for everyone) between 1.5 and 2.5", "a b c"),
        ("sum of (1e for everyone) > 0", None),
        ("sum of (999999999999999999999999999999 for age = 1, 1 for everyone) "
         "> 999999999999999999999999999999", "a"),
        ("SAMPLE 100% SEED \"x\" AND EVERYONE", "a b c"),
        ('sample 0% seed "x"', ""),
        (f'sample 0.{"0" * 60}% seed "x"', ""),
        ("age = 1 # or everyone", "a"),
        ("age\n=\n1", "a"),
    ],
)  # fmt: skip
def test_rules_are_put_together(people: Told, text: str, who: str | None) -> None:
    if who is None:
        assert people.refused(text).reason == "SYNTAX"
    else:
        assert people.who(text) == who


def _u(key: str, seed: str) -> Fraction:
    """As the description of the rule language has it, word by word."""

    def digest(text: str) -> int:
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")

    z = digest(key) ^ digest(seed)
    z = z ^ (z >> 30)
    z = z * 0xBF58476D1CE4E5B9 % 2**64
    z = z ^ (z >> 27)
    z = z * 0x94D049BB133111EB % 2**64
    z = z ^ (z >> 31)
    return Fraction(z, 2**64)


@pytest.mark.parametrize("key", [KeyType.STRING, KeyType.INT64, KeyType.UINT32])
def test_samples_and_buckets_are_what_the_formula_says(key: KeyType) -> None:
    told = Told(key=key)
    keys = [f"ä{i}" if key is KeyType.STRING else i for i in range(200)]
    if key is KeyType.INT64:
        keys = [one if one % 2 else -one - 1 for one in map(int, keys)]
    for one in keys:
        told.person(one)
    for seed in ("spring-test", "", "ü"):
        draw = {str(one): _u(str(one), seed) for one in keys}
        for percent in ("12.5", "0.01", "50", "99.999"):
            expected = sorted(k for k, u in draw.items() if u < Fraction(percent) / 100)
            assert told.who(f'sample {percent}% seed "{seed}"').split() == expected
        parts = [told.who(f'bucket {k} of 7 seed "{seed}"').split() for k in range(1, 8)]
        assert sorted([one for part in parts for one in part]) == sorted(draw)
        for k, part in enumerate(parts, 1):
            assert part == sorted(one for one, u in draw.items() if int(u * 7) == k - 1)


def test_a_sample_is_split_exactly_at_its_edge() -> None:
    told = Told().person("k")
    u = _u("k", "s")
    percent = Decimal(u.numerator) / Decimal(u.denominator) * 100
    below = percent.quantize(Decimal("1e-25"), rounding="ROUND_FLOOR")
    assert told.who(f'sample {below:f}% seed "s"') == ""
    assert told.who(f'sample {below + Decimal("1e-24"):f}% seed "s"') == "k"


@pytest.mark.parametrize(
    ("text", "literals", "same"),
    [
        ("age = $x", {"x": "2"}, "age = 2"),
        ("age >= $x and age <= $y", {"x": "1", "y": "2"}, "age between 1 and 2"),
        ("age between $x and $y", {"x": "2", "y": "3"}, "age between 2 and 3"),
        ("age in ($x, 3)", {"x": "1"}, "age in (1, 3)"),
        ("age in $x", {"x": "(1, 3)"}, "age in (1, 3)"),
        ("country in $x", {"x": '("x", "y")'}, 'country in ("x", "y")'),
        ("country = exactly $x", {"x": "x"}, 'country = exactly "x"'),
        ("country like $x", {"x": "?*"}, 'country like "?*"'),
        ("country contains any of $x", {"x": '("x")'}, 'country contains any of ("x")'),
        ("at least $k of (age = 1, did open)", {"k": "2"}, "at least 2 of (age = 1, did open)"),
        ("did open at least $k times in last $n days", {"k": "1", "n": "60"}, "did open"),
        ("did open between $x and $y times", {"x": "1", "y": "2"},
         "did open between 1 and 2 times"),
        ("did open between $x and $y", {"x": "2026-03-01", "y": "2026-03-01"},
         "did open on 2026-03-01"),
        ("did open between $x and $y", {"x": "2026-03-01T00:00Z", "y": "2026-03-01T00:00Z"},
         "did open on 2026-03-01"),
        ("did open between $x and $y days ago", {"x": "1", "y": "40"},
         "did open between 1 and 40 days ago"),
        ("did open on $x", {"x": "2026-03-01"}, "did open on 2026-03-01"),
        ("did open after $x", {"x": "2026-03-01"}, "nobody"),
        ("did open in at least $k of last $n months", {"k": "1", "n": "2"},
         "did open in at least 1 of last 2 months"),
        ("did open then not open within $n days", {"n": "3"},
         "did open then not open within 3 days"),
        ("sum(purchase.amount) >= $x", {"x": "0"}, "everyone"),
        ("rate(open / open) = $x", {"x": "1"}, "did open"),
        ("sum of ($w for age = 1) >= $x", {"w": "2.5", "x": "2.5"}, "age = 1"),
        ("sample $p% seed $s", {"p": "50", "s": "q"}, 'sample 50% seed "q"'),
        ("bucket $k of $n seed $s", {"k": "1", "n": "2", "s": "q"}, 'bucket 1 of 2 seed "q"'),
        ("id in $x", {"x": '("a", "c")'}, "age != 2"),
        ("id in ($x)", {"x": "a"}, "age = 1"),
        ("home within $r km of ($la, $lo)", {"r": "1", "la": "2", "lo": "3"}, "nobody"),
        ("home in box ($s, $w, $n, $e)", {"s": "1", "w": "2", "n": "3", "e": "4"}, "nobody"),
        ("day month in ($m)", {"m": "3"}, "nobody"),
        ("seen hour between $x and $y", {"x": "22", "y": "5"}, "nobody"),
        ("age in top $n", {"n": "1"}, "age = 3"),
        ("age in top $n%", {"n": "34"}, "age >= 2"),
        ("day >= renewal + $n days", {"n": "3"}, "nobody"),
        ("known for at least $n days", {"n": "0"}, "everyone"),
        ("inactive for $n days", {"n": "9"}, "everyone"),
        ("tags size >= $n", {"n": "0"}, "nobody"),
        ("tags has at least $k of $l", {"k": "1", "l": '("x")'}, "nobody"),
        ("did open where (campaign = $c)", {"c": "x"}, "nobody"),
        ("did open where campaign in at least $k of last $n campaigns sent", {"k": "1", "n": "2"},
         "nobody"),
        ("did open within $n days before day", {"n": "2"}, "nobody"),
        ("country in $x", {"x": '("only")'}, 'country = "only"'),
    ],
)  # fmt: skip
def test_a_parameter_stands_wherever_a_value_may(
    people: Told, text: str, literals: dict[str, str], same: str
) -> None:
    assert people.who(text, **literals) == people.who(same)
    fault = people.refused(text)
    assert fault.reason == "UNBOUND_PARAMETER"
    assert fault.found in text


@pytest.mark.parametrize(
    ("text", "literals"),
    [
        ("age = $x", {"x": "one"}),
        ("age = $x", {"x": "2026-01-01"}),
        ("age = $x", {"x": "(1, 2)"}),
        ("age in $x", {"x": "1"}),
        ("country = $x", {"x": '("a", "b")'}),
        ("country in $x", {"x": '"a"'}),
        ("day on $x", {"x": "5"}),
        ("day on $x", {"x": "tomorrow"}),
        ("seen between $x and $y", {"x": "2026-01-01", "y": "2026-01-01T00:00Z"}),
        ("did open between $x and $y times", {"x": "2026-01-01", "y": "3"}),
        ("did open in last $x days", {"x": "2026-01-01"}),
        ("did open in last $x days", {"x": "1.5"}),
        ("did open in last $x days", {"x": "-1"}),
        ("id in $x", {"x": "a"}),
        ("sample $x% seed $y", {"x": "ten", "y": "s"}),
        ("sample $x% seed $y", {"x": "101", "y": "s"}),
        ("bucket $x of $y seed \"s\"", {"x": "3", "y": "2"}),
        ("age in top $x%", {"x": "200"}),
        ("home within $x km of (0, 0)", {"x": "0"}),
        ("day month in ($x)", {"x": "13"}),
        ("at least $k of (everyone)", {"k": "x"}),
    ],
)  # fmt: skip
def test_a_parameter_of_the_wrong_type_or_range_is_refused(
    people: Told, text: str, literals: dict[str, str]
) -> None:
    assert people.refused(text, **literals).reason in ("WRONG_TYPE", "OUT_OF_RANGE")


def test_a_segment_is_bound_when_it_is_saved_without_parameters() -> None:
    told = Told().person("a", age=1).did("a", "open", "2026-03-30")
    world = told.world

    def save(name: str, text: str, kind: type = CreateSegment) -> None:
        world._do(kind("a", name, parse(text), 0, told.now))

    for text in (
        "age = $x",
        "nothing = 1",
        "did nothing",
        'in segment "missing"',
        "age = 1 and country matches /(/",
    ):
        with pytest.raises(HeadcountError):
            save("s", text)
    save("s", "did open in last 3 days")
    save("t", 'not in segment "s"')
    assert told.who('in segment "s"') == "a"
    assert told.who('in segment "s"', "2026-12-01") == ""
    assert told.who('in segment "t"', "2026-12-01") == "a"
    for rule in ('in segment "t"', 'age = 1 and not in segment "s"'):
        with pytest.raises(InvalidInput):
            save("s", rule, UpdateSegment)
    with pytest.raises(HeadcountError):
        world._do(DeleteSegment("a", "s", told.now))
    save("t", "everyone", UpdateSegment)
    world._do(DeleteSegment("a", "s", told.now))
    assert told.refused('in segment "s"').reason == "UNKNOWN_SEGMENT"


def deep(levels: int) -> str:
    return "not " * (levels - 1) + "age = 1"


def test_depth_64_is_answered_and_65_refused() -> None:
    told = Told().person("a", age=1).person("b")
    assert told.who(deep(64)) == "b"
    fault = told.refused(deep(65))
    assert fault.reason == "LIMIT_EXCEEDED"
    assert "64" in fault.description
    assert (fault.line, fault.column) == (1, 4 * 64 + 1)
    where = "not " * 62 + "(campaign is set)"
    assert told.who(f"did open where ({where})") == ""
    assert told.refused(f"did open where (not {where})").reason == "LIMIT_EXCEEDED"
    assert told.who("(" * 500 + "age = 1" + ")" * 500) == "a"


def test_a_segments_rule_counts_on_its_own() -> None:
    told = Told().person("a", age=1).person("b")
    told.world._do(CreateSegment("a", "s0", parse(deep(64)), 0, told.now))
    for i in range(1, 30):
        rule = "not " * 62 + f'not in segment "s{i - 1}"'
        told.world._do(CreateSegment("a", f"s{i}", parse(rule), 0, told.now))
    assert told.who('in segment "s29"') == "a"


def test_ten_thousand_nodes_are_answered_and_one_more_refused() -> None:
    told = Told().person("a", age=1).person("b")
    many = " or ".join(f"age = {i}" for i in range(9_999))
    assert told.who(many) == "a"
    fault = told.refused(f"{many} or age = 1")
    assert fault.reason == "LIMIT_EXCEEDED"
    assert "10000" in fault.description.replace("_", "").replace(",", "")
    assert told.who(f"any of ({many.replace(' or ', ', ')})") == "a"


def test_100_000_values_are_answered_and_one_more_refused() -> None:
    told = Told().person("a", age=1, country="c5").person("b")
    numbers = ", ".join(map(str, range(100_000)))
    assert told.who(f"age in ({numbers})") == "a"
    fault = told.refused(f"age in ({numbers}, -1)")
    assert fault.reason == "LIMIT_EXCEEDED"
    assert "100000" in fault.description.replace("_", "").replace(",", "")
    assert (fault.line, fault.column) == (1, 8)
    texts = "(" + ", ".join(f'"c{i}"' for i in range(100_000)) + ")"
    assert told.who("country in $x", x=texts) == "a"


def test_a_mebibyte_of_text_is_answered_and_a_byte_more_refused() -> None:
    told = Told().person("a", age=1)
    text = "age = 1 #" + "ä" * ((2**20 - 9) // 2)
    text += " " * (2**20 - len(text.encode()))
    assert told.who(text) == "a"
    fault = told.refused(text + " ")
    assert fault.reason == "LIMIT_EXCEEDED"
    assert "1048576" in fault.description.replace("_", "").replace(",", "")


def test_the_place_of_a_fault_in_a_long_list_is_that_of_the_value() -> None:
    told = Told()
    values = ",\n".join(str(i) for i in range(5_000))
    fault = told.refused(f'age in ({values},\n  "x", 7)')
    assert (fault.reason, fault.found) == ("WRONG_TYPE", '"x"')
    assert fault.field == "rule.attribute.test.in.values.values[5000].text"
    text = f"age in ({values},\n  x)"
    with pytest.raises(InvalidRule) as caught:
        parse(text)
    (fault,) = caught.value.violations
    assert (fault.line, fault.column, fault.found) == (5_001, 3, "x")


def test_no_number_is_too_long_to_be_refused() -> None:
    told = Told().person("a", age=1)
    assert told.who(f"age < {'9' * 300}") == "a"
    with pytest.raises(LimitExceeded):
        told.who(f"age < {'9' * 100_000}")
