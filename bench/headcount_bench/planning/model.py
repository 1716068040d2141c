"""From a schema and sizes to memory, disk, start-up time and throughput.

Bytes a row of each index are interpolated, by the logarithm of the number of subscribers, between
the sizes that were measured; beyond them those of the nearest size hold. An event type costs so
much for each subscriber, each day and each event. Attribute types that the generated data sets lack
cost what they cost alone, against one that the sets have. A process takes more than its indexes:
the program itself, and what allocations leave unused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from headcount_client.schema import from_toml
from headcount_server.core.events.cache import BUDGET_BYTES as ROLL_UP_BYTES
from headcount_server.core.plan.lookup_cache import BUDGET_BYTES as ROWS_BYTES
from headcount_server.core.plan.words import BUDGET_BYTES as WORDS_BYTES
from headcount_server.core.schema import AttributeType, EventSchema, KeyType, Schema
from headcount_server.limits import SNAPSHOT_LOG_BYTES_DEFAULT, SNAPSHOTS_KEPT_DEFAULT
from headcount_server.rpc.schemas import schema_of

from headcount_bench.planning.coefficients import Coefficients, Sample
from headcount_bench.workload.dataset import SCHEMA

_LIKE = {  # types that the generated data sets lack, and which of theirs is nearest
    AttributeType.BOOLEAN: AttributeType.KEYWORD,
    AttributeType.TIMESTAMP: AttributeType.DATE,
    AttributeType.LOCATION: AttributeType.DECIMAL,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """What to plan for.

    Attributes:
        events: event type to number of events kept.
        days: that they are of.
    """

    schema: Schema
    subscribers: int
    events: Mapping[str, int]
    days: int

    @property
    def event_count(self) -> int:
        """Of all types."""
        return sum(self.events.values())


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect; seconds are of one core, and of one that is as fast as the one measured.

    Attributes:
        memory: bytes by index.
        resident_bytes: of the server, with roll-ups and kept results.
        snapshot_bytes: of one snapshot.
        disk_bytes: of all snapshots kept, one being written, and the log.
        log_day_bytes: of the log in a day.
        start_s: from a snapshot to answers.
        subscribers_per_s: loaded.
        events_per_s: loaded.
        count_ms: of a standard count without kept results, on average.
    """

    memory: Mapping[str, float]
    resident_bytes: float
    snapshot_bytes: float
    disk_bytes: float
    log_day_bytes: float
    start_s: float
    subscribers_per_s: float
    events_per_s: float
    count_ms: float

    @property
    def counts_per_s(self) -> float:
        """Counts a second of one core, without what gRPC costs."""
        return 1_000 / self.count_ms


def workload_schema() -> Schema:
    """That of generated data sets."""
    return schema_of(from_toml(SCHEMA))


def forecast(demand: Demand, known: Coefficients) -> Forecast:
    """What to expect. Costs nothing to speak of."""
    memory = _parts(demand, known, "memory")
    disk = _parts(demand, known, "disk")
    count = demand.subscribers
    for name, most in (("roll-ups", ROLL_UP_BYTES), ("results", ROWS_BYTES + WORDS_BYTES)):
        grown = _at(count, known, lambda one, n=name: one.memory[n] / one.subscribers) * count
        memory[name] = min(grown, most)
    overhead = _at(count, known, lambda one: one.resident_bytes - sum(one.memory.values()))
    snapshot = sum(disk.values())
    per_day = demand.event_count / demand.days * _at(count, known, lambda one: one.event_log)
    start = snapshot * _at(count, known, lambda one: one.start_s / sum(one.disk.values()))
    return Forecast(
        memory,
        overhead + sum(memory.values()),
        snapshot,
        snapshot * (SNAPSHOTS_KEPT_DEFAULT + 1) + 2 * SNAPSHOT_LOG_BYTES_DEFAULT,
        per_day,
        start,
        1 / _subscriber_s(demand, known),
        1 / _event_s(demand, known),
        _count_ms(count, known),
    )


def _parts(demand: Demand, known: Coefficients, of: str) -> dict[str, float]:
    """Bytes by index, of memory or of a snapshot."""
    count, schema = demand.subscribers, demand.schema

    def each(name: str) -> float:
        return _at(count, known, lambda one: getattr(one, of).get(name, 0) / one.subscribers)

    types = {name: getattr(cost, of) for name, cost in known.types.items()}
    key = types[f"key.{schema.key.value}"] / types[f"key.{KeyType.STRING.value}"]
    parts = {"keys": each("keys") * key * count, "known_since": each("known_since") * count}
    workload = workload_schema()
    written = len(schema.attributes) / len(workload.attributes)
    parts["changes"] = each("changes") * written * count
    for attribute in schema.attributes:
        like = _LIKE.get(attribute.type, attribute.type)
        names = [one.name for one in workload.attributes if one.type is like]
        if attribute.name in names:  # the same attribute, as in a generated data set
            names = [attribute.name]
        cost = sum(map(each, names)) / len(names)
        ratio = types[attribute.type.value] / types[like.value]
        parts[attribute.name] = cost * ratio * count
    rows, days, events = _event_costs(known, of)
    for event in schema.events:
        number = demand.events.get(event.name, 0)
        one = events + _properties(event, types)
        parts[f"events.{event.name}"] = (
            rows * count * min(1.0, number) + days * min(demand.days, number) + one * number
        )
    return parts


def _event_costs(known: Coefficients, of: str) -> tuple[float, float, float]:
    """What an event type costs for each subscriber, each day, and each event without properties.

    Found by least squares of relative errors over all event types of all samples; none is negative.
    """
    types = {name: getattr(cost, of) for name, cost in known.types.items()}
    schemas = {event.name: event for event in workload_schema().events}
    lines: list[list[float]] = []
    sizes: list[float] = []
    for sample in known.samples:
        for name, number in sample.event_counts.items():
            total = getattr(sample, of).get(f"events.{name}", 0)
            if not number or not total:
                continue
            lines.append([sample.subscribers, 365, number])
            sizes.append(max(total - _properties(schemas[name], types) * number, 1.0))
    matrix = np.array(lines) / np.array(sizes)[:, None]
    rows, days, events = _non_negative(matrix, np.ones(len(sizes)))
    return rows, days, events


def _non_negative(matrix: np.ndarray, wanted: np.ndarray) -> list[float]:
    """Least squares without negative coefficients: the most negative one is left out until none is.

    For three coefficients that is as good as an algorithm that may take one back in.
    """
    used = list(range(matrix.shape[1]))
    while True:
        found = np.linalg.lstsq(matrix[:, used], wanted, rcond=None)[0]
        if not len(found) or float(found.min()) >= 0:
            break
        used.pop(int(found.argmin()))
    result = [0.0] * matrix.shape[1]
    for place, value in zip(used, found.tolist(), strict=True):
        result[place] = value
    return result


def _properties(event: EventSchema, types: Mapping[str, float]) -> float:
    return types["dimension"] * len(event.dimensions) + types["measure"] * len(event.measures)


def _subscriber_s(demand: Demand, known: Coefficients) -> float:
    measured = _at(demand.subscribers, known, lambda one: one.subscriber_s)
    return measured * _load_cost(demand.schema, known) / _load_cost(workload_schema(), known)


def _load_cost(schema: Schema, known: Coefficients) -> float:
    costs = [known.types[one.type.value].seconds for one in schema.attributes]
    return known.types[f"key.{schema.key.value}"].seconds + sum(costs)


def _event_s(demand: Demand, known: Coefficients) -> float:
    measured = _at(demand.subscribers, known, lambda one: one.event_s)
    last = known.samples[-1]
    usual = _event_cost(workload_schema(), last.event_counts, known)
    wanted = demand.events if demand.event_count else last.event_counts
    schema = demand.schema if demand.event_count else workload_schema()
    return measured * _event_cost(schema, wanted, known) / usual


def _event_cost(schema: Schema, counts: Mapping[str, int], known: Coefficients) -> float:
    """Seconds of an average event, as types cost alone."""
    types = {name: cost.seconds for name, cost in known.types.items()}
    total = sum(counts.get(event.name, 0) for event in schema.events)
    extra = sum(counts.get(one.name, 0) * _properties(one, types) for one in schema.events)
    return types["event"] + extra / max(total, 1)


def _count_ms(subscribers: int, known: Coefficients) -> float:
    """In proportion to the subscribers between and beyond the sizes, never below the least."""
    sizes = [one.subscribers for one in known.samples]
    times = [one.count_ms for one in known.samples]
    if subscribers <= sizes[-1]:
        return float(np.interp(subscribers, sizes, times))
    slope = (times[-1] - times[-2]) / (sizes[-1] - sizes[-2])
    return times[-1] + max(slope, 0.0) * (subscribers - sizes[-1])


def _at(subscribers: int, known: Coefficients, value: Callable[[Sample], float]) -> float:
    """A cost at a size, by the logarithm of the size between those that were measured."""
    sizes: Sequence[float] = [np.log(one.subscribers) for one in known.samples]
    return float(np.interp(np.log(subscribers), sizes, [value(one) for one in known.samples]))
