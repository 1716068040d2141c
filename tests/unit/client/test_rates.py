"""What ``headcount top`` makes of two statuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headcount_client.cli.rates import rates
from headcount_client.results.admin import (
    AudienceStatus,
    GetServerStatusResponse,
    LatencyBucket,
    MethodStatus,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def status(seconds: int, calls: int, revision: int) -> GetServerStatusResponse:
    """A server that has run for so long."""
    took = (LatencyBucket(timedelta(milliseconds=2), calls),)
    return GetServerStatusResponse(
        version="1", state="serving",
        audiences=(AudienceStatus("shop", 10, revision, 0, 0, 3),), resident_bytes=1,
        start_time=START, current_time=START + timedelta(seconds=seconds),
        methods=(MethodStatus("QueryService.Count", calls, 0, 1, took),),
        cpu_duration=timedelta(seconds=seconds / 2), watch_bytes=0, read_only_reason="",
        snapshot_progress=None,
    )  # fmt: skip


def test_rates_are_the_difference_over_the_time():
    found = rates(status(10, 100, 5), status(12, 300, 9))
    assert (found.seconds, found.calls_per_s, found.cpu) == (2, 100, 0.5)
    assert (found.audiences[0].writes_per_s, found.watch_count, found.stream_count) == (2, 3, 1)


def test_a_server_that_was_started_again_is_taken_since_its_start():
    before = replace(status(500, 9_000, 70), start_time=START - timedelta(days=1))
    found = rates(before, status(4, 8, 71))
    assert (found.seconds, found.calls_per_s, found.cpu) == (4, 2, 0.5)
    assert found.audiences[0].writes_per_s == 0
