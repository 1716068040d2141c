"""Files: what their columns and values mean, which lines are bad, and what is told of them."""

import csv
import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.cli.process import headcount

HEADER = "key,country,age,spend,signup,vip,seen,home"


def values(shop, name, key):
    return shop.json("subscribers", "get", name, key)["values"]


def test_import_prints_one_object_for_each_file(shop):
    name = shop.fresh()
    one = shop.file("one.csv", "key,age\nann,30\nbob,40\n")
    two = shop.file("two.csv", "key,age\ncem,x\n")
    done = shop.done("import", name, one, two, "--json")
    first, second = done.lines
    assert first == {
        "file": str(one), "rows": 2, "accepted": 2, "rejected": 0, "revision": first["revision"]
    }  # fmt: skip
    assert (second["rows"], second["accepted"], second["rejected"]) == (1, 0, 1)
    assert first["revision"] == shop.json("count", name, "everyone")["revision"]


def test_what_was_accepted_outlives_the_server(tmp_path):
    (tmp_path / "a.toml").write_text('[audience]\nkey = "string"\n[attributes]\nage = "integer"\n')
    (tmp_path / "a.csv").write_text("key,age\nann,30\n")
    data = ("--embedded", tmp_path / "audiences", "--json")
    assert headcount("audience", "create", "a", "--schema", tmp_path / "a.toml", *data).code == 0
    assert headcount("import", "a", tmp_path / "a.csv", *data).code == 0
    assert headcount("count", "a", "age = 30", *data).json["count"] == 1


def test_values_of_every_type(shop):
    assert values(shop, "shop", "ann") == {
        "country": "DE", "status": "active", "tags": ["news", "shoes"], "email": "Ann@example.com",
        "vip": True, "age": 30, "spend": "12.50", "signup": "2026-01-31",
        "seen": "2026-03-01T10:00:00Z", "home": {"latitude": 52.52, "longitude": 13.4},
    }  # fmt: skip


def test_times_may_have_an_offset_none_be_a_date_or_epoch_seconds(shop):
    seen = {key: values(shop, "shop", key)["seen"] for key in ("ann", "bob", "cem", "dot")}
    assert seen == {
        "ann": "2026-03-01T10:00:00Z",
        "bob": "2026-03-01T09:00:00Z",
        "cem": "2026-01-01T00:00:00Z",
        "dot": "2026-03-01T23:00:00Z",
    }


def test_an_empty_field_is_missing_and_na_and_null_are_values(shop):
    assert shop.count("age is missing") == 1
    assert shop.count('country = "NA"') == 1
    assert shop.count('tags has "null"') == 1
    assert shop.count("tags is missing") == 1


def test_on_an_update_an_empty_field_removes_and_an_absent_column_leaves(shop, load):
    name = shop.fresh()
    load(name, "key,country,age\nann,DE,30\n")
    load(name, "key,country\nann,\n")
    assert values(shop, name, "ann") == {"age": 30}


@pytest.mark.parametrize("spelt", ["true", "TRUE", "True", "1", "false", "False", "FALSE", "0"])
def test_booleans_are_true_and_false_in_any_case_or_1_and_0(shop, load, spelt):
    name = shop.fresh()
    load(name, f"key,vip\nann,{spelt}\n")
    assert values(shop, name, "ann")["vip"] is (spelt.casefold() in ("true", "1"))


def test_known_since_and_changed_at_may_be_columns(shop, load):
    name = shop.fresh()
    load(name, "key,known_since,changed_at,age\nann,2020-05-01,2020-06-01,30\n")
    shown = shop.json("subscribers", "get", name, "ann")
    assert shown["known_since"] == "2020-04-30T22:00:00Z"
    assert set(shown["values"]) == {"age"}


def test_the_three_formats_say_the_same(shop, load):
    expected = values(shop, "shop", "ann")
    name = shop.fresh()
    row = {**expected, "key": "ann", "home": "52.52,13.40"}
    load(name, json.dumps(row) + "\n", file="rows.jsonl")
    assert values(shop, name, "ann") == expected
    table = pa.table({
        "key": ["ann"], "country": ["DE"], "status": ["active"], "tags": [["news", "shoes"]],
        "email": ["Ann@example.com"], "vip": [True], "age": pa.array([30], pa.int32()),
        "spend": [decimal.Decimal("12.5")], "signup": [datetime.date(2026, 1, 31)],
        "seen": pa.array([datetime.datetime(2026, 3, 1, 10)], pa.timestamp("ms", "UTC")),
        "home": ["52.52,13.40"],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, shop.directory / "rows.parquet")
    name = shop.fresh()
    shop.done("import", name, shop.directory / "rows.parquet")
    assert values(shop, name, "ann") == expected


BAD = [
    ("d,DE", "too few columns: 2, the header has 8"),
    ("d,DE,1,1,,,,,more", "too many columns: 9, the header has 8"),
    ("d,DE,x,1,,,,", "age: 'x' is no number"),
    ("d,DE,1.5,1,,,,", "age: '1.5' is no whole number"),
    ("d,DE,9223372036854775808,1,,,,", "age: '9223372036854775808' at scale 0 is beyond 64"),
    ("d,DE,1,1.234,,,,", "spend: '1.234' has 3 decimal places; the scale allows 2"),
    ("d,DE,1,92233720368547758.08,,,,", "spend: '92233720368547758.08' at scale 2 is beyond 64"),
    ("d,DE,1,1,2026-02-30,,,", "signup: '2026-02-30' is a date that doesn't exist"),
    ("d,DE,1,1,,maybe,,", "vip: 'maybe' is no boolean"),
    ("d,DE,1,1,,,noon,", "seen: 'noon' is no time"),
    ('d,DE,1,1,,,,"91,0"', "home: '91,0': latitude 91.0 must be from -90 to 90"),
    (",DE,1,1,,,,", "key: it is missing"),
    ("k" * 256 + ",DE,1,1,,,,", "key: key 'kkk"),
    (b"d,D\xff,1,1,,,,", "country: no valid UTF-8"),
]


def content(*rows):
    lines = [HEADER.encode(), *(row if isinstance(row, bytes) else row.encode() for row in rows)]
    return b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize(("row", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_line_is_left_out_and_told_with_its_number_and_reason(shop, load, row, reason):
    name = shop.fresh()
    done = load(name, content("ann,DE,1,1,,,,", row, "bob,FR,2,2,,,,"))
    assert f"rows.csv:3: {reason}" in done.err
    (line,) = done.lines
    assert (line["rows"], line["accepted"], line["rejected"]) == (3, 2, 1)
    assert shop.json("members", name, "everyone")["keys"] == ["ann", "bob"]


def test_the_reject_file_holds_every_bad_line(shop, load):
    name = shop.fresh()
    rejects = shop.directory / "rejects.csv"
    rows = [row for row, _ in BAD]
    done = load(name, content(*rows, "ok,DE,1,1,,,,"), "--reject-file", rejects)
    assert done.lines[0]["rejected"] == len(BAD)
    with rejects.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [int(one["line"]) for one in found] == list(range(2, len(BAD) + 2))
    for one, (row, reason) in zip(found, BAD, strict=True):
        assert one["reason"].startswith(reason)
        if isinstance(row, str):
            assert one["content"] == row


def test_strict_stops_at_the_first_bad_line_with_exit_code_3(shop, load):
    name = shop.fresh()
    rows = content("ann,DE,1,1,,,,", "bob,DE,x,1,,,,", "cem,DE,1,1,,,,")
    done = load(name, rows, "--strict", code=3)
    assert "line 3" in done.err
    assert shop.json("members", name, "everyone")["keys"] == ["ann"]


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("key,contry", [], "--map contry=country"),
        ("id,country", [], "--map id=key"),
        ("id,country", ["--map=id=kez"], '"kez" is none of'),
        ("key,country", ["--map=land=country"], 'no file has a column "land"'),
        ("key,country,country", [], "country"),
        ("key,country", ["--delimiter=ab"], "--delimiter"),
        ("key,country", ["--event=open"], "--events"),
        ("key,event", ["--events"], "time"),
    ],
)
def test_columns_that_dont_fit_are_refused_before_anything_is_imported(
    shop, load, header, options, said
):
    name = shop.fresh()
    row = ",".join("x" * (header.count(",") + 1))
    done = load(name, f"{header}\n{row}\n", *options, code=2)
    assert said in done.err
    assert shop.json("count", name, "everyone")["audience_size"] == 0


def test_columns_are_mapped_and_left_out(shop, load):
    name = shop.fresh()
    load(name, "id,land,notes\nann,DE,x\n", "--map=id=key", "--map=land=country", "--ignore=notes")
    assert values(shop, name, "ann") == {"country": "DE"}


def test_the_line_number_may_be_the_key(shop, load):
    name = shop.fresh("uint32")
    load(name, "country\nDE\nFR\n", "--key-from-line")
    assert shop.json("members", name, "everyone")["keys"] == [1, 2]


def test_events_have_the_columns_of_any_of_their_types(shop):
    assert shop.count("did open at least 2 times") == 1
    assert shop.count('did purchase where (category = "shoes" and amount = 49.9)') == 1
    assert shop.count("did purchase on 2026-03-02") == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ann,2026-03-01,purchse,,,", 'event: unknown event type "purchse"; did you mean'),
        ("zed,2026-03-01,open,x,,", 'key: unknown key "zed"'),
        ("ann,2026-03-01,open,,shoes,", 'category: event type "open" declares no property'),
        ("ann,2026-13-01,open,,,", "time: '2026-13-01' is a date that doesn't exist"),
        ("ann,,open,,,", "time: "),
        ("ann,2026-03-01,purchase,,,1.234", "amount: '1.234' has 3 decimal places"),
    ],
)
def test_a_bad_event_is_left_out_and_told(shop, load, row, reason):
    name = shop.fresh()
    load(name, "key\nann\n")
    header = "key,time,event,campaign,category,amount"
    good = "ann,2026-03-01,open,,,"
    done = load(name, f"{header}\n{good}\n{row}\n{good}\n", "--events")
    assert f"rows.csv:3: {reason}" in done.err
    assert done.lines[0]["accepted"] == 2
    assert shop.json("subscribers", "get", name, "ann")["event_count"] == 2


def test_create_missing_makes_subscribers_of_unknown_keys(shop, load):
    name = shop.fresh()
    done = load(
        name, "key,time\nann,2026-03-01\nbob,2026-03-02\n",
        "--events", "--event=open", "--create-missing",
    )  # fmt: skip
    assert done.lines[0]["accepted"] == 2
    assert shop.json("members", name, "did open")["keys"] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("rows.foo", "key\na\n", "--format"),
        ("empty.csv", "", "header"),
        ("nothing.parquet", "no parquet", "nothing.parquet"),
    ],
)
def test_a_file_that_is_none_is_refused(shop, load, file, text, said):
    done = load("shop", text, file=file, code=2)
    assert said in done.err


def test_a_file_that_isnt_there_is_refused_before_anything_is_imported(shop):
    name = shop.fresh()
    one = shop.file("one.csv", "key\nann\n")
    done = shop.run("import", name, one, shop.directory / "nowhere.csv")
    assert done.code == 2
    assert "nowhere.csv can't be read" in done.err
    assert shop.json("count", name, "everyone")["count"] == 0
