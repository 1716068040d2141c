"""Batches on the wire become commands, or errors that name each bad row."""

from datetime import UTC, datetime

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import ingest_service_pb2 as pb
from headcount_server.core.audience import Audience
from headcount_server.core.commands import Producer
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.errors import InvalidBatch, InvalidInput, LimitExceeded
from headcount_server.limits import Limits
from headcount_server.rpc.batches import delete_command, record_command, upsert_command

SCHEMA = Schema(
    key=KeyType.STRING,
    time_zone="Europe/Berlin",
    attributes=(
        *(AttributeSchema(kind.value, kind) for kind in AttributeType if kind.value != "decimal"),
        AttributeSchema("decimal", AttributeType.DECIMAL, 2),
    ),
    events=(
        EventSchema("open", ("campaign",)),
        EventSchema("purchase", ("campaign", "product"), (("amount", 2), ("quantity", 0))),
    ),
)
LIMITS = Limits()
NOW = 1_700_000_000_000_000


def audience(key=KeyType.STRING):
    schema = Schema(key, SCHEMA.time_zone, "", SCHEMA.attributes, SCHEMA.events)
    return Audience("shop", schema, 0, LIMITS)


def time_of(text):
    message = Timestamp()
    message.FromDatetime(datetime.fromisoformat(text).astimezone(UTC))
    return message


def upsert(key_type=KeyType.STRING, limits=LIMITS, **fields):
    return upsert_command(
        pb.UpsertSubscribersRequest(audience="shop", **fields), audience(key_type), NOW, limits
    )


def record(limits=LIMITS, **fields):
    return record_command(
        pb.RecordEventsRequest(audience="shop", **fields), audience(), NOW, limits
    )


def columns(*given, keys=("a", "b", "c")):
    return pb.SubscriberColumns(keys=pb.Keys(texts=keys), columns=given)


def texts(name, *values):
    return pb.Column(name=name, texts=pb.Texts(values=values))


def coded(name, dictionary, codes):
    return pb.Column(name=name, coded_texts=pb.CodedTexts(dictionary=dictionary, codes=codes))


def integers(name, *values):
    given = pb.Integers(values=[value or 0 for value in values])
    return pb.Column(name=name, integers=given, present=[value is not None for value in values])


def decimals(name, scale, *unscaled):
    given = pb.Decimals(scale=scale, unscaled=[value or 0 for value in unscaled])
    return pb.Column(name=name, decimals=given, present=[value is not None for value in unscaled])


def row(key, **values):
    return pb.SubscriberRow(key=pb.Key(text=key), values=values)


def listed(column):
    data = column.data.tolist() if isinstance(column.data, np.ndarray) else column.data
    return [
        value if there else None for value, there in zip(data, column.present.tolist(), strict=True)
    ]


def values_of(command):
    found = {}
    for values in command.values:
        rows = range(len(command.keys)) if values.rows is None else values.rows.tolist()
        found[values.attribute] = dict(zip(rows, listed(values.values), strict=True))
    return found


def bad_rows(caught):
    return [(v.row, v.field, v.reason) for v in caught.value.violations]


V = pb.AttributeValue
ROWS = {
    "keyword": (V(text="DE"), "DE"),
    "keywords": (V(texts=pb.Texts(values=["b", "a", "b"])), ("b", "a")),
    "text": (V(text="a@b"), "a@b"),
    "boolean": (V(boolean=False), False),
    "integer": (V(integer=-(2**63)), -(2**63)),
    "decimal": (V(decimal="12.5"), 1250),
    "date": (V(date="1970-01-02"), 1),
    "timestamp": (V(timestamp=time_of("1970-01-01T00:00:01.000002+00:00")), 1_000_002),
    "location": (V(location=pb.Location(latitude=52.5, longitude=13.4)), [52.5, 13.4]),
}
SPELLED = {
    "keyword": "DE", "keywords": "b|a", "text": "a@b", "boolean": "false",
    "integer": str(-(2**63)), "decimal": "12.50", "date": "1970-01-02",
    "timestamp": "1970-01-01T00:00:01.000002Z", "location": "52.5,13.4",
}  # fmt: skip
COLUMNS = {
    "keyword": pb.Column(coded_texts=pb.CodedTexts(dictionary=["x", "DE"], codes=[1])),
    "keywords": pb.Column(text_lists=pb.TextLists(values=[pb.Texts(values=["b", "a"])])),
    "text": pb.Column(texts=pb.Texts(values=["a@b"])),
    "boolean": pb.Column(booleans=pb.Booleans(values=[False])),
    "integer": pb.Column(integers=pb.Integers(values=[-(2**63)])),
    "decimal": pb.Column(decimals=pb.Decimals(scale=3, unscaled=[12500])),
    "date": pb.Column(integers=pb.Integers(values=[1])),
    "timestamp": pb.Column(integers=pb.Integers(values=[1_000_002])),
    "location": pb.Column(locations=pb.Locations(latitudes=[52.5], longitudes=[13.4])),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_columns_and_spellings_say_the_same(kind):
    value, expected = ROWS[kind]
    column = pb.Column(name=kind)
    column.MergeFrom(COLUMNS[kind])
    coded = pb.Column(name=kind, coded_texts=pb.CodedTexts(dictionary=[SPELLED[kind]], codes=[0]))
    for fields in (
        {"rows": [row("a", **{kind: value})]},
        {"rows": [row("a", **{kind: V(text=SPELLED[kind])})]},
        {"columns": columns(column, keys=["a"])},
        {"columns": columns(texts(kind, SPELLED[kind]), keys=["a"])},
        {"columns": columns(coded, keys=["a"])},
    ):
        command = upsert(**fields)
        assert (command.audience, command.keys, command.time_us) == ("shop", ["a"], NOW)
        assert values_of(command) == {kind: {0: expected}}


def test_rows_may_have_different_attributes_and_kinds_of_values():
    command = upsert(
        rows=[
            row("a", integer=V(integer=1), keyword=V(text="DE")),
            row("b", integer=V(text="2")),
            row("c", integer=V()),
            row("d", integer=V(decimal="4"), keyword=V(text="")),
        ]
    )
    assert values_of(command) == {
        "integer": {0: 1, 1: 2, 2: None, 3: 4}, "keyword": {0: "DE", 3: None},
    }  # fmt: skip


def test_times_of_rows_and_columns():
    moment = time_of("1970-01-01T00:00:01+00:00")
    command = upsert(
        rows=[
            row("a"),
            pb.SubscriberRow(key=pb.Key(text="b"), known_since=moment, changed_at=moment),
        ]
    )
    assert listed(command.known_since) == listed(command.changed_at) == [None, 1_000_000]
    command = upsert(columns=columns(
        texts("known_since", "1", "", "1970-01-02"),
        integers("changed_at", 1, None, 3),
    ))  # fmt: skip
    assert listed(command.known_since) == [1_000_000, None, 23 * 3_600_000_000]
    assert listed(command.changed_at) == [1, None, 3]


def test_absent_rows_of_a_column_remove_values():
    command = upsert(columns=columns(
        integers("integer", 1, None, 3),
        pb.Column(name="keyword", present=[False, True, True],
                  coded_texts=pb.CodedTexts(dictionary=["x", ""], codes=[0, 1, 0])),
    ))  # fmt: skip
    assert values_of(command) == {
        "integer": {0: 1, 1: None, 2: 3}, "keyword": {0: None, 1: None, 2: "x"},
    }  # fmt: skip


def test_every_bad_row_is_listed_in_order():
    with pytest.raises(InvalidBatch) as caught:
        upsert(
            rows=[
                row("a", integer=V(text="x")),
                row("b", integer=V(boolean=True), date=V(date="2026-02-30")),
                pb.SubscriberRow(),
                pb.SubscriberRow(key=pb.Key(number=4)),
                row("e", decimal=V(decimal="0.001"), location=V(location=pb.Location(latitude=91))),
                pb.SubscriberRow(key=pb.Key(text="f"), known_since=Timestamp(nanos=-1)),
                row("g", decimal=V(decimal="")),
            ]
        )
    assert bad_rows(caught) == [
        (0, "integer", "INVALID_VALUE"),
        (1, "date", "INVALID_VALUE"),
        (1, "integer", "WRONG_TYPE"),
        (2, "key", "INVALID_KEY"),
        (3, "key", "INVALID_KEY"),
        (4, "decimal", "INVALID_VALUE"),
        (4, "location", "INVALID_VALUE"),
        (5, "known_since", "INVALID_VALUE"),
        (6, "decimal", "INVALID_VALUE"),
    ]
    assert caught.value.metadata["bad_rows"] == "7"


def test_no_more_bad_rows_are_listed_than_the_limit_but_all_are_counted():
    rows = [row(str(i), integer=V(text="x")) for i in range(50)]
    with pytest.raises(InvalidBatch) as caught:
        upsert(rows=rows, limits=Limits(batch_errors_max=10))
    assert len(caught.value.violations) == 10
    assert caught.value.metadata["bad_rows"] == "50"


def test_bad_rows_of_columns_are_listed_by_index():
    with pytest.raises(InvalidBatch) as caught:
        upsert(columns=columns(
            texts("integer", "1", "x", "3.5"),
            coded("boolean", ["1", "maybe"], [1, 0, 1]),
        ))  # fmt: skip
    assert bad_rows(caught) == [
        (0, "boolean", "INVALID_VALUE"), (1, "integer", "INVALID_VALUE"),
        (2, "boolean", "INVALID_VALUE"), (2, "integer", "INVALID_VALUE"),
    ]  # fmt: skip


WHOLE_FAULTS = {
    "neither rows nor columns": ({}, "rows", "EMPTY"),
    "rows and columns": (
        {"rows": [row("a")], "columns": columns()}, "columns", "BOTH_GIVEN",
    ),
    "no keys": ({"columns": columns(keys=[])}, "columns.keys", "EMPTY"),
    "keys of the wrong kind": (
        {"columns": pb.SubscriberColumns(keys=pb.Keys(numbers=[1]))}, "columns.keys", "INVALID_KEY",
    ),
    "unknown attribute in a row": (
        {"rows": [row("a"), row("b", keywrd=V(text="x"))]}, "rows[1].values", "UNKNOWN_ATTRIBUTE",
    ),
    "unknown attribute in columns": (
        {"columns": columns(texts("keywrd", "x", "y", "z"))},
        "columns.columns[0].name", "UNKNOWN_ATTRIBUTE",
    ),
    "nameless column": (
        {"columns": columns(texts("", "x", "y", "z"))}, "columns.columns[0].name", "MISSING",
    ),
    "two columns of a name": (
        {"columns": columns(texts("text", "x", "y", "z"), texts("text", "x", "y", "z"))},
        "columns.columns[1].name", "DUPLICATE",
    ),
    "a short column": (
        {"columns": columns(texts("text", "x"))}, "columns.columns[0].texts", "LENGTHS_DIFFER",
    ),
    "a short list of presence": (
        {"columns": columns(pb.Column(name="text", texts=pb.Texts(values="xyz"), present=[True]))},
        "columns.columns[0].present", "LENGTHS_DIFFER",
    ),
    "a column without values": (
        {"columns": columns(pb.Column(name="text"))}, "columns.columns[0]", "UNSET",
    ),
    "a code out of range": (
        {"columns": columns(coded("text", ["x"], [0, 0, 1]))},
        "columns.columns[0].coded_texts.codes[2]", "OUT_OF_RANGE",
    ),
    "a scale out of range": (
        {"columns": columns(decimals("decimal", 19, 1, 2, 3))},
        "columns.columns[0].decimals.scale", "OUT_OF_RANGE",
    ),
    "latitudes without longitudes": (
        {"columns": columns(
            pb.Column(name="location", locations=pb.Locations(latitudes=[1, 2, 3]))
        )},
        "columns.columns[0].locations", "LENGTHS_DIFFER",
    ),
    "a column of the wrong type": (
        {"columns": columns(pb.Column(name="text", integers=pb.Integers(values=[1, 2, 3])))},
        "columns.columns[0].integers", "WRONG_TYPE",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "place", "reason"), WHOLE_FAULTS.values(), ids=WHOLE_FAULTS)
def test_a_batch_that_does_not_hold_together_is_refused_with_its_place(fields, place, reason):
    with pytest.raises(InvalidInput) as caught:
        upsert(**fields)
    violation = caught.value.violations[0]
    assert (violation.field, violation.reason) == (place, reason)


def test_the_nearest_attribute_is_named():
    with pytest.raises(InvalidInput) as caught:
        upsert(rows=[row("a", keywrod=V(text="x"))])
    assert caught.value.violations[0].suggestion == "keyword"


@pytest.mark.parametrize("fields", [{"rows": [row("a")] * 3}, {"columns": columns()}])
def test_more_rows_than_the_limit_are_refused(fields):
    with pytest.raises(LimitExceeded) as caught:
        upsert(limits=Limits(batch_rows_max=2), **fields)
    assert caught.value.metadata["limit"] == "batch_rows_max"


def test_integer_keys():
    command = upsert(KeyType.INT64, rows=[pb.SubscriberRow(key=pb.Key(number=-5))])
    assert command.keys.tolist() == [-5]
    command = upsert(KeyType.UINT32, columns=pb.SubscriberColumns(keys=pb.Keys(numbers=[1, 2])))
    assert command.keys.tolist() == [1, 2]


def test_a_numbered_batch_names_its_producer():
    assert upsert(rows=[row("a")], producer="p", sequence=7).producer == Producer("p", 7)
    assert upsert(rows=[row("a")]).producer is None
    with pytest.raises(InvalidInput, match="needs the name of its producer"):
        upsert(rows=[row("a")], sequence=1)


# --- events ---------------------------------------------------------------------------------------


def event(key="a", name="purchase", time="2026-01-01T00:00:00+00:00", **fields):
    return pb.EventRow(key=pb.Key(text=key), event=name, time=time_of(time), **fields)


def events(*given, keys=("a", "b", "c"), times=(1, 2, 3), **fields):
    return pb.EventColumns(
        keys=pb.Keys(texts=keys), times=pb.Column(integers=pb.Integers(values=times)),
        columns=given, **fields,
    )  # fmt: skip


def groups_of(command):
    found = {}
    for group in command.groups:
        rows = range(len(command.keys)) if group.rows is None else group.rows.tolist()
        columns = {**group.dimensions, **group.measures}
        found[group.event] = {
            row: {name: listed(column)[i] for name, column in columns.items()}
            for i, row in enumerate(rows)
        }
    return found


EXPECTED = {
    "purchase": {
        0: {"campaign": "spring", "amount": 1250, "quantity": None},
        2: {"campaign": None, "amount": None, "quantity": 3},
    },
    "open": {1: {"campaign": "spring"}},
}


def test_rows_of_events():
    command = record(
        rows=[
            event(
                "a", dimensions={"campaign": "spring"}, measures={"amount": "12.5", "quantity": ""}
            ),
            event("b", "open", dimensions={"campaign": "spring"}),
            event("a", dimensions={"campaign": ""}, measures={"quantity": "3"}),
        ],
        create_missing=True,
    )
    assert command.keys == ["a", "b", "a"]
    assert command.create_missing
    assert command.times.tolist() == [1_767_225_600_000_000] * 3
    assert groups_of(command) == EXPECTED


@pytest.mark.parametrize(
    "names",
    [
        texts("", "purchase", "open", "purchase"),
        coded("", ["open", "purchase"], [1, 0, 1]),
        coded("", ["unused", "purchase", "open", "purchase"], [1, 2, 3]),
    ],
)
def test_columns_of_events_of_several_types(names):
    command = record(columns=events(
        coded("campaign", ["spring", ""], [0, 0, 1]),
        decimals("amount", 1, 125, None, None),
        texts("quantity", "", "", "3"),
        events=names,
    ))  # fmt: skip
    assert command.times.tolist() == [1, 2, 3]
    assert groups_of(command) == EXPECTED


def test_columns_of_events_of_one_type():
    command = record(columns=events(texts("campaign", "x", "", "y"), event="open"))
    assert command.groups[0].rows is None
    assert groups_of(command) == {
        "open": {0: {"campaign": "x"}, 1: {"campaign": None}, 2: {"campaign": "y"}}
    }


def test_a_value_that_the_event_type_does_not_declare_makes_a_bad_row():
    with pytest.raises(InvalidBatch) as caught:
        record(columns=events(
            texts("product", "shoe", "hat", ""), events=texts("", "purchase", "open", "open"),
        ))  # fmt: skip
    assert bad_rows(caught) == [(1, "product", "UNDECLARED_PROPERTY")]
    with pytest.raises(InvalidBatch) as caught:
        record(rows=[event(), event("b", "open", dimensions={"product": "hat"})])
    assert bad_rows(caught) == [(1, "product", "UNDECLARED_PROPERTY")]


def test_bad_rows_of_events():
    with pytest.raises(InvalidBatch) as caught:
        record(
            rows=[
                pb.EventRow(key=pb.Key(text="a"), event="open"),
                pb.EventRow(time=time_of("2026-01-01T00:00:00+00:00")),
                event(measures={"amount": "1.234"}),
                event(measures={"quantity": "one"}),
                event(measures={"campaign": "1"}),
                pb.EventRow(key=pb.Key(text="a"), event="open", time=Timestamp(seconds=10**15)),
            ]
        )
    assert bad_rows(caught) == [
        (0, "time", "MISSING"), (1, "event", "MISSING"), (1, "key", "INVALID_KEY"),
        (2, "amount", "INVALID_VALUE"), (3, "quantity", "INVALID_VALUE"),
        (4, "campaign", "WRONG_TYPE"), (5, "time", "INVALID_TIME"),
    ]  # fmt: skip


def test_bad_rows_of_columns_of_events():
    with pytest.raises(InvalidBatch) as caught:
        record(columns=pb.EventColumns(
            keys=pb.Keys(texts=["a", "b", "c"]),
            times=texts("", "2026-01-01", "", "yesterday"),
            events=texts("", "open", "purchase", ""),
            columns=[texts("amount", "", "1.005", "")],
        ))  # fmt: skip
    assert bad_rows(caught) == [
        (1, "amount", "INVALID_VALUE"), (1, "time", "MISSING"),
        (2, "event", "MISSING"), (2, "time", "INVALID_VALUE"),
    ]  # fmt: skip


EVENT_FAULTS = {
    "unknown event in rows": (
        {"rows": [event(), event(name="opne")]}, "rows[1].event", "UNKNOWN_EVENT", "open",
    ),
    "unknown event in columns": (
        {"columns": events(event="opne")}, "columns.event", "UNKNOWN_EVENT", "open",
    ),
    "unknown event among several": (
        {"columns": events(events=texts("", "open", "opne", "open"))},
        "columns.events", "UNKNOWN_EVENT", "open",
    ),
    "unknown property in rows": (
        {"rows": [event(measures={"amuont": "1"})]},
        "rows[0].measures", "UNKNOWN_PROPERTY", "amount",
    ),
    "unknown property in columns": (
        {"columns": events(texts("amuont", "1", "", ""), event="open")},
        "columns.columns[0].name", "UNKNOWN_PROPERTY", "amount",
    ),
    "no event": ({"columns": events()}, "columns.event", "ONE_OF", ""),
    "two sorts of events": (
        {"columns": events(event="open", events=texts("", *["open"] * 3))},
        "columns.event", "ONE_OF", "",
    ),
    "no times": (
        {"columns": pb.EventColumns(keys=pb.Keys(texts=["a"]), event="open")},
        "columns.times", "MISSING", "",
    ),
    "times that are few": (
        {"columns": events(times=[1], event="open")},
        "columns.times.integers", "LENGTHS_DIFFER", "",
    ),
    "numbers for events": (
        {"columns": events(events=pb.Column(integers=pb.Integers(values=[1, 2, 3])))},
        "columns.events", "WRONG_TYPE", "",
    ),
    "no rows": ({}, "rows", "EMPTY", ""),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "place", "reason", "suggestion"), EVENT_FAULTS.values(), ids=EVENT_FAULTS
)
def test_events_that_do_not_hold_together_are_refused(fields, place, reason, suggestion):
    with pytest.raises(InvalidInput) as caught:
        record(**fields)
    violation = caught.value.violations[0]
    assert (violation.field, violation.reason) == (place, reason)
    assert violation.suggestion == suggestion


def test_erasure():
    request = pb.DeleteSubscribersRequest(audience="shop", keys=pb.Keys(texts=["a", "b"]))
    command = delete_command(request, audience(), NOW, LIMITS)
    assert (command.keys, command.time_us) == (["a", "b"], NOW)
    for keys in (pb.Keys(), pb.Keys(numbers=[1])):
        with pytest.raises(InvalidInput):
            delete_command(
                pb.DeleteSubscribersRequest(audience="shop", keys=keys), audience(), NOW, LIMITS
            )
