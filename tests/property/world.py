"""The server's own state as a target of edits, to hold against the oracle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from headcount_server.codec.values import encode
from headcount_server.core.audience import Audience
from headcount_server.core.commands import (
    AdvanceClock,
    Applied,
    AttributeValues,
    Command,
    CreateAudience,
    CreateSegment,
    DeleteSubscribers,
    EventGroup,
    RecordEvents,
    UpdateSegment,
    UpsertSubscribers,
)
from headcount_server.core.plan.evaluate import evaluate, plain
from headcount_server.core.query import Ask, count, prepare
from headcount_server.core.rules import tree
from headcount_server.core.schema import AttributeSchema, AttributeType, Schema
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn, from_texts
from headcount_server.errors import HeadcountError

from tests.oracle.model import Key
from tests.strategies.settings import moment

TIMESTAMP = AttributeSchema("time", AttributeType.TIMESTAMP)
EARLIER_US = 3 * 86_400_000_000 + 3_600_000_000


def cell(value: Any, kind: AttributeType) -> str:
    """A Python value of the oracle as a file's cell."""
    if value is None:
        return ""
    if kind is AttributeType.TIMESTAMP:
        return moment(value).isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if kind is AttributeType.KEYWORDS:
        return "|".join(value)
    if kind is AttributeType.LOCATION:
        return f"{value[0]},{value[1]}"
    return str(value)


class World:
    """One audience of the real state machine; ``Target`` of edits."""

    def __init__(self, schema: Schema, at: int) -> None:
        self.state = State()
        self.clock = at
        self._do(CreateAudience("a", schema, at))

    @property
    def audience(self) -> Audience:
        return self.state.audiences["a"]

    def upsert(
        self,
        key: Key,
        values: Mapping[str, Any],
        at: int,
        known_since: int | None = None,
        changed_at: int | None = None,
    ) -> None:
        columns = tuple(
            AttributeValues(name, self._column(self._attribute(name), value))
            for name, value in values.items()
        )
        known = None if known_since is None else self._column(TIMESTAMP, known_since)
        changed = None if changed_at is None else self._column(TIMESTAMP, changed_at)
        self._do(UpsertSubscribers("a", self._keys([key]), columns, at, known, changed))

    def record(
        self,
        key: Key,
        event: str,
        time: int,
        dimensions: Mapping[str, str],
        measures: Mapping[str, Decimal],
    ) -> None:
        schema = self.audience.schema.event(event)
        assert schema is not None
        group = EventGroup(
            event,
            None,
            {
                n: self._column(AttributeSchema(n, AttributeType.KEYWORD), v)
                for n, v in dimensions.items()
            },
            {
                n: self._column(AttributeSchema(n, AttributeType.DECIMAL, schema.scale(n) or 0), v)
                for n, v in measures.items()
            },
        )
        times = np.array([time], np.int64)
        self._do(RecordEvents("a", self._keys([key]), times, (group,), self.clock))

    def erase(self, keys: Iterable[Key]) -> None:
        self._do(DeleteSubscribers("a", self._keys(list(keys)), self.clock))

    def define(self, name: str, rule: tree.Rule, history_days: int = 0) -> None:
        kind = UpdateSegment if name in self.audience.segments else CreateSegment
        self._do(kind("a", name, rule, history_days, self.clock))

    def advance(self) -> None:
        """The clock goes on to what it shows, where nothing was written."""
        self._do(AdvanceClock("a", self.clock))

    def ask(self, now: int, parameters: Mapping[str, Any] | None = None) -> Ask:
        bound = {
            name: tree.ValueList(value) if isinstance(value, tuple) else value
            for name, value in (parameters or {}).items()
        }
        return Ask(self.audience, now, bound)

    def members(
        self, rule: tree.Rule, now: int, parameters: Mapping[str, Any] | None = None
    ) -> set[Key]:
        """The keys of a rule; every way of evaluating it must agree."""
        ask = self.ask(now, parameters)
        node = ask.bind(rule)
        segments = ask.segments
        rows = evaluate(self.audience, node, segments)
        assert rows == plain(self.audience, node, segments)
        assert count(ask, rule).total == len(rows)
        self._check_prepared(rule, now, parameters, len(rows))
        keys = self.audience.keys.keys(np.array(list(rows), np.uint32))
        return set(keys if isinstance(keys, list) else keys.tolist())

    def _check_prepared(
        self, rule: tree.Rule, now: int, parameters: Mapping[str, Any] | None, total: int
    ) -> None:
        """A rule that was bound earlier and still fits has the same count as one bound anew."""
        anew = prepare(self.ask(now, parameters), rule)
        assert anew.fits(self.audience, now)
        assert anew.count(self.audience).total == total
        try:
            earlier = prepare(self.ask(now - EARLIER_US, parameters), rule)
        except HeadcountError:
            return  # such as of days whose changes are not kept, or before the first date
        if earlier.fits(self.audience, now):
            assert earlier.count(self.audience).total == total

    def written(self) -> bytes:
        """What a snapshot of it holds."""
        return encode(self.state.dump_audience("a"))

    def reload(self) -> None:
        """Through a dump and back, as a restart does."""
        state = State()
        state.load_audience(self.state.dump_audience("a"))
        self.state = state

    def _attribute(self, name: str) -> AttributeSchema:
        attribute = self.audience.schema.attribute(name)
        assert attribute is not None
        return attribute

    def _column(self, attribute: AttributeSchema, value: Any) -> ValueColumn:
        column, problems = from_texts(
            attribute, [cell(value, attribute.type)], self.audience.calendar
        )
        assert not problems
        return column

    def _keys(self, keys: list[Any]) -> Any:
        texts = self.audience.schema.key.value == "string"
        return keys if texts else np.array(keys, np.int64)

    def _do(self, command: Command) -> Applied:
        self.state.validate(command)
        return self.state.apply(command)
