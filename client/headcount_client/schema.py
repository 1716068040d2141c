"""Schemas of audiences: from a TOML file, a dict of the same shape, or a ``Schema``. Pure.

What can be known without a server is checked here, naming the place and the nearest known key: keys
and their types. The rest (names, time zones, the rule of ``reachable``) is the server's to check.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headcount.v1 import schema_pb2

from headcount_client.names import did_you_mean, listed

KEY_TYPES = ("uint32", "int64", "string")
ATTRIBUTE_TYPES = (
    "keyword", "keywords", "text", "boolean", "integer", "decimal", "date", "timestamp", "location",
)  # fmt: skip
_SECTIONS = ("audience", "engagement", "attributes", "events")
_ENGAGEMENT = ("sent", "open", "click", "campaign")
_PLAIN = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class SchemaError(ValueError):
    """A schema that doesn't hold together; the message names the place and what would be right."""


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of events.

    Attributes:
        dimensions: names of its keyword properties.
        measures: name to decimal places (0 to 18) of its numeric properties.
        activity: whether it is a sign of life for ``inactive for``; None: by default.
        retention_days: for how many days before today its events are kept in full; 0: for ever.
    """

    dimensions: tuple[str, ...] = ()
    measures: Mapping[str, int] = field(default_factory=dict[str, int])
    activity: bool | None = None
    retention_days: int = 0


@dataclass(frozen=True, slots=True)
class Schema:
    """All that is declared about an audience.

    Attributes:
        key: ``uint32``, ``int64`` or ``string``.
        time_zone: IANA name.
        reachable: text of the rule that says who can be reached; "" for everyone.
        attributes: name to type; a decimal as ``("decimal", scale)``.
        events: name to type.
        engagement: names behind ``stars`` and last campaigns: sent, open, click, campaign.
        partitions: number of row partitions; 0: the server's default.
        change_days: days that ``changed in`` remembers; None: the server's default.
    """

    key: str = "string"
    time_zone: str = "UTC"
    reachable: str = ""
    attributes: Mapping[str, str | tuple[str, int]] = field(default_factory=dict[str, Any])
    events: Mapping[str, EventType] = field(default_factory=dict[str, EventType])
    engagement: Mapping[str, str] = field(default_factory=dict[str, str])
    partitions: int = 0
    change_days: int | None = None

    def to_message(self) -> schema_pb2.Audience:
        """The message, without a name.

        Raises:
            SchemaError: a type that there isn't.
        """
        return from_dict(self._as_dict())

    def _as_dict(self) -> dict[str, Any]:
        audience: dict[str, Any] = {
            "key": self.key, "time_zone": self.time_zone, "reachable": self.reachable,
            "partitions": self.partitions,
        }  # fmt: skip
        if self.change_days is not None:
            audience["change_days"] = self.change_days
        attributes = {
            name: kind if isinstance(kind, str) else {"type": kind[0], "scale": kind[1]}
            for name, kind in self.attributes.items()
        }
        events: dict[str, Any] = {}
        for name, event in self.events.items():
            measures = {measure: {"scale": scale} for measure, scale in event.measures.items()}
            events[name] = {"dimensions": list(event.dimensions), "measures": measures}
            if event.activity is not None:
                events[name]["activity"] = event.activity
            if event.retention_days:
                events[name]["retention_days"] = event.retention_days
        return {
            "audience": audience,
            "engagement": dict(self.engagement),
            "attributes": attributes,
            "events": events,
        }


def to_message(
    schema: Schema | str | Mapping[str, Any] | schema_pb2.Audience,
) -> schema_pb2.Audience:
    """The message of a schema in any of its spellings; a string is TOML text.

    Raises:
        SchemaError: it isn't TOML, has an unknown key or a value of the wrong type.
    """
    if isinstance(schema, schema_pb2.Audience):
        copy = schema_pb2.Audience()
        copy.CopyFrom(schema)
        return copy
    if isinstance(schema, Schema):
        return schema.to_message()
    return from_toml(schema) if isinstance(schema, str) else from_dict(schema)


def from_toml(text: str) -> schema_pb2.Audience:
    """The message of a schema file's text.

    Raises:
        SchemaError: as ``to_message``.
    """
    try:
        return from_dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"no valid TOML: {error}") from None


def from_dict(schema: Mapping[str, Any]) -> schema_pb2.Audience:
    """The message of a schema as a dict of the file's shape.

    Raises:
        SchemaError: as ``to_message``.
    """
    _known("the schema", schema, _SECTIONS)
    message = schema_pb2.Audience()
    _audience(_table(schema, "audience"), message)
    engagement = _table(schema, "engagement")
    _known("[engagement]", engagement, _ENGAGEMENT)
    for name in engagement:
        setattr(message.engagement, name, _of(str, engagement, name, "[engagement]"))
    for name, declared in _table(schema, "attributes").items():
        _attribute(name, declared, message.attributes.add(name=name))
    for name, declared in _table(schema, "events").items():
        place = f"[events.{name}]"
        if not isinstance(declared, Mapping):
            raise SchemaError(f"{place} must be a table, not {declared!r}")
        _event(place, declared, message.events.add(name=name))
    return message


def _audience(table: Mapping[str, Any], message: schema_pb2.Audience) -> None:
    place = "[audience]"
    _known(place, table, ("key", "time_zone", "reachable", "partitions", "change_days"))
    key = _of(str, table, "key", place, "string")
    if key not in KEY_TYPES:
        raise SchemaError(f'{place} key: "{key}" is no type of keys; {listed(KEY_TYPES)} are')
    message.key = schema_pb2.KeyType.Value(f"KEY_TYPE_{key.upper()}")
    message.time_zone = _of(str, table, "time_zone", place, "UTC")
    message.reachable = _of(str, table, "reachable", place, "")
    message.partitions = _int32(_of(int, table, "partitions", place, 0), f"{place} partitions")
    if "change_days" in table:
        days = _of(int, table, "change_days", place)
        message.change_days = _int32(days, f"{place} change_days")


def _attribute(name: str, declared: Any, message: schema_pb2.AttributeSchema) -> None:
    place = f"[attributes] {name}"
    if isinstance(declared, str):
        declared = {"type": declared}
    if not isinstance(declared, Mapping):
        raise SchemaError(f'{place} must be a type such as "keyword" or a table, not {declared!r}')
    _known(place, declared, ("type", "scale"))
    kind = _of(str, declared, "type", place)
    if kind not in ATTRIBUTE_TYPES:
        hint = did_you_mean(kind, ATTRIBUTE_TYPES) or f"; the types are {listed(ATTRIBUTE_TYPES)}"
        raise SchemaError(f'{place}: "{kind}" is no type of attributes{hint}')
    if "scale" in declared and kind != "decimal":
        raise SchemaError(f"{place}: a {kind} has no scale; only a decimal has")
    message.type = schema_pb2.AttributeType.Value(f"ATTRIBUTE_TYPE_{kind.upper()}")
    message.scale = _scale(declared, place)


def _event(place: str, table: Mapping[str, Any], message: schema_pb2.EventSchema) -> None:
    _known(place, table, ("dimensions", "measures", "activity", "retention_days"))
    for dimension in _of(list, table, "dimensions", place, []):
        if not isinstance(dimension, str):
            raise SchemaError(f"{place} dimensions: {dimension!r} must be a string, a name")
        message.dimensions.append(dimension)
    measures = _of(dict, table, "measures", place, {})
    for name, declared in measures.items():
        where = f"{place} measures.{name}"
        if not isinstance(declared, Mapping):
            raise SchemaError(f"{where} must be a table such as {{ scale = 2 }}, not {declared!r}")
        _known(where, declared, ("scale",))
        message.measures.add(name=name, scale=_scale(declared, where))
    if "activity" in table:
        message.activity = _of(bool, table, "activity", place)
    days = _of(int, table, "retention_days", place, 0)
    message.retention_days = _int32(days, f"{place} retention_days")


def _scale(table: Mapping[str, Any], place: str) -> int:
    return _int32(_of(int, table, "scale", place, 0), f"{place} scale")


def _int32(number: int, place: str) -> int:
    if not 0 <= number < 2**31:
        raise SchemaError(f"{place}: {number} is out of range")
    return number


def _table(schema: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    table = schema.get(section, {})
    if not isinstance(table, Mapping):
        raise SchemaError(f"[{section}] must be a table, not {table!r}")
    return table


def _known(place: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            hint = did_you_mean(key, keys) or f"; known are {listed(keys)}"
            raise SchemaError(f'{place}: unknown key "{key}"{hint}')


def _of(
    kind: type[Any], table: Mapping[str, Any], key: str, place: str, default: Any = None
) -> Any:
    if key not in table:
        if default is None:
            raise SchemaError(f"{place}: {key} is missing; it must be {_PLAIN[kind]}")
        return default
    value = table[key]
    fits = isinstance(value, Mapping) if kind is dict else type(value) is kind
    if not fits:
        raise SchemaError(f"{place}: {key} must be {_PLAIN[kind]}, not {value!r}")
    return value
