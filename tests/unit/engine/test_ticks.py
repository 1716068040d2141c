"""Time passes for the histories of segments, and for events, by commands of the log."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from headcount_server.core.commands import CreateAudience, CreateSegment, UpsertSubscribers
from headcount_server.core.rules.parser import parse
from headcount_server.core.state import State
from headcount_server.engine.engine import Engine
from headcount_server.engine.ticks import tell_standing, tick

from tests.strategies.settings import HOUR, STRING_SCHEMA

NOON = 1_774_958_400_000_000  # in UTC
SCHEMA = replace(STRING_SCHEMA, time_zone="UTC")


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


async def served(clock: Hands) -> Engine:
    """An engine with one person, who is about to leave a segment at midnight."""
    engine = Engine(State(), None, clock)
    await engine.start()
    await engine.write(CreateAudience("a", SCHEMA, NOON))
    await engine.write(UpsertSubscribers("a", ["ann"], (), NOON))
    rule = parse("known_since in last 0 days")
    await engine.write(CreateSegment("a", "new", rule, 30, NOON))
    return engine


def size(engine: Engine) -> int:
    return len(engine.audience("a").histories["new"].maintained.members)


def test_a_command_is_written_when_somebody_is_due_and_none_before() -> None:
    async def story() -> None:
        clock = Hands()
        engine = await served(clock)
        clock.now = NOON + 12 * HOUR - 1
        assert await tick(engine) == 0
        assert (size(engine), engine.audience("a").revision) == (1, 3)
        clock.now += 1
        assert await tick(engine) == 1
        assert (size(engine), engine.audience("a").revision) == (0, 4)
        assert await tick(engine) == 0
        await engine.close()

    asyncio.run(story())


def test_a_running_engine_ticks_by_itself() -> None:
    async def story() -> None:
        clock = Hands()
        engine = await served(clock)
        clock.now = NOON + 20 * HOUR
        await engine.reached("a", 4, deadline_s=10)
        assert size(engine) == 0
        left = engine.audience("a").histories["new"].next_after(NOON)
        assert left == NOON + 12 * HOUR
        await engine.close()

    asyncio.run(story())


def test_events_are_folded_at_the_start_and_after_each_midnight_of_the_zone() -> None:
    async def story() -> None:
        clock = Hands()
        engine = Engine(State(), None, clock)
        await engine.start()
        events = tuple(
            replace(event, retention_days=7 * (event.name == "open")) for event in SCHEMA.events
        )
        schema = replace(SCHEMA, events=events, time_zone="Asia/Kathmandu")  # 5 h 45 min ahead
        await engine.write(CreateAudience("a", schema, NOON))
        await engine.reached("a", 2, deadline_s=10)
        today = NOON // (24 * HOUR)
        assert engine.audience("a").kept_from == {"open": today - 7}
        assert await tick(engine) == 0
        clock.now = NOON + 6 * HOUR + HOUR // 4 - 1
        assert await tick(engine) == 0
        clock.now += 1
        await engine.reached("a", 3, deadline_s=10)
        assert engine.audience("a").kept_from == {"open": today - 6}
        await engine.close()

    asyncio.run(story())


def test_a_history_that_stands_still_is_told_once_and_so_is_that_it_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        engine = await served(Hands())
        audiences = engine.audiences()
        maintained = engine.audience("a").histories["new"].maintained
        with caplog.at_level(logging.WARNING, "headcount_server.engine.ticks"):
            standing = tell_standing(audiences, set())
            assert not standing
            bound, maintained.bound = maintained.bound, None
            for _ in range(2):
                standing = tell_standing(audiences, standing)
            assert standing == {("a", "new")}
            maintained.bound = bound
            assert not tell_standing(audiences, standing)
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 2
        assert "stands still" in told[0]
        assert told[1] == 'the history of segment "new" of audience "a" goes on'
        await engine.close()

    asyncio.run(story())
