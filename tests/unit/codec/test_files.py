"""Frames and manifests: every changed byte is found, and the place is told."""

import json
import struct
import zlib

import pytest
from headcount_server.codec import envelope
from headcount_server.codec.manifest import (
    AudienceEntry,
    FileEntry,
    Manifest,
    decode_manifest,
    digest,
    encode_manifest,
)
from headcount_server.errors import DataLoss
from hypothesis import given
from hypothesis import strategies as st

MANIFEST = Manifest(
    "monday",
    3,
    5_000_000,
    (AudienceEntry("shop", 7, 1, 2, 3, (FileEntry("keys", "0001.keys", 5, digest(b"12345")),)),),
)


def wrapped(payload: bytes) -> bytes:
    return b"".join(envelope.wrap([payload[:7], payload[7:9], payload[9:]]))


@given(st.binary(max_size=200))
def test_a_payload_comes_back(payload):
    assert envelope.unwrap(wrapped(payload), "f") == payload


def test_every_changed_missing_or_added_byte_is_found(monkeypatch):
    monkeypatch.setattr(envelope, "BLOCK_BYTES", 16)
    data = wrapped(bytes(range(40)))
    for i in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[i] ^= 1 << bit
            with pytest.raises(DataLoss):
                envelope.unwrap(bytes(changed), "f")
        with pytest.raises(DataLoss):
            envelope.unwrap(data[:i], "f")
    with pytest.raises(DataLoss):
        envelope.unwrap(data + b"\0", "f")


def test_the_message_names_the_file_and_the_offset_of_the_damaged_block(monkeypatch):
    monkeypatch.setattr(envelope, "BLOCK_BYTES", 16)
    data = bytearray(wrapped(bytes(40)))
    data[32 + 20] = 1
    with pytest.raises(
        DataLoss, match=r"shop/keys .* offset 48.*headcount snapshot verify"
    ) as caught:
        envelope.unwrap(bytes(data), "shop/keys")
    assert caught.value.metadata == {"file": "shop/keys", "offset": "48"}


def test_a_newer_format_is_told_from_damage():
    header = struct.pack("<8sHHIQI", envelope.MAGIC, 2, 0, 0, 0, 0)
    data = header + struct.pack("<I", zlib.crc32(header)) + bytes(4)
    with pytest.raises(DataLoss, match="format version 2; this program reads up to 1"):
        envelope.unwrap(data, "f")


def test_a_manifest_comes_back_and_is_text_that_people_can_read():
    data = encode_manifest(MANIFEST)
    assert decode_manifest(data, "MANIFEST") == MANIFEST
    assert json.loads(data.split(b"\n", 1)[1])["audiences"][0]["revision"] == 7
    assert MANIFEST.size_bytes == 5


def test_every_changed_or_missing_byte_of_a_manifest_is_found():
    data = encode_manifest(MANIFEST)
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= 4
        with pytest.raises(DataLoss, match="MANIFEST"):
            decode_manifest(bytes(changed), "MANIFEST")
        with pytest.raises(DataLoss, match="MANIFEST"):
            decode_manifest(data[:i], "MANIFEST")


def sealed(body: bytes) -> bytes:
    return f"headcount snapshot {digest(body)}\n".encode() + body


def test_a_manifest_of_a_newer_format_is_refused_by_its_version():
    with pytest.raises(DataLoss, match="format version 9; this program reads up to 1"):
        decode_manifest(sealed(b'{"format": 9, "what": "ever"}'), "MANIFEST")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 0},
        {"format": True},
        {"name": 5},
        {"more": 1},
        {"audiences": None},
        {"audiences": [{"name": "b"}]},
    ],
    ids=str,
)
def test_a_manifest_that_means_nothing_is_refused(change):
    plain = json.loads(encode_manifest(MANIFEST).split(b"\n", 1)[1])
    with pytest.raises(DataLoss):
        decode_manifest(sealed(json.dumps({**plain, **change}).encode()), "MANIFEST")


@pytest.mark.parametrize("name", ["../keys", "keys", "0001.a/b", "0001.", ""])
def test_a_manifest_can_name_no_file_outside_its_directory(name):
    plain = json.loads(encode_manifest(MANIFEST).split(b"\n", 1)[1])
    plain["audiences"][0]["files"][0]["file"] = name
    with pytest.raises(DataLoss, match="file's name"):
        decode_manifest(sealed(json.dumps(plain).encode()), "MANIFEST")


def test_a_manifest_names_no_audience_or_file_twice():
    plain = json.loads(encode_manifest(MANIFEST).split(b"\n", 1)[1])
    plain["audiences"] *= 2
    with pytest.raises(DataLoss, match="twice"):
        decode_manifest(sealed(json.dumps(plain).encode()), "MANIFEST")
