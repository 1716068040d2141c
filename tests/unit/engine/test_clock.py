"""The machine's clock as the engine sees it."""

import time

from headcount_server.engine.clock import system_clock


def test_the_clock_shows_microseconds_since_1970(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)
    assert system_clock()() == 1_700_000_000_123_456


def test_the_clock_never_falls(monkeypatch):
    now = system_clock()
    times = iter([2_000, 1_000, 3_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    assert [now(), now(), now()] == [2, 2, 3]
