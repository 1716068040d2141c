"""A disk that forgets, tears, flips, fills up and fails: what was acknowledged stays, whole."""

import asyncio
import contextlib
import errno
import os

import pytest
from headcount_server.codec.log import SEGMENT_HEADER_BYTES
from headcount_server.core.state import State
from headcount_server.engine.interface import EngineState
from headcount_server.engine.recovery import recovered
from headcount_server.errors import DataLoss, HeadcountError
from headcount_server.limits import Limits
from headcount_server.storage.log import Sync
from headcount_server.storage.snapshots import SnapshotStore

from tests.crash.world import AUDIENCES, DATA, begun, disk, engine_on, log_of, send_all, stopped
from tests.unit.storage.memory_files import Crash

# Of the places where a call can fail each n-th one is tried; ``make test-crash`` tries all.
STEP = int(os.environ.get("HEADCOUNT_CRASH_STEP", "5"))
FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def written(files, **options):
    """Two clients write; a snapshot comes in between."""
    engine, clients = await begun(files, **options)
    await send_all(engine, clients, range(1, 5))
    await engine.snapshot("between")
    await send_all(engine, clients, range(5, 9))
    return engine, clients


async def checked(files, clients, **options):
    """Starts again, holds it against the clients, and goes on writing."""
    engine = engine_on(files, **options)
    await engine.start()
    for client in clients:
        present = client.check(engine.core)
        client.acknowledged |= dict.fromkeys(present - set(client.acknowledged), 0)
    if set(engine.core.audiences) == set(AUDIENCES):
        for client in clients:
            following = max(client.acknowledged, default=0) + 1
            client.acknowledged = {n: r for n, r in client.acknowledged.items() if r}
            await client.send(engine, following)
            assert following in client.acknowledged
    await stopped(engine)


# --- crashes --------------------------------------------------------------------------------------


def last_segment(files):
    return files.content(DATA / "log" / files.names(DATA / "log")[-1])


def test_a_crash_that_tears_the_last_write_at_any_byte_loses_nothing_acknowledged():
    async def test():
        files = disk()
        engine, clients = await written(files, segment_bytes=1 << 20)
        content = last_segment(files)
        whole = len(content)
        before = content.durable
        assert before == whole
        files.fail_at, files.failure, files.stays_broken = 2, Crash(), True  # written, not synced
        tasks = [asyncio.create_task(client.send(engine, 9)) for client in clients]
        await asyncio.wait([*tasks, *engine._tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stopped(engine)
        torn = bytes(content)
        assert len(torn) > whole
        for size in range(whole, len(torn) + 1, STEP):
            files = disk()
            again, clients = await written(files, segment_bytes=1 << 20)
            for client in clients:
                client.unanswered.add(9)
            await stopped(again)
            last_segment(files).extend(torn[whole:size])
            await checked(files, clients)

    run(test())


@pytest.mark.parametrize("sync", list(Sync))
def test_a_crash_at_any_call_leaves_everything_acknowledged(sync):
    """Of the machine where every write was synced; of the process where it was not."""

    async def attempt(at):
        files = disk()
        engine, clients = await begun(files, sync=sync)
        files.fail_at, files.failure, files.stays_broken = at, Crash(), True
        work = asyncio.create_task(work_of(engine, clients))
        await asyncio.wait([work, *engine._tasks], return_when=asyncio.FIRST_COMPLETED)
        finished = work.done() and not work.cancelled() and work.exception() is None
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await stopped(engine)
        files.fail_at, files.stays_broken = -1, False
        if sync is Sync.ALWAYS:
            files.crash()
        await checked(files, clients, sync=sync)
        return finished

    async def work_of(engine, clients):
        await send_all(engine, clients, range(1, 5))
        await engine.snapshot("between")
        await send_all(engine, clients, range(5, 8))

    async def test():
        at = 1
        while not await attempt(at):
            at += STEP
        assert at > 20

    run(test())


def test_without_syncs_a_crash_of_the_machine_leaves_a_beginning_of_what_was_written():
    async def test():
        for torn in range(0, 3_000, 37):
            files = disk()
            engine, clients = await begun(files, sync=Sync.OFF, segment_bytes=1 << 20)
            await engine.snapshot("begun")
            await send_all(engine, clients, range(1, 9))
            await stopped(engine)
            files.crash(torn)
            engine = engine_on(files)
            await engine.start()
            for client in clients:
                client.unanswered |= set(client.acknowledged)
                client.acknowledged = {}
                present = client.check(engine.core)
                assert present == set(range(1, len(present) + 1))
            await stopped(engine)

    run(test())


# --- damage ---------------------------------------------------------------------------------------


def recovered_from(files):
    """What a start would find, without starting."""
    return recovered(SnapshotStore(files, DATA), log_of(files), Limits())


async def small_log(files):
    """A log of a few small segments, the last of them with two frames or more."""
    engine, clients = await begun(files, segment_bytes=500)
    for client in clients:
        client.rows = 1
    await send_all(engine, clients, [1, 2])
    return engine, clients


def test_every_changed_byte_of_the_log_is_found_or_is_the_tail_of_the_last_segment():
    async def test():
        files = disk()
        engine, clients = await small_log(files)
        await stopped(engine)
        names = files.names(DATA / "log")
        assert len(names) > 1
        found = cut = 0
        for name in names:
            content = files.content(DATA / "log" / name)
            for place in range(len(content)):
                content[place] ^= 0x20
                try:
                    state = recovered_from(files).state
                except DataLoss as error:
                    found += 1
                    told = error.message
                else:
                    cut += 1
                    told = f"{name} position recover"
                    assert name == names[-1]
                    for client in clients:
                        assert client.check_beginning(state) >= {1}
                assert name in told or "position" in told
                assert "recover" in told or "format version" in told
                content[place] ^= 0x20
        last = files.size(DATA / "log" / names[-1])
        assert 0 < cut < last
        assert found + cut == sum(files.size(DATA / "log" / name) for name in names)

    run(test())


def test_a_log_cut_short_anywhere_but_at_its_end_stops_the_start():
    async def test():
        files = disk()
        engine, clients = await small_log(files)
        await stopped(engine)
        names = files.names(DATA / "log")
        first = files.content(DATA / "log" / names[0])
        whole = bytes(first)
        for size in range(len(whole)):
            first[:] = whole[:size]
            with pytest.raises(DataLoss, match=names[0]):
                recovered_from(files)
        first[:] = whole
        last = files.content(DATA / "log" / names[-1])
        whole = bytes(last)
        for size in range(len(whole)):
            last[:] = whole[:size]
            for client in clients:
                client.check_beginning(recovered_from(files).state)

    run(test())


# --- failing calls --------------------------------------------------------------------------------


@pytest.mark.parametrize("sync", list(Sync))
@pytest.mark.parametrize("failure", [FULL, BROKEN], ids=["full", "broken"])
def test_any_call_may_fail_and_nothing_acknowledged_is_lost(sync, failure, monkeypatch):
    monkeypatch.setattr("headcount_server.engine.disk._MEND_S", (0.001, 0.001))

    async def attempt(at, lasting):
        files = disk()
        engine, clients = await begun(files, sync=sync)
        files.fail_at, files.failure, files.stays_broken = at, failure, lasting
        await send_all(engine, clients, range(1, 5))
        with contextlib.suppress(HeadcountError):
            await engine.snapshot("between")
        reached = files.fail_at <= 0
        files.fail_at, files.stays_broken = -1, False
        async with asyncio.timeout(20):
            while engine.state is not EngineState.SERVING:
                await asyncio.sleep(0.002)
        for client in clients:  # a client tries again until it is acknowledged
            for number in range(1, 8):
                await client.send(engine, number)
            client.refused.clear()
            assert client.check(engine.core) == set(range(1, 8))
        await stopped(engine)
        if sync is Sync.ALWAYS:
            files.crash()
        await checked(files, clients, sync=sync)
        return reached

    async def test():
        for lasting in (False, True):
            at = 1
            while await attempt(at, lasting):
                at += STEP
            assert at > 10

    run(test())


def test_a_disk_that_fills_up_refuses_and_takes_writes_again_when_there_is_room(monkeypatch):
    monkeypatch.setattr("headcount_server.engine.disk._MEND_S", (0.001, 0.001))

    async def test():
        for room in range(0, 2_500, 83):
            files = disk()
            engine, clients = await begun(files)
            files.room = room
            await send_all(engine, clients, range(1, 12))
            assert any(client.refused for client in clients)
            assert engine.state is EngineState.READ_ONLY
            files.room = None
            async with asyncio.timeout(20):
                while engine.state is not EngineState.SERVING:
                    await asyncio.sleep(0.002)
            await send_all(engine, clients, range(1, 12))
            await stopped(engine)
            files.crash()
            engine = engine_on(files)
            await engine.start()
            for client in clients:
                assert client.check(engine.core) == set(range(1, 12))
            await stopped(engine)

    run(test())


# --- the same log, the same state -----------------------------------------------------------------


def test_the_same_log_gives_the_same_bytes_however_it_was_reached():
    async def test():
        files = disk()
        engine, _ = await written(files)
        await engine.snapshot("live")
        live = State.dump_audience(engine.core, "shop")
        await engine.close()
        twin = disk()
        other, _ = await written(twin)
        await stopped(other)
        other = engine_on(twin)
        await other.start()
        await other.snapshot("replayed")
        stored = files.root.entries["data"].entries["snapshots"].entries["live"].entries
        again = twin.root.entries["data"].entries["snapshots"].entries["replayed"].entries
        assert next(iter(live)) == "audience"
        assert stored.keys() == again.keys()
        for name in stored.keys() - {"MANIFEST"}:
            assert stored[name] == again[name], name
        await stopped(other)

    run(test())


def test_a_segment_begins_with_its_header_alone():
    async def test():
        files = disk()
        engine, _ = await begun(files)
        await engine.snapshot()
        assert len(last_segment(files)) == SEGMENT_HEADER_BYTES
        await stopped(engine)

    run(test())
