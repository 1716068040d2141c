"""The schema of an audience: attributes, event types, settings. Values only, no data.

A schema is immutable; adding an attribute or event type makes a new one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from zoneinfo import ZoneInfo, available_timezones

from headcount_server.errors import InvalidSchema, Violation
from headcount_server.limits import (
    CHANGE_DAYS_DEFAULT,
    DECIMAL_SCALE_MAX,
    DEFAULT_LIMITS,
    NAME_LENGTH_MAX,
    PARTITIONS_DEFAULT,
    RETENTION_DAYS_MAX,
    Limits,
)

RESERVED_NAMES = frozenset(
    [
        "key", "known_since", "id", "did", "first", "last", "sum", "avg", "min", "max", "count",
        "favourite", "favorite", "rate", "stars", "inactive", "known", "sample", "bucket", "in",
        "all", "any", "none", "at", "not", "and", "or", "everyone", "nobody", "entered", "left",
        "exactly",
    ]
)  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_AUDIENCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class KeyType(Enum):
    """What an audience's keys are."""

    UINT32 = "uint32"
    INT64 = "int64"
    STRING = "string"


class AttributeType(Enum):
    """Types of attributes; each has tests of its own."""

    KEYWORD = "keyword"
    KEYWORDS = "keywords"
    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP = "timestamp"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class AttributeSchema:
    """One attribute; ``scale`` is the number of decimal places of a decimal, else 0."""

    name: str
    type: AttributeType
    scale: int = 0


@dataclass(frozen=True, slots=True)
class EventSchema:
    """One event type.

    Attributes:
        dimensions: names of the keyword properties, in order.
        measures: name -> scale (0 to 18 decimal places) of the numeric properties, in order.
        activity: whether it counts as a sign of life for ``inactive for``; None in a schema that
            leaves it to the default (true, but for the event named as sent).
        retention_days: how many days before today its events are kept in full; 0: for ever.
    """

    name: str
    dimensions: tuple[str, ...] = ()
    measures: tuple[tuple[str, int], ...] = ()
    activity: bool | None = None
    retention_days: int = 0

    def scale(self, measure: str) -> int | None:
        """Decimal places of a measure; None where there is no such measure."""
        return dict(self.measures).get(measure)


@dataclass(frozen=True, slots=True)
class Engagement:
    """Names behind ``stars`` and ``last N campaigns``."""

    sent: str = "sent"
    open: str = "open"
    click: str = "click"
    campaign: str = "campaign"


@dataclass(frozen=True, slots=True)
class Schema:
    """All that is declared about an audience.

    Attributes:
        reachable: text of the rule that says who can be reached, or "" for everyone.
        partitions: number of row partitions, fixed at creation.
        change_days: how many days ``changed in …`` remembers.
    """

    key: KeyType
    time_zone: str = "UTC"
    reachable: str = ""
    attributes: tuple[AttributeSchema, ...] = ()
    events: tuple[EventSchema, ...] = ()
    engagement: Engagement = field(default_factory=Engagement)
    partitions: int = PARTITIONS_DEFAULT
    change_days: int = CHANGE_DAYS_DEFAULT

    def attribute(self, name: str) -> AttributeSchema | None:
        """The attribute of that name, or None. O(n)."""
        return next((a for a in self.attributes if a.name == name), None)

    def event(self, name: str) -> EventSchema | None:
        """The event type of that name, or None. O(n)."""
        return next((e for e in self.events if e.name == name), None)

    def is_activity(self, event: EventSchema) -> bool:
        """Whether the event type counts for ``inactive for``."""
        if event.activity is None:
            return event.name != self.engagement.sent
        return event.activity

    def extended(
        self, attributes: tuple[AttributeSchema, ...], events: tuple[EventSchema, ...]
    ) -> Schema:
        """This schema with further attributes and event types (not yet validated)."""
        return replace(self, attributes=self.attributes + attributes, events=self.events + events)


def validate_audience_name(name: str) -> None:
    """Raise InvalidSchema unless ``name`` can name an audience."""
    if len(name) > NAME_LENGTH_MAX or not _AUDIENCE_NAME.fullmatch(name):
        _refuse(
            "name",
            f"audience name {name[:80]!r} must be 1 to {NAME_LENGTH_MAX} letters, digits, '_', '-'"
            " or '.', beginning with a letter or digit",
        )


def validate_schema(schema: Schema, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise InvalidSchema, with the field's path, for the first thing that doesn't hold together.

    The ``reachable`` rule is not looked at here: it is bound by the rules package.
    """
    if schema.time_zone not in available_timezones():
        _refuse("time_zone", f"{schema.time_zone!r} is no IANA time zone such as 'Europe/Berlin'")
    if not 1 <= schema.partitions <= 4096:
        _refuse("partitions", f"{schema.partitions} partitions; 1 to 4096 are possible")
    if schema.change_days < 0:
        _refuse("change_days", "must be 0 or more days")
    _bounded("attributes", len(schema.attributes), limits.attributes_max)
    _bounded("events", len(schema.events), limits.event_types_max)
    _unique("attributes", [a.name for a in schema.attributes])
    for attribute in schema.attributes:
        place = f"attributes[{attribute.name!r}]"
        _valid_name(place, attribute.name)
        _valid_scale(f"{place}.scale", attribute.scale)
        if attribute.scale and attribute.type is not AttributeType.DECIMAL:
            _refuse(f"{place}.scale", f"a {attribute.type.value} has no scale; only a decimal has")
    _unique("events", [e.name for e in schema.events])
    for event in schema.events:
        _validate_event(event, limits)


def zone(schema: Schema) -> ZoneInfo:
    """The audience's time zone."""
    return ZoneInfo(schema.time_zone)


def _validate_event(event: EventSchema, limits: Limits) -> None:
    place = f"events[{event.name!r}]"
    _valid_name(place, event.name)
    names = list(event.dimensions) + [name for name, _ in event.measures]
    _bounded(place, len(names), limits.properties_max)
    _unique(place, names)
    for name in names:
        _valid_name(f"{place}[{name!r}]", name)
        if name in ("time", "event"):
            _refuse(f"{place}[{name!r}]", f"{name!r} is the name of a column of every event file")
    if not 0 <= event.retention_days <= RETENTION_DAYS_MAX:
        _refuse(
            f"{place}.retention_days",
            f"{event.retention_days} days; 1 to {RETENTION_DAYS_MAX} are possible, 0 is for ever",
        )
    for name, scale in event.measures:
        _valid_scale(f"{place}[{name!r}].scale", scale)


def _valid_name(place: str, name: str) -> None:
    if len(name) > NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        _refuse(
            place,
            f"name {name[:80]!r} must be 1 to {NAME_LENGTH_MAX} of a-z, 0-9 and '_', beginning with"
            " a letter",
        )
    if name in RESERVED_NAMES:
        _refuse(place, f"{name!r} is a word of the rule language and can't be a name")


def _valid_scale(place: str, scale: int) -> None:
    if not 0 <= scale <= DECIMAL_SCALE_MAX:
        _refuse(place, f"scale {scale}; 0 to {DECIMAL_SCALE_MAX} decimal places are possible")


def _unique(place: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            _refuse(place, f"{name!r} is declared twice")


def _bounded(place: str, count: int, limit: int) -> None:
    if count > limit:
        _refuse(place, f"{count} are declared; the limit is {limit}")


def _refuse(place: str, description: str) -> None:
    raise InvalidSchema(
        f"{place}: {description}", (Violation(place, description, "INVALID_SCHEMA"),)
    )
