"""A snapshot is there whole or not at all, and damage is found and named."""

import contextlib
import errno
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from headcount_server.codec import envelope
from headcount_server.codec.manifest import AudienceEntry, encode_manifest
from headcount_server.errors import AlreadyExists, DataLoss, InvalidInput, NotFound
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.snapshots import SnapshotStore, encode_parts
from pyroaring import BitMap

from tests.unit.storage.memory_files import Crash, MemoryFiles

DATA = Path("/data")
SNAPSHOTS = DATA / "snapshots"


@pytest.fixture
def files():
    files = MemoryFiles()
    files.make_directory(DATA)
    files.sync_directory(Path("/"))
    return files


@pytest.fixture
def store(files):
    return opened(files)


def opened(files, kept=3):
    store = SnapshotStore(files, DATA, kept)
    store.clean()
    return store


def parts(revision):
    return {
        "audience": {"revision": revision},
        "keys": {"rows": BitMap([1, 2, 3]), "hashes": np.arange(3)},
    }


def entry(name, revision):
    return AudienceEntry(name, revision, 1, 3, 0, ())


def take(store, name, revision=1, audiences=("shop",)):
    writer = store.begin(name, 1_000 * revision)
    try:
        for audience in audiences:
            writer.add(entry(audience, revision), encode_parts(parts(revision).items()))
        return writer.commit()
    except OSError:
        writer.abort()
        raise


def revisions(store, manifest):
    """Of every audience, all of whose parts are read."""
    return {a.name: dict(parts)["audience"]["revision"] for a, parts in store.load(manifest)}


def test_what_was_written_is_loaded(store):
    assert store.newest() is None
    manifest = take(store, "monday", 7, ("cafe", "shop"))
    assert store.newest() == manifest
    assert [(a.name, a.revision, a.subscriber_count) for a in manifest.audiences] == [
        ("cafe", 7, 3),
        ("shop", 7, 3),
    ]
    (_, cafe), (_, shop) = store.load(manifest)
    assert cafe["keys"]["rows"] == BitMap([1, 2, 3])
    assert shop["keys"]["hashes"].tolist() == [0, 1, 2]


def test_the_newest_is_the_last_written_whatever_its_name_and_time(store):
    take(store, "b", 9)
    take(store, "a", 2)
    assert [manifest.name for manifest in store.list()] == ["a", "b"]
    assert store.newest().create_time_us == 2_000


def test_the_same_works_on_the_file_system_of_the_machine(tmp_path):
    store = SnapshotStore(OsFileSystem(), tmp_path)
    store.clean()
    take(store, "a", 1)
    second = take(store, "b", 2)
    assert revisions(store, second) == {"shop": 2}
    a, b = tmp_path / "snapshots" / "a", tmp_path / "snapshots" / "b"
    assert (a / "0001.keys").samefile(b / "0001.keys")
    assert not (a / "0001.audience").samefile(b / "0001.audience")
    assert [report.faults for report in store.verify_all()] == [(), ()]


def test_files_that_did_not_change_are_not_written_again(store, files):
    take(store, "a", 1)
    files.written.clear()
    manifest = take(store, "b", 2)
    assert files.written == ["0001.audience", "MANIFEST"]
    assert revisions(store, manifest) == {"shop": 2}


def test_what_was_written_is_let_go(store):
    writer = store.begin("a", 1)
    encoded = list(encode_parts(parts(1).items()))
    assert all(part.pieces for part in encoded)
    writer.add(entry("shop", 1), encoded)
    assert not any(part.pieces for part in encoded)
    assert revisions(store, writer.commit()) == {"shop": 1}


def test_an_audience_that_did_not_change_is_carried_over(store, files):
    take(store, "a", 1, ("cafe", "shop"))
    files.written.clear()
    writer = store.begin("b", 5)
    writer.add(entry("bar", 4), encode_parts([("audience", {"revision": 4})]))
    writer.carry(writer.previous.audiences[1])
    manifest = writer.commit()
    assert files.written == ["0001.audience", "MANIFEST"]
    assert revisions(store, manifest) == {"bar": 4, "shop": 1}


def test_without_links_files_are_copied(store, files):
    take(store, "a", 1)
    files.links = False
    writer = store.begin("b", 5)
    writer.carry(writer.previous.audiences[0])
    assert revisions(store, writer.commit()) == {"shop": 1}


def test_a_damaged_file_is_not_copied_into_a_new_snapshot(store, files):
    take(store, "a", 1)
    files.links = False
    files.root.entries["data"].entries["snapshots"].entries["a"].entries["0001.keys"][40] ^= 1
    writer = store.begin("b", 5)
    with pytest.raises(DataLoss, match=r"a/0001\.keys"):
        writer.carry(writer.previous.audiences[0])


def test_the_last_ones_are_kept(files):
    store = opened(files, kept=2)
    for name in ("a", "b", "c"):
        take(store, name)
    store.prune()
    assert [manifest.name for manifest in store.list()] == ["c", "b"]
    assert files.names(SNAPSHOTS) == ["b", "c"]
    assert revisions(store, store.newest()) == {"shop": 1}


@pytest.mark.parametrize("name", ["", ".a", "a/b", "..", "a.tmp", "x" * 65, "ü", "a\n"])
def test_a_name_that_can_be_none_is_refused(store, name):
    with pytest.raises(InvalidInput, match="snapshot name"):
        store.begin(name, 1)


def test_a_name_is_taken_once(store):
    take(store, "a")
    with pytest.raises(AlreadyExists, match='"a"'):
        store.begin("a", 1)


def test_an_unknown_snapshot_is_answered_with_the_known_ones(store):
    take(store, "a")
    take(store, "b")
    with pytest.raises(NotFound, match='no snapshot "c"; there are: a, b'):
        store.manifest("c")


# --- damage ---------------------------------------------------------------------------------------


def stored(files, name="a"):
    return files.root.entries["data"].entries["snapshots"].entries[name].entries


def test_every_changed_byte_of_every_file_is_found_and_named(store, files):
    take(store, "a")
    for name, data in stored(files).items():
        for i in range(len(data)):
            data[i] ^= 0x10
            with pytest.raises(DataLoss, match=rf"a/{name}"):
                revisions(store, store.newest())
            report = store.verify("a")
            assert len(report.faults) == 1
            assert name in report.faults[0]
            data[i] ^= 0x10
    assert store.verify("a").faults == ()


def test_every_file_cut_short_anywhere_is_found(store, files):
    take(store, "a")
    for name, data in list(stored(files).items()):
        for size in range(len(data)):
            stored(files)[name] = data[:size]
            with pytest.raises(DataLoss, match=rf"a/{name}"):
                revisions(store, store.newest())
        stored(files)[name] = data


@pytest.mark.parametrize("name", ["MANIFEST", "0001.keys"])
def test_a_missing_file_is_named(store, files, name):
    take(store, "a")
    del stored(files)[name]
    with pytest.raises(DataLoss, match=rf"a/{name} is missing.*snapshot verify"):
        revisions(store, store.newest())


def test_the_message_tells_file_offset_and_what_to_run(store, files):
    take(store, "a")
    stored(files)["0001.keys"][40] ^= 1
    with pytest.raises(DataLoss, match=r"0001\.keys.*offset 32.*'headcount snapshot verify'"):
        revisions(store, store.newest())


def test_a_whole_file_of_another_snapshot_is_not_taken_for_this_one(store, files):
    take(store, "a", 1)
    take(store, "b", 2)
    stored(files, "b")["0001.audience"] = stored(files, "a")["0001.audience"]
    with pytest.raises(DataLoss, match="whole, but not the file of this snapshot"):
        revisions(store, store.newest())


def test_a_renamed_directory_is_not_taken_for_another_snapshot(store, files):
    take(store, "a")
    files.rename(SNAPSHOTS / "a", SNAPSHOTS / "b")
    with pytest.raises(DataLoss, match='b/MANIFEST is of a snapshot "a"'):
        store.newest()


def test_a_report_counts_files_and_bytes(store, files):
    take(store, "a")
    report = store.verify("a")
    assert report.file_count == 3
    assert report.size_bytes == sum(map(len, stored(files).values()))


def test_a_damaged_manifest_stops_the_start_but_not_the_next_snapshot(store, files, caplog):
    take(store, "a")
    take(store, "b", 2)
    stored(files, "b")["MANIFEST"][60] ^= 1
    with pytest.raises(DataLoss, match="b/MANIFEST"):
        store.newest()
    with caplog.at_level(logging.ERROR):
        manifest = take(store, "c", 3)
        store.prune()
    assert "b/MANIFEST" in caplog.text
    assert revisions(store, manifest) == {"shop": 3}
    assert files.names(SNAPSHOTS) == ["a", "b", "c"]


def test_a_file_that_can_be_read_but_means_nothing_names_itself(store, files):
    writer = store.begin("a", 1)
    encoded = list(encode_parts(parts(1).items()))
    encoded[1].pieces[:] = envelope.wrap([b"\xc1"])
    writer.add(entry("shop", 1), encoded)
    manifest = writer.commit()
    with pytest.raises(DataLoss, match=r"a/0001\.keys: 1 bytes of values can't be read"):
        revisions(store, manifest)


def test_a_newer_format_is_refused_by_its_version(store, files, monkeypatch):
    manifest = take(store, "a")
    monkeypatch.setattr("headcount_server.codec.manifest.FORMAT_VERSION", 2)
    stored(files)["MANIFEST"][:] = encode_manifest(replace(manifest, name="a"))
    monkeypatch.undo()
    with pytest.raises(DataLoss, match="a/MANIFEST has format version 2"):
        store.newest()


# --- crashes and full disks -----------------------------------------------------------------------


def changes_of(work):
    """How many changing calls the work makes."""
    files = MemoryFiles()
    files.make_directory(DATA)
    files.sync_directory(Path("/"))
    store = opened(files, kept=1)
    take(store, "old", 1)
    files.fail_at = 10**6
    work(store)
    return 10**6 - files.fail_at


def second(store):
    take(store, "new", 2)
    store.prune()


@pytest.mark.parametrize("machine", [True, False], ids=["machine", "process"])
def test_a_crash_at_any_call_leaves_a_whole_snapshot(machine):
    """Of the machine: what was not synced is lost. Of the process: nothing is."""
    found = set()
    for at in range(1, changes_of(second) + 1):
        files = MemoryFiles()
        files.make_directory(DATA)
        files.sync_directory(Path("/"))
        store = opened(files, kept=1)
        take(store, "old", 1)
        files.fail_at = at
        with pytest.raises(Crash):
            second(store)
        files.fail_at = -1
        if machine:
            files.crash()
        store = opened(files)
        newest = store.newest()
        found.add(newest.name)
        assert revisions(store, newest) == {"shop": {"old": 1, "new": 2}[newest.name]}
        assert not [name for name in files.names(SNAPSHOTS) if name.endswith(".tmp")]
        assert all(report.faults == () for report in store.verify_all())
        assert revisions(store, take(store, "next", 3)) == {"shop": 3}
    assert found == {"old", "new"}


def test_a_crash_after_the_commit_keeps_the_new_one(store, files):
    take(store, "a", 1)
    take(store, "b", 2)
    files.crash()
    assert revisions(opened(files), opened(files).newest()) == {"shop": 2}


def test_a_full_disk_at_any_call_leaves_the_old_snapshot_and_room_for_another():
    full = OSError(errno.ENOSPC, "No space left on device")
    for at in range(1, changes_of(lambda store: take(store, "new", 2)) + 1):
        files = MemoryFiles()
        files.make_directory(DATA)
        files.sync_directory(Path("/"))
        store = opened(files)
        take(store, "old", 1)
        files.fail_at, files.failure = at, full
        with contextlib.suppress(OSError):  # where all that failed was tidying up
            take(store, "new", 2)
        files.fail_at = -1
        names = [manifest.name for manifest in store.list()]
        assert names[-1] == "old"
        assert revisions(store, store.list()[-1]) == {"shop": 1}
        assert revisions(store, take(store, "next", 3)) == {"shop": 3}


def test_what_a_crash_left_is_removed_and_told(files, caplog):
    store = opened(files)
    take(store, "a")
    store.begin("b", 1)
    with caplog.at_level(logging.WARNING):
        store = opened(files)
    assert "b.tmp, which a crash left unfinished" in caplog.text
    assert files.names(SNAPSHOTS) == ["a"]
