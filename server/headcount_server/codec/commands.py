"""Commands <-> bytes: the records of a log (FORMAT.md, "Commands").

A command is the plain form of its dataclass, with ``kind`` naming the class; columns and keys are
arrays or lists of strings. Every command of ``core.commands.Logged`` is covered by construction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_server.codec import values
from headcount_server.core.commands import Keys, Logged
from headcount_server.core.rules.plain import Converter, Form
from headcount_server.core.schema import AttributeType
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

_STRINGS = (AttributeType.KEYWORD, AttributeType.TEXT)


def encode_command(command: Logged) -> bytes:
    """The bytes of a command; equal commands give equal bytes. O(bytes)."""
    return values.encode(_FORM.encode(command))


def decode_command(data: bytes) -> Logged:
    """The command of bytes.

    Raises:
        DataLoss: they aren't what ``encode_command`` gives.
    """
    return _FORM.decode(values.decode(data))


def _encode_column(column: ValueColumn) -> dict[str, Any]:
    if column.type is AttributeType.KEYWORDS:
        data: Any = [list(parts) for parts in column.data]
    elif column.type in _STRINGS:
        data = list(column.data)
    else:
        data = column.data.reshape(-1)
    return {"type": column.type.name, "present": column.present, "data": data}


def _decode_column(plain: Any) -> ValueColumn:
    if type(plain) is not dict or plain.keys() != {"type", "present", "data"}:
        raise DataLoss("a column lacks its type, presence or data")
    try:
        kind = AttributeType[plain["type"]]
    except (KeyError, TypeError) as error:
        raise DataLoss(f"{plain['type']!r} is no type of a column") from error
    present = _array(plain["present"], np.bool_)
    data = _column_data(kind, plain["data"])
    if len(data) != len(present):
        raise DataLoss(f"a column has {len(data)} values for {len(present)} rows")
    return ValueColumn(kind, data, present)


def _column_data(kind: AttributeType, plain: Any) -> Any:
    if kind in _STRINGS:
        return _strings(plain)
    if kind is AttributeType.KEYWORDS:
        if type(plain) is not list:
            raise DataLoss("a column of keywords is no list")
        return [tuple(_strings(parts)) for parts in plain]
    if kind is AttributeType.LOCATION:
        degrees = _array(plain, np.float64)
        if len(degrees) % 2:
            raise DataLoss("a column of locations has a latitude without a longitude")
        return degrees.reshape(-1, 2)
    return _array(plain, np.bool_ if kind is AttributeType.BOOLEAN else np.int64)


def _strings(plain: Any) -> list[str]:
    if type(plain) is not list or not set(map(type, plain)) <= {str}:
        raise DataLoss("something stands where a list of strings belongs")
    return plain


def _array(plain: Any, dtype: Any) -> NDArray[Any]:
    if not isinstance(plain, np.ndarray) or plain.dtype != dtype:
        raise DataLoss(f"something stands where an array of {np.dtype(dtype)} belongs")
    return plain


def _same(value: Any) -> Any:
    return value


_FORM: Form[Logged] = Form(
    Logged,
    {
        ValueColumn: Converter(_encode_column, _decode_column),
        Keys: Converter(
            lambda keys: keys if isinstance(keys, np.ndarray) else list(keys),
            lambda plain: _strings(plain) if type(plain) is list else _array(plain, np.int64),
        ),
        NDArray[np.int64]: Converter(_same, lambda plain: _array(plain, np.int64)),
    },
)
