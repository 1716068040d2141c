"""Suggestions from a schema, its values and segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from headcount_server.core.audience import Audience
from headcount_server.core.calendar import calendar
from headcount_server.core.commands import (
    AttributeValues,
    DeleteSubscribers,
    EventGroup,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.query.suggest import suggest
from headcount_server.core.rules.tree import Everyone
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.segments import Segment
from headcount_server.core.steps import finish
from headcount_server.core.values import ValueColumn, from_texts
from headcount_server.errors import InvalidInput
from headcount_server.limits import DEFAULT_LIMITS

SCHEMA = Schema(
    KeyType.STRING,
    attributes=(
        AttributeSchema("country", AttributeType.KEYWORD),
        AttributeSchema("tags", AttributeType.KEYWORDS),
        AttributeSchema("email", AttributeType.TEXT),
        AttributeSchema("vip", AttributeType.BOOLEAN),
        AttributeSchema("age", AttributeType.INTEGER),
        AttributeSchema("renewal", AttributeType.DATE),
        AttributeSchema("home", AttributeType.LOCATION),
    ),
    events=(
        EventSchema("sent", ("campaign",)),
        EventSchema("open", ("campaign", "device")),
        EventSchema("purchase", ("category", "campaign"), (("amount", 2), ("quantity", 0))),
    ),
)
COUNTRIES = ["DE", "de", "DE", "AT", "Denmark", "SE", 'a"b', "Sweden"]


def column(name: str, texts: Sequence[str]) -> ValueColumn:
    attribute = SCHEMA.attribute(name) or AttributeSchema(name, AttributeType.KEYWORD)
    values, problems = from_texts(attribute, list(texts), calendar("UTC"), DEFAULT_LIMITS)
    assert not problems
    return values


@pytest.fixture
def audience() -> Audience:
    """Eight people; six opens of three campaigns, two sendings."""
    found = Audience("shop", SCHEMA, 0, DEFAULT_LIMITS)
    keys = [f"k{i}" for i in range(len(COUNTRIES))]
    tags = ["new|vip", "vip", "vip", "", "", "", "", "old"]
    values = (
        AttributeValues("country", column("country", COUNTRIES)),
        AttributeValues("tags", column("tags", tags)),
        AttributeValues("email", column("email", [f"{key}@x.de" for key in keys])),
    )
    finish(found.upserting(UpsertSubscribers("shop", keys, values, 0)))()
    for event, campaigns in (
        ("open", ["spring", "Spring", "summer", "spring", "autumn", "summer"]),
        ("sent", ["SUMMER", "summer"]),
    ):
        group = EventGroup(event, None, {"campaign": column("campaign", campaigns)})
        times = np.arange(len(campaigns), dtype=np.int64)
        finish(found.recording(RecordEvents("shop", keys[: len(campaigns)], times, (group,), 0)))()
    for name in ("VIPs", "old vips", "new"):
        found.segments[name] = Segment(name, Everyone(), None, 0, 0, 0, 1)
    return found


def texts(audience: Audience, marked: str, limit: int = 1_000) -> list[str]:
    position = marked.index("|")
    text = marked[:position] + marked[position + 1 :]
    return [found.text for found in suggest(audience, text, position, limit)]


@pytest.mark.parametrize(
    ("marked", "best"),
    [
        ("cou|", ["count", "country"]),
        ("COU|", ["count", "country"]),
        ("re|", ["renewal", "entered"]),
        ("k|", ["key", "known", "known_since", "bucket"]),
        ("did o|", ["open", "not"]),
        ("did |", ["any", "not", "open", "purchase", "sent"]),
        ("did open where (|", ["(", "all", "any", "at", "campaign", "device", "none", "not"]),
        ("did purchase where (am|", ["amount", "campaign"]),
        ("did any of (open, purchase) where (c|", ["campaign"]),
        ("sum(purchase.|", ["amount", "quantity"]),
        ("count distinct(purchase.|", ["campaign", "category"]),
        ("country = d|", ['"DE"', '"Denmark"', '"Sweden"']),
        ('country = "d|', ['"DE"', '"Denmark"', '"Sweden"']),
        ("country in (|", ['"DE"', r'"a\"b"', '"AT"', '"Denmark"', '"SE"', '"Sweden"', "exactly"]),
        (r'country = "a\"|', [r'"a\"b"']),
        ('tags has "|', ['"vip"', '"new"', '"old"']),
        ('did open where (campaign = "|', ['"spring"', '"summer"', '"autumn"']),
        ('did any of (open, sent) where (campaign = "|', ['"summer"', '"spring"', '"autumn"']),
        ('favourite(open.campaign) = "s|', ['"spring"', '"summer"']),
        ("in segment |", ['"new"', '"old vips"', '"VIPs"']),
        ('in segment "v|', ['"VIPs"', '"old vips"']),
        ('email = "|', []),
        ('nowhere = "|', []),
        ("vip |", ["changed", "is"]),
        ("vip is |", ["false", "missing", "set", "true"]),
        ("age is |", ["missing", "set"]),
        ("age |", ["!=", "<", "<=", "=", ">", ">=", "between", "changed", "in", "is", "not"]),
        ("age in |", ["(", "bottom", "top"]),
        ("age not |", ["in"]),
        ("vip not |", []),
        ("email domain n|", ["not", "contains", "ends", "in"]),
        ("country not |", ["contains", "in"]),
        ("home in |", ["box"]),
        ("renewal >= |", ["known_since", "renewal"]),
        ("country = |", None),
        ("did open where (device |", None),
        ("a = 1 |", ["and", "or"]),
    ],
)
def test_the_best_comes_first(audience: Audience, marked: str, best: list[str] | None) -> None:
    found = texts(audience, marked)
    if best is None:
        assert not {"renewal", "changed", "between"} & set(found)
    else:
        assert found == best


def test_values_have_counts_and_the_place_that_they_replace(audience: Audience) -> None:
    found = suggest(audience, 'age > 3 and country = "D" or vip is true', 24, 2)
    assert [(s.text, s.kind, s.count, s.start, s.end) for s in found] == [
        ('"DE"', "value", 3, 22, 25),
        ('"Denmark"', "value", 1, 22, 25),
    ]


def test_events_are_counted_by_value(audience: Audience) -> None:
    text = 'did open where (campaign = "'
    found = suggest(audience, text, len(text))
    assert [(s.text, s.count) for s in found] == [('"spring"', 3), ('"summer"', 2), ('"autumn"', 1)]
    text = 'did any of (open, sent) where (campaign = "su'
    assert [(s.text, s.count) for s in suggest(audience, text, len(text))] == [('"summer"', 4)]


def test_what_was_erased_is_not_suggested(audience: Audience) -> None:
    audience.delete(DeleteSubscribers("shop", ["k0", "k1", "k3"], 0))
    assert texts(audience, 'did open where (campaign = "|') == ['"summer"', '"autumn"']
    assert texts(audience, 'country = "d|') == ['"DE"', '"Denmark"', '"Sweden"']
    assert texts(audience, 'tags has "|') == ['"old"', '"vip"']


def test_kinds_are_told(audience: Audience) -> None:
    kinds = {s.text: s.kind for s in suggest(audience, "", 0, 1_000)}
    assert kinds["country"] == "attribute"
    assert kinds["did"] == "keyword"
    kinds = {s.text: s.kind for s in suggest(audience, "did purchase where ", 19, 1_000)}
    assert (kinds["amount"], kinds["category"]) == ("measure", "dimension")
    assert suggest(audience, "did ", 4, 3)[2].kind == "event"
    assert suggest(audience, "in segment ", 11, 1)[0].kind == "segment"


def test_a_limit_and_a_position_hold(audience: Audience) -> None:
    assert len(suggest(audience, "", 0, 5)) == 5
    with pytest.raises(InvalidInput):
        suggest(audience, "", 1)
