"""An import that is broken off goes on with ``--resume``, without loss or doubling."""

import signal
import subprocess
import time

import pytest

from tests.cli.process import ENVIRONMENT, PROGRAM, asked, serving

SCHEMA = """[audience]
key = "string"
[attributes]
age = "integer"
[events.open]
dimensions = ["campaign"]
"""
KEYS, ROWS = 50, 20_000
BAD = 97  # every so many lines is of an unknown key


@pytest.fixture
def files(tmp_path):
    (tmp_path / "shop.toml").write_text(SCHEMA)
    people = "".join(f"k{i},{i}\n" for i in range(KEYS))
    (tmp_path / "people.csv").write_text("key,age\n" + people)
    events = tmp_path / "events.csv"
    events.write_text("key,time,event,campaign\n" + "".join(map(line, range(ROWS))))
    return tmp_path


def line(number):
    key = "nobody" if number % BAD == 0 else f"k{number % KEYS}"
    return f"{key},2026-01-01,open,c{number}\n"


def run(address, *arguments, code=0):
    done = asked(*arguments, "--address", address)
    assert done.code == code, done.err
    return done


def prepare(address, files):
    run(address, "audience", "create", "shop", "--schema", files / "shop.toml")
    run(address, "import", "shop", files / "people.csv")


def importing(files, *options):
    return ("import", "shop", files / "events.csv", "--events", "--batch-rows", 200, *options)


def begin(address, files, enough):
    """A client in a process of its own, which has imported that many events or more."""
    arguments = map(str, importing(files, "--address", address))
    client = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    )  # fmt: skip
    until = time.monotonic() + 60
    while event_count(address) < enough and client.poll() is None:
        assert time.monotonic() < until
    return client


def event_count(address):
    return run(address, "status", "--json").json["audiences"][0]["event_count"]


def check(address):
    """Every good line is there once."""
    good = [number for number in range(ROWS) if number % BAD]
    assert event_count(address) == len(good)
    rule = "count distinct(open.campaign) >= {}"
    for key in ("k1", "k7"):
        mine = len([n for n in good if f"k{n % KEYS}" == key])
        ask = f'key = "{key}" and did open exactly {mine} times and {rule.format(mine)}'
        assert run(address, "count", "shop", ask, "--json").json["count"] == 1


@pytest.mark.parametrize("enough", [1, 3_000, 11_000])
def test_a_killed_client_goes_on_where_it_was(files, tmp_path, enough):
    with serving(tmp_path / "data", "--log-level=error") as (_, address):
        prepare(address, files)
        client = begin(address, files, enough)
        client.send_signal(signal.SIGKILL)
        client.wait()
        before = event_count(address)
        assert before >= enough
        found = run(address, *importing(files, "--resume", "--json")).json
        check(address)
        assert found["rows"] == ROWS
        assert found["skipped"] >= before
        assert found["accepted"] + found["rejected"] + found["skipped"] == ROWS
        again = run(address, *importing(files, "--resume", "--json")).json
        assert again["accepted"] == 0  # all of it was there
        check(address)


def test_an_import_goes_on_on_a_server_that_was_killed(files, tmp_path):
    with serving(tmp_path / "data", "--log-level=error") as (server, address):
        prepare(address, files)
        client = begin(address, files, 2_000)
        server.send_signal(signal.SIGKILL)
        assert client.wait(60) != 0
    with serving(tmp_path / "data", "--log-level=error") as (_, address):
        assert 2_000 <= event_count(address) < ROWS
        run(address, *importing(files, "--resume"))
        check(address)


def test_a_file_that_changed_or_was_never_begun_is_not_resumed(files, tmp_path):
    with serving(tmp_path / "data", "--log-level=error") as (_, address):
        prepare(address, files)
        refused = run(address, *importing(files, "--resume"), code=3)
        assert "nothing to resume" in refused.err
        client = begin(address, files, 1_000)
        client.send_signal(signal.SIGKILL)
        client.wait()
        before = event_count(address)
        with (files / "events.csv").open("a") as file:
            file.write(line(1))
        refused = run(address, *importing(files, "--resume"), code=3)
        assert "as it is now" in refused.err
        assert event_count(address) == before
        assert asked("import", "shop", "x.csv", "--resume", "--strict").code == 2


def test_batches_of_bad_lines_alone_are_passed_over(files, tmp_path):
    bad = "nobody,2026-01-01,open,x\n" * 400
    header, good = "key,time,event,campaign\n", "k1,2026-01-01,open,y\n" * 200
    (files / "events.csv").write_text(header + bad + good + bad + good + bad)
    with serving(tmp_path / "data", "--log-level=error") as (_, address):
        prepare(address, files)
        done = run(address, *importing(files, "--json")).json
        assert (done["accepted"], done["rejected"]) == (400, 1_200)
        done = run(address, *importing(files, "--resume", "--json")).json
        assert done["accepted"] == 0
        assert done["skipped"] >= 1_200  # up to the last good ones, or further
        assert done["skipped"] + done["rejected"] == 1_600
        assert event_count(address) == 400


def test_an_import_without_resume_is_a_new_one(files, tmp_path):
    with serving(tmp_path / "data", "--log-level=error") as (_, address):
        prepare(address, files)
        good = ROWS - len(range(0, ROWS, BAD))
        for times in (1, 2, 3):
            run(address, *importing(files))
            assert event_count(address) == times * good
        run(address, *importing(files, "--resume"))
        assert event_count(address) == 3 * good
