"""What an engine keeps on disk: its log, its snapshots, and what happens when writing fails.

Invariants:
- ``record`` returns once commands are as durable as the log's ``sync`` promises, or raises; then
  nothing of them counts.
- For a snapshot all audiences are frozen in one turn of the writer, which costs milliseconds; a
  thread encodes and writes them part by part while reads and writes go on.
- Where the log can't be written, the writer is told so, and told when it can again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from headcount_server.codec.manifest import Manifest
from headcount_server.core.commands import RestoreSnapshot
from headcount_server.core.erasures import MARK_US, Mark
from headcount_server.core.state import State
from headcount_server.engine.checkpoints import Checkpoints, FrozenOrSame, Moment
from headcount_server.engine.interface import SnapshotProgress
from headcount_server.engine.journal import Entry, Journal
from headcount_server.engine.recovery import Recovered, fingerprint, load_state
from headcount_server.engine.recovery import recovered as recovered_from
from headcount_server.errors import HeadcountError, ReadOnly, Unavailable
from headcount_server.storage.log import LogStore, Sync
from headcount_server.storage.snapshots import SnapshotStore

DAY_US = 86_400_000_000
NO_SNAPSHOT = Manifest("", 0, 0, ())  # what an engine begins with that finds none
_MEND_S = (0.25, 5.0)  # between attempts to write again, at first and at most
_FORGET_S = 600.0  # between looks for what erased persons are in
_log = logging.getLogger(__name__)


class Writer(Protocol):
    """The engine, as its disk knows it."""

    @property
    def core(self) -> State:
        """All audiences; replaced by a restore."""
        ...

    @property
    def turn(self) -> asyncio.Lock:
        """Held by whoever changes the state; taken after the lock of snapshots."""
        ...

    def now_us(self) -> int:
        """Its clock: microseconds since 1970 UTC, never falling."""
        ...

    def begin(self, work: Coroutine[Any, Any, Any]) -> object:
        """Runs work beside it, until the engine ends."""
        ...

    def disk_failed(self, reason: str) -> None:
        """Writes can't be kept any more, and why."""
        ...

    def disk_works(self) -> None:
        """They can be kept again."""
        ...


class Disk:
    """The log and the snapshots of one engine.

    Args:
        writer: whose they are.
        store: where snapshots are kept.
        log: where commands become durable; None leaves that to snapshots.
        sync_every_s: how often a log of ``Sync.INTERVAL`` is synced.
        snapshot_log_bytes: a snapshot is taken when the log has grown by that; 0: never.
        erasure_days: within how many days snapshots and log from before an erasure are removed.
    """

    def __init__(
        self,
        writer: Writer,
        store: SnapshotStore,
        log: LogStore | None,
        sync_every_s: float,
        snapshot_log_bytes: int,
        erasure_days: int,
    ) -> None:
        self._writer = writer
        self._snapshots = Checkpoints(store)
        self._log = log
        self._journal: Journal | None = None
        self._sync_every_s = sync_every_s
        self._snapshot_log_bytes = snapshot_log_bytes
        self._erasure_days = erasure_days
        self._snapshot_mark = 0  # bytes of the log when the newest snapshot was begun
        self._is_mending = False  # waits for the disk to work again

    @property
    def has_log(self) -> bool:
        """Whether commands become durable one by one."""
        return self._log is not None

    @property
    def is_busy(self) -> bool:
        """Whether a snapshot is being written or brought back."""
        return self._snapshots.lock.locked()

    @property
    def progress(self) -> SnapshotProgress | None:
        """How far the snapshot is that is being written; None where none is."""
        return self._snapshots.progress

    @property
    def is_changed(self) -> bool:
        """Whether a snapshot would hold anything that the newest one doesn't."""
        saved = self._snapshots.saved
        return self._writer.core.revision != (saved.position if saved else 0)

    async def load(self) -> State:
        """What is on disk, ready to be gone on from. Once; the writer has it before anything else.

        Raises:
            DataLoss: what is on disk is damaged, or of a newer format.
            Unavailable: the log can't be written.
        """
        snapshots, log = self._snapshots, self._log
        limits = self._writer.core.limits
        found = await asyncio.to_thread(recovered_from, snapshots.store, log, limits)
        snapshots.saved, snapshots.pinned = found.saved, found.pinned
        if found.torn:
            _log.warning("%s", found.torn)
        if log is not None:
            self._journal = await asyncio.to_thread(self._opened, log, found)
            if log.sync is Sync.INTERVAL:
                self._writer.begin(self._flush_on())
        self._writer.begin(self._forget_on())
        return found.state

    async def record(self, entries: Sequence[Entry]) -> None:
        """Makes commands durable. Raises ReadOnly where that can't be."""
        if self._journal is None:
            return
        try:
            await self._journal.append(entries)
        except OSError as error:
            raise ReadOnly(self._failed(error)) from error

    async def save(self, name: str, if_changed: bool = False) -> Manifest:
        """Writes a snapshot; with ``if_changed`` the newest one is enough where it has everything.

        Raises:
            InvalidInput, AlreadyExists: the name can't be used.
            Unavailable: it couldn't be written.
        """
        snapshots, journal = self._snapshots, self._journal
        async with snapshots.lock:
            if if_changed and not self.is_changed:
                return snapshots.saved or NO_SNAPSHOT
            log_id = journal.log_id if journal else ""
            manifest = await snapshots.save(name, self._writer.now_us(), log_id, self._frozen)
            if journal is not None:
                try:
                    await journal.forget(manifest.position)
                except OSError as error:
                    _log.warning("old segments of the log can't be removed: %s", error)
            return manifest

    def save_if_due(self) -> None:
        """Begins a snapshot where the log has grown enough."""
        if self._journal is None or not self._snapshot_log_bytes or self.is_busy:
            return
        if self._journal.written_bytes - self._snapshot_mark >= self._snapshot_log_bytes:
            self._snapshot_mark = self._journal.written_bytes
            self._writer.begin(self._saved_unasked())

    async def restore(self, name: str, bring: Callable[[State], None]) -> Manifest:
        """Brings a snapshot back; ``bring`` takes the state, in a turn, once that is durable.

        Raises:
            NotFound: there is no such snapshot.
            DataLoss: it is damaged; nothing was changed.
            ReadOnly: the log can't be written.
        """
        writer, snapshots = self._writer, self._snapshots
        async with snapshots.lock, writer.turn:
            store = snapshots.store
            manifest = await asyncio.to_thread(store.manifest, name)
            restored = await asyncio.to_thread(load_state, store, manifest, writer.core.limits)
            command = RestoreSnapshot(
                name, fingerprint(manifest), writer.now_us(),
                manifest.position if self._is_own(manifest) else None, manifest.create_time_us,
            )  # fmt: skip
            if self._journal is not None:
                await self.record([("", 0, command)])
                snapshots.pinned.add(name)
                writer.begin(self._saved_unasked())
            bring(await asyncio.to_thread(writer.core.brought_back, restored, command))
            _log.info("restored snapshot %s", name)
            return manifest

    async def forget_erased(self) -> None:
        """Removes what was written before erasures whose time has come.

        Raises:
            Unavailable: a snapshot was needed first and couldn't be written, or old files couldn't
                be removed.
        """
        snapshots, marks = self._snapshots, self._writer.core.erasures.marks
        if not marks:
            return
        due_us = self._writer.now_us() - self._erasure_days * DAY_US + MARK_US
        due = [mark for mark in marks if mark.time_us <= due_us]
        if not due:
            return
        try:
            lost = snapshots.store.lost
            await asyncio.to_thread(lost.remove, due[-1].time_us + MARK_US)
            if await self._is_before(due) and not self._is_covered(due):
                await self.save("")
            async with snapshots.lock:
                await asyncio.to_thread(snapshots.store.clean)
                if not self._is_covered(due):
                    return  # a snapshot was brought back meanwhile: next time
                await self._removed(due)
        except OSError as error:
            raise Unavailable(f"what erased persons are in can't be removed: {error}") from error

    async def list(self) -> list[Manifest]:
        """The snapshots, the newest first. Raises DataLoss for a damaged manifest."""
        return await asyncio.to_thread(self._snapshots.store.list)

    async def close(self, is_whole: bool) -> None:
        """Takes the last snapshot, of a whole state, and closes the log.

        Raises:
            HeadcountError: what was acknowledged couldn't be kept.
        """
        journal = self._journal
        if is_whole:
            try:
                await self.save("", if_changed=True)
            except HeadcountError as error:
                if journal is None:
                    raise
                _log.error("%s; the log has everything", error.message)
        if journal is not None:
            try:
                await journal.close()
            except OSError as error:
                raise Unavailable(f"the log can't be written: {error}") from error

    # --- erasures ---------------------------------------------------------------------------------

    async def _forget_on(self) -> None:
        while True:
            try:
                await self.forget_erased()
            except HeadcountError as error:
                _log.error("%s; it is tried again", error.message)
            await asyncio.sleep(_FORGET_S)

    async def _is_before(self, marks: Sequence[Mark]) -> bool:
        """Whether anything on disk was written before one of these erasures."""
        if self._journal is not None and self._journal.first <= marks[-1].position:
            return True
        return any(self._holds(one, marks) for one in await self.list())

    def _is_covered(self, marks: Sequence[Mark]) -> bool:
        """Whether the newest snapshot is from after these erasures, and the only one needed."""
        snapshots = self._snapshots
        if snapshots.saved is None or snapshots.pinned:
            return False
        return not self._holds(snapshots.saved, marks)

    async def _removed(self, marks: Sequence[Mark]) -> None:
        """Removes the snapshots and log from before erasures that the newest snapshot covers."""
        snapshots, journal = self._snapshots, self._journal
        found = await asyncio.to_thread(snapshots.store.list)
        stale = [one.name for one in found if self._holds(one, marks)]
        if stale:
            _log.info("removing snapshots from before erasures: %s", ", ".join(stale))
            await asyncio.to_thread(snapshots.store.remove, stale)
        if journal is not None and snapshots.saved is not None:
            await journal.forget(snapshots.saved.position)

    def _holds(self, manifest: Manifest, marks: Sequence[Mark]) -> bool:
        """Whether a snapshot may hold somebody of whom these are the erasures."""
        if self._is_own(manifest):
            return manifest.position < marks[-1].position
        return manifest.create_time_us < marks[-1].time_us + MARK_US

    def _is_own(self, manifest: Manifest) -> bool:
        return self._journal is None or manifest.log_id == self._journal.log_id

    # --- the log ----------------------------------------------------------------------------------

    def _opened(self, log: LogStore, found: Recovered) -> Journal:
        """The log, ready for what comes after ``found``, in a thread."""
        snapshots, state = self._snapshots, found.state
        try:
            log_id = found.log_id
            if not log_id:
                log_id = log.new_id()
                if snapshots.saved is not None:
                    snapshots.rebase(self._writer.now_us(), state, log_id.hex())
            return Journal(log.begin(found.chain, log_id, state.revision + 1, found.end))
        except OSError as error:
            raise Unavailable(f"the log can't be written: {error}") from error

    async def _flush_on(self) -> None:
        while True:
            await asyncio.sleep(self._sync_every_s)
            if self._journal is not None and not self._is_mending:
                try:
                    await self._journal.flush()
                except OSError as error:
                    self._failed(error)

    def _failed(self, error: OSError) -> str:
        """Tells the writer and begins to mend; returns what is told."""
        reason = (
            f"the log can't be written: {error}; what was not acknowledged is not applied, and"
            " writes are taken again when the disk works"
        )
        if not self._is_mending:
            self._is_mending = True
            self._writer.disk_failed(reason)
            self._writer.begin(self._mended())
        return reason

    async def _mended(self) -> None:
        """Tries to write again until that works."""
        assert self._journal is not None
        wait_s, most_s = _MEND_S
        while True:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, most_s)
            async with self._writer.turn:
                try:
                    await self._journal.resume()
                except OSError as error:
                    _log.warning("the log still can't be written: %s", error)
                    continue
                self._is_mending = False
                self._writer.disk_works()
                return

    # --- snapshots --------------------------------------------------------------------------------

    async def _frozen(self) -> Moment:
        """All audiences at one moment."""
        found: list[FrozenOrSame] = []
        async with self._writer.turn:
            if self._journal is not None:
                try:
                    await self._journal.rotate()
                except OSError as error:
                    self._failed(error)
                    raise
                self._snapshot_mark = self._journal.written_bytes
            core = self._writer.core
            for _, audience in sorted(core.audiences.items()):
                same = self._snapshots.unchanged(audience)
                found.append(same or core.freeze_audience(audience.name))
                await asyncio.sleep(0)  # reads get their chance between two audiences
            return Moment(core.revision, found, core.erasures.freeze())

    async def _saved_unasked(self) -> None:
        try:
            await self.save("")
        except HeadcountError as error:
            _log.error("%s", error.message)
