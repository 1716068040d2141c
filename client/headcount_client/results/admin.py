"""Answers of AdminService, field for field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SnapshotAudience:
    """An audience in a snapshot.

    Attributes:
        audience: name of the audience.
        revision: its revision in the snapshot.
        subscriber_count: its number of subscribers in the snapshot.
    """

    audience: str
    revision: int
    subscriber_count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot on disk.

    Attributes:
        name: its name.
        create_time: when it was taken.
        size_bytes: bytes of its files.
        audiences: the audiences in it.
    """

    name: str
    create_time: datetime | None
    size_bytes: int
    audiences: tuple[SnapshotAudience, ...]


@dataclass(frozen=True, slots=True)
class CreateSnapshotResponse:
    """Answer of CreateSnapshot.

    Attributes:
        snapshot: the snapshot.
        elapsed_duration: how long it took.
    """

    snapshot: Snapshot | None
    elapsed_duration: timedelta | None


@dataclass(frozen=True, slots=True)
class ListSnapshotsResponse:
    """Answer of ListSnapshots.

    Attributes:
        snapshots: the snapshots, the newest first.
        next_page_token: token of the next page; empty on the last one.
    """

    snapshots: tuple[Snapshot, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class RestoreSnapshotResponse:
    """Answer of RestoreSnapshot.

    Attributes:
        snapshot: the snapshot that was restored.
    """

    snapshot: Snapshot | None


@dataclass(frozen=True, slots=True)
class AudienceStatus:
    """An audience in the server's status.

    Attributes:
        audience: name of the audience.
        subscriber_count: number of existing subscribers.
        revision: position in its log.
        event_count: number of events.
        segment_count: number of segments.
        watch_count: number of rules and segments that are watched.
    """

    audience: str
    subscriber_count: int
    revision: int
    event_count: int
    segment_count: int
    watch_count: int


@dataclass(frozen=True, slots=True)
class LatencyBucket:
    """Calls that took about the same time.

    Attributes:
        upper_duration: they took no longer than this, and longer than the bucket before says.
        count: how many they are.
    """

    upper_duration: timedelta | None
    count: int


@dataclass(frozen=True, slots=True)
class MethodStatus:
    """What a method was asked since the process began to serve.

    Attributes:
        method: ``Service.Method``.
        ended_count: calls and streams that have ended.
        error_count: those of them that ended with an error.
        running_count: calls and streams that are running.
        latencies: how long those that ended took, ascending.
    """

    method: str
    ended_count: int
    error_count: int
    running_count: int
    latencies: tuple[LatencyBucket, ...]


@dataclass(frozen=True, slots=True)
class GetServerStatusResponse:
    """Answer of GetServerStatus.

    Attributes:
        version: version of the server.
        state: what it is doing.
        audiences: the audiences, ascending by name.
        resident_bytes: resident memory of the process in bytes.
        start_time: when the process began to serve.
        current_time: the server's clock.
        methods: what each method was asked that was asked anything, ascending by method.
        cpu_duration: processor time that the process took, of all its threads.
        watch_bytes: memory that watches hold.
        read_only_reason: why no audience takes writes, or "".
        snapshot_progress: the snapshot that is being written, or None.
    """

    version: str
    state: str
    audiences: tuple[AudienceStatus, ...]
    resident_bytes: int
    start_time: datetime | None
    current_time: datetime | None
    methods: tuple[MethodStatus, ...]
    cpu_duration: timedelta | None
    watch_bytes: int
    read_only_reason: str
    snapshot_progress: SnapshotProgress | None


@dataclass(frozen=True, slots=True)
class SnapshotProgress:
    """A snapshot that is being written.

    Attributes:
        snapshot: its name.
        start_time: when it was begun.
        written_count: audiences that are written.
        audience_count: audiences that it will hold.
    """

    snapshot: str
    start_time: datetime | None
    written_count: int
    audience_count: int


@dataclass(frozen=True, slots=True)
class DrainResponse:
    """Answer of Drain; it says nothing."""
