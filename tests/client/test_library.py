"""The library against a real server."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from headcount_client import AsyncClient, EventRow, Location, SubscriberRow, errors, upsert_request
from headcount_client.rules import attr, did, everyone, param, prop, segment

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
PEOPLE = [
    {"key": "a", "country": "DE", "status": "active", "age": 30, "spend": Decimal("10.50"),
     "tags": ["x", "y"], "signup": date(2026, 1, 2), "seen": NOON, "vip": True,
     "home": Location(52.5, 13.4), "email": "a@example.com"},
    {"key": "b", "country": "DE", "status": "left", "age": 40},
    {"key": "c", "country": "AT", "status": "active"},
]  # fmt: skip


@pytest.fixture
def filled(client, shop):
    client.upsert_subscribers(shop, PEOPLE)
    client.record_events(
        shop,
        [
            EventRow("a", NOON, "purchase", {"category": "shoes"}, {"amount": Decimal("5.25")}),
            {"key": "a", "time": NOON, "event": "open", "campaign": "spring"},
            {"key": "b", "time": NOON, "event": "open", "campaign": "spring"},
        ],
    )
    return shop


def test_counts(client, filled):
    found = client.count(filled, 'country = "DE"')
    assert (found.total, found.reachable, found.audience_size) == (2, 1, 3)
    assert client.count(filled, attr("country") == "DE").total == 2
    assert client.count(filled, "age >= $low", parameters={"low": 40}).total == 1
    assert (
        client.count(filled, attr("country").in_(param("c")), parameters={"c": ["AT"]}).total == 1
    )
    assert client.count(filled, everyone, within='country = "AT"').total == 1
    bought = did("purchase").where(prop("amount") >= Decimal("5.25")).in_last(7, "days")
    assert client.count(filled, bought, as_of=NOON).total == 1
    assert client.count(filled, bought, as_of=date(2026, 3, 31)).total == 0
    assert client.count(filled, bought, as_of=date(2026, 4, 1)).total == 1
    batch = client.batch_count(filled, ['country = "DE"', "nonsense = 1", everyone])
    assert [one.total for one in batch if one.error is None] == [2, 3]
    assert batch[1].error.faults


def test_a_written_subscriber_is_read_back(client, filled):
    found = client.get_subscriber(filled, "a", event_limit=5)
    expected = {name: value for name, value in PEOPLE[0].items() if name != "key"}
    assert found.values == expected | {"tags": ("x", "y")}
    assert {(event.event, event.time) for event in found.events} == {
        ("purchase", NOON), ("open", NOON)
    }  # fmt: skip
    client.upsert_subscribers(filled, [SubscriberRow("a", {"age": None})])
    assert "age" not in client.get_subscriber(filled, "a").values


def test_members_breakdowns_overlaps_and_matches(client, filled):
    assert list(client.list_members(filled, everyone, page_size=1)) == ["a", "b", "c"]
    assert sorted(client.export_members(filled, everyone)) == ["a", "b", "c"]
    assert len(client.sample_members(filled, everyone, size=2)) == 2
    broken = client.breakdown(filled, everyone, by="country")
    assert [(one.value, one.count) for one in broken.values] == [("DE", 2), ("AT", 1)]
    assert broken.breakdowns[0].values is broken.values
    found = client.overlap(filled, ['country = "DE"', 'status = "active"'], regions=True)
    assert [row.counts for row in found.rows] == [(2, 1), (1, 2)]
    (match,) = client.match_subscriber(filled, "b", ['country = "DE" and status = "active"'])
    assert not match.matches
    assert match.failing == ('status = "active"',)
    (match,) = client.match_subscriber(filled, "b", ['country = "DE"'], within='status = "active"')
    assert match.root is not None
    assert (match.matches, match.root.matches) == (False, True)
    assert match.failing == ('status = "active"',)
    (match,) = client.match_subscriber(filled, "a", ['country = "DE"'], within='status = "active"')
    assert match.matches
    explained = client.explain(filled, 'country = "DE" and status = "active"')
    assert [node.cumulative_count for node in explained.root.nodes] == [2, 1]


def test_segments(client, filled):
    created = client.create_segment(filled, "german", attr("country") == "DE")
    assert created.segment.rule_text == 'country = "DE"'
    assert client.count(filled, segment("german")).total == 2
    assert client.count(filled, segment="german").total == 2
    client.update_segment(filled, "german", 'country = "AT"', etag=created.segment.etag)
    with pytest.raises(errors.Aborted):
        client.update_segment(filled, "german", "everyone", etag=created.segment.etag)
    assert [one.name for one in client.list_segments(filled)] == ["german"]
    assert client.count(filled, segment="german").total == 1
    client.delete_segment(filled, "german")
    with pytest.raises(errors.NotFound):
        client.get_segment(filled, "german")


def test_a_fault_of_a_rule_has_its_place(client, filled):
    with pytest.raises(errors.InvalidArgument) as caught:
        client.count(filled, 'country = "DE" and\n  contry = "AT"')
    (violation,) = caught.value.violations
    assert (violation.line, violation.column) == (2, 3)
    assert violation.suggestion == "country"
    assert caught.value.reason


def test_errors_have_their_classes(client, shop):
    with pytest.raises(errors.AlreadyExists):
        client.create_audience(shop, {})
    with pytest.raises(errors.NotFound):
        client.count("nowhere", everyone)
    with pytest.raises(errors.NotFound):
        next(client.watch("nowhere", everyone))
    with pytest.raises(errors.InvalidArgument):
        client.upsert_subscribers(shop, [{"key": "a", "age": "x"}])


def test_audiences_and_status(client, filled):
    found = client.get_audience(filled).audience
    assert (found.key, found.time_zone) == ("string", "Europe/Berlin")
    assert filled in [one.name for one in client.list_audiences()]
    grown = client.update_audience(filled, {"attributes": {"plan": "keyword"}}).audience
    assert "plan" in [one.name for one in grown.attributes]
    described = client.describe_audience(filled)
    assert described.attributes[0].values[0].value == "DE"
    status = client.get_server_status()
    assert status.state == "serving"
    assert (filled, 3) in [(one.audience, one.subscriber_count) for one in status.audiences]


def test_rules_are_parsed_and_formatted(client):
    parsed = client.parse_rule('country="DE"  and age>$low')
    assert parsed.formatted_text == 'country = "DE" and age > $low'
    assert parsed.parameters == ("low",)
    assert client.format_rule(parsed.rule).rule_text == parsed.formatted_text
    assert client.format_rule(attr("a") == "x").rule_text == 'a = "x"'


def test_a_stream_of_writes(client, shop):
    batches = [upsert_request(shop, [{"key": f"k{i}", "age": i}]) for i in range(5)]
    batches.insert(2, upsert_request(shop, [{"key": "x", "age": "no"}]))
    answers = list(client.stream_writes(batches))
    assert [answer.accepted is not None for answer in answers] == [True] * 2 + [False] + [True] * 3
    assert answers[2].refused.bad_rows[0].field == "age"
    assert client.count(shop, everyone).total == 5


def test_a_roaring_export_holds_the_ids(client):
    from pyroaring import BitMap

    client.create_audience("ids", {"audience": {"key": "uint32"}})
    client.upsert_subscribers("ids", [{"key": key} for key in (3, 70_000)])
    found = b"".join(client.export_members_roaring("ids", everyone))
    assert BitMap.deserialize(found) == BitMap([3, 70_000])
    client.delete_audience("ids")


def test_the_asynchronous_client(address, filled):
    async def run():
        async with AsyncClient(address) as client:
            counts = await asyncio.gather(
                *[client.count(filled, 'country = "DE"', as_of=date(2026, 4, 1)) for _ in range(5)]
            )
            keys = [key async for key in client.list_members(filled, everyone, page_size=1)]
            with pytest.raises(errors.NotFound):
                await client.get_audience("nowhere")
            return [one.total for one in counts], keys

    assert asyncio.run(run()) == ([2] * 5, ["a", "b", "c"])
