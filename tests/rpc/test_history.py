"""GetSegmentHistory over the wire, and the command that shows it."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import query_service_pb2, rule_pb2, segment_service_pb2

from tests.cli.process import asked
from tests.rpc.serving import refused
from tests.rpc.test_watch import Hand, place

NOON = datetime(2026, 3, 28, 12, 0, 30, tzinfo=UTC)


def ask(**fields):
    return query_service_pb2.GetSegmentHistoryRequest(
        **{"audience": "shop", "segment": "old", **fields}
    )


def at(moment):
    return Timestamp(seconds=int(moment.timestamp()))


def shown(answer):
    return [(p.total, p.entered_count, p.left_count) for p in answer.points]


@pytest.fixture
def moved():
    """Two members at first; one more after a minute, one less after a day."""
    hand = Hand(NOON)
    with place(hand) as found:
        found.create(reachable="")
        found.upsert("ann", "bob", "cem", age=["40", "50", "1"])
        message = segment_service_pb2.Segment(
            audience="shop", name="old", rule_text="age >= 40", history_days=30
        )
        found.api.segment.CreateSegment(segment_service_pb2.CreateSegmentRequest(segment=message))
        hand.to(NOON + timedelta(minutes=1))
        found.upsert("cem", age=["60"])
        hand.to(NOON + timedelta(days=1))
        found.upsert("ann", age=["1"])
        hand.to(NOON + timedelta(days=2))
        yield found


def test_days_are_those_of_the_zone_also_across_a_change_of_the_clock(moved):
    answer = moved.api.query.GetSegmentHistory(ask())
    assert [point.time.ToJsonString() for point in answer.points] == [
        "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z",
    ]  # fmt: skip
    assert shown(answer) == [(3, 1, 0), (2, 0, 1), (2, 0, 0)]


def test_minutes_and_hours_stand_also_where_nothing_moved(moved):
    minute = moved.api.query.GetSegmentHistory(
        ask(unit=rule_pb2.UNIT_MINUTE, end_time=at(NOON + timedelta(minutes=3)))
    )
    assert shown(minute) == [(2, 0, 0), (3, 1, 0), (3, 0, 0), (3, 0, 0)]
    assert minute.points[0].time.ToJsonString() == "2026-03-28T12:00:00Z"
    start = at(NOON + timedelta(hours=22))
    hour = moved.api.query.GetSegmentHistory(ask(unit=rule_pb2.UNIT_HOUR, start_time=start))
    assert shown(hour)[:3] == [(3, 0, 0), (3, 0, 0), (2, 0, 1)]
    assert len(hour.points) == 27


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"unit": rule_pb2.UNIT_WEEK}, "unit", "UNSUPPORTED_UNIT"),
        ({"unit": 99}, "unit", "INVALID_ENUM"),
        ({"segment": ""}, "segment", "MISSING"),
        ({"start_time": Timestamp(nanos=-1)}, "start_time", "INVALID_TIME"),
    ],
)
def test_what_is_not_kept_is_refused(moved, fields, field, reason):
    error = refused(moved.api.query.GetSegmentHistory, ask(**fields))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.bad[0].field, error.bad[0].reason) == (field, reason)


def test_a_segment_without_a_history_says_how_to_switch_it_on(moved):
    moved.segment("plain", "age > 1")
    error = refused(moved.api.query.GetSegmentHistory, ask(segment="plain"))
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "history_days" in error.message


def test_a_segment_that_is_not_there_is_not_found(moved):
    error = refused(moved.api.query.GetSegmentHistory, ask(segment="nope"))
    assert error.code is grpc.StatusCode.NOT_FOUND


def test_the_command_shows_and_draws_it(moved, tmp_path):
    address = ("--address", moved.server.address)
    found = asked("segment", "history", "shop", "old", *address)
    rows = [line.split()[:3] for line in found.out.splitlines()[3:6]]
    assert rows[:2] == [["2026-03-28", "3", "+1"], ["2026-03-29", "2", "-1"]]
    assert rows[2][:2] == ["2026-03-30", "2"]
    picture = tmp_path / "old.png"
    plain = asked("segment", "history", "shop", "old", "--since", "2026-03-29", "--plot", picture,
                  "--json", *address).json  # fmt: skip
    assert plain["points"][0] == {
        "time": "2026-03-28T23:00:00Z", "count": 2, "entered": 0, "left": 1,
    }  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert asked("segment", "history", "shop", "old", "--since", "soon", *address).code == 2
