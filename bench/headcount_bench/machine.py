"""What a measurement was taken on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def describe_machine() -> dict[str, str | int]:
    """Cores, processor, Python and the versions that matter."""
    return {
        "cores": os.cpu_count() or 0,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "headcount": version("headcount"),
        "pyroaring": version("pyroaring"),
        "grpcio": version("grpcio"),
    }
