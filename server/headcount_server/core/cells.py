"""Reading the text cells of a file: numbers, booleans, days, instants, places.

Each function takes cells that aren't empty and returns an array with one entry for each, and a
``Problem`` for each cell that can't be read (whose entry means nothing). Whole columns are read
with array operations; only the cells that these leave are looked at one by one, so both ways accept
the same cells. Numbers are ASCII digits with an optional sign and fraction; blanks, ``_`` and
exponents are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from headcount_server.limits import INT64_MAX, INT64_MIN

DAY_MIN = date.min.toordinal() - date(1970, 1, 1).toordinal()  # 0001-01-01
DAY_MAX = date.max.toordinal() - date(1970, 1, 1).toordinal()  # 9999-12-31
DAY_US = 86_400_000_000
TIME_MIN = DAY_MIN * DAY_US
TIME_MAX = (DAY_MAX + 1) * DAY_US - 1

_SHOWN_MAX = 80  # characters of a bad cell that a message repeats
_WIDTH_MAX = 32  # characters; longer cells are read one by one
_DIGITS_SAFE = 18  # so many digits fit an int64 whatever they are
_SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1)
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})"
    r"(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?:([Zz])|([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)
_BOOLEANS = {
    "true": True, "True": True, "TRUE": True, "1": True,
    "false": False, "False": False, "FALSE": False, "0": False,
}  # fmt: skip

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that can't be taken: its place in the column, and what is wrong with it."""

    index: int
    message: str


class LocalTime(Protocol):
    """The audience's time zone, as far as reading times needs it."""

    def local_to_us(self, local: datetime) -> int:
        """Microseconds since 1970 UTC of a naive local time."""
        ...


def shown(cell: object) -> str:
    """A value as messages repeat it, cut to a bearable length."""
    text = repr(cell)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def booleans(cells: Sequence[str]) -> tuple[Flags, list[Problem]]:
    """``true`` or ``false`` in any case, ``1`` or ``0``."""
    try:
        return np.array([_BOOLEANS[cell] for cell in cells], dtype=np.bool_), []
    except KeyError:
        return _one_by_one(cells, _boolean, np.bool_)


def numbers(cells: Sequence[str], scale: int) -> tuple[Integers, list[Problem]]:
    """Exact decimals times 10^scale; 64 signed bits. Places past the scale must be zeros."""

    def read(cell: str) -> int:
        return _number(cell, scale)

    bulk = _numbers_bulk(cells, scale)
    if bulk is None:
        return _one_by_one(cells, read, np.int64)
    return _finish(cells, *bulk, read)


def days(cells: Sequence[str]) -> tuple[Integers, list[Problem]]:
    """Days since 1970 of dates ``YYYY-MM-DD`` that exist."""
    matrix = _matrix(cells)
    if matrix is None or matrix.shape[1] != 10:
        return _one_by_one(cells, _day, np.int64)
    return _finish(cells, *_days_bulk(matrix), _day)


def instants(cells: Sequence[str], calendar: LocalTime) -> tuple[Integers, list[Problem]]:
    """Microseconds since 1970 UTC of ISO 8601 times, dates (local midnight), epoch seconds."""

    def read(cell: str) -> int:
        return _instant(cell, calendar)

    bulk = _numbers_bulk(cells, 6) if _NUMBER.fullmatch(cells[0]) else None
    if bulk is None:
        bulk = _instants_bulk(cells, calendar)
    if bulk is None:
        return _one_by_one(cells, read, np.int64)
    values, hard = bulk
    hard |= (values < TIME_MIN) | (values > TIME_MAX)
    return _finish(cells, values, hard, read)


def places(cells: Sequence[str]) -> tuple[NDArray[np.float64], list[Problem]]:
    """``latitude,longitude`` in degrees, as an array of shape (n, 2)."""
    joined = ",".join(cells)
    parts = joined.split(",")
    if len(parts) == 2 * len(cells) and joined.isascii() and "_" not in joined:
        try:
            values = np.array(list(map(float, parts)), np.float64).reshape(-1, 2)
        except ValueError:
            values = np.full((len(cells), 2), np.nan)
        hard = ~(np.abs(values) <= (90.0, 180.0)).all(axis=1)
        hard |= np.fromiter((cell.count(",") != 1 for cell in cells), np.bool_, len(cells))
    else:
        values, hard = np.zeros((len(cells), 2), np.float64), np.ones(len(cells), np.bool_)
    return _finish(cells, values, hard, _place)


def place_fault(latitude: float, longitude: float) -> str:
    """What is wrong with a place, or ""."""
    if not -90 <= latitude <= 90:
        return f"latitude {latitude!r} must be from -90 to 90"
    if not -180 <= longitude <= 180:
        return f"longitude {longitude!r} must be from -180 to 180"
    return ""


def _one_by_one(
    cells: Sequence[str], read: Callable[[str], Any], dtype: type[Any]
) -> tuple[NDArray[Any], list[Problem]]:
    return _finish(cells, np.zeros(len(cells), dtype), np.ones(len(cells), np.bool_), read)


def _finish(
    cells: Sequence[str], values: NDArray[Any], hard: Flags, read: Callable[[str], Any]
) -> tuple[NDArray[Any], list[Problem]]:
    """Read the hard cells one by one into ``values``."""
    problems: list[Problem] = []
    for i in np.flatnonzero(hard).tolist():
        try:
            values[i] = read(cells[i])
        except ValueError as error:
            values[i] = 0
            problems.append(Problem(i, str(error)))
    return values, problems


def _matrix(cells: Sequence[str]) -> Bytes | None:
    """The cells' characters, one row a cell, zero-padded; None unless ASCII, short, without NUL."""
    if not cells:
        return None
    try:
        packed = np.array(cells, dtype=np.bytes_)
    except UnicodeEncodeError:
        return None
    if not 0 < packed.itemsize <= _WIDTH_MAX:
        return None
    matrix = packed.view(np.uint8).reshape(len(cells), packed.itemsize)
    return matrix if int(np.count_nonzero(matrix)) == sum(map(len, cells)) else None


def _numbers_bulk(cells: Sequence[str], scale: int) -> tuple[Integers, Flags] | None:
    """Scaled values, and which cells this can't tell; None where it can tell none."""
    matrix = _matrix(cells)
    if matrix is None:
        return None
    count, width = matrix.shape
    values = np.zeros(count, np.int64)
    digits = np.zeros(count, np.int8)
    decimals = np.zeros(count, np.int8)
    fraction = np.zeros(count, np.bool_)
    hard = np.zeros(count, np.bool_)
    first = matrix[:, 0]
    negative = first == ord("-")
    signed = negative | (first == ord("+"))
    for place in range(width):
        character = np.ascontiguousarray(matrix[:, place])
        digit = character - np.uint8(ord("0"))
        is_digit = digit < 10
        is_dot = character == ord(".")
        other = ~(is_digit | is_dot | (character == 0))
        hard |= (other & ~signed) if place == 0 else other
        hard |= is_dot & fraction
        np.copyto(values, values * 10 + digit, where=is_digit & (digits < _DIGITS_SAFE))
        digits += is_digit
        decimals += is_digit & fraction
        fraction |= is_dot
    shift = scale - decimals.astype(np.int64)
    hard |= (digits == 0) | (shift < 0) | (digits + shift > _DIGITS_SAFE)
    values *= np.power(np.int64(10), np.clip(shift, 0, _DIGITS_SAFE))
    np.negative(values, out=values, where=negative)
    return values, hard


def _digits(matrix: Bytes, start: int, stop: int) -> tuple[Integers, Flags]:
    """The number that the columns spell, and where they aren't all digits."""
    digits = matrix[:, start:stop] - np.uint8(ord("0"))
    values = np.zeros(len(matrix), np.int64)
    for place in range(stop - start):
        values = values * 10 + digits[:, place]
    return values, np.asarray((digits > 9).any(axis=1), np.bool_)


def _days_bulk(matrix: Bytes) -> tuple[Integers, Flags]:
    year, bad_year = _digits(matrix, 0, 4)
    month, bad_month = _digits(matrix, 5, 7)
    day, bad_day = _digits(matrix, 8, 10)
    hard = bad_year | bad_month | bad_day
    hard |= (matrix[:, 4] != ord("-")) | (matrix[:, 7] != ord("-"))
    hard |= (year < 1) | (month < 1) | (month > 12) | (day < 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    dates = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    hard |= dates.astype("datetime64[M]") != months
    return dates.astype(np.int64), hard


def _instants_bulk(cells: Sequence[str], calendar: LocalTime) -> tuple[Integers, Flags] | None:
    """As ``_numbers_bulk``, for ISO times; cells of each length are taken to be spelled alike."""
    matrix = _matrix(cells)
    if matrix is None or matrix.shape[1] < 10:
        return None
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    values = np.zeros(len(cells), np.int64)
    hard = np.ones(len(cells), np.bool_)
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        chosen = np.flatnonzero(lengths == length)
        layout = _TIME.fullmatch(cells[int(chosen[0])])
        if layout is None and length != 10:
            continue
        part = np.ascontiguousarray(matrix[chosen, :length])
        local, bad = _local_bulk(part, layout)
        if layout is not None and (layout[8] or layout[9]):
            values[chosen] = local - _offset_bulk(part, layout, bad)
        else:
            values[chosen] = _to_utc(local, bad, calendar)
        hard[chosen] = bad
    return values, hard


def _local_bulk(matrix: Bytes, layout: re.Match[str] | None) -> tuple[Integers, Flags]:
    """Microseconds since 1970 on the wall clock of cells spelled like ``layout`` (None: dates)."""
    dates, bad = _days_bulk(matrix)
    total = dates * DAY_US
    if layout is None:
        return total, bad
    bad |= (matrix[:, 10] != ord("T")) & (matrix[:, 10] != ord(" "))
    for group, separator, limit, unit in (
        (4, 0, 24, 3600 * _SECOND_US),
        (5, ord(":"), 60, 60 * _SECOND_US),
        (6, ord(":"), 60, _SECOND_US),
        (7, ord("."), _SECOND_US, 1),
    ):
        start, stop = layout.span(group)
        if start < 0:
            break
        if separator:
            bad |= matrix[:, start - 1] != separator
        if stop - start > 6:
            bad |= True
            break
        value, wrong = _digits(matrix, start, stop)
        value *= 10 ** (6 - (stop - start)) if group == 7 else 1
        bad |= wrong | (value >= limit)
        total += value * unit
    return total, bad


def _offset_bulk(matrix: Bytes, layout: re.Match[str], bad: Flags) -> Integers:
    """Microseconds east of UTC; marks in ``bad`` the cells that aren't spelled like ``layout``."""
    if layout[8]:
        bad |= matrix[:, layout.start(8)] != ord("Z")
        return np.zeros(len(matrix), np.int64)
    sign = matrix[:, layout.start(9)]
    bad |= (sign != ord("+")) & (sign != ord("-"))
    hours, wrong = _digits(matrix, *layout.span(10))
    bad |= wrong | (hours > 23)
    minutes = np.zeros(len(matrix), np.int64)
    if layout[11]:
        start, stop = layout.span(11)
        minutes, wrong = _digits(matrix, start, stop)
        bad |= wrong | (minutes > 59)
        if start - layout.end(10) == 1:
            bad |= matrix[:, start - 1] != ord(":")
    offset = (hours * 60 + minutes) * (60 * _SECOND_US)
    return np.where(sign == ord("-"), -offset, offset)


def _to_utc(local: Integers, bad: Flags, calendar: LocalTime) -> Integers:
    """Instants of wall-clock times.

    No zone of the IANA database changes its offset and changes it back within three days, so a
    local day that begins and ends with the same offset has it throughout.
    """
    distinct, places_ = np.unique(np.where(bad, 0, local), return_inverse=True)
    dates, day_of = np.unique(distinct // DAY_US, return_inverse=True)
    starts = _each_to_utc(dates * DAY_US, calendar)
    ends = _each_to_utc((dates + 1) * DAY_US, calendar)
    found = distinct - (dates * DAY_US - starts)[day_of]
    uneven = np.flatnonzero((ends - starts != DAY_US)[day_of])
    found[uneven] = _each_to_utc(distinct[uneven], calendar)
    return found[places_]


def _each_to_utc(local: Integers, calendar: LocalTime) -> Integers:
    """Instants of wall-clock times, one by one; past the last year something past TIME_MAX."""
    found = np.full(len(local), TIME_MAX + 1, np.int64)
    for i, us in enumerate(local.tolist()):
        if TIME_MIN <= us <= TIME_MAX:
            try:
                found[i] = calendar.local_to_us(_EPOCH + timedelta(microseconds=us))
            except OverflowError:
                continue
    return found


def _boolean(cell: str) -> bool:
    value = _BOOLEANS.get(cell.lower()) if cell.isascii() else None
    if value is None:
        raise ValueError(f"{shown(cell)} is no boolean; true, false, 1 and 0 are")
    return value


def _number(cell: str, scale: int) -> int:
    found = _NUMBER.fullmatch(cell)
    whole, fraction = (found[2], (found[3] or "").rstrip("0")) if found else ("", "")
    if found is None or not (whole or found[3]):
        example = "digits with at most " + f"{scale} decimal places" if scale else "digits alone"
        raise ValueError(f"{shown(cell)} is no number; write {example}")
    if len(fraction) > scale:
        if not scale:
            raise ValueError(f"{shown(cell)} is no whole number")
        raise ValueError(
            f"{shown(cell)} has {len(fraction)} decimal places; the scale allows {scale}"
        )
    digits = (whole + fraction.ljust(scale, "0")).lstrip("0")
    value = int(digits or "0") if len(digits) <= 19 else INT64_MAX + 2
    value = -value if found[1] == "-" else value
    if not INT64_MIN <= value <= INT64_MAX:
        raise ValueError(f"{shown(cell)} at scale {scale} is beyond 64 signed bits")
    return value


def _day(cell: str) -> int:
    found = _DATE.fullmatch(cell)
    if found is None:
        raise ValueError(f"{shown(cell)} is no date such as 2026-03-31")
    return _date_of(found, cell).toordinal() - date(1970, 1, 1).toordinal()


def _date_of(found: re.Match[str], cell: str) -> date:
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        raise ValueError(f"{shown(cell)} is a date that doesn't exist") from None


def _instant(cell: str, calendar: LocalTime) -> int:
    found = _TIME.fullmatch(cell) or _DATE.fullmatch(cell)
    if found is not None:
        value = _iso_instant(found, cell, calendar)
    elif _NUMBER.fullmatch(cell):
        value = _number(cell, 6)
    else:
        raise ValueError(
            f"{shown(cell)} is no time such as 2026-03-31T09:00:00Z, date or number of seconds"
            " since 1970"
        )
    if not TIME_MIN <= value <= TIME_MAX:
        raise ValueError(f"{shown(cell)} is a time outside the years 1 to 9999")
    return value


def _iso_instant(found: re.Match[str], cell: str, calendar: LocalTime) -> int:
    day = _date_of(found, cell)
    if found.re is _DATE:
        return calendar.local_to_us(datetime(day.year, day.month, day.day))
    fraction = (found[7] or "").rstrip("0")
    if len(fraction) > 6:
        raise ValueError(f"{shown(cell)} is finer than a microsecond")
    try:
        local = datetime(
            day.year, day.month, day.day, int(found[4]), int(found[5]), int(found[6] or 0),
            int(fraction.ljust(6, "0")),
        )  # fmt: skip
    except ValueError:
        raise ValueError(f"{shown(cell)} is a time that doesn't exist") from None
    if not (found[8] or found[9]):
        return calendar.local_to_us(local)
    hours, minutes = int(found[10] or 0), int(found[11] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f"{shown(cell)} has an offset that doesn't exist")
    offset = (hours * 60 + minutes) * 60 * _SECOND_US
    since = local.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    total = (since.days * 86_400 + since.seconds) * _SECOND_US + since.microseconds
    return total + offset if found[9] == "-" else total - offset


def _place(cell: str) -> tuple[float, float]:
    parts = cell.split(",")
    try:
        if len(parts) != 2 or "_" in cell or not cell.isascii():
            raise ValueError
        latitude, longitude = float(parts[0]), float(parts[1])
    except ValueError:
        raise ValueError(f"{shown(cell)} is no latitude,longitude such as 52.52,13.40") from None
    fault = place_fault(latitude, longitude)
    if fault:
        raise ValueError(f"{shown(cell)}: {fault}")
    return latitude, longitude
