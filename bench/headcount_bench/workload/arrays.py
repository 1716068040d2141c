"""Arrow arrays from numpy arrays, without a Python object a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headcount_bench.workload.dataset import KEY_DIGITS

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = Any  # of Arrow, which has no types


def keys(indexes: Integers) -> Array:
    """Keys of subscribers, by index from 0."""
    count, width = len(indexes), KEY_DIGITS + 1
    letters = np.empty((count, width), np.uint8)
    letters[:, 0] = ord("s")
    rest = (indexes + 1).astype(np.uint32)
    for place in range(KEY_DIGITS, 0, -1):
        letters[:, place] = rest % 10 + ord("0")
        rest //= 10
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def coded(codes: Integers, dictionary: Sequence[str]) -> Array:
    """Strings by code; codes outside the dictionary are missing values."""
    outside = (codes < 0) | (codes >= len(dictionary))
    indexes = pa.array(codes.astype(np.int32), pa.int32(), mask=outside)
    return pa.DictionaryArray.from_arrays(indexes, pa.array(dictionary, pa.string()))


def decimals(unscaled: Integers, present: Mask | None = None) -> Array:
    """Decimals of two places, from values times 100."""
    words = np.empty((len(unscaled), 2), np.int64)
    words[:, 0] = unscaled
    words[:, 1] = unscaled >> 63
    valid = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))
    kind = pa.decimal128(12, 2)
    return pa.Array.from_buffers(kind, len(unscaled), [valid, pa.py_buffer(words)])


def lists(codes: NDArray[np.int64], chosen: Mask, dictionary: Sequence[str]) -> Array:
    """Lists of strings: of each row those of its codes that are chosen; none is a missing value."""
    sizes = chosen.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = pa.array(dictionary, pa.string()).take(pa.array(codes[chosen]))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), values, mask=pa.array(sizes == 0)
    )
