"""The engine: turns in order, bounded queues, waits for revisions, snapshots and restores."""

import asyncio
import errno
import threading
from dataclasses import replace
from functools import wraps
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from headcount_server.core.commands import (
    AttributeValues,
    CreateAudience,
    DeleteAudience,
    UpsertSubscribers,
)
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType, Schema
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn
from headcount_server.engine.engine import Engine
from headcount_server.engine.interface import EngineState
from headcount_server.errors import (
    AlreadyExists,
    DataLoss,
    InvalidBatch,
    InvalidInput,
    NotFound,
    Overloaded,
    ReadOnly,
    RevisionOutOfRange,
    Unavailable,
)
from headcount_server.limits import Limits
from headcount_server.storage.snapshots import SnapshotStore

from tests.unit.storage.memory_files import MemoryFiles

DATA = Path("/data")
SCHEMA = Schema(KeyType.STRING, attributes=(AttributeSchema("country", AttributeType.KEYWORD),))


def running(test):
    """Runs an asynchronous test to its end."""

    @wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 30))

    return run


def clock():
    ticks = count(1_700_000_000_000_000, 1_000)
    return lambda: next(ticks)


def memory_store(files=None):
    files = files or MemoryFiles()
    files.make_directory(DATA)
    files.sync_directory(Path("/"))
    store = SnapshotStore(files, DATA)
    store.clean()
    return store


async def started(store=None, log=None, **limits):
    engine = Engine(State(replace(Limits(), **limits)), store, clock(), log)
    await engine.start()
    return engine


def create(name="shop"):
    return lambda time_us: CreateAudience(name, SCHEMA, time_us)


def upsert(*keys, name="shop", country="DE"):
    values = ValueColumn(AttributeType.KEYWORD, [country] * len(keys), np.ones(len(keys), bool))
    return lambda time_us: UpsertSubscribers(
        name, list(keys), (AttributeValues("country", values),), time_us
    )


def delete(name="shop"):
    return lambda time_us: DeleteAudience(name, time_us)


def counts(engine):
    return {a.name: (a.revision, a.subscriber_count) for a in engine.audiences()}


# --- writes ---------------------------------------------------------------------------------------


@running
async def test_writes_are_applied_in_the_order_of_their_arrival():
    engine = await started()
    writes = [engine.write(create()), *(engine.write(upsert(f"k{i}")) for i in range(20))]
    applied = await asyncio.gather(*writes)
    assert [one.revision for one in applied] == list(range(1, 22))
    assert engine.audience("shop").subscriber_count == 20


@running
async def test_a_command_is_taken_as_it_is_or_made_at_its_turn():
    engine = await started()
    await engine.write(CreateAudience("shop", SCHEMA, 5))
    times = []

    def maker(time_us):
        times.append(time_us)
        return upsert("k")(time_us)

    await asyncio.gather(engine.write(maker), engine.write(maker))
    assert times == sorted(set(times))
    assert engine.audience("shop").create_time_us == 5


@running
async def test_a_refused_write_changes_nothing_and_holds_nobody_up():
    engine = await started()
    bad, good = await asyncio.gather(
        engine.write(upsert("k")), engine.write(create()), return_exceptions=True
    )
    assert isinstance(bad, NotFound)
    assert good.revision == 1
    with pytest.raises(InvalidBatch):
        await engine.write(upsert("k", "x" * 300))
    assert counts(engine) == {"shop": (1, 0)}


@running
async def test_what_the_maker_of_a_command_raises_reaches_its_caller():
    engine = await started()

    def maker(time_us):
        raise InvalidInput("no")

    with pytest.raises(InvalidInput, match="no"):
        await engine.write(maker)
    assert (await engine.write(create())).revision == 1


@running
async def test_validation_alone_changes_nothing():
    engine = await started()
    engine.validate(create())
    with pytest.raises(NotFound):
        engine.validate(upsert("k"))
    assert counts(engine) == {}


@running
async def test_a_full_queue_refuses_and_takes_writes_again_later():
    engine = await started(pending_requests_max=3)
    writes = [asyncio.create_task(engine.write(create(f"a{i}"))) for i in range(5)]
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(one) for one in done[3:]] == [Overloaded, Overloaded]
    assert sorted(counts(engine)) == ["a0", "a1", "a2"]
    assert (await engine.write(create())).revision == 1


@running
async def test_a_write_whose_caller_gave_up_before_its_turn_is_not_applied():
    engine = await started()
    given_up = asyncio.create_task(engine.write(create("gone")))
    await asyncio.sleep(0)
    given_up.cancel()
    await engine.write(create())
    assert sorted(counts(engine)) == ["shop"]


@running
async def test_an_unknown_audience_is_answered_with_the_nearest_name():
    engine = await started()
    await engine.write(create())
    with pytest.raises(NotFound, match='did you mean "shop"'):
        engine.audience("shpo")


@running
async def test_a_command_applied_in_part_stops_writes_and_is_never_kept(monkeypatch):
    store = memory_store()
    engine = await started(store)
    await engine.write(create())
    await engine.snapshot("good")
    monkeypatch.setattr(State, "preparing", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await engine.write(upsert("k"))
    assert engine.state is EngineState.READ_ONLY
    for refused in (engine.write(upsert("k")), engine.snapshot(), engine.restore("good")):
        with pytest.raises(ReadOnly, match="restart"):
            await refused
    assert engine.audience("shop").revision == 1
    engine.audience("shop").revision = 99
    await engine.close()
    assert [manifest.name for manifest in store.list()] == ["good"]


# --- waits ----------------------------------------------------------------------------------------


@running
async def test_a_wait_ends_when_the_revision_is_reached():
    engine = await started()
    await engine.write(create())
    await engine.reached("shop", 1, 0)
    waits = [asyncio.create_task(engine.reached("shop", n, 20)) for n in (3, 2, 3)]
    await asyncio.sleep(0)
    await engine.write(upsert("a"))
    await waits[1]
    assert not waits[0].done()
    assert not waits[2].done()
    await engine.write(upsert("b"))
    await asyncio.gather(*waits)


@running
async def test_a_revision_that_is_not_reached_in_time_is_out_of_range():
    engine = await started()
    await engine.write(create())
    with pytest.raises(RevisionOutOfRange, match=r'"shop" is at revision 1; revision 5 was not'):
        await engine.reached("shop", 5, 0.01)
    with pytest.raises(RevisionOutOfRange):
        await engine.reached("shop", 5, 0)


@running
async def test_waiting_for_an_audience_that_is_deleted_ends():
    engine = await started()
    with pytest.raises(NotFound):
        await engine.reached("shop", 1, 1)
    await engine.write(create())
    wait = asyncio.create_task(engine.reached("shop", 5, 20))
    await asyncio.sleep(0)
    await engine.write(delete())
    with pytest.raises(NotFound, match="deleted"):
        await wait


@running
async def test_waits_are_bounded_and_those_that_gave_up_no_longer_count():
    engine = await started(pending_requests_max=2)
    await engine.write(create())
    waits = [asyncio.create_task(engine.reached("shop", 5, 20)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await engine.reached("shop", 5, 20)
    waits[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(RevisionOutOfRange):
        await engine.reached("shop", 5, 0.01)
    waits[1].cancel()


# --- snapshots ------------------------------------------------------------------------------------


@running
async def test_what_was_kept_is_there_after_a_restart():
    store = memory_store()
    engine = await started(store)
    await engine.write(create())
    await engine.write(upsert("a", "b"))
    await engine.close()
    again = await started(store)
    assert counts(again) == {"shop": (2, 2)}
    assert again.audience("shop").subscriber("a").values == {"country": "DE"}
    assert not again.is_changed


@running
async def test_a_clean_stop_without_a_change_writes_nothing():
    store = memory_store()
    for _ in range(2):
        engine = await started(store)
        if not engine.audiences():
            await engine.write(create())
        await engine.close()
    assert len(store.list()) == 1


@running
async def test_deleting_an_audience_is_a_change_that_is_kept():
    store = memory_store()
    engine = await started(store)
    await engine.write(create())
    await engine.snapshot()
    await engine.write(delete())
    await engine.close()
    assert counts(await started(store)) == {}


@running
async def test_snapshots_are_listed_the_newest_first_and_the_oldest_go():
    engine = await started(memory_store())
    await engine.write(create())
    for name in ("a", "b", "c", "d"):
        info = await engine.snapshot(name)
        assert info.name == name
    assert [info.name for info in await engine.snapshots()] == ["d", "c", "b"]
    unnamed = await engine.snapshot()
    assert unnamed.name == "20231114T221320.006000Z"
    assert [(a.name, a.revision, a.subscriber_count) for a in unnamed.audiences] == [("shop", 1, 0)]
    with pytest.raises(AlreadyExists):
        await engine.snapshot("d")


@running
async def test_audiences_that_did_not_change_are_not_encoded_again(monkeypatch):
    dumped = []
    freeze = State.freeze_audience
    monkeypatch.setattr(
        State, "freeze_audience", lambda self, name: dumped.append(name) or freeze(self, name)
    )
    engine = await started(memory_store())
    await engine.write(create("cafe"))
    await engine.write(create("shop"))
    await engine.snapshot()
    await engine.write(upsert("a"))
    await engine.snapshot()
    assert dumped == ["cafe", "shop", "shop"]
    await engine.write(delete("cafe"))
    await engine.write(create("cafe"))
    await engine.snapshot()
    assert dumped == ["cafe", "shop", "shop", "cafe"]


class HeldFiles(MemoryFiles):
    """Holds every write until it is let go."""

    def __init__(self):
        super().__init__()
        self.reached = threading.Event()
        self.go = threading.Event()

    def write(self, path, pieces):
        self.reached.set()
        assert self.go.wait(20)
        super().write(path, pieces)


@running
async def test_reads_and_writes_go_on_while_a_snapshot_is_written():
    files = HeldFiles()
    store = memory_store(files)
    engine = await started(store)
    await engine.write(create())
    await engine.write(upsert("a"))
    snapshot = asyncio.create_task(engine.snapshot("held"))
    await asyncio.to_thread(files.reached.wait, 20)
    await engine.write(upsert("b"))
    assert counts(engine) == {"shop": (3, 2)}
    with pytest.raises(Overloaded, match="is being written"):
        await engine.snapshot()
    files.go.set()
    info = await snapshot
    assert [(a.revision, a.subscriber_count) for a in info.audiences] == [(2, 1)]
    ((_, parts),) = store.load(store.newest())
    assert parts["audience"]["revision"] == 2


@running
async def test_a_snapshot_is_finished_though_its_caller_gave_up_and_a_stop_waits_for_it():
    files = HeldFiles()
    store = memory_store(files)
    engine = await started(store)
    await engine.write(create())
    snapshot = asyncio.create_task(engine.snapshot("held"))
    await asyncio.to_thread(files.reached.wait, 20)
    snapshot.cancel()
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    assert not closing.done()
    files.go.set()
    await closing
    assert [manifest.name for manifest in store.list()] == ["held"]


@running
async def test_a_full_disk_leaves_the_snapshot_before_and_the_engine_serving():
    files = MemoryFiles()
    store = memory_store(files)
    engine = await started(store)
    await engine.write(create())
    await engine.snapshot("good")
    await engine.write(upsert("a"))
    files.failure, files.fail_at = OSError(errno.ENOSPC, "No space left on device"), 3
    with pytest.raises(Unavailable, match="No space left on device; the snapshots before it"):
        await engine.snapshot("bad")
    assert [info.name for info in await engine.snapshots()] == ["good"]
    await engine.write(upsert("b"))
    await engine.close()
    assert counts(await started(store)) == {"shop": (3, 2)}


@running
async def test_damage_stops_the_start_and_nothing_is_written_over_it():
    files = MemoryFiles()
    store = memory_store(files)
    engine = await started(store)
    await engine.write(create())
    await engine.snapshot("a")
    entries = files.root.entries["data"].entries["snapshots"].entries["a"].entries
    entries["0001.keys"][50] ^= 1
    again = Engine(State(), store, clock())
    with pytest.raises(DataLoss, match=r"a/0001\.keys"):
        await again.start()
    with pytest.raises(Unavailable, match="loading"):
        again.audiences()
    with pytest.raises(Unavailable, match="loading"):
        await again.write(create())
    await again.close()
    assert files.names(DATA / "snapshots") == ["a"]


@running
async def test_of_two_damaged_files_the_first_is_named():
    files = MemoryFiles()
    store = memory_store(files)
    engine = await started(store)
    await engine.write(create())
    await engine.snapshot("a")
    entries = files.root.entries["data"].entries["snapshots"].entries["a"].entries
    entries["0001.keys"][50] ^= 1
    entries["0001.known_since"][50] ^= 1
    for _ in range(20):  # threads read them in any order
        with pytest.raises(DataLoss, match=r"a/0001\.keys.*offset 32"):
            await Engine(State(), store, clock()).start()


# --- restore --------------------------------------------------------------------------------------


@running
async def test_a_restore_brings_the_contents_back_and_revisions_never_fall():
    store = memory_store()
    engine = await started(store)
    await engine.write(create())
    await engine.write(upsert("a"))
    await engine.snapshot("monday")
    await engine.write(upsert("b"))
    await engine.write(create("later"))
    wait = asyncio.create_task(engine.reached("shop", 4, 20))
    gone = asyncio.create_task(engine.reached("later", 9, 20))
    await asyncio.sleep(0)
    info = await engine.restore("monday")
    assert info.name == "monday"
    assert counts(engine) == {"shop": (4, 1)}
    await wait
    with pytest.raises(NotFound):
        await gone
    assert (await engine.write(upsert("c"))).revision == 5
    await engine.restore("monday")
    assert counts(engine) == {"shop": (6, 1)}
    await engine.close()
    assert counts(await started(store)) == {"shop": (6, 1)}


@running
async def test_a_restore_that_fails_changes_nothing():
    files = MemoryFiles()
    store = memory_store(files)
    engine = await started(store)
    await engine.write(create())
    await engine.snapshot("a")
    await engine.write(upsert("a"))
    with pytest.raises(NotFound, match='no snapshot "b"; there are: a'):
        await engine.restore("b")
    entries = files.root.entries["data"].entries["snapshots"].entries["a"].entries
    entries["0001.audience"][50] ^= 1
    with pytest.raises(DataLoss):
        await engine.restore("a")
    assert counts(engine) == {"shop": (2, 1)}


@running
async def test_writes_wait_for_a_restore_and_are_applied_after_it():
    engine = await started(memory_store())
    await engine.write(create())
    await engine.snapshot("empty")
    await engine.write(upsert("a"))
    restore = asyncio.create_task(engine.restore("empty"))
    await asyncio.sleep(0)
    applied = await engine.write(upsert("b"))
    await restore
    assert applied.revision == 4
    assert counts(engine) == {"shop": (4, 1)}


@running
async def test_without_a_store_there_are_no_snapshots():
    engine = await started()
    for refused in (engine.snapshot(), engine.snapshots(), engine.restore("a")):
        with pytest.raises(NotFound, match="no data directory"):
            await refused
    await engine.close()


# --- states ---------------------------------------------------------------------------------------


@running
async def test_the_status_tells_state_audiences_and_memory():
    engine = Engine(State(), None, clock())
    assert engine.status().state is EngineState.RECOVERING
    await engine.start()
    await engine.write(create("shop"))
    await engine.write(create("cafe"))
    await engine.write(upsert("a"))
    status = engine.status()
    assert status.state is EngineState.SERVING
    assert [(a.name, a.revision, a.subscriber_count) for a in status.audiences] == [
        ("cafe", 1, 0),
        ("shop", 2, 1),
    ]
    assert status.resident_bytes > 1_000_000
    assert 0 < status.start_time_us < status.current_time_us


@running
async def test_a_stop_applies_what_was_accepted_and_refuses_what_comes():
    store = memory_store()
    engine = await started(store)
    accepted = [asyncio.create_task(engine.write(create(f"a{i}"))) for i in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="shutting down"):
        await engine.write(create("late"))
    await closing
    assert len([await one for one in accepted]) == 5
    assert engine.state is EngineState.DRAINING
    assert len(counts(await started(store))) == 5


@running
async def test_a_stop_that_cannot_keep_the_state_says_so():
    files = MemoryFiles()
    engine = await started(memory_store(files))
    await engine.write(create())
    files.failure, files.fail_at = OSError(errno.ENOSPC, "No space left on device"), 1
    with pytest.raises(Unavailable, match="was not written"):
        await engine.close()


@running
async def test_a_requested_stop_is_told_with_its_grace():
    engine = await started()
    engine.request_stop(2.5)
    await engine.stop_requested.wait()
    assert engine.stop_grace_s == 2.5


@running
async def test_the_status_tells_how_far_a_snapshot_is():
    files = MemoryFiles()
    engine = await started(memory_store(files))
    await engine.write(CreateAudience("shop", SCHEMA, 1))
    writes, go_on = files.write, threading.Event()
    seen = []

    def write(path, pieces):
        seen.append(engine.status().snapshot)
        assert go_on.wait(20)
        writes(path, pieces)

    files.write = write
    task = asyncio.create_task(engine.snapshot("one"))
    async with asyncio.timeout(20):
        while not seen:
            await asyncio.sleep(0.001)
    found = engine.status().snapshot
    assert (found.name, found.written, found.total) == ("one", 0, 1)
    go_on.set()
    await task
    assert engine.status().snapshot is None
