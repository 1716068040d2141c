"""From messages to results, by name: message ``X`` becomes the dataclass ``X`` field for field.

Pure. Timestamps become aware datetimes in UTC, durations timedeltas, keys strings or integers,
enums their names in lower case without the prefix (``KEY_TYPE_UINT32`` is ``"uint32"``, zero
is ""), absent messages None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC
from decimal import Decimal
from types import ModuleType
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from headcount.v1 import ingest_service_pb2

from headcount_client.results import (
    admin,
    audiences,
    members,
    planning,
    queries,
    segments,
    writes,
)
from headcount_client.results.writes import EventRow
from headcount_client.values import python_key, python_keys, python_value

Read = Callable[[Any], Any]


def result(message: Message) -> Any:
    """The dataclass of a message's name, filled from it. O(size)."""
    return _reader(message.DESCRIPTOR.name)(message)


def enum_name(descriptor: EnumDescriptor, number: int) -> str:
    """Name of an enum's value in lower case without the prefix; "" for zero, else digits."""
    if number == 0:
        return ""
    value = descriptor.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return value.name.removeprefix(prefix).lower()


def _dataclasses(*modules: ModuleType) -> dict[str, type]:
    return {
        name: found
        for module in modules
        for name, found in vars(module).items()
        if isinstance(found, type) and dataclasses.is_dataclass(found)
    }


def _event_row(message: ingest_service_pb2.EventRow) -> EventRow:
    return EventRow(
        python_key(message.key) or "",
        message.time.ToDatetime(tzinfo=UTC),
        message.event,
        dict(message.dimensions),
        {name: Decimal(number) for name, number in message.measures.items()},
    )


RESULTS = _dataclasses(admin, audiences, members, planning, queries, segments, writes)
_SPECIAL: dict[str, Read] = {
    "Timestamp": lambda message: message.ToDatetime(tzinfo=UTC),
    "Duration": lambda message: message.ToTimedelta(),
    "Key": python_key,
    "Keys": python_keys,
    "AttributeValue": python_value,
    "Rule": lambda message: message,
    "EventRow": _event_row,
}
_NONE_IS_EMPTY = {"Keys": (), "Key": None, "AttributeValue": None}
_readers: dict[str, Read] = dict(_SPECIAL)


def _reader(name: str) -> Read:
    if name not in _readers:
        _readers[name] = _dataclass_reader(RESULTS[name])
    return _readers[name]


def _dataclass_reader(cls: type[Any]) -> Read:
    names = [field.name for field in dataclasses.fields(cls)]
    plan: list[tuple[str, Read]] = []

    def read(message: Message) -> Any:
        if not plan and names:
            fields = message.DESCRIPTOR.fields_by_name
            plan.extend((name, _field_reader(fields[name])) for name in names)
        return cls(**{name: read_field(message) for name, read_field in plan})

    return read


def _field_reader(field: Any) -> Read:
    name = field.name
    if field.message_type is None:
        return _scalar_reader(field)
    if field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        if value.message_type is None:
            return lambda message: dict(getattr(message, name))
        inner = _reader(value.message_type.name)
        return lambda message: _mapped(getattr(message, name), inner)
    kind = field.message_type.name
    if field.is_repeated:
        return lambda message: tuple(map(_reader(kind), getattr(message, name)))
    absent = _NONE_IS_EMPTY.get(kind)
    return lambda message: (
        _reader(kind)(getattr(message, name)) if message.HasField(name) else absent
    )


def _scalar_reader(field: Any) -> Read:
    name = field.name
    if field.enum_type is not None:
        descriptor = field.enum_type
        return lambda message: enum_name(descriptor, getattr(message, name))
    if field.is_repeated:
        return lambda message: tuple(getattr(message, name))
    containing = field.containing_oneof
    if containing is not None and containing.name.startswith("_"):
        return lambda message: getattr(message, name) if message.HasField(name) else None
    return lambda message: getattr(message, name)


def _mapped(found: Mapping[str, Any], read: Read) -> dict[str, Any]:
    return {name: read(value) for name, value in found.items()}
