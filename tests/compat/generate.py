"""Writes the data directory that every later version must load: python -m tests.compat.generate DIR

It has a snapshot and a log with every command after it, and ``expected.json`` beside: what each
question counted. The directory of a version that was released is never written again; a new version
of a format gets a directory of its own. Before, a new command or structure is added here and the
directory is written anew.
"""

import asyncio
import json
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from headcount_server.core import commands as c
from headcount_server.core.calendar import calendar
from headcount_server.core.query import Ask
from headcount_server.core.query import count as count_of
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    Engagement,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.core.state import State
from headcount_server.core.values import ValueColumn, from_texts
from headcount_server.engine import engine as engine_module
from headcount_server.engine.engine import Engine
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.log import LogStore
from headcount_server.storage.snapshots import SnapshotStore

START_US = 1_750_000_000_000_000
DAY_US = 86_400_000_000
LOG_ID = bytes(range(16))
ATTRIBUTES = (
    AttributeSchema("plan", AttributeType.KEYWORD),
    AttributeSchema("tags", AttributeType.KEYWORDS),
    AttributeSchema("email", AttributeType.TEXT),
    AttributeSchema("vip", AttributeType.BOOLEAN),
    AttributeSchema("age", AttributeType.INTEGER),
    AttributeSchema("spend", AttributeType.DECIMAL, 2),
    AttributeSchema("born", AttributeType.DATE),
    AttributeSchema("seen", AttributeType.TIMESTAMP),
    AttributeSchema("home", AttributeType.LOCATION),
)
SCHEMA = Schema(
    KeyType.STRING,
    "Europe/Berlin",
    'plan != "gone"',
    ATTRIBUTES,
    (
        EventSchema("sent", ("campaign",), activity=False),
        EventSchema("open", ("campaign",)),
        EventSchema("visit", ("page",), retention_days=30),
        EventSchema("buy", ("product",), (("amount", 2),)),
    ),
    Engagement(click="open"),
)
QUESTIONS = {
    "shop": [
        "everyone", 'plan = "pro"', 'tags has any of ("a", "b")', 'email contains "7@"',
        "vip is true",
        "age >= 30", "spend between 1 and 20.50", "born after 1990-01-01", "seen in last 30 days",
        "home within 200 km of (52.5, 13.4)", "plan changed in last 30 days",
        "known for at least 1 days",
        "did open at least 2 times in last 30 days", "sum(buy.amount) > 10", "stars >= 1",
        'last buy is (product = "pen")', 'in segment "young"', 'in segment "frozen"',
        "did sent then open within 2 days", 'id in ("k1", "k2", "k5", "new")',
        "did visit ever", "first visit before 2025-05-12", "last visit more than 32 days ago",
        'did visit where (page = "news") in last 30 days',
        'sample 50% seed "x"', 'entered segment "recent" ever', 'left segment "recent" ever',
    ],
    "numbers": ["everyone", "id in (1, 7, -5)"],
    "rows": ["everyone", "id in (3, 70000)"],
}  # fmt: skip


def column(name, cells):
    schema = next(a for a in ATTRIBUTES if a.name == name)
    found, problems = from_texts(schema, cells, calendar("Europe/Berlin"))
    assert not problems
    return c.AttributeValues(name, found)

    return calendar("Europe/Berlin")


def cells(i):
    return {
        "plan": ["pro", "Pro", "free", "gone"][i % 4], "tags": ["a|b", "B|c", "", "d"][i % 4],
        "email": f"Person{i}@example.com" if i % 5 else "", "vip": str(i % 2), "age": str(18 + i),
        "spend": f"{i}.{i % 10}5", "born": f"19{80 + i % 20}-02-{1 + i % 28:02}",
        "seen": f"2025-06-{1 + i % 14:02}T10:00:00Z", "home": f"52.{i},13.{i}" if i % 3 else "",
    }  # fmt: skip


def upsert(audience, keys, at, producer=None, **changed):
    rows = [{**cells(i), **changed} for i in range(len(keys))]
    values = tuple(column(a.name, [row[a.name] for row in rows]) for a in ATTRIBUTES)
    return c.UpsertSubscribers(audience, keys, values, at, producer=producer)


def record(audience, keys, event, times, at, dimensions=None, measures=None, **options):
    group = c.EventGroup(event, None, dimensions or {}, measures or {})
    return c.RecordEvents(audience, keys, np.array(times, np.int64), (group,), at, **options)


def words(*texts):
    return ValueColumn(AttributeType.KEYWORD, list(texts), np.ones(len(texts), np.bool_))


def amounts(*numbers):
    return ValueColumn(
        AttributeType.DECIMAL, np.array(numbers, np.int64), np.ones(len(numbers), np.bool_)
    )


def commands(at):
    """Commands before the snapshot, and after it: every kind among the latter."""
    keys = [f"k{i}" for i in range(20)]
    days = [START_US - (i % 9) * DAY_US for i in range(20)]
    old = [START_US - (20 + i) * DAY_US for i in range(20)]
    numbers, rows = replace(SCHEMA, key=KeyType.INT64), replace(SCHEMA, key=KeyType.UINT32)
    before = [
        c.CreateAudience("shop", SCHEMA, at),
        c.CreateAudience("numbers", replace(numbers, reachable=""), at),
        c.CreateAudience("doomed", SCHEMA, at),
        upsert("shop", keys, at, c.Producer("loader", 1)),
        record("shop", keys, "sent", days, at, {"campaign": words(*["spring"] * 20)}),
        record("shop", keys[:9], "open", days[:9], at, {"campaign": words(*["spring"] * 9)}),
        record("shop", keys, "visit", old, at, {"page": words(*["home", "news"] * 10)}),
        c.FoldEvents("shop", "visit", START_US // DAY_US - 40, at),
        c.CreateSegment("shop", "young", parse("age < 25"), 0, at),
        c.CreateSegment("shop", "recent", parse('plan = "pro" or seen in last 7 days'), 90, at),
        c.UpsertSubscribers("shop", keys[6:9], (column("plan", ["Pro", "free", "pro"]),), at),
        c.DeleteSubscribers("shop", ["k3"], at),
        c.UpsertSubscribers("numbers", np.array([1, 7, -5, 10**12]), (), at),
    ]
    after = [
        c.CreateAudience("rows", replace(rows, reachable=""), at),
        c.UpsertSubscribers("rows", np.array([0, 3, 70_000]), (), at),
        c.DeleteAudience("doomed", at),
        upsert("shop", ["k1", "k2", "new"], at, c.Producer("loader", 2), plan="FREE"),
        record("shop", keys[4:9], "open", days[:5], at, {"campaign": words(*["fall"] * 5)}),
        record(
            "shop", ["k1", "k2", "made"], "buy", [START_US - DAY_US] * 3, at,
            {"product": words("pen", "Pen", "cup")}, {"amount": amounts(1_999, 500, 1)},
            create_missing=True,
        ),
        c.DeleteSubscribers("shop", ["k5", "nobody"], at, c.Producer("eraser", 1)),
        c.UpdateAudience("shop", replace(SCHEMA, reachable="vip is true"), at),
        c.UpdateSegment("shop", "young", parse("age < 30"), 0, at),
        c.FreezeSegment("shop", "frozen", parse('in segment "young" and age > 20'), START_US, at),
        c.CreateSegment("shop", "short-lived", parse("everyone"), 0, at),
        c.DeleteSegment("shop", "short-lived", at),
        record("shop", ["k1", "k1", "k2"], "visit", old[17:], at),
        c.FoldEvents("shop", "visit", START_US // DAY_US - 30, at),
        c.AdvanceClock("shop", at + 9 * DAY_US),
    ]  # fmt: skip
    return before, after


def answers(state):
    """Audience -> what is known of it, and rule -> its count."""
    found = {}
    for name, audience in sorted(state.audiences.items()):
        ask = Ask(audience, START_US + DAY_US)
        counts = {text: count_of(ask, parse(text)).total for text in QUESTIONS[name]}
        found[name] = {
            "revision": audience.revision, "subscribers": audience.subscriber_count,
            "events": audience.event_count, "counts": counts,
        }  # fmt: skip
    return found


async def nothing(*_):
    """Stands for what an engine does by itself."""


async def write(directory):
    """Fills a data directory, and ends as a killed server does."""
    files = OsFileSystem()
    files.make_directory(directory)
    store = SnapshotStore(files, directory)
    store.clean()
    ticks = count(START_US, 1_000)
    log = LogStore(files, directory, segment_bytes=4_000, new_id=lambda: LOG_ID)
    engine = Engine(State(), store, lambda: next(ticks), log)
    engine_module.keep_ticking = nothing  # what is due is written below
    await engine.start()
    before, after = commands(START_US)
    for command in before:
        await engine.write(command)
    await engine.snapshot("base")
    await engine.write(after[2])  # brought back by the restore, and deleted again after it
    disk = engine._disk
    disk._saved_unasked = nothing  # else the log before it goes
    await engine.restore("base")
    for command in after:
        await engine.write(command)
    expected = answers(engine.core)
    for task in list(engine._tasks):
        task.cancel()
    await asyncio.gather(*engine._tasks, return_exceptions=True)
    disk._journal._thread.shutdown()
    text = json.dumps(expected, indent=1) + "\n"
    (directory.parent / "expected.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
