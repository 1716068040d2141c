"""``watch`` and ``top`` as a user runs them."""

import itertools
import json
import os
import pty
import signal
import subprocess
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from headcount_client.cli import feed
from headcount_client.cli import held as held_members
from headcount_client.cli.held import HeldMembers
from headcount_client.results import WatchResponse

from tests.cli.conftest import PEOPLE, SCHEMA
from tests.cli.process import ENVIRONMENT, PROGRAM, asked, serving

WITHIN_S = 60


@contextmanager
def watching(address, *arguments):
    """A process that watches; ``next`` of what is yielded is its next line."""
    process = subprocess.Popen(
        [*PROGRAM, "watch", *arguments, "--address", address, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process):
    text = process.stdout.readline()
    assert text, process.stderr.read()
    return json.loads(text)


def test_each_change_is_a_line_of_json_and_ctrl_c_ends_it_well(shop):
    name = shop.fresh()
    with watching(shop.address, name, "age >= 30", "--members") as process:
        first = line(process)
        assert list(first) == [
            "audience", "count", "reachable", "change", "revision", "time", "entered", "left",
        ]  # fmt: skip
        assert (first["audience"], first["count"], first["change"]) == (name, 0, 0)
        assert first["entered"] == first["left"] == []
        shop.done("import", name, shop.file("people.csv", PEOPLE))
        second = line(process)
        assert (second["count"], second["reachable"], second["change"]) == (3, 2, 3)
        assert second["entered"] == ["ann", "bob", "dot"]
        shop.done("subscribers", "delete", name, "bob")
        third = line(process)
        assert (third["count"], third["change"], third["left"]) == (2, -1, ["bob"])
        assert third["revision"] > second["revision"]
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
        assert process.stderr.read() == ""


def test_several_rules_and_segments_are_told_apart(shop):
    shop.done("segment", "create", "shop", "grown", "age >= 40")
    with watching(shop.address, "shop", "everyone", "age >= 30", "--segment", "grown") as process:
        lines = [line(process) for _ in range(3)]
        assert [(one["index"], one["count"]) for one in lines] == [(0, 4), (1, 3), (2, 2)]
        assert (lines[1]["rule"], lines[2]["segment"]) == ("age >= 30", "grown")
        shop.done("segment", "delete", "shop", "grown")
        assert process.wait(WITHIN_S) == 3
        assert '"grown" was deleted' in process.stderr.read()


def test_a_server_that_comes_back_is_watched_on(tmp_path):
    data = tmp_path / "audiences"
    (tmp_path / "shop.toml").write_text(SCHEMA)
    (tmp_path / "people.csv").write_text(PEOPLE)
    with serving(data) as (_, address):
        at = ("--address", address)
        asked("audience", "create", "shop", "--schema", tmp_path / "shop.toml", *at)
        asked("import", "shop", tmp_path / "people.csv", *at)
        process = watching(address, "shop", "age >= 30")
        found = process.__enter__()
        assert line(found)["count"] == 3
    try:
        with serving(data, "--listen", address):
            assert asked("subscribers", "delete", "shop", "ann", *at).code == 0
            after = line(found)
            while after["count"] != 2:
                after = line(found)
            assert after["change"] == -1
            found.send_signal(signal.SIGINT)
            assert found.wait(WITHIN_S) == 0
    finally:
        process.__exit__(None, None, None)


def test_who_moved_while_the_server_was_away_is_told_when_it_is_back(tmp_path):
    data = tmp_path / "audiences"
    (tmp_path / "shop.toml").write_text(SCHEMA)
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "more.csv").write_text("key,age\nann,5\neve,50\n")
    with serving(data) as (_, address):
        at = ("--address", address)
        asked("audience", "create", "shop", "--schema", tmp_path / "shop.toml", *at)
        asked("import", "shop", tmp_path / "people.csv", *at)
        asked("snapshot", "create", "before", *at)
        process = watching(address, "shop", "age >= 30", "--members")
        found = process.__enter__()
        first = line(found)
        assert (first["count"], first["entered"], first["left"]) == (3, [], [])
    try:
        assert asked("import", "shop", tmp_path / "more.csv", "--embedded", data).code == 0
        with serving(data, "--listen", address):
            back = line(found)
            assert (back["count"], back["change"]) == (3, 0)
            assert (back["entered"], back["left"]) == (["eve"], ["ann"])
            assert asked("snapshot", "restore", "before", *at).code == 0
            restored = line(found)
            assert (restored["entered"], restored["left"]) == (["ann"], ["eve"])
            assert asked("subscribers", "delete", "shop", "bob", *at).code == 0
            after = line(found)
            assert (after["count"], after["entered"], after["left"]) == (2, [], ["bob"])
            found.send_signal(signal.SIGINT)
            assert found.wait(WITHIN_S) == 0
    finally:
        process.__exit__(None, None, None)


def test_keys_are_net_of_what_was_shown_over_streams():
    members = {0: "abc"}
    held = HeldMembers(lambda index, revision: members[index])
    held.begin()
    assert moves(held.net(update(0, 3, "c"))) == ("", "")
    assert moves(held.net(update(0, 3, "cd", "ax"))) == ("d", "a")
    held.begin()
    members[0] = "dxb"
    assert moves(held.net(update(0, 3))) == ("x", "c")
    assert moves(held.net(update(0, 3, "x", "c"))) == ("", "")
    assert moves(held.net(update(0, 4, "c"))) == ("c", "")


def test_of_more_members_than_are_held_nothing_is_told_of_what_was_missed(monkeypatch):
    monkeypatch.setattr(held_members, "HELD_MAX", 3)
    held = HeldMembers(lambda index, revision: "abc")
    held.begin()
    held.net(update(0, 3))
    assert moves(held.net(update(0, 4, "d"))) == ("d", "")
    held.begin()
    assert moves(held.net(update(0, 4))) == ("", "")
    assert moves(held.net(update(0, 5, "e", "a"))) == ("e", "a")


def moves(update):
    return "".join(update.entered), "".join(update.left)


def test_a_server_that_stays_away_is_given_up(monkeypatch):
    """30 seconds of a clock that leaps; then the exit code is that of nobody there."""
    instants = itertools.count(0.0, 7.0)
    clock = SimpleNamespace(monotonic=lambda: next(instants), sleep=lambda _: None)
    monkeypatch.setattr(feed, "time", clock)
    starts = []

    def start():
        starts.append(1)
        if len(starts) == 1:
            yield update(0, 5)
        raise feed.Unavailable("gone")

    shown = []
    with pytest.raises(feed.Unavailable, match="gone for 30 s") as caught:
        feed.follow(start, shown.append)
    assert [one.total for one in shown] == [5]
    assert len(starts) == 6
    assert not caught.value.from_server
    assert asked("watch", "shop", "everyone", "--address", "127.0.0.1:1").code == 4


def update(index, total, entered=(), left=()):
    return WatchResponse(index, total, total, 1, tuple(entered), tuple(left), 1, None, False)


def test_who_shows_slowly_gets_the_newest_of_each_with_the_net_of_its_keys():
    read = threading.Event()

    def updates():
        yield update(0, 1, "a", "z")
        yield update(1, 7)
        yield update(0, 2, "bc", "a")
        yield update(0, 3, "z", "b")
        read.set()

    found = feed.Feed(updates())
    assert read.wait(WITHIN_S)
    first, second = list(found)
    assert (first.index, first.total, first.change) == (0, 3, 3)
    assert (first.entered, first.left) == (("c",), ())
    assert (second.index, second.total) == (1, 7)


def test_without_a_terminal_there_is_a_line_of_text_for_each_change(shop):
    process = subprocess.Popen(
        [*PROGRAM, "watch", "shop", "age >= 30", "--address", shop.address],
        stdout=subprocess.PIPE, text=True, env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout.readline().split()[1:] == ["3"]
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    finally:
        process.kill()
        process.communicate()


def on_terminal(*arguments, until, then):
    """What a command draws on a terminal; keys or a signal end it when ``until`` has come."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=follower, stdout=follower, stderr=follower,
        env={**ENVIRONMENT, "TERM": "xterm-256color", "LINES": "40"},
    )  # fmt: skip
    os.close(follower)
    found = b""
    try:
        while until not in found:
            found += os.read(leader, 65_536)
        then(process, leader)
        try:
            while more := os.read(leader, 65_536):
                found += more
        except OSError:
            pass  # the terminal is closed with the process
        return process.wait(WITHIN_S), found.decode()
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_on_a_terminal_a_table_with_a_picture_is_drawn(shop):
    code, drawn = on_terminal(
        "watch", "shop", "age >= 30", "everyone", "--address", shop.address, until="▄".encode(),
        then=lambda process, _: process.send_signal(signal.SIGINT),
    )  # fmt: skip
    assert code == 0
    assert "reachable" in drawn
    assert "age >= 30" in drawn


def test_top_on_a_terminal_is_sorted_and_quit_by_keys(shop):
    code, drawn = on_terminal(
        "top", "--address", shop.address, until=b"AdminService",
        then=lambda _, keyboard: os.write(keyboard, b"nq"),
    )  # fmt: skip
    assert code == 0
    assert "(by calls)" in drawn
    assert "(by name)" in drawn


def test_top_once_tells_audiences_calls_and_watches(shop):
    with watching(shop.address, "shop", "everyone", "age > 3") as process:
        line(process)
        line(process)
        found = shop.json("top", "--once", "--interval", "0.3")
    (audience,) = [one for one in found["audiences"] if one["name"] == "shop"]
    assert (audience["watches"], audience["audience_size"]) == (2, 4)
    assert found["watches"] == 2
    assert found["watch_bytes"] > 0
    methods = {one["method"]: one for one in found["methods"]}
    assert methods["QueryService.Watch"]["running"] == 1
    status = methods["AdminService.GetServerStatus"]
    assert 1 <= status["calls_per_s"] <= 4
    assert 0 < status["p50_ms"] <= status["p99_ms"]
    assert found["cpu"] > 0
    assert "AdminService.GetServerStatus" in shop.done("top", "--once", "--interval", "0.1").out


@pytest.mark.parametrize(
    "arguments",
    [["watch", "shop"], ["watch", "shop", "everyone", "--as-of", "2026-01-01"],
     ["watch", "shop", "everyone", "--min-interval", "soon"], ["top", "--sort", "nothing"]],
)  # fmt: skip
def test_wrong_usage_is_told(shop, arguments):
    assert shop.run(*arguments).code == 2


def test_a_bad_rule_or_interval_is_the_servers_error(shop):
    found = shop.run("watch", "shop", "everyone", "agee > 3")
    assert found.code == 3
    assert "  agee > 3\n  ^^^^" in found.err
    assert shop.run("watch", "shop", "everyone", "--min-interval", "2h").code == 3
