"""Erased persons on disk: a restored snapshot has them no more, and what held them goes in time."""

import asyncio

import pytest
from headcount_server.core.commands import DeleteAudience
from headcount_server.core.state import State
from headcount_server.engine.engine import Engine
from headcount_server.storage.snapshots import SnapshotStore

from tests.crash.world import DATA, begun, create, disk, engine_on, erased, log_of, opened, upsert
from tests.crash.world import stopped as stop
from tests.unit.engine.test_engine import running

DAY_US = 86_400_000_000
START_US = 1_700_000_000_000_000


class Clock:
    """Stands still but for what a test adds."""

    def __init__(self):
        self.time_us = START_US

    def __call__(self):
        return self.time_us

    def pass_days(self, days):
        self.time_us += int(days * DAY_US)


async def engine_of(files, clock, **options):
    store = SnapshotStore(files, DATA, 5)
    store.clean()
    engine = Engine(State(), store, clock, log_of(files), **options)
    await engine.start()
    return engine


async def restarted(files, engine):
    await stop(engine)
    engine = engine_on(files, kept=9)
    await engine.start()
    return engine


def keys(engine, name="shop"):
    audience = engine.audience(name)
    return set(audience.keys.sorted_keys(audience.everyone))


def erase(name, clock, *gone):
    return erased(name, clock(), gone)


@running
async def test_a_restored_snapshot_lacks_whoever_was_erased_since():
    files = disk()
    engine, _ = await begun(files, kept=9)
    await engine.write(upsert("shop", 1, ["anna", "bert", "carl"]))
    await engine.write(opened("shop", 2, ["anna", "bert"]))
    await engine.write(upsert("cafe", 1, ["anna"]))
    await engine.snapshot("full")
    await engine.write(erased("shop", START_US + 3, ["anna", "nobody"]))
    await engine.restore("full")
    assert keys(engine) == {"bert", "carl"}
    assert engine.audience("shop").event_count == 1
    assert keys(engine, "cafe") == {"anna"}
    engine = await restarted(files, engine)  # from the log
    assert keys(engine) == {"bert", "carl"}
    await engine.snapshot("after")
    await engine.write(upsert("shop", 4, ["dora"]))
    engine = await restarted(files, engine)  # from the snapshot
    await engine.restore("full")
    assert keys(engine) == {"bert", "carl"}
    await stop(engine)


@running
async def test_an_erased_key_that_was_created_anew_stays_what_it_became():
    files = disk()
    engine, _ = await begun(files, kept=9)
    await engine.write(upsert("shop", 1, ["anna"]))
    await engine.snapshot("before")
    await engine.write(erased("shop", START_US + 2, ["anna"]))
    await engine.write(upsert("shop", 3, ["anna"]))
    await engine.snapshot("anew")
    await engine.write(upsert("shop", 4, ["bert"]))
    await engine.restore("anew")
    assert keys(engine) == {"anna"}
    assert engine.audience("shop").subscriber("anna").values == {"batch": 3}
    await engine.restore("before")
    assert keys(engine) == set()
    await stop(engine)


@running
async def test_erasures_outlive_the_audience_and_apply_to_whoever_was_not_there_then():
    files = disk()
    engine, _ = await begun(files, kept=9)
    await engine.snapshot("empty")
    await engine.write(upsert("shop", 1, ["anna", "bert", "carl"]))
    await engine.snapshot("full")
    await engine.write(erased("shop", START_US + 2, ["anna"]))
    await engine.restore("empty")
    await engine.write(erased("shop", START_US + 3, ["bert"]))  # who isn't there now
    await engine.write(DeleteAudience("shop", 4))
    await engine.write(create("shop"))
    await engine.restore("full")
    assert keys(engine) == {"carl"}
    await stop(engine)


@running
async def test_a_snapshot_of_another_log_is_held_against_the_times_of_erasures():
    files = disk()
    clock = Clock()
    engine = await engine_of(files, clock)
    await engine.write(create("shop"))
    await engine.write(upsert("shop", 1, ["anna", "bert"]))
    await engine.snapshot("one")
    clock.pass_days(1)
    await engine.write(erase("shop", clock, "anna"))
    await stop(engine)
    for name in files.names(DATA / "log"):
        files.remove(DATA / "log" / name)  # as if only the snapshot had been copied
    engine = await engine_of(files, clock, erasure_days=100)
    assert keys(engine) == {"anna", "bert"}
    clock.pass_days(1)
    await engine.write(erase("shop", clock, "bert"))
    clock.pass_days(1)
    await engine.restore("one")
    assert keys(engine) == {"anna"}
    await stop(engine)


@running
async def test_what_was_written_before_an_erasure_is_removed_in_time_and_nothing_else():
    files = disk()
    clock = Clock()
    engine = await engine_of(files, clock)
    await engine.write(create("shop"))
    await engine.write(upsert("shop", 1, ["anna-of-the-mill", "bert"]))
    await engine.snapshot("before")
    await engine.write(upsert("shop", 2, ["carl"]))
    await engine.write(erase("shop", clock, "anna-of-the-mill"))
    await engine.write(upsert("shop", 3, ["dora"]))
    clock.pass_days(6.9)
    await engine.forget_erased()
    assert [one.name for one in await engine.snapshots()] == ["before"]
    assert holding(files, b"anna-of-the-mill") == {"segment", "keys"}
    clock.pass_days(0.1)
    await engine.forget_erased()
    names = [one.name for one in await engine.snapshots()]
    assert len(names) == 1
    assert "before" not in names
    assert holding(files, b"anna-of-the-mill") == set()
    await engine.write(upsert("shop", 4, ["emil"]))
    engine = await restarted(files, engine)
    assert keys(engine) == {"bert", "carl", "dora", "emil"}
    await engine.forget_erased()
    assert [one.name for one in await engine.snapshots()] == names
    await stop(engine)


@running
async def test_what_a_salvage_gave_up_goes_once_somebody_was_erased_whom_it_may_hold():
    files = disk()
    clock = Clock()
    engine = await engine_of(files, clock)
    lost = SnapshotStore(files, DATA).lost
    for from_us in (START_US - DAY_US, START_US + DAY_US, 0, START_US - DAY_US):
        lost.make(from_us)
    files.remove(DATA / "lost-4" / "FROM")  # as one was that an older version made
    await engine.write(create("shop"))
    await engine.write(upsert("shop", 1, ["anna"]))
    clock.pass_days(8)
    await engine.forget_erased()
    assert {"lost-1", "lost-2", "lost-3", "lost-4"} <= set(files.names(DATA))  # nobody was erased
    clock.pass_days(-8)
    await engine.write(erase("shop", clock, "anna"))
    clock.pass_days(6.9)
    await engine.forget_erased()
    assert {"lost-1", "lost-2", "lost-3", "lost-4"} <= set(files.names(DATA))
    clock.pass_days(0.1)
    await engine.forget_erased()
    assert {"lost-2"} == {name for name in files.names(DATA) if name.startswith("lost")}
    await stop(engine)


@running
async def test_a_start_removes_what_should_have_gone_while_there_was_no_server():
    files = disk()
    clock = Clock()
    engine = await engine_of(files, clock, erasure_days=2)
    await engine.write(create("shop"))
    await engine.write(upsert("shop", 1, ["anna-of-the-mill"]))
    await engine.snapshot("before")
    await engine.write(erase("shop", clock, "anna-of-the-mill"))
    await engine.snapshot("after")
    await stop(engine)
    assert "before" in files.names(DATA / "snapshots")
    clock.pass_days(30)
    engine = await engine_of(files, clock, erasure_days=2)
    async with asyncio.timeout(20):
        while "before" in files.names(DATA / "snapshots"):
            await asyncio.sleep(0.001)
    await engine.forget_erased()
    assert files.names(DATA / "snapshots") == ["after"]  # which was good enough
    assert holding(files, b"anna-of-the-mill") == set()
    await stop(engine)


@running
async def test_a_snapshot_that_the_log_brings_back_is_needed_until_another_is_written():
    files = disk()
    clock = Clock()
    engine = await engine_of(files, clock)
    await engine.write(create("shop"))
    await engine.write(upsert("shop", 1, ["anna", "bert"]))
    await engine.snapshot("before")
    await engine.write(erase("shop", clock, "anna"))
    await engine.snapshot("after")
    await engine.restore("before")
    clock.pass_days(8)
    await engine.forget_erased()
    assert "before" not in files.names(DATA / "snapshots")
    engine = await restarted(files, engine)
    assert keys(engine) == {"bert"}
    await stop(engine)


@running
async def test_a_disk_that_keeps_what_is_to_go_is_told_of_and_tried_again(monkeypatch):
    files = disk()
    clock = Clock()
    engine = await engine_of(files, clock)
    await engine.write(create("shop"))
    await engine.write(upsert("shop", 1, ["anna"]))
    await engine.snapshot("before")
    await engine.write(erase("shop", clock, "anna"))
    await engine.snapshot("after")
    clock.pass_days(7)

    def refuse(path):
        raise PermissionError(f"{path} can't be removed")

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove_tree", refuse)
        with pytest.raises(Exception, match="can't be removed"):
            await engine.forget_erased()
    await engine.forget_erased()
    assert files.names(DATA / "snapshots") == ["after"]
    await stop(engine)


def holding(files, text):
    """The kinds of files on disk in which some bytes are."""
    found = set()

    def look(directory):
        for name in files.names(directory):
            path = directory / name
            if files.names(path):
                look(path)
            elif text in files.content(path):
                found.add(name.rpartition(".")[2])

    look(DATA)
    return found
