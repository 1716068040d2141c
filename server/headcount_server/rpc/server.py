"""The gRPC server: services, health, reflection, channelz, options.

Everything runs on one event loop with the engine. The options bound what a client can make the
server hold: streams of a connection, calls that wait, metadata, messages.
"""

from __future__ import annotations

import asyncio

import grpc
from grpc_channelz.v1 import channelz, channelz_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from headcount.v1 import (
    admin_service_pb2,
    audience_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    segment_service_pb2,
)

from headcount_server.engine.interface import Engine, EngineState
from headcount_server.limits import Limits
from headcount_server.rpc.admin_service import AdminService
from headcount_server.rpc.audience_service import AudienceService
from headcount_server.rpc.call_stats import CallStats
from headcount_server.rpc.calls import Threads
from headcount_server.rpc.handlers import service_handler
from headcount_server.rpc.ingest_service import IngestService
from headcount_server.rpc.query_service import QueryService
from headcount_server.rpc.segment_service import SegmentService

INGEST = ingest_service_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
METADATA_BYTES_MAX = 16 << 10
_PING_MS_MIN = 10_000  # a client may ask this often whether its connection is alive


class RpcServer:
    """Serves an engine over gRPC.

    Args:
        engine: answers; started before calls arrive, or refusing them until it is.
        limits: bounds of connections and messages.
        version: of the server, as its status tells it.
    """

    def __init__(self, engine: Engine, limits: Limits, version: str) -> None:
        self._threads = Threads()
        self._server = grpc.aio.server(options=server_options(limits))
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
        stats = CallStats()
        services = {
            admin_service_pb2: ("AdminService", AdminService(engine, version, stats)),
            audience_service_pb2: ("AudienceService", AudienceService(engine)),
            ingest_service_pb2: ("IngestService", IngestService(engine, self._threads)),
            query_service_pb2: ("QueryService", QueryService(engine, self._threads)),
            segment_service_pb2: ("SegmentService", SegmentService(engine, self._threads)),
        }
        self._told: set[asyncio.Future[None]] = set()
        self._names: list[str] = [""]
        for module, (name, service) in services.items():
            descriptor = module.DESCRIPTOR.services_by_name[name]
            handler = service_handler(descriptor, service, self._threads, stats)
            self._server.add_generic_rpc_handlers((handler,))
            self._names.append(descriptor.full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        channelz.add_channelz_servicer(self._server)
        channelz_name = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name
        standard = (health.SERVICE_NAME, reflection.SERVICE_NAME, channelz_name)
        reflection.enable_server_reflection((*self._names[1:], *standard), self._server)

    async def start(self, address: str) -> int:
        """Listens and answers.

        Args:
            address: ``host:port``, ``[::1]:port`` or ``unix:path``; port 0 picks a free one.

        Returns:
            The port; meaningless for a socket file.

        Raises:
            RuntimeError: the address can't be listened on.
        """
        port = self._server.add_insecure_port(address)
        await self._server.start()
        await self.set_serving(True)
        return port

    async def set_serving(self, is_serving: bool) -> None:
        """What the health service says of every service."""
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if is_serving else states.NOT_SERVING
        for name in self._names:
            await self._health.set(name, state)

    def tell_health(self, state: EngineState) -> None:
        """Lets the health service say of writes what the engine's state means for them."""
        states = health_pb2.HealthCheckResponse
        refused = state is EngineState.READ_ONLY
        found = states.NOT_SERVING if refused else states.SERVING
        task = asyncio.ensure_future(self._health.set(INGEST, found))
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def stop(self, grace_s: float) -> None:
        """Says NOT_SERVING, takes no new calls, ends running ones after ``grace_s`` seconds."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        self._threads.close()

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        await self._server.wait_for_termination()


def server_options(limits: Limits) -> list[tuple[str, int]]:
    """Channel arguments: the bounds of what clients can make the server hold."""
    return [
        ("grpc.max_concurrent_streams", limits.concurrent_streams_max),
        ("grpc.server.max_pending_requests", limits.pending_requests_max),
        ("grpc.server.max_pending_requests_hard_limit", 2 * limits.pending_requests_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES_MAX),
        ("grpc.max_receive_message_length", limits.message_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS_MIN),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, not half of the calls
    ]
