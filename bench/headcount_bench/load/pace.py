"""When calls are due, and how long they took from then on.

In an open loop the next call doesn't wait for the answer to the last one. A call that is sent late,
since all workers were still waiting for answers, is timed from when it was due: leaving that wait
out is *coordinated omission* (Gil Tene), which makes a server that stalls look fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

LONGEST_US = 60_000_000
_DIGITS = 3
TIMER_S = 0.002  # a timer of the event loop wakes that late, which is not the server's doing


def histogram() -> Any:
    """An empty histogram of microseconds up to a minute, to three digits."""
    return HdrHistogram(1, LONGEST_US, _DIGITS)


@dataclass(slots=True)
class Pace:
    """Calls that are due every ``1 / rate`` seconds, for ``duration_s`` seconds.

    Args:
        rate: calls a second.
        duration_s: how long calls are due.
        begin_s: when the first one is due, by any clock.
    """

    rate: float
    duration_s: float
    begin_s: float
    _next: int = field(default=0, init=False)

    @property
    def count(self) -> int:
        """How many calls are due in all."""
        return max(1, round(self.rate * self.duration_s))

    def stop(self) -> None:
        """No more calls are due."""
        self._next = self.count

    def take(self) -> float | None:
        """When the next call is due; None after the last one. Each is given once."""
        if self._next >= self.count:
            return None
        due = self.begin_s + self._next / self.rate
        self._next += 1
        return due


def since(due_s: float, woke_s: float, slept: bool) -> float:
    """From when a call is timed.

    Args:
        due_s: when it was due.
        woke_s: when its worker came to send it.
        slept: whether the worker was free when it was due, and slept until then.
    """
    return woke_s if slept and woke_s - due_s <= TIMER_S else due_s


@dataclass(slots=True)
class Recorded:
    """What was measured of calls of one kind.

    Attributes:
        latency: microseconds from when a call was due to its answer.
        late: calls that were due while every worker was waiting.
        errors: reason of an error to how many calls had it.
    """

    latency: Any = field(default_factory=histogram)
    late: int = 0
    errors: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, due_s: float, woke_s: float, slept: bool, end_s: float) -> None:
        """Notes an answer."""
        begin = since(due_s, woke_s, slept)
        self.late += begin == due_s and not slept
        self.latency.record_value(min(LONGEST_US, max(1, round((end_s - begin) * 1e6))))

    def fail(self, reason: str) -> None:
        """Notes an error."""
        self.errors[reason] = self.errors.get(reason, 0) + 1

    @property
    def count(self) -> int:
        """How many calls were answered."""
        return int(self.latency.get_total_count())

    def ms(self, percent: float) -> float:
        """The latency that ``percent`` of the calls stay within, in milliseconds."""
        return self.latency.get_value_at_percentile(percent) / 1_000

    @property
    def max_ms(self) -> float:
        """The longest latency, in milliseconds."""
        return self.latency.get_max_value() / 1_000
