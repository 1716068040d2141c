"""A failing disk as clients see it: writes refused, queries answered, status and health tell."""

import errno
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from headcount.v1 import admin_service_pb2 as admin
from headcount.v1 import audience_service_pb2, ingest_service_pb2, query_service_pb2
from headcount_server.rpc.server import INGEST

from tests.crash.world import disk, engine_on
from tests.rpc.serving import audience, refused, running, stubs

FULL = OSError(errno.ENOSPC, "No space left on device")


def upsert(key):
    columns = ingest_service_pb2.SubscriberColumns(keys={"texts": [key]})
    return ingest_service_pb2.UpsertSubscribersRequest(audience="shop", columns=columns)


def until(condition):
    for _ in range(1_000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never came to that")


def test_a_full_disk_refuses_writes_until_there_is_room_again(monkeypatch):
    monkeypatch.setattr("headcount_server.engine.disk._MEND_S", (0.2, 0.2))
    files = disk()
    with running(engine_on(files)) as server, stubs(server.address) as api:
        server.engine.on_state(server.server.tell_health)
        health = health_pb2_grpc.HealthStub(api.channel)

        def healthy(service):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            return answer.status == health_pb2.HealthCheckResponse.SERVING

        def state():
            return api.admin.GetServerStatus(admin.GetServerStatusRequest()).state

        api.audience.CreateAudience(
            audience_service_pb2.CreateAudienceRequest(audience=audience("shop"))
        )
        api.ingest.UpsertSubscribers(upsert("a"))
        files.room = 10
        error = refused(api.ingest.UpsertSubscribers, upsert("b"))
        assert error.code is grpc.StatusCode.FAILED_PRECONDITION
        assert error.reason == "READ_ONLY"
        assert "No space left on device" in error.message
        assert state() == admin.SERVER_STATE_READ_ONLY
        told = api.admin.GetServerStatus(admin.GetServerStatusRequest()).read_only_reason
        assert "No space left on device" in told
        until(lambda: not healthy(INGEST))
        assert healthy("")
        count = query_service_pb2.CountRequest(audience="shop")
        count.rule_text = "everyone"
        assert api.query.Count(count).audience_size == 1
        files.room = None
        until(lambda: state() == admin.SERVER_STATE_SERVING)
        until(lambda: healthy(INGEST))
        assert api.ingest.UpsertSubscribers(upsert("b")).revision == 3
