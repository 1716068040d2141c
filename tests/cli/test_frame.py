"""What all commands have in common: help, exit codes, JSON, colours, addresses, embedded."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from tests.cli.conftest import EVENTS, PEOPLE, SCHEMA
from tests.cli.process import ENVIRONMENT, PROGRAM, asked, headcount

COMMANDS = [
    "demo", "serve", "audience create", "audience list", "audience describe", "audience delete",
    "import", "count", "explain", "breakdown", "members", "export", "match", "watch",
    "segment create", "segment list", "segment show", "segment update", "segment delete",
    "subscribers get", "subscribers delete", "snapshot create", "snapshot list",
    "snapshot restore", "status",
]  # fmt: skip
QUESTIONS = [
    ["count", "shop", "everyone"],
    ["explain", "shop", 'country = "DE" and age > 30'],
    ["breakdown", "shop", "everyone", "--by=country"],
    ["members", "shop", "everyone"],
    ["members", "shop", "everyone", "--sample=2"],
    ["match", "shop", "ann", "--rule", "age > 30"],
    ["segment", "list", "shop"],
    ["subscribers", "get", "shop", "ann"],
    ["snapshot", "list"],
    ["status"],
    ["audience", "list"],
    ["audience", "describe", "shop"],
]
ESCAPE = "\x1b"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    for option in ("-h", "--help"):
        done = asked(*command.split(), option)
        assert (done.code, done.err) == (0, "")
        assert f"headcount {command}" in done.out.partition("Example")[2]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("demo", "serve")])
def test_every_command_takes_the_common_options(command):
    helped = asked(*command.split(), "-h").out
    for option in ("--address", "--embedded", "--json", "--as-of"):
        assert option in helped


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_json_is_one_json_value_and_nothing_else(shop, question):
    done = shop.done(*question, "--json")
    assert json.loads(done.out) is not None
    assert done.out.endswith("\n")
    assert done.err == ""


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_pipe_gets_no_colours(shop, question):
    done = headcount(*question, "--address", shop.address, env={"TERM": "xterm-256color"})
    assert done.code == 0
    assert done.out.strip()
    assert ESCAPE not in done.out + done.err


def test_a_terminal_gets_colours(shop):
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "status", "--address", shop.address],
        stdout=follower, stderr=follower, env={**ENVIRONMENT, "TERM": "xterm-256color"},
    ) as process:  # fmt: skip
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
    os.close(leader)
    assert process.returncode == 0
    assert ESCAPE.encode() in shown


def _read(leader):
    try:
        return os.read(leader, 65_536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cuont", "shop", "everyone"], 'did you mean "count"'),
        (["count", "shop"], "Missing argument 'RULE'"),
        (["count", "shop", "everyone", "--addres=x"], "--address"),
        (["count", "shop", "everyone", "--as-of=yesterday"], "2026-03-31T09:00:00Z"),
        (["count", "shop", "everyone", "--as-of=2026-02-30"], "2026-02-30"),
        (["count", "shop", "everyone", "--param=age"], "NAME=VALUE"),
        (["count", "shop", "everyone", "--param=a=1", "--param=a=2"], "twice"),
        (["count", "shop", "@nowhere.txt"], "nowhere.txt can't be read"),
        (["count", "shop", "everyone", "--address=x:1", "--embedded=y"], "not both"),
        (["breakdown", "shop", "everyone"], "--by"),
        (["members", "shop", "everyone", "--limit=-1"], "--limit"),
        (["import", "shop"], "FILE"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(arguments, said):
    done = asked(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_servers_error_exits_3_with_nothing_on_standard_output(shop, as_json):
    done = shop.run("count", "nowhere", "everyone", *as_json)
    assert (done.code, done.out) == (3, "")
    assert done.err == 'error: no audience "nowhere"\n'


def test_an_address_where_nobody_answers_exits_4():
    done = headcount("count", "shop", "everyone", "--address", "127.0.0.1:1")
    assert (done.code, done.out) == (4, "")
    assert "no server answers at 127.0.0.1:1" in done.err
    assert "headcount serve" in done.err


def test_the_address_may_stand_before_the_command_or_in_the_environment(shop):
    before = headcount("--address", shop.address, "--json", "count", "shop", "everyone")
    named = headcount(
        "count", "shop", "everyone", "--json", env={"HEADCOUNT_ADDRESS": shop.address}
    )
    assert before.json["count"] == named.json["count"] == 4


def test_version_is_that_of_the_server(shop):
    version = asked("--version").out.strip()
    assert re.fullmatch(r"headcount,? (version )?\d+\.\d+\.\d+", version)
    assert version.split()[-1] == shop.json("status")["version"]


def test_a_reader_that_goes_away_is_no_error(shop):
    command = (
        f'"{sys.executable}" -m headcount_client export shop everyone --address {shop.address}'
    )
    done = subprocess.run(
        ["sh", "-c", f"{command} | true"],
        check=False, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_embedded_does_the_same_without_a_server(shop, tmp_path):
    (tmp_path / "shop.toml").write_text(SCHEMA)
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "events.csv").write_text(EVENTS)
    data = ("--embedded", tmp_path / "audiences", "--json")
    for arguments in (
        ["audience", "create", "shop", "--schema", tmp_path / "shop.toml"],
        ["import", "shop", tmp_path / "people.csv"],
        ["import", "shop", tmp_path / "events.csv", "--events"],
    ):
        done = asked(*arguments, *data)
        assert done.code == 0, done.err
    rule = 'country = "DE" and did open at least 2 times'
    assert asked("count", "shop", rule, *data).json["count"] == shop.count(rule) == 1
    assert asked("members", "shop", "everyone", *data).json["keys"] == ["ann", "bob", "cem", "dot"]
    refused = asked("count", "shop", 'contry = "DE"', *data)
    assert (refused.code, refused.out) == (3, "")


def test_a_data_directory_in_use_is_refused(shop):
    done = asked("status", "--embedded", shop.directory / "audiences")
    assert done.code == 3
    assert "use" in done.err
