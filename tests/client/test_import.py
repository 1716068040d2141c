"""Importing files into a real server."""

import csv
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from headcount_client import Location
from pyarrow import parquet

TRICKY = b"""\xef\xbb\xbfkey,country,tags,age,spend,signup,seen,vip,home,email,known_since\r
a,DE,x|y,30,1.5,2026-01-02,2026-01-02T10:00:00,TRUE,"52.5,13.4","a@b.de",2020-01-01\r
b,NA,,x,1.555,2026-02-30,,,,,\r
c,AT\r
d,"say ""hi"", you",,5,,,2026-01-02T10:00:00Z,0,,"two\r
lines",1577836800\r
e,\xff,,7,,,,,,,\r
\r
f,null,x,9223372036854775808,,,,,,,\r
,DE,,1,,,,,,,\r
g,"DE"x,,1,,,,,,,\r
h,AT,,-0,,,,,,,\r
"""


def rejects(name="bad.csv"):
    with Path(name).open(newline="") as file:
        return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]


def test_a_tricky_file(run, client, shop):
    Path("people.csv").write_bytes(TRICKY)
    found = run("import", shop, "people.csv", "--reject-file", "bad.csv", "--json")
    assert found.code == 0
    assert found.json == [
        {"file": "people.csv", "rows": 9, "accepted": 3, "rejected": 6, "revision": 2}
    ]
    lines = rejects()
    assert [line for line, _ in lines] == [3, 4, 7, 9, 10, 11]
    for (_, reason), told in zip(
        lines,
        ["age: 'x' is no number", "too few columns: 2, the header has 11",
         "country: no valid UTF-8", "age: ", "key: it is missing", "bad quoting"],
        strict=True,
    ):  # fmt: skip
        assert told in reason
    assert "2026-02-30" in lines[0][1]
    assert "people.csv:3: age: 'x' is no number" in found.err
    assert client.get_subscriber(shop, "a").values == {
        "country": "DE", "tags": ("x", "y"), "age": 30, "spend": Decimal("1.50"),
        "signup": date(2026, 1, 2), "seen": datetime(2026, 1, 2, 9, tzinfo=UTC), "vip": True,
        "home": Location(52.5, 13.4), "email": "a@b.de",
    }  # fmt: skip
    person = client.get_subscriber(shop, "d")
    assert person.values["country"] == 'say "hi", you'
    assert person.values["email"] == "two\r\nlines"
    assert person.known_since == datetime(2020, 1, 1, tzinfo=UTC)
    assert client.get_subscriber(shop, "h").values == {"country": "AT", "age": 0}


def test_empty_removes_and_absent_leaves(run, client, shop):
    Path("one.csv").write_text("key,country,age\na,NA,3\nb,null,4\n")
    Path("two.csv").write_text("key,age\na,\n")
    assert run("import", shop, "one.csv", "two.csv").code == 0
    assert client.get_subscriber(shop, "a").values == {"country": "NA"}
    assert client.get_subscriber(shop, "b").values == {"country": "null", "age": 4}


def test_the_last_line_of_a_key_wins(run, client, shop):
    rows = [f"k{i % 7},{i}" for i in range(50)]
    Path("people.csv").write_text("\n".join(["key,age", *rows]))
    assert run("import", shop, "people.csv", "--batch-rows", "3").code == 0
    ages = [client.get_subscriber(shop, f"k{i}").values["age"] for i in range(7)]
    assert sorted(ages) == list(range(43, 50))


@pytest.mark.parametrize("ending", ["", "--strict"])
def test_strict_stops_at_the_first_bad_line(run, client, shop, ending):
    Path("people.csv").write_text("key,age\na,1\nb,x\nc,3\n")
    Path("more.csv").write_text("key,age\nd,1\n")
    found = run("import", shop, "people.csv", "more.csv", "--json", *filter(None, [ending]))
    if ending:
        assert found.code == 3
        assert "stopped at line 3 of people.csv" in found.err
        assert [one["accepted"] for one in found.json] == [1]
        assert list(client.list_members(shop, "everyone")) == ["a"]
    else:
        assert found.code == 0
        assert [one["accepted"] for one in found.json] == [2, 1]


def test_json_lines(run, client, shop):
    lines = [
        {"key": "a", "country": "DE", "tags": ["x|y", "z"], "home": [52.5, 13.4], "vip": True,
         "spend": 1.10, "seen": "2026-01-02T10:00:00"},
        {"key": "b", "country": None, "age": 3},
        {"key": "a", "country": None},
        {"key": "c", "age": 2.5},
    ]  # fmt: skip
    Path("people.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\nnonsense\n")
    found = run("import", shop, "people.jsonl", "--reject-file", "bad.csv", "--json")
    assert found.json[0]["accepted"] == 3
    assert [line for line, _ in rejects()] == [4, 5]
    assert client.get_subscriber(shop, "a").values == {
        "tags": ("x|y", "z"), "home": Location(52.5, 13.4), "vip": True, "spend": Decimal("1.10"),
        "seen": datetime(2026, 1, 2, 9, tzinfo=UTC),
    }  # fmt: skip
    assert client.get_subscriber(shop, "b").values == {"age": 3}


def test_parquet(run, client, shop):
    table = pa.table(
        {
            "id": pa.array(["a", "b", None]),
            "country": pa.array(["DE", None, "AT"]).dictionary_encode(),
            "tags": pa.array([["x", "y"], [], None]),
            "age": pa.array([30, None, 1], pa.int16()),
            "spend": pa.array([1.1, 2.0, 3.0]),
            "signup": pa.array([date(2026, 1, 2), None, None]),
            "seen": pa.array([datetime(2026, 1, 2, 10), None, None]),
            "changed_at": pa.array([datetime(2026, 1, 2, tzinfo=UTC)] * 3),
            "vip": pa.array([True, None, False]),
            "junk": pa.array([1, 2, 3]),
        }
    )
    parquet.write_table(table, "people.parquet")
    found = run("import", shop, "people.parquet", "--map", "id=key", "--ignore", "junk",
                "--reject-file", "bad.csv", "--json")  # fmt: skip
    assert (found.json[0]["rows"], found.json[0]["accepted"]) == (3, 2)
    assert rejects() == [(3, "key: it is missing")]
    assert client.get_subscriber(shop, "a").values == {
        "country": "DE", "tags": ("x", "y"), "age": 30, "spend": Decimal("1.10"),
        "signup": date(2026, 1, 2), "seen": datetime(2026, 1, 2, 9, tzinfo=UTC), "vip": True,
    }  # fmt: skip
    assert client.get_subscriber(shop, "b").values == {"spend": Decimal("2.00")}


EVENTS = """key,time,event,category,amount,quantity,campaign
a,2026-03-31T12:00:00,purchase,shoes,5.25,2,
a,2026-03-31,open,,,,spring
zz,1774951200,open,,,,spring
a,2026-03-31T12:00:00Z,opn,,,,spring
a,2026-03-31T12:00:00Z,open,shoes,,,spring
a,,open,,,,spring
a,2026-03-31T12:00:00Z,purchase,,5.255,,
"""


def test_events(run, client, shop):
    client.upsert_subscribers(shop, [{"key": "a"}])
    Path("events.csv").write_text(EVENTS)
    found = run("import", shop, "events.csv", "--events", "--reject-file", "bad.csv", "--json")
    assert (found.json[0]["rows"], found.json[0]["accepted"]) == (7, 2)
    lines = rejects()
    assert [line for line, _ in lines] == [4, 5, 6, 7, 8]
    for (_, reason), told in zip(
        lines, ["key: ", 'unknown event type "opn"; did you mean "open"', "category: ", "time: ",
                "amount: "], strict=True,
    ):  # fmt: skip
        assert told in reason
    events = client.get_subscriber(shop, "a", event_limit=9).events
    assert [(event.event, event.time) for event in events] == [
        ("purchase", datetime(2026, 3, 31, 10, tzinfo=UTC)),
        ("open", datetime(2026, 3, 30, 22, tzinfo=UTC)),
    ]
    assert events[0].measures == {"amount": Decimal("5.25"), "quantity": Decimal(2)}
    created = run("import", shop, "events.csv", "--events", "--create-missing", "--json")
    assert created.json[0]["accepted"] == 3
    assert client.get_subscriber(shop, "zz").event_count == 1


def test_files_without_key_or_event_columns(run, client, shop):
    Path("people.csv").write_text("age\n10\n\n20\n")
    assert run("import", shop, "people.csv", "--key-from-line").code == 0
    assert client.get_subscriber(shop, "1").values == {"age": 10}
    assert client.get_subscriber(shop, "3").values == {"age": 20}
    Path("opens.csv").write_text("who,at,campaign\n1,2026-01-01,x\n")
    found = run("import", shop, "opens.csv", "--events", "--event", "open", "--map", "who=key",
                "--map", "at=time")  # fmt: skip
    assert found.code == 0
    assert client.get_subscriber(shop, "1", event_limit=1).events[0].dimensions == {"campaign": "x"}


def test_events_of_json_lines_without_a_time_are_bad_lines(run, client, shop):
    client.upsert_subscribers(shop, [{"key": "a"}])
    lines = ['{"key": "a", "event": "open"}'] * 3 + ['{"key": "a", "time": 0, "event": "open"}']
    Path("events.jsonl").write_text("\n".join(lines))
    found = run("import", shop, "events.jsonl", "--events", "--batch-rows", "2", "--json")
    assert (found.json[0]["accepted"], found.json[0]["rejected"]) == (1, 3)


@pytest.mark.parametrize(
    ("content", "args", "told"),
    [
        ("key,contry\na,DE\n", [], 'column "contry" is none of'),
        ("household_id,age\na,3\n", [], "--map household_id=key"),
        ("key,age\na,3\n", ["--map", "x=age"], 'no file has a column "x"'),
        ("key,age\na,3\n", ["--map", "age"], "must be COLUMN=FIELD"),
        ("key,age\na,3\n", ["--event", "open"], "go with --events"),
        ("", [], "must be a header"),
        ("key,age\na,3\n", ["--format", "parquet"], "no Parquet file"),
        ("key,age\na,3\n", ["--reject-file", "none/x.csv"], "can't be written"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_imported(run, client, shop, content, args, told):
    Path("good.csv").write_text("key,age\nz,3\n")
    Path("people.csv").write_text(content)
    found = run("import", shop, "good.csv", "people.csv", *args)
    assert found.code == 2
    assert told in found.err
    assert client.count(shop, "everyone").total == 0


def test_a_file_that_is_not_there(run, shop):
    found = run("import", shop, "absent.csv")
    assert found.code == 2
    assert "absent.csv can't be read" in found.err
    assert "--format" in run("import", shop, "people.xls").err
    assert run("import", "nowhere", "absent.csv").code == 3


def test_more_bad_rows_than_one_refusal_lists(run, client, shop):
    rows = [f"k{i},{'x' if i % 3 else i}" for i in range(3000)]
    Path("people.csv").write_text("\n".join(["key,age", *rows]))
    found = run("import", shop, "people.csv", "--reject-file", "bad.csv", "--json")
    assert (found.json[0]["accepted"], found.json[0]["rejected"]) == (1000, 2000)
    assert [line for line, _ in rejects()] == [i + 2 for i in range(3000) if i % 3]
    assert "more bad lines" in found.err
    assert client.count(shop, "age is set").total == 1000
