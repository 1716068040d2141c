"""The clock: microseconds since 1970-01-01T00:00Z, never falling.

Everything below the application gets a ``Clock`` as an argument; only ``system_clock`` reads the
machine's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> Clock:
    """The machine's clock; where that is set back, the time stands until it has caught up."""
    last = 0

    def now() -> int:
        nonlocal last
        last = max(last, time.time_ns() // 1_000)
        return last

    return now
