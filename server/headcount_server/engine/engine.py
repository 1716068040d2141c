"""The engine: one writer, many readers, on one event loop.

Invariants:
- State changes only in ``_applied`` and ``_restored``, by whoever holds ``_turn``. A write is
  validated, made durable by the log, applied and acknowledged, in the order of arrival; several
  that wait go through this together (see ``groups``), and nothing is applied that isn't durable.
- Reads happen on the loop between turns' steps, and never see a command half applied.
- For a snapshot all audiences are frozen in one turn, which costs milliseconds; a thread encodes
  and writes them part by part while reads and writes go on.
- Where the log can't be written, writes are refused until it can; reads go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import psutil

from headcount_server.codec.manifest import Manifest
from headcount_server.core.audience import Audience
from headcount_server.core.commands import Applied, Command, DeleteAudience, RestoreSnapshot
from headcount_server.core.state import State
from headcount_server.engine.checkpoints import Checkpoints, FrozenOrSame, Moment
from headcount_server.engine.clock import Clock
from headcount_server.engine.groups import Group, Write
from headcount_server.engine.interface import (
    AudienceStatus,
    CommandMaker,
    EngineState,
    EngineStatus,
    SnapshotAudience,
    SnapshotInfo,
)
from headcount_server.engine.journal import Journal
from headcount_server.engine.recovery import (
    Recovered,
    brought_back,
    fingerprint,
    load_state,
    recovered,
)
from headcount_server.engine.waiters import RevisionWaiters
from headcount_server.errors import (
    HeadcountError,
    NotFound,
    Overloaded,
    ReadOnly,
    RevisionOutOfRange,
    Unavailable,
)
from headcount_server.limits import SNAPSHOT_LOG_BYTES_DEFAULT
from headcount_server.storage.log import LogStore, Sync
from headcount_server.storage.snapshots import SnapshotStore

T = TypeVar("T")
NO_SNAPSHOT = Manifest("", 0, 0, ())  # what an engine begins with that finds none
_SLICE_S = 0.002  # of applying writes, before reads get their chance
_MEND_S = (0.25, 5.0)  # between attempts to write again, at first and at most
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
    """

    def __init__(
        self,
        state: State,
        store: SnapshotStore | None,
        clock: Clock,
        log: LogStore | None = None,
        sync_every_s: float = 0.1,
        snapshot_log_bytes: int = SNAPSHOT_LOG_BYTES_DEFAULT,
    ) -> None:
        assert store is not None or log is None
        self.limits = state.limits
        self.stop_requested = asyncio.Event()
        self.stop_grace_s = 0.0
        self.now_us = clock
        self._core = state
        self._snapshots = Checkpoints(store) if store else None
        self._log = log
        self._journal: Journal | None = None
        self._sync_every_s = sync_every_s
        self._snapshot_log_bytes = snapshot_log_bytes
        self._snapshot_mark = 0  # bytes of the log when the newest snapshot was begun
        self._state = EngineState.RECOVERING
        self._reason = ""  # why it is read-only
        self._is_mending = False  # waits for the disk to work again
        self._listeners: list[Callable[[EngineState], None]] = []
        self._is_whole = True  # False: a command was applied in part; never to be kept
        self._start_time_us = 0
        self._waiting: deque[Write] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()  # taken after the lock of snapshots
        self._waiters = RevisionWaiters(self.limits.pending_requests_max)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> EngineState:
        """What it is doing."""
        return self._state

    @property
    def is_changed(self) -> bool:
        """Whether a snapshot would hold anything that the newest one doesn't."""
        saved = self._snapshots.saved if self._snapshots else None
        return self._core.revision != (saved.position if saved else 0)

    def on_state(self, listener: Callable[[EngineState], None]) -> None:
        """Calls back on the event loop whenever ``state`` changes."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Loads what is on disk, where there is anything, and begins to serve. Once.

        Raises:
            DataLoss: what is on disk is damaged, or of a newer format.
            Unavailable: the log can't be written.
        """
        if self._snapshots is not None:
            found = await asyncio.to_thread(
                recovered, self._snapshots.store, self._log, self.limits
            )
            self._core = found.state
            self._snapshots.saved, self._snapshots.pinned = found.saved, found.pinned
            if found.torn:
                _log.warning("%s", found.torn)
            if self._log is not None:
                self._journal = await asyncio.to_thread(self._opened, self._log, found)
        self._start_time_us = self.now_us()
        self._changed_to(EngineState.SERVING)
        self._begin(self._work())
        if self._log is not None and self._log.sync is Sync.INTERVAL:
            self._begin(self._flush_on())

    async def close(self) -> None:
        """Applies the writes that wait, refuses others, and keeps what the snapshots lack.

        Raises:
            Unavailable: what was acknowledged couldn't be kept.
        """
        if self._state is EngineState.RECOVERING:
            return
        self._changed_to(EngineState.DRAINING)
        await self._idle.wait()
        try:
            await self._kept_at_the_end()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def request_stop(self, grace_s: float) -> None:
        """Sets ``stop_grace_s`` and ``stop_requested``, for which the application waits."""
        self.stop_grace_s = grace_s
        self.stop_requested.set()

    def audience(self, name: str) -> Audience:
        """The audience of that name; see ``interface.Engine``."""
        self._check_recovered()
        return self._core.audience(name)

    def audiences(self) -> Sequence[Audience]:
        """All audiences, ascending by name."""
        self._check_recovered()
        return [audience for _, audience in sorted(self._core.audiences.items())]

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
        if self._core.repeated(made) is None:
            self._core.validate(made)

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

    async def snapshot(self, name: str = "") -> SnapshotInfo:
        """Writes a snapshot of all audiences; goes on where the caller gives up."""
        self._check_recovered()
        if not self._is_whole:
            raise ReadOnly(self._reason)
        if self._kept().lock.locked():
            raise Overloaded("a snapshot is being written or restored; try again when it is done")
        return _info(await self._shielded(self._saved_in_turn(name)))

    async def snapshots(self) -> list[SnapshotInfo]:
        """The snapshots on disk, the newest first."""
        return [_info(manifest) for manifest in await asyncio.to_thread(self._kept().store.list)]

    async def restore(self, name: str) -> SnapshotInfo:
        """Replaces all audiences by those of a snapshot; see ``interface.Engine``."""
        self._check_writable()
        return _info(await self._shielded(self._restored(name)))

    def status(self) -> EngineStatus:
        """State, audiences, memory. O(audiences)."""
        return EngineStatus(
            self._state,
            self._reason,
            tuple(
                AudienceStatus(name, a.subscriber_count, a.revision, a.event_count, len(a.segments))
                for name, a in sorted(self._core.audiences.items())
            ),
            psutil.Process().memory_info().rss,
            self._start_time_us,
            self.now_us(),
        )

    # --- writes -----------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                self._idle.set()
                await self._arrived.wait()
            async with self._turn:
                group = self._collected()
                if group.writes:
                    await self._committed(group)
            await asyncio.sleep(0)  # reads get their chance between two groups

    def _collected(self) -> Group:
        """Takes from the writes that wait those that can be made durable together."""
        group = Group(self.limits.group_bytes_max)
        while self._waiting and not group.is_full:
            if not self._joined(self._waiting[0], group):
                break
            self._waiting_bytes -= self._waiting.popleft().size
        return group

    def _joined(self, write: Write, group: Group) -> bool:
        """Takes a write into the group, or answers it now; False: it comes after the group."""
        if write.answer.done():  # the caller gave up before its turn
            return True
        try:
            if self._state is EngineState.READ_ONLY:
                raise ReadOnly(self._reason)
            given = write.command
            command = given(self.now_us()) if callable(given) else given
            repeated = self._core.repeated(command)
            if repeated is not None:
                write.answer.set_result(repeated)
                return True
            if not group.admits(command):
                return False
            self._core.validate(command)
        except Exception as error:
            if group.writes:  # the writes before it may make it good
                return False
            _refuse(write, error)
            return True
        group.add(write, command)
        return True

    async def _committed(self, group: Group) -> None:
        """Makes a group durable, applies it, and acknowledges it."""
        try:
            await self._recorded(group)
        except Exception as error:
            for write, _ in group.writes:
                _refuse(write, error)
            return
        clock = asyncio.get_running_loop().time
        since = clock()
        for write, command in group.writes:
            if clock() - since > _SLICE_S:
                await asyncio.sleep(0)  # reads get their chance between two writes
                since = clock()
            try:
                applied = self._applied(command)
            except Exception as error:
                _refuse(write, error)
                continue
            if not write.answer.done():
                write.answer.set_result(applied)
        self._take_snapshot_if_due()

    async def _recorded(self, group: Group) -> None:
        if self._journal is None:
            return
        revisions: dict[str, int] = {}
        entries: list[tuple[str, int, Command]] = []
        for _, command in group.writes:
            name = command.audience
            held = self._core.audiences.get(name)
            revisions[name] = revisions.get(name, held.revision if held else 0) + 1
            entries.append((name, revisions[name], command))
        try:
            await self._journal.append(entries)
        except OSError as error:
            self._disk_failed(error)
            raise ReadOnly(self._reason) from error

    def _applied(self, command: Command) -> Applied:
        if not self._is_whole:
            raise ReadOnly(self._reason)
        try:
            applied = self._core.apply(command)
        except Exception:
            self._is_whole = False
            self._refuse_writes("a write was applied in part, which is a bug: restart the server")
            raise
        if isinstance(command, DeleteAudience):
            self._waiters.fail(command.audience, _deleted(command.audience))
        else:
            self._waiters.reached(command.audience, applied.revision)
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

    def _opened(self, log: LogStore, found: Recovered) -> Journal:
        """The log, ready for what comes after ``found``, in a thread."""
        snapshots = self._snapshots
        assert snapshots is not None
        try:
            log_id = found.log_id
            if not log_id:
                log_id = log.new_id()
                if snapshots.saved is not None:
                    snapshots.rebase(self.now_us(), self._core.revision, log_id.hex())
            return Journal(log.begin(found.chain, log_id, self._core.revision + 1, found.end))
        except OSError as error:
            raise Unavailable(f"the log can't be written: {error}") from error

    async def _flush_on(self) -> None:
        assert self._journal is not None
        while True:
            await asyncio.sleep(self._sync_every_s)
            try:
                if self._state is not EngineState.READ_ONLY:
                    await self._journal.flush()
            except OSError as error:
                self._disk_failed(error)

    def _disk_failed(self, error: OSError) -> None:
        if not self._is_mending:
            self._is_mending = True
            self._refuse_writes(
                f"the log can't be written: {error}; what was not acknowledged is not applied, and"
                " writes are taken again when the disk works"
            )
            self._begin(self._mended())

    async def _mended(self) -> None:
        """Tries to write again until that works."""
        assert self._journal is not None
        wait_s, most_s = _MEND_S
        while True:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, most_s)
            async with self._turn:
                try:
                    await self._journal.resume()
                except OSError as error:
                    _log.warning("the log still can't be written: %s", error)
                    continue
                self._is_mending = False
                if self._state is EngineState.READ_ONLY and self._is_whole:
                    _log.warning("the log can be written again: writes are taken")
                    self._reason = ""
                    self._changed_to(EngineState.SERVING)
                return

    def _refuse_writes(self, reason: str) -> None:
        _log.error("read-only from now on: %s", reason)
        self._reason = reason
        if self._state is not EngineState.DRAINING:
            self._changed_to(EngineState.READ_ONLY)

    def _changed_to(self, state: EngineState) -> None:
        self._state = state
        for listener in self._listeners:
            listener(state)

    async def _kept_at_the_end(self) -> None:
        """Takes the last snapshot and closes the log. Without a log the snapshot has to succeed."""
        journal = self._journal
        if self._snapshots is not None and self._is_whole:
            try:
                await self._saved_in_turn("", if_changed=True)
            except HeadcountError as error:
                if journal is None:
                    raise
                _log.error("%s; the log has everything", error.message)
        if journal is not None:
            try:
                await journal.close()
            except OSError as error:
                raise Unavailable(f"the log can't be written: {error}") from error

    # --- snapshots --------------------------------------------------------------------------------

    async def _saved_in_turn(self, name: str, if_changed: bool = False) -> Manifest:
        snapshots, journal = self._kept(), self._journal
        async with snapshots.lock:
            if if_changed and not self.is_changed:
                return snapshots.saved or NO_SNAPSHOT
            log_id = journal.log_id if journal else ""
            manifest = await snapshots.save(name, self.now_us(), log_id, self._frozen)
            if journal is not None:
                try:
                    await journal.forget(manifest.position)
                except OSError as error:
                    _log.warning("old segments of the log can't be removed: %s", error)
            return manifest

    async def _frozen(self) -> Moment:
        """All audiences at one moment."""
        found: list[FrozenOrSame] = []
        async with self._turn:
            if self._journal is not None:
                try:
                    await self._journal.rotate()
                except OSError as error:
                    self._disk_failed(error)
                    raise
                self._snapshot_mark = self._journal.written_bytes
            for _, audience in sorted(self._core.audiences.items()):
                same = self._kept().unchanged(audience)
                found.append(same or self._core.freeze_audience(audience.name))
                await asyncio.sleep(0)  # reads get their chance between two audiences
            return Moment(self._core.revision, found)

    def _take_snapshot_if_due(self) -> None:
        if self._journal is None or not self._snapshot_log_bytes or self._kept().lock.locked():
            return
        if self._journal.written_bytes - self._snapshot_mark >= self._snapshot_log_bytes:
            self._snapshot_mark = self._journal.written_bytes
            self._begin(self._saved_unasked())

    async def _saved_unasked(self) -> None:
        try:
            await self._saved_in_turn("")
        except HeadcountError as error:
            _log.error("%s", error.message)

    async def _restored(self, name: str) -> Manifest:
        snapshots = self._kept()
        async with snapshots.lock, self._turn:
            manifest = await asyncio.to_thread(snapshots.store.manifest, name)
            restored = await asyncio.to_thread(load_state, snapshots.store, manifest, self.limits)
            if self._journal is not None:
                command = RestoreSnapshot(name, fingerprint(manifest), self.now_us())
                try:
                    await self._journal.append([("", 0, command)])
                except OSError as error:
                    self._disk_failed(error)
                    raise ReadOnly(self._reason) from error
                snapshots.pinned.add(name)
                self._begin(self._saved_unasked())
            before, self._core = self._core, brought_back(restored, self._core)
            for gone in before.audiences.keys() - self._core.audiences.keys():
                self._waiters.fail(gone, _deleted(gone))
            for audience in self._core.audiences.values():
                self._waiters.reached(audience.name, audience.revision)
            _log.info("restored snapshot %s", name)
            return manifest

    def _kept(self) -> Checkpoints:
        if self._snapshots is None:
            raise NotFound("this server keeps no snapshots: it has no data directory")
        return self._snapshots

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Work that is finished even where the caller gives up."""
        return await asyncio.shield(self._begin(work))


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
