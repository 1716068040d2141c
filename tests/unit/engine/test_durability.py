"""The log under the engine: groups, replay, segments, restores, numbered batches."""

import asyncio
import errno
from dataclasses import replace

import pytest
from headcount_server.core.commands import DeleteAudience, Producer
from headcount_server.engine.interface import EngineState
from headcount_server.errors import (
    DataLoss,
    InvalidBatch,
    Overloaded,
    ReadOnly,
    RevisionOutOfRange,
    Unavailable,
)
from headcount_server.storage.log import Sync

from tests.crash.world import (
    AUDIENCES,
    DATA,
    Client,
    begun,
    create,
    disk,
    engine_on,
    erased,
    opened,
    send_all,
    stopped,
    upsert,
)
from tests.unit.engine.test_engine import counts, running

FULL = OSError(errno.ENOSPC, "No space left on device")


def segments(files):
    return files.names(DATA / "log")


async def again(files, engine=None, **options):
    """The engine of the next process."""
    if engine is not None:
        await stopped(engine)
    engine = engine_on(files, **options)
    await engine.start()
    return engine


@running
async def test_what_was_acknowledged_is_there_without_any_snapshot():
    files = disk()
    engine, clients = await begun(files)
    await send_all(engine, clients, range(1, 20))
    before = counts(engine)
    engine = await again(files, engine)
    assert counts(engine) == before
    for client in clients:
        assert client.check(engine.core) == set(range(1, 20))
    await stopped(engine)


@running
async def test_writes_that_wait_together_are_synced_together():
    files = disk()
    engine, _ = await begun(files)
    syncs = []
    made = files.make_durable
    files.make_durable = lambda content: syncs.append(1) or made(content)
    await asyncio.gather(
        *(engine.write(upsert(name, i, [f"k{i}"])) for i in range(50) for name in AUDIENCES)
    )
    assert len(syncs) == 1
    assert counts(engine) == {"cafe": (51, 50), "shop": (51, 50)}
    await stopped(engine)


@running
async def test_a_write_may_need_the_one_before_it_that_waits_too():
    files = disk()
    engine = await again(files)
    answers = await asyncio.gather(
        engine.write(create("shop")),
        engine.write(upsert("shop", 1, ["a"])),
        engine.write(opened("shop", 2, ["a"])),
        engine.write(erased("shop", 3, ["a"])),
        engine.write(opened("shop", 4, ["a"])),
        engine.write(upsert("shop", 5, ["a"])),
        engine.write(opened("shop", 6, ["a"])),
        engine.write(DeleteAudience("shop", 7)),
        engine.write(create("shop")),
        return_exceptions=True,
    )
    assert isinstance(answers[4], InvalidBatch)
    revisions = [answer.revision for answer in answers if not isinstance(answer, Exception)]
    assert revisions == [1, 2, 3, 4, 5, 6, 7, 1]
    assert counts(await again(files, engine)) == {"shop": (1, 0)}


@running
async def test_a_repeated_batch_gets_its_first_revision_even_after_a_restart_and_a_snapshot():
    files = disk()
    engine, (client, _) = await begun(files)
    for number in range(1, 8):
        await client.send(engine, number)
    for restart in (False, True):
        if restart:
            await engine.snapshot()
        engine = await again(files, engine)
        for number in range(1, 8):
            await client.send(engine, number)
        assert client.check(engine.core) == set(range(1, 8))
    assert not client.refused
    await stopped(engine)


@running
async def test_equal_numbers_that_wait_together_are_applied_once():
    engine, (client, _) = await begun(disk())
    answers = await asyncio.gather(*(engine.write(client.batch(1)) for _ in range(5)))
    assert {answer.revision for answer in answers} == {2}
    assert counts(engine)["cafe"] == (2, 3)
    with pytest.raises(RevisionOutOfRange, match="has the number 2; 4 leaves a gap"):
        await engine.write(client.batch(4))
    await stopped(engine)


@running
async def test_only_the_last_1024_revisions_are_remembered_and_older_ones_get_the_newest():
    engine, _ = await begun(disk(), segment_bytes=1 << 20)
    batch = upsert("shop", 1, ["a"])
    for number in range(1, 1_031):
        await engine.write(replace(batch, producer=Producer("p", number)))
    ask = {n: replace(batch, producer=Producer("p", n)) for n in (1, 6, 7, 1_030)}
    found = {number: (await engine.write(one)).revision for number, one in ask.items()}
    assert found == {1: 1_031, 6: 1_031, 7: 8, 1_030: 1_031}
    await stopped(engine)


@running
async def test_segments_are_rotated_by_size_and_go_when_a_snapshot_has_them():
    files = disk()
    engine, clients = await begun(files)
    await send_all(engine, clients, range(1, 40))
    assert len(segments(files)) > 3
    await engine.snapshot()
    assert len(segments(files)) == 1
    await send_all(engine, clients, range(40, 45))
    engine = await again(files, engine)
    for client in clients:
        assert client.check(engine.core) == set(range(1, 45))
    await stopped(engine)


@running
async def test_a_snapshot_is_taken_when_the_log_has_grown():
    files = disk()
    engine, clients = await begun(files, snapshot_log_bytes=4_000)
    await send_all(engine, clients, range(1, 30))
    async with asyncio.timeout(20):
        while not await engine.snapshots():
            await asyncio.sleep(0.01)
    await stopped(engine)


@running
async def test_a_restore_is_part_of_the_log():
    files = disk()
    engine, (client, other) = await begun(files)
    await send_all(engine, [client, other], range(1, 4))
    await engine.snapshot("monday")
    await send_all(engine, [client, other], range(4, 9))
    held = files.write

    def refuse(path, pieces):
        raise FULL

    files.write = refuse  # so that no snapshot follows the restore
    await engine.restore("monday")
    await engine.write(upsert("shop", 99, ["late"]))
    before = counts(engine)
    assert before == {"cafe": (10, 6), "shop": (11, 7)}
    files.write = held
    engine = await again(files, engine, kept=1)
    assert counts(engine) == before
    assert client.batch(4).producer.sequence == 4
    assert (await engine.write(client.batch(4))).revision == 11
    await engine.snapshot("after")
    await engine.snapshot("later")
    assert [one.name for one in await engine.snapshots()] == ["later"]
    await stopped(engine)


@running
async def test_a_snapshot_of_another_log_is_the_base_of_a_new_one():
    """A data directory that has a snapshot and no log, as after copying one to another machine."""
    files = disk()
    engine, clients = await begun(files)
    await send_all(engine, clients, range(1, 6))
    await engine.snapshot("copied")
    await stopped(engine)
    files.remove_tree(DATA / "log")
    engine = await again(files)
    await send_all(engine, clients, range(6, 9))
    engine = await again(files, engine)
    for client in clients:
        assert client.check(engine.core) == set(range(1, 9))
    await stopped(engine)


@running
async def test_an_older_snapshot_of_another_log_that_is_put_in_is_not_mixed_up_with_it():
    files, foreign = disk(), disk()
    engine, (client, _) = await begun(files)
    await client.send(engine, 1)
    await engine.snapshot("own")
    other, (stranger, _) = await begun(foreign, log_id=100)
    for number in range(1, 4):
        await stranger.send(other, number)
        await other.snapshot(f"foreign{number}")
    await other.close()
    snapshots = files.root.entries["data"].entries["snapshots"].entries
    strange = foreign.root.entries["data"].entries["snapshots"].entries
    snapshots["foreign3"] = strange["foreign3"]
    await client.send(engine, 2)
    engine = await again(files, engine)
    assert client.check(engine.core) == {1, 2}
    await engine.snapshot("next")
    assert next(one.name for one in await engine.snapshots()) == "next"
    assert client.check((await again(files, engine)).core) == {1, 2}
    await stopped(engine)


# --- failures -------------------------------------------------------------------------------------


@running
@pytest.mark.parametrize("sync", list(Sync))
async def test_a_failing_disk_refuses_writes_until_it_works_again(sync):
    files = disk()
    engine, clients = await begun(files, sync=sync)
    states = []
    engine.on_state(states.append)
    await send_all(engine, clients, range(1, 6))
    files.fail_at, files.failure, files.stays_broken = 1, FULL, True
    await send_all(engine, clients, [6])
    assert [client.refused for client in clients] == [{6}, {6}]
    assert engine.status().state is EngineState.READ_ONLY
    assert "No space left on device" in engine.status().reason
    with pytest.raises(ReadOnly, match="No space left"):
        await engine.write(upsert("shop", 1, ["x"]))
    assert engine.audience("shop").subscriber_count == 12
    files.stays_broken, files.fail_at = False, -1
    async with asyncio.timeout(20):
        while engine.state is not EngineState.SERVING:
            await asyncio.sleep(0.02)
    assert states == [EngineState.READ_ONLY, EngineState.SERVING]
    await send_all(engine, clients, range(6, 12))
    engine = await again(files, engine, sync=sync)
    for client in clients:
        assert client.check(engine.core) == set(range(1, 12))
    await stopped(engine)


@running
async def test_a_sync_that_failed_is_not_taken_for_one_that_worked():
    """What was acknowledged in an interval is written once more, to another file."""
    files = disk()
    engine, clients = await begun(files, sync=Sync.INTERVAL, sync_every_s=60)
    await send_all(engine, clients, range(1, 6))
    lost = files.content(DATA / "log" / "00000001.segment")
    files.fail_at, files.failure = 1, OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        await engine._disk._journal.flush()
    del lost[lost.durable :]  # the system dropped what it couldn't write
    await engine._disk._journal.resume()
    await send_all(engine, clients, range(6, 9))
    await engine._disk._journal.flush()
    await stopped(engine)
    files.crash()
    engine = await again(files)
    for client in clients:
        assert client.check(engine.core) == set(range(1, 9))
    await stopped(engine)


@running
async def test_a_stop_that_cannot_sync_what_was_acknowledged_says_so():
    for sync in (Sync.INTERVAL, Sync.ALWAYS):
        files = disk()
        engine, (client, _) = await begun(files, sync=sync, sync_every_s=60)
        await client.send(engine, 1)
        files.fail_at, files.failure, files.stays_broken = 1, FULL, True
        if sync is Sync.ALWAYS:  # all of it is durable
            await engine.close()
        else:
            with pytest.raises(Unavailable, match="No space left"):
                await engine.close()


@running
async def test_writes_that_wait_are_bounded_in_bytes():
    engine, _ = await begun(disk())
    engine.limits = replace(engine.limits, pending_write_bytes_max=1_000)
    waiting = [asyncio.create_task(engine.write(upsert("shop", i, [f"k{i}"]), 400)) for i in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="bytes of writes wait") as caught:
        await engine.write(upsert("shop", 3, ["c"]), 400)
    assert caught.value.metadata["limit"] == "pending_write_bytes_max"
    await asyncio.gather(*waiting)
    assert (await engine.write(upsert("shop", 4, ["d"]), 5_000)).revision == 4
    await stopped(engine)


# --- damage ---------------------------------------------------------------------------------------


@running
async def test_a_missing_segment_stops_the_start():
    files = disk()
    engine, clients = await begun(files)
    await send_all(engine, clients, range(1, 30))
    await stopped(engine)
    names = segments(files)
    for gone in names[:-1]:
        content = files.root.entries["data"].entries["log"].entries.pop(gone)
        with pytest.raises(DataLoss, match=r"the log between is missing.*headcount recover"):
            await engine_on(files).start()
        files.root.entries["data"].entries["log"].entries[gone] = content
    await stopped(await again(files))


@running
async def test_a_newer_format_is_refused_by_its_version(monkeypatch):
    files = disk()
    monkeypatch.setattr("headcount_server.codec.log.VERSION", 2)
    engine, _ = await begun(files)
    await stopped(engine)
    monkeypatch.undo()
    with pytest.raises(DataLoss, match=r"segment has format version 2; this program reads up to 1"):
        await engine_on(files).start()


def test_the_client_of_these_tests_notices_a_lost_batch():
    client = Client("shop")
    client.acknowledged[1] = 2
    with pytest.raises(AssertionError):
        client.check(engine_on(disk()).core)
