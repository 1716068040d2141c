"""What a batch may name besides attributes: event types, their properties, and times."""

from __future__ import annotations

from itertools import chain

from headcount_server.core.audience import Audience
from headcount_server.core.schema import AttributeSchema, AttributeType, EventSchema
from headcount_server.rpc.bad_rows import refuse_unknown

CHANGED_AT = AttributeSchema("changed_at", AttributeType.TIMESTAMP)
TIME = AttributeSchema("time", AttributeType.TIMESTAMP)


def properties(event: EventSchema) -> dict[str, AttributeSchema]:
    """The dimensions and measures of an event type, as attributes of the same values."""
    dimensions = ((name, AttributeSchema(name, AttributeType.KEYWORD)) for name in event.dimensions)
    return dict(chain(dimensions, ((name, measure(name, scale)) for name, scale in event.measures)))


def measure(name: str, scale: int) -> AttributeSchema:
    """A measure as an attribute of the same values."""
    kind = AttributeType.DECIMAL if scale else AttributeType.INTEGER
    return AttributeSchema(name, kind, scale)


def undeclared(event: EventSchema, name: str) -> tuple[str, str]:
    """Description and reason of a value whose event type doesn't declare the property."""
    known = ", ".join((*event.dimensions, *dict(event.measures))) or "none"
    what = f'event type "{event.name}" declares no property "{name[:80]}"; its properties: {known}'
    return what, "UNDECLARED_PROPERTY"


def find_event(name: str, audience: Audience, place: str) -> EventSchema:
    """The event type of that name.

    Raises:
        InvalidInput: there is none; names the nearest.
    """
    event = audience.schema.event(name)
    if event is None:
        refuse_unknown(place, "event", name, [event.name for event in audience.schema.events])
    return event
