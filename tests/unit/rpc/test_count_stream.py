"""Slots of CountStream: what is answered, what is dropped, what waits; no network."""

import asyncio
from contextlib import aclosing

import pytest
from headcount.v1 import query_service_pb2
from headcount_server.core.commands import CreateAudience, UpsertSubscribers
from headcount_server.core.schema import KeyType, Schema
from headcount_server.core.state import State
from headcount_server.engine.clock import system_clock
from headcount_server.engine.engine import Engine
from headcount_server.errors import InvalidInput
from headcount_server.limits import Limits
from headcount_server.rpc.calls import Call, Threads
from headcount_server.rpc.count_stream import CountStream
from headcount_server.rpc.questions import Questions

pb = query_service_pb2


class Endless:
    def time_remaining(self):
        return None


class Editor:
    """One stream: ``ask`` sends, ``receive`` waits for an answer, ``end`` says that all is sent."""

    def __init__(self, engine, threads):
        self.stream = CountStream(Questions(engine, threads), engine.limits, Call(Endless()))
        self.requests = asyncio.Queue()
        self.responses = self.stream.answers(self._sent())

    async def _sent(self):
        while (request := await self.requests.get()) is not None:
            yield request

    def ask(self, text, slot=0, sequence=0, **fields):
        request = pb.CountStreamRequest(
            audience="shop", rule_text=text, slot=slot, sequence=sequence, **fields
        )
        self.requests.put_nowait(request)

    def end(self):
        self.requests.put_nowait(None)

    async def receive(self):
        async with asyncio.timeout(10):
            return await anext(self.responses)

    async def rest(self):
        self.end()
        async with asyncio.timeout(10):
            return [answer async for answer in self.responses]


def streaming(test):
    """Run a test with an engine of ten people and what opens a stream to it."""

    def run():
        async def go():
            engine, threads = Engine(State(Limits()), None, system_clock()), Threads()
            await engine.start()
            await engine.write(CreateAudience("shop", Schema(KeyType.INT64), 0))
            await engine.write(UpsertSubscribers("shop", list(range(10)), (), 0))
            try:
                await test(engine, lambda: Editor(engine, threads))
            finally:
                threads.close()
                await engine.close()

        asyncio.run(go())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@streaming
async def test_a_newer_question_on_a_slot_ends_the_older_ones(engine, opened):
    editor = opened()
    for sequence in range(200):
        editor.ask(f"id in ({sequence})", sequence=sequence)
    editor.ask("id in (1, 2)", slot=1, sequence=7)
    answers = await editor.rest()
    assert {(a.slot, a.sequence, a.total) for a in answers} >= {(0, 199, 0), (1, 7, 2)}
    assert len(answers) < 50


@streaming
async def test_an_answer_that_is_not_read_makes_way_for_a_newer_one(engine, opened):
    editor = opened()
    editor.ask("everyone", sequence=1)
    assert (await editor.receive()).sequence == 1
    for sequence in range(2, 50):
        editor.ask("everyone", sequence=sequence)
        while sequence not in [answer.sequence for answer in editor.stream._unsent.values()]:
            await asyncio.sleep(0)  # it is answered while nobody reads
        assert len(editor.stream._unsent) == 1
    assert [answer.sequence for answer in await editor.rest()] == [49]


@streaming
async def test_a_question_that_waits_for_a_revision_keeps_no_other_slot_waiting(engine, opened):
    editor = opened()
    editor.ask("everyone", slot=3, sequence=1, at_least_revision=3)
    editor.ask("id in (1)", slot=4, sequence=2)
    assert (await editor.receive()).slot == 4
    await engine.write(UpsertSubscribers("shop", [77], (), 0))
    answer = await editor.receive()
    assert (answer.slot, answer.total, answer.revision, answer.audience_size) == (3, 11, 3, 11)


@streaming
async def test_a_newer_question_ends_a_wait_for_a_revision(engine, opened):
    editor = opened()
    editor.ask("everyone", sequence=1, at_least_revision=99)
    editor.ask("everyone", slot=1)
    await editor.receive()
    editor.ask("id in (5)", sequence=2)
    assert [(a.sequence, a.total) for a in await editor.rest()] == [(2, 1)]


@streaming
async def test_every_slot_is_answered_though_all_ask_at_once(engine, opened):
    editor = opened()
    for slot in range(64):
        editor.ask(f"id in ({slot})", slot=slot, sequence=slot)
    answers = await editor.rest()
    assert sorted(a.slot for a in answers) == list(range(64))
    assert all(a.total == (a.slot < 10) and a.sequence == a.slot for a in answers)


@streaming
async def test_one_busy_stream_does_not_make_another_wait_for_all_of_it(engine, opened):
    busy, calm = opened(), opened()
    for slot in range(64):
        busy.ask(f"id in ({slot})", slot=slot)
    first = asyncio.create_task(busy.receive())
    await asyncio.sleep(0)
    calm.ask("everyone")
    await calm.receive()
    await first
    assert len(busy.stream._running) > 32
    assert len(await busy.rest()) == 63


@streaming
async def test_bad_slots_are_refused_in_their_place_and_do_not_pile_up(engine, opened):
    editor = opened()
    editor.ask("everyone", slot=64, sequence=5)
    answer = await editor.receive()
    assert (answer.slot, answer.sequence, answer.error.reason) == (64, 5, "INVALID_INPUT")
    assert answer.error.faults[0].field == "slot"
    for slot in range(-1_000, 0):
        editor.ask("everyone", slot=slot)
    editor.ask("everyone", slot=63)
    answers = await editor.rest()
    assert (63, 10) in {(a.slot, a.total) for a in answers}
    assert len(answers) <= 3


@streaming
async def test_what_can_not_be_decoded_ends_the_stream(engine, opened):
    editor = opened()
    editor.requests.put_nowait(InvalidInput("no message"))
    with pytest.raises(InvalidInput):
        await editor.receive()


@streaming
async def test_closing_a_stream_ends_what_it_asked(engine, opened):
    editor = opened()
    editor.ask("everyone", slot=1)
    editor.ask("everyone", slot=2, at_least_revision=99)
    async with aclosing(editor.responses):
        await editor.receive()
        (task,) = editor.stream._running.values()
    await asyncio.sleep(0)
    assert task.cancelled()


@streaming
async def test_a_bug_is_told_in_the_place_of_the_answer(engine, opened):
    editor = opened()

    async def broken(*_, **__):
        raise ZeroDivisionError

    good, editor.stream._questions.asked = editor.stream._questions.asked, broken
    editor.ask("everyone", sequence=1)
    answer = await editor.receive()
    assert (answer.sequence, answer.error.reason) == (1, "INTERNAL")
    assert "ZeroDivision" not in answer.error.message
    editor.stream._questions.asked = good
    editor.ask("everyone", sequence=2)
    assert [(a.sequence, a.total) for a in await editor.rest()] == [(2, 10)]
