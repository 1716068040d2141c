"""Arrow arrays to columns of the contract, exactly.

Native types go as they are where the target takes them. Everything else goes as text in the
spelling of import files, and the server reads it. Texts that repeat go as a dictionary and codes.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from headcount.v1 import ingest_service_pb2 as pb

from headcount_client.cli.importing.chunks import Array

_REPEATED_MIN = 4  # rows a different text, above which texts go as codes
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
pc: Any = pyarrow.compute  # has no types
_SCALE_MAX = 18
_MICROSECONDS = 1_000_000
_EXACT_INTEGERS = re.compile(r"(?:[+-]?[0-9]{1,18}\n)*")
_INTEGER = re.compile(r"[+-]?[0-9]+")
Bad = dict[int, str]


def column(name: str, kind: str, array: Array, *, is_utc: bool) -> pb.Column:
    """A column of the contract.

    Args:
        name: of the attribute or property.
        kind: type of the target, as in ``Layout.kinds``.
        array: one value for each row; null is missing.
        is_utc: whether times without an offset are in UTC.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    message = pb.Column(name=name)
    if not _native(message, kind, array, is_utc):
        _set_texts(message, texts(array))
    return message


def texts(array: Array) -> Array:
    """The values as strings in the spelling of import files; missing ones are empty."""
    found = array.type
    if pa.types.is_string(found):
        spelt = array
    elif pa.types.is_large_string(found):
        spelt = array.cast(pa.string())
    elif pa.types.is_floating(found):
        spelt = pa.array(map(_float_text, array.to_pylist()), pa.string())
    elif pa.types.is_decimal(found):
        spelt = pa.array(map(_decimal_text, array.to_pylist()), pa.string())
    elif pa.types.is_nested(found) or pa.types.is_binary(found) or pa.types.is_large_binary(found):
        spelt = pa.array(map(_nested_text, array.to_pylist()), pa.string())
    elif pa.types.is_null(found):
        spelt = pa.nulls(len(array), pa.string())
    else:
        spelt = array.cast(pa.string())
    return pc.fill_null(spelt, "") if spelt.null_count else spelt


def keys(array: Array, key: str) -> tuple[Array, Bad]:
    """The keys as the audience has them, and what is wrong with rows by index."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if key == "string":
        spelt = texts(array)
        empty = pc.equal(spelt, "")
        bad = {int(i): "key: it is missing" for i in np.flatnonzero(np.asarray(empty))}
        return spelt, bad
    if pa.types.is_integer(array.type) and not pa.types.is_uint64(array.type):
        missing = np.flatnonzero(np.asarray(array.is_null()))
        found = array.cast(pa.int64())
        return pc.fill_null(found, 0), {int(i): "key: it is missing" for i in missing}
    return _parsed_keys(texts(array).to_pylist(), key)


def broken_texts(array: Array) -> tuple[Array, Bad]:
    """Strings with those that are no UTF-8 made empty, and their rows."""
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return array, {}
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        return array, {}
    bad: Bad = {}
    cells: list[str | None] = []
    for i, raw in enumerate(array.cast(pa.large_binary()).to_pylist()):
        try:
            cells.append(None if raw is None else raw.decode("utf-8"))
        except UnicodeDecodeError:
            cells.append(None)
            bad[i] = "no valid UTF-8"
    return pa.array(cells, pa.string()), bad


def _native(message: pb.Column, kind: str, array: Array, is_utc: bool) -> bool:
    """Fill the message with native values; False where the target takes them as text only."""
    found = array.type
    match kind:
        case "integer" | "decimal":
            return _set_number(message, kind, array)
        case "boolean" if pa.types.is_boolean(found):
            message.booleans.values.extend(_filled(message, array, fill=False))
            return True
        case "date":
            return _set_date(message, array)
        case "timestamp":
            return _set_timestamp(message, array, is_utc)
        case "keywords" if pa.types.is_list(found) or pa.types.is_large_list(found):
            for cell in array.to_pylist():
                strings = [_nested_text(item) for item in cell or () if item not in (None, "")]
                message.text_lists.values.add(values=strings)
            return True
        case "location" if pa.types.is_nested(found):
            return _set_location(message, array)
        case _:
            return False


def _set_number(message: pb.Column, kind: str, array: Array) -> bool:
    found = array.type
    if pa.types.is_integer(found):
        if pa.types.is_uint64(found) and len(array) and (pc.max(array).as_py() or 0) > _INT64_MAX:
            return False
        values = _filled(message, array.cast(pa.int64()), fill=0)
        if kind == "decimal":
            message.decimals.unscaled.extend(values)
        else:
            message.integers.values.extend(values)
        return True
    if pa.types.is_decimal(found) and 0 <= found.scale <= _SCALE_MAX:
        unscaled = _unscaled(array)
        if unscaled is None:
            return False
        message.decimals.scale = found.scale
        message.decimals.unscaled.extend(unscaled.tolist())
        _set_present(message, array)
        return True
    return False


def _set_date(message: pb.Column, array: Array) -> bool:
    found = array.type
    if pa.types.is_timestamp(found) and found.tz is None:
        days = array.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(days.cast(found), array)).as_py() is False:
            return False
        array = days
    if not pa.types.is_date(array.type):
        return False
    days = array.cast(pa.date32()).cast(pa.int32())
    message.integers.values.extend(_filled(message, days, fill=0))
    return True


def _set_timestamp(message: pb.Column, array: Array, is_utc: bool) -> bool:
    found = array.type
    if pa.types.is_timestamp(found) and (found.tz is not None or is_utc):
        try:
            instants = array.cast(pa.timestamp("us", found.tz)).cast(pa.int64())
        except pa.ArrowInvalid:
            return False
    elif pa.types.is_integer(found):
        try:
            instants = pc.multiply_checked(array.cast(pa.int64()), _MICROSECONDS)
        except pa.ArrowInvalid:
            return False
    else:
        return False
    message.integers.values.extend(_filled(message, instants, fill=0))
    return True


def _set_location(message: pb.Column, array: Array) -> bool:
    rows = array.to_pylist()
    cells: list[str] = []
    for row in rows:
        parts = list(row.values()) if isinstance(row, dict) else row
        cells.append("" if not parts else ",".join(_nested_text(part) for part in parts))
    message.texts.values.extend(cells)
    return True


def _set_texts(message: pb.Column, array: Array) -> None:
    if len(array) >= 2 * _REPEATED_MIN:
        encoded = array.dictionary_encode()
        if len(encoded.dictionary) * _REPEATED_MIN <= len(array):
            message.coded_texts.dictionary.extend(encoded.dictionary.to_pylist())
            message.coded_texts.codes.extend(encoded.indices.to_numpy().tolist())
            return
    message.texts.values.extend(array.to_pylist())


def _filled(message: pb.Column, array: Array, *, fill: Any) -> list[Any]:
    """The values, with something where they are missing; says in the message where they are."""
    _set_present(message, array)
    filled = pc.fill_null(array, fill) if array.null_count else array
    return filled.to_numpy(zero_copy_only=False).tolist()


def _set_present(message: pb.Column, array: Array) -> None:
    if array.null_count:
        message.present.extend(np.asarray(array.is_valid()).tolist())


def _unscaled(array: Array) -> np.ndarray | None:
    """Decimals times 10^scale; None where one is beyond 64 bits."""
    wide = pc.fill_null(array.cast(pa.decimal128(38, array.type.scale)), Decimal(0))
    words = np.frombuffer(wide.buffers()[1], np.int64)[2 * wide.offset :][: 2 * len(wide)]
    low, high = words[0::2], words[1::2]
    return low if bool(np.array_equal(low >> 63, high)) else None


def _parsed_keys(cells: list[str], key: str) -> tuple[Array, Bad]:
    if _EXACT_INTEGERS.fullmatch("".join([f"{cell}\n" for cell in cells])):
        return pa.array(map(int, cells), pa.int64()), {}
    found: list[int] = []
    bad: Bad = {}
    for i, cell in enumerate(cells):
        whole = cell.removesuffix(".0")
        if not cell:
            bad[i] = "key: it is missing"
        elif not _INTEGER.fullmatch(whole):
            bad[i] = f"key: {cell[:80]!r} is no integer; the audience's keys are {key}"
        elif not _INT64_MIN <= int(whole[:40]) <= _INT64_MAX:
            bad[i] = f"key: {cell[:80]} is beyond 64 signed bits"
        found.append(0 if i in bad else int(whole))
    return pa.array(found, pa.int64()), bad


def _float_text(value: float | None) -> str:
    """The shortest text that reads as the same float, without exponent."""
    if value is None:
        return ""
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text


def _decimal_text(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _nested_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _float_text(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)
