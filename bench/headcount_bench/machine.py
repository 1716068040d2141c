"""What a measurement was taken on, and of what."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil


def describe_machine() -> dict[str, str | int]:
    """Cores, processor, memory, Python, the versions that matter and the commit."""
    return {
        "cores": os.cpu_count() or 0,
        "machine": platform.machine(),
        "processor": _processor(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "headcount": version("headcount"),
        "commit": commit(),
        "pyroaring": version("pyroaring"),
        "grpcio": version("grpcio"),
    }


def stamp() -> dict[str, str | int | float]:
    """The machine, the time, and how busy the machine is: what every raw result begins with."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **describe_machine(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit of this package's source, with ``+`` where it was changed; "" outside of git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
