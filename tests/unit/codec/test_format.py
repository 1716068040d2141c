"""FORMAT.md says what is written: its layout is read here without the codec."""

import struct
import zlib
from hashlib import blake2b

import msgpack
import numpy as np
from headcount_server.codec import envelope, values
from headcount_server.codec.manifest import digest
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.plain import RULE
from pyroaring import BitMap


def test_a_file_of_values_is_laid_out_as_specified():
    payload = bytes(range(256)) * 5000
    data = b"".join(envelope.wrap([payload]))
    magic, version, zero, block, length, last = struct.unpack_from("<8sHHIQI", data)
    assert (magic, version, zero, block, length, last) == (
        b"HCVALUE\n", 1, 0, 1_048_576, len(payload), 0,
    )  # fmt: skip
    assert struct.unpack_from("<I", data, 28) == (zlib.crc32(data[:28]),)
    assert data[32 : 32 + length] == payload
    sums = struct.unpack_from("<II", data, 32 + length)
    assert sums == (zlib.crc32(payload[:block]), zlib.crc32(payload[block:]))
    assert struct.unpack_from("<I", data, 40 + length) == (zlib.crc32(data[-12:-4]),)
    assert len(data) == 44 + length


def test_values_are_msgpack_with_the_specified_extensions():
    data = values.encode({"a": np.array([1, 2], np.uint16), "b": BitMap([7])})
    found = msgpack.unpackb(data)
    assert found["a"] == msgpack.ExtType(1, b"<u2\0" + bytes(4) + struct.pack("<QHH", 2, 1, 2))
    assert found["b"].code == 2
    assert BitMap.deserialize(found["b"].data) == BitMap([7])


def test_a_digest_is_blake2b_of_16_bytes():
    assert digest(b"ab", b"c") == blake2b(b"abc", digest_size=16).hexdigest()


def test_the_example_of_a_rule_is_what_is_written():
    assert RULE.encode(parse('country = "DE"')) == {
        "kind": "Attribute",
        "name": "country",
        "test": {
            "kind": "Compare",
            "operator": "EQUAL",
            "value": {"kind": "Text", "text": "DE"},
        },
    }
