"""Schemas from TOML, dicts and dataclasses."""

import pytest
from headcount.v1 import schema_pb2
from headcount_client.schema import EventType, Schema, SchemaError, from_toml, to_message

TEXT = """
[audience]
key = "uint32"
time_zone = "Europe/Berlin"
reachable = 'status = "active"'
[engagement]
sent = "mailed"
[attributes]
country = "keyword"
spend = { type = "decimal", scale = 2 }
[events.mailed]
dimensions = ["campaign"]
activity = false
[events.purchase]
measures = { amount = { scale = 2 }, quantity = { scale = 0 } }
"""


def test_the_file_of_the_contract():
    message = from_toml(TEXT)
    assert message.key == schema_pb2.KEY_TYPE_UINT32
    assert (message.time_zone, message.reachable) == ("Europe/Berlin", 'status = "active"')
    assert (message.engagement.sent, message.engagement.open) == ("mailed", "")
    assert [(a.name, a.type, a.scale) for a in message.attributes] == [
        ("country", schema_pb2.ATTRIBUTE_TYPE_KEYWORD, 0),
        ("spend", schema_pb2.ATTRIBUTE_TYPE_DECIMAL, 2),
    ]
    mailed, purchase = message.events
    assert (list(mailed.dimensions), mailed.activity) == (["campaign"], False)
    assert not purchase.HasField("activity")
    assert [(m.name, m.scale) for m in purchase.measures] == [("amount", 2), ("quantity", 0)]


def test_a_dataclass_says_the_same():
    schema = Schema(
        key="uint32",
        time_zone="Europe/Berlin",
        reachable='status = "active"',
        attributes={"country": "keyword", "spend": ("decimal", 2)},
        events={
            "mailed": EventType(("campaign",), activity=False),
            "purchase": EventType(measures={"amount": 2, "quantity": 0}),
        },
        engagement={"sent": "mailed"},
    )
    assert to_message(schema) == from_toml(TEXT)


def test_nothing_is_needed():
    message = to_message({})
    assert (message.key, message.time_zone) == (schema_pb2.KEY_TYPE_STRING, "UTC")
    assert not message.HasField("change_days")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[audience]\nkey =", "no valid TOML"),
        ("[audiance]\n", r'unknown key "audiance"; did you mean "audience"'),
        ("[audience]\ntimezone = 'UTC'", r'\[audience\]: unknown key "timezone".*time_zone'),
        ("[audience]\nkey = 'str'", "no type of keys; uint32, int64, string are"),
        ("[audience]\nkey = 3", r"\[audience\]: key must be a string, not 3"),
        ("[attributes]\na = 'keywrd'", r'attributes\] a: "keywrd" is no type.*"keyword"'),
        ("[attributes]\na = 3", "must be a type"),
        ("[attributes]\na = { type = 'integer', scale = 2 }", "a integer has no scale"),
        ("[attributes]\na = { scale = 2 }", "type is missing"),
        ("[attributes]\na = { type = 'decimal', scale = true }", "scale must be a whole number"),
        ("[attributes]\na = { type = 'decimal', scale = -1 }", "out of range"),
        ("[events.x]\ndimension = ['a']", r'events\.x\]: unknown key "dimension".*dimensions'),
        ("[events.x]\ndimensions = 'a'", "dimensions must be a list"),
        ("[events.x]\ndimensions = [1]", "1 must be a string"),
        ("[events.x]\nmeasures = { a = 2 }", "must be a table such as"),
        ("[events.x]\nactivity = 'no'", "activity must be true or false"),
        ("events = 3", r"\[events\] must be a table"),
        ("[events]\nx = 3", r"\[events\.x\] must be a table"),
        ("[engagement]\nsend = 'x'", 'did you mean "sent"'),
    ],
)  # fmt: skip
def test_faults_name_the_place_and_what_would_be_right(text, told):
    with pytest.raises(SchemaError, match=told):
        from_toml(text)
