"""What is asked of the engine at 10 million subscribers and 60 million events on two cores."""

from __future__ import annotations

from headcount_bench.inprocess.asking import Figures

COUNT_MS = 1.0
BLOCKS_MS = 5.0  # of the questions below, where no roll-up is there yet
PER_PERSON = ("s07", "s08", "s12")  # counts per person, sums, a breakdown: 5 ms, then 1 ms
BOUNDLESS = ("s13", "x1", "x2", "x3")  # none is set for these
MEMORY_BYTES = 3 << 30
START_S = 10
STALL_MS = 20  # p99 of reads beside anything heavy
SUBSCRIBERS_PER_S = 150_000
EVENTS_PER_S = 1_000_000


def budget_of(question: str) -> str:
    """The budget as tables show it; "" where there is none."""
    if question in BOUNDLESS:
        return ""
    return "5, then 1 ms" if question in PER_PERSON else "1 ms"


def is_met(figures: Figures) -> bool | None:
    """Whether the medians are within the budget; None where there is none."""
    name = figures.question.id
    if name in BOUNDLESS:
        return None
    met = figures.times("cold").median <= COUNT_MS
    if name in PER_PERSON:
        met = met and figures.times("no blocks").median <= BLOCKS_MS
    return met
