"""``headcount snapshot verify`` tells what of a data directory is still good."""

import json

import pytest
from click.testing import CliRunner
from headcount_server.cli.verify import verify
from headcount_server.codec.manifest import AudienceEntry
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.snapshots import SnapshotStore, encode_parts


@pytest.fixture
def data(tmp_path):
    store = SnapshotStore(OsFileSystem(), tmp_path)
    store.clean()
    for name, value in (("a", 1), ("b", 2)):
        writer = store.begin(name, 1)
        parts = encode_parts([("keys", {"value": value})])
        writer.add(AudienceEntry("shop", 1, 1, 0, 0, ()), parts)
        writer.commit()
    return tmp_path


def run(*arguments):
    result = CliRunner().invoke(verify, [*map(str, arguments)])
    return result.exit_code, result.output


def test_good_snapshots_are_told_with_their_sizes(data):
    code, output = run("--data", data)
    assert code == 0
    assert [line.partition(" (")[0] for line in output.splitlines()] == ["a: good", "b: good"]


def test_damage_is_told_with_its_place_and_exit_3(data):
    file = data / "snapshots" / "b" / "0001.keys"
    file.write_bytes(file.read_bytes()[:-1])
    code, output = run("--data", data)
    assert code == 3
    assert "a: good" in output
    assert f"{file} has" in output
    code, output = run("--data", data, "--json")
    a, b = map(json.loads, output.splitlines())
    assert code == 3
    assert (a["snapshot"], a["files"], a["faults"]) == ("a", 2, [])
    assert len(b["faults"]) == 1


def test_a_directory_without_snapshots_is_told(tmp_path):
    assert run("--data", tmp_path) == (0, f"no snapshots in {tmp_path}\n")
    assert run("--data", tmp_path, "--json") == (0, "")


def test_a_missing_directory_is_wrong_usage(tmp_path):
    code, output = run("--data", tmp_path / "nowhere")
    assert code == 2
    assert "does not exist" in output
