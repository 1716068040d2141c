"""What one key, one value of each type, one event, and one property of an event cost.

Each is measured alone, on random values, in this process: bytes of memory and of a snapshot, and
seconds of the processor to load. They say how schemas differ; how costs depend on size is measured
on generated data sets (see ``coefficients``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from headcount_server.core import query
from headcount_server.core.audience_dump import FrozenAudience
from headcount_server.core.commands import (
    AttributeValues,
    CreateAudience,
    EventGroup,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.query import Ask
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn
from headcount_server.limits import DEFAULT_LIMITS
from headcount_server.rpc.columns import RawColumn
from headcount_server.storage.snapshots import encode_parts

from headcount_bench.inprocess.memory import by_index

ROWS = 200_000
_BATCH = 50_000
_NOW_US = 1_782_820_800_000_000  # some day
_DAY_US = 86_400_000_000
_DAYS = 365
_TRIES = 3  # of which the fastest counts
_AUDIENCE = "types"
_TESTS = {
    AttributeType.KEYWORD: '= "value-1"',
    AttributeType.KEYWORDS: 'has "value-1"',
    AttributeType.TEXT: 'contains "body1"',
    AttributeType.BOOLEAN: "is true",
    AttributeType.INTEGER: "> 50",
    AttributeType.DECIMAL: "> 50",
    AttributeType.DATE: "before 2024-01-01",
    AttributeType.TIMESTAMP: "before 2024-01-01",
    AttributeType.LOCATION: "within 100 km of (30, 90)",
}

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Cost:
    """What one costs: bytes of memory and of a snapshot, seconds of the processor to load."""

    memory: float
    disk: float
    seconds: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(*(max(a - b, 0.0) for a, b in zip(self.plain(), other.plain(), strict=True)))

    def plain(self) -> tuple[float, float, float]:
        """The three numbers."""
        return self.memory, self.disk, self.seconds


def measure_types() -> dict[str, Cost]:
    """Costs by name: ``key.string`` and so on, types, ``event``, ``dimension``, ``measure``."""
    found: dict[str, Cost] = {}
    for key in KeyType:
        found[f"key.{key.value}"] = _subscribers(Schema(key))
    alone = _subscribers(Schema(KeyType.INT64))
    for kind in AttributeType:
        scale = 2 if kind is AttributeType.DECIMAL else 0
        schema = Schema(KeyType.INT64, attributes=(AttributeSchema("value", kind, scale),))
        found[kind.value] = _subscribers(schema) - alone
    bare = _events(EventSchema("event"))
    found["event"] = bare
    found["dimension"] = _events(EventSchema("event", ("dimension",))) - bare
    found["measure"] = _events(EventSchema("event", (), (("measure", 2),))) - bare
    return found


def _subscribers(schema: Schema) -> Cost:
    return min((_subscribers_once(schema) for _ in range(_TRIES)), key=lambda cost: cost.seconds)


def _subscribers_once(schema: Schema) -> Cost:
    random = np.random.Generator(np.random.PCG64(1))
    state = _state(schema)
    seconds = 0.0
    for start in range(0, ROWS, _BATCH):
        numbers = np.arange(start, start + _BATCH, dtype=np.int64)
        keys: Any = numbers
        if schema.key is KeyType.STRING:
            keys = [f"s{number:09d}" for number in numbers.tolist()]
        raw = {one: _raw(one, random) for one in schema.attributes}
        begin = time.process_time()
        values = tuple(AttributeValues(one.name, _built(raw[one], one, state)) for one in raw)
        state.apply(UpsertSubscribers(_AUDIENCE, keys, values, _NOW_US))
        seconds += time.process_time() - begin
    for one in schema.attributes:
        rule = parse(f"value {_TESTS[one.type]}", DEFAULT_LIMITS)
        query.count(Ask(state.audience(_AUDIENCE), _NOW_US), rule)  # builds what reads need
    return _cost(state, seconds, ROWS, lambda name: name not in ("known_since", "results"))


def _events(schema: EventSchema) -> Cost:
    return min((_events_once(schema) for _ in range(_TRIES)), key=lambda cost: cost.seconds)


def _events_once(schema: EventSchema) -> Cost:
    random = np.random.Generator(np.random.PCG64(2))
    state = _state(Schema(KeyType.INT64, events=(schema,)))
    everyone = np.arange(ROWS, dtype=np.int64)
    for start in range(0, ROWS, _BATCH):
        keys = everyone[start : start + _BATCH]
        state.apply(UpsertSubscribers(_AUDIENCE, keys, (), _NOW_US))
    seconds = 0.0
    total = 2 * ROWS
    for start in range(0, total, _BATCH):
        keys = random.integers(0, ROWS, _BATCH)
        days = (start + np.arange(_BATCH)) * _DAYS // total
        times = _NOW_US - (_DAYS - days) * _DAY_US + random.integers(0, _DAY_US, _BATCH)
        raw = {name: _raw(_keyword(name), random) for name in schema.dimensions}
        sums = {name: random.integers(99, 20_000, _BATCH) for name, _ in schema.measures}
        begin = time.process_time()
        group = EventGroup(schema.name)
        for name, column in raw.items():
            group.dimensions[name] = _built(column, _keyword(name), state)
        for name, column in sums.items():
            present = np.ones(_BATCH, np.bool_)
            group.measures[name] = ValueColumn(AttributeType.DECIMAL, column, present)
        command = RecordEvents(_AUDIENCE, keys, times, (group,), _NOW_US)
        state.validate(command)
        state.apply(command)
        seconds += time.process_time() - begin
    return _cost(state, seconds, total, lambda name: name.startswith("event"))


def _keyword(name: str) -> AttributeSchema:
    return AttributeSchema(name, AttributeType.KEYWORD)


def _state(schema: Schema) -> State:
    state = State(DEFAULT_LIMITS)
    state.apply(CreateAudience(_AUDIENCE, schema, _NOW_US))
    return state


def _cost(state: State, seconds: float, rows: int, counted: Callable[[str], bool]) -> Cost:
    audience = state.audience(_AUDIENCE)
    memory = sum(size for name, size in by_index(audience).items() if counted(name))
    disk = sum(
        sum(map(len, part.pieces))
        for part in encode_parts(FrozenAudience(audience).parts())
        if counted(part.part)
    )
    return Cost(memory / rows, disk / rows, seconds / rows)


def _built(column: RawColumn, attribute: AttributeSchema, state: State) -> ValueColumn:
    calendar = state.audience(_AUDIENCE).calendar
    return column.build(attribute, calendar, DEFAULT_LIMITS)[0]


def _raw(attribute: AttributeSchema, random: Random) -> RawColumn:
    kind, data = _values(attribute.type, random)
    dictionary = [f"value-{number}" for number in range(100)] if kind == "coded_texts" else ()
    return RawColumn("value", "value", kind, data, None, dictionary, attribute.scale)


def _values(kind: AttributeType, random: Random) -> tuple[str, Any]:
    match kind:
        case AttributeType.KEYWORD:
            return "coded_texts", (random.random(_BATCH) ** 2 * 100).astype(np.int64)
        case AttributeType.KEYWORDS:
            codes = (random.random((_BATCH, 3)) ** 2 * 200).astype(np.int64).tolist()
            return "text_lists", [[f"value-{code}" for code in row] for row in codes]
        case AttributeType.TEXT:
            numbers = random.integers(10**8, 10**9, _BATCH).tolist()
            return "texts", [f"somebody{number}@mail.example" for number in numbers]
        case AttributeType.BOOLEAN:
            return "booleans", random.random(_BATCH) < 0.5
        case AttributeType.INTEGER:
            return "integers", random.integers(16, 91, _BATCH)
        case AttributeType.DECIMAL:
            return "decimals", random.lognormal(8, 1.5, _BATCH).astype(np.int64)
        case AttributeType.DATE:
            return "integers", random.integers(17_700, 20_600, _BATCH)
        case AttributeType.TIMESTAMP:
            return "integers", random.integers(0, _NOW_US, _BATCH)
        case AttributeType.LOCATION:
            return "locations", random.random((_BATCH, 2)) * (60, 180)
