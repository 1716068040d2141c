"""What an audience holds: sizes, most frequent values, memory by index."""

from __future__ import annotations

from dataclasses import dataclass

from headcount_server.core.attributes import AttributeIndex, BooleanIndex, NumberIndex
from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.calendar import day_date
from headcount_server.core.query.spellings import spelt_value
from headcount_server.core.schema import AttributeSchema, EventSchema
from headcount_server.core.view import AudienceView


@dataclass(frozen=True, slots=True)
class AttributeDescription:
    """An attribute; ``distinct_count`` is -1 where different values aren't counted."""

    attribute: AttributeSchema
    subscriber_count: int
    distinct_count: int
    values: tuple[tuple[str, int], ...]
    minimum: str
    maximum: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class EventDescription:
    """An event type; days are ISO dates in the audience's zone, empty without events.

    ``kept_from`` is the first day kept in full, empty where all are.
    """

    event: EventSchema
    event_count: int
    first_day: str
    last_day: str
    memory_bytes: int
    dimensions: tuple[tuple[str, int], ...]
    kept_from: str


@dataclass(frozen=True, slots=True)
class Description:
    """An audience's attributes and event types, in the order of the schema."""

    attributes: tuple[AttributeDescription, ...]
    events: tuple[EventDescription, ...]
    segment_count: int
    key_memory_bytes: int
    memory_bytes: int


def describe(audience: AudienceView, value_limit: int) -> Description:
    """Describes an audience; O(values) for each attribute.

    Args:
        audience: which.
        value_limit: most frequent values to list of each attribute.
    """
    attributes = tuple(
        _attribute(audience, audience.attributes[a.name], value_limit)
        for a in audience.schema.attributes
    )
    events = tuple(_event(audience, e) for e in audience.schema.events)
    keys = audience.keys.nbytes
    parts = sum(a.memory_bytes for a in attributes) + sum(e.memory_bytes for e in events)
    rest = sum(audience.known_since.nbytes().values()) + audience.changes.nbytes
    return Description(attributes, events, len(audience.segments), keys, keys + parts + rest)


def _attribute(
    audience: AudienceView, index: AttributeIndex, value_limit: int
) -> AttributeDescription:
    counts: list[tuple[str, int]] = []
    distinct, minimum, maximum = -1, "", ""
    if isinstance(index, KeywordIndex | KeywordsIndex):
        counts = [pair for pair in index.counts(audience.everyone) if pair[1]]
        distinct = len(counts)
    elif isinstance(index, BooleanIndex):
        found = index.counts(audience.everyone)
        counts = [("true" if value else "false", count) for value, count in found if count]
        distinct = len(counts)
    elif isinstance(index, NumberIndex):
        distinct = len(set(index.values_of(index.exists).tolist()))
        top = index.distinct_counts(index.exists, value_limit)
        counts = [(spelt_value(index.schema, value), count) for value, count in top]
        low, high = index.minimum(), index.maximum()
        minimum = "" if low is None else spelt_value(index.schema, low)
        maximum = "" if high is None else spelt_value(index.schema, high)
    counts.sort(key=lambda pair: (-pair[1], pair[0]))
    return AttributeDescription(
        index.schema, len(index.exists), distinct, tuple(counts[:value_limit]), minimum, maximum,
        sum(index.nbytes().values()),
    )  # fmt: skip


def _event(audience: AudienceView, schema: EventSchema) -> EventDescription:
    store = audience.events[schema.name]
    first, last, kept = store.first_day, store.last_day, store.kept_from
    return EventDescription(
        schema,
        store.event_count,
        "" if first is None else day_date(first).isoformat(),
        "" if last is None else day_date(last).isoformat(),
        sum(store.nbytes().values()),
        tuple((name, len(store.values(name))) for name in schema.dimensions),
        "" if kept is None else day_date(kept).isoformat(),
    )
