"""Calls are counted, and percentiles read from their buckets are close."""

import random

from headcount_server.rpc import call_stats
from headcount_server.rpc.call_stats import CallStats, MethodStats


def test_calls_and_errors_are_counted_by_method():
    stats = CallStats()
    count, watch = stats.of("QueryService.Count"), stats.of("QueryService.Watch")
    stats.of("QueryService.Diff")
    begin = count.begin()
    watch.begin()
    count.end(begin, False)
    count.end(count.begin(), True)
    assert stats.of("QueryService.Count") is count
    used = [(name, one.ended, one.errors, one.running) for name, one in stats.used()]
    assert used == [("QueryService.Count", 2, 1, 0), ("QueryService.Watch", 0, 0, 1)]
    assert sum(number for _, number in count.latencies()) == 2


def test_each_latency_lies_in_its_bucket_and_at_most_a_quarter_below_its_end(monkeypatch):
    chance = random.Random(3)
    lengths = [*range(300), *(int(10 ** chance.uniform(0, 9.8)) for _ in range(2_000))]
    for micros in lengths:
        stats = MethodStats()
        monkeypatch.setattr(call_stats, "perf_counter_ns", lambda now=micros: now * 1_000 + 999)
        stats.end(0, False)
        ((upper, number),) = stats.latencies()
        assert number == 1
        assert micros < upper <= max(micros + 1, micros * 1.25 + 1)


def test_what_takes_for_ever_is_in_the_last_bucket(monkeypatch):
    stats = MethodStats()
    monkeypatch.setattr(call_stats, "perf_counter_ns", lambda: 10**18)
    stats.end(0, False)
    assert len(list(stats.latencies())) == 1
