"""AdminService: snapshots, state, draining."""

from __future__ import annotations

import time

from headcount.v1 import admin_service_pb2

from headcount_server.engine.interface import Engine, EngineState, SnapshotInfo
from headcount_server.rpc.call_stats import CallStats
from headcount_server.rpc.calls import Call, require
from headcount_server.rpc.paging import named_place, page_size, page_token
from headcount_server.rpc.times import seconds_of, set_duration, set_time

GRACE_S_DEFAULT, GRACE_S_MAX = 10.0, 3_600.0
_PAGE = b"snapshots"
_STATES = {
    EngineState.SERVING: admin_service_pb2.SERVER_STATE_SERVING,
    EngineState.RECOVERING: admin_service_pb2.SERVER_STATE_RECOVERING,
    EngineState.READ_ONLY: admin_service_pb2.SERVER_STATE_READ_ONLY,
    EngineState.DRAINING: admin_service_pb2.SERVER_STATE_DRAINING,
}


class AdminService:
    """Operating a server."""

    def __init__(self, engine: Engine, version: str, stats: CallStats) -> None:
        self._engine = engine
        self._stats = stats
        self._version = version

    async def create_snapshot(
        self, request: admin_service_pb2.CreateSnapshotRequest, _: Call
    ) -> admin_service_pb2.CreateSnapshotResponse:
        """Writes a snapshot of everything to disk."""
        start_ns = time.perf_counter_ns()
        snapshot = await self._engine.snapshot(request.snapshot)
        response = admin_service_pb2.CreateSnapshotResponse()
        _fill(response.snapshot, snapshot)
        set_duration(response.elapsed_duration, time.perf_counter_ns() - start_ns)
        return response

    async def list_snapshots(
        self, request: admin_service_pb2.ListSnapshotsRequest, _: Call
    ) -> admin_service_pb2.ListSnapshotsResponse:
        """A page of snapshots, the newest first."""
        size = page_size(request.page_size, self._engine.limits)
        last = named_place(request.page_token, _PAGE)
        ordered = sorted(await self._engine.snapshots(), key=_place, reverse=True)
        following = [one for one in ordered if not last or _place(one) < last]
        response = admin_service_pb2.ListSnapshotsResponse()
        for snapshot in following[:size]:
            _fill(response.snapshots.add(), snapshot)
        if len(following) > size:
            response.next_page_token = page_token(_PAGE, _place(following[size - 1]))
        return response

    async def restore_snapshot(
        self, request: admin_service_pb2.RestoreSnapshotRequest, _: Call
    ) -> admin_service_pb2.RestoreSnapshotResponse:
        """Brings back the state of a snapshot."""
        require(snapshot=request.snapshot)
        response = admin_service_pb2.RestoreSnapshotResponse()
        _fill(response.snapshot, await self._engine.restore(request.snapshot))
        return response

    async def get_server_status(
        self, _: admin_service_pb2.GetServerStatusRequest, __: Call
    ) -> admin_service_pb2.GetServerStatusResponse:
        """Version, state, audiences, memory, calls."""
        found = self._engine.status()
        response = admin_service_pb2.GetServerStatusResponse(
            version=self._version,
            state=_STATES[found.state],
            resident_bytes=found.resident_bytes,
            watch_bytes=found.watch_bytes,
        )
        set_duration(response.cpu_duration, time.process_time_ns())
        response.read_only_reason = found.reason
        if found.snapshot is not None:
            progress = response.snapshot_progress
            progress.snapshot = found.snapshot.name
            progress.written_count = found.snapshot.written
            progress.audience_count = found.snapshot.total
            set_time(progress.start_time, found.snapshot.start_us)
        if found.start_time_us:
            set_time(response.start_time, found.start_time_us)
        set_time(response.current_time, found.current_time_us)
        for audience in found.audiences:
            response.audiences.add(
                audience=audience.name,
                subscriber_count=audience.subscriber_count,
                revision=audience.revision,
                event_count=audience.event_count,
                segment_count=audience.segment_count,
                watch_count=audience.watch_count,
            )
        for name, stats in self._stats.used():
            method = response.methods.add(
                method=name,
                ended_count=stats.ended,
                error_count=stats.errors,
                running_count=stats.running,
            )
            for upper_us, count in stats.latencies():
                bucket = method.latencies.add(count=count)
                set_duration(bucket.upper_duration, 1_000 * upper_us)
        return response

    async def drain(
        self, request: admin_service_pb2.DrainRequest, _: Call
    ) -> admin_service_pb2.DrainResponse:
        """Asks the application to end calls and stop; returns at once."""
        grace_s = GRACE_S_DEFAULT
        if request.HasField("grace_duration"):
            grace_s = seconds_of(request.grace_duration, "grace_duration", GRACE_S_MAX)
        self._engine.request_stop(grace_s)
        return admin_service_pb2.DrainResponse()


def _place(snapshot: SnapshotInfo) -> str:
    """Where a snapshot stands in the order of time; one of equal time by its name."""
    return f"{snapshot.create_time_us:020d} {snapshot.name}"


def _fill(message: admin_service_pb2.Snapshot, snapshot: SnapshotInfo) -> None:
    message.name = snapshot.name
    message.size_bytes = snapshot.size_bytes
    set_time(message.create_time, snapshot.create_time_us)
    for audience in snapshot.audiences:
        message.audiences.add(
            audience=audience.name,
            revision=audience.revision,
            subscriber_count=audience.subscriber_count,
        )
