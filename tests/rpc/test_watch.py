"""Watch over the wire: counts that move by themselves."""

import asyncio
import queue
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from headcount.v1 import (
    admin_service_pb2,
    audience_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    segment_service_pb2,
)
from headcount_server.core.state import State
from headcount_server.engine.clock import system_clock
from headcount_server.engine.engine import Engine
from headcount_server.limits import Limits

from tests.rpc.serving import Refused, audience, refused, running, stubs, text_column

pb = query_service_pb2
WITHIN_S = 20


class Hand:
    """A clock whose hand is moved by tests."""

    def __init__(self, moment):
        self.us = int(moment.timestamp()) * 1_000_000

    def __call__(self):
        return self.us

    def to(self, moment):
        self.us = int(moment.timestamp()) * 1_000_000


class Place:
    """A server of its own with an audience, and writes to it."""

    def __init__(self, server, api):
        self.server, self.api = server, api
        self.watches = []

    def create(self, name="shop", zone="Europe/Berlin", key="STRING", reachable="vip is true"):
        message = audience(name, key)
        message.time_zone, message.reachable = zone, reachable
        request = audience_service_pb2.CreateAudienceRequest(audience=message)
        self.api.audience.CreateAudience(request)
        return self

    def upsert(self, *keys, name="shop", **columns):
        columns = [text_column(column, *values) for column, values in columns.items()]
        request = ingest_service_pb2.UpsertSubscribersRequest(
            audience=name,
            columns=ingest_service_pb2.SubscriberColumns(
                keys=ingest_service_pb2.Keys(texts=keys), columns=columns
            ),
        )
        return self.api.ingest.UpsertSubscribers(request).revision

    def open(self, *keys, at, name="shop"):
        columns = ingest_service_pb2.EventColumns(
            keys=ingest_service_pb2.Keys(texts=keys),
            times=text_column("", *[at] * len(keys)),
            events=text_column("", *["open"] * len(keys)),
        )
        request = ingest_service_pb2.RecordEventsRequest(audience=name, columns=columns)
        return self.api.ingest.RecordEvents(request).revision

    def erase(self, *keys, name="shop"):
        request = ingest_service_pb2.DeleteSubscribersRequest(
            audience=name, keys=ingest_service_pb2.Keys(texts=keys)
        )
        return self.api.ingest.DeleteSubscribers(request).revision

    def segment(self, name, text, update=False):
        message = segment_service_pb2.Segment(audience="shop", name=name, rule_text=text)
        if update:
            self.api.segment.UpdateSegment(
                segment_service_pb2.UpdateSegmentRequest(segment=message)
            )
        else:
            self.api.segment.CreateSegment(
                segment_service_pb2.CreateSegmentRequest(segment=message)
            )

    def watch(self, *texts, **fields):
        found = Watching(self.api, watch(*texts, **fields))
        self.watches.append(found)
        return found

    def status(self):
        return self.api.admin.GetServerStatus(admin_service_pb2.GetServerStatusRequest())


class Watching:
    """A stream whose updates are waited for."""

    def __init__(self, api, request):
        self.call = api.query.Watch(request)
        self._updates = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for update in self.call:
                self._updates.put(update)
        except grpc.RpcError as error:
            self._updates.put(error)

    def next(self):
        found = self._updates.get(timeout=WITHIN_S)
        assert not isinstance(found, grpc.RpcError), found
        return found

    def until(self, total):
        """The updates up to the first with that total."""
        found = [self.next()]
        while found[-1].total != total:
            found.append(self.next())
        return found

    def ended(self):
        while not isinstance(found := self._updates.get(timeout=WITHIN_S), grpc.RpcError):
            pass
        return Refused(found)

    @property
    def is_quiet(self):
        return self._updates.empty()


def watch(*texts, segments=(), interval_ms=0, **fields):
    questions = [pb.Question(rule_text=text) for text in texts]
    questions += [pb.Question(segment=name) for name in segments]
    request = pb.WatchRequest(**{"audience": "shop", "questions": questions, **fields})
    if interval_ms:
        request.min_interval_duration.FromMilliseconds(interval_ms)
    return request


@contextmanager
def place(clock=None, **limits):
    limits = replace(Limits(), **limits)
    engine = Engine(State(limits), None, clock or system_clock())
    with running(engine, limits) as server, stubs(server.address) as api:
        found = Place(server, api)
        yield found
        for one in found.watches:
            one.call.cancel()


@pytest.fixture
def shop():
    with place() as found:
        found.create()
        found.upsert("ann", "bob", age=["30", "40"], vip=["true", "false"])
        yield found


def test_the_present_count_comes_at_once(shop):
    update = shop.watch("age >= 30").next()
    assert (update.index, update.total, update.reachable, update.change) == (0, 2, 1, 0)
    assert (update.revision, update.continued) == (2, False)
    assert not update.entered.texts
    assert abs(update.update_time.ToDatetime(UTC) - datetime.now(UTC)).total_seconds() < 60


def test_a_write_that_changes_the_count_is_told_with_its_revision(shop):
    watch = shop.watch("age >= 35")
    assert watch.next().total == 1
    revision = shop.upsert("ann", age=["36"])
    update = watch.next()
    assert (update.total, update.reachable, update.change) == (2, 1, 1)
    assert update.revision == revision
    shop.upsert("ann", vip=["false"])
    update = watch.next()
    assert (update.total, update.reachable, update.change) == (2, 0, 0)
    shop.upsert("ann", country=["DE"])
    shop.erase("bob")
    update = watch.next()
    assert (update.total, update.change) == (1, -1)


def test_members_are_told_net_of_what_was_told_before(shop):
    watch = shop.watch("age >= 35", members=True, interval_ms=300)
    first = watch.next()
    assert (first.total, list(first.entered.texts), list(first.left.texts)) == (1, [], [])
    shop.upsert("ann", age=["36"])
    update = watch.next()
    assert (list(update.entered.texts), list(update.left.texts)) == (["ann"], [])
    shop.upsert("ann", "bob", "cem", age=["1", "2", "50"])
    shop.upsert("bob", age=["60"])
    update = watch.next()
    assert (list(update.entered.texts), list(update.left.texts)) == (["cem"], ["ann"])
    assert update.change == 0


def test_several_rules_and_segments_are_told_apart_by_their_index(shop):
    shop.segment("old", "age >= 40")
    watch = shop.watch("everyone", "age < $limit", segments=["old"], within_text="age is set",
                       parameters={"limit": pb.ParameterValue(literal="35")})  # fmt: skip
    assert [(u.index, u.total) for u in (watch.next() for _ in range(3))] == [
        (0, 2),
        (1, 1),
        (2, 1),
    ]
    shop.upsert("cem", age=["41"])
    updates = sorted((u.index, u.total) for u in (watch.next() for _ in range(2)))
    assert updates == [(0, 3), (2, 2)]
    assert shop.status().audiences[0].watch_count == 3


def test_an_erased_member_has_left_and_the_same_key_written_anew_is_told_net(shop):
    watch = shop.watch("age >= 35", members=True, interval_ms=500)
    watch.next()
    shop.erase("bob")
    update = watch.next()
    assert (update.total, list(update.left.texts)) == (0, ["bob"])
    shop.upsert("bob", age=["50"])
    update = watch.next()
    assert (update.total, list(update.entered.texts)) == (1, ["bob"])
    shop.upsert("ann", age=["99"])
    update = watch.next()
    assert update.total == 2
    shop.erase("bob", "ann")
    shop.upsert("dot", "bob", age=["70", "70"])
    update = watch.next()
    assert (update.total, update.change) == (2, 0)
    assert (list(update.entered.texts), list(update.left.texts)) == (["dot"], ["ann"])


def test_updating_a_watched_segment_is_a_change_and_deleting_it_ends_the_watch(shop):
    shop.segment("old", "age >= 40")
    watches = [shop.watch(segments=["old"]), shop.watch('in segment "old" or age = 7')]
    assert [watch.next().total for watch in watches] == [1, 1]
    shop.segment("old", "age >= 30", update=True)
    assert [watch.next().total for watch in watches] == [2, 2]
    shop.api.segment.DeleteSegment(
        segment_service_pb2.DeleteSegmentRequest(audience="shop", segment="old")
    )
    for watch in watches:
        error = watch.ended()
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        assert "old" in error.message


def test_deleting_the_audience_ends_its_watches_alone(shop):
    shop.create("other")
    other = shop.watch("everyone", audience="other")
    watch = shop.watch("everyone")
    assert (watch.next().total, other.next().total) == (2, 0)
    shop.api.audience.DeleteAudience(audience_service_pb2.DeleteAudienceRequest(audience="shop"))
    assert watch.ended().code is grpc.StatusCode.NOT_FOUND
    shop.upsert("x", name="other")
    assert other.next().total == 1


def test_another_rule_of_reachable_is_a_change(shop):
    watch = shop.watch("everyone")
    assert watch.next().reachable == 1
    message = audience("shop")
    message.reachable = "age >= 30"
    shop.api.audience.UpdateAudience(audience_service_pb2.UpdateAudienceRequest(audience=message))
    assert watch.next().reachable == 2
    shop.upsert("ann", age=["1"])
    assert watch.next().reachable == 1


def test_a_watch_ends_with_the_reason_when_its_rule_needs_events_that_were_folded(shop):
    long_ago, now = datetime.now(UTC) - timedelta(days=40), datetime.now(UTC)
    shop.open("ann", "bob", at=long_ago.isoformat())
    shop.open("ann", at=now.isoformat())
    twice, ever, other = "did open at least 2 times", "did open", "everyone"
    refused_, kept, beside = (shop.watch(rule) for rule in (twice, ever, other))
    assert [watch.next().total for watch in (refused_, kept, beside)] == [1, 2, 2]
    change = audience("shop")
    next(event for event in change.events if event.name == "open").retention_days = 30
    shop.api.audience.UpdateAudience(audience_service_pb2.UpdateAudienceRequest(audience=change))
    error = refused_.ended()
    again = refused(shop.api.query.Count, pb.CountRequest(audience="shop", rule_text=twice))
    assert (error.code, error.reason, error.message) == (again.code, again.reason, again.message)
    assert "kept" in error.message
    shop.upsert("cem", vip=["true"])
    shop.open("cem", at=now.isoformat())
    assert kept.until(3)[-1].total == 3
    assert beside.until(3)[-1].total == 3


def test_updates_of_a_rule_are_never_closer_than_the_interval(shop):
    watch = shop.watch("everyone", interval_ms=250)
    times = [watch.next().update_time.ToMicroseconds()]
    for number in range(12):
        shop.upsert(f"k{number}")
        threading.Event().wait(0.05)
    found = watch.until(14)
    times += [update.update_time.ToMicroseconds() for update in found]
    assert 1 <= len(found) <= 6
    assert sum(update.change for update in found) == 12


def test_writes_that_cancel_out_or_do_not_matter_are_not_told(shop):
    watch = shop.watch("age >= 35", interval_ms=400)
    watch.next()
    shop.upsert("ann", age=["36"])
    assert watch.next().total == 2
    shop.upsert("ann", age=["1"])
    shop.upsert("ann", age=["37"])
    shop.upsert("ann", country=["DE"])
    shop.upsert("cem", age=["38"])
    assert watch.next().total == 3


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),  # of a day of 23 hours
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2026, 3, 10, 18, 30, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2026, 4, 4, 11, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 11, 2, 8, tzinfo=UTC)),  # of a day of 25 hours
    ],
)
def test_people_age_out_of_a_window_at_midnight_without_a_write(zone, midnight):
    hand = Hand(midnight)
    hand.us -= 60_000_000
    with place(hand) as found:
        found.create(zone=zone, reachable="")
        found.upsert("ann", "bob")
        found.open("ann", at=(midnight - timedelta(minutes=2)).isoformat())
        watch = found.watch("did open this day", members=True)
        assert watch.next().total == 1
        hand.us += 59_999_999
        found.upsert("cem")
        found.server.run(asyncio.sleep(0.2))
        assert watch.is_quiet
        hand.to(midnight)
        update = watch.next()
        assert (update.total, list(update.left.texts)) == (0, ["ann"])
        assert update.update_time.ToDatetime(UTC) == midnight


def test_an_event_to_come_counts_when_its_time_has_come():
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    hand = Hand(now)
    with place(hand) as found:
        found.create(reachable="")
        found.upsert("ann")
        watch = found.watch("did open")
        assert watch.next().total == 0
        found.open("ann", at="2026-03-10T12:00:05Z")
        hand.to(datetime(2026, 3, 10, 12, 0, 5, tzinfo=UTC))
        assert watch.next().total == 1


def test_a_clock_that_leaps_over_days_is_followed_and_one_that_falls_back_harms_nothing():
    hand = Hand(datetime(2026, 3, 10, 12, tzinfo=UTC))
    with place(hand) as found:
        found.create(reachable="")
        found.upsert("ann")
        found.open("ann", at="2026-03-10T11:00:00Z")
        watch = found.watch("did open in last 2 days")
        assert watch.next().total == 1
        hand.to(datetime(2026, 3, 20, 12, tzinfo=UTC))
        assert watch.next().total == 0
        found.open("ann", at="2026-03-20T11:00:00Z")
        assert watch.next().total == 1


def test_a_reader_who_comes_late_gets_the_newest_state_and_not_a_queue(shop):
    keys = [f"{'k' * 200}{n}" for n in range(20_000)]
    shop.upsert(*keys, age=["1"] * len(keys))
    call = shop.api.query.Watch(watch("age > 50", members=True))
    assert next(call).total == 0
    prompt = shop.watch("age > 50")
    prompt.next()
    for turn in range(1, 13):
        shop.upsert(*keys, age=["90" if turn % 2 else "1"] * len(keys))
        prompt.until(20_000 if turn % 2 else 0)
    shop.upsert("end", age=["91"])
    prompt.until(1)
    members, told = set(), 0
    while "end" not in members:
        update = next(call)
        members |= set(update.entered.texts)
        members -= set(update.left.texts)
        told += not update.continued
        assert update.continued or len(members) == update.total
    assert members == {"end"}
    assert told < 12
    call.cancel()


def test_keys_that_do_not_fit_into_a_message_follow_in_the_next():
    with place(watch_keys_max=3) as found:
        found.create(reachable="")
        watch = found.watch("age > 5", members=True)
        watch.next()
        found.upsert(*[f"k{n}" for n in range(8)], age=["9"] * 8)
        updates = [watch.next() for _ in range(3)]
        assert [len(update.entered.texts) for update in updates] == [3, 3, 2]
        assert [update.continued for update in updates] == [True, True, False]
        assert {(u.total, u.change, u.revision) for u in updates} == {(8, 8, 2)}
        found.upsert(*[f"k{n}" for n in range(4)], "new", "newer", age=["1"] * 4 + ["9", "9"])
        updates = [watch.next() for _ in range(2)]
        entered = [key for update in updates for key in update.entered.texts]
        left = [key for update in updates for key in update.left.texts]
        assert (entered, left) == (["new", "newer"], ["k0", "k1", "k2", "k3"])


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        (watch(), "questions", "MISSING"),
        (watch("age >="), "questions[0].rule_text", "SYNTAX"),
        (watch("everyone", "agee > 3"), "questions[1].rule.attribute.name", "UNKNOWN_ATTRIBUTE"),
        (watch("age > $x"), "questions[0].rule", None),
        (watch("everyone", within_text="agee > 3"), "within.attribute.name", "UNKNOWN_ATTRIBUTE"),
        (watch("everyone", interval_ms=99), "min_interval_duration", "OUT_OF_RANGE"),
        (watch("everyone", interval_ms=3_600_001), "min_interval_duration", "OUT_OF_RANGE"),
        (
            watch("everyone", min_interval_duration=Duration(seconds=-1)),
            "min_interval_duration",
            "OUT_OF_RANGE",
        ),
        (watch(*["everyone"] * 1_001), "questions", "LIMIT_EXCEEDED"),
    ],
)
def test_a_bad_watch_is_refused_with_its_place(shop, request_, field, reason):
    error = refused(shop.api.query.Watch, request_)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.bad[0].field.startswith(field)
    assert reason is None or error.bad[0].reason == reason


def test_what_is_not_there_can_not_be_watched(shop):
    for request in (watch(segments=["nope"]), watch("everyone", audience="nope")):
        assert refused(shop.api.query.Watch, request).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"watches_per_client_max": 3}, "watches_per_client_max"),
        ({"watches_max": 3}, "watches_max"),
        ({"watch_bytes_max": 3}, "watch_bytes_max"),
    ],
)
def test_past_a_limit_of_watches_is_an_error_that_names_it(limits, name):
    with place(**limits) as found:
        found.create()
        found.upsert("ann")
        request = watch("everyone", "age is missing", "age is set", "vip is true")
        error = refused(found.api.query.Watch, request)
        assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert name in error.message
        assert error.info.metadata["limit"] == name
        assert error.retry is not None


def watched(server):
    async def found():
        watches = server.engine._watches
        return watches._count, watches.nbytes, len(watches._groups), dict(watches._by_client)

    return server.run(found())


def test_a_stream_that_is_cancelled_frees_everything():
    with place(watches_per_client_max=4) as found:
        found.create()
        found.upsert("ann")
        for _ in range(3):
            first = found.watch("everyone", "age is missing")
            second = found.watch("everyone", members=True)
            for one in (first, first, second):
                one.next()
            assert watched(found.server)[0] == 3
            found.upsert("bob")
            found.erase("bob")
            for one in (first, second):
                one.call.cancel()
                one.ended()
            for _ in range(1_000):
                if watched(found.server)[0] == 0:
                    break
                threading.Event().wait(0.01)
            assert watched(found.server) == (0, 0, 0, {})
            listeners = found.server.engine.audience("shop")._listeners
            assert listeners == []


def test_a_hundred_watches_follow_the_same_writes(shop):
    watches = [shop.watch(f"age >= {n}", "everyone") for n in range(100)]
    for watch in watches:
        assert {watch.next().index, watch.next().index} == {0, 1}
    shop.upsert("cem", age=["1000"])
    for watch in watches:
        assert sorted((watch.next().index, watch.next().index)) == [0, 1]
    assert shop.status().audiences[0].watch_count == 200
    assert shop.status().watch_bytes > 0


def test_a_server_that_stops_ends_its_watches(shop):
    watch = shop.watch("everyone")
    watch.next()
    shop.api.admin.Drain(admin_service_pb2.DrainRequest())
    error = watch.ended()
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert refused(shop.api.query.Watch, globals()["watch"]("everyone")).reason == "UNAVAILABLE"
