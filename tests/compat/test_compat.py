"""Files of every version's formats load to what they were, and newer ones are refused by name."""

import json
import shutil
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import get_args

import pytest
from headcount_server.codec.commands import decode_command
from headcount_server.codec.log import read_frames
from headcount_server.core.commands import Logged
from headcount_server.engine.recovery import recovered
from headcount_server.errors import DataLoss
from headcount_server.limits import Limits
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.log import LogStore
from headcount_server.storage.snapshots import SnapshotStore

from tests.compat.generate import answers, commands

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.iterdir() if (path / "expected.json").exists())


def loaded(data):
    files = OsFileSystem()
    log = LogStore(files, data, new_id=lambda: bytes(16))
    return recovered(SnapshotStore(files, data), log, Limits())


@pytest.fixture
def data(tmp_path):
    shutil.copytree(HERE / VERSIONS[-1] / "data", tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_every_version_load_to_what_they_were(version):
    found = loaded(HERE / version / "data")
    expected = json.loads((HERE / version / "expected.json").read_text())
    assert answers(found.state) == expected
    assert found.saved is not None
    assert found.pinned == {"base"}
    assert found.state.erasures
    counts = [n for one in expected.values() for n in one["counts"].values()]
    assert sum(1 for n in counts if n) > 20


def test_there_is_every_command_in_the_log():
    kinds = set()
    for path in sorted((HERE / VERSIONS[-1] / "data" / "log").iterdir()):
        content = path.read_bytes()
        for frame in read_frames(content, int.from_bytes(content[32:40], "little")):
            kinds |= {type(decode_command(one.command)) for one in frame.records(path.name)}
    assert kinds == set(get_args(Logged)), "add it to generate.py and write the directory anew"
    assert {type(command) for command in commands(0)[1]} <= kinds


def with_version(content, crc_at):
    """A binary file's header as a newer version would write it."""
    raw = bytearray(content)
    raw[8:10] = (99).to_bytes(2, "little")
    raw[crc_at : crc_at + 4] = zlib.crc32(raw[:crc_at]).to_bytes(4, "little")
    return bytes(raw)


def newer_manifest(path):
    _, _, body = path.read_bytes().partition(b"\n")
    plain = json.loads(body)
    plain["format"] = 99
    body = json.dumps(plain).encode()
    digest = blake2b(body, digest_size=16).hexdigest()
    path.write_bytes(f"headcount snapshot {digest}\n".encode() + body)


@pytest.mark.parametrize("what", ["manifest", "values", "log"])
def test_a_newer_format_is_refused_with_its_version_and_changes_nothing(data, what):
    if what == "manifest":
        path = data / "snapshots" / "base" / "MANIFEST"
        newer_manifest(path)
    else:
        folder, crc_at = ("snapshots/base", 28) if what == "values" else ("log", 60)
        path = max(p for p in (data / folder).iterdir() if p.name != "MANIFEST")
        path.write_bytes(with_version(path.read_bytes(), crc_at))
    content = path.read_bytes()
    with pytest.raises(DataLoss, match=r"format version 99.*reads up to 1") as caught:
        loaded(data)
    assert path.name in caught.value.message
    assert path.read_bytes() == content
