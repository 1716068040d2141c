"""Leaving the loop to callers who had to wait."""

import asyncio

from headcount_server.engine.turns import leave_turn


async def called(spent_s: float, rounds: int) -> tuple[list[int], asyncio.Task[None]]:
    """Which calls were answered when a turn ended, and who calls; each comes after the last."""
    answered: list[int] = []

    async def caller() -> None:
        for number in range(rounds):
            await asyncio.sleep(0)
            answered.append(number)

    task = asyncio.create_task(caller())
    await leave_turn(spent_s)
    return list(answered), task


def test_calls_that_wait_are_answered_before_the_next_turn():
    async def run():
        answered, task = await called(60.0, 3)
        await task
        return answered

    assert asyncio.run(run()) == [0, 1, 2]


def test_who_asks_a_moment_after_the_loop_fell_idle_is_answered_first_too():
    async def run():
        answered: list[str] = []

        async def caller():
            await asyncio.sleep(0.0005)  # due before the pause that is begun later
            answered.append("late")

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        await leave_turn(60.0)
        done = list(answered)
        await task
        return done

    assert asyncio.run(run()) == ["late"]


def test_a_turn_ends_where_nobody_asks_however_long_it_took_before():
    async def run():
        async with asyncio.timeout(30):
            await leave_turn(3_600.0)

    asyncio.run(run())
