"""A batch is applied in steps: reads between two of them see the state before it, reads after the
last one what writing it row by row gives."""

from dataclasses import replace

import numpy as np
import pytest
from headcount_server.codec import values as codec
from headcount_server.core.attributes import pending
from headcount_server.core.commands import (
    AttributeValues,
    CreateAudience,
    CreateSegment,
    DeleteSubscribers,
    EventGroup,
    FoldEvents,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.events import store
from headcount_server.core.keys import directory
from headcount_server.core.query import Ask, count
from headcount_server.core.retention import due_day
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn
from headcount_server.errors import HeadcountError
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = 86_400_000_000
T = AttributeType
VALUES = {
    T.KEYWORD: st.sampled_from(["a", "A", "b", "c"]),
    T.KEYWORDS: st.lists(st.sampled_from(["x", "X", "y", "z"]), min_size=1, unique=True).map(tuple),
    T.TEXT: st.sampled_from(["ann@a.com", "Ann@A.com", "bob@b.com"]),
    T.BOOLEAN: st.booleans(),
    T.INTEGER: st.sampled_from([-3, 0, 1, 2, 50]),
    T.LOCATION: st.sampled_from([(0.0, 0.0), (52.5, 13.4), (-10.0, 179.0)]),
}
ATTRIBUTES = tuple(AttributeSchema(kind.value, kind) for kind in VALUES)
EVENTS = (EventSchema("buy", ("item",), (("amount", 0),), retention_days=2),)
RULES = [
    'keyword = "a"', 'keyword = exactly "A"', "keyword is missing", 'keywords has "x"',
    "keywords size >= 2", 'text contains "ann"', "boolean is true", "integer between 0 and 1",
    "integer in top 2", "location within 50 km of (52.5, 13.4)", "known for at least 1 day",
    "keyword changed in last 3 days", "integer changed in last 3 days", "did buy in last 4 days",
    'did buy where (item = "p") ever', "sum(buy.amount) >= 3", 'last buy is (item = "q")',
    'sample 50% seed "s"', 'in segment "a"', 'entered segment "a" in last 9 days',
]  # fmt: skip
STRING_RULES = ['key contains "1"', 'id in ("k1", "k2", "k9")']
PARSED = {rule: parse(rule) for rule in (*RULES, *STRING_RULES)}


def keys_of(kind, numbers):
    return [f"k{n}" for n in numbers] if kind is KeyType.STRING else np.array(numbers, np.int64)


def seen(state, now, rules, kind):
    """What reads can tell."""
    audience = state.audiences["a"]
    found = {rule: answered(Ask(audience, now), PARSED[rule]) for rule in rules}
    known = audience.keys.find(keys_of(kind, range(14))).tolist()
    people = []
    for n in range(14):
        key = f"k{n}" if kind is KeyType.STRING else n
        people.append(audience.subscriber(key, 100))
    values = [audience.events["buy"].value_counts("item")]
    return found, known, people, values, audience.revision, len(audience.keys), audience.event_count


def answered(ask, rule):
    try:
        return count(ask, rule).total
    except HeadcountError as error:  # events that it needs were folded
        return error.message


def dumped(state):
    return codec.encode(state.dump_audience("a"))


@st.composite
def columns(draw, count):
    made = []
    for attribute in ATTRIBUTES:
        if not draw(st.booleans()):
            continue
        places = None
        if draw(st.sampled_from([False, False, True])):
            places = np.flatnonzero([draw(st.booleans()) for _ in range(count)])
        length = count if places is None else len(places)
        values = [draw(VALUES[attribute.type]) for _ in range(length)]
        present = np.array([draw(st.sampled_from([True, True, False])) for _ in values], np.bool_)
        data = values
        if attribute.type is T.LOCATION:
            data = np.array(values, np.float64).reshape(-1, 2)
        elif attribute.type in (T.INTEGER, T.BOOLEAN):
            data = np.array(values, np.int64 if attribute.type is T.INTEGER else np.bool_)
        column = ValueColumn(attribute.type, data, present)
        made.append(AttributeValues(attribute.name, column, places))
    return tuple(made)


@st.composite
def moments(draw, count, now):
    if draw(st.booleans()):
        return None
    times = [now - draw(st.integers(0, 4)) * DAY for _ in range(count)]
    present = np.array([draw(st.booleans()) for _ in times], np.bool_)
    return ValueColumn(T.TIMESTAMP, np.array(times, np.int64), present)


@st.composite
def batches(draw, kind, now):
    numbers = draw(st.lists(st.integers(0, 12), min_size=1, max_size=9))
    keys = keys_of(kind, numbers)
    match draw(st.sampled_from(["upsert", "upsert", "record", "delete"])):
        case "upsert":
            known, changed = draw(moments(len(numbers), now)), draw(moments(len(numbers), now))
            values = draw(columns(len(numbers)))
            return UpsertSubscribers("a", keys, values, now, known, changed)
        case "delete":
            return DeleteSubscribers("a", keys[:2], now)
    items = [draw(st.sampled_from(["p", "q", "P"])) for _ in numbers]
    has = np.array([draw(st.booleans()) for _ in numbers], np.bool_)
    amounts = np.array([draw(st.integers(0, 5)) for _ in numbers], np.int64)
    times = np.array([now - draw(st.integers(-1, 6)) * DAY // 2 for _ in numbers], np.int64)
    group = EventGroup(
        "buy", None, {"item": ValueColumn(T.KEYWORD, items, has)},
        {"amount": ValueColumn(T.INTEGER, amounts, ~has)},
    )  # fmt: skip
    return RecordEvents("a", keys, times, (group,), now, create_missing=True)


@pytest.mark.parametrize("kind", list(KeyType))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_reads_between_steps_see_the_state_before_and_after_the_last_all_of_it(kind, data):
    with pytest.MonkeyPatch.context() as patch:
        now = 1_790_000_000_000_000
        schema = Schema(kind, attributes=ATTRIBUTES, events=EVENTS, partitions=2)
        stepped, whole = State(), State()
        for state in (stepped, whole):
            state.apply(CreateAudience("a", schema, now))
            state.apply(CreateSegment("a", "a", PARSED['keyword = "a"'], 30, now))
        rules = [*RULES, *(STRING_RULES if kind is KeyType.STRING else [])]
        for _ in range(data.draw(st.integers(1, 5))):
            now += data.draw(st.integers(0, 2)) * DAY
            command = data.draw(batches(kind, now))
            day = due_day(stepped.audiences["a"], EVENTS[0], now)
            if day is not None and data.draw(st.booleans()):
                command = FoldEvents("a", "buy", day, now)
            for module, name, size in (
                (pending, "STEP_ROWS", 2), (directory, "_FIND_KEYS", 3),
                (directory, "_STEP_KEYS", 2),
                (store, "_STEP_EVENTS", 2), (store, "_TAIL_MIN", data.draw(st.integers(1, 9))),
            ):  # fmt: skip
                patch.setattr(module, name, size)
            if data.draw(st.booleans()):  # nothing is built after a start
                for state in (stepped, whole):
                    state.load_audience(codec.decode(dumped(state)))
            before = seen(whole, now, rules, kind)
            if data.draw(st.booleans()):
                assert seen(stepped, now, rules, kind) == before
            for _ in stepped.validating(command):
                assert seen(stepped, now, rules[:1], kind)[1:] == before[1:]
            steps = stepped.preparing(command)
            while True:
                try:
                    next(steps)
                except StopIteration as stop:
                    publish = stop.value
                    break
                asked = data.draw(st.lists(st.sampled_from(rules), max_size=3))
                part = seen(stepped, now, asked, kind)
                assert part[0] == {rule: before[0][rule] for rule in asked}
                assert part[1:] == before[1:]
            assert seen(stepped, now, rules, kind) == before
            applied = publish()
            patch.undo()
            whole.validate(command)
            assert applied == whole.apply(command)
            assert dumped(stepped) == dumped(whole)
            assert seen(stepped, now, rules, kind) == seen(whole, now, rules, kind)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_batch_is_what_writing_its_rows_one_by_one_is(data):
    now = 1_790_000_000_000_000
    schema = Schema(KeyType.STRING, attributes=ATTRIBUTES, events=EVENTS, partitions=2)
    at_once, one_by_one = State(), State()
    for state in (at_once, one_by_one):
        state.apply(CreateAudience("a", schema, now))
    for _ in range(data.draw(st.integers(1, 4))):
        command = data.draw(batches(KeyType.STRING, now))
        at_once.apply(command)
        for i in range(len(command.keys)):
            one_by_one.apply(row_of(command, i))
    rules = [rule for rule in (*RULES, *STRING_RULES) if "segment" not in rule]
    found, expected = (seen(state, now, rules, KeyType.STRING) for state in (at_once, one_by_one))
    assert found[0] == expected[0]
    assert [without_order(person) for person in found[2]] == [
        without_order(person) for person in expected[2]
    ]


def without_order(person):
    return person and replace(person, events=tuple(sorted(map(repr, person.events))))


def row_of(command, i):
    def cell(column):
        return column and ValueColumn(
            column.type, column.data[i : i + 1], column.present[i : i + 1]
        )

    keys = command.keys[i : i + 1]
    if isinstance(command, DeleteSubscribers):
        return replace(command, keys=keys)
    if isinstance(command, RecordEvents):
        group = command.groups[0]
        dimensions = {name: cell(column) for name, column in group.dimensions.items()}
        measures = {name: cell(column) for name, column in group.measures.items()}
        own = EventGroup(group.event, None, dimensions, measures)
        return replace(command, keys=keys, times=command.times[i : i + 1], groups=(own,))
    values = []
    for one in command.values:
        places = range(len(command.keys)) if one.rows is None else one.rows.tolist()
        if i in places:
            at = list(places).index(i)
            column = one.values
            part = ValueColumn(column.type, column.data[at : at + 1], column.present[at : at + 1])
            values.append(AttributeValues(one.attribute, part))
    return replace(
        command, keys=keys, values=tuple(values),
        known_since=cell(command.known_since), changed_at=cell(command.changed_at),
    )  # fmt: skip
