"""What rules are bound to, and what is refused with which place, reason and advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, calendar, day_number, instant_us
from headcount_server.core.plan import event_nodes, nodes
from headcount_server.core.plan.behaviour_nodes import Moved
from headcount_server.core.plan.bind import Binder, dependencies
from headcount_server.core.plan.event_nodes import (
    Days,
    DidAtLeast,
    DimensionMatch,
    Instants,
    MeasureIn,
    MeasureRange,
    PropertyIsSet,
    Source,
    WhereAnd,
    WhereAtLeast,
    WhereNot,
    WhereOr,
)
from headcount_server.core.plan.nodes import (
    All,
    And,
    AtLeast,
    InSegment,
    IsSet,
    IsTrue,
    KeyIn,
    Not,
    Nothing,
    NumberIn,
    NumberRange,
    Or,
    SegmentMembers,
    TextMatch,
)
from headcount_server.core.plan.scope import unknown
from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.texts import ContainsOneOf, EndsWith, OneOf, StartsWith
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from headcount_server.limits import Limits

SCHEMA = Schema(
    KeyType.STRING,
    "Europe/Berlin",
    attributes=tuple(
        AttributeSchema(name, AttributeType(kind), 2 if kind == "decimal" else 0)
        for name, kind in {
            "country": "keyword",
            "tags": "keywords",
            "email": "text",
            "consent": "boolean",
            "age": "integer",
            "spend": "decimal",
            "birthday": "date",
            "last_login": "timestamp",
            "home": "location",
        }.items()
    ),
    events=(
        EventSchema("sent", ("campaign",)),
        EventSchema("open", ("campaign", "link")),
        EventSchema("click", ("campaign", "link")),
        EventSchema("purchase", ("category", "campaign"), (("amount", 2), ("quantity", 0))),
    ),
)
NOW = instant_us(datetime(2025, 6, 18, 12, 34, tzinfo=UTC))
TODAY = day_number(date(2025, 6, 18))
Parameters = Mapping[str, tree.Value | tree.ValueList]


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def us(text: str) -> int:
    return instant_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def bind(text: str, parameters: Parameters | None = None, schema: Schema = SCHEMA) -> nodes.Node:
    return Binder(schema, {}, parameters or {}, NOW).bind(parse(text))


def violations(text: str, parameters: Parameters | None = None) -> tuple[Violation, ...]:
    with pytest.raises(InvalidRule) as caught:
        bind(text, parameters)
    return caught.value.violations


def is_one_of(attribute: str, *folded: str, exact: tuple[str, ...] = ()) -> TextMatch:
    return TextMatch(attribute, OneOf(frozenset(folded), frozenset(exact)))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ('country = "Straße"', is_one_of("country", "strasse")),
        ('country != "DE"', Not(is_one_of("country", "de"))),
        ('country in ("DE", exactly "fr")', is_one_of("country", "de", exact=("fr",))),
        ('email not in ("A")', Not(is_one_of("email", "a"))),
        ('email contains "X"', TextMatch("email", ContainsOneOf(("x",), ()))),
        ('email not contains any of ("Y", "x")',
         Not(TextMatch("email", ContainsOneOf(("x", "y"), ())))),
        ('key starts with "A"', TextMatch("key", StartsWith("a", False))),
        ('email ends with exactly "A"', TextMatch("email", EndsWith("A", True))),
        ("country is set", IsSet("country")),
        ("country is missing", Not(IsSet("country"))),
        ("home is missing", Not(IsSet("home"))),
        ("key is set", All()),
        ("known_since is missing", Nothing()),
        ("consent is true", IsTrue("consent", True)),
        ("consent is false", IsTrue("consent", False)),
        ('tags has "A"', is_one_of("tags", "a")),
        ('tags has any of ("a", "B")', is_one_of("tags", "a", "b")),
        ('tags has all of ("a", "A", "b")', And((is_one_of("tags", "a"), is_one_of("tags", "b")))),
        ('tags has all of (exactly "a", exactly "A")',
         And((is_one_of("tags", exact=("a",)), is_one_of("tags", exact=("A",))))),
        ('tags has none of ("a", "b")',
         And((IsSet("tags"), Not(is_one_of("tags", "a", "b"))))),
        ('tags has at least 2 of ("a", "A", "b", exactly "C", exactly "c")',
         AtLeast(2, (is_one_of("tags", "a"), is_one_of("tags", "b"),
                     is_one_of("tags", exact=("C", "c"))))),
        ('tags has at least 2 of ("a", "A")', Nothing()),
        ('tags has at least 0 of ("a")', IsSet("tags")),
        ('tags has value starting with "CR."', TextMatch("tags", StartsWith("cr.", False))),
        ("age >= 18", NumberRange("age", 18, None)),
        ("age > 17.5", NumberRange("age", 18, None)),
        ("age != 3", Not(NumberRange("age", 3, 3))),
        ("age = 3.5", Nothing()),
        ("age != 3.5", All()),
        ("age between 3 and 5", NumberRange("age", 3, 5)),
        ("age between 5 and 3", Nothing()),
        ("age in (5, 3, 3.0, 0.5)", NumberIn("age", (3, 5))),
        ("age in (5)", NumberRange("age", 5, 5)),
        ("age < 99999999999999999999", IsSet("age")),
        ("spend < 0.005", NumberRange("spend", None, 0)),
        ("spend >= 12.5", NumberRange("spend", 1250, None)),
    ],
)  # fmt: skip
def test_tests_on_values(text: str, node: nodes.Node) -> None:
    assert bind(text) == node


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("birthday = 2000-02-29", NumberRange("birthday", day("2000-02-29"), day("2000-02-29"))),
        ("birthday < 2000-02-29", NumberRange("birthday", None, day("2000-02-28"))),
        ("birthday in last 7 days", NumberRange("birthday", TODAY - 7, TODAY)),
        ("birthday ever", IsSet("birthday")),
        ("birthday before 0001-01-01", Nothing()),
        ("birthday between 9 and 3 days ago", Nothing()),
        ("last_login on 2025-03-30",
         NumberRange("last_login", us("2025-03-29T23:00"), us("2025-03-30T22:00") - 1)),
        ("last_login = 2025-03-30",
         NumberRange("last_login", us("2025-03-29T23:00"), us("2025-03-30T22:00") - 1)),
        ("last_login > 2025-03-30", NumberRange("last_login", us("2025-03-30T22:00"), None)),
        ("last_login <= 2025-03-30T12:00:00+02:00",
         NumberRange("last_login", None, us("2025-03-30T10:00"))),
        ("last_login != 2025-03-30T10:00:00Z",
         Not(NumberRange("last_login", us("2025-03-30T10:00"), us("2025-03-30T10:00")))),
        ("last_login in last 2 hours", NumberRange("last_login", us("2025-06-18T10:00"), NOW)),
        ("known_since this year",
         NumberRange("known_since", us("2024-12-31T23:00"), us("2025-12-31T23:00") - 1)),
        ("known_since ever", All()),
        ("known for at least 30 days",
         NumberRange("known_since", None, us("2025-05-19T22:00") - 1)),
        ("known for at least 9999 years", Nothing()),
    ],
)  # fmt: skip
def test_tests_on_moments(text: str, node: nodes.Node) -> None:
    assert bind(text) == node


def test_a_timestamp_on_a_day_of_two_intervals_is_in_either() -> None:
    schema = Schema(SCHEMA.key, "America/St_Johns", attributes=SCHEMA.attributes)
    assert bind("last_login on 2010-11-07", schema=schema) == Or(
        (
            NumberRange("last_login", us("2010-11-07T02:30"), us("2010-11-07T02:31") - 1),
            NumberRange("last_login", us("2010-11-07T03:30"), us("2010-11-08T03:30") - 1),
        )
    )


EVER = Days(None, TODAY, NOW)


def did(event: str, count: int, span: event_nodes.Span = EVER, on_days: bool = False) -> DidAtLeast:
    return DidAtLeast((Source(event),), span, count, on_days)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("did open", did("open", 1)),
        ("did not open", Not(did("open", 1))),
        ("did open at least 3 times", did("open", 3)),
        ("did open at least 0 times", All()),
        ("did open at most 0 times", Not(did("open", 1))),
        ("did open at most 2 times", Not(did("open", 3))),
        ("did open exactly 0 times", Not(did("open", 1))),
        ("did open exactly 2 times", And((did("open", 2), Not(did("open", 3))))),
        ("did open more than 2 times", did("open", 3)),
        ("did open fewer than 2 times", Not(did("open", 2))),
        ("did open fewer than 0 times", Nothing()),
        ("did open between 2 and 4 times", And((did("open", 2), Not(did("open", 5))))),
        ("did open between 0 and 4 times", Not(did("open", 5))),
        ("did open between 4 and 2 times", Nothing()),
        ("did open at least 99999999999999999999 times", Nothing()),
        ("did open at most 99999999999999999999 times", All()),
        ("did open on at least 5 days in last 30 days",
         did("open", 5, Days(TODAY - 30, TODAY, NOW), True)),
        ("did open last week", did("open", 1, Days(day("2025-06-09"), day("2025-06-15"), None))),
        ("did open in next 3 days", did("open", 1, Days(TODAY, TODAY, NOW))),
        ("did open more than 3 days from now", Nothing()),
        ("did not open more than 3 days from now", All()),
        ("did open in last 2 hours", did("open", 1, Instants(us("2025-06-18T10:00"), NOW))),
        ("did any of (open, click, open)",
         DidAtLeast((Source("click"), Source("open")), EVER, 1)),
        ("inactive for 10 days",
         Not(DidAtLeast((Source("click"), Source("open"), Source("purchase")),
                        Days(TODAY - 10, TODAY, NOW), 1))),
    ],
)  # fmt: skip
def test_behaviour(text: str, node: nodes.Node) -> None:
    assert bind(text) == node


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('category = "Shoes" and amount > 9.999',
         WhereAnd((DimensionMatch("category", OneOf(frozenset({"shoes"}), frozenset())),
                   MeasureRange("amount", 1000, None)))),
        ('(category != "a")',
         WhereNot(DimensionMatch("category", OneOf(frozenset({"a"}), frozenset())))),
        ("(amount is missing or quantity in (1, 2))",
         WhereOr((WhereNot(PropertyIsSet("amount")), MeasureIn("quantity", (1, 2))))),
        ("(not amount is missing)", PropertyIsSet("amount")),
        ("(none of (quantity = 1, quantity < 99999999999999999999))",
         WhereNot(WhereOr((MeasureRange("quantity", 1, 1), PropertyIsSet("quantity"))))),
        ("(at least 2 of (quantity = 1, amount = 2, amount = 0.001))",
         WhereAtLeast(2, (MeasureRange("quantity", 1, 1), MeasureRange("amount", 200, 200),
                          WhereOr(())))),
        ("(at least 0 of (quantity = 1))", WhereAnd(())),
        ("(quantity = 1 or at least 2 of (quantity = 1))",
         WhereOr((MeasureRange("quantity", 1, 1), WhereOr(())))),
    ],
)  # fmt: skip
def test_wheres(text: str, where: event_nodes.Where) -> None:
    assert bind(f"did purchase where {text}") == DidAtLeast((Source("purchase", where),), EVER, 1)
    rule = parse(f"did purchase where {text}")
    assert isinstance(rule, tree.Did)
    assert rule.where is not None
    assert Binder(SCHEMA, {}, {}, NOW).bind_where(rule.where, "purchase") == where


def test_a_where_that_no_event_passes_is_nobody() -> None:
    assert bind("did purchase where (quantity = 0.5)") == Nothing()
    assert bind("did purchase at most 2 times where (quantity = 0.5)") == All()


def test_each_of_several_event_types_gets_the_where_in_its_own_terms() -> None:
    schema = Schema(
        KeyType.STRING,
        events=(
            EventSchema("a", (), (("amount", 2),)),
            EventSchema("b", (), (("amount", 0),)),
        ),
    )
    assert bind("did any of (b, a) where amount > 1.5", schema=schema) == DidAtLeast(
        (
            Source("a", MeasureRange("amount", 151, None)),
            Source("b", MeasureRange("amount", 2, None)),
        ),
        EVER,
        1,
    )


def test_composition() -> None:
    de, adult = is_one_of("country", "de"), NumberRange("age", 18, None)
    assert bind('country = "DE" and age >= 18') == And((de, adult))
    assert bind('country = "DE" or not age >= 18') == Or((de, Not(adult)))
    assert bind('none of (country = "DE", age >= 18)') == Not(Or((de, adult)))
    assert bind('at least 2 of (country = "DE", age >= 18, age >= 18)') == AtLeast(
        2, (de, adult, adult)
    )
    assert bind('at least 0 of (country = "DE")') == All()
    assert bind('at least 2 of (country = "DE")') == Nothing()
    assert bind("everyone") == All()
    assert bind("not nobody") == All()


def test_ids_are_what_the_keys_are() -> None:
    assert bind('id in ("b", "A", "b")') == KeyIn(("A", "b"))
    numbers = Schema(KeyType.UINT32)
    assert bind("id in (3, 1, 3, 99999999999999999999)", schema=numbers) == KeyIn((1, 3))
    with pytest.raises(InvalidRule, match="no whole number"):
        bind("id in (1.5)", schema=numbers)
    with pytest.raises(InvalidRule, match="no number"):
        bind('id in ("1")', schema=numbers)
    assert violations("id in (1)")[0].suggestion == '"1"'


# --- parameters ---


def test_parameters_stand_for_values_lists_amounts_and_moments() -> None:
    text, number = tree.Text("DE"), tree.Number(Decimal(7))
    assert bind("country = $c", {"c": text}) == is_one_of("country", "de")
    assert bind("country = exactly $c", {"c": text}) == is_one_of("country", exact=("DE",))
    assert bind("country in $c", {"c": tree.ValueList((text,))}) == is_one_of("country", "de")
    assert bind('country in ("fr", $c)', {"c": text}) == is_one_of("country", "de", "fr")
    assert bind("age = $n", {"n": number}) == NumberRange("age", 7, 7)
    assert bind("did open at least $n times in last $n days", {"n": number}) == did(
        "open", 7, Days(TODAY - 7, TODAY, NOW)
    )
    low, high = tree.Date(date(2025, 1, 1)), tree.Date(date(2025, 1, 2))
    expected = NumberRange("birthday", day("2025-01-01"), day("2025-01-02"))
    assert bind("birthday between $a and $b", {"a": low, "b": high}) == expected
    assert bind("age between $n and $n", {"n": number, "unused": text}) == NumberRange("age", 7, 7)
    assert bind("age between $n and $m", {"n": number, "m": number}) == NumberRange("age", 7, 7)


def test_an_empty_bound_list_holds_nobody() -> None:
    empty: Parameters = {"c": tree.ValueList()}
    assert bind("country in $c", empty) == Nothing()
    assert bind("country not in $c", empty) == All()
    assert bind("age in $c", empty) == Nothing()
    assert bind("email contains any of $c", empty) == Nothing()
    assert bind("tags has none of $c", empty) == IsSet("tags")


@pytest.mark.parametrize(
    ("text", "parameters", "reason", "field"),
    [
        ("country = $cuntry", {"country": tree.Text("DE")}, "UNBOUND_PARAMETER",
         "rule.attribute.test.compare.value.parameter"),
        ("country in $c", {}, "UNBOUND_PARAMETER", "rule.attribute.test.in.values.parameter"),
        ("country in $c", {"c": tree.Text("DE")}, "WRONG_TYPE",
         "rule.attribute.test.in.values.parameter"),
        ("country = $c", {"c": tree.ValueList((tree.Text("DE"),))}, "WRONG_TYPE",
         "rule.attribute.test.compare.value.parameter"),
        ("country = $c", {"c": tree.Number(Decimal(5))}, "WRONG_TYPE",
         "rule.attribute.test.compare.value.number"),
        ("age in $c", {"c": tree.ValueList((tree.Number(Decimal(5)), tree.Text("x")))},
         "WRONG_TYPE", "rule.attribute.test.in.values.values[1].text"),
        ("did open at least $n times", {"n": tree.Number(Decimal("1.5"))}, "OUT_OF_RANGE",
         "rule.did.often.low.number"),
        ("birthday in last $n days", {"n": tree.Text("x")}, "WRONG_TYPE",
         "rule.attribute.test.in_window.window.in_last.duration.amount.text"),
    ],
)  # fmt: skip
def test_parameters_that_are_refused(
    text: str, parameters: Parameters, reason: str, field: str
) -> None:
    (violation,) = violations(text, parameters)
    assert (violation.reason, violation.field) == (reason, field)
    assert violation.start >= 0


def test_the_nearest_bound_parameter_is_suggested() -> None:
    (violation,) = violations("country = $cuntry", {"country": tree.Text("DE")})
    assert violation.suggestion == "country"
    assert violation.description == "parameter $cuntry is not bound; did you mean $country?"


def test_a_bound_list_past_the_limit_is_refused() -> None:
    parameters = {"c": tree.ValueList((tree.Text("a"), tree.Text("b"), tree.Text("c")))}
    assert Binder(SCHEMA, {}, parameters, NOW, Limits(list_values_max=3)).bind(
        parse("country in $c")
    )
    binder = Binder(SCHEMA, {}, parameters, NOW, Limits(list_values_max=2))
    with pytest.raises(LimitExceeded) as caught:
        binder.bind(parse("country in $c"))
    assert caught.value.metadata["limit"] == "list_values_max"


# --- faults ---


@pytest.mark.parametrize(
    ("text", "reason", "field", "message"),
    [
        ('contry = "DE"', "UNKNOWN_ATTRIBUTE", "rule.attribute.name",
         'unknown attribute "contry"; did you mean "country"?'),
        ('purchase = "DE"', "UNKNOWN_ATTRIBUTE", "rule.attribute.name",
         'unknown attribute "purchase"; "purchase" is an event: did purchase'),
        ("did purchas", "UNKNOWN_EVENT", "rule.did.events[0]",
         'unknown event "purchas"; did you mean "purchase"?'),
        ('did purchase where (categry = "a")', "UNKNOWN_PROPERTY",
         "rule.did.where.attribute.name",
         'unknown property "categry" of event "purchase"; did you mean "category"?'),
        ('did purchase where (quantity = 1 and country = "DE")', "UNKNOWN_PROPERTY",
         "rule.did.where.and.rules[1].attribute.name",
         'unknown property "country" of event "purchase"; "country" is an attribute of'
         " subscribers: close the where with parentheses"),
        ('did any of (open, purchase) where (link = "x")', "UNKNOWN_PROPERTY",
         "rule.did.where.attribute.name",
         'unknown property "link" of event "purchase"'
         " (known: category, campaign, amount, quantity)"),
        ('in segment "vip"', "UNKNOWN_SEGMENT", "rule.in_segment.segment.text",
         'unknown segment "vip"'),
        ('age contains "x"', "UNSUPPORTED_TEST", "rule.attribute.test.contains",
         '"age" is an integer and has no test "contains"; it has =, !=, <, <=, >, >=, between, in,'
         " not in, is set, is missing, in top, in bottom, changed"),
        ("country = 5", "WRONG_TYPE", "rule.attribute.test.compare.value.number",
         '"country" is a keyword; write "5" in double quotes'),
        ("country = germany", "WRONG_TYPE", "rule.attribute.test.compare_attribute.attribute",
         '"country" is a keyword; write "germany", with double quotes'),
        ('age >= "18"', "WRONG_TYPE", "rule.attribute.test.compare.value.text",
         '"age" is an integer; "18" is no number'),
        ("birthday = 2025-01-01T00:00:00Z", "WRONG_TYPE",
         "rule.attribute.test.compare.value.timestamp",
         '"birthday" is a date; 2025-01-01T00:00:00Z is no date'),
        ("birthday in last 3 hours", "UNSUPPORTED_UNIT",
         "rule.attribute.test.in_window.window.in_last.duration.unit",
         "hours can't stand here; days, weeks, months, quarters and years can"),
        ("known for at least 3 hours", "UNSUPPORTED_UNIT", "rule.known_for.duration.unit",
         "hours can't stand here; days, weeks, months, quarters and years can"),
        ("inactive for 3 minutes", "UNSUPPORTED_UNIT", "rule.inactive.duration.unit",
         "minutes can't stand here; hours, days, weeks, months, quarters and years can"),
        ("known_since changed in last 7 days", "UNSUPPORTED_TEST",
         "rule.attribute.test.changed", None),
        ("birthday hour between 3 and 5", "UNSUPPORTED_TEST",
         "rule.attribute.test.hour_between", None),
    ],
)  # fmt: skip
def test_faults_say_where_what_and_what_would_be_right(
    text: str, reason: str, field: str, message: str | None
) -> None:
    (violation,) = violations(text)
    assert (violation.reason, violation.field) == (reason, field)
    assert message in (None, violation.description)
    assert 0 <= violation.start < violation.end <= len(text)


@pytest.mark.parametrize(
    "marked",
    [
        'age > 3 and (country = "DE" or «contry» = "FR")',
        "not «contry» is set",
        "birthday >= «brthday» + 3 days",
        "country = «germany»",
        "did «purchas»",
        "did not any of (open, «purchas») in last 3 days",
        'did purchase where (campaign = "a" and («categry» = "b" or quantity = 1))',
        'first «purchas» where (purchas = "a")',
        'last purchase is («lnk» = "x" and quantity = 3)',
        'did open where (link = "open") then «opn» within 1 day',
        'did open then not purchase where («opn» = "x")',
        "did open then purchase without «unsubscribe»",
        'did open then purchase without sent where («link» = "x") in last 3 days',
        "did open then purchase all within 7 days same «product»",
        "did purchase then purchase same «quantity» in last 3 days",
        "did purchase at least 3 times within 30 days after «purchase»",
        "sum(«amount».amount) > 3",
        "sum(purchase.«purchase») > 3",
        "sum(purchase.«category») > 3 in last 7 days",
        "count distinct(purchase.quantity) > 3 where («quantty» = 1) in last 7 days",
        'favourite(purchase.«quantity») = "x"',
        "rate(«campaign» / sent) > 0.5",
        "rate(open / «opn») > 0.5",
        "did open where «link» in last 5 campaigns sent",
        "did open where campaign in any of last 5 campaigns «open»",
        'in segment «"vip"»',
        'sum of (1 for age > 3, 2 for «plan» = "x") > 1',
    ],
)
def test_the_name_at_fault_is_underlined_and_not_its_condition(marked: str) -> None:
    start, end = marked.index("«"), marked.index("»") - 1
    found = violations(marked.replace("«", "").replace("»", ""))
    assert {(violation.start, violation.end) for violation in found} == {(start, end)}


def test_all_faults_are_told_up_to_a_bound() -> None:
    found = violations('contry = "x" and not (did opn where (lnk = "x") in last 3 minutes)')
    assert [v.reason for v in found] == ["UNKNOWN_ATTRIBUTE", "UNKNOWN_EVENT", "UNSUPPORTED_UNIT"]
    assert len(violations(" and ".join(f"a{i} is set" for i in range(50)))) == 20


def test_a_condition_on_the_subscriber_has_no_place_in_a_where() -> None:
    where = tree.And((tree.Everyone(),))
    with pytest.raises(InvalidRule) as caught:
        Binder(SCHEMA, {}, {}, NOW).bind(tree.Did(("open",), where=where))
    (violation,) = caught.value.violations
    assert violation.reason == "UNSUPPORTED_IN_WHERE"
    assert violation.field == "rule.did.where.and.rules[0].everyone"


# --- segments ---


def test_segments_are_leaves_bound_once_with_the_questions_now_and_no_parameters() -> None:
    segments = {"vip": parse("birthday this day"), "deep": parse('not in segment "vip"')}
    binder = Binder(SCHEMA, segments, {"d": tree.Text("vip")}, NOW)
    today = NumberRange("birthday", TODAY, TODAY)
    assert binder.bind(parse("in segment $d")) == InSegment("vip")
    assert binder.bind(parse('in segment "deep"')) == InSegment("deep")
    assert binder.bound_segments == {"vip": today, "deep": Not(InSegment("vip"))}
    unbound = Binder(SCHEMA, {"p": parse("country = $d")}, {"d": tree.Text("DE")}, NOW)
    with pytest.raises(InvalidRule, match=r'segment "p" .* \$d is not bound'):
        unbound.bind(parse('in segment "p"'))


def test_a_frozen_segment_is_its_members() -> None:
    binder = Binder(SCHEMA, {}, {}, NOW, frozen={"gift"})
    assert binder.bind(parse('in segment "gift"')) == SegmentMembers("gift")


@pytest.mark.parametrize(
    ("segments", "cycle"),
    [
        ({"a": 'in segment "a"'}, "a → a"),
        ({"a": 'in segment "b"', "b": 'not in segment "c"', "c": 'in segment "b"'}, "b → c → b"),
    ],
)
def test_a_segment_that_would_use_itself_is_refused(segments: dict[str, str], cycle: str) -> None:
    binder = Binder(SCHEMA, {name: parse(rule) for name, rule in segments.items()}, {}, NOW)
    with pytest.raises(InvalidRule, match=cycle) as caught:
        binder.bind(parse('country = "DE" and in segment "a"'))
    (violation,) = caught.value.violations
    assert violation.reason == "SEGMENT_CYCLE"
    assert violation.field == "rule.and.rules[1].in_segment.segment.text"


def test_a_segment_of_a_missing_one_names_both() -> None:
    binder = Binder(SCHEMA, {"a": parse('in segment "aa"'), "ab": parse("everyone")}, {}, NOW)
    with pytest.raises(InvalidRule, match=r'segment "a" .* unknown segment "aa"') as caught:
        binder.bind(parse('in segment "a"'))
    assert caught.value.violations[0].reason == "UNKNOWN_SEGMENT"


def test_a_long_chain_of_segments_needs_no_deep_stack() -> None:
    segments = {f"s{i}": parse(f'in segment "s{i + 1}"') for i in range(3000)}
    segments["s3000"] = parse("everyone")
    binder = Binder(SCHEMA, segments, {}, NOW)
    assert binder.bind(parse('in segment "s0"')) == InSegment("s0")
    assert list(binder.bound_segments) == [f"s{i}" for i in range(3000, -1, -1)]
    assert binder.bound_segments["s3000"] == All()


def test_dependencies_are_the_segments_named() -> None:
    rule = parse('in segment "b" or not (in segment "a" and entered segment "c" in last 7 days)')
    assert dependencies(rule) == ("a", "b", "c")
    assert dependencies(parse("in segment $x")) == ()


# --- the rest ---


def test_a_part_bound_by_itself_is_the_part_of_the_whole() -> None:
    rule = parse('country = "DE" and not did open')
    binder = Binder(SCHEMA, {}, {}, NOW)
    whole = binder.bind(rule)
    assert isinstance(rule, tree.And)
    assert isinstance(whole, And)
    assert all(binder.bind(p) is n for p, n in zip(rule.rules, whole.nodes, strict=True))


@pytest.mark.parametrize(
    "text", ['entered segment "vip" in last 7 days', 'left segment "vip" ever']
)
def test_moves_of_a_segment_without_history_are_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(InvalidRule, match="update it with history_days") as caught:
        Binder(SCHEMA, {"vip": parse("everyone")}, {}, NOW).bind(parse(text))
    assert [v.reason for v in caught.value.violations] == ["NO_HISTORY"]


@pytest.mark.parametrize(
    ("window", "is_kept"),
    [
        ("in last 30 days", True), ("in last 31 days", False), ("ever", False),
        ("more than 3 days ago", False), ("between 2 and 30 days ago", True),
        ("in last 700 hours", True), ("in last 800 hours", False),
    ],
)  # fmt: skip
def test_a_window_of_moves_must_begin_in_the_days_that_are_kept(window: str, is_kept: bool) -> None:
    today = calendar(SCHEMA.time_zone).day_of(NOW)
    segments = {"vip": parse("everyone")}
    rule = parse(f'entered segment "vip" {window}')
    Binder(SCHEMA, segments, {}, NOW, histories={"vip": None}).bind(rule)
    bounded = Binder(SCHEMA, segments, {}, NOW, histories={"vip": today - 30})
    if is_kept:
        assert isinstance(bounded.bind(rule), Moved)
    else:
        with pytest.raises(InvalidRule, match="are kept from"):
            bounded.bind(rule)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rate(opn / sent) >= 0.4", "UNKNOWN_EVENT"),
        ("sum(purchase.category) >= 5", "WRONG_TYPE"),
        ("sum(purchase.amnt) >= 5", "UNKNOWN_PROPERTY"),
        ("favourite(purchase.amount) = \"a\"", "WRONG_TYPE"),
        ("favourite(purchase.category) contains \"a\"", "UNSUPPORTED_TEST"),
        ("last opn more than 90 days ago", "UNKNOWN_EVENT"),
        ("did open then click within 2 months", "UNSUPPORTED_UNIT"),
        ("did open then purchase same link", "UNKNOWN_PROPERTY"),
        ("did open in at least 3 of last 4 hours", "UNSUPPORTED_UNIT"),
        ("did open within 3 days after age", "WRONG_TYPE"),
        ("did open where link in last 5 campaigns sent", "WRONG_NAME"),
        ("did open at least 2 times where campaign in last 5 campaigns sent",
         "UNSUPPORTED_IN_WHERE"),
        ("did open where (not campaign in last 5 campaigns sent)", "UNSUPPORTED_IN_WHERE"),
        ("sum of (1 for contry is set) >= 1", "UNKNOWN_ATTRIBUTE"),
        ('sample 101% seed "x"', "OUT_OF_RANGE"),
        ('bucket 11 of 10 seed "x"', "OUT_OF_RANGE"),
        ("email domain = 5", "WRONG_TYPE"),
        ("email matches /a(/", "INVALID_REGEX"),
        (f"country matches /{'a' * 5000}/", "PATTERN_TOO_LARGE"),
        (f'country like "{"a" * 5000}"', "PATTERN_TOO_LARGE"),
        ("did open where (link matches /[/)", "INVALID_REGEX"),
        ('country domain = "x"', "UNSUPPORTED_TEST"),
        ("age in top 101%", "OUT_OF_RANGE"),
        ("birthday anniversary more than 7 days ago", "OUT_OF_RANGE"),
        ("birthday month in (13)", "OUT_OF_RANGE"),
        ("last_login hour between 3 and 24", "OUT_OF_RANGE"),
        ("country changed in last 401 days", "OUT_OF_RANGE"),
        ("country changed ever", "OUT_OF_RANGE"),
        ("country changed before 2026-01-01", "OUT_OF_RANGE"),
        ("country changed in last 5 hours", "UNSUPPORTED_UNIT"),
        ("known_since changed in last 5 days", "UNSUPPORTED_TEST"),
        ("birthday anniversary in last 5 hours", "UNSUPPORTED_UNIT"),
        ("birthday day of month in (0)", "OUT_OF_RANGE"),
        ("birthday day of month in (32)", "OUT_OF_RANGE"),
        ("birthday weekday in (8)", "OUT_OF_RANGE"),
        ("birthday hour between 1 and 2", "UNSUPPORTED_TEST"),
        ("birthday >= last_login + 3 hours", "UNSUPPORTED_UNIT"),
        ("birthday >= 2026-01-01T00:00:00Z", "WRONG_TYPE"),
        ("age in bottom 0.5", "OUT_OF_RANGE"),
        ("home within 5 km of (91, 2)", "OUT_OF_RANGE"),
        ("home within 5 km of (-90.1, 2)", "OUT_OF_RANGE"),
        ("home within 5 km of (9, 180.5)", "OUT_OF_RANGE"),
        ("home within 0 km of (1, 2)", "OUT_OF_RANGE"),
        ("home within -1 m of (1, 2)", "OUT_OF_RANGE"),
        ("home within 20016 km of (1, 2)", "OUT_OF_RANGE"),
        ("home within 20015115 m of (1, 2)", "OUT_OF_RANGE"),
        ("home within 12437 mi of (1, 2)", "OUT_OF_RANGE"),
        ("home in box (1, 2, 91, 4)", "OUT_OF_RANGE"),
        ("home in box (1, -181, 9, 4)", "OUT_OF_RANGE"),
        ('bucket 0 of 10 seed "x"', "OUT_OF_RANGE"),
        ('bucket 1 of 0 seed "x"', "OUT_OF_RANGE"),
        ('bucket 1 of 18446744073709551617 seed "x"', "OUT_OF_RANGE"),
        ('sample -1% seed "x"', "OUT_OF_RANGE"),
        ('sample $p% seed "x"', "UNBOUND_PARAMETER"),
        ("birthday > country", "WRONG_TYPE"),
        ('stars >= 3 and contry = "x"', "UNKNOWN_ATTRIBUTE"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_what_is_not_answered_yet(text: str, reason: str) -> None:
    assert reason in [violation.reason for violation in violations(text)]


@pytest.mark.parametrize(("known", "is_cut"), [(10, False), (11, True)])
def test_known_names_are_told_as_far_as_it_helps(known: int, is_cut: bool) -> None:
    names = [f"name{i:02}" for i in range(known)]
    with pytest.raises(InvalidRule) as caught:
        unknown("attribute", "zzzzzzzz", tuple(names), "rule", None)
    assert f"{', '.join(names[:10])}{', …' if is_cut else ''})" in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "told"), [(FIRST_DAY, "0001-01-01"), (LAST_DAY, "9999-12-31"), (LAST_DAY + 1, "later")]
)
def test_the_first_day_that_is_kept_of_events_is_told(kept: int, told: str) -> None:
    binder = Binder(SCHEMA, {}, {}, NOW, kept_from={"open": kept})
    with pytest.raises(InvalidRule, match=f"kept from {told} on"):
        binder.bind(parse("did open at least 2 times ever"))


@pytest.mark.parametrize(
    ("kept", "told"), [(FIRST_DAY, "0001-01-01"), (LAST_DAY, "9999-12-31"), (LAST_DAY + 1, None)]
)
def test_the_first_day_that_is_kept_of_changes_is_told(kept: int, told: str | None) -> None:
    binder = Binder(replace(SCHEMA, change_days=10**7), {}, {}, NOW, changes_from=kept)
    with pytest.raises(InvalidRule) as caught:
        binder.bind(parse("country changed ever"))
    assert (f"now from {told} on" in str(caught.value)) == (told is not None)
    assert ("now from" in str(caught.value)) == (told is not None)
