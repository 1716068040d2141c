"""The stable hash of a key, the same on every server and version, and its mixing function.

K(key) is the 8-byte BLAKE2b digest (RFC 7693) of the key's UTF-8 text, an integer's decimal text,
read as a little-endian number. Partitions, samples and the table of keys rest on it.
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
