"""Plain data survive their bytes, and nothing but plain data is read."""

import msgpack
import numpy as np
import pytest
from headcount_server.codec import values
from headcount_server.errors import DataLoss
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyroaring import BitMap

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
arrays = st.sampled_from(values.DTYPES).flatmap(
    lambda name: hnp.arrays(
        name, st.integers(0, 9), elements={"allow_nan": False} if "f" in name else None
    )
)
bitmaps = st.sets(st.integers(0, 2**32 - 1), max_size=9).map(BitMap)
plain = st.recursive(
    scalars | arrays | bitmaps,
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=4), below, max_size=4)
    ),
    max_leaves=12,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or a != a)  # a float that is no number


@given(plain)
def test_plain_data_come_back_and_give_the_same_bytes_again(value):
    data = values.encode(value)
    assert same(value, values.decode(data))
    assert values.encode(values.decode(data)) == data


def test_arrays_that_are_read_are_aligned_and_don_t_follow_the_bytes_they_were_read_from():
    data = bytearray(b"\0" * 3 + values.encode([np.arange(3), np.ones(1, "|b1"), np.arange(2.0)]))
    for array in (arrays := values.decode(memoryview(data)[3:])):
        assert array.flags.aligned
    data[:] = b"\0" * len(data)
    assert [array.tolist() for array in arrays] == [[0, 1, 2], [True], [0.0, 1.0]]


def test_big_endian_and_strided_arrays_are_written_like_any_other():
    expected = values.encode(np.array([1, 3], "<i4"))
    assert values.encode(np.array([1, 3], ">i4")) == expected
    assert values.encode(np.array([1, 2, 3], "<i4")[::2]) == expected


def test_a_bitmap_gives_the_same_bytes_however_it_was_made():
    runs = BitMap(range(5000))
    runs.run_optimize()
    assert values.encode(runs) == values.encode(BitMap(np.arange(5000, dtype=np.uint32)))


def test_an_array_past_the_limit_of_an_extension_is_written_in_chunks(monkeypatch):
    monkeypatch.setattr(values, "_CHUNK_BYTES", 16)
    value = {"long": np.arange(101), "list": [np.arange(2), 5]}
    assert same(value, values.decode(values.encode(value)))


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1, 2},
        np.int64(5),
        2**64,
        -(2**63) - 1,
        np.zeros((2, 2)),
        np.zeros(1, "c16"),
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_data_is_not_written(value):
    with pytest.raises(TypeError):
        values.encode({"value": value})


def array_bytes(dtype: bytes, count: int, data: bytes, zero: int = 0) -> bytes:
    header = dtype + b"\0" + zero.to_bytes(4, "little") + count.to_bytes(8, "little")
    return msgpack.packb(msgpack.ExtType(1, header + data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x01",
        b"\xa2\xff\xff",
        b"\x91" * 3000 + b"\x01",
        msgpack.packb({1: 2}),
        b"\x82\xa1a\x01\xa1a\x02",
        msgpack.packb(msgpack.Timestamp(1)),
        msgpack.packb([msgpack.Timestamp(1)]),
        msgpack.packb({"a": msgpack.Timestamp(1)}),
        msgpack.packb(msgpack.ExtType(9, b"")),
        msgpack.packb(msgpack.ExtType(3, b"")),
        msgpack.packb(msgpack.ExtType(3, b"x")),
        msgpack.packb([msgpack.ExtType(3, b""), 5]),
        msgpack.packb([msgpack.ExtType(3, b"")]),
        msgpack.packb(msgpack.ExtType(2, b"not a bitmap")),
        msgpack.packb(msgpack.ExtType(1, b"short")),
        array_bytes(b"<c8", 1, bytes(8)),
        array_bytes(b"<i8", 2, bytes(8)),
        array_bytes(b"<i8", 2**61, bytes(8)),
        array_bytes(b"<i8", 1, bytes(8), zero=1),
        array_bytes(b"|b1", 1, b"\2"),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_encode_never_gives_is_refused(data):
    with pytest.raises(DataLoss):
        values.decode(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_plain_data_or_refused(data):
    try:
        value = values.decode(data)
    except DataLoss:
        return
    assert same(value, values.decode(values.encode(value)))


def test_pieces_joined_are_the_bytes_of_the_whole():
    value = {
        "codes": np.arange(400_000),
        "texts": [f"value {i}" for i in range(3_000)],
        "pages": [{"block": i, "values": np.arange(70_000), "rows": BitMap([i])} for i in range(5)],
        "mixed": [1, "a", None, [2.5, b"x"]],
        "nested": [[1, 2], [], ["a"]],
        "empty": {},
    }
    pieces = list(values.encode_in_pieces(value))
    assert len(pieces) > 3
    assert b"".join(pieces) == values.encode(value)
