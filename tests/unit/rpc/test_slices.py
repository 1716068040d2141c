"""Long answers leave others their turn, and reflect one revision nevertheless."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from headcount_server.core.commands import CreateAudience, DeleteAudience, UpsertSubscribers
from headcount_server.core.query import Ask
from headcount_server.core.schema import KeyType, Schema
from headcount_server.core.state import State
from headcount_server.core.steps import SETTLED, Apart, apart
from headcount_server.errors import NotFound
from headcount_server.rpc import slices
from headcount_server.rpc.calls import Threads
from headcount_server.rpc.slices import Slices


class Serving:
    """State, and who holds writes up."""

    def __init__(self):
        self.state, self.turn = State(), asyncio.Lock()
        self.state.apply(CreateAudience("a", Schema(KeyType.STRING), 0))
        self.write("ann")

    def audience(self, name):
        return self.state.audience(name)

    def write(self, key):
        self.state.apply(UpsertSubscribers("a", [key], (), 0))

    @asynccontextmanager
    async def still(self):
        async with self.turn:
            yield


def sizes(ask, steps):
    """The audience's size at each step."""
    found = []
    for _ in range(steps):
        found.append(ask.audience.subscriber_count)
        yield
    return found


@pytest.fixture(autouse=True)
def _slices_of_one_step(monkeypatch):
    monkeypatch.setattr(slices, "SLICE_S", 0.0)


@pytest.fixture
def threads():
    made = Threads()
    yield made
    made.close()


def answered(serving, beside, steps=20):
    return answering(serving, beside, lambda ask: sizes(ask, steps))


def answering(serving, beside, start):
    threads = Threads()

    async def run():
        ask = Ask(serving.audience("a"), 0)
        answer = asyncio.create_task(Slices(serving, threads).answer(ask, start))
        await beside(answer)
        return await answer

    try:
        return asyncio.run(run())
    finally:
        threads.close()


def test_everybody_else_has_a_turn_between_two_slices():
    turns = []

    async def beside(answer):
        while not answer.done():
            turns.append(answer.done())
            await asyncio.sleep(0)

    found, ask = answered(Serving(), beside)
    assert found == [1] * 20
    assert ask.audience.revision == 2
    assert len(turns) >= 20


def test_an_answer_that_a_write_comes_between_is_that_of_the_later_revision_throughout():
    serving = Serving()

    async def beside(answer):
        for _ in range(9):
            await asyncio.sleep(0)
        assert not answer.done()
        serving.write("bob")
        await asyncio.sleep(0)
        for _ in range(6):
            await asyncio.sleep(0)
        assert serving.turn.locked()

    found, ask = answered(serving, beside)
    assert found == [2] * 20
    assert ask.audience.revision == 3


def test_writes_that_are_under_way_are_waited_for():
    serving = Serving()

    async def beside(answer):
        await serving.turn.acquire()
        await asyncio.sleep(0)
        serving.write("bob")
        for _ in range(50):
            await asyncio.sleep(0)
        assert not answer.done()
        serving.write("cem")
        serving.turn.release()

    found, _ = answered(serving, beside)
    assert found == [3] * 20


def test_an_answer_in_one_slice_waits_for_nobody(monkeypatch):
    monkeypatch.setattr(slices, "SLICE_S", 60.0)
    serving = Serving()

    async def beside(answer):
        await serving.turn.acquire()
        await asyncio.sleep(0)
        assert answer.done()

    assert answered(serving, beside)[0] == [1] * 20


@pytest.mark.parametrize("again", [True, False])
def test_an_audience_that_is_deleted_meanwhile_is_not_found(again):
    serving = Serving()

    async def beside(answer):
        await asyncio.sleep(0)
        serving.state.apply(DeleteAudience("a", 1))
        if again:
            serving.state.apply(CreateAudience("a", Schema(KeyType.INT64), 2))

    with pytest.raises(NotFound):
        answered(serving, beside)


def test_an_error_of_a_step_is_the_answer(threads):
    serving = Serving()

    def steps(ask):
        yield
        raise NotFound("nothing")

    async def run():
        await Slices(serving, threads).answer(Ask(serving.audience("a"), 0), steps)

    with pytest.raises(NotFound, match="nothing"):
        asyncio.run(run())


def test_work_apart_is_done_in_another_thread_while_others_have_their_turn():
    may_end, turns = threading.Event(), []

    def work():
        assert may_end.wait(20)
        return threading.current_thread()

    async def beside(answer):
        for _ in range(100):
            await asyncio.sleep(0)
            turns.append(answer.done())
        may_end.set()

    found, _ = answering(Serving(), beside, lambda ask: apart(work, 1e9))
    assert found is not threading.main_thread()
    assert turns == [False] * 100


async def nothing(answer):
    """Nothing else goes on."""


def test_little_work_is_done_at_once():
    found, _ = answering(Serving(), nothing, lambda ask: apart(threading.current_thread, 10))
    assert found is threading.main_thread()


def test_an_error_of_work_apart_is_the_answer():
    def work():
        raise NotFound("nothing there")

    with pytest.raises(NotFound, match="nothing there"):
        answering(Serving(), nothing, lambda ask: apart(work, 1e9))


def test_an_answer_begins_again_where_a_write_comes_while_work_is_done_apart():
    serving, may_end = Serving(), threading.Event()

    def start(ask):
        size = ask.audience.subscriber_count
        yield from apart(lambda: may_end.wait(20), 1e9)
        return size, ask.audience.subscriber_count

    async def beside(answer):
        await asyncio.sleep(0)
        serving.write("bob")
        may_end.set()

    found, ask = answering(serving, beside, start)
    assert found == (2, 2)
    assert ask.revision == 3


def test_an_answer_that_has_settled_is_that_of_its_revision_whatever_is_written():
    serving, may_end = Serving(), threading.Event()
    starts = []

    def start(ask):
        starts.append(ask)
        size = ask.audience.subscriber_count
        yield SETTLED
        yield from apart(lambda: may_end.wait(20), 1e9)
        yield
        return size

    async def beside(answer):
        await asyncio.sleep(0)
        serving.write("bob")
        await serving.turn.acquire()  # a write that is under way holds nobody up either
        may_end.set()
        await answer

    found, ask = answering(serving, beside, start)
    assert found == 1
    assert (ask.revision, ask.audience_size) == (2, 1)
    assert starts == [ask]


def test_writes_wait_no_longer_once_an_answer_that_began_again_has_settled():
    serving = Serving()

    def start(ask):
        yield
        held = serving.turn.locked()
        yield SETTLED
        yield Apart(lambda: None, 1e9)
        return held, serving.turn.locked()

    async def beside(answer):
        await asyncio.sleep(0)
        serving.write("bob")

    assert answering(serving, beside, start)[0] == (True, False)
