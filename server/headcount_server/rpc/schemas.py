"""Audiences and schemas on the wire."""

from __future__ import annotations

from headcount.v1 import schema_pb2

from headcount_server.core.audience import Audience
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    Engagement,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.limits import CHANGE_DAYS_DEFAULT, PARTITIONS_DEFAULT
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.times import set_time

_KEYS = {
    schema_pb2.KEY_TYPE_UINT32: KeyType.UINT32,
    schema_pb2.KEY_TYPE_INT64: KeyType.INT64,
    schema_pb2.KEY_TYPE_STRING: KeyType.STRING,
}
_KEY_NUMBERS = {key: number for number, key in _KEYS.items()}
_TYPES = {
    schema_pb2.AttributeType.Value(f"ATTRIBUTE_TYPE_{kind.name}"): kind for kind in AttributeType
}
_TYPE_NUMBERS = {kind: number for number, kind in _TYPES.items()}


def schema_of(message: schema_pb2.Audience) -> Schema:
    """The schema that an audience to be created declares, with defaults where it is silent.

    Raises:
        InvalidInput: the key type or a type of an attribute isn't said.
    """
    key = _KEYS.get(message.key)
    if key is None:
        names = ", ".join(schema_pb2.KeyType.keys()[1:])
        refuse("audience.key", f"the key type is not said; one of {names} is needed", "MISSING")
    return Schema(
        key=key,
        time_zone=message.time_zone or "UTC",
        reachable=message.reachable,
        attributes=attributes_of(message),
        events=events_of(message),
        engagement=engagement_of(message.engagement),
        partitions=message.partitions or PARTITIONS_DEFAULT,
        change_days=change_days_of(message),
    )


def change_days_of(message: schema_pb2.Audience) -> int:
    """Days that ``changed in`` remembers."""
    return message.change_days if message.HasField("change_days") else CHANGE_DAYS_DEFAULT


def attributes_of(message: schema_pb2.Audience) -> tuple[AttributeSchema, ...]:
    """The attributes.

    Raises:
        InvalidInput: a type isn't said.
    """
    found: list[AttributeSchema] = []
    for i, attribute in enumerate(message.attributes):
        kind = _TYPES.get(attribute.type)
        if kind is None:
            names = ", ".join(schema_pb2.AttributeType.keys()[1:])
            what = f'the type of "{attribute.name[:80]}" is not said; one of {names} is needed'
            refuse(f"audience.attributes[{i}].type", what, "MISSING")
        found.append(AttributeSchema(attribute.name, kind, attribute.scale))
    return tuple(found)


def events_of(message: schema_pb2.Audience) -> tuple[EventSchema, ...]:
    """The event types."""
    return tuple(
        EventSchema(
            event.name,
            tuple(event.dimensions),
            tuple((measure.name, measure.scale) for measure in event.measures),
            event.activity if event.HasField("activity") else None,
            event.retention_days,
        )
        for event in message.events
    )


def engagement_of(message: schema_pb2.Engagement) -> Engagement:
    """The names of engagement; an empty one has its default."""
    default = Engagement()
    return Engagement(
        message.sent or default.sent,
        message.open or default.open,
        message.click or default.click,
        message.campaign or default.campaign,
    )


def audience_message(audience: Audience) -> schema_pb2.Audience:
    """An audience as it is."""
    message = declared_message(audience.name, audience.schema)
    message.subscriber_count = audience.subscriber_count
    message.revision = audience.revision
    message.etag = audience.etag
    set_time(message.create_time, audience.create_time_us)
    return message


def declared_message(name: str, schema: Schema) -> schema_pb2.Audience:
    """An audience that holds nothing yet."""
    message = schema_pb2.Audience(
        name=name,
        key=_KEY_NUMBERS[schema.key],
        time_zone=schema.time_zone,
        reachable=schema.reachable,
        partitions=schema.partitions,
        change_days=schema.change_days,
    )
    engagement = schema.engagement
    message.engagement.sent, message.engagement.open = engagement.sent, engagement.open
    message.engagement.click, message.engagement.campaign = engagement.click, engagement.campaign
    for attribute in schema.attributes:
        message.attributes.append(attribute_message(attribute))
    for event in schema.events:
        message.events.append(event_message(event))
    return message


def attribute_message(attribute: AttributeSchema) -> schema_pb2.AttributeSchema:
    """An attribute."""
    return schema_pb2.AttributeSchema(
        name=attribute.name, type=_TYPE_NUMBERS[attribute.type], scale=attribute.scale
    )


def event_message(event: EventSchema) -> schema_pb2.EventSchema:
    """An event type."""
    message = schema_pb2.EventSchema(
        name=event.name, dimensions=event.dimensions, retention_days=event.retention_days
    )
    for name, scale in event.measures:
        message.measures.add(name=name, scale=scale)
    if event.activity is not None:
        message.activity = event.activity
    return message
