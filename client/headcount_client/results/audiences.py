"""Audiences, their schemas and descriptions, field for field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AttributeSchema:
    """An attribute of subscribers.

    Attributes:
        name: 1 to 64 of a-z, 0-9 and _, beginning with a letter; no reserved word. Required.
        type: its type. Required.
        scale: decimal places of a DECIMAL, 0 to 18; by default 0.
    """

    name: str
    type: str
    scale: int


@dataclass(frozen=True, slots=True)
class MeasureSchema:
    """A numeric property of events.

    Attributes:
        name: as an attribute's name. Required.
        scale: decimal places, 0 to 18; 0 is an integer.
    """

    name: str
    scale: int


@dataclass(frozen=True, slots=True)
class EventSchema:
    """A type of events.

    Attributes:
        name: as an attribute's name. Required.
        dimensions: names of its keyword properties.
        measures: its numeric properties.
        activity: whether it is a sign of life for `inactive for`; by default true, but for the
            event type named as sent.
        retention_days: days before today for which its events are kept in full; 0: for ever. Of
            older ones everyone's first and last are kept, without properties. Can be changed; what
            is folded doesn't come back.
    """

    name: str
    dimensions: tuple[str, ...]
    measures: tuple[MeasureSchema, ...]
    activity: bool | None
    retention_days: int


@dataclass(frozen=True, slots=True)
class Engagement:
    """The names behind `stars` and `last N campaigns`; an empty one has its default.

    Attributes:
        sent: event type of sendings; by default `sent`.
        open: event type of opens; by default `open`.
        click: event type of clicks; by default `click`.
        campaign: dimension that names the campaign; by default `campaign`.
    """

    sent: str
    open: str
    click: str
    campaign: str


@dataclass(frozen=True, slots=True)
class Audience:
    """One list of subscribers with its own schema, time zone and keys.

    Attributes:
        name: 1 to 64 letters, digits, _, - and ., beginning with a letter or digit. Required;
            never changes.
        key: what its keys are. Required; never changes.
        time_zone: IANA name, by default UTC. Never changes.
        reachable: text of the rule that says who can be reached; empty: everyone.
        engagement: the names of engagement.
        attributes: the attributes. They can be added, not changed.
        events: the event types. They can be added, not changed but for `retention_days`.
        partitions: number of row partitions, 1 to 4,096; 0 is 64. Never changes.
        change_days: days that `changed in` remembers; by default 400.
        subscriber_count: number of existing subscribers. Output only.
        revision: position in the audience's log. Output only.
        create_time: when it was created. Output only.
        etag: changes with the schema and settings. Output only; give it back in Update to be
            refused where somebody else was faster.
    """

    name: str
    key: str
    time_zone: str
    reachable: str
    engagement: Engagement | None
    attributes: tuple[AttributeSchema, ...]
    events: tuple[EventSchema, ...]
    partitions: int
    change_days: int | None
    subscriber_count: int
    revision: int
    create_time: datetime | None
    etag: str


@dataclass(frozen=True, slots=True)
class CreateAudienceResponse:
    """Answer of CreateAudience.

    Attributes:
        audience: the audience as created.
    """

    audience: Audience | None


@dataclass(frozen=True, slots=True)
class GetAudienceResponse:
    """Answer of GetAudience.

    Attributes:
        audience: the audience.
    """

    audience: Audience | None


@dataclass(frozen=True, slots=True)
class ListAudiencesResponse:
    """Answer of ListAudiences.

    Attributes:
        audiences: the audiences, ascending by name.
        next_page_token: token of the next page; empty on the last one.
    """

    audiences: tuple[Audience, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class UpdateAudienceResponse:
    """Answer of UpdateAudience.

    Attributes:
        audience: the audience as it is now.
    """

    audience: Audience | None


@dataclass(frozen=True, slots=True)
class DeleteAudienceResponse:
    """Answer of DeleteAudience; it says nothing."""


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value and how many have it.

    Attributes:
        value: as first written; numbers and dates in the rule language's spelling.
        count: how many subscribers, or events, have it.
    """

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class AttributeDescription:
    """What an attribute holds.

    Attributes:
        attribute: the attribute.
        subscriber_count: subscribers with a value.
        distinct_count: different values; -1 where they are not counted (text, location).
        values: most frequent values first.
        minimum: smallest value, where the type has an order and a value is there.
        maximum: largest value, where the type has an order and a value is there.
        memory_bytes: memory of its indexes in bytes.
    """

    attribute: AttributeSchema | None
    subscriber_count: int
    distinct_count: int
    values: tuple[ValueCount, ...]
    minimum: str
    maximum: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class DimensionDescription:
    """What a dimension of an event type holds.

    Attributes:
        dimension: name of the dimension.
        distinct_count: different values.
    """

    dimension: str
    distinct_count: int


@dataclass(frozen=True, slots=True)
class EventDescription:
    """What an event type holds.

    Attributes:
        event: the event type.
        event_count: number of events, those later than now included.
        first_day: day of the first event, YYYY-MM-DD in the audience's zone; empty without
            events.
        last_day: day of the last event.
        memory_bytes: memory of its columns and buckets in bytes.
        dimensions: its dimensions.
        kept_from: the first day whose events are kept in full, YYYY-MM-DD; empty: all are.
    """

    event: EventSchema | None
    event_count: int
    first_day: str
    last_day: str
    memory_bytes: int
    dimensions: tuple[DimensionDescription, ...]
    kept_from: str


@dataclass(frozen=True, slots=True)
class DescribeAudienceResponse:
    """Answer of DescribeAudience.

    Attributes:
        audience: the audience.
        attributes: its attributes, in the order of the schema.
        events: its event types, in the order of the schema.
        segment_count: number of segments.
        key_memory_bytes: memory of the key directory in bytes.
        memory_bytes: memory of everything of this audience in bytes.
    """

    audience: Audience | None
    attributes: tuple[AttributeDescription, ...]
    events: tuple[EventDescription, ...]
    segment_count: int
    key_memory_bytes: int
    memory_bytes: int
