"""Raw results: JSON lines, each with the machine, the commit and the time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headcount_bench.faults import FAILED, BenchFault

Line = Mapping[str, Any]


def append(path: Path, lines: Sequence[Line]) -> None:
    """Adds lines to a file, which is made if need be.

    Raises:
        BenchFault: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    except OSError as error:
        raise BenchFault(f"{path}: it can't be written: {error.strerror}", FAILED) from None
