"""Python values to messages and back; responses to dataclasses."""

import dataclasses
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from headcount.v1 import (
    admin_service_pb2,
    audience_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    schema_pb2,
    segment_service_pb2,
)
from headcount_client import results, values
from headcount_client.results.convert import RESULTS, enum_name, result
from headcount_client.values import Location

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
FILES = (
    admin_service_pb2, audience_service_pb2, ingest_service_pb2, query_service_pb2,
    segment_service_pb2,
)  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["x", "", True, False, 0, -(2**63), 2**63 - 1, Decimal("12.50"), date(2026, 2, 28), NOON,
     Location(52.5, 13.4), ("a", "b"), None],
)  # fmt: skip
def test_a_value_comes_back_as_it_was(value):
    found = values.python_value(values.attribute_value(value))
    assert found == value
    assert type(found) is type(value)


def test_a_time_in_another_zone_is_the_same_instant():
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert values.attribute_value(there) == values.attribute_value(NOON)


@pytest.mark.parametrize("make", [values.attribute_value, values.literal, values.parameter])
def test_a_float_is_refused_with_the_advice_to_use_decimal(make):
    with pytest.raises(TypeError, match=r"Decimal\('0\.1'\)"):
        make(0.1)


@pytest.mark.parametrize("make", [values.attribute_value, values.literal, values.timestamp])
def test_a_naive_time_is_refused(make):
    with pytest.raises(ValueError, match="no time zone"):
        make(datetime(2026, 3, 31))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, Decimal("NaN"), Decimal("Infinity")])
def test_numbers_beyond_are_refused(value):
    with pytest.raises(ValueError, match=r"64 signed bits|finite"):
        values.attribute_value(value)


def test_decimals_are_spelt_without_exponent():
    assert values.literal(Decimal("1E+3")).number == "1000"
    assert values.literal(Decimal("1E-7")).number == "0.0000001"


def test_a_parameter_may_be_a_list():
    message = values.parameter([1, Decimal("2.5")])
    assert [value.number for value in message.list.values] == ["1", "2.5"]
    assert values.parameter({"b", "a"}).list.values[0].text == "a"


def test_keys_are_all_strings_or_all_integers():
    assert list(values.keys(["a"]).texts) == ["a"]
    assert list(values.keys([1, 2]).numbers) == [1, 2]
    for mixed in (["a", 1], [1, "a"], [True], [1.0]):
        with pytest.raises(TypeError):
            values.keys(mixed)


def test_every_response_of_the_contract_has_a_result_with_its_fields():
    """Fields of a result are those of its message; no message of an answer is left without one."""
    seen = set()
    open_ = [
        method.output_type
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    while open_:
        descriptor = open_.pop()
        if descriptor.name in seen or not descriptor.full_name.startswith("headcount."):
            continue
        seen.add(descriptor.name)
        if descriptor.name in ("Rule", "Key", "Keys", "AttributeValue"):
            continue
        names = [field.name for field in dataclasses.fields(RESULTS[descriptor.name])]
        assert sorted(names) == sorted(field.name for field in descriptor.fields)
        for field in descriptor.fields:
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                open_.append(field.message_type)
    assert len(seen) > 60


def test_a_response_is_converted():
    message = query_service_pb2.CountResponse(total=5, reachable=3, audience_size=9, revision=7)
    message.as_of_time.FromDatetime(NOON)
    message.engine_duration.FromMicroseconds(1500)
    message.waterfall.add(label="audience", count=9)
    found = result(message)
    assert isinstance(found, results.CountResponse)
    assert (found.total, found.as_of_time, found.engine_ms) == (5, NOON, 1.5)
    assert found.waterfall == (results.WaterfallStep("audience", 9, 0),)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.total = 6


def test_a_batch_of_counts_is_a_sequence():
    message = query_service_pb2.BatchCountResponse()
    message.results.add(total=1)
    message.results.add().error.message = "no"
    found = result(message)
    assert len(found) == 2
    assert found[0].total == 1
    assert found[0].error is None
    assert [one.error.message for one in found if one.error] == ["no"]


def test_a_subscriber_has_python_values():
    message = ingest_service_pb2.GetSubscriberResponse(key=values.key("k"), event_count=2)
    message.values["tags"].texts.values.extend(["a", "b"])
    message.values["spend"].decimal = "1.50"
    event = message.events.add(key=values.key("k"), event="open", measures={"amount": "0.10"})
    event.time.FromDatetime(NOON)
    found = result(message)
    assert found.values == {"tags": ("a", "b"), "spend": Decimal("1.50")}
    assert found.events[0] == results.EventRow("k", NOON, "open", {}, {"amount": Decimal("0.10")})
    assert found.known_since is None


def test_enums_are_words():
    descriptor = schema_pb2.KeyType.DESCRIPTOR
    assert enum_name(descriptor, schema_pb2.KEY_TYPE_UINT32) == "uint32"
    assert enum_name(descriptor, 0) == ""
    assert enum_name(descriptor, 99) == "99"
    message = schema_pb2.Audience(events=[schema_pb2.EventSchema(name="sent", activity=False)])
    assert result(message).events[0].activity is False
    assert result(message).change_days is None
