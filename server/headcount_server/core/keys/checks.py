"""What a key may be: checks of a batch of keys, with the place and the remedy of each fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.schema import KeyType
from headcount_server.errors import InvalidBatch, Violation
from headcount_server.limits import DEFAULT_LIMITS, INT64_MAX, INT64_MIN, Limits

AnyKeys = Sequence[str] | Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Texts:
    """UTF-8 texts, one after another in ``joined``, with the bytes of each."""

    joined: NDArray[np.uint8]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    def each(self) -> list[bytes]:
        """One by one."""
        data = self.joined.tobytes()
        ends = list(accumulate(self.lengths.tolist(), initial=0))
        return [data[start:end] for start, end in pairwise(ends)]


def checked_texts(keys: Sequence[str], limits: Limits) -> Texts:
    """The UTF-8 text of each key.

    Raises:
        InvalidBatch: with a violation for each key that isn't a string of 1 to ``key_bytes_max``
            bytes (as many violations as ``batch_errors_max``).
    """
    texts = _encoded(keys, limits)
    if texts is not None:
        return texts
    raise _refusal(faults(KeyType.STRING, keys, limits), len(keys), limits)


def checked_numbers(key_type: KeyType, keys: AnyKeys, limits: Limits) -> NDArray[np.int64]:
    """The keys as numbers in the range of the key type.

    Raises:
        InvalidBatch: with a violation for each key that isn't one.
    """
    numbers = _numbers(keys)
    if numbers is not None:
        low, high = _range(key_type, limits)
        if not len(numbers) or (int(numbers.min()) >= low and int(numbers.max()) <= high):
            return numbers.astype(np.int64, copy=False)
    raise _refusal(faults(key_type, keys, limits), len(keys), limits)


def sought_texts(keys: Sequence[str]) -> Texts:
    """Bytes to look up by: a text that can't be a key gets bytes that no key has.

    Raises:
        InvalidBatch: for what isn't a string.
    """
    try:
        return joined_texts(keys, "surrogatepass")
    except TypeError:
        listed: list[Any] = list(keys)
        wrong = [
            (i, _text_fault(key, DEFAULT_LIMITS))
            for i, key in enumerate(listed)
            if not isinstance(key, str)
        ]
    raise _refusal(wrong, len(keys), DEFAULT_LIMITS)


def joined_texts(keys: Sequence[str], errors: str = "strict") -> Texts:
    """The UTF-8 text of each key; ``errors`` as of ``str.encode``.

    Raises:
        TypeError: not all are strings.
        UnicodeEncodeError: half a surrogate pair, if they are strict.
    """
    joined = "".join(keys)
    sizes = keys if joined.isascii() else [key.encode(errors=errors) for key in keys]
    lengths = np.fromiter(map(len, sizes), np.int64, len(keys))
    return Texts(np.frombuffer(joined.encode(errors=errors), np.uint8), lengths)


def sought_numbers(keys: AnyKeys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The keys as numbers, and which of them fit (the others stand as 0).

    Raises:
        InvalidBatch: for what isn't an integer.
    """
    numbers = _numbers(keys)
    if numbers is not None:
        fits = np.ones(len(numbers), np.bool_)
        if numbers.dtype == np.uint64:
            fits = numbers <= np.uint64(INT64_MAX)
        return np.where(fits, numbers, 0).astype(np.int64), fits
    listed: list[Any] = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
    if not all(type(key) is int for key in listed):
        wrong = [(i, _number_fault(KeyType.INT64, k, DEFAULT_LIMITS)) for i, k in enumerate(listed)]
        wrong = [(i, fault) for i, fault in wrong if type(listed[i]) is not int]
        raise _refusal(wrong, len(listed), DEFAULT_LIMITS)
    fits = np.array([INT64_MIN <= key <= INT64_MAX for key in listed], np.bool_)
    inside = [key if fit else 0 for key, fit in zip(listed, fits.tolist(), strict=True)]
    return np.array(inside, np.int64), fits


def faults(key_type: KeyType, keys: AnyKeys, limits: Limits) -> list[tuple[int, str]]:
    """``(index, what is wrong and what would be right)`` of each bad key, ascending."""
    if key_type is KeyType.STRING and _encoded(keys, limits) is not None:
        return []
    listed: list[Any] = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
    found: list[tuple[int, str]] = []
    for i, key in enumerate(listed):
        if key_type is KeyType.STRING:
            fault = _text_fault(key, limits)
        else:
            fault = _number_fault(key_type, key, limits)
        if fault:
            found.append((i, fault))
    return found


def _encoded(keys: AnyKeys, limits: Limits) -> Texts | None:
    """The UTF-8 text of each key, or None where some can't be used."""
    try:
        texts = joined_texts(keys)  # pyright: ignore[reportArgumentType]
    except (TypeError, UnicodeEncodeError):
        return None
    longest = int(texts.lengths.max(initial=0))
    if len(texts) and (not texts.lengths.min() or longest > limits.key_bytes_max):
        return None
    return texts


def _numbers(keys: AnyKeys) -> NDArray[np.integer] | None:
    """The keys as an integer array, or None where some isn't an integer of 64 bits."""
    if isinstance(keys, np.ndarray):
        return keys if keys.dtype.kind in "iu" and keys.ndim == 1 else None
    if not all(type(key) is int for key in keys):
        return None
    try:
        return np.array(keys, dtype=np.int64)
    except OverflowError:
        return None


def _range(key_type: KeyType, limits: Limits) -> tuple[int, int]:
    return (0, limits.uint32_key_max) if key_type is KeyType.UINT32 else (INT64_MIN, INT64_MAX)


def _text_fault(key: Any, limits: Limits) -> str:
    if not isinstance(key, str):
        return f"key {_shown(key)} is {_kind(key)}; this audience's keys are strings"
    if not key:
        return f"the key is empty; it must have 1 to {limits.key_bytes_max} bytes of UTF-8"
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        return f"key {_shown(key)} has half a surrogate pair at {error.start}, so it isn't text"
    if size > limits.key_bytes_max:
        return f"key {_shown(key)} has {size} bytes of UTF-8; at most {limits.key_bytes_max} may be"
    return ""


def _number_fault(key_type: KeyType, key: Any, limits: Limits) -> str:
    if type(key) is not int:
        return f"key {_shown(key)} is {_kind(key)}; this audience's keys are whole numbers"
    low, high = _range(key_type, limits)
    if low <= key <= high:
        return ""
    fault = f"key {_shown(key)} is not from {low} to {high}"
    if key_type is KeyType.UINT32 and INT64_MIN <= key <= INT64_MAX:
        return f"{fault}; an audience whose keys are int64 takes it"
    return fault


def _shown(key: Any) -> str:
    text = ascii(key)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(key: Any) -> str:
    names = {bool: "a boolean", float: "a floating-point number", bytes: "bytes", str: "a string"}
    names |= {int: "a number", type(None): "missing"}
    return names.get(type(key), f"of type {type(key).__name__}")


def _refusal(found: list[tuple[int, str]], count: int, limits: Limits) -> InvalidBatch:
    assert found, "a fault that is noticed in bulk is found one by one"
    violations = tuple(
        Violation(f"rows[{i}].key", fault, "INVALID_KEY", row=i)
        for i, fault in found[: limits.batch_errors_max]
    )
    index, first = found[0]
    message = f"{len(found)} of {count} keys can't be used; the first, rows[{index}]: {first}"
    return InvalidBatch(message, violations, bad_rows=str(len(found)))
