"""Event types as plain data: dicts, lists, strings, integers, None and one-dimensional arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.calendar import Calendar
from headcount_server.core.events.chunks import Chunk, merged, restored
from headcount_server.core.events.columns import TIME_UNITS, Measure, Packed, Unsigned
from headcount_server.core.events.spellings import Spellings
from headcount_server.core.events.view import LEVELS, Contents, EventView, no_contents
from headcount_server.core.schema import EventSchema
from headcount_server.errors import DataLoss
from headcount_server.limits import INT64_MAX, INT64_MIN

Plain = dict[str, Any] | list[Any] | str | int | bool | bytes | NDArray[Any] | None


def dump(view: EventView) -> dict[str, Plain]:
    """What ``load`` reads: the same after the same writes, whenever they were read. O(events).

    The arrays are the chunks' own and not to be changed; a day's are the same objects as long as
    none of its events came or went.
    """
    contents = view.contents()
    return {
        "event": view.schema.name,
        "version": contents.version,
        "next_order": contents.next_order,
        "kept_from": contents.kept_from,
        "dimensions": {
            name: spellings.dump(contents.sizes[name])
            for name, spellings in contents.spellings.items()
        },
        "days": [_dump_day(day, merged(contents.chunks[day])) for day in contents.days],
    }


def load(schema: EventSchema, calendar: Calendar, parts: Mapping[str, Plain]) -> Contents:
    """The contents that ``dump`` wrote. O(events).

    Raises:
        DataLoss: sizes, types, orders or codes don't fit; nothing else is raised for bad parts.
    """
    try:
        return _load(schema, calendar, parts)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise DataLoss(f"the events {schema.name!r} can't be read: {error!r}") from error


def _dump_day(day: int, chunk: Chunk) -> dict[str, Plain]:
    return {
        "day": day,
        "rows": chunk.rows,
        "times": _dump_packed(chunk.times),
        "orders": _dump_packed(chunk.orders),
        "dimensions": dict(chunk.codes),
        "measures": {
            name: {**_dump_packed(measure.values), "present": measure.present}
            for name, measure in chunk.measures.items()
        },
    }


def _dump_packed(packed: Packed) -> dict[str, Plain]:
    return {"base": packed.base, "unit": packed.unit, "data": packed.data}


def _load(schema: EventSchema, calendar: Calendar, parts: Mapping[str, Any]) -> Contents:
    contents = no_contents(schema)
    _check(schema, parts["event"] == schema.name, "are of another type")
    dimensions: dict[str, Sequence[str | None]] = parts["dimensions"]
    _check(schema, tuple(dimensions) == schema.dimensions, "have other dimensions")
    for name, spellings in dimensions.items():
        contents.spellings[name] = Spellings.load(spellings)
        contents.sizes[name] = len(spellings)
    contents.version = _whole(parts["version"])
    contents.next_order = _whole(parts["next_order"])
    kept_from = parts.get("kept_from")
    _check(schema, kept_from is None or type(kept_from) is int, "are kept from no day")
    contents.kept_from = kept_from
    for part in parts["days"]:
        day = int(part["day"])
        _check(schema, not contents.days or day > contents.days[-1], "have days out of order")
        chunk = _load_chunk(schema, contents, part)
        _check_chunk(schema, calendar, contents, day, chunk)
        contents.days.append(day)
        contents.chunks[day] = (chunk,)
        contents.event_count += len(chunk)
    for spellings in contents.spellings.values():
        spellings.check_uses()
    assert len(contents.stamps) == LEVELS
    return contents


def _load_chunk(schema: EventSchema, contents: Contents, part: Mapping[str, Any]) -> Chunk:
    rows = _array(part["rows"])
    length = len(rows)
    _check(schema, length > 0 and rows.dtype == np.uint32, "have a day without rows")
    codes: dict[str, Unsigned] = {}
    for name in schema.dimensions:
        column = codes[name] = _unsigned(part["dimensions"][name], length)
        _check(schema, int(column.max()) <= contents.sizes[name], "have codes out of range")
        contents.spellings[name].count_uses(column)
    measures: dict[str, Measure] = {}
    for name, _ in schema.measures:
        column = part["measures"][name]
        present = column["present"]
        if present is not None:
            present = _array(present)
            fits = present.dtype == np.bool_ and len(present) == length
            _check(schema, fits, "have a measure of another length")
        measures[name] = Measure(_packed(column, length), present)
    times, orders = _packed(part["times"], length), _packed(part["orders"], length)
    _check(schema, times.unit in TIME_UNITS, "have times in another unit")
    return restored(rows, times, orders, codes, measures)


def _check_chunk(
    schema: EventSchema, calendar: Calendar, contents: Contents, day: int, chunk: Chunk
) -> None:
    rows, times, orders = chunk.rows, chunk.times.unpack(), chunk.orders.unpack()
    _check(schema, bool((calendar.days_of(times) == day).all()), "stand under another day")
    same_row = rows[1:] == rows[:-1]
    same_time = times[1:] == times[:-1]
    in_order = (rows[1:] > rows[:-1]) | (same_row & (times[1:] > times[:-1]))
    in_order |= same_row & same_time & (orders[1:] > orders[:-1])
    _check(schema, bool(in_order.all()), "are out of order")
    bounded = int(orders.min()) >= 0 and int(orders.max()) < contents.next_order
    _check(schema, bounded, "have places that were never given")


def _packed(part: Mapping[str, Any], length: int) -> Packed:
    base, unit = part["base"], part["unit"]
    data = _unsigned(part["data"], length)
    highest = base + unit * int(data.max())
    if unit < 1 or base < INT64_MIN or highest > INT64_MAX:
        raise ValueError("numbers past 64 bits")
    return Packed(base, unit, data)


def _unsigned(value: Any, length: int) -> Unsigned:
    array = _array(value)
    if array.dtype.kind != "u" or len(array) != length:
        raise ValueError(f"a column of {len(array)} {array.dtype} in place of {length} codes")
    return array


def _array(value: Any) -> NDArray[Any]:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise TypeError("a column that is no array")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _check(schema: EventSchema, good: bool, what: str) -> None:
    if not good:
        raise DataLoss(f"the stored events {schema.name!r} {what}")
