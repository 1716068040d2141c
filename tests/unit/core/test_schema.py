"""What a schema may declare: the last that fits, and the first that doesn't."""

from __future__ import annotations

from dataclasses import replace

import pytest
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
    validate_audience_name,
    validate_schema,
)
from headcount_server.errors import InvalidSchema
from headcount_server.limits import (
    DECIMAL_SCALE_MAX,
    NAME_LENGTH_MAX,
    RETENTION_DAYS_MAX,
    Limits,
)

SCHEMA = Schema(KeyType.STRING, "Europe/Berlin")
LIMITS = Limits(attributes_max=2, event_types_max=2, properties_max=2)


def attributes(*names: str, scale: int = 0) -> Schema:
    kind = AttributeType.DECIMAL if scale else AttributeType.INTEGER
    return replace(SCHEMA, attributes=tuple(AttributeSchema(n, kind, scale) for n in names))


def events(*names: str, scale: int = 0, dimensions: int = 0, days: int = 0) -> Schema:
    named = tuple(f"d{i}" for i in range(dimensions))
    measures = (("amount", scale),) if scale else ()
    found = tuple(EventSchema(n, named, measures, retention_days=days) for n in names)
    return replace(SCHEMA, events=found)


@pytest.mark.parametrize(
    ("within", "past", "field"),
    [
        (attributes("a" * NAME_LENGTH_MAX), attributes("a" * (NAME_LENGTH_MAX + 1)), "attributes"),
        (attributes("a", "b"), attributes("a", "b", "c"), "attributes"),
        (
            attributes("a", scale=DECIMAL_SCALE_MAX),
            attributes("a", scale=DECIMAL_SCALE_MAX + 1),
            "attributes['a'].scale",
        ),
        (events("a" * NAME_LENGTH_MAX), events("a" * (NAME_LENGTH_MAX + 1)), "events"),
        (events("a", "b"), events("a", "b", "c"), "events"),
        (events("a", dimensions=2), events("a", dimensions=3), "events['a']"),
        (
            events("a", scale=DECIMAL_SCALE_MAX),
            events("a", scale=DECIMAL_SCALE_MAX + 1),
            "events['a']['amount'].scale",
        ),
        (
            events("a", days=RETENTION_DAYS_MAX),
            events("a", days=RETENTION_DAYS_MAX + 1),
            "events['a'].retention_days",
        ),
        (events("a", days=0), events("a", days=-1), "events['a'].retention_days"),
        (replace(SCHEMA, partitions=1), replace(SCHEMA, partitions=0), "partitions"),
        (replace(SCHEMA, partitions=4096), replace(SCHEMA, partitions=4097), "partitions"),
        (replace(SCHEMA, change_days=0), replace(SCHEMA, change_days=-1), "change_days"),
    ],
)
def test_the_last_that_fits_is_taken_and_the_next_refused(
    within: Schema, past: Schema, field: str
) -> None:
    validate_schema(within, LIMITS)
    with pytest.raises(InvalidSchema) as caught:
        validate_schema(past, LIMITS)
    assert caught.value.violations[0].field.startswith(field)


def test_a_name_of_an_audience_has_a_length() -> None:
    validate_audience_name("a" * NAME_LENGTH_MAX)
    for name in ("", "a" * (NAME_LENGTH_MAX + 1)):
        with pytest.raises(InvalidSchema):
            validate_audience_name(name)
