"""Canonical columns of typed values: what a write stores, checked once, here.

Forms by type: keyword and text ``list[str]``; keywords ``list[tuple[str, ...]]``; boolean a bool
array; integer, decimal (times 10^scale), date (days since 1970-01-01) and timestamp (microseconds
since 1970-01-01T00:00Z) an int64 array; location a float64 array of shape (n, 2), latitude and
longitude in degrees. A value that isn't ``present`` is missing: written, it removes; its entry in
``data`` means nothing. Event properties are read by the same functions (a dimension is a keyword, a
measure an integer or decimal, a time a timestamp).

Builders return the column and the problems of single values, ascending by index, which aren't
``present``; a whole column of the wrong type raises InvalidInput.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_server.core import cells
from headcount_server.core.cells import LocalTime, Problem
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.errors import InvalidInput, Violation
from headcount_server.limits import DEFAULT_LIMITS, INT64_MAX, INT64_MIN, Limits

__all__ = [
    "NUMBERS", "Built", "LocalTime", "Problem", "ValueColumn", "from_booleans", "from_decimals",
    "from_integers", "from_locations", "from_string_lists", "from_strings", "from_texts",
    "missing", "to_python",
]  # fmt: skip

NUMBERS = (
    AttributeType.INTEGER,
    AttributeType.DECIMAL,
    AttributeType.DATE,
    AttributeType.TIMESTAMP,
)  # types whose values are integers

_UTF8_MAX = 4  # bytes of one character
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """Values of one attribute for the rows of one write, in the form of the type (see above)."""

    type: AttributeType
    data: Any
    present: Mask

    def __len__(self) -> int:
        return len(self.present)


Built = tuple[ValueColumn, list[Problem]]


def from_texts(
    attribute: AttributeSchema,
    texts: Sequence[str | None],
    calendar: LocalTime,
    limits: Limits = DEFAULT_LIMITS,
) -> Built:
    """The values of text cells as files have them; None and "" are missing.

    Args:
        attribute: what they are values of.
        texts: ``|`` stands between keywords; a location is ``latitude,longitude``.
        calendar: the audience's, for times without an offset.
        limits: bounds of strings and sets.
    """
    kind = attribute.type
    if kind in (AttributeType.KEYWORD, AttributeType.TEXT):
        return _strings(kind, [text or "" for text in texts], limits)
    if kind is AttributeType.KEYWORDS:
        split = {text: text.split("|") if text else () for text in set(texts)}
        return _string_lists([split[text] for text in texts], limits)
    present = np.fromiter(map(bool, texts), np.bool_, len(texts))
    where = np.flatnonzero(present)
    given: list[str] = [text for text in texts if text]
    if not given:
        return missing(attribute, len(texts)), []
    found, problems = _read(attribute, given, calendar)
    data = np.zeros((len(texts), *found.shape[1:]), found.dtype)
    data[where] = found
    places = where.tolist()
    return _without(kind, data, present, [Problem(places[p.index], p.message) for p in problems])


def from_strings(
    attribute: AttributeSchema,
    strings: Sequence[str],
    present: Mask | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Built:
    """Values of a keyword or text attribute; the empty string is missing."""
    _of_type(attribute, "strings", AttributeType.KEYWORD, AttributeType.TEXT)
    given = list(strings)
    if present is not None:
        given = [s if p else "" for s, p in zip(given, present.tolist(), strict=True)]
    return _strings(attribute.type, given, limits)


def from_string_lists(
    attribute: AttributeSchema,
    lists: Sequence[Sequence[str]],
    present: Mask | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Built:
    """Values of a keywords attribute; empty and repeated strings are dropped, [] is missing."""
    _of_type(attribute, "lists of strings", AttributeType.KEYWORDS)
    given: list[Sequence[str]] = list(lists)
    if present is not None:
        given = [s if p else () for s, p in zip(given, present.tolist(), strict=True)]
    return _string_lists(given, limits)


def from_booleans(
    attribute: AttributeSchema, values: NDArray[np.bool_], present: Mask | None = None
) -> Built:
    """Values of a boolean attribute."""
    _of_type(attribute, "booleans", AttributeType.BOOLEAN)
    data = np.asarray(values, np.bool_)
    return ValueColumn(attribute.type, data, _mask(present, len(data))), []


def from_integers(
    attribute: AttributeSchema, values: NDArray[np.integer[Any]], present: Mask | None = None
) -> Built:
    """Values of a numeric attribute.

    Args:
        attribute: an integer; a decimal (whole units, scaled here); a date (days since 1970); a
            timestamp (microseconds since 1970 UTC); a boolean (1 or 0).
        values: of any integer type.
        present: which are given; None is all.
    """
    kind = attribute.type
    _of_type(attribute, "integers", *NUMBERS, AttributeType.BOOLEAN)
    mask = _mask(present, len(values))
    low, high, what = _bounds(attribute)
    bad = mask & ((values < low) | (values > high)) if len(values) else mask
    problems = [Problem(i, f"{int(values[i])} {what}") for i in np.flatnonzero(bad).tolist()]
    data = np.where(mask & ~bad, values, 0).astype(np.int64)
    if kind is AttributeType.BOOLEAN:
        return _without(kind, data.astype(np.bool_), mask, problems)
    return _without(kind, data * 10**attribute.scale, mask, problems)


def from_decimals(
    attribute: AttributeSchema,
    unscaled: NDArray[np.int64],
    scale: int,
    present: Mask | None = None,
) -> Built:
    """Values of a decimal or integer attribute from decimals of another scale.

    Args:
        attribute: a decimal or an integer.
        unscaled: the values times 10^scale.
        scale: 0 or more.
        present: which are given; None is all.
    """
    _of_type(attribute, "decimals", AttributeType.DECIMAL, AttributeType.INTEGER)
    values = np.asarray(unscaled, np.int64)
    mask = _mask(present, len(values))
    shift = attribute.scale - scale
    problems: list[Problem] = []
    data = values
    if shift > 0:
        limit = INT64_MAX // 10**shift
        bad = mask & ((values > limit) | (values < -limit))
        data = np.where(bad, 0, values) * 10 ** min(shift, 18)
        what = f"at scale {attribute.scale} is beyond 64 signed bits"
    else:
        unit = 10**-shift
        data, rest = np.divmod(values, unit) if unit <= INT64_MAX else (values * 0, values)
        bad = mask & (rest != 0)
        what = f"is finer than the scale of {attribute.scale} decimal places"
    for i in np.flatnonzero(bad).tolist():
        problems.append(Problem(i, f"{Decimal(int(values[i])).scaleb(-scale)} {what}"))
    return _without(attribute.type, data, mask, problems)


def from_locations(
    attribute: AttributeSchema,
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    present: Mask | None = None,
) -> Built:
    """Values of a location attribute, in degrees."""
    _of_type(attribute, "locations", AttributeType.LOCATION)
    data = np.column_stack([latitudes, longitudes]).astype(np.float64)
    mask = _mask(present, len(data))
    good = (np.abs(data) <= (90.0, 180.0)).all(axis=1)  # NaN is not
    problems = [
        Problem(i, cells.place_fault(*data[i].tolist()))
        for i in np.flatnonzero(mask & ~good).tolist()
    ]
    return _without(attribute.type, data, mask, problems)


def missing(attribute: AttributeSchema, count: int) -> ValueColumn:
    """A column of ``count`` missing values."""
    kind = attribute.type
    data: Any
    if kind in (AttributeType.KEYWORD, AttributeType.TEXT):
        data = [""] * count
    elif kind is AttributeType.KEYWORDS:
        data = [()] * count
    elif kind is AttributeType.LOCATION:
        data = np.zeros((count, 2), np.float64)
    else:
        data = np.zeros(count, np.bool_ if kind is AttributeType.BOOLEAN else np.int64)
    return ValueColumn(kind, data, np.zeros(count, np.bool_))


def to_python(attribute: AttributeSchema, value: Any) -> Any:
    """A canonical value as Python has it.

    Returns:
        A ``str``, a tuple of them, ``bool``, ``int``, exact ``Decimal`` with the declared scale,
        ``date``, aware UTC ``datetime``, or ``(latitude, longitude)``; None for None.
    """
    if value is None:
        return None
    if attribute.type is AttributeType.DECIMAL:
        return Decimal(value).scaleb(-attribute.scale)
    if attribute.type is AttributeType.DATE:
        return date(1970, 1, 1) + timedelta(days=value)
    if attribute.type is AttributeType.TIMESTAMP:
        return _EPOCH + timedelta(microseconds=value)
    return value


def _read(
    attribute: AttributeSchema, given: list[str], calendar: LocalTime
) -> tuple[NDArray[Any], list[Problem]]:
    match attribute.type:
        case AttributeType.BOOLEAN:
            return cells.booleans(given)
        case AttributeType.DATE:
            return cells.days(given)
        case AttributeType.TIMESTAMP:
            return cells.instants(given, calendar)
        case AttributeType.LOCATION:
            return cells.places(given)
        case _:
            return cells.numbers(given, attribute.scale)


def _strings(kind: AttributeType, given: list[str], limits: Limits) -> Built:
    present = np.fromiter(map(bool, given), np.bool_, len(given))
    problems: list[Problem] = []
    if not _all_good(given, limits):
        for i, text in enumerate(given):
            if fault := _string_fault(text, limits):
                problems.append(Problem(i, fault))
    return _without(kind, given, present, problems)


def _string_lists(given: Sequence[Sequence[str]], limits: Limits) -> Built:
    data = _sets(given)
    present = np.fromiter(map(bool, data), np.bool_, len(data))
    distinct = set(chain.from_iterable(data))
    faults: dict[str, str] = {}
    if not _all_good(distinct, limits):
        faults = {part: _string_fault(part, limits) for part in distinct}
    problems: list[Problem] = []
    if any(faults.values()) or max(map(len, data), default=0) > limits.keywords_max:
        for i, parts in enumerate(data):
            fault = next((faults[part] for part in parts if faults.get(part)), "")
            if len(parts) > limits.keywords_max:
                fault = f"{len(parts)} keywords; the limit is {limits.keywords_max}"
            if fault:
                problems.append(Problem(i, fault))
    return _without(AttributeType.KEYWORDS, data, present, problems)


def _sets(given: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Each list without empty and repeated strings."""
    flat = list(chain.from_iterable(given))
    codes = {text: code for code, text in enumerate(dict.fromkeys(flat))}
    lengths = np.fromiter(map(len, given), np.int64, len(given))
    keys = np.repeat(np.arange(len(given)) * len(codes), lengths)
    keys += np.fromiter(map(codes.__getitem__, flat), np.int64, len(flat))
    keys.sort()
    if "" in codes or bool((keys[1:] == keys[:-1]).any()):
        return [tuple(dict.fromkeys(filter(None, parts))) for parts in given]
    return list(map(tuple, given))


def _all_good(strings: Sequence[str] | set[str], limits: Limits) -> bool:
    """Whether no string can be at fault; False where some may be."""
    if max(map(len, strings), default=0) * _UTF8_MAX > limits.value_bytes_max:
        return False
    joined = "".join(strings)
    if joined.isascii():
        return True
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return True


def _string_fault(text: str, limits: Limits) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return f"{cells.shown(text)} holds half of a surrogate pair and is no text"
    if size > limits.value_bytes_max:
        return f"{size} bytes of UTF-8; the limit is {limits.value_bytes_max}"
    return ""


def _bounds(attribute: AttributeSchema) -> tuple[int, int, str]:
    match attribute.type:
        case AttributeType.BOOLEAN:
            return 0, 1, "is no boolean; 1 and 0 are"
        case AttributeType.DATE:
            return cells.DAY_MIN, cells.DAY_MAX, "days since 1970 is outside the years 1 to 9999"
        case AttributeType.TIMESTAMP:
            what = "microseconds since 1970 is outside the years 1 to 9999"
            return cells.TIME_MIN, cells.TIME_MAX, what
        case _:
            unit = 10**attribute.scale
            what = f"at scale {attribute.scale} is beyond 64 signed bits"
            return -(-INT64_MIN // unit), INT64_MAX // unit, what


def _of_type(attribute: AttributeSchema, given: str, *types: AttributeType) -> None:
    if attribute.type not in types:
        what = f"attribute {attribute.name!r} is a {attribute.type.value} and can't take {given}"
        place = f"attributes[{attribute.name!r}]"
        raise InvalidInput(what, (Violation(place, what, "WRONG_TYPE"),))


def _mask(present: Mask | None, count: int) -> Mask:
    if present is None:
        return np.ones(count, np.bool_)
    assert len(present) == count
    return np.asarray(present, np.bool_)


def _without(kind: AttributeType, data: Any, present: Mask, problems: list[Problem]) -> Built:
    if problems:
        present = present.copy()
        present[[problem.index for problem in problems]] = False
    return ValueColumn(kind, data, present), problems
