"""Generated files into an audience in this process, by the way that a server takes columns.

A batch becomes a command by the same readers of columns that the service has, is validated and
applied. Reading Parquet and making Python's strings of it, which a server's client does, is told
apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from headcount_client.schema import from_toml
from headcount_server.codec.commands import encode_command
from headcount_server.core.audience import Audience
from headcount_server.core.commands import (
    AttributeValues,
    Command,
    CreateAudience,
    EventGroup,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.schema import AttributeSchema, AttributeType, EventSchema
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn
from headcount_server.limits import DEFAULT_LIMITS
from headcount_server.rpc.columns import RawColumn
from headcount_server.rpc.schemas import schema_of
from numpy.typing import NDArray
from pyarrow import parquet

from headcount_bench.workload.dataset import AUDIENCE, Dataset

BATCH_ROWS = 50_000
_LOGGED_EVERY = 20  # batches of which one is encoded as the log has it
Array = Any  # of Arrow, which has no types
Progress = Callable[[str, int], None]


class Watch:
    """Seconds spent in the blocks timed, on the clock and of the processor."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    @contextmanager
    def timed(self) -> Generator[None, None, None]:
        """Adds what the block takes."""
        begin, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - begin
            self.cpu_seconds += time.process_time() - cpu


@dataclass(frozen=True, slots=True)
class Rate:
    """How a file was loaded.

    Attributes:
        rows: of the file.
        engine_seconds: from columns to what is applied.
        engine_cpu_seconds: of the processor for that; less, where others used it too.
        reading_seconds: reading Parquet, and Python's strings of it.
        log_bytes: what the log would take, from its share in some batches.
    """

    rows: int
    engine_seconds: float
    engine_cpu_seconds: float
    reading_seconds: float
    log_bytes: int

    @property
    def rows_per_s(self) -> float:
        """Rows a second of the engine; 0 where there are none."""
        return self.rows / self.engine_seconds if self.rows else 0.0

    @property
    def rows_per_cpu_s(self) -> float:
        """Rows in a second of the processor; 0 where there are none."""
        return self.rows / self.engine_cpu_seconds if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """An audience that holds a data set, and how long it took."""

    state: State
    audience: Audience
    subscribers: Rate
    events: Rate


def load(data: Dataset, progress: Progress) -> Loaded:
    """A new audience with the subscribers and events of a data set.

    Args:
        data: checked already.
        progress: is told "subscribers" or "events" and how many more rows are loaded.
    """
    state = State(DEFAULT_LIMITS)
    now_us = data.manifest.as_of_us
    _apply(state, CreateAudience(AUDIENCE, schema_of(from_toml(data.schema)), now_us))
    audience = state.audience(AUDIENCE)
    people = _load_file(
        state, data.subscribers, lambda batch: _upsert(batch, audience, now_us),
        lambda rows: progress("subscribers", rows),
    )  # fmt: skip
    if not data.manifest.events:
        return Loaded(state, audience, people, Rate(0, 0.0, 0.0, 0.0, 0))
    events = _load_file(
        state, data.events, lambda batch: _record(batch, audience, now_us),
        lambda rows: progress("events", rows),
    )  # fmt: skip
    return Loaded(state, audience, people, events)


def _load_file(
    state: State,
    path: Path,
    prepared: Callable[[pa.RecordBatch], Callable[[], Command]],
    progress: Callable[[int], None],
) -> Rate:
    reading, engine, rows = Watch(), Watch(), 0
    number, log_bytes, logged_rows = 0, 0, 0
    with parquet.ParquetFile(path) as file:
        batches = file.iter_batches(BATCH_ROWS)
        while True:
            with reading.timed():
                batch = next(batches, None)
                if batch is None:
                    break
                made = prepared(batch)
            with engine.timed():
                command = made()
                _apply(state, command)
            if number % _LOGGED_EVERY == 0:
                log_bytes += len(encode_command(command))
                logged_rows += batch.num_rows
            number += 1
            rows += batch.num_rows
            progress(batch.num_rows)
    return Rate(
        rows, engine.seconds, engine.cpu_seconds, reading.seconds, log_bytes * rows // logged_rows
    )


def _apply(state: State, command: Command) -> None:
    state.validate(command)
    state.apply(command)


def _upsert(batch: pa.RecordBatch, audience: Audience, now_us: int) -> Callable[[], Command]:
    keys = batch.column("key").to_pylist()
    raw = {
        attribute: _raw(attribute.name, batch.column(attribute.name))
        for attribute in audience.schema.attributes
    }

    def command() -> Command:
        values = tuple(
            AttributeValues(attribute.name, _built(column, attribute, audience))
            for attribute, column in raw.items()
        )
        return UpsertSubscribers(audience.name, keys, values, now_us)

    return command


def _record(batch: pa.RecordBatch, audience: Audience, now_us: int) -> Callable[[], Command]:
    keys = batch.column("key").to_pylist()
    times: NDArray[np.int64] = batch.column("time").cast(pa.int64()).to_numpy()
    kinds = batch.column("event")
    names: list[str] = kinds.dictionary.to_pylist()
    codes: NDArray[np.int32] = kinds.indices.to_numpy()
    columns = {name: _raw(name, batch.column(name)) for name in batch.schema.names[3:]}

    def command() -> Command:
        groups: list[EventGroup] = []
        for event in audience.schema.events:
            rows = np.flatnonzero(codes == names.index(event.name))
            if len(rows):
                groups.append(_group(event, rows, columns, audience))
        return RecordEvents(audience.name, keys, times, tuple(groups), now_us)

    return command


def _group(
    event: EventSchema,
    rows: NDArray[np.int64],
    columns: dict[str, RawColumn],
    audience: Audience,
) -> EventGroup:
    group = EventGroup(event.name, rows)
    for name in event.dimensions:
        wanted = AttributeSchema(name, AttributeType.KEYWORD)
        group.dimensions[name] = _built(columns[name].take(rows), wanted, audience)
    for name, scale in event.measures:
        wanted = AttributeSchema(name, AttributeType.DECIMAL, scale)
        group.measures[name] = _built(columns[name].take(rows), wanted, audience)
    return group


def _built(column: RawColumn, attribute: AttributeSchema, audience: Audience) -> ValueColumn:
    built, problems = column.build(attribute, audience.calendar, DEFAULT_LIMITS)
    assert not problems, problems[0]
    return built


def _raw(name: str, array: Array) -> RawColumn:
    """A column as the wire would have it."""
    present = None if not array.null_count else np.asarray(array.is_valid())
    kind = array.type
    if pa.types.is_dictionary(kind):
        codes = array.indices.fill_null(0).to_numpy().astype(np.int64)
        dictionary: list[str] = array.dictionary.to_pylist()
        return RawColumn(name, name, "coded_texts", codes, present, dictionary)
    if pa.types.is_decimal(kind):
        words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)
        unscaled = words[array.offset : array.offset + len(array), 0].copy()
        return RawColumn(name, name, "decimals", unscaled, present, scale=kind.scale)
    if pa.types.is_list(kind):
        lists = [values or [] for values in array.to_pylist()]
        return RawColumn(name, name, "text_lists", lists, present)
    if pa.types.is_date32(kind) or pa.types.is_integer(kind):
        whole = array.cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
        return RawColumn(name, name, "integers", whole, present)
    return RawColumn(name, name, "texts", array.to_pylist(), present)
