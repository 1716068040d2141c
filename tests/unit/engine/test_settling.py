"""What is done while nothing is written."""

import asyncio

from headcount_server.core.audience import Audience
from headcount_server.engine.settling import settle


class Steps:
    """Stands for an audience with some steps of work."""

    def __init__(self, count: int, at_step=lambda step: None) -> None:
        self.done = 0
        self._count = count
        self._at_step = at_step

    def settling(self):
        for step in range(self._count):
            self.done += 1
            self._at_step(step)
            yield


def test_all_steps_of_all_audiences_are_done_where_nothing_is_written():
    first, second = Steps(3), Steps(2)
    asyncio.run(settle([first, second], asyncio.Event()))
    assert (first.done, second.done) == (3, 2)


def test_a_write_is_waited_for_no_longer_than_the_step_that_was_begun():
    arrived = asyncio.Event()
    steps = Steps(10, lambda step: arrived.set() if step == 3 else None)
    asyncio.run(settle([steps], arrived))
    assert steps.done == 4


def test_nothing_is_begun_where_a_write_waits():
    async def run():
        arrived = asyncio.Event()
        arrived.set()
        await settle([steps], arrived)

    steps = Steps(1)
    asyncio.run(run())
    assert steps.done == 0


def test_others_run_between_two_steps():
    async def run():
        seen: list[int] = []
        steps = Steps(3)
        task = asyncio.create_task(settle([steps], asyncio.Event()))
        while not task.done():
            seen.append(steps.done)
            await asyncio.sleep(0)
        return seen

    assert {1, 2, 3} <= set(asyncio.run(run()))


def test_a_step_that_fails_ends_it_but_not_the_caller(caplog):
    def fail(step: int) -> None:
        raise RuntimeError("a bug")

    asyncio.run(settle([Steps(2, fail)], asyncio.Event()))
    assert "a bug" in caplog.text


def test_an_audience_has_the_steps_that_the_engine_takes():
    assert callable(Audience.settling)
