"""How far forecasts are from measurements of generated data sets."""

from __future__ import annotations

from dataclasses import dataclass

from headcount_bench.growth.points import Point
from headcount_bench.planning.coefficients import Coefficients, sample_of
from headcount_bench.planning.model import Demand, forecast, workload_schema
from headcount_bench.workload.events import SHARES
from headcount_bench.workload.vocabulary import EVENTS

BOUND = 0.20


@dataclass(frozen=True, slots=True)
class Deviation:
    """One quantity at one size; ``relative`` is forecast against measured, 0.1 a tenth too much."""

    subscribers: int
    quantity: str
    expected: float
    measured: float

    @property
    def relative(self) -> float:
        """How far off the forecast is."""
        return self.expected / self.measured - 1

    @property
    def is_within(self) -> bool:
        """Whether that is little enough."""
        return abs(self.relative) <= BOUND


def generated_counts(events: int) -> dict[str, int]:
    """Event type to number of events, of a generated data set."""
    return {name: round(events * share) for name, share in zip(EVENTS, SHARES, strict=True)}


def deviations(point: Point, known: Coefficients) -> list[Deviation]:
    """Forecasts for a measured data set against what was measured.

    Raises:
        BenchFault: the point lacks something.
    """
    counts = generated_counts(point.events)
    sample = sample_of(point, counts)
    expected = forecast(Demand(workload_schema(), point.subscribers, counts, 365), known)
    pairs = {
        "memory": (expected.resident_bytes, sample.resident_bytes),
        "snapshot": (expected.snapshot_bytes, sum(sample.disk.values())),
        "start-up": (expected.start_s, sample.start_s),
        "subscribers a second": (expected.subscribers_per_s, 1 / sample.subscriber_s),
        "events a second": (expected.events_per_s, 1 / sample.event_s),
        "a count": (expected.count_ms, sample.count_ms),
    }
    return [Deviation(point.subscribers, name, *pair) for name, pair in pairs.items()]
