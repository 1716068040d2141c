"""``headcount recover``: what it tells is what it does, and what it gives up is nothing else."""

import asyncio
import json

import pytest
from click.testing import CliRunner
from headcount_server.cli.recover import recover
from headcount_server.codec.commands import decode_command
from headcount_server.codec.log import decode_segment_header, read_frames
from headcount_server.engine.recovery import recovered
from headcount_server.engine.salvage import Salvager
from headcount_server.errors import DataLoss
from headcount_server.limits import Limits
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.snapshots import SnapshotStore

from tests.crash.world import DATA, begun, disk, engine_on, log_of, send_all, stopped


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def written(files, data=DATA):
    engine, clients = await begun(files, segment_bytes=900, data=data)
    await send_all(engine, clients, range(1, 4))
    await engine.snapshot("first")
    await send_all(engine, clients, range(4, 10))
    await stopped(engine)
    return clients


def salvager(files):
    return Salvager(SnapshotStore(files, DATA), log_of(files), Limits())


def start(files):
    return recovered(SnapshotStore(files, DATA), log_of(files), Limits()).state


def test_nothing_is_given_up_where_nothing_is_damaged():
    files = disk()
    run(written(files))
    found = salvager(files).plan()
    assert (found.problem, found.losses) == ("", [])


def test_damage_within_the_log_gives_up_what_follows_and_revisions_go_on():
    async def test():
        files = disk()
        clients = await written(files)
        before = start(files).audiences["shop"].revision
        oldest, name = files.names(DATA / "log")[:2]
        data = bytes(files.content(DATA / "log" / oldest))
        first = next(read_frames(data, decode_segment_header(data, oldest).first))
        files.content(DATA / "log" / name)[150] ^= 1
        with pytest.raises(DataLoss, match="headcount recover"):
            start(files)
        one = salvager(files)
        found = one.plan()
        with pytest.raises(DataLoss):
            start(files)  # a plan changes nothing
        text = "\n".join(found.losses)
        assert f"{name}:" in text
        assert 'audience "shop": revisions' in text
        assert f"to {before} or more" in text
        one.carry_out(found, 5)
        engine = engine_on(files, log_id=9)
        await engine.start()
        present = [client.check_beginning(engine.core) for client in clients]
        assert all({1, 2, 3} <= some < set(range(1, 10)) for some in present)
        assert engine.core.audiences["shop"].revision > before
        assert "log" in files.names(found.moved)
        record = decode_command(first.records("f")[0].command)
        assert bytes(files.content(found.moved / "FROM")) == b"%d\n" % record.time_us
        await send_all(engine, clients, [20])
        await stopped(engine)

    run(test())


def test_where_the_beginning_is_damaged_nobody_knows_since_when_it_was_written():
    files = disk()
    run(written(files))
    files.content(DATA / "log" / files.names(DATA / "log")[0])[70] ^= 1
    one = salvager(files)
    found = one.plan()
    one.carry_out(found, 5)
    assert bytes(files.content(found.moved / "FROM")) == b"0\n"


def test_a_damaged_newest_snapshot_falls_back_to_the_one_before_and_tells_the_gap():
    async def test():
        files = disk()
        clients = await written(files)
        engine = engine_on(files)
        await engine.start()
        await engine.snapshot("second")
        await send_all(engine, clients, range(10, 12))
        await stopped(engine)
        files.content(DATA / "snapshots" / "second" / "0002.keys")[40] ^= 1
        one = salvager(files)
        found = one.plan()
        assert any('snapshot "second"' in loss for loss in found.losses)
        assert any('snapshot "first"' in kept for kept in found.kept)
        assert any("all commands of the log after position" in loss for loss in found.losses)
        one.carry_out(found, 5)
        state = start(files)
        for client in clients:
            assert client.check_beginning(state) == {1, 2, 3}

    run(test())


def test_a_newer_format_is_not_salvaged(monkeypatch):
    files = disk()
    monkeypatch.setattr("headcount_server.codec.log.VERSION", 2)
    run(written(files))
    monkeypatch.undo()
    with pytest.raises(DataLoss, match="format version 2"):
        salvager(files).plan()


def test_the_command_tells_and_then_does(tmp_path):
    clients = run(written(OsFileSystem(), tmp_path))
    call = lambda *more: CliRunner().invoke(recover, ["--data", str(tmp_path), *more])  # noqa: E731
    good = call()
    assert (good.exit_code, good.output.strip()) == (
        0,
        "nothing is damaged that a start needs: nothing to give up",
    )
    path = sorted((tmp_path / "log").iterdir())[1]
    data = bytearray(path.read_bytes())
    data[150] ^= 1
    path.write_bytes(data)
    told = call()
    assert told.exit_code == 3
    assert "Would be given up:" in told.output
    assert bytes(data) == path.read_bytes()
    losses = json.loads(call("--json").output)["losses"]
    done = call("--accept-loss", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output)["losses"] == losses
    assert call().exit_code == 0
    state = recovered(SnapshotStore(OsFileSystem(), tmp_path), None, Limits()).state
    for client in clients:
        assert client.check_beginning(state) >= {1, 2, 3}
