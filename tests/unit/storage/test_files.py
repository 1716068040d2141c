"""The file system of the machine, as storage uses it."""

import os
import subprocess
import sys

import pytest
from headcount_server.errors import InUse
from headcount_server.storage.files import OsFileSystem

files = OsFileSystem()


def test_a_written_file_is_read_and_never_overwritten(tmp_path):
    path = tmp_path / "file"
    files.write(path, [b"ab", memoryview(b"cd")])
    assert files.read(path) == b"abcd"
    assert files.size(path) == 4
    with pytest.raises(FileExistsError):
        files.write(path, [b"x"])
    assert files.read(path) == b"abcd"


def test_names_are_ascending_and_none_where_there_is_no_directory(tmp_path):
    files.make_directory(tmp_path / "d" / "b")
    files.make_directory(tmp_path / "d" / "b")
    files.write(tmp_path / "d" / "a", [])
    assert files.names(tmp_path / "d") == ["a", "b"]
    assert files.names(tmp_path / "nowhere") == []


def test_links_renames_and_removals(tmp_path):
    files.make_directory(tmp_path / "d")
    files.write(tmp_path / "d" / "a", [b"x"])
    files.link(tmp_path / "d" / "a", tmp_path / "b")
    files.rename(tmp_path / "d", tmp_path / "e")
    files.sync_directory(tmp_path)
    files.remove_tree(tmp_path / "e")
    assert files.names(tmp_path) == ["b"]
    assert files.read(tmp_path / "b") == b"x"


def test_a_lock_is_held_once_and_names_its_holder(tmp_path):
    lock = files.lock(tmp_path / "LOCK")
    with pytest.raises(InUse, match=rf"in use by another Headcount \(process {os.getpid()}\)"):
        files.lock(tmp_path / "LOCK")
    lock.release()
    files.lock(tmp_path / "LOCK").release()


def test_a_lock_ends_with_its_process(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from headcount_server.storage.files import OsFileSystem\n"
        "lock = OsFileSystem().lock(pathlib.Path(sys.argv[1]))\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "LOCK"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InUse, match=f"process {other.pid}"):
            files.lock(tmp_path / "LOCK")
        other.kill()
        other.wait()
        files.lock(tmp_path / "LOCK").release()
