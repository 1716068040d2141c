"""A small audience told in a few lines, and the keys of those whom a rule means."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from headcount_server.core.rules.literals import parse_literal
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.errors import InvalidInput, Violation

from tests.property.world import World
from tests.strategies.settings import micros

ATTRIBUTES = {
    "country": "keyword",
    "plan": "keyword",
    "tags": "keywords",
    "email": "text",
    "vip": "boolean",
    "age": "integer",
    "spend": "decimal",
    "day": "date",
    "renewal": "date",
    "seen": "timestamp",
    "login": "timestamp",
    "home": "location",
}
EVENTS = (
    EventSchema("sent", ("campaign",), activity=False),
    EventSchema("open", ("campaign", "link")),
    EventSchema("click", ("campaign", "link")),
    EventSchema("purchase", ("category", "product"), (("amount", 2), ("quantity", 0))),
)
NOW = "2026-03-31T12:34:00Z"


def instant(text: str) -> int:
    """Microseconds of a timestamp, of a date's midnight in UTC, or of a naive time in UTC."""
    found = datetime.fromisoformat(text)
    return micros(found if found.tzinfo else found.replace(tzinfo=UTC))


def schema(zone: str = "Europe/Berlin", key: KeyType = KeyType.STRING) -> Schema:
    attributes = tuple(
        AttributeSchema(name, AttributeType(kind), 2 if kind == "decimal" else 0)
        for name, kind in ATTRIBUTES.items()
    )
    return Schema(key, zone, attributes=attributes, events=EVENTS)


class Told:
    """An audience; its people are written at the first moment, but where a test says otherwise."""

    def __init__(
        self, zone: str = "Europe/Berlin", key: KeyType = KeyType.STRING, now: str = NOW
    ) -> None:
        self.now = instant(now)
        self.world = World(schema(zone, key), self.now)

    def person(self, key: Any, at: str | None = None, **values: Any) -> Told:
        given = {
            name: self._value(ATTRIBUTES[name], value)
            for name, value in values.items()
            if name != "known_since"
        }
        since = values.get("known_since")
        known = None if since is None else instant(since)
        self.world.upsert(key, given, self.now if at is None else instant(at), known)
        return self

    def did(self, key: Any, event: str, *times: str, **properties: Any) -> Told:
        measures = {n: Decimal(v) for n, v in properties.items() if n in ("amount", "quantity")}
        dimensions = {n: v for n, v in properties.items() if n not in measures}
        for time in times:
            self.world.record(key, event, instant(time), dimensions, measures)
        return self

    def who(self, text: str, now: str | None = None, **literals: str) -> str:
        """The keys of those whom a rule means, sorted, with blanks between."""
        parameters = {name: parse_literal(value) for name, value in literals.items()}
        at = self.now if now is None else instant(now)
        found = self.world.members(parse(text), at, parameters)
        return " ".join(sorted(map(str, found)))

    def refused(self, text: str, now: str | None = None, **literals: str) -> Violation:
        """The first fault of a rule that must be refused."""
        with pytest.raises(InvalidInput) as caught:
            self.who(text, now, **literals)
        return caught.value.violations[0]

    @staticmethod
    def _value(kind: str, value: Any) -> Any:
        if kind == "timestamp" and isinstance(value, str):
            return instant(value)
        if kind == "date" and isinstance(value, str):
            return date.fromisoformat(value)
        if kind == "decimal" and value is not None:
            return Decimal(value)
        if kind == "keywords" and isinstance(value, str):
            return value.split()
        return value
