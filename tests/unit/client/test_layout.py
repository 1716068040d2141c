"""Columns of files are checked before anything is imported."""

import pytest
from headcount_client.cli.importing.chunks import FileFault
from headcount_client.cli.importing.layout import Choices, check_choices, layout_of, targets_of
from headcount_client.results.convert import result
from headcount_client.schema import from_toml

TOML = """
[audience]
time_zone = "Europe/Berlin"
[attributes]
country = "keyword"
age = "integer"
[events.purchase]
dimensions = ["category"]
measures = { amount = { scale = 2 }, level = { scale = 0 } }
[events.open]
dimensions = ["level"]
"""


def layout(**options):
    message = from_toml(TOML)
    message.name = "shop"
    return layout_of(result(message), **{"events": False, **options})


def test_kinds_of_events():
    found = layout(events=True)
    assert found.kinds == {
        "key": "key", "time": "timestamp", "event": "event", "category": "keyword",
        "amount": "decimal", "level": "mixed",
    }  # fmt: skip
    assert found.required == ("key", "time", "event")
    assert not found.is_utc


def test_columns_are_mapped_and_left_out():
    choices = Choices({"id": "key", "land": "country"}, frozenset({"junk"}))
    found = targets_of(layout(), ["id", "land", "age", "junk", "changed_at"], choices)
    assert found == {"id": "key", "land": "country", "age": "age", "changed_at": "changed_at"}
    assert targets_of(layout(key_from_line=True), ["age"], Choices()) == {"age": "age"}
    events = layout(events=True, event="purchase")
    assert targets_of(events, ["key", "time"], Choices()) == {"key": "key", "time": "time"}


@pytest.mark.parametrize(
    ("options", "columns", "choices", "told"),
    [
        ({}, ["key", "contry"], {}, r'column "contry" is none of shop\'s attributes; did you mean'
         r' "country"\?; map it with --map contry=country, or leave it out with --ignore contry'),
        ({}, ["household_id", "age"], {}, r'no column "key".*--map household_id=key'),
        ({}, ["age"], {}, 'no column "key".*--map COLUMN=key.*--key-from-line'),
        ({}, ["key", "land"], {"land": "contry"}, '"contry" is none of.*did you mean "country"'),
        ({}, ["key", "a", "age"], {"a": "age"}, 'columns "a" and "age" would both be "age"'),
        ({"key_from_line": True}, ["key"], {}, "but --key-from-line"),
        ({"events": True}, ["key", "time"], {}, 'no column "event".*--event NAME'),
        ({"events": True}, ["key", "timestamp", "event"], {}, "--map timestamp=time"),
        ({"events": True, "event": "open"}, ["key", "time", "event"], {}, "and so does --event"),
        ({"events": True}, ["key", "time", "event", "age"], {}, "none of shop's event types"),
    ],
)  # fmt: skip
def test_faults_say_what_to_type(options, columns, choices, told):
    found = layout(**options)
    with pytest.raises(FileFault, match=told):
        targets_of(found, columns, Choices(choices))


def test_a_column_that_no_file_has():
    with pytest.raises(
        FileFault, match=r'--map idd: no file has a column "idd"; did you mean "id"'
    ):
        check_choices(Choices({"idd": "key"}), ["id", "age"])
    with pytest.raises(FileFault, match=r"--ignore x: .* the columns are id"):
        check_choices(Choices({}, frozenset({"x"})), ["id"])


def test_an_event_type_that_is_not_declared():
    with pytest.raises(FileFault, match='no event type "purchse"; did you mean "purchase"'):
        layout(events=True, event="purchse")
