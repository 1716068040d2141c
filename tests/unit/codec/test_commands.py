"""Every command and every rule survives its bytes; the recorded vocabulary stays as it was."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from headcount_server.codec import values
from headcount_server.codec.commands import decode_command, encode_command
from headcount_server.core import commands as c
from headcount_server.core.rules import tree
from headcount_server.core.rules.plain import RULE, SCHEMA
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    Engagement,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies.rule_trees import rule_trees

# The strategy of all rules is large, and Hypothesis would rather not print it.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

int64 = st.integers(-(2**63), 2**63 - 1)
names = st.text(min_size=1, max_size=5)


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a) and not hasattr(a, "span"):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


@st.composite
def columns(draw, count, kind=None):
    kind = kind or draw(st.sampled_from(AttributeType))
    present = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), np.bool_)
    if kind in (AttributeType.KEYWORD, AttributeType.TEXT):
        data = draw(st.lists(st.text(max_size=4), min_size=count, max_size=count))
    elif kind is AttributeType.KEYWORDS:
        parts = st.lists(st.text(max_size=4), max_size=3).map(tuple)
        data = draw(st.lists(parts, min_size=count, max_size=count))
    elif kind is AttributeType.BOOLEAN:
        data = ~present
    elif kind is AttributeType.LOCATION:
        data = np.arange(2.0 * count).reshape(-1, 2)
    else:
        data = np.array(draw(st.lists(int64, min_size=count, max_size=count)), np.int64)
    return ValueColumn(kind, data, present)


def keys(count):
    return st.lists(names, min_size=count, max_size=count) | st.lists(
        int64, min_size=count, max_size=count
    ).map(lambda given: np.array(given, np.int64))


def rows(count):
    return st.none() | st.just(np.arange(count))


producers = st.none() | st.builds(c.Producer, names, st.integers(1, 9))


@st.composite
def upserts(draw):
    count = draw(st.integers(0, 4))
    times = st.none() | columns(count, AttributeType.TIMESTAMP)
    values = st.builds(c.AttributeValues, names, columns(count), rows(count))
    return c.UpsertSubscribers(
        draw(names), draw(keys(count)), tuple(draw(st.lists(values, max_size=3))), draw(int64),
        draw(times), draw(times), draw(producers),
    )  # fmt: skip


@st.composite
def records(draw):
    count = draw(st.integers(0, 4))
    dimensions = st.dictionaries(names, columns(count, AttributeType.KEYWORD), max_size=2)
    measures = st.dictionaries(names, columns(count, AttributeType.DECIMAL), max_size=2)
    groups = st.builds(c.EventGroup, names, rows(count), dimensions, measures)
    return c.RecordEvents(
        draw(names), draw(keys(count)), np.arange(count) * 10**12,
        tuple(draw(st.lists(groups, max_size=2))), draw(int64), draw(st.booleans()),
        draw(producers),
    )  # fmt: skip


attribute_schemas = st.builds(
    AttributeSchema, names, st.sampled_from(AttributeType), st.integers(0, 18)
)
event_schemas = st.builds(
    EventSchema,
    names,
    st.lists(names, max_size=2).map(tuple),
    st.lists(st.tuples(names, st.integers(0, 18)), max_size=2).map(tuple),
    st.none() | st.booleans(),
)
schemas = st.builds(
    Schema,
    st.sampled_from(KeyType),
    names,
    st.text(max_size=5),
    st.lists(attribute_schemas, max_size=3).map(tuple),
    st.lists(event_schemas, max_size=2).map(tuple),
    st.builds(Engagement, names, names, names, names) | st.just(Engagement()),
    st.integers(1, 99),
    st.integers(0, 999),
)
rules = rule_trees(max_leaves=4)
commands = {
    c.CreateAudience: st.builds(c.CreateAudience, names, schemas, int64),
    c.UpdateAudience: st.builds(c.UpdateAudience, names, schemas, int64),
    c.DeleteAudience: st.builds(c.DeleteAudience, names, int64),
    c.UpsertSubscribers: upserts(),
    c.RecordEvents: records(),
    c.DeleteSubscribers: st.builds(c.DeleteSubscribers, names, keys(3), int64, producers),
    c.CreateSegment: st.builds(c.CreateSegment, names, names, rules, st.integers(0, 9), int64),
    c.UpdateSegment: st.builds(c.UpdateSegment, names, names, rules, st.integers(0, 9), int64),
    c.DeleteSegment: st.builds(c.DeleteSegment, names, names, int64),
    c.FreezeSegment: st.builds(c.FreezeSegment, names, names, rules, int64, int64),
    c.AdvanceClock: st.builds(c.AdvanceClock, names, int64),
    c.FoldEvents: st.builds(c.FoldEvents, names, names, int64, int64),
    c.RestoreSnapshot: st.builds(c.RestoreSnapshot, names, names, int64, st.none() | int64, int64),
}


def test_every_command_is_tested():
    assert set(commands) == set(get_args(c.Logged))


@pytest.mark.parametrize("kind", list(commands), ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_command_comes_back_and_gives_the_same_bytes_again(kind, data):
    command = data.draw(commands[kind])
    encoded = encode_command(command)
    assert same(command, decode_command(encoded))
    assert encode_command(decode_command(encoded)) == encoded


@settings(max_examples=100)
@given(rules)
def test_a_rule_comes_back_from_plain_data(rule):
    assert RULE.decode(values.decode(values.encode(RULE.encode(rule)))) == rule


def test_a_rule_as_deep_as_the_limit_comes_back():
    rule = tree.Everyone()
    for _ in range(63):
        rule = tree.And((tree.Not(rule),)) if _ % 2 else tree.Not(rule)
    assert RULE.decode(values.decode(values.encode(RULE.encode(rule)))) == rule


def test_spans_are_not_kept():
    rule = tree.Everyone(tree.Span(0, 8))
    assert RULE.encode(rule) == {"kind": "Everyone"}


def inactive(amount, unit="DAY"):
    return {"kind": "Inactive", "duration": {"amount": amount, "unit": unit}}


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (5, "5 is none of Everyone"),
        ({"kind": "Nobody", "more": 1}, "has no field 'more'"),
        ({"kind": "Text", "text": "a"}, "is none of"),
        ({"kind": "And"}, "And lacks 'rules'"),
        ({"kind": "And", "rules": [{"kind": "Not", "rule": 7}]}, "And.rules: Not.rule: 7 is none"),
        (inactive({"kind": "Number", "number": "NaN"}),
         "finite"),
        (inactive({"kind": "Number", "number": 3}),
         "3 is no str"),
        (inactive({"kind": "Date", "date": "2025-02-30"}),
         "no date"),
        (inactive({"kind": "Number", "number": "3"}, "DAYS"),
         "'DAYS' is no Unit"),
        ({"kind": "Did", "events": "open"}, "'open' is no list"),
        ({"kind": "Did", "events": "x" * 58}, f"'{'x' * 58}' is no list"),
        ({"kind": "Did", "events": "x" * 59}, f"'{'x' * 58}… is no list"),
        ({"kind": "Did", "events": ["open"], "often": {"many": "EXACTLY", "low": {
            "kind": "Timestamp", "timestamp": "2025-01-01T00:00:00+02:00"}}}, "no instant in UTC"),
    ],
)  # fmt: skip
def test_plain_data_that_are_no_rule_are_refused_with_the_place(plain, message):
    with pytest.raises(DataLoss, match=message):
        RULE.decode(plain)


def test_plain_data_nested_past_all_bounds_are_refused():
    plain = {"kind": "Nobody"}
    for _ in range(2000):
        plain = {"kind": "Not", "rule": plain}
    with pytest.raises(DataLoss, match="too deeply"):
        RULE.decode(plain)


@pytest.mark.parametrize(
    "change",
    [
        {"keys": [1]},
        {"keys": np.array([1.0])},
        {"values": [{"attribute": "a", "values": {"type": "KEYWORD"}}]},
        {"values": [{"attribute": "a", "values": {
            "type": "WORD", "present": np.ones(1, bool), "data": ["x"]}}]},
        {"values": [{"attribute": "a", "values": {
            "type": "KEYWORD", "present": np.ones(2, bool), "data": ["x"]}}]},
        {"values": [{"attribute": "a", "values": {
            "type": "LOCATION", "present": np.ones(1, bool), "data": np.ones(3)}}]},
        {"values": [{"attribute": "a", "values": {
            "type": "KEYWORDS", "present": np.ones(1, bool), "data": [[1]]}}]},
        {"time_us": "now"},
    ],
    ids=str,
)  # fmt: skip
def test_records_that_are_no_commands_are_refused(change):
    plain = {
        "kind": "UpsertSubscribers",
        "audience": "a",
        "keys": ["k"],
        "values": [],
        "time_us": 1,
    }
    decode_command(values.encode(plain))
    with pytest.raises(DataLoss):
        decode_command(values.encode({**plain, **change}))


def vocabulary():
    """Every class that is kept, with the fields that are."""
    found, waiting = {}, [*get_args(c.Logged), Schema, *get_args(tree.Rule)]
    while waiting:
        kind = waiting.pop()
        for member in get_args(kind):
            waiting.append(member)
        if is_dataclass(kind) and kind.__name__ not in found:
            found[kind.__name__] = [f.name for f in fields(kind) if f.compare]
            waiting.extend(get_type_hints(kind).values())
        elif isinstance(kind, type) and hasattr(kind, "__members__"):
            found[kind.__name__] = list(kind.__members__)
    return dict(sorted(found.items()))


def test_no_name_that_files_hold_was_changed():
    """A renamed class, field or member can't be read back: add, or raise the format's version."""
    kept = json.loads(Path(__file__).with_name("vocabulary.json").read_text())
    now = vocabulary()
    assert {name: [f for f in kept[name] if f in now.get(name, [])] for name in kept} == kept
    assert now == kept, "new names: add them to vocabulary.json"


def test_a_stored_schema_still_reads():
    plain = {
        "key": "STRING",
        "time_zone": "Europe/Berlin",
        "attributes": [{"name": "spend", "type": "DECIMAL", "scale": 2}],
        "events": [{"name": "open", "dimensions": ["campaign"], "activity": True}],
    }
    assert SCHEMA.decode(plain) == Schema(
        KeyType.STRING,
        "Europe/Berlin",
        attributes=(AttributeSchema("spend", AttributeType.DECIMAL, 2),),
        events=(EventSchema("open", ("campaign",), (), True),),
    )
    assert SCHEMA.encode(SCHEMA.decode(plain)) == plain
