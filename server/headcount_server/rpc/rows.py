"""Batches row by row: gathered into columns, by attribute and by event type.

A row's values come in no order (they are a map), so columns are made in the order of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import ingest_service_pb2

from headcount_server.core import values
from headcount_server.core.audience import KNOWN_SINCE, Audience
from headcount_server.core.commands import AttributeValues, EventGroup, Keys, UpsertSubscribers
from headcount_server.core.schema import AttributeSchema, AttributeType, EventSchema, KeyType
from headcount_server.core.values import Built, LocalTime, Problem, ValueColumn
from headcount_server.limits import Limits
from headcount_server.rpc.bad_rows import BadRows, refuse_unknown
from headcount_server.rpc.columns import Places
from headcount_server.rpc.keys import key_fault
from headcount_server.rpc.properties import CHANGED_AT, find_event, properties, undeclared
from headcount_server.rpc.times import fault_of, raw_micros

Value = ingest_service_pb2.AttributeValue
Numbered = tuple[list[int], list[Any]]  # rows, and what each of them has

# Which kinds of ``AttributeValue`` an attribute takes, ``text`` aside, which all take.
_KINDS: dict[AttributeType, tuple[str, ...]] = {
    AttributeType.KEYWORD: (),
    AttributeType.TEXT: (),
    AttributeType.KEYWORDS: ("texts",),
    AttributeType.BOOLEAN: ("boolean",),
    AttributeType.INTEGER: ("integer", "decimal"),
    AttributeType.DECIMAL: ("decimal", "integer"),
    AttributeType.DATE: ("date",),
    AttributeType.TIMESTAMP: ("timestamp",),
    AttributeType.LOCATION: ("location",),
}


def upsert(
    rows: Sequence[ingest_service_pb2.SubscriberRow],
    audience: Audience,
    now_us: int,
    bad: BadRows,
) -> UpsertSubscribers:
    """The command of rows of subscribers; rows at fault are added to ``bad``.

    Raises:
        InvalidInput: an attribute that isn't declared.
    """
    cells: dict[str, Numbered] = {}
    known_since: Numbered = ([], [])
    changed_at: Numbered = ([], [])
    for i, row in enumerate(rows):
        for name, value in row.values.items():
            places, found = cells.setdefault(name, ([], []))
            places.append(i)
            found.append(value)
        if row.HasField("known_since"):
            known_since[0].append(i)
            known_since[1].append(row.known_since)
        if row.HasField("changed_at"):
            changed_at[0].append(i)
            changed_at[1].append(row.changed_at)
    columns: list[AttributeValues] = []
    for name, (places, found) in sorted(cells.items()):
        attribute = _declared(audience, name, places[0])
        column = _column(attribute, places, found, audience.calendar, bad)
        columns.append(AttributeValues(name, column, np.array(places, np.int64)))
    return UpsertSubscribers(
        audience.name,
        _keys(rows, audience.schema.key, bad),
        tuple(columns),
        now_us,
        _moments(KNOWN_SINCE, known_since, len(rows), bad),
        _moments(CHANGED_AT, changed_at, len(rows), bad),
    )


def record(
    rows: Sequence[ingest_service_pb2.EventRow], audience: Audience, bad: BadRows
) -> tuple[Keys, Places, tuple[EventGroup, ...]]:
    """Keys, times and groups of rows of events; rows at fault are added to ``bad``.

    Raises:
        InvalidInput: an event type or property that isn't declared.
    """
    times = np.zeros(len(rows), np.int64)
    by_event: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if not row.HasField("time"):
            bad.add(i, "time", "the event has no time", "MISSING")
        elif fault := fault_of(row.time):
            bad.add(i, "time", fault, "INVALID_TIME")
        else:
            times[i] = raw_micros(row.time)
        if row.event:
            by_event.setdefault(row.event, []).append(i)
        else:
            bad.add(i, "event", "the event has no type", "MISSING")
    groups: list[EventGroup] = []
    for name, places in by_event.items():
        event = find_event(name, audience, f"rows[{places[0]}].event")
        groups.append(_group(event, rows, places, audience, bad))
    return _keys(rows, audience.schema.key, bad), times, tuple(groups)


def _keys(
    rows: Sequence[ingest_service_pb2.SubscriberRow] | Sequence[ingest_service_pb2.EventRow],
    key_type: KeyType,
    bad: BadRows,
) -> Keys:
    for i, row in enumerate(rows):
        if fault := key_fault(row.key, key_type):
            bad.add(i, "key", fault, "INVALID_KEY")
    if key_type is KeyType.STRING:
        return [row.key.text for row in rows]
    return np.array([row.key.number for row in rows], np.int64)


def _moments(
    attribute: AttributeSchema, numbered: Numbered, count: int, bad: BadRows
) -> ValueColumn | None:
    places, messages = numbered
    if not places:
        return None
    column = values.missing(attribute, count)
    built, problems = _timestamps(attribute, messages)
    bad.add_problems(attribute.name, problems, places)
    column.data[places] = built.data
    column.present[places] = built.present
    return column


# --- values ---------------------------------------------------------------------------------------


def _declared(audience: Audience, name: str, row: int) -> AttributeSchema:
    attribute = audience.schema.attribute(name)
    if attribute is None:
        known = [attribute.name for attribute in audience.schema.attributes]
        refuse_unknown(f"rows[{row}].values", "attribute", name, known)
    return attribute


def _column(
    attribute: AttributeSchema,
    places: list[int],
    found: Sequence[Value],
    calendar: LocalTime,
    bad: BadRows,
) -> ValueColumn:
    """One value for each of ``places``, whatever kinds they are of."""
    kinds = [value.WhichOneof("kind") for value in found]
    parts: list[tuple[list[int], ValueColumn]] = []
    for kind in dict.fromkeys(kinds):
        chosen = [i for i, other in enumerate(kinds) if other == kind]
        if kind is None:
            continue
        if kind != "text" and kind not in _KINDS[attribute.type]:
            takes = " or ".join(("text", *_KINDS[attribute.type]))
            what = f"{kind} is no value of a {attribute.type.value}, which takes {takes}"
            for i in chosen:
                bad.add(places[i], attribute.name, what, "WRONG_TYPE")
            continue
        given = [found[i] for i in chosen]
        built, problems = _build(attribute, kind, given, calendar, bad.limits)
        bad.add_problems(attribute.name, problems, [places[i] for i in chosen])
        parts.append((chosen, built))
    if len(parts) == 1 and len(parts[0][0]) == len(places):
        return parts[0][1]
    return _merged(attribute, len(places), parts)


def _merged(
    attribute: AttributeSchema, count: int, parts: Sequence[tuple[list[int], ValueColumn]]
) -> ValueColumn:
    column = values.missing(attribute, count)
    for chosen, part in parts:
        column.present[chosen] = part.present
        if isinstance(column.data, np.ndarray):
            column.data[chosen] = part.data
        else:
            for i, value in zip(chosen, part.data, strict=True):
                column.data[i] = value
    return column


def _build(
    attribute: AttributeSchema,
    kind: str,
    given: Sequence[Value],
    calendar: LocalTime,
    limits: Limits,
) -> Built:
    if kind == "text":
        return values.from_texts(attribute, [value.text for value in given], calendar, limits)
    if kind == "texts":
        lists = [value.texts.values[:] for value in given]
        return values.from_string_lists(attribute, lists, None, limits)
    if kind in ("decimal", "date"):
        texts = [getattr(value, kind) for value in given]
        built, problems = values.from_texts(attribute, texts, calendar, limits)
        empty = [Problem(i, f"the {kind} is empty") for i, text in enumerate(texts) if not text]
        return built, sorted([*problems, *empty], key=lambda problem: problem.index)
    return _BUILDERS[kind](attribute, given)


def _booleans(attribute: AttributeSchema, given: Sequence[Value]) -> Built:
    return values.from_booleans(attribute, np.array([value.boolean for value in given], np.bool_))


def _integers(attribute: AttributeSchema, given: Sequence[Value]) -> Built:
    return values.from_integers(attribute, np.array([value.integer for value in given], np.int64))


def _timestamp_values(attribute: AttributeSchema, given: Sequence[Value]) -> Built:
    return _timestamps(attribute, [value.timestamp for value in given])


def _timestamps(attribute: AttributeSchema, messages: Sequence[Timestamp]) -> Built:
    faults = [(i, fault_of(message)) for i, message in enumerate(messages)]
    problems = [Problem(i, fault) for i, fault in faults if fault]
    at_fault = {problem.index for problem in problems}
    micros = [0 if i in at_fault else raw_micros(m) for i, m in enumerate(messages)]
    present = np.array([i not in at_fault for i in range(len(messages))], np.bool_)
    built, _ = values.from_integers(attribute, np.array(micros, np.int64), present)
    return built, problems


def _locations(attribute: AttributeSchema, given: Sequence[Value]) -> Built:
    latitudes = np.array([value.location.latitude for value in given], np.float64)
    longitudes = np.array([value.location.longitude for value in given], np.float64)
    return values.from_locations(attribute, latitudes, longitudes)


_BUILDERS: dict[str, Callable[[AttributeSchema, Sequence[Value]], Built]] = {
    "boolean": _booleans,
    "integer": _integers,
    "timestamp": _timestamp_values,
    "location": _locations,
}


# --- events ---------------------------------------------------------------------------------------


def _group(
    event: EventSchema,
    rows: Sequence[ingest_service_pb2.EventRow],
    places: list[int],
    audience: Audience,
    bad: BadRows,
) -> EventGroup:
    declared = properties(event)
    texts: dict[str, list[str]] = {}
    for n, i in enumerate(places):
        row = rows[i]
        for field, given in (("dimensions", row.dimensions), ("measures", row.measures)):
            for name, text in given.items():
                attribute = declared.get(name)
                if attribute is None:
                    _check_known(audience, name, f"rows[{i}].{field}")
                    if text:
                        bad.add(i, name, *undeclared(event, name))
                elif (attribute.type is AttributeType.KEYWORD) != (field == "dimensions"):
                    right = "dimensions" if field == "measures" else "measures"
                    bad.add(i, name, f'"{name}" belongs into {right}', "WRONG_TYPE")
                else:
                    texts.setdefault(name, [""] * len(places))[n] = text
    whole = len(places) == len(rows)
    group = EventGroup(event.name, None if whole else np.array(places, np.int64))
    for name, cells in sorted(texts.items()):
        built, problems = values.from_texts(declared[name], cells, audience.calendar, bad.limits)
        bad.add_problems(name, problems, places)
        is_dimension = declared[name].type is AttributeType.KEYWORD
        (group.dimensions if is_dimension else group.measures)[name] = built
    return group


def _check_known(audience: Audience, name: str, place: str) -> None:
    known = sorted({name for event in audience.schema.events for name in properties(event)})
    if name not in known:
        refuse_unknown(place, "property", name, known)
