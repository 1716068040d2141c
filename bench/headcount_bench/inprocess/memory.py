"""Memory of an audience by index, as DescribeAudience tells it, and of the process."""

from __future__ import annotations

import ctypes
import gc
import resource

import psutil
from headcount_server.core.audience import Audience


def by_index(audience: Audience) -> dict[str, int]:
    """Bytes by part: keys, each attribute, each event type, and what is kept of answers."""
    found = {"keys": audience.keys.nbytes}
    for name, index in audience.attributes.items():
        found[name] = sum(index.nbytes().values())
    found["known_since"] = sum(audience.known_since.nbytes().values())
    for name, store in audience.events.items():
        found[f"events.{name}"] = sum(store.nbytes().values())
    found["changes"] = audience.changes.nbytes
    found["roll-ups"] = audience.buckets.nbytes
    found["results"] = audience.lookups.nbytes + audience.words.nbytes
    return found


def resident_bytes() -> int:
    """Memory of this process, after what is free was given back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return psutil.Process().memory_info().rss


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
