"""The frame of a file of values: magic, version, length, and a checksum for every block.

A checksum a block tells *where* a file is damaged; FORMAT.md, "Files of values", has the layout.
Every byte of a file is covered: a changed, missing or added one is found.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np

from headcount_server.errors import DataLoss

MAGIC = b"HCVALUE\n"
VERSION = 1
HEADER_BYTES = 32
BLOCK_BYTES = 1 << 20

_HEADER = struct.Struct("<8sHHIQI")  # magic, version, zero, block bytes, payload bytes, zero
_CRC = struct.Struct("<I")


def wrap(payload: Sequence[bytes]) -> list[bytes]:
    """The bytes of a file that holds ``payload``, in pieces in order; the payload isn't copied.

    Args:
        payload: in pieces of any sizes, in order.
    """
    header = _HEADER.pack(MAGIC, VERSION, 0, BLOCK_BYTES, sum(map(len, payload)), 0)
    sums = b"".join(_CRC.pack(crc) for crc in _checksums(payload))
    return [header, _checksum(header), *payload, sums, _checksum(sums)]


def unwrap(data: bytes, name: str) -> memoryview:
    """The payload of a file, a view of ``data``. O(bytes), 2 GB/s.

    Args:
        data: the whole file.
        name: what the messages call the file.

    Raises:
        DataLoss: the file is damaged (``metadata['offset']`` is where), or newer than this program.
    """
    payload = payload_of(data, name)
    end = HEADER_BYTES + len(payload)
    sums = memoryview(data)[end:-4]
    if bytes(memoryview(data)[-4:]) != _checksum(sums):
        damaged(name, end, "has damaged checksums")
    expected = np.frombuffer(sums, "<u4").tolist()
    for i, (block, crc) in enumerate(zip(_blocks(payload), expected, strict=True)):
        if zlib.crc32(block) != crc:
            offset = HEADER_BYTES + i * BLOCK_BYTES
            damaged(name, offset, f"is damaged within the {len(block)} bytes from offset {offset}")
    return payload


def payload_of(data: bytes, name: str) -> memoryview:
    """The payload of a file whose digest was found good, a view of ``data``. O(1).

    Args:
        data: the whole file; the checksums of its blocks aren't looked at.
        name: as for ``unwrap``.

    Raises:
        DataLoss: the header or the length is wrong, or newer than this program.
    """
    view = memoryview(data)
    length = _payload_bytes(view, name)
    end = HEADER_BYTES + length
    size = end + 4 * (-(-length // BLOCK_BYTES)) + 4
    if len(view) != size:
        what = f"has {len(view)} bytes where {size} belong"
        damaged(name, min(len(view), size), what)
    return view[HEADER_BYTES:end]


def damaged(name: str, offset: int, what: str) -> NoReturn:
    """Raise DataLoss that names the file and the offset of the damage."""
    raise DataLoss(
        f"{name} {what} (offset {offset}); 'headcount snapshot verify' tells what is still good,"
        " 'headcount recover' what can be had back",
        file=name,
        offset=str(offset),
    )


def _payload_bytes(view: memoryview, name: str) -> int:
    if len(view) < HEADER_BYTES:
        damaged(name, len(view), f"has {len(view)} bytes, less than its header")
    header = view[: _HEADER.size]
    if bytes(view[_HEADER.size : HEADER_BYTES]) != _checksum(header):
        damaged(name, 0, "has a damaged header")
    magic, version, zero, block_bytes, length, last = _HEADER.unpack(header)
    if magic != MAGIC:
        damaged(name, 0, "is no file of values")
    if version > VERSION:
        raise DataLoss(
            f"{name} has format version {version}; this program reads up to {VERSION}:"
            " use the version of Headcount that wrote it, or a newer one",
            file=name,
            version=str(version),
        )
    if zero or last or block_bytes != BLOCK_BYTES:
        damaged(name, 8, "has a header that means nothing")
    return length


def _blocks(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(view), BLOCK_BYTES):
        yield view[start : start + BLOCK_BYTES]


def _checksums(pieces: Sequence[bytes]) -> Iterator[int]:
    """The CRC of every block of the joined pieces."""
    crc, room = 0, BLOCK_BYTES
    for piece in pieces:
        view = memoryview(piece)
        while view:
            part, view = view[:room], view[room:]
            crc, room = zlib.crc32(part, crc), room - len(part)
            if not room:
                yield crc
                crc, room = 0, BLOCK_BYTES
    if room < BLOCK_BYTES:
        yield crc


def _checksum(data: bytes | memoryview) -> bytes:
    return _CRC.pack(zlib.crc32(data))
