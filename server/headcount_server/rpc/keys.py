"""Keys on the wire: strings or integers, as the audience's key type says."""

from __future__ import annotations

from typing import Any

import numpy as np
from headcount.v1 import ingest_service_pb2

from headcount_server.core.commands import Keys
from headcount_server.core.schema import KeyType
from headcount_server.rpc.bad_rows import refuse


def key_of(message: ingest_service_pb2.Key, key_type: KeyType, place: str = "key") -> str | int:
    """One key.

    Raises:
        InvalidInput: it isn't set or of the wrong kind.
    """
    if fault := key_fault(message, key_type):
        refuse(place, fault, "INVALID_KEY")
    return message.text if key_type is KeyType.STRING else message.number


def key_fault(message: ingest_service_pb2.Key, key_type: KeyType) -> str:
    """What is wrong with the kind of a key, or ""."""
    kind = message.WhichOneof("kind")
    wanted = "text" if key_type is KeyType.STRING else "number"
    if kind == wanted:
        return ""
    what = "strings: set text" if key_type is KeyType.STRING else "integers: set number"
    given = "the key is missing" if kind is None else f"the key is a {kind}"
    return f"{given}; this audience's keys are {what}"


def keys_of(message: ingest_service_pb2.Keys, key_type: KeyType, place: str = "keys") -> Keys:
    """Many keys.

    Raises:
        InvalidInput: there is none, or they are of the wrong kind.
    """
    strings = key_type is KeyType.STRING
    if message.numbers if strings else message.texts:
        what = "strings: set texts" if strings else "integers: set numbers"
        refuse(place, f"this audience's keys are {what}", "INVALID_KEY")
    if strings:
        keys: Keys = message.texts[:]
    else:
        keys = np.array(message.numbers, np.int64)
    if not len(keys):
        refuse(place, "there are no keys; one or more are needed", "EMPTY")
    return keys


def as_keys(key: str | int) -> Keys:
    """One key as many."""
    return [key] if isinstance(key, str) else np.array([key], np.int64)


def set_key(message: ingest_service_pb2.Key, key: str | int) -> None:
    """Fill a key."""
    if isinstance(key, str):
        message.text = key
    else:
        message.number = key


def set_keys(message: ingest_service_pb2.Keys, keys: Any, key_type: KeyType) -> None:
    """Fill a list of keys: a list of strings or an integer array."""
    if key_type is KeyType.STRING:
        message.texts.extend(keys)
    else:
        message.numbers.extend(keys.tolist() if isinstance(keys, np.ndarray) else keys)
