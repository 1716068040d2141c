"""Batches of writes, row by row or as columns, into commands.

A batch becomes one command or an error that names each bad row. What is wrong with the batch as a
whole (a name that isn't declared, columns of different lengths) is told first and alone. The
audience is only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from headcount.v1 import ingest_service_pb2

from headcount_server.core.audience import KNOWN_SINCE, Audience
from headcount_server.core.commands import (
    AttributeValues,
    DeleteSubscribers,
    EventGroup,
    Keys,
    Producer,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.schema import AttributeType, EventSchema, KeyType
from headcount_server.core.values import ValueColumn
from headcount_server.errors import LimitExceeded, Violation
from headcount_server.limits import Limits
from headcount_server.rpc import rows as row_form
from headcount_server.rpc.bad_rows import BadRows, refuse, refuse_unknown
from headcount_server.rpc.columns import Places, RawColumn, raw_column
from headcount_server.rpc.keys import keys_of
from headcount_server.rpc.properties import CHANGED_AT, TIME, find_event, properties, undeclared

_TIMES = {"known_since": KNOWN_SINCE, "changed_at": CHANGED_AT}

Batch = (
    ingest_service_pb2.UpsertSubscribersRequest
    | ingest_service_pb2.RecordEventsRequest
    | ingest_service_pb2.DeleteSubscribersRequest
)


def upsert_command(
    request: ingest_service_pb2.UpsertSubscribersRequest,
    audience: Audience,
    now_us: int,
    limits: Limits,
) -> UpsertSubscribers:
    """The command of a batch of subscribers, written at ``now_us``. O(values).

    Raises:
        InvalidInput: the batch doesn't hold together.
        InvalidBatch: rows that can't be applied.
        LimitExceeded: too many rows.
    """
    producer = _producer(request)
    bad = BadRows(limits)
    if _is_number_alone(request):
        command = UpsertSubscribers(audience.name, _no_keys(audience), (), now_us)
    elif _is_columnar(request, limits):
        command = _upsert_columns(request.columns, audience, now_us, bad)
    else:
        command = row_form.upsert(request.rows, audience, now_us, bad)
    bad.check()
    return replace(command, producer=producer)


def record_command(
    request: ingest_service_pb2.RecordEventsRequest,
    audience: Audience,
    now_us: int,
    limits: Limits,
) -> RecordEvents:
    """The command of a batch of events, written at ``now_us``. O(values).

    Raises:
        InvalidInput: the batch doesn't hold together.
        InvalidBatch: rows that can't be applied.
        LimitExceeded: too many rows.
    """
    producer = _producer(request)
    bad = BadRows(limits)
    if _is_number_alone(request):
        keys, times, groups = _no_keys(audience), np.empty(0, np.int64), ()
    elif _is_columnar(request, limits):
        keys = keys_of(request.columns.keys, audience.schema.key, "columns.keys")
        _check_size(len(keys), "columns.keys", limits)
        times, groups = _event_columns(request.columns, len(keys), audience, bad)
    else:
        keys, times, groups = row_form.record(request.rows, audience, bad)
    bad.check()
    create_missing = request.create_missing
    return RecordEvents(audience.name, keys, times, groups, now_us, create_missing, producer)


def delete_command(
    request: ingest_service_pb2.DeleteSubscribersRequest,
    audience: Audience,
    now_us: int,
    limits: Limits,
) -> DeleteSubscribers:
    """The command of an erasure.

    Raises:
        InvalidInput: there is no key, or they are of the wrong kind.
        LimitExceeded: too many keys.
    """
    producer = _producer(request)
    keys = keys_of(request.keys, audience.schema.key)
    _check_size(len(keys), "keys", limits)
    return DeleteSubscribers(audience.name, keys, now_us, producer)


def _producer(request: Batch) -> Producer | None:
    if not request.producer and request.sequence:
        refuse("producer", "a batch with a sequence needs the name of its producer", "UNSET")
    return Producer(request.producer, request.sequence) if request.producer else None


def _is_number_alone(
    request: ingest_service_pb2.UpsertSubscribersRequest | ingest_service_pb2.RecordEventsRequest,
) -> bool:
    """Whether a numbered batch has nothing but its number: what it was to hold is left out."""
    return bool(request.producer) and not request.rows and not request.HasField("columns")


def _no_keys(audience: Audience) -> Keys:
    return [] if audience.schema.key is KeyType.STRING else np.empty(0, np.int64)


def _is_columnar(
    request: ingest_service_pb2.UpsertSubscribersRequest | ingest_service_pb2.RecordEventsRequest,
    limits: Limits,
) -> bool:
    columnar = request.HasField("columns")
    if columnar and request.rows:
        refuse("columns", "the batch has rows and columns; give one of them", "BOTH_GIVEN")
    if not columnar:
        if not request.rows:
            refuse("rows", "the batch is empty; give rows or columns", "EMPTY")
        _check_size(len(request.rows), "rows", limits)
    return columnar


def _check_size(rows: int, place: str, limits: Limits) -> None:
    if rows > limits.batch_rows_max:
        what = f"{rows:,} rows; the limit batch_rows_max is {limits.batch_rows_max:,}"
        raise LimitExceeded(
            f"{place}: {what}", (Violation(place, what, "LIMIT_EXCEEDED"),), limit="batch_rows_max"
        )


# --- subscribers ----------------------------------------------------------------------------------


def _upsert_columns(
    message: ingest_service_pb2.SubscriberColumns,
    audience: Audience,
    now_us: int,
    bad: BadRows,
) -> UpsertSubscribers:
    keys: Keys = keys_of(message.keys, audience.schema.key, "columns.keys")
    _check_size(len(keys), "columns.keys", bad.limits)
    raw = _columns(message.columns, len(keys))
    declared = {attribute.name: attribute for attribute in audience.schema.attributes}
    for column in raw:
        if column.name not in declared and column.name not in _TIMES:
            known = [*declared, *_TIMES]
            refuse_unknown(f"{column.place}.name", "attribute", column.name, known)
    found: dict[str, ValueColumn] = {}
    for column in raw:
        attribute = declared.get(column.name) or _TIMES[column.name]
        built, problems = column.build(attribute, audience.calendar, bad.limits)
        bad.add_problems(column.name, problems)
        found[column.name] = built
    times = {name: found.pop(name, None) for name in _TIMES}
    return UpsertSubscribers(
        audience.name,
        keys,
        tuple(AttributeValues(name, column) for name, column in found.items()),
        now_us,
        times["known_since"],
        times["changed_at"],
    )


def _columns(messages: Sequence[ingest_service_pb2.Column], rows: int) -> list[RawColumn]:
    seen: set[str] = set()
    columns: list[RawColumn] = []
    for i, message in enumerate(messages):
        place = f"columns.columns[{i}]"
        if not message.name:
            refuse(f"{place}.name", "name is missing", "MISSING")
        if message.name in seen:
            refuse(f"{place}.name", f'there are two columns "{message.name[:80]}"', "DUPLICATE")
        seen.add(message.name)
        columns.append(raw_column(message, place, rows))
    return columns


# --- events ---------------------------------------------------------------------------------------


def _event_columns(
    message: ingest_service_pb2.EventColumns,
    rows: int,
    audience: Audience,
    bad: BadRows,
) -> tuple[Places, tuple[EventGroup, ...]]:
    times = _times(message, rows, audience, bad)
    columns = _columns(message.columns, rows)
    _check_declared(columns, audience)
    groups: list[EventGroup] = []
    for event, places in _by_event(message, rows, audience, bad):
        chosen = columns if places is None else [column.take(places) for column in columns]
        groups.append(_group(event, places, chosen, audience, bad))
    return times, tuple(groups)


def _times(
    message: ingest_service_pb2.EventColumns,
    rows: int,
    audience: Audience,
    bad: BadRows,
) -> Places:
    if not message.HasField("times"):
        refuse("columns.times", "times is missing", "MISSING")
    column = raw_column(message.times, "columns.times", rows)
    built, problems = column.build(TIME, audience.calendar, bad.limits)
    bad.add_problems("time", problems)
    failed = {problem.index for problem in problems}
    for row in np.flatnonzero(~built.present).tolist():
        if row not in failed:
            bad.add(row, "time", "the event has no time", "MISSING")
    return built.data


def _check_declared(columns: Sequence[RawColumn], audience: Audience) -> None:
    known = {name for event in audience.schema.events for name in properties(event)}
    for column in columns:
        if column.name not in known:
            refuse_unknown(f"{column.place}.name", "property", column.name, sorted(known))


def _by_event(
    message: ingest_service_pb2.EventColumns, rows: int, audience: Audience, bad: BadRows
) -> list[tuple[EventSchema, Places | None]]:
    """The event types of the batch, each with its rows; None: all."""
    if bool(message.event) == message.HasField("events"):
        given = "both are" if message.event else "neither is"
        refuse("columns.event", f"give event or events; {given} given", "ONE_OF")
    if message.event:
        return [(find_event(message.event, audience, "columns.event"), None)]
    column = raw_column(message.events, "columns.events", rows)
    if column.kind == "texts":
        names: dict[str, int] = {}
        codes = np.array([names.setdefault(name, len(names)) for name in column.data], np.int64)
        column = RawColumn("", column.place, "coded_texts", codes, column.present, list(names))
    elif column.kind != "coded_texts":
        refuse("columns.events", "events must be texts or coded_texts", "WRONG_TYPE")
    has_name = column.has_value()
    for row in np.flatnonzero(~has_name).tolist():
        bad.add(row, "event", "the event has no type", "MISSING")
    return _split(column, has_name, audience)


def _split(
    column: RawColumn, has_name: np.ndarray, audience: Audience
) -> list[tuple[EventSchema, Places | None]]:
    codes = np.where(has_name, column.data, -1)
    groups: dict[str, tuple[EventSchema, list[Places]]] = {}
    for code in np.unique(codes).tolist():
        if code >= 0:
            event = find_event(str(column.dictionary[code]), audience, "columns.events")
            places = np.flatnonzero(codes == code)
            groups.setdefault(event.name, (event, []))[1].append(places)
    found: list[tuple[EventSchema, Places | None]] = []
    for event, parts in groups.values():
        places = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
        found.append((event, None if len(places) == len(codes) else places))
    return found


def _group(
    event: EventSchema,
    places: Places | None,
    columns: Sequence[RawColumn],
    audience: Audience,
    bad: BadRows,
) -> EventGroup:
    declared = properties(event)
    group = EventGroup(event.name, places)
    numbers = None if places is None else places.tolist()
    for column in columns:
        attribute = declared.get(column.name)
        if attribute is None:
            filled = np.flatnonzero(column.has_value()).tolist()
            for row in filled if numbers is None else [numbers[i] for i in filled]:
                bad.add(row, column.name, *undeclared(event, column.name))
            continue
        built, problems = column.build(attribute, audience.calendar, bad.limits)
        bad.add_problems(column.name, problems, numbers)
        is_dimension = attribute.type is AttributeType.KEYWORD
        (group.dimensions if is_dimension else group.measures)[column.name] = built
    return group
