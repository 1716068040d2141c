"""The application as a process and inside another one: ready line, stop, failures to start."""

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import grpc
import headcount_server
import pytest
from click.testing import CliRunner
from headcount.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    audience_service_pb2,
    audience_service_pb2_grpc,
    schema_pb2,
)
from headcount_server.app import embedded, verify
from headcount_server.cli.serve import serve
from headcount_server.core.rules.parser import grammar
from headcount_server.errors import DataLoss, InUse

PROGRAM = [sys.executable, "-c", "from headcount_server.cli.serve import serve; serve()"]


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


@contextmanager
def serving(data, *arguments):
    """A running server and its address."""
    process = start("--data", data, "--listen", "127.0.0.1:0", *arguments)
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        assert re.fullmatch(rf"headcount 0\.1\.0 serving {data} on 127\.0\.0\.1:\d+\n", line)
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


def failure(*arguments):
    """Exit code and standard error of a server that doesn't start."""
    with start(*arguments) as process:
        out, err = process.communicate(timeout=30)
    assert out == ""
    return process.returncode, err


def create(address, name="shop"):
    request = audience_service_pb2.CreateAudienceRequest()
    request.audience.name, request.audience.key = name, schema_pb2.KEY_TYPE_STRING
    with grpc.insecure_channel(address) as channel:
        audience_service_pb2_grpc.AudienceServiceStub(channel).CreateAudience(request, timeout=20)


def status(address):
    with grpc.insecure_channel(address) as channel:
        request = admin_service_pb2.GetServerStatusRequest()
        admin = admin_service_pb2_grpc.AdminServiceStub(channel)
        return admin.GetServerStatus(request, timeout=20)


def audiences(address):
    return [audience.audience for audience in status(address).audiences]


def damage(data):
    (snapshot,) = (data / "snapshots").iterdir()
    file = snapshot / "0001.keys"
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    return file


def test_the_version_is_the_one_of_the_project():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert headcount_server.__version__ == project["project"]["version"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_exits_0_and_has_everything_after_a_restart(tmp_path, number):
    data = tmp_path / "new" / "data"
    with serving(data) as (process, address):
        create(address)
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stdout.read() == ""
    with serving(data) as (_, address):
        assert audiences(address) == ["shop"]
        assert status(address).version == "0.1.0"


def test_a_drain_stops_the_server_as_a_signal_does(tmp_path):
    with serving(tmp_path) as (process, address):
        create(address)
        with grpc.insecure_channel(address) as channel:
            admin_service_pb2_grpc.AdminServiceStub(channel).Drain(
                admin_service_pb2.DrainRequest(), timeout=20
            )
        assert process.wait(30) == 0
    assert [report.faults for report in verify(tmp_path)] == [()]


def test_failures_to_start_are_one_line_and_exit_3(tmp_path):
    used = tmp_path / "used"
    with serving(used) as (process, address):
        create(address)
        code, err = failure("--data", used, "--listen", "127.0.0.1:0")
        assert (code, err) == (
            3,
            f"headcount: data directory {used} is in use by another Headcount"
            f" (process {process.pid}): stop it, or ask it through --address\n",
        )
        code, err = failure("--data", tmp_path / "other", "--listen", address)
        assert (code, err) == (
            3, f"headcount: can't listen on {address}: Address already in use\n"
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    file = damage(used)
    code, err = failure("--data", used, "--listen", "127.0.0.1:0")
    assert code == 3
    assert err.count("\n") == 1
    assert err.startswith(f"headcount: {file} is damaged within")
    assert "'headcount snapshot verify'" in err


def test_a_directory_that_can_be_none_and_a_wrong_address_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    code, err = failure("--data", tmp_path / "file" / "data")
    assert code == 3
    assert err == f"headcount: data directory {tmp_path}/file/data can't be used: Not a directory\n"
    code, err = failure("--data", tmp_path / "data", "--listen", "7070")
    assert code == 3
    assert err.startswith("headcount: '7070' is no address to listen on, such as 127.0.0.1:7070")


@pytest.mark.parametrize("value", ["5", "0s", "1w", "-1s", ""])
def test_a_wrong_duration_is_wrong_usage(value):
    result = CliRunner().invoke(serve, ["--data", "d", "--snapshot-every", value])
    assert result.exit_code == 2
    assert "is no duration such as 90s, 15m, 6h or 1d" in result.output


def test_help_shows_every_option_and_an_example():
    result = CliRunner().invoke(serve, ["--help"])
    assert result.exit_code == 0
    for part in ("--data", "--listen", "--snapshots-kept", "--snapshot-every", "Example:"):
        assert part in result.output


def test_snapshots_are_written_now_and_then_where_something_changed(tmp_path):
    with serving(tmp_path, "--snapshot-every", "1s") as (process, address):
        create(address)
        while "snapshot" not in (line := process.stderr.readline()):
            assert line
        process.kill()
        process.wait()
    with serving(tmp_path) as (_, address):
        assert audiences(address) == ["shop"]


# --- embedded -------------------------------------------------------------------------------------


def test_an_embedded_server_answers_and_keeps_what_it_was_told(tmp_path):
    for expected in ([], ["shop"]):
        with embedded(tmp_path / "data") as address:
            assert audiences(address) == expected
            if not expected:
                create(address)
    assert [report.faults for report in verify(tmp_path / "data")] == [()]


def test_an_embedded_server_keeps_its_state_when_its_user_fails(tmp_path):
    def fail(address):
        create(address)
        raise KeyError

    with pytest.raises(KeyError), embedded(tmp_path) as address:
        fail(address)
    with embedded(tmp_path) as address:
        assert audiences(address) == ["shop"]


def test_a_directory_is_used_by_one_server_at_a_time(tmp_path):
    with embedded(tmp_path), pytest.raises(InUse, match="in use"), embedded(tmp_path):
        pytest.fail("two servers use one directory")
    with embedded(tmp_path) as address:
        assert audiences(address) == []


def test_damage_is_raised_where_an_embedded_server_would_start(tmp_path):
    with embedded(tmp_path) as address:
        create(address)
    file = damage(tmp_path)
    with pytest.raises(DataLoss, match=str(file)), embedded(tmp_path):
        pytest.fail("damaged data were served")
    (report,) = verify(tmp_path)
    assert len(report.faults) == 1
    with pytest.raises(DataLoss), embedded(tmp_path):  # the lock was given back
        pytest.fail("damaged data were served")


def test_a_private_socket_is_gone_afterwards(tmp_path):
    with embedded(tmp_path) as address:
        path = Path(address.removeprefix("unix:"))
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.parent.exists()


def test_the_grammar_is_read_before_the_first_call(tmp_path):
    grammar.cache_clear()
    with embedded(tmp_path):
        assert grammar.cache_info().currsize == 1
