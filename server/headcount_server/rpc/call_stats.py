"""How many calls each method had and how long they took, at a cost of a microsecond a call.

Latencies are counted in buckets of four to the octave, so that a percentile read from them is at
most a fifth too high. Nothing is ever reset: whoever wants rates compares two readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter_ns

_BUCKETS = 132  # the last one ends after two and a half hours


class MethodStats:
    """The calls of one method.

    Attributes:
        ended: calls that have ended.
        errors: those of them that ended with an error; one that the client gave up is none.
        running: calls that have not.
    """

    __slots__ = ("_buckets", "ended", "errors", "running")

    def __init__(self) -> None:
        self.ended = self.errors = self.running = 0
        self._buckets = [0] * _BUCKETS

    def begin(self) -> int:
        """A call begins; what ``end`` is to be given."""
        self.running += 1
        return perf_counter_ns()

    def end(self, begin: int, failed: bool) -> None:
        """A call ends. O(1)."""
        micros = (perf_counter_ns() - begin) // 1_000
        octave = micros.bit_length() - 3
        place = micros if octave <= 0 else 4 * octave + (micros >> octave)
        self._buckets[place if place < _BUCKETS else _BUCKETS - 1] += 1
        self.running -= 1
        self.ended += 1
        self.errors += failed

    def latencies(self) -> Iterator[tuple[int, int]]:
        """(upper bound in microseconds, calls) of the buckets that have any, ascending."""
        for place, count in enumerate(self._buckets):
            if count:
                octave = max(place // 4 - 1, 0)
                yield (place - 4 * octave + 1) << octave, count


class CallStats:
    """The calls of a server by ``Service.Method``."""

    def __init__(self) -> None:
        self._methods: dict[str, MethodStats] = {}

    def of(self, method: str) -> MethodStats:
        """The calls of one method."""
        return self._methods.setdefault(method, MethodStats())

    def used(self) -> Iterator[tuple[str, MethodStats]]:
        """The methods that were asked anything, ascending by name."""
        for name, stats in sorted(self._methods.items()):
            if stats.ended or stats.running:
                yield name, stats
