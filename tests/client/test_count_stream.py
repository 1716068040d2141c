"""Counting while typing through the library, against a real server."""

import asyncio
import threading
from datetime import UTC, date, datetime

import pytest
from headcount_client import AsyncClient, errors
from headcount_client.rules import attr

PEOPLE = [
    {"key": "a", "country": "DE", "status": "active", "age": 30, "signup": date(2026, 3, 30)},
    {"key": "b", "country": "DE", "status": "left", "age": 40},
    {"key": "c", "country": "AT", "status": "active"},
]


@pytest.fixture
def filled(client, shop):
    client.upsert_subscribers(shop, PEOPLE)
    return shop


def test_questions_are_answered_on_their_slots(client, filled):
    with client.count_stream(filled) as counts:
        assert counts.ask('country = "DE"', slot=2) == 1
        found = next(counts)
        assert (found.slot, found.sequence, found.total, found.reachable) == (2, 1, 2, 1)
        assert (found.audience_size, found.error, found.root) == (3, None, None)
        assert found.engine_ms > 0
        counts.ask(attr("age") >= 40, within='country = "DE"')
        assert next(counts).total == 1
        counts.ask("age >= $low", parameters={"low": 30})
        assert next(counts).total == 2
        counts.ask("signup in last 1 day", as_of=date(2026, 3, 31))
        assert next(counts).as_of_time == datetime(2026, 3, 30, 22, tzinfo=UTC)
        counts.ask(segment="nope")
        assert next(counts).error.reason == "NOT_FOUND"


def test_unfinished_rules_are_counted_as_far_as_they_go(client, filled):
    with client.count_stream(filled) as counts:
        counts.ask('country = "DE" and age >', tolerant=True, explain=True)
        found = next(counts)
        assert (found.total, found.root.text) == (2, 'country = "DE"')
        assert [(fault.line, fault.column) for fault in found.incomplete] == [(1, 25)]


def test_the_newest_question_is_answered_before_the_stream_ends(client, filled):
    counts = client.count_stream(filled)
    for _ in range(50):
        last = counts.ask("everyone")
    counts.end()
    answers = list(counts)
    assert (answers[-1].sequence, answers[-1].total) == (last, 3)


def test_closing_ends_a_thread_that_waits_for_answers(client, filled):
    found = []
    with client.count_stream(filled) as counts:
        counts.ask("everyone")
        next(counts)
        thread = threading.Thread(target=lambda: found.extend(counts))
        thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert found == []


def test_a_question_must_ask_something(client, filled):
    with client.count_stream(filled) as counts, pytest.raises(TypeError, match="rule or segment"):
        counts.ask()


def test_asyncio(address, filled):
    async def go():
        async with AsyncClient(address) as client:
            async with client.count_stream(filled) as counts:
                assert await counts.ask("age >", tolerant=True, slot=1) == 1
                found = await anext(counts)
                assert (found.slot, found.total, len(found.incomplete)) == (1, 3, 1)
                for _ in range(50):
                    last = await counts.ask('country = "DE"')
                await counts.end()
                answers = [answer async for answer in counts]
                assert (answers[-1].sequence, answers[-1].total) == (last, 2)
            with pytest.raises(StopAsyncIteration):
                await anext(counts)

    asyncio.run(go())


def test_asyncio_closing_ends_a_task_that_waits_for_answers(address, filled):
    async def go():
        async with AsyncClient(address) as client:
            counts = client.count_stream(filled)
            await counts.ask("everyone")
            await anext(counts)

            async def read():
                return [answer async for answer in counts]

            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
            counts.close()
            async with asyncio.timeout(10):
                assert await reader == []

    asyncio.run(go())


def test_a_server_that_is_not_there_is_told(client):
    with type(client)("127.0.0.1:1") as nobody, nobody.count_stream("shop") as counts:
        counts.ask("everyone")
        with pytest.raises(errors.Unavailable):
            next(counts)

    async def go():
        async with AsyncClient("127.0.0.1:1") as nobody, nobody.count_stream("shop") as counts:
            with pytest.raises(errors.Unavailable):
                await counts.ask("everyone")

    asyncio.run(go())
