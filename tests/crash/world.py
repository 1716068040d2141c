"""An engine on a disk that fails, and what a client that records answers knows of it.

``Client`` writes numbered batches to two audiences and records each answer. After any failure
``check`` holds a recovered state against that: everything acknowledged is there, what was refused
is not there, what was never answered is there whole or not at all, and nothing else is.
"""

import asyncio
from itertools import count
from pathlib import Path

import numpy as np
from headcount_server.core.commands import (
    AttributeValues,
    CreateAudience,
    DeleteSubscribers,
    EventGroup,
    Producer,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn
from headcount_server.engine.engine import Engine
from headcount_server.storage.log import LogStore, Sync
from headcount_server.storage.snapshots import SnapshotStore

from tests.unit.storage.memory_files import MemoryFiles

DATA = Path("/data")
AUDIENCES = ("cafe", "shop")
SCHEMA = Schema(
    KeyType.STRING,
    attributes=(AttributeSchema("batch", AttributeType.INTEGER),),
    events=(EventSchema("open", ("campaign",), ()),),
)


def disk():
    files = MemoryFiles()
    files.make_directory(DATA)
    files.sync_directory(Path("/"))
    return files


def log_of(files, sync=Sync.ALWAYS, segment_bytes=2_000, data=DATA, log_id=1):
    numbers = count(log_id)
    return LogStore(
        files, data, sync, segment_bytes, new_id=lambda: next(numbers).to_bytes(16, "big")
    )


def engine_on(files, sync=Sync.ALWAYS, segment_bytes=2_000, kept=3, data=DATA, log_id=1, **options):
    store = SnapshotStore(files, data, kept)
    store.clean()
    ticks = count(1_700_000_000_000_000, 1_000)
    log = log_of(files, sync, segment_bytes, data, log_id)
    return Engine(State(), store, lambda: next(ticks), log, **options)


async def stopped(engine):
    """Ends an engine as a killed process does."""
    for task in list(engine._tasks):
        task.cancel()
    await asyncio.gather(*engine._tasks, return_exceptions=True)
    engine._disk._journal._thread.shutdown()


def create(name):
    return CreateAudience(name, SCHEMA, 1)


def upsert(name, number, keys, producer=None):
    values = ValueColumn(
        AttributeType.INTEGER, np.full(len(keys), number), np.ones(len(keys), np.bool_)
    )
    return UpsertSubscribers(
        name, list(keys), (AttributeValues("batch", values),), number, producer=producer
    )


def opened(name, number, keys, producer=None):
    campaigns = ValueColumn(
        AttributeType.KEYWORD, [f"c{number}"] * len(keys), np.ones(len(keys), np.bool_)
    )
    groups = (EventGroup("open", None, {"campaign": campaigns}),)
    times = np.full(len(keys), 1_700_000_000_000_000 + number)
    return RecordEvents(name, list(keys), times, groups, number, producer=producer)


def erased(name, number, keys):
    return DeleteSubscribers(name, list(keys), number)


class Client:
    """Sends batches of one audience one after the other, and remembers what became of each."""

    def __init__(self, name, rows=3):
        self.name = name
        self.rows = rows
        self.acknowledged = {}  # number of a batch -> revision
        self.refused = set()
        self.unanswered = set()

    def keys(self, number):
        return [f"{self.name}{number}-{row}" for row in range(self.rows)]

    def batch(self, number):
        """Every third batch has events of the subscribers of the one before."""
        producer = Producer("client", number)
        if number % 3 == 0:
            return opened(self.name, number, self.keys(number - 1), producer)
        return upsert(self.name, number, self.keys(number), producer)

    async def send(self, engine, number):
        """Sends one batch, whatever becomes of it."""
        self.unanswered.add(number)
        try:
            applied = await engine.write(self.batch(number), 100)
        except Exception:
            self.refused.add(number)
        else:
            assert self.acknowledged.setdefault(number, applied.revision) == applied.revision
        self.unanswered.discard(number)

    def check(self, state):
        """Holds an audience against what is known of it; returns the numbers that it has."""
        audience = state.audiences.get(self.name)
        if audience is None:
            assert not self.acknowledged
            return set()
        present = {number for number in self.sent() if self._has(audience, number)}
        assert set(self.acknowledged) <= present
        assert present <= set(self.acknowledged) | self.unanswered | self.refused
        expected = sum(self.rows for number in present if number % 3)
        assert audience.subscriber_count == expected
        events = sum(self.rows for number in present if number % 3 == 0)
        assert audience.event_count == events
        assert audience.revision >= max(self.acknowledged.values(), default=0)
        return present

    def check_beginning(self, state):
        """Holds an audience against a log of which the end was lost."""
        known = (self.acknowledged, self.unanswered)
        self.acknowledged, self.unanswered = {}, self.unanswered | set(self.acknowledged)
        try:
            present = self.check(state)
        finally:
            self.acknowledged, self.unanswered = known
        assert present == set(range(1, len(present) + 1))
        return present

    def sent(self):
        return set(self.acknowledged) | self.refused | self.unanswered

    def _has(self, audience, number):
        if number % 3 == 0:
            found = [
                audience.subscriber(key, 10).events if audience.subscriber(key) else ()
                for key in self.keys(number - 1)
            ]
            is_there = {any(e[2]["campaign"] == f"c{number}" for e in events) for events in found}
        else:
            is_there = {
                (one := audience.subscriber(key)) is not None and one.values == {"batch": number}
                for key in self.keys(number)
            }
        assert len(is_there) == 1, f"batch {number} is half there"
        return is_there.pop()


async def begun(files, **options):
    """A running engine with both audiences, and their clients."""
    engine = engine_on(files, **options)
    await engine.start()
    for name in AUDIENCES:
        if name not in engine.core.audiences:
            await engine.write(create(name))
    return engine, [Client(name) for name in AUDIENCES]


async def send_all(engine, clients, numbers):
    """Both clients send their batches at the same time."""

    async def one(client):
        for number in numbers:
            await client.send(engine, number)

    await asyncio.gather(*map(one, clients))
