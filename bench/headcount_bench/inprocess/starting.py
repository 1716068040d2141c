"""A start from a snapshot, and what a server does after one while it is idle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from headcount_server.core.audience import Audience
from headcount_server.core.state import State

from headcount_bench.inprocess.keeping import newest
from headcount_bench.workload.dataset import AUDIENCE, Dataset


@dataclass(frozen=True, slots=True)
class Start:
    """How long it took.

    Attributes:
        seconds: from files to an audience that answers, by the clock.
        cpu_seconds: the same, of the processor.
        settling_seconds: building what questions need, as an idle server does, by the clock.
        settling_cpu_seconds: the same, of the processor.
        longest_step_ms: of building, in which a question would wait.
    """

    seconds: float
    cpu_seconds: float
    settling_seconds: float
    settling_cpu_seconds: float
    longest_step_ms: float


def start(data: Dataset, kept: Path) -> tuple[State, Start] | None:
    """The audience from its snapshot, with its indexes built; None where there is no snapshot."""
    begin, cpu = time.perf_counter(), time.process_time()
    state = newest(data, kept)
    if state is None:
        return None
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    begin, cpu = time.perf_counter(), time.process_time()
    longest = _settle(state.audience(AUDIENCE))
    return state, Start(
        seconds, cpu_seconds, time.perf_counter() - begin, time.process_time() - cpu, longest
    )


def _settle(audience: Audience) -> float:
    longest, before = 0.0, time.perf_counter()
    for _ in audience.settling():
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    return longest * 1e3
