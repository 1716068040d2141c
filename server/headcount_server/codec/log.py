"""Segments of the log <-> bytes: headers, frames, records (FORMAT.md, "Log").

A frame is what one write to the log holds: records with a checksum over all of it, begun with that
of its segment's header, so that no frame can pass for one of another segment. ``read_frames`` tells
a torn tail, which nobody was promised, from damage to what was synced.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headcount_server.codec import values
from headcount_server.errors import DataLoss

VERSION = 1
SEGMENT_HEADER_BYTES = 64
FRAME_HEADER_BYTES = 36
LOG_ID_BYTES = 16

_SEGMENT_MAGIC = b"HCLOGS\r\n"
_FRAME_MAGIC = b"HCF\x9e"
_SEGMENT = struct.Struct("<8sHHI16sQQIQ")  # the checksum follows
_FRAME = struct.Struct("<4sIQQQ")  # the checksum follows
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One command in the log.

    Attributes:
        audience: whose command it is; "" where it is everybody's.
        revision: that the audience had after it; 0 where it is everybody's.
        command: bytes of ``encode_command``.
    """

    audience: str
    revision: int
    command: bytes


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself.

    Attributes:
        log_id: of the log that it belongs to, 16 bytes.
        number: from 1, ascending; equals the number in the file's name.
        first: position of its first record.
        previous: number of the segment before it; 0: it is the first.
        previous_end: bytes of that one which count; what follows them was never acknowledged.
    """

    log_id: bytes
    number: int
    first: int
    previous: int
    previous_end: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A good frame and where it stands; ``synced`` bytes before it were durable when it came."""

    offset: int
    end: int
    first: int
    count: int
    synced: int
    payload: memoryview

    def records(self, name: str) -> list[LogRecord]:
        """Its records, the first of which has the position ``first``.

        Raises:
            DataLoss: the checksum is right and the contents aren't; only a bug gives that.
        """
        found: Any = values.decode(self.payload)
        good = type(found) is list and len(found) == self.count
        if not good or not all(type(one) is list and len(one) == 3 for one in found):
            raise DataLoss(f"{name}: a frame holds no records", file=name, offset=str(self.offset))
        return [LogRecord(*one) for one in found]


@dataclass(frozen=True, slots=True)
class Torn:
    """Where frames end before the bytes do.

    Attributes:
        offset: where the last good frame ends.
        is_damage: whether what follows was durable once, so that acknowledged records are lost.
    """

    offset: int
    is_damage: bool


def encode_segment_header(header: SegmentHeader) -> bytes:
    """The first 64 bytes of a segment."""
    fields = _SEGMENT.pack(
        _SEGMENT_MAGIC, VERSION, 0, header.number, header.log_id,
        header.first, header.previous_end, header.previous, 0,
    )  # fmt: skip
    return fields + _CRC.pack(zlib.crc32(fields))


def decode_segment_header(data: bytes | memoryview, name: str) -> SegmentHeader | None:
    """The header of a segment; None where its first bytes are none.

    Raises:
        DataLoss: it is of a newer format.
    """
    fields = bytes(data[: _SEGMENT.size])
    crc = bytes(data[_SEGMENT.size : SEGMENT_HEADER_BYTES])
    if len(data) < SEGMENT_HEADER_BYTES or crc != _CRC.pack(zlib.crc32(fields)):
        return None
    magic, version, zero, number, log_id, first, end, previous, last = _SEGMENT.unpack(fields)
    if magic != _SEGMENT_MAGIC:
        return None
    if version > VERSION:
        raise DataLoss(
            f"{name} has format version {version}; this program reads up to {VERSION}:"
            " use the version of Headcount that wrote it, or a newer one",
            file=name,
            version=str(version),
        )
    if zero or last or version < 1:
        return None
    return SegmentHeader(log_id, number, first, previous, end)


def encode_frame(
    records: Sequence[LogRecord], first: int, synced: int, header: bytes
) -> list[bytes]:
    """The bytes of a frame, in pieces.

    Args:
        records: one or more, of the positions ``first``, ``first + 1``, …
        first: position of the first one.
        synced: bytes of the segment that are known to be durable.
        header: of the segment.
    """
    payload = values.encode([[one.audience, one.revision, one.command] for one in records])
    fields = _FRAME.pack(_FRAME_MAGIC, len(records), len(payload), first, synced)
    crc = zlib.crc32(payload, zlib.crc32(fields, _seed(header)))
    return [fields + _CRC.pack(crc), payload]


def read_frames(data: bytes, first: int) -> Iterator[Frame | Torn]:
    """The frames of a segment's bytes in order; at last a ``Torn``, if some bytes are none. O(n).

    Args:
        data: the segment from its header, which is good, on; cut where it stops to count.
        first: position that the first frame has to have.
    """
    seed = _seed(data)
    view = memoryview(data)
    offset = SEGMENT_HEADER_BYTES
    while offset < len(view):
        frame = _frame(view, offset, seed)
        if frame is None or frame.first != first:
            yield Torn(offset, frame is not None or _was_durable(data, offset, seed))
            return
        yield frame
        offset, first = frame.end, first + frame.count


def frames_after(data: bytes, offset: int) -> Iterator[Frame]:
    """The good frames that are found anywhere after a place, in order. O(n)."""
    seed = _seed(data)
    view = memoryview(data)
    while (offset := data.find(_FRAME_MAGIC, offset + 1)) >= 0:
        frame = _frame(view, offset, seed)
        if frame is not None:
            yield frame
            offset = frame.end - 1


def _was_durable(data: bytes, offset: int, seed: int) -> bool:
    """Whether a later frame says that the bytes at an offset were durable."""
    return any(frame.synced > offset for frame in frames_after(data, offset))


def _frame(view: memoryview, offset: int, seed: int) -> Frame | None:
    start = offset + FRAME_HEADER_BYTES
    if start > len(view):
        return None
    fields = view[offset : offset + _FRAME.size]
    magic, count, length, first, synced = _FRAME.unpack(fields)
    if magic != _FRAME_MAGIC or not count or length > len(view) - start:
        return None
    payload = view[start : start + length]
    crc = zlib.crc32(payload, zlib.crc32(fields, seed))
    if bytes(view[offset + _FRAME.size : start]) != _CRC.pack(crc):
        return None
    return Frame(offset, start + length, first, count, synced, payload)


def _seed(segment: bytes | memoryview) -> int:
    """The checksum of a segment's header, with which those of its frames begin."""
    return _CRC.unpack_from(segment, _SEGMENT.size)[0]
