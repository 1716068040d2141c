"""What services know of the engine: protocols and values only.

Reads are made on the event loop, between writes, so everything that a handler does between two
awaits sees one revision of an audience.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headcount_server.core.audience import Audience
from headcount_server.core.commands import Applied, Command
from headcount_server.engine.watches import Watched, WatchStream
from headcount_server.limits import Limits

CommandMaker = Callable[[int], Command]


class EngineState(Enum):
    """What an engine is doing.

    RECOVERING: loading what is on disk; nothing is answered. SERVING: reads and writes.
    READ_ONLY: reads; writes are refused. DRAINING: ending; writes are refused.
    """

    RECOVERING = "recovering"
    SERVING = "serving"
    READ_ONLY = "read_only"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class AudienceStatus:
    """An audience in the status."""

    name: str
    subscriber_count: int
    revision: int
    event_count: int
    segment_count: int
    watch_count: int


@dataclass(frozen=True, slots=True)
class SnapshotProgress:
    """A snapshot that is being written: audiences written and in all.

    Attributes:
        start_us: when it was begun, microseconds since 1970 UTC.
    """

    name: str
    start_us: int
    written: int
    total: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine in numbers.

    Attributes:
        reason: why it is read-only, or "".
        audiences: ascending by name.
        resident_bytes: memory of the process.
        start_time_us: when it began to serve; 0 before. Microseconds since 1970 UTC.
        current_time_us: its clock.
        watch_bytes: memory of the members of watched rules, about.
        snapshot: the snapshot that is being written, or None.
    """

    state: EngineState
    reason: str
    audiences: tuple[AudienceStatus, ...]
    resident_bytes: int
    start_time_us: int
    current_time_us: int
    watch_bytes: int = 0
    snapshot: SnapshotProgress | None = None


@dataclass(frozen=True, slots=True)
class SnapshotAudience:
    """An audience in a snapshot."""

    name: str
    revision: int
    subscriber_count: int


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot on disk.

    Attributes:
        create_time_us: microseconds since 1970 UTC.
        size_bytes: of its files, those shared with other snapshots included.
        audiences: ascending by name.
    """

    name: str
    create_time_us: int
    size_bytes: int
    audiences: tuple[SnapshotAudience, ...]


class Engine(Protocol):
    """Single writer, many readers, on one event loop."""

    limits: Limits

    @property
    def state(self) -> EngineState:
        """What it is doing."""
        ...

    def now_us(self) -> int:
        """Its clock: microseconds since 1970 UTC, never falling."""
        ...

    def audience(self, name: str) -> Audience:
        """The audience of that name, to be read and not modified, and not kept over an await.

        Raises:
            NotFound: there is none; names the nearest.
            Unavailable: the engine is recovering.
        """
        ...

    def audiences(self) -> Sequence[Audience]:
        """All audiences, ascending by name. Raises Unavailable while recovering."""
        ...

    async def write(self, command: Command | CommandMaker, size_bytes: int = 0) -> Applied:
        """Applies a command in its turn; whole or, with an error, not at all.

        When it returns the command is as durable as the server was told to make it. A numbered
        batch that was applied before is answered as it was then, and changes nothing.

        Args:
            command: the command, or what makes it from the time at its turn; that may be called
                more than once, and what it raises is raised here.
            size_bytes: of the command, about; bounds what waits.

        Raises:
            Overloaded: too many writes wait.
            ReadOnly: writes are refused, and why.
            Unavailable: recovering or shutting down.
            HeadcountError: whatever the command's validation finds.
        """
        ...

    def validate(self, command: Command | CommandMaker) -> None:
        """Raises what ``write`` would raise of the command now. Changes nothing."""
        ...

    async def reached(self, audience: str, revision: int, deadline_s: float) -> None:
        """Returns when the audience is at ``revision`` or past it.

        Raises:
            NotFound: there is no such audience, or it was deleted meanwhile.
            RevisionOutOfRange: it isn't reached within ``deadline_s`` seconds.
            Overloaded: too many calls wait for a revision.
        """
        ...

    def watch(self, audience: str, watched: Watched) -> WatchStream:
        """A stream of counts that move by themselves; it has to be iterated or closed.

        Raises:
            NotFound: no audience of that name.
            Overloaded: past a limit of watches, which is named.
            Unavailable: recovering or shutting down.
        """
        ...

    def still(self) -> AbstractAsyncContextManager[None]:
        """Lets writes wait while it is entered; reads go on. Nothing in it may wait for a write."""
        ...

    async def snapshot(self, name: str = "") -> SnapshotInfo:
        """Writes a snapshot of all audiences; reads and writes go on.

        Args:
            name: "" for one made from the time.

        Raises:
            InvalidInput, AlreadyExists: the name can't be used.
            Overloaded: one is being written already.
            Unavailable: it couldn't be written; the snapshots before it are whole.
        """
        ...

    async def snapshots(self) -> list[SnapshotInfo]:
        """The snapshots on disk, the newest first. Raises DataLoss for a damaged manifest."""
        ...

    async def restore(self, name: str) -> SnapshotInfo:
        """Replaces all audiences by those of a snapshot; writes wait meanwhile.

        Revisions never fall: an audience of the snapshot gets one more than the higher of its
        revision now and in the snapshot. Audiences that the snapshot lacks are gone.

        Raises:
            NotFound: there is no such snapshot.
            DataLoss: it is damaged; nothing was changed.
        """
        ...

    def status(self) -> EngineStatus:
        """State, audiences, memory. O(audiences)."""
        ...

    def request_stop(self, grace_s: float) -> None:
        """Asks the application to end calls within ``grace_s`` seconds and stop."""
        ...
