"""The engine: one writer, many readers, on one event loop.

Invariants:
- State changes only in ``_applied`` and ``_brought``, by whoever holds ``turn``. A write is
  validated, made durable by the disk, applied and acknowledged, in the order of arrival; several
  that wait go through this together (see ``groups``), and nothing is applied that isn't durable.
- Validating and applying take slices of a millisecond. Reads happen on the loop between them, and
  see the state before a command until all of it is applied in the last one.
- Where the disk (see ``disk``) can't keep writes, they are refused until it can; reads go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psutil

from headcount_server.codec.manifest import Manifest
from headcount_server.core.audience import Audience
from headcount_server.core.commands import Applied, Command, DeleteAudience
from headcount_server.core.state import State
from headcount_server.engine.clock import Clock
from headcount_server.engine.disk import Disk
from headcount_server.engine.groups import Group, Write
from headcount_server.engine.interface import (
    AudienceStatus,
    CommandMaker,
    EngineState,
    EngineStatus,
    SnapshotAudience,
    SnapshotInfo,
)
from headcount_server.engine.settling import settle
from headcount_server.engine.ticks import keep_ticking
from headcount_server.engine.turns import Turn, leave_turn
from headcount_server.engine.waiters import RevisionWaiters
from headcount_server.engine.watches import Watched, Watches, WatchStream
from headcount_server.errors import (
    HeadcountError,
    NotFound,
    Overloaded,
    ReadOnly,
    RevisionOutOfRange,
    Unavailable,
)
from headcount_server.limits import ERASURE_DAYS_DEFAULT, SNAPSHOT_LOG_BYTES_DEFAULT
from headcount_server.storage.log import LogStore
from headcount_server.storage.snapshots import SnapshotStore

T = TypeVar("T")
_SLICE_S = 0.001  # of validating and applying writes, before reads get their chance
_log = logging.getLogger(__name__)


class Engine:
    """See ``interface.Engine``.

    Args:
        state: what to begin with, where nothing is on disk.
        store: where snapshots are kept; None keeps nothing.
        clock: microseconds since 1970 UTC, never falling.
        log: where commands become durable; None leaves that to snapshots.
        sync_every_s: how often a log of ``Sync.INTERVAL`` is synced.
        snapshot_log_bytes: a snapshot is taken when the log has grown by that; 0: never.
        erasure_days: within how many days snapshots and log from before an erasure are removed.
    """

    def __init__(
        self,
        state: State,
        store: SnapshotStore | None,
        clock: Clock,
        log: LogStore | None = None,
        sync_every_s: float = 0.1,
        snapshot_log_bytes: int = SNAPSHOT_LOG_BYTES_DEFAULT,
        erasure_days: int = ERASURE_DAYS_DEFAULT,
    ) -> None:
        assert store is not None or log is None
        self.limits = state.limits
        self.stop_requested = asyncio.Event()
        self.stop_grace_s = 0.0
        self.now_us = clock
        self.core = state
        self._disk: Disk | None = None
        if store is not None:
            self._disk = Disk(self, store, log, sync_every_s, snapshot_log_bytes, erasure_days)
        self._state = EngineState.RECOVERING
        self._reason = ""  # why it is read-only
        self._listeners: list[Callable[[EngineState], None]] = []
        self._is_whole = True  # False: a command was applied in part; never to be kept
        self._start_time_us = 0
        self._waiting: deque[Write] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.turn = asyncio.Lock()
        self._waiters = RevisionWaiters(self.limits.pending_requests_max)
        self._watches = Watches(clock, self.limits)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> EngineState:
        """What it is doing."""
        return self._state

    @property
    def is_changed(self) -> bool:
        """Whether a snapshot would hold anything that the newest one doesn't."""
        return self._disk.is_changed if self._disk else self.core.revision != 0

    def on_state(self, listener: Callable[[EngineState], None]) -> None:
        """Calls back on the event loop whenever ``state`` changes."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Loads what is on disk, where there is anything, and begins to serve. Once.

        Raises:
            DataLoss: what is on disk is damaged, or of a newer format.
            Unavailable: the log can't be written.
        """
        if self._disk is not None:
            self.core = await self._disk.load()
        self._start_time_us = self.now_us()
        self._changed_to(EngineState.SERVING)
        self.begin(self._work())
        self.begin(keep_ticking(self))

    async def close(self) -> None:
        """Applies the writes that wait, refuses others, and keeps what the snapshots lack.

        Raises:
            Unavailable: what was acknowledged couldn't be kept.
        """
        if self._state is EngineState.RECOVERING:
            return
        self._changed_to(EngineState.DRAINING)
        self._watches.end_all(Unavailable("the server is shutting down"))
        await self._idle.wait()
        try:
            if self._disk is not None:
                await self._disk.close(self._is_whole)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def request_stop(self, grace_s: float) -> None:
        """Sets ``stop_grace_s`` and ``stop_requested``, for which the application waits."""
        self.stop_grace_s = grace_s
        self.stop_requested.set()
        self._watches.end_all(Unavailable("the server is shutting down"))

    def audience(self, name: str) -> Audience:
        """The audience of that name; see ``interface.Engine``."""
        self._check_recovered()
        return self.core.audience(name)

    def audiences(self) -> Sequence[Audience]:
        """All audiences, ascending by name."""
        self._check_recovered()
        return [audience for _, audience in sorted(self.core.audiences.items())]

    async def write(self, command: Command | CommandMaker, size_bytes: int = 0) -> Applied:
        """Applies a command in its turn; see ``interface.Engine``."""
        self._check_writable()
        self._check_room(size_bytes)
        answer: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
        self._waiting.append(Write(command, answer, size_bytes))
        self._waiting_bytes += size_bytes
        self._arrived.set()
        self._idle.clear()
        return await answer

    def validate(self, command: Command | CommandMaker) -> None:
        """Raises what ``write`` would raise of the command now; see ``interface.Engine``."""
        self._check_writable()
        made = command(self.now_us()) if callable(command) else command
        if self.core.repeated(made) is None:
            self.core.validate(made)

    async def reached(self, audience: str, revision: int, deadline_s: float) -> None:
        """Returns when the audience is at ``revision`` or past it; see ``interface.Engine``."""
        if self.audience(audience).revision >= revision:
            return
        try:
            async with asyncio.timeout(deadline_s):
                await self._waiters.wait(audience, revision)
        except TimeoutError:
            now = self.audience(audience).revision
            raise RevisionOutOfRange(
                f'audience "{audience}" is at revision {now}; revision {revision} was not reached'
                f" within {deadline_s:g} s",
                audience=audience,
                revision=str(now),
            ) from None

    def watch(self, audience: str, watched: Watched) -> WatchStream:
        """A stream of counts that move by themselves; see ``interface.Engine``."""
        self._check_recovered()
        if self.stop_requested.is_set() or self._state is EngineState.DRAINING:
            raise Unavailable("the server is shutting down")
        return self._watches.open(self.audience(audience), watched)

    @asynccontextmanager
    async def still(self) -> AsyncGenerator[None, None]:
        """Lets writes wait; see ``interface.Engine``."""
        async with self.turn:
            yield

    async def snapshot(self, name: str = "") -> SnapshotInfo:
        """Writes a snapshot of all audiences; goes on where the caller gives up."""
        self._check_recovered()
        if not self._is_whole:
            raise ReadOnly(self._reason)
        disk = self._kept()
        if disk.is_busy:
            raise Overloaded("a snapshot is being written or restored; try again when it is done")
        return _info(await self._shielded(disk.save(name)))

    async def snapshots(self) -> list[SnapshotInfo]:
        """The snapshots on disk, the newest first."""
        return [_info(manifest) for manifest in await self._kept().list()]

    async def restore(self, name: str) -> SnapshotInfo:
        """Replaces all audiences by those of a snapshot; see ``interface.Engine``."""
        self._check_writable()
        return _info(await self._shielded(self._kept().restore(name, self._brought)))

    async def forget_erased(self) -> None:
        """Removes what was written before erasures whose time has come; done by itself, too.

        Raises:
            Unavailable: it couldn't be done; nothing is lost.
        """
        await self._shielded(self._kept().forget_erased())

    def status(self) -> EngineStatus:
        """State, audiences, memory. O(audiences)."""
        return EngineStatus(
            self._state,
            self._reason,
            tuple(
                AudienceStatus(
                    name,
                    a.subscriber_count,
                    a.revision,
                    a.event_count,
                    len(a.segments),
                    self._watches.count(name),
                )
                for name, a in sorted(self.core.audiences.items())
            ),
            psutil.Process().memory_info().rss,
            self._start_time_us,
            self.now_us(),
            self._watches.nbytes,
            snapshot=self._disk.progress if self._disk else None,
        )

    # --- writes -----------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                self._idle.set()
                await settle(list(self.core.audiences.values()), self._arrived)
                await self._arrived.wait()
            spent_s = 0.0
            async with self.turn:
                turn = Turn(_SLICE_S)
                group = await self._collected(turn)
                if group.writes:
                    spent_s = await self._committed(group)
            await leave_turn(spent_s)

    async def _collected(self, turn: Turn) -> Group:
        """Takes from the writes that wait those that can be made durable together."""
        group = Group(self.limits.group_bytes_max)
        while self._waiting and not group.is_full:
            if not await self._joined(self._waiting[0], group, turn):
                break
            self._waiting_bytes -= self._waiting.popleft().size
        return group

    async def _joined(self, write: Write, group: Group, turn: Turn) -> bool:
        """Takes a write into the group, or answers it now; False: it comes after the group."""
        if write.answer.done():  # the caller gave up before its turn
            return True
        try:
            if self._state is EngineState.READ_ONLY:
                raise ReadOnly(self._reason)
            given = write.command
            command = given(self.now_us()) if callable(given) else given
            repeated = self.core.repeated(command)
            if repeated is not None:
                write.answer.set_result(repeated)
                return True
            if not group.admits(command):
                return False
            await turn.finish(self.core.validating(command))
        except Exception as error:
            if group.writes:  # the writes before it may make it good
                return False
            _refuse(write, error)
            return True
        group.add(write, command)
        return True

    async def _committed(self, group: Group) -> float:
        """Makes a group durable, applies it, and acknowledges it.

        Returns:
            For how many seconds nobody else has had a turn.
        """
        try:
            await self._recorded(group)
        except Exception as error:
            for write, _ in group.writes:
                _refuse(write, error)
            return 0.0
        turn = Turn(_SLICE_S)
        for write, command in group.writes:
            await turn.pause()
            try:
                applied = await self._applied(command, turn)
            except Exception as error:
                _refuse(write, error)
                continue
            if not write.answer.done():
                write.answer.set_result(applied)
        if self._disk is not None:
            self._disk.save_if_due()
        return turn.spent_s

    async def _recorded(self, group: Group) -> None:
        if self._disk is None or not self._disk.has_log:
            return
        revisions: dict[str, int] = {}
        entries: list[tuple[str, int, Command]] = []
        for _, command in group.writes:
            name = command.audience
            held = self.core.audiences.get(name)
            revisions[name] = revisions.get(name, held.revision if held else 0) + 1
            entries.append((name, revisions[name], command))
        await self._disk.record(entries)

    async def _applied(self, command: Command, turn: Turn) -> Applied:
        if not self._is_whole:
            raise ReadOnly(self._reason)
        try:
            publish = await turn.finish(self.core.preparing(command))
            self._watches.applying(self.core.audiences.get(command.audience), command)
            applied = publish()
        except Exception:
            self._is_whole = False
            self._refuse_writes("a write was applied in part, which is a bug: restart the server")
            raise
        if isinstance(command, DeleteAudience):
            self._waiters.fail(command.audience, _deleted(command.audience))
        else:
            self._waiters.reached(command.audience, applied.revision)
        self._watches.applied(command)
        return applied

    def _check_recovered(self) -> None:
        if self._state is EngineState.RECOVERING:
            raise Unavailable("the server is loading what is on disk; try again in a moment")

    def _check_writable(self) -> None:
        self._check_recovered()
        if self._state is EngineState.READ_ONLY:
            raise ReadOnly(self._reason)
        if self._state is EngineState.DRAINING:
            raise Unavailable("the server is shutting down")

    def _check_room(self, size_bytes: int) -> None:
        count, most = len(self._waiting), self.limits.pending_write_bytes_max
        if count >= self.limits.pending_requests_max:
            raise Overloaded(
                f"{count} writes wait already; try again in a moment", limit="pending_requests_max"
            )
        if count and self._waiting_bytes + size_bytes > most:
            raise Overloaded(
                f"{self._waiting_bytes:,} bytes of writes wait already, and {most:,} may; try again"
                " in a moment",
                limit="pending_write_bytes_max",
            )

    # --- the disk ---------------------------------------------------------------------------------

    def disk_failed(self, reason: str) -> None:
        """See ``disk.Writer``."""
        self._refuse_writes(reason)

    def disk_works(self) -> None:
        """See ``disk.Writer``."""
        if self._state is EngineState.READ_ONLY and self._is_whole:
            _log.warning("the log can be written again: writes are taken")
            self._reason = ""
            self._changed_to(EngineState.SERVING)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs work beside it, until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _refuse_writes(self, reason: str) -> None:
        _log.error("read-only from now on: %s", reason)
        self._reason = reason
        if self._state is not EngineState.DRAINING:
            self._changed_to(EngineState.READ_ONLY)

    def _changed_to(self, state: EngineState) -> None:
        self._state = state
        for listener in self._listeners:
            listener(state)

    def _brought(self, state: State) -> None:
        """Takes the state of a snapshot."""
        before, self.core = self.core, state
        self._watches.restored()
        for gone in before.audiences.keys() - state.audiences.keys():
            self._waiters.fail(gone, _deleted(gone))
        for audience in state.audiences.values():
            self._waiters.reached(audience.name, audience.revision)

    def _kept(self) -> Disk:
        if self._disk is None:
            raise NotFound("this server keeps no snapshots: it has no data directory")
        return self._disk

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Work that is finished even where the caller gives up."""
        return await asyncio.shield(self.begin(work))


def _refuse(write: Write, error: Exception) -> None:
    if not isinstance(error, HeadcountError):
        _log.error("a write failed", exc_info=error)
    if not write.answer.done():
        write.answer.set_exception(error)


def _info(manifest: Manifest) -> SnapshotInfo:
    return SnapshotInfo(
        manifest.name,
        manifest.create_time_us,
        manifest.size_bytes,
        tuple(SnapshotAudience(a.name, a.revision, a.subscriber_count) for a in manifest.audiences),
    )


def _deleted(audience: str) -> NotFound:
    return NotFound(f'audience "{audience}" was deleted', resource="audience", name=audience)
