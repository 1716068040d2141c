"""The engine: one writer, many readers, on one event loop.

Invariants:
- State changes only in ``_applied`` and ``_restored``, by whoever holds ``_turn``; a command is
  validated, made durable by the log and applied in one turn, in the order of arrival.
- Reads happen on the loop between turns' steps, and never see a command half applied.
- For a snapshot all audiences are frozen in one turn, which costs milliseconds; a thread encodes
  and writes them part by part while reads and writes go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import psutil

from headcount_server.codec.commands import encode_command
from headcount_server.codec.manifest import AudienceEntry, Manifest
from headcount_server.core.audience import Audience
from headcount_server.core.audience_dump import FrozenAudience
from headcount_server.core.commands import Applied, Command, DeleteAudience
from headcount_server.core.state import State
from headcount_server.engine.clock import Clock
from headcount_server.engine.interface import (
    AudienceStatus,
    CommandMaker,
    EngineState,
    EngineStatus,
    Log,
    NoLog,
    SnapshotAudience,
    SnapshotInfo,
)
from headcount_server.engine.waiters import RevisionWaiters
from headcount_server.errors import (
    DataLoss,
    HeadcountError,
    NotFound,
    Overloaded,
    ReadOnly,
    RevisionOutOfRange,
    Unavailable,
)
from headcount_server.storage.snapshots import SnapshotStore, SnapshotWriter, encode_parts

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Write:
    command: Command | CommandMaker
    answer: asyncio.Future[Applied]


class Engine:
    """See ``interface.Engine``.

    Args:
        state: what to begin with; empty where a store has a snapshot to load.
        store: where snapshots are kept; None keeps nothing.
        clock: microseconds since 1970 UTC, never falling.
        log: where commands become durable.
    """

    def __init__(
        self, state: State, store: SnapshotStore | None, clock: Clock, log: Log | None = None
    ) -> None:
        self.limits = state.limits
        self.stop_requested = asyncio.Event()
        self.stop_grace_s = 0.0
        self.now_us = clock
        self._core = state
        self._store = store
        self._log: Log = log or NoLog()
        self._state = EngineState.RECOVERING
        self._reason = ""  # why it is read-only
        self._is_whole = True  # False: a command was applied in part; never to be kept
        self._saved: Manifest | None = None  # the newest snapshot, where it is known
        self._start_time_us = 0
        self._queue: asyncio.Queue[_Write] = asyncio.Queue(self.limits.pending_requests_max)
        self._turn = asyncio.Lock()
        self._saving = asyncio.Lock()  # taken before _turn
        self._waiters = RevisionWaiters(self.limits.pending_requests_max)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> EngineState:
        """What it is doing."""
        return self._state

    @property
    def is_changed(self) -> bool:
        """Whether a snapshot would hold anything that the newest one doesn't."""
        saved = self._saved.audiences if self._saved else ()
        kept = [(entry.name, entry.create_time_us, entry.revision) for entry in saved]
        held = self._core.audiences
        return kept != [(n, held[n].create_time_us, held[n].revision) for n in sorted(held)]

    async def start(self) -> None:
        """Loads the newest snapshot, where there is one, and begins to serve. Once.

        Raises:
            DataLoss: what is on disk is damaged, or of a newer format.
        """
        if self._store is not None:
            self._saved = await asyncio.to_thread(self._store.newest)
        if self._store is not None and self._saved is not None:
            self._core = await asyncio.to_thread(self._loaded, self._store, self._saved)
        self._start_time_us = self.now_us()
        self._state = EngineState.SERVING
        self._begin(self._work())

    async def close(self) -> None:
        """Applies the writes that wait, refuses others, and keeps what the snapshots lack.

        Raises:
            Unavailable: the snapshot couldn't be written; those before it are whole.
        """
        if self._state is EngineState.RECOVERING:
            return
        self._state = EngineState.DRAINING
        await self._queue.join()
        try:
            async with self._saving:
                if self._store is not None and self._is_whole and self.is_changed:
                    await self._saved_as("")
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

    async def write(self, command: Command | CommandMaker) -> Applied:
        """Applies a command in its turn; see ``interface.Engine``."""
        self._check_writable()
        answer: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Write(command, answer))
        except asyncio.QueueFull:
            raise Overloaded(
                f"{self._queue.maxsize} writes wait already; try again in a moment",
                limit="pending_requests_max",
            ) from None
        return await answer

    def validate(self, command: Command | CommandMaker) -> None:
        """Raises what ``write`` would raise of the command now; see ``interface.Engine``."""
        self._check_writable()
        self._core.validate(command(self.now_us()) if callable(command) else command)

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
        if self._saving.locked():
            raise Overloaded("a snapshot is being written or restored; try again when it is done")
        return _info(await self._shielded(self._saved_in_turn(name)))

    async def snapshots(self) -> list[SnapshotInfo]:
        """The snapshots on disk, the newest first."""
        return [_info(manifest) for manifest in await asyncio.to_thread(self._kept().list)]

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
            write = await self._queue.get()
            async with self._turn:
                await self._answer(write)
            self._queue.task_done()
            await asyncio.sleep(0)  # reads get their chance between two writes

    async def _answer(self, write: _Write) -> None:
        if write.answer.done():  # the caller gave up before its turn
            return
        try:
            applied = await self._applied(write.command)
        except Exception as error:
            if not isinstance(error, HeadcountError):
                _log.exception("a write failed")
            if not write.answer.done():
                write.answer.set_exception(error)
            return
        if not write.answer.done():
            write.answer.set_result(applied)

    async def _applied(self, given: Command | CommandMaker) -> Applied:
        if self._state is EngineState.READ_ONLY:
            raise ReadOnly(self._reason)
        command = given(self.now_us()) if callable(given) else given
        self._core.validate(command)
        if self._log.wants_records:
            await self._recorded(command)
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

    async def _recorded(self, command: Command) -> None:
        try:
            await self._log.append(encode_command(command))
        except OSError as error:
            self._refuse_writes(f"the log can't be written: {error}; nothing was applied")
            raise ReadOnly(self._reason) from error

    def _refuse_writes(self, reason: str) -> None:
        _log.error("read-only from now on: %s", reason)
        self._reason = reason
        self._state = EngineState.READ_ONLY

    def _check_recovered(self) -> None:
        if self._state is EngineState.RECOVERING:
            raise Unavailable("the server is loading what is on disk; try again in a moment")

    def _check_writable(self) -> None:
        self._check_recovered()
        if self._state is EngineState.READ_ONLY:
            raise ReadOnly(self._reason)
        if self._state is EngineState.DRAINING:
            raise Unavailable("the server is shutting down")

    # --- snapshots --------------------------------------------------------------------------------

    async def _saved_in_turn(self, name: str) -> Manifest:
        async with self._saving:
            return await self._saved_as(name)

    async def _saved_as(self, name: str) -> Manifest:
        """Writes a snapshot; the caller holds ``_saving``."""
        store, now_us = self._kept(), self.now_us()
        try:
            writer = await asyncio.to_thread(store.begin, name or _timed_name(now_us), now_us)
            try:
                for audience in await self._frozen(writer.previous):
                    await asyncio.to_thread(_add, writer, audience)
                manifest = await asyncio.to_thread(writer.commit)
            except BaseException:
                await asyncio.to_thread(writer.abort)
                raise
        except OSError as error:
            raise Unavailable(
                f"the snapshot was not written: {error}; the snapshots before it are whole"
            ) from error
        self._saved = manifest
        try:
            await asyncio.to_thread(store.prune)
        except OSError as error:
            _log.warning("old snapshots can't be removed: %s", error)
        _log.info("snapshot %s: %d bytes", manifest.name, manifest.size_bytes)
        return manifest

    async def _frozen(self, previous: Manifest | None) -> list[FrozenAudience | AudienceEntry]:
        """All audiences at one moment: frozen, or as they are in the snapshot before."""
        found: list[FrozenAudience | AudienceEntry] = []
        async with self._turn:
            for name in sorted(self._core.audiences):
                same = self._unchanged(previous, self._core.audiences[name])
                found.append(same or self._core.freeze_audience(name))
                await asyncio.sleep(0)  # reads get their chance between two audiences
        return found

    def _unchanged(self, previous: Manifest | None, now: Audience) -> AudienceEntry | None:
        """The audience in the previous snapshot, if it is the same state, by its revision."""
        if previous is None or previous != self._saved:
            return None
        for entry in previous.audiences:
            if entry.name == now.name:
                same = (entry.create_time_us, entry.revision) == (now.create_time_us, now.revision)
                return entry if same else None
        return None

    async def _restored(self, snapshot: str) -> Manifest:
        async with self._saving, self._turn:
            store = self._kept()
            manifest = await asyncio.to_thread(store.manifest, snapshot)
            restored = await asyncio.to_thread(self._loaded, store, manifest)
            before = self._core
            restored.revision = before.revision + 1
            for audience in restored.audiences.values():
                old = before.audiences.get(audience.name)
                audience.revision = max(audience.revision, old.revision if old else 0) + 1
            self._core = restored
            for name in before.audiences:
                if name not in restored.audiences:
                    self._waiters.fail(name, _deleted(name))
            for audience in restored.audiences.values():
                self._waiters.reached(audience.name, audience.revision)
            _log.info("restored snapshot %s", snapshot)
            return manifest

    def _loaded(self, store: SnapshotStore, manifest: Manifest) -> State:
        """The state of a snapshot, in a thread."""
        state = State(self.limits)
        for entry, parts in store.load(manifest):
            try:
                state.load_audience(parts)
            except DataLoss as error:
                what = f'audience "{entry.name}" of snapshot "{manifest.name}"'
                raise DataLoss(f"{what} can't be loaded: {error.message}") from error
        return state

    def _kept(self) -> SnapshotStore:
        if self._store is None:
            raise NotFound("this server keeps no snapshots: it has no data directory")
        return self._store

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Work that is finished even where the caller gives up."""
        return await asyncio.shield(self._begin(work))


def _add(writer: SnapshotWriter, audience: FrozenAudience | AudienceEntry) -> None:
    """Writes an audience into a snapshot part by part, in a thread."""
    if isinstance(audience, AudienceEntry):
        writer.carry(audience)
        return
    entry = AudienceEntry(
        audience.name,
        audience.revision,
        audience.create_time_us,
        audience.subscriber_count,
        audience.event_count,
        (),
    )
    writer.add(entry, encode_parts(audience.parts()))


def _info(manifest: Manifest) -> SnapshotInfo:
    return SnapshotInfo(
        manifest.name,
        manifest.create_time_us,
        manifest.size_bytes,
        tuple(SnapshotAudience(a.name, a.revision, a.subscriber_count) for a in manifest.audiences),
    )


def _deleted(audience: str) -> NotFound:
    return NotFound(f'audience "{audience}" was deleted', resource="audience", name=audience)


def _timed_name(time_us: int) -> str:
    seconds, micros = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{micros:06d}Z"
