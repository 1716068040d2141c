"""The stable hash of a key, the same on every server and version, and that of the table of keys.

K(key) is the 8-byte BLAKE2b digest (RFC 7693) of the key's UTF-8 text, an integer's decimal text,
read as a little-endian number. Partitions and samples rest on it.

The table's hash is of this process alone: it is a tenth of the work, and starts from a number that
nobody outside knows, so that nobody can choose keys that share a place.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def stable_hash(text: str) -> int:
    """K(text), from 0 to 2**64 - 1."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def stable_hashes(texts: Iterable[bytes]) -> NDArray[np.uint64]:
    """K of each UTF-8 text; half a microsecond each."""
    digests = b"".join([blake2b(text, digest_size=8).digest() for text in texts])
    return np.frombuffer(digests, "<u8").astype(np.uint64, copy=False)


def decimal_texts(numbers: NDArray[np.integer]) -> list[bytes]:
    """The decimal text of each number."""
    return [b"%d" % number for number in numbers.tolist()]


def mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64, a bijection of 64 bits, into a new array."""
    z = z ^ (z >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


_MASK = 2**64 - 1
_SEED = hash("the table of keys") & _MASK  # strings' hashes are another in each process
_WORD = 8  # bytes that are mixed in at once


def text_hash(text: bytes) -> int:
    """The table's hash of a text, of 32 bits."""
    state = _mixed(len(text) ^ _SEED)
    for start in range(0, len(text), _WORD):
        state = _mixed(state ^ int.from_bytes(text[start : start + _WORD], "little"))
    return state >> 32


def text_hashes(joined: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    """``text_hash`` of each of many texts, which stand one after another in ``joined``.

    Takes memory of the longest text for each.
    """
    words = -(-int(lengths.max(initial=0)) // _WORD)
    padded = np.zeros((len(lengths), words * _WORD), np.uint8)
    shortest = int(lengths.min(initial=words * _WORD))
    if shortest * len(lengths) == len(joined):
        padded[:, :shortest] = joined.reshape(len(lengths), shortest)
    else:
        padded[np.arange(words * _WORD) < lengths[:, np.newaxis]] = joined
    columns: NDArray[np.uint64] = padded.view("<u8")
    state = mix(lengths.astype(np.uint64) ^ np.uint64(_SEED))
    for word in range(words):
        mixed = mix(state ^ columns[:, word])
        is_longer = lengths > word * _WORD
        state = mixed if shortest > word * _WORD else np.where(is_longer, mixed, state)
    return (state >> np.uint64(32)).astype(np.uint32)


def number_hashes(numbers: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The table's hash of numbers."""
    mixed = mix(numbers.view(np.uint64) ^ np.uint64(_SEED))
    return (mixed >> np.uint64(32)).astype(np.uint32)


def _mixed(z: int) -> int:
    """``mix`` of one number."""
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 & _MASK
    z ^= z >> 27
    z = z * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31
