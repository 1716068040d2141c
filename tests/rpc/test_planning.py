"""Forecast and Diff over the wire."""

import threading

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import (
    audience_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    segment_service_pb2,
)
from headcount_server.rpc import planning_calls

from tests.rpc.serving import audience, refused, text_column

pb = query_service_pb2
NOW = Timestamp(seconds=1_772_532_000)  # 2026-03-03T10:00:00Z


def forecast(text="signup in last 30 days", **fields):
    return pb.ForecastRequest(**{"audience": "shop", "rule_text": text, "as_of": NOW, **fields})


def diff(first="age >= 30", second="age >= 40", **fields):
    versions = {"old": pb.Question(rule_text=first), "new": pb.Question(rule_text=second)}
    return pb.DiffRequest(**{"audience": "shop", **versions, **fields})


def test_a_forecast_has_now_and_the_end_of_each_day_to_come(api, shop):
    answer = api.query.Forecast(forecast(days=3))
    assert [point.time.ToJsonString() for point in answer.points] == [
        "2026-03-03T10:00:00Z",
        "2026-03-04T22:59:59.999999Z",
        "2026-03-05T22:59:59.999999Z",
        "2026-03-06T22:59:59.999999Z",
    ]
    assert (answer.audience_size, answer.revision, answer.as_of_time) == (4, 3, NOW)
    assert answer.HasField("engine_duration")


def test_who_enters_and_leaves_is_told_for_each_day(api, shop):
    """ann signed up on 31 January and bob on 28 February; ann can be reached."""
    points = api.query.Forecast(forecast(days=30)).points
    assert len(points) == 31
    assert (points[0].total, points[0].reachable) == (1, 0)
    leave = [place for place, point in enumerate(points) if point.left_count]
    assert leave == [28]
    assert not any(point.entered_count for point in points)
    points = api.query.Forecast(forecast("signup more than 30 days ago", days=30)).points
    assert [(p.total, p.reachable) for p in (points[0], points[-1])] == [(2, 2), (3, 2)]
    assert sum(point.entered_count for point in points) == 1
    assert len(api.query.Forecast(forecast()).points) == 31


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"days": 401}, "days", "OUT_OF_RANGE"),
        ({"days": -1}, "days", "OUT_OF_RANGE"),
        ({"rule_text": "age >= "}, "rule_text", "SYNTAX"),
        ({"rule_text": "agee >= 3"}, "rule.attribute.name", "UNKNOWN_ATTRIBUTE"),
        ({"within_text": "agee >= 3"}, "within.attribute.name", "UNKNOWN_ATTRIBUTE"),
    ],
)
def test_a_bad_forecast_is_refused_with_its_place(api, shop, fields, field, reason):
    error = refused(api.query.Forecast, forecast(**fields))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.bad[0].field, error.bad[0].reason) == (field, reason)


def test_a_rule_of_moves_has_no_forecast(api, shop):
    rule = 'age > 3 and entered segment "old" in last 3 days'
    create = segment_service_pb2.CreateSegmentRequest()
    create.segment.audience, create.segment.name = "shop", "old"
    create.segment.rule_text, create.segment.history_days = "age > 30", 30
    api.segment.CreateSegment(create)
    error = refused(api.query.Forecast, forecast(rule))
    assert (error.code, error.bad[0].reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NO_FORECAST")
    api.segment.DeleteSegment(
        segment_service_pb2.DeleteSegmentRequest(audience="shop", segment="old")
    )
    assert (
        refused(api.query.Forecast, forecast(segment="old", rule_text=None)).reason == "NOT_FOUND"
    )


def test_a_forecast_reflects_one_revision_while_others_write(api, shop, monkeypatch):
    monkeypatch.setattr(planning_calls, "_SLICE_S", 0.0)
    moving = audience("moving")
    api.audience.CreateAudience(audience_service_pb2.CreateAudienceRequest(audience=moving))
    ended = threading.Event()

    def write():
        number = 0
        while not ended.is_set():
            number += 1
            api.ingest.UpsertSubscribers(upsert(f"k{number}"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            answer = api.query.Forecast(
                pb.ForecastRequest(audience="moving", rule_text="known for at least 5 days or"
                                   " known_since in last 3 days", days=60)
            )  # fmt: skip
            first = answer.points[0]
            assert first.total == answer.audience_size == answer.revision - 1
            for before, point in zip(answer.points, answer.points[1:], strict=False):
                assert point.total == before.total + point.entered_count - point.left_count
            assert min(point.total for point in answer.points) == 0
            assert answer.points[-1].total == answer.audience_size
    finally:
        ended.set()
        writer.join()


def upsert(key):
    columns = ingest_service_pb2.SubscriberColumns(
        keys=ingest_service_pb2.Keys(texts=[key]), columns=[text_column("age", "3")]
    )
    return ingest_service_pb2.UpsertSubscribersRequest(audience="moving", columns=columns)


def test_a_diff_tells_who_stays_is_lost_and_is_won(api, shop):
    answer = api.query.Diff(diff("age <= 40", "age >= 40"))
    assert (answer.old_total, answer.new_total, answer.audience_size) == (2, 2, 4)
    parts = {"both": answer.both, "only_old": answer.only_old, "only_new": answer.only_new}
    assert {name: list(part.sample.texts) for name, part in parts.items()} == {
        "both": ["bob"], "only_old": ["ann"], "only_new": ["cem"],
    }  # fmt: skip
    reachable = [(part.total, part.reachable) for part in parts.values()]
    assert reachable == [(1, 0), (1, 1), (1, 1)]


def test_nobody_in_a_part_is_told_as_zero(api, shop):
    answer = api.query.Diff(diff("nobody", "nobody", sample_size=1))
    assert answer.HasField("both")
    assert answer.HasField("only_new")
    assert answer.both.total == answer.only_old.total == 0


def test_a_sample_is_as_long_as_asked_and_the_same_for_the_same_seed(api, shop):
    requests = [diff("everyone", "nobody", sample_size=2, seed=seed) for seed in "aabcd"]
    samples = [list(api.query.Diff(one).only_old.sample.texts) for one in requests]
    assert {len(sample) for sample in samples} == {2}
    assert samples[0] == samples[1]
    assert len({tuple(sorted(sample)) for sample in samples}) > 1


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"sample_size": 10_001}, "sample_size", "OUT_OF_RANGE"),
        ({"sample_size": -1}, "sample_size", "OUT_OF_RANGE"),
        ({"old": pb.Question(rule_text="age >=")}, "old.rule_text", "SYNTAX"),
        (
            {"new": pb.Question(rule_text="agee > 3")},
            "new.rule.attribute.name",
            "UNKNOWN_ATTRIBUTE",
        ),
        ({"new": pb.Question()}, "new", "MISSING"),
    ],
)
def test_a_bad_version_is_refused_with_its_place(api, shop, fields, field, reason):
    error = refused(api.query.Diff, diff(**fields))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.bad[0].field, error.bad[0].reason) == (field, reason)


def test_a_version_may_be_a_segment_which_must_exist(api, shop):
    error = refused(api.query.Diff, pb.DiffRequest(
        audience="shop", old=pb.Question(segment="nope"), new=pb.Question(rule_text="everyone")
    ))  # fmt: skip
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
