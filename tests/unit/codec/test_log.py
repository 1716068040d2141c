"""Segments are laid out as FORMAT.md says; a torn tail is told from damage."""

import struct
import zlib

import pytest
from headcount_server.codec import values
from headcount_server.codec.log import (
    SEGMENT_HEADER_BYTES,
    Frame,
    LogRecord,
    SegmentHeader,
    Torn,
    decode_segment_header,
    encode_frame,
    encode_segment_header,
    read_frames,
)
from headcount_server.errors import DataLoss

HEADER = SegmentHeader(bytes(range(16)), 7, 41, 5, 1_234)
RECORDS = [LogRecord("shop", 3, b"first"), LogRecord("cafe", 9, b"second")]


def segment(*syncs):
    """A segment of one frame for each number of durable bytes that it tells."""
    data = encode_segment_header(HEADER)
    for i, synced in enumerate(syncs):
        frame = encode_frame(RECORDS, HEADER.first + 2 * i, synced, data[:SEGMENT_HEADER_BYTES])
        data += b"".join(frame)
    return data


def always(count):
    """A segment that was synced after every frame."""
    size = len(segment(0)) - SEGMENT_HEADER_BYTES
    return segment(*(SEGMENT_HEADER_BYTES + i * size for i in range(count)))


def test_a_header_is_laid_out_as_specified():
    data = encode_segment_header(HEADER)
    assert len(data) == 64
    assert data[:8] == b"HCLOGS\r\n"
    assert struct.unpack_from("<HHI16sQQIQ", data, 8) == (
        1, 0, 7, bytes(range(16)), 41, 1_234, 5, 0,
    )  # fmt: skip
    assert struct.unpack_from("<I", data, 60) == (zlib.crc32(data[:60]),)
    assert decode_segment_header(data, "f") == HEADER


def test_a_frame_is_laid_out_as_specified():
    data = segment(64)
    magic, count, length, first, synced, crc = struct.unpack_from("<4sIQQQI", data, 64)
    payload = data[64 + 36 :]
    assert (magic, count, length, first, synced) == (b"HCF\x9e", 2, len(payload), 41, 64)
    seed = struct.unpack_from("<I", data, 60)[0]
    assert crc == zlib.crc32(payload, zlib.crc32(data[64:96], seed))
    assert values.decode(payload) == [["shop", 3, b"first"], ["cafe", 9, b"second"]]


def test_frames_come_back_in_order():
    frames = list(read_frames(always(3), 41))
    assert [frame.first for frame in frames] == [41, 43, 45]
    assert all(frame.records("f") == RECORDS for frame in frames)


@pytest.mark.parametrize("place", range(64))
def test_no_changed_byte_of_a_header_passes(place):
    data = bytearray(encode_segment_header(HEADER))
    data[place] ^= 1
    assert decode_segment_header(bytes(data), "f") is None
    assert decode_segment_header(bytes(data[:place]), "f") is None


def test_a_changed_byte_is_damage_where_a_later_frame_says_it_was_durable():
    whole = always(3)
    ends = [SEGMENT_HEADER_BYTES, *(frame.end for frame in read_frames(whole, 41))]
    for place in range(SEGMENT_HEADER_BYTES, len(whole)):
        data = bytearray(whole)
        data[place] ^= 0x40
        *good, last = read_frames(bytes(data), 41)
        hit = sum(end <= place for end in ends) - 1
        assert [frame.offset for frame in good] == ends[:hit]
        assert last == Torn(ends[hit], is_damage=hit < 2)


def test_a_hole_in_what_was_never_durable_is_a_torn_tail():
    data = bytearray(segment(64, 64, 64))  # no frame says that the one before it was synced
    second = list(read_frames(bytes(data), 41))[1]
    data[second.offset + 40] ^= 1
    first, torn = read_frames(bytes(data), 41)
    assert isinstance(first, Frame)
    assert torn == Torn(second.offset, is_damage=False)


def test_a_frame_of_another_segment_doesnt_pass():
    other = encode_segment_header(SegmentHeader(bytes(16), 7, 41, 5, 1_234))
    data = other + segment(64)[SEGMENT_HEADER_BYTES:]
    assert list(read_frames(data, 41)) == [Torn(64, is_damage=False)]


def test_a_missing_frame_is_damage():
    whole = always(3)
    second = list(read_frames(whole, 41))[1]
    data = whole[: second.offset] + whole[second.end :]
    assert list(read_frames(data, 41))[-1] == Torn(second.offset, is_damage=True)


def test_a_newer_version_is_named(monkeypatch):
    monkeypatch.setattr("headcount_server.codec.log.VERSION", 3)
    data = encode_segment_header(HEADER)
    monkeypatch.undo()
    with pytest.raises(DataLoss, match="f has format version 3; this program reads up to 1") as c:
        decode_segment_header(data, "f")
    assert c.value.metadata["version"] == "3"
