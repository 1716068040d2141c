"""What a server does per second: two of its statuses compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from headcount_client.results.admin import (
    AudienceStatus,
    GetServerStatusResponse,
    LatencyBucket,
    MethodStatus,
)


@dataclass(frozen=True, slots=True)
class MethodRate:
    """What a method was asked between two statuses.

    Attributes:
        method: ``Service.Method``.
        calls_per_s: calls and streams that ended.
        errors_per_s: those that ended with an error.
        running: calls and streams that were running at the end.
        p50_ms, p99_ms: of those that ended; None where none did.
    """

    method: str
    calls_per_s: float
    errors_per_s: float
    running: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class AudienceRate:
    """An audience, and how fast it is written."""

    status: AudienceStatus
    writes_per_s: float


@dataclass(frozen=True, slots=True)
class Rates:
    """A server between two statuses.

    Attributes:
        seconds: between them.
        cpu: processor time over time, 1.0 for one whole core; None where it isn't known.
    """

    status: GetServerStatusResponse
    seconds: float
    cpu: float | None
    calls_per_s: float
    methods: tuple[MethodRate, ...]
    audiences: tuple[AudienceRate, ...]

    @property
    def watch_count(self) -> int:
        """Rules and segments that are watched."""
        return sum(one.status.watch_count for one in self.audiences)

    @property
    def stream_count(self) -> int:
        """Streams and calls that are running, that of the status itself apart."""
        return sum(
            one.running for one in self.methods if one.method != "AdminService.GetServerStatus"
        )


def rates(before: GetServerStatusResponse, after: GetServerStatusResponse) -> Rates:
    """What happened between two statuses of a server; of another process since its start."""
    if before.start_time != after.start_time:
        before = replace(
            after, audiences=(), methods=(), cpu_duration=None, current_time=after.start_time
        )
    seconds = _seconds(after.current_time, before.current_time)
    known = {one.method: one for one in before.methods}
    methods = tuple(_method(known.get(one.method), one, seconds) for one in after.methods)
    revisions = {one.audience: one.revision for one in before.audiences}
    audiences = tuple(
        AudienceRate(one, (one.revision - revisions.get(one.audience, one.revision)) / seconds)
        for one in after.audiences
    )
    cpu = None
    if after.cpu_duration is not None:
        spent = after.cpu_duration - (before.cpu_duration or timedelta())
        cpu = spent.total_seconds() / seconds
    calls = sum(one.calls_per_s for one in methods)
    return Rates(after, seconds, cpu, calls, methods, audiences)


def percentile_ms(latencies: tuple[LatencyBucket, ...], share: float) -> float | None:
    """The latency that a share of the calls doesn't exceed, in milliseconds; None of none."""
    wanted = share * sum(bucket.count for bucket in latencies)
    seen = 0
    for bucket in latencies:
        seen += bucket.count
        if seen >= wanted and seen and bucket.upper_duration is not None:
            return bucket.upper_duration / timedelta(milliseconds=1)
    return None


def _method(before: MethodStatus | None, after: MethodStatus, seconds: float) -> MethodRate:
    known = {} if before is None else {one.upper_duration: one.count for one in before.latencies}
    latencies = tuple(
        LatencyBucket(one.upper_duration, one.count - known.get(one.upper_duration, 0))
        for one in after.latencies
    )
    ended = after.ended_count - (before.ended_count if before else 0)
    errors = after.error_count - (before.error_count if before else 0)
    return MethodRate(
        after.method,
        ended / seconds,
        errors / seconds,
        after.running_count,
        percentile_ms(latencies, 0.5),
        percentile_ms(latencies, 0.99),
    )


def _seconds(later: object, earlier: object) -> float:
    assert later is not None
    assert earlier is not None
    return max((later - earlier).total_seconds(), 1e-6)  # pyright: ignore[reportOperatorIssue]
