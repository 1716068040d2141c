"""Sizes as people write them: 100k, 1m, 2.5m."""

from __future__ import annotations

import re

from headcount_bench.faults import BenchFault

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}
_SIZE = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?)([km]?)")


def read_size(text: str) -> int:
    """A number of subscribers; BenchFault where it is none."""
    found = _SIZE.fullmatch(text.strip().lower())
    size = round(float(found[1].replace("_", "")) * _UNITS[found[2]]) if found else 0
    if size < 1:
        raise BenchFault(f'"{text}" is no size such as 100k, 1m or 10m')
    return size


def read_sizes(text: str) -> list[int]:
    """Sizes with commas between them, ascending, each once."""
    return sorted({read_size(part) for part in text.split(",")})


def name_size(size: int) -> str:
    """The shortest way to write it."""
    for unit, one in (("m", 1_000_000), ("k", 1_000)):
        if size >= one and size * 10 % one == 0:
            return f"{size / one:g}{unit}"
    return str(size)
