"""How far forecasts are from measurements of generated data sets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headcount_bench.growth.points import Point
from headcount_bench.planning.coefficients import SIZES_MIN, Coefficients, sample_of
from headcount_bench.planning.model import Demand, Forecast, forecast, workload_schema
from headcount_bench.workload.events import SHARES
from headcount_bench.workload.vocabulary import EVENTS

BOUND = 0.20


@dataclass(frozen=True, slots=True)
class Deviation:
    """One quantity at one size; ``relative`` is forecast against measured, 0.1 a tenth too much.

    Attributes:
        unaided: what is forecast from the coefficients of all other sizes; None where this size is
            none of those that coefficients come from, or the others are too few.
    """

    subscribers: int
    quantity: str
    expected: float
    measured: float
    unaided: float | None = None

    @property
    def relative(self) -> float:
        """How far off the forecast is."""
        return self.expected / self.measured - 1

    @property
    def relative_unaided(self) -> float | None:
        """The same of the forecast from all other sizes."""
        return None if self.unaided is None else self.unaided / self.measured - 1

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
    demand = Demand(workload_schema(), point.subscribers, counts, 365)
    measured = {
        "memory": sample.resident_bytes,
        "snapshot": sum(sample.disk.values()),
        "start-up": sample.start_s,
        "subscribers a second": 1 / sample.subscriber_s,
        "events a second": 1 / sample.event_s,
        "a count": sample.count_ms,
    }
    expected = _quantities(forecast(demand, known))
    others = [one for one in known.samples if one.subscribers != point.subscribers]
    unaided: dict[str, float] = {}
    if SIZES_MIN <= len(others) < len(known.samples):
        unaided = _quantities(forecast(demand, replace(known, samples=others)))
    return [
        Deviation(point.subscribers, name, expected[name], value, unaided.get(name))
        for name, value in measured.items()
    ]


def _quantities(found: Forecast) -> dict[str, float]:
    return {
        "memory": found.resident_bytes,
        "snapshot": found.snapshot_bytes,
        "start-up": found.start_s,
        "subscribers a second": found.subscribers_per_s,
        "events a second": found.events_per_s,
        "a count": found.count_ms,
    }
