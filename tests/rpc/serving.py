"""A real server on a loopback port, with an engine that keeps nothing on disk, and its clients."""

import asyncio
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from headcount.v1 import (
    admin_service_pb2_grpc,
    audience_service_pb2_grpc,
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    query_service_pb2_grpc,
    schema_pb2,
    segment_service_pb2_grpc,
)
from headcount_server.core.state import State
from headcount_server.engine.clock import system_clock
from headcount_server.engine.engine import Engine
from headcount_server.limits import Limits
from headcount_server.rpc.server import RpcServer

START_S = 20
ATTRIBUTES = (
    ("country", "KEYWORD", 0), ("tags", "KEYWORDS", 0), ("email", "TEXT", 0), ("age", "INTEGER", 0),
    ("spend", "DECIMAL", 2), ("vip", "BOOLEAN", 0), ("signup", "DATE", 0),
    ("seen", "TIMESTAMP", 0), ("home", "LOCATION", 0),
)  # fmt: skip


class Running:
    """A server in a thread of its own; ``run`` runs a coroutine on its loop."""

    def __init__(self, engine, limits):
        self.engine, self._limits = engine, limits
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(START_S)

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        if hasattr(self.engine, "start"):
            await self.engine.start()
        self.server = RpcServer(self.engine, self._limits, "1.2.3")
        self.address = f"127.0.0.1:{await self.server.start('127.0.0.1:0')}"
        self._ready.set()
        await self._end.wait()
        await self.server.stop(0)
        if hasattr(self.engine, "close"):
            await self.engine.close()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START_S)

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def end(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_S)
        assert not self._thread.is_alive()


@contextmanager
def running(engine=None, limits=None):
    limits = limits or Limits()
    server = Running(engine or Engine(State(limits), None, system_clock()), limits)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def stubs(address, **options):
    with grpc.insecure_channel(address, options=list(options.items())) as channel:
        yield SimpleNamespace(
            channel=channel,
            admin=admin_service_pb2_grpc.AdminServiceStub(channel),
            audience=audience_service_pb2_grpc.AudienceServiceStub(channel),
            ingest=ingest_service_pb2_grpc.IngestServiceStub(channel),
            query=query_service_pb2_grpc.QueryServiceStub(channel),
            segment=segment_service_pb2_grpc.SegmentServiceStub(channel),
        )


def audience(name, key="STRING", **fields):
    message = schema_pb2.Audience(
        name=name,
        key=f"KEY_TYPE_{key}",
        time_zone="Europe/Berlin",
        reachable="vip is true",
        **fields,
    )
    for attribute, kind, scale in ATTRIBUTES:
        message.attributes.add(name=attribute, type=f"ATTRIBUTE_TYPE_{kind}", scale=scale)
    message.events.add(name="open", dimensions=["campaign"])
    purchase = message.events.add(name="purchase", dimensions=["category"])
    purchase.measures.add(name="amount", scale=2)
    return message


def text_column(name, *values):
    return ingest_service_pb2.Column(name=name, texts=ingest_service_pb2.Texts(values=values))


class Refused:
    """A call's error with its details unpacked."""

    def __init__(self, error):
        self.code, self.message = error.code(), error.details()
        trailing = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
        self.info, self.bad, self.retry = None, [], None
        for packed in status.details:
            if packed.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                packed.Unpack(info := error_details_pb2.ErrorInfo())
                self.info = info
            elif packed.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                packed.Unpack(bad := error_details_pb2.BadRequest())
                self.bad = list(bad.field_violations)
            elif packed.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                packed.Unpack(retry := error_details_pb2.RetryInfo())
                self.retry = retry

    @property
    def reason(self):
        return self.info.reason

    @property
    def fields(self):
        return [violation.field for violation in self.bad]


def refused(call, *arguments, **options):
    """What a call that must fail is refused with."""

    def answered():
        answer = call(*arguments, **options)
        if hasattr(answer, "__next__"):
            list(answer)

    with pytest.raises(grpc.RpcError) as caught:
        answered()
    return Refused(caught.value)
