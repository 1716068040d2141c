"""Room for what a measurement needs, looked at before it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from headcount_bench.faults import FAILED, BenchFault


def require_disk(place: Path, needed_bytes: int, what: str) -> None:
    """Raises BenchFault, saying how much is missing, where a directory's disk has too little free.

    Args:
        place: the directory, which need not exist yet.
        needed_bytes: what will be written there.
        what: is to be written, for the message.
    """
    existing = place.absolute()
    while not existing.exists():
        existing = existing.parent
    _require(shutil.disk_usage(existing).free, needed_bytes, what, f"disk at {existing}")


def require_memory(needed_bytes: int, what: str) -> None:
    """Raises BenchFault, saying how much is missing, where too little memory is available."""
    _require(psutil.virtual_memory().available, needed_bytes, what, "memory")


def in_units(count: float) -> str:
    """Bytes as people read them."""
    if count < 2**30:
        return f"{count / 2**20:,.0f} MiB"
    return f"{count / 2**30:,.1f} GiB"


def _require(free: int, needed: int, what: str, of: str) -> None:
    if free < needed:
        raise BenchFault(
            f"{what} needs about {in_units(needed)} of {of}, and {in_units(free)} are free:"
            f" {in_units(needed - free)} are missing",
            FAILED,
        )
