"""The command line against a real server: shapes of JSON, exit codes, faults."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from click import Command, Group
from headcount_client.cli import app
from headcount_server.app import embedded

from tests.refusals import REFUSALS, UNPARSED

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def filled(client, shop):
    client.upsert_subscribers(
        shop,
        [
            {"key": "a", "country": "DE", "status": "active", "age": 30},
            {"key": "b", "country": "DE", "status": "left", "age": 40},
            {"key": "c", "country": "AT", "status": "active"},
        ],
    )
    client.record_events(shop, [{"key": "a", "time": NOON, "event": "open", "campaign": "spring"}])
    return shop


def test_count(run, filled):
    found = run("count", filled, 'country = "DE"', "--json", "--as-of", "2026-03-31T12:00:00Z")
    assert found.code == 0
    (counted,) = found.json
    assert list(counted) == [
        "audience", "count", "reachable", "audience_size", "revision", "as_of", "engine_ms"
    ]  # fmt: skip
    engine_ms = counted.pop("engine_ms")
    assert engine_ms > 0
    assert counted == {
        "audience": filled, "count": 2, "reachable": 1, "audience_size": 3, "revision": 3,
        "as_of": "2026-03-31T12:00:00Z",
    }  # fmt: skip
    shown = run("count", filled, 'country = "DE"')
    assert "2 of 3 match (66.7 %)" in shown.out
    assert "1 of them can be reached (50.0 %)" in shown.out


@pytest.mark.parametrize(
    ("as_of", "count", "taken"),
    [
        ("2026-03-31", 0, "2026-03-30T22:00:00Z"),
        ("2026-04-01", 1, "2026-03-31T22:00:00Z"),
        ("2026-03-31T14:00:00", 1, "2026-03-31T12:00:00Z"),
        ("2026-03-31T13:59:59+02:00", 0, "2026-03-31T11:59:59Z"),
    ],
)
def test_as_of_is_in_the_zone_of_the_audience(run, filled, as_of, count, taken):
    (found,) = run("count", filled, "did open in last 3 days", "--as-of", as_of, "--json").json
    assert (found["count"], found["as_of"]) == (count, taken)
    (same,) = run("--as-of", as_of, "--json", "count", filled, "did open in last 3 days").json
    assert same["count"] == count


def test_rules_come_from_files_and_standard_input(run, filled, monkeypatch):
    Path("rule.txt").write_text('# Germans\ncountry = "DE"\n')
    assert run("count", filled, "@rule.txt", "--json").json[0]["count"] == 2
    stdin = SimpleNamespace(buffer=SimpleNamespace(read=lambda: b'country = "AT"'))
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("count", filled, "-", "--json").json[0]["count"] == 1
    absent = run("count", filled, "@absent.txt")
    assert absent.code == 2
    assert "absent.txt can't be read" in absent.err


def test_parameters(run, filled):
    Path("countries.txt").write_text('DE\nsay "x"\n')
    Path("ages.txt").write_text("30\n40\n")
    for rule, params, count in (
        ("age >= $low", ["low=40"], 1),
        ("country = $c", ["c=DE"], 2),
        ("country = $c", ['c="DE"'], 2),
        ("country in $c", ['c=("DE", "AT")'], 3),
        ("country in $c", ["c=@countries.txt"], 2),
        ("age in $ages", ["ages=@ages.txt"], 2),
        ("country = $c and age > $a", ["$c=DE", "a=35"], 1),
    ):
        args = [part for param in params for part in ("--param", param)]
        found = run("count", filled, rule, *args, "--json")
        assert found.json[0]["count"] == count, (rule, found.err)
    assert run("count", filled, "everyone", "--within", 'country = "AT"', "--json").json[0][
        "count"] == 1  # fmt: skip


@pytest.mark.parametrize("params", [["low"], ["=3"], ["low=3", "low=4"], ["low=@absent"]])
def test_parameters_that_are_none(run, filled, params):
    args = [part for param in params for part in ("--param", param)]
    assert run("count", filled, "age > $low", *args).code == 2


def test_a_fault_of_a_rule_is_shown_at_its_place(run, filled):
    found = run("count", filled, 'country = "DE" and\n  contry = "AT"')
    assert found.code == 3
    lines = found.err.splitlines()
    at = lines.index('  2 |   contry = "AT"')
    assert lines[at + 1].startswith("        ^^^^^^")
    assert 'did you mean "country"?' in found.err
    within = run("count", filled, "everyone", "--within", "country =")
    assert within.code == 3
    assert "\n  country =\n           ^" in within.err
    assert "expected" in within.err


@pytest.mark.parametrize("case", REFUSALS + UNPARSED, ids=lambda case: case.marked[:40])
def test_a_rule_that_can_not_be_answered_is_underlined_where_it_is_wrong(run, filled, case):
    found = run("count", filled, case.text)
    assert (found.code, found.out) == (3, "")
    assert case.words in found.err
    lines = found.err.splitlines()
    carets = next(line for line in lines if line.strip().strip("^") == "" and "^" in line)
    shown = min(max(case.end - case.start, 1), 200 - case.start)
    assert (len(carets) - len(carets.lstrip()), carets.count("^")) == (2 + case.start, shown)


def test_explain(run, filled):
    rule = 'country = "DE" and status = "active"'
    (found,) = run("explain", filled, rule, "--json").json
    assert (found["count"], found["root"]["text"]) == (1, rule)
    nodes = found["root"]["nodes"]
    assert [(node["count"], node["cumulative_count"], node["removed_count"]) for node in nodes] == [
        (2, 2, 1), (2, 1, 1)
    ]  # fmt: skip
    assert [node["without_count"] for node in nodes] == [2, 2]
    shown = run("explain", filled, rule).out
    assert "without it" in shown
    assert '├─ country = "DE"' in shown
    assert '└─ status = "active"' in shown


def test_breakdown(run, filled):
    (found,) = run("breakdown", filled, "everyone", "--by", "country", "--json").json
    assert [(one["value"], one["count"]) for one in found["values"]] == [("DE", 2), ("AT", 1)]
    assert (found["count"], found["reachable"]) == (3, 2)
    (found,) = run(
        "breakdown", filled, "everyone", "--by", "age", "--by", "country", "--edges", "0,35,50",
        "--json",
    ).json  # fmt: skip
    assert [one["attribute"] for one in found["breakdowns"]] == ["age", "country"]
    counts = {one["value"]: one["count"] for one in found["values"]}
    assert (counts["[0, 35)"], counts["[35, 50)"], sum(counts.values())) == (1, 1, 2)
    assert "no value" in run("breakdown", filled, "everyone", "--by", "age").out
    assert run("breakdown", filled, "everyone", "--by", "age", "--edges", "x").code == 2


def test_members_and_export(run, filled):
    assert run("members", filled, "everyone").out.split() == ["a", "b", "c"]
    limited = run("members", filled, "everyone", "--limit", "2")
    assert limited.out.split() == ["a", "b"]
    assert "3 in all" in limited.err
    (found,) = run("members", filled, "everyone", "--limit", "2", "--json").json
    assert (found["count"], found["keys"]) == (3, ["a", "b"])
    (found,) = run("members", filled, "everyone", "--sample", "1", "--json").json
    assert len(found["keys"]) == 1
    assert sorted(run("export", filled, "everyone").out.split()) == ["a", "b", "c"]
    assert run("export", filled, "everyone", "--output", "keys.txt", "--json").json[0]["keys"] == 3
    assert len(Path("keys.txt").read_text().split()) == 3
    assert run("export", filled, "everyone", "--format", "roaring").code == 3


def test_match(run, filled):
    run("segment", "create", filled, "german", 'country = "DE"')
    found = run(
        "match", filled, "c", "--rule", 'status = "active"', "--segment", "german", "--json"
    )
    assert [(one["segment"], one["matches"]) for one in found.json[0]["results"]] == [
        ("", True), ("german", False)
    ]  # fmt: skip
    assert 'country = "DE"' in run("match", filled, "c").out
    assert run("match", filled, "nobody").code == 3


def test_segments(run, filled):
    created = run("segment", "create", filled, "young", "age < 35", "--history", "30", "--json")
    assert created.json[0]["rule"] == "age < 35"
    assert created.json[0]["history_days"] == 30
    assert (
        run("segment", "update", filled, "young", "age<36", "--json").json[0]["rule"] == "age < 36"
    )
    assert "age < 36" in run("segment", "show", filled, "young").out
    assert [one["name"] for one in run("segment", "list", filled, "--json").json[0]] == ["young"]
    assert run("segment", "create", filled, "young", "everyone").code == 3
    assert run("segment", "delete", filled, "young").code == 0
    assert run("segment", "show", filled, "young").code == 3


def test_subscribers(run, filled):
    (found,) = run("subscribers", "get", filled, "a", "--json").json
    assert found["values"] == {"country": "DE", "status": "active", "age": 30}
    assert found["events"] == [
        {"time": "2026-03-31T12:00:00Z", "event": "open", "campaign": "spring"}
    ]
    assert run("subscribers", "get", filled, "nobody").code == 3
    assert run("subscribers", "delete", filled, "a", "b", "x", "--json").json[0]["deleted"] == 2
    assert run("count", filled, "everyone", "--json").json[0]["count"] == 1


def test_audiences(run):
    Path("shop.toml").write_text('[audience]\nkey = "uint32"\n[attributes]\nage = "integer"\n')
    assert run("audience", "create", "a1", "--schema", "shop.toml", "--check").code == 0
    assert run("audience", "create", "a1", "--schema", "shop.toml").code == 0
    assert run("audience", "create", "a1", "--schema", "shop.toml").code == 3
    (listed,) = run("audience", "list", "--json").json
    assert {"name": "a1", "key": "uint32", "time_zone": "UTC", "audience_size": 0} in [
        {name: one[name] for name in ("name", "key", "time_zone", "audience_size")}
        for one in listed
    ]
    described = run("audience", "describe", "a1")
    assert "age" in described.out
    Path("shop.toml").write_text('[audience]\nkey = "uint32"\n[attributes]\nplan = "keyword"\n')
    assert run("audience", "update", "a1", "--schema", "shop.toml").code == 0
    assert "x" in run("subscribers", "get", "a1", "x").err
    assert run("subscribers", "get", "a1", "x").code == 2
    assert run("audience", "delete", "a1", "--json").json == [{"audience": "a1", "deleted": True}]
    Path("shop.toml").write_text('[audience]\nkeys = "uint32"\n')
    wrong = run("audience", "create", "a1", "--schema", "shop.toml")
    assert wrong.code == 2
    assert 'unknown key "keys"; did you mean "key"?' in wrong.err


def test_events_kept_for_a_time(run, client):
    Path("shop.toml").write_text("[events.buy]\nretention_days = 30\n")
    assert run("audience", "create", "kept", "--schema", "shop.toml").code == 0
    client.count("kept", "everyone", at_least_revision=2)  # the first fold
    (described,) = run("audience", "describe", "kept", "--json").json
    (event,) = described["events"]
    assert event["event"]["retention_days"] == 30
    assert f"30 days, from {event['kept_from']}" in run("audience", "describe", "kept").out
    assert run("count", "kept", "did buy ever").code == 0
    wrong = run("count", "kept", "did buy at least 2 times ever")
    assert wrong.code == 3
    assert f'events "buy" are kept from {event["kept_from"]} on' in wrong.err
    Path("shop.toml").write_text("[events.buy]\nretention_days = 'x'\n")
    assert (
        "retention_days must be a whole number"
        in run("audience", "update", "kept", "--schema", "shop.toml").err
    )
    assert run("audience", "delete", "kept").code == 0


def test_snapshots_and_status(run, filled):
    assert run("snapshot", "create", "first", "--json").json[0]["name"] == "first"
    (listed,) = run("snapshot", "list", "--json").json
    assert "first" in [one["name"] for one in listed]
    (status,) = run("status", "--json").json
    assert status["state"] == "serving"
    assert status["resident_bytes"] > 0
    assert status["version"]
    assert [one["audience_size"] for one in status["audiences"] if one["name"] == filled] == [3]
    assert "serving" in run("status").out


def test_nobody_there(run, filled):
    found = run("count", filled, "everyone", "--address", "127.0.0.1:1")
    assert found.code == 4
    assert "no server answers at 127.0.0.1:1" in found.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["cuont"], 'did you mean "count"'),
        (["count"], "NAME"),
        (["count", "x", "everyone", "--nope"], "--nope"),
        (["count", "x", "everyone", "--as-of", "yesterday"], "is no time"),
        (["count", "x", "everyone", "--as-of", "2026-02-30"], "is no time"),
        (["count", "x", "everyone", "--address", "a:1", "--embedded", "d"], "not both"),
        (["watch", "x", "everyone", "--min-interval", "soon"], "no length of time"),
        (["watch", "x", "everyone", "--as-of", "2026-01-01"], "no --as-of"),
    ],
)
def test_wrong_usage_ends_with_2(run, args, told):
    found = run(*args)
    assert found.code == 2
    assert told in found.err


def commands(command, path=()):
    if isinstance(command, Group):
        for name in command.list_commands(None):
            yield from commands(command.get_command(None, name), (*path, name))
    else:
        yield path, command


def test_every_command_has_help_with_an_example(run):
    found = list(commands(app.headcount))
    assert len(found) > 20
    for path, command in found:
        assert isinstance(command, Command)
        if path[0] == "serve":  # of the server package
            continue
        shown = run(*path, "--help")
        assert shown.code == 0
        assert f"headcount {' '.join(path)}" in shown.out.split("Options")[1], path


def test_a_data_directory_without_a_server(run, tmp_path, monkeypatch):
    point = SimpleNamespace(load=lambda: embedded)
    monkeypatch.setattr("headcount_client.cli.target.entry_points", lambda **_: [point])
    Path("shop.toml").write_text('[attributes]\nage = "integer"\n')
    Path("people.csv").write_text("key,age\na,3\nb,4\n")
    data = str(tmp_path / "data")
    assert run("audience", "create", "e", "--schema", "shop.toml", "--embedded", data).code == 0
    assert run("import", "e", "people.csv", "--embedded", data).code == 0
    found = run("count", "e", "age > 3", "--embedded", data, "--json")
    assert found.json[0]["count"] == 1


def test_embedded_without_the_server_package(run, monkeypatch):
    monkeypatch.setattr("headcount_client.cli.target.entry_points", lambda **_: [])
    found = run("status", "--embedded", "data")
    assert found.code == 2
    assert "server package" in found.err


def test_commands_of_entry_points(run, monkeypatch):
    monkeypatch.setattr(app, "entry_points", lambda **_: [])
    assert "server package" in run("serve", "--data", "x").err
    check = Command("rehearse", callback=lambda: print(json.dumps({"checked": True})))
    points = [SimpleNamespace(name="snapshot rehearse", load=lambda: check)]
    monkeypatch.setattr(app, "entry_points", lambda **_: points)
    assert run("snapshot", "rehearse").json == [{"checked": True}]
    from headcount_client.cli.commands.operating import snapshot

    snapshot.commands.pop("rehearse")
