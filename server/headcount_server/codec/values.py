"""Nested plain data <-> bytes, by msgpack with two extension types (FORMAT.md, "Values").

Plain data are dicts with string keys, lists, ``str``, ``bytes``, ``int`` of 64 bits, ``float``,
``bool``, None, one-dimensional numpy arrays of the element types in ``DTYPES``, and ``BitMap``.
Nothing else is written and nothing else is read. Equal data, with the keys of dicts in the same
order, give equal bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.errors import DataLoss

DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")

_ARRAY, _BITMAP, _CHUNKS = 1, 2, 3  # extension types
_ARRAY_HEADER = struct.Struct("<3sxI Q")  # element type, zero, elements
_CHUNK_BYTES = 1 << 30  # a msgpack extension holds less than 4 GiB
_PIECE_BYTES = 1 << 20
_LEAVES = {str, int, float, bool, type(None)}
_LEAVES_AT_ONCE = 1_000
_TYPES = {dict, list, str, bytes, int, float, bool, type(None), np.ndarray, BitMap}


def encode(value: Any) -> bytes:
    """The bytes of plain data. O(bytes).

    Raises:
        TypeError: something in it is no plain data; only a bug gives that.
    """
    packer = msgpack.Packer(default=_extension, use_bin_type=True, strict_types=True)
    try:
        return bytes(packer.pack(value))
    except OverflowError as error:
        raise TypeError("a whole number in plain data is past 64 bits") from error


def encode_in_pieces(value: Any) -> Iterator[bytes]:
    """The bytes of ``encode``, in pieces of about a MiB or one array, as they are made. O(bytes).

    Between two pieces other threads get their turn; nothing as large as the whole is made.
    """
    packer = msgpack.Packer(
        default=_extension, use_bin_type=True, strict_types=True, autoreset=False
    )
    for _ in _packed(packer, value):
        if len(packer.getbuffer()) >= _PIECE_BYTES:
            yield packer.bytes()
            packer.reset()
    yield packer.bytes()


def decode(data: bytes | memoryview) -> Any:
    """The plain data of bytes; its arrays are aligned, and may be read-only. O(bytes).

    Raises:
        DataLoss: the bytes are cut short, have bytes to spare, or hold what ``encode`` never gives.
    """
    try:
        value = msgpack.unpackb(
            data,
            ext_hook=_extended,
            list_hook=_list,
            object_pairs_hook=_dict,
            raw=False,
            strict_map_key=True,
        )
    except (ValueError, msgpack.UnpackException, RecursionError, OverflowError) as error:
        raise DataLoss(f"{len(data)} bytes of values can't be read: {error}") from error
    _check_type(type(value))
    return value


def _packed(packer: msgpack.Packer, value: Any) -> Iterator[None]:
    """Packs a value, with a stop after every part of it that is worth one."""
    if type(value) is dict:
        packer.pack_map_header(len(value))
        for key, part in value.items():
            packer.pack(key)
            yield from _packed(packer, part)
    elif type(value) is list:
        packer.pack_array_header(len(value))
        if value and type(value[0]) in _LEAVES:
            for first in range(0, len(value), _LEAVES_AT_ONCE):
                for part in value[first : first + _LEAVES_AT_ONCE]:
                    packer.pack(part)
                yield
        else:
            for part in value:
                yield from _packed(packer, part)
    elif isinstance(value, np.ndarray) and value.nbytes > _CHUNK_BYTES:
        yield from _packed_chunks(packer, value)
    else:
        packer.pack(value)
        yield


def _packed_chunks(packer: msgpack.Packer, value: NDArray[Any]) -> Iterator[None]:
    chunks = _chunked(value)
    packer.pack_array_header(len(chunks))
    for chunk in chunks:
        packer.pack(chunk)
        yield


def _extension(value: Any) -> Any:
    if type(value) is BitMap:
        return msgpack.ExtType(_BITMAP, bitmaps.encode(value))
    if isinstance(value, np.ndarray):
        return _chunked(value)
    raise TypeError(f"{type(value).__name__} is no plain data")


def _chunked(array: NDArray[Any]) -> Any:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    name = little.dtype.str
    if array.ndim != 1 or name not in DTYPES:
        raise TypeError(f"an array of {array.ndim} dimensions of {array.dtype} is no plain data")
    step = _CHUNK_BYTES // little.itemsize
    if len(little) <= step:
        return _array(name, little)
    parts = [_array(name, little[i : i + step]) for i in range(0, len(little), step)]
    return [msgpack.ExtType(_CHUNKS, b""), *parts]


def _array(name: str, array: NDArray[Any]) -> Any:
    header = _ARRAY_HEADER.pack(name.encode(), 0, len(array))
    return msgpack.ExtType(_ARRAY, header + array.tobytes())


class _Chunks:
    """First element of a list that stands for one long array."""


def _extended(code: int, data: bytes) -> Any:
    if code == _BITMAP:
        return bitmaps.decode(data)
    if code == _ARRAY:
        return _read_array(data)
    if code == _CHUNKS and not data:
        return _Chunks()
    raise DataLoss(f"{len(data)} bytes of extension type {code} mean nothing")


def _read_array(data: bytes) -> NDArray[Any]:
    if len(data) < _ARRAY_HEADER.size:
        raise DataLoss("an array is shorter than its header")
    name, zero, length = _ARRAY_HEADER.unpack_from(data)
    text = name.decode("latin-1")
    if text not in DTYPES or zero:
        raise DataLoss(f"an array has elements of type {text!r}")
    dtype = np.dtype(text)
    if len(data) - _ARRAY_HEADER.size != length * dtype.itemsize:
        raise DataLoss(f"an array of {length} {text} elements has {len(data)} bytes")
    array = np.frombuffer(data, dtype, offset=_ARRAY_HEADER.size)
    if dtype.kind == "b" and bool((array.view(np.uint8) > 1).any()):
        raise DataLoss("an array of booleans holds something else")
    # The memory is that of ``data``, made for this array alone; what an extension's bytes begin at
    # and the header before the elements keep it aligned.
    native = array.astype(dtype.newbyteorder("="), copy=False)
    return native if native.flags.aligned else native.copy()


def _list(items: list[Any]) -> Any:
    if items and type(items[0]) is _Chunks:
        return _joined(items[1:])
    for kind in set(map(type, items)):
        _check_type(kind)
    return items


def _joined(chunks: list[Any]) -> NDArray[Any]:
    kinds = {chunk.dtype if isinstance(chunk, np.ndarray) else None for chunk in chunks}
    if len(kinds) != 1 or None in kinds:
        raise DataLoss("the chunks of an array are not arrays of one type")
    return np.concatenate(chunks)


def _dict(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if type(key) is not str or key in found:
            raise DataLoss(f"{key!r} is no key, or stands twice")
        _check_type(type(value))
        found[key] = value
    return found


def _check_type(kind: type) -> None:
    if kind not in _TYPES:
        raise DataLoss(f"a {kind.__name__} is no plain data")
