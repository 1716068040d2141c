"""Everything that an object refers to, however deep, and the raw bytes that lie there."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
from headcount_server.core.ragged import _Heap
from pyroaring import BitMap

_SKIPPED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)


def reachable(root: object) -> Iterator[tuple[str, object]]:
    """Every object that can be reached, with the way there; each once."""
    seen = {id(root)}
    waiting: list[tuple[str, Any]] = [(type(root).__name__, root)]
    while waiting:
        path, here = waiting.pop()
        yield path, here
        if isinstance(here, _Heap):  # what lies after ``used`` was never written
            following: list[Any] = [here.buffer[: here.used]]
        else:
            following = gc.get_referents(here)
        for one in following:
            if id(one) not in seen and not isinstance(one, _SKIPPED):
                seen.add(id(one))
                waiting.append((f"{path} > {type(one).__name__}", one))


def traces(root: object, texts: list[str], numbers: list[int], row: int | None = None) -> list[str]:
    """Where any of these can be reached: texts in strings and bytes, numbers, a row in bitmaps."""
    raw = [text.encode() for text in texts]
    raw += [number.to_bytes(8, "little", signed=True) for number in numbers]
    found: list[str] = []
    for path, here in reachable(root):
        if isinstance(here, str):
            hit = any(text.casefold() in here.casefold() for text in texts)
        elif isinstance(here, bytes | bytearray):
            hit = any(part in here for part in raw)
        elif isinstance(here, np.ndarray):
            hit = any(part in here.tobytes() for part in raw)
        elif isinstance(here, int) and not isinstance(here, bool):
            hit = here in numbers
        else:
            hit = row is not None and isinstance(here, BitMap) and row in here
        if hit:
            found.append(f"{path}: {str(here)[:80]}")
    return found
