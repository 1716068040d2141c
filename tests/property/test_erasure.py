"""An erased person leaves no trace: in no answer, file, index, cache or other structure."""

import pytest
from headcount_server.codec import values as codec
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)

from tests.property.memory import traces
from tests.property.world import World

KINDS = {
    "plan": AttributeType.KEYWORD,
    "tags": AttributeType.KEYWORDS,
    "email": AttributeType.TEXT,
    "vip": AttributeType.BOOLEAN,
    "score": AttributeType.INTEGER,
    "seen": AttributeType.TIMESTAMP,
    "home": AttributeType.LOCATION,
}
SCHEMA = Schema(
    KeyType.STRING,
    attributes=tuple(AttributeSchema(name, kind) for name, kind in KINDS.items()),
    events=(EventSchema("buy", ("product",), (("amount", 0),)), EventSchema("open", ("campaign",))),
)
NOW = 1_700_000_000_000_000
DAY = 86_400_000_000
# What nobody but the erased has.
KEY, MAIL, OLD_MAIL, PLAN, OLD_PLAN, TAG = (
    "zoe-quux", "zoe@quux.example", "old@quux.example", "Quux-Gold", "Quux-Lead", "quux-fan",
)  # fmt: skip
PRODUCT, CAMPAIGN = "quux-lamp", "Quux-Spring"
TEXTS = [KEY, "quux"]
SCORE, AMOUNT = 7_305_808_869_231_650_000, 8_030_604_370_211_110_000
SEEN, BOUGHT = NOW - 3 * DAY + 123_457, NOW - 2 * DAY + 765_431
NUMBERS = [SCORE, AMOUNT, SEEN, BOUGHT]

QUESTIONS = [
    "everyone", f'plan = "{PLAN}"', 'plan != "x"', f'tags has "{TAG}"',
    "seen hour between 0 and 12",
    f'email contains "{MAIL}"', 'email domain in ("quux.example")', f'key = "{KEY}"',
    'email like "*quux*"', "email matches /qu+x/", "vip is true", f"score >= {SCORE}",
    "score in top 1", "score between 1 and 9", "seen in last 7 days", "tags size >= 2",
    "home within 5 km of (12.25, 34.5)", "home in box (10, 30, 20, 40)",
    "plan changed in last 7 days",
    "did buy in last 7 days", f'did buy where (product = "{PRODUCT}") in last 7 days',
    "did buy at least 2 times in last 30 days", "sum(buy.amount) >= 5 in last 30 days",
    f'favourite(buy.product) = "{PRODUCT}"', f'last buy is (product = "{PRODUCT}")',
    f'first open where (campaign = "{CAMPAIGN}") in last 7 days', "last buy more than 1 day ago",
    "count distinct(buy.product) >= 1", "max(buy.amount) > 100", "rate(buy / open) > 0.1",
    "did open then buy within 7 days", "did buy on at least 1 days in last 7 days",
    "inactive for 3 days", "did buy in at least 1 of last 2 weeks", 'sample 50% seed "s"',
]  # fmt: skip


@pytest.fixture
def world():
    world = World(SCHEMA, NOW - 40 * DAY)
    for number in range(40):
        key = f"person{number}"
        world.upsert(
            key,
            {
                "plan": ["Free", "PRO", "pro"][number % 3], "tags": (f"t{number % 4}", "all"),
                "email": f"{key}@mail.example", "vip": number % 2 == 0, "score": number,
                "seen": NOW - number * DAY, "home": (10.0 + number / 10, 30.0),
            },
            NOW - 9 * DAY,
        )  # fmt: skip
        world.record(key, "open", NOW - number * DAY, {"campaign": f"c{number % 3}"}, {})
        world.record(key, "buy", NOW - number * DAY // 2, {"product": "pen"}, {"amount": number})
    arrive(world)
    return world


def arrive(world):
    world.upsert(KEY, {"plan": OLD_PLAN, "email": OLD_MAIL, "score": SCORE - 1}, NOW - 5 * DAY)
    world.upsert(
        KEY,
        {"plan": PLAN, "tags": (TAG, "all"), "email": MAIL, "vip": True, "score": SCORE,
         "seen": SEEN, "home": (12.252525, 34.5353)},
        NOW - 4 * DAY,
    )  # fmt: skip
    world.record(KEY, "open", BOUGHT - DAY, {"campaign": CAMPAIGN}, {})
    for _ in range(3):
        world.record(KEY, "buy", BOUGHT, {"product": PRODUCT}, {"amount": AMOUNT})


def ask_all(world):
    """Everything once or more, so that every index, roll-up and cache is there."""
    answers = {}
    for text in QUESTIONS:
        for _ in range(3):
            answers[text] = world.members(parse(text), NOW)
    for index in world.audience.attributes.values():
        index.nbytes()
    return answers


def row_of(world):
    return int(world.audience.keys.find([KEY])[0])


def dumped(world):
    return codec.encode(world.state.dump_audience("a"))


def assert_gone(world, row):
    assert traces(world.state, TEXTS, NUMBERS, row) == []
    content = dumped(world).lower()
    for text in TEXTS:
        assert text.encode() not in content
    for number in NUMBERS:
        assert number.to_bytes(8, "little") not in content


def test_what_is_looked_for_is_there_before(world):
    ask_all(world)
    row = row_of(world)
    for text in (KEY, MAIL, PLAN, OLD_PLAN, TAG, PRODUCT, CAMPAIGN):
        assert traces(world.state, [text], []), text
        assert text.encode() in dumped(world), text
    assert traces(world.state, [], [SCORE])
    assert traces(world.state, [], [], row)


@pytest.mark.parametrize("is_asked", [False, True], ids=["never asked", "asked"])
@pytest.mark.parametrize("is_loaded", [False, True], ids=["", "loaded"])
def test_an_erased_person_is_nowhere(world, is_asked, is_loaded):
    row = row_of(world)
    if is_loaded:
        world.reload()
    if is_asked:
        ask_all(world)
    world.erase([KEY])
    assert_gone(world, row)
    answers = ask_all(world)
    assert all(KEY not in members for members in answers.values())


def test_values_that_were_removed_before_the_erasure_are_nowhere_either(world):
    row = row_of(world)
    ask_all(world)
    world.upsert(KEY, dict.fromkeys(KINDS), NOW - 1)
    world.erase([KEY])
    assert_gone(world, row)


def test_the_first_spelling_of_a_value_goes_with_the_person_who_wrote_it(world):
    world.upsert("zoe", {"plan": "QuuX-Shared", "tags": ("QuuX-Tag",)}, NOW - 2)
    world.record("zoe", "buy", NOW - 2, {"product": "QuuX-Pen"}, {})
    world.upsert("other", {"plan": "quux-shared", "tags": ("quux-tag",)}, NOW - 1)
    world.record("other", "buy", NOW - 1, {"product": "quux-pen"}, {})
    ask_all(world)
    assert b"QuuX" in dumped(world)
    world.erase(["zoe"])
    assert b"QuuX" not in dumped(world)
    assert not [place for place in traces(world.state, ["quux-shared"], []) if "QuuX" in place]
    plan = world.audience.attributes["plan"]
    assert [text for text, rows in plan.values() if "uu" in text] == [
        "Quux-Gold", "quux-shared",
    ]  # fmt: skip
    assert "quux-pen" in world.audience.events["buy"].values("product")


def test_a_row_is_given_to_somebody_else_only_after_nothing_is_left_of_it(world):
    row = row_of(world)
    before = ask_all(world)
    world.erase([KEY])
    numbers = iter(range(100_000))
    while True:  # the row's partition gives it out again
        key = f"new{next(numbers)}"
        world.upsert(key, {}, NOW - 1)
        if int(world.audience.keys.find([key])[0]) == row:
            break
        world.erase([key])
    record = world.audience.subscriber(key, 10)
    assert record.values == {}
    assert record.events == ()
    after = ask_all(world)
    for text, members in before.items():
        if text in ("everyone", 'plan != "x"', "inactive for 3 days") or "sample" in text:
            continue
        assert key not in after[text], text
        assert after[text] - {key} <= members - {KEY} or "top" in text, text
