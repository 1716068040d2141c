"""The server itself: bounds, malformed requests, deadlines, health, reflection, stopping."""

import asyncio
import threading
import time

import grpc
import pytest
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from headcount.v1 import (
    admin_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    segment_service_pb2,
)
from headcount_server import errors
from headcount_server.core.state import State
from headcount_server.engine.clock import system_clock
from headcount_server.engine.engine import Engine
from headcount_server.limits import Limits
from headcount_server.rpc.handlers import UNANSWERED

from tests.rpc.serving import refused, running, stubs

SERVICES = [
    f"headcount.v1.{name}Service" for name in ("Admin", "Audience", "Ingest", "Query", "Segment")
]
UNARY = [
    method
    for service in SERVICES
    for method in Default().FindServiceByName(service).methods
    if not method.client_streaming
]
NOTHING_REQUIRED = {
    "CreateSnapshot", "ListSnapshots", "GetServerStatus", "Drain", "ListAudiences",
}  # fmt: skip
WITHIN_S = 10


def raw(api, method):
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = api.channel.unary_stream if method.server_streaming else api.channel.unary_unary
    return kind(path)


def wait_until(condition):
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def count(text="everyone", **fields):
    return query_service_pb2.CountRequest(audience="shop", rule_text=text, **fields)


@pytest.mark.parametrize(
    "method", [m for m in UNARY if m.name not in NOTHING_REQUIRED], ids=lambda method: method.name
)
def test_an_empty_request_is_refused_with_what_is_missing(api, method):
    error = refused(raw(api, method), b"")
    if method.name in UNANSWERED:
        assert error.code is grpc.StatusCode.UNIMPLEMENTED
        assert error.message == UNANSWERED[method.name]
    else:
        assert error.code is grpc.StatusCode.INVALID_ARGUMENT
        assert error.bad[0].reason == "MISSING"
        assert error.bad[0].field.split(".")[0] in method.input_type.fields_by_name


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
def test_malformed_bytes_are_an_invalid_argument(api, method):
    error = refused(raw(api, method), b"\xff\xff\xff")
    if method.name not in UNANSWERED:
        assert error.bad[0].reason == "MALFORMED"
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_rule_nested_deeper_than_protobuf_reads_is_an_invalid_argument(api, shop):
    message = query_service_pb2.CountRequest(audience=shop)
    inner = b"\x22\x00"  # everyone
    for _ in range(200):
        size = (
            bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7])
            if len(inner) > 127
            else bytes([len(inner)])
        )
        inner = b"\x08\x04\x92\x03" + size + inner
    length = bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7])
    body = message.SerializeToString() + b"\x12" + length + inner
    error = refused(api.channel.unary_unary("/headcount.v1.QueryService/Count"), body)
    assert (error.code, error.bad[0].reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")


def test_an_unknown_method_is_unimplemented(api):
    error = refused(api.channel.unary_unary("/headcount.v1.QueryService/Guess"), b"")
    assert error.code is grpc.StatusCode.UNIMPLEMENTED


def test_what_is_not_there_is_named_with_what_was_meant(api, shop):
    request = query_service_pb2.CountRequest(audience="shob", rule_text="everyone")
    error = refused(api.query.Count, request)
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert error.info.metadata["resource"] == "audience"
    assert 'did you mean "shop"?' in error.message
    request = query_service_pb2.CountRequest(audience=shop, segment="nope")
    error = refused(api.query.Count, request)
    assert (error.code, error.info.metadata["resource"]) == (grpc.StatusCode.NOT_FOUND, "segment")


def test_a_fault_of_a_text_tells_line_column_and_what_was_meant(api, shop):
    error = refused(api.query.Count, count('country = "DE"\nand agee > 3'))
    metadata = error.info.metadata
    assert error.reason == "INVALID_RULE"
    assert (metadata["line"], metadata["column"]) == ("2", "5")
    assert (metadata["start"], metadata["suggestion"]) == ("19", "age")
    assert error.fields == ["rule.rules[1].attribute.name"]


def test_a_fault_of_the_scope_is_placed_there(api, shop):
    error = refused(api.query.Count, count(within_text="agee > 3"))
    assert error.fields == ["within.attribute.name"]
    assert refused(api.query.Count, count(within_text="age >")).fields == ["within_text"]


def test_an_unbound_parameter_is_refused(api, shop):
    error = refused(api.query.Count, count("age > $low"))
    assert error.bad[0].reason == "UNBOUND_PARAMETER"


LIMITED = {
    "rule_depth_max": count("not (" * 64 + "everyone" + ")" * 64),
    "rule_text_bytes_max": count("everyone #" + "x" * (1 << 20)),
    "batch_rules_max": query_service_pb2.BatchCountRequest(
        audience="shop", questions=[{"rule_text": "everyone"}] * 1_001
    ),
    "overlap_sets_max": query_service_pb2.OverlapRequest(
        audience="shop", questions=[{"rule_text": "everyone"}] * 101
    ),
    "overlap_regions_max": query_service_pb2.OverlapRequest(
        audience="shop", questions=[{"rule_text": "everyone"}] * 9, regions=True
    ),
    "breakdowns_max": query_service_pb2.BreakdownRequest(
        audience="shop", rule_text="everyone", by=[{"attribute": "age"}] * 21
    ),
}


@pytest.mark.parametrize(("limit", "request_"), LIMITED.items(), ids=LIMITED)
def test_what_is_past_a_limit_is_refused_with_its_name(api, shop, limit, request_):
    call = getattr(api.query, type(request_).__name__.removesuffix("Request"))
    error = refused(call, request_)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
    assert error.info.metadata["limit"] == limit


def test_times_out_of_range_are_refused(api, shop):
    for moment in (Timestamp(seconds=10**15), Timestamp(nanos=-5)):
        error = refused(api.query.Count, count(as_of=moment))
        assert error.fields == ["as_of"]


def test_a_message_past_the_limit_is_refused():
    with running(limits=Limits(message_bytes_max=10_000)) as server, stubs(server.address) as api:
        error = refused(api.query.Count, count("x" * 20_000))
        assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused(api.query.Count, count()).code is grpc.StatusCode.NOT_FOUND


def test_a_revision_that_is_not_reached_before_the_deadline_is_out_of_range(api, shop):
    error = refused(api.query.Count, count(at_least_revision=10_000), timeout=1)
    assert error.code is grpc.StatusCode.OUT_OF_RANGE
    assert error.reason == "REVISION_OUT_OF_RANGE"


def test_a_question_waits_for_its_revision(api, shop):
    revision = api.query.Count(count()).revision
    waiting = api.query.Count.future(count(at_least_revision=revision + 1), timeout=WITHIN_S)
    row = ingest_service_pb2.SubscriberRow(key={"text": "ann"})
    api.ingest.UpsertSubscribers(
        ingest_service_pb2.UpsertSubscribersRequest(audience=shop, rows=[row])
    )
    assert waiting.result().revision == revision + 1


def test_a_cancelled_call_ends_its_handler(server, api, shop):
    waiters = server.engine._waiters
    call = api.query.Count.future(count(at_least_revision=10_000), timeout=60)
    wait_until(lambda: waiters._waiting_count == 1)
    call.cancel()
    wait_until(lambda: waiters._waiting_count == 0)


def test_a_deadline_ends_a_call(server, api, shop):
    async def stall():
        await server.engine.turn.acquire()

    server.run(stall())
    try:
        row = ingest_service_pb2.SubscriberRow(key={"text": "ann"})
        request = ingest_service_pb2.UpsertSubscribersRequest(audience=shop, rows=[row])
        error = refused(api.ingest.UpsertSubscribers, request, timeout=0.3)
        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        server._loop.call_soon_threadsafe(server.engine.turn.release)


class Broken:
    """An engine that fails in one way."""

    def __init__(self, error):
        self.limits, self._error = Limits(), error

    def audience(self, name):
        raise self._error

    def __getattr__(self, name):
        raise AttributeError(name)


BROKEN = {
    errors.ReadOnly: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DataLoss: grpc.StatusCode.DATA_LOSS,
}


@pytest.mark.parametrize(
    ("kind", "code"), BROKEN.items(), ids=lambda one: getattr(one, "reason", "")
)
def test_errors_of_the_engine_reach_the_client(kind, code):
    with running(Broken(kind("what is wrong"))) as server, stubs(server.address) as api:
        error = refused(api.query.Count, count())
    assert (error.code, error.reason, error.message) == (code, kind.reason, "what is wrong")
    may_retry = code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
    assert (error.retry is not None) == may_retry


def test_a_bug_is_internal_and_tells_nothing():
    with running(Broken(KeyError("secret"))) as server, stubs(server.address) as api:
        error = refused(api.query.Count, count())
        row = ingest_service_pb2.SubscriberRow(key={"text": "a"})
        write = ingest_service_pb2.UpsertSubscribersRequest(audience="a", rows=[row])
        batch = ingest_service_pb2.StreamWritesRequest(upsert_subscribers=write)
        answers = list(api.ingest.StreamWrites(iter([batch, batch])))
        export = query_service_pb2.ExportMembersRequest(audience="a", rule_text="everyone")
        assert refused(api.query.ExportMembers, export).code is grpc.StatusCode.INTERNAL
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in error.message
    assert [a.refused.reason for a in answers] == ["INTERNAL", "INTERNAL"]
    assert "secret" not in answers[0].refused.message


def test_a_recovering_engine_is_unavailable():
    class Recovering(Engine):
        async def start(self):
            """Never done."""

    engine = Recovering(State(Limits()), None, system_clock())
    with running(engine) as server, stubs(server.address) as api:
        error = refused(api.query.Count, count())
        status = api.admin.GetServerStatus(admin_service_pb2.GetServerStatusRequest())
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert status.state == admin_service_pb2.SERVER_STATE_RECOVERING


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_is_told_for_the_server_and_each_service(api, service):
    stub = health_pb2_grpc.HealthStub(api.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_tells_the_whole_contract(api):
    database = ProtoReflectionDescriptorDatabase(api.channel)
    names = set(database.get_services())
    standard = {"grpc.health.v1.Health", "grpc.channelz.v1.Channelz"}
    assert set(SERVICES) | standard <= names
    pool = DescriptorPool(database)
    request = GetMessageClass(pool.FindMessageTypeByName("headcount.v1.CountRequest"))
    assert (
        request(audience="shop", rule_text="everyone").SerializeToString()
        == count().SerializeToString()
    )


def test_channelz_answers(api):
    stub = channelz_pb2_grpc.ChannelzStub(api.channel)
    assert stub.GetServers(channelz_pb2.GetServersRequest()).server


def test_status_tells_version_state_and_audiences(api, shop):
    status = api.admin.GetServerStatus(admin_service_pb2.GetServerStatusRequest())
    assert (status.version, status.state) == ("1.2.3", admin_service_pb2.SERVER_STATE_SERVING)
    (found,) = [a for a in status.audiences if a.audience == shop]
    assert (found.subscriber_count, found.event_count) == (4, 4)
    assert status.resident_bytes > 1 << 20
    assert status.start_time.seconds <= status.current_time.seconds


def test_stopping_says_so_and_lets_running_calls_end():
    with running() as server, stubs(server.address) as api:
        health = health_pb2_grpc.HealthStub(api.channel)
        seen = []
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICES[3]))
        seen.append(next(watch).status)
        request = ingest_service_pb2.StreamWritesRequest()
        end = threading.Event()

        def batches():
            yield request
            end.wait(WITHIN_S)
            yield request

        stream = api.ingest.StreamWrites(batches())
        next(stream)
        stopping = server.begin(server.server.stop(WITHIN_S))
        seen.append(next(watch).status)
        watch.cancel()
        end.set()
        assert next(stream).index == 1
        assert list(stream) == []
        stopping.result(WITHIN_S)
    statuses = health_pb2.HealthCheckResponse
    assert seen == [statuses.SERVING, statuses.NOT_SERVING]


def test_draining_asks_the_application_to_stop():
    with running() as server, stubs(server.address) as api:
        request = admin_service_pb2.DrainRequest()
        request.grace_duration.seconds = 3
        api.admin.Drain(request)
        server.run(asyncio.wait_for(server.engine.stop_requested.wait(), WITHIN_S))
        assert server.engine.stop_grace_s == 3
        request.grace_duration.seconds = -1
        assert refused(api.admin.Drain, request).fields == ["grace_duration"]


def test_a_port_that_is_taken_is_an_error(server):
    from headcount_server.rpc.server import RpcServer

    async def second():
        other = RpcServer(server.engine, Limits(), "1")
        try:
            await other.start(server.address)
        finally:
            await other.stop(0)

    with pytest.raises(RuntimeError):
        server.run(second())


def test_many_questions_at_once_are_all_answered(api, shop):
    calls = [api.query.Count.future(count(f"age >= {i}")) for i in range(200)]
    assert sum(call.result().total for call in calls) == 30 + 40 + 50 + 3


def test_a_segment_with_an_unprintable_name_is_refused(api, shop):
    message = segment_service_pb2.Segment(audience=shop, name="a\nb", rule_text="everyone")
    error = refused(
        api.segment.CreateSegment, segment_service_pb2.CreateSegmentRequest(segment=message)
    )
    assert error.fields == ["segment.name"]
