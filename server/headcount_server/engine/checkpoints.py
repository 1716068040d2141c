"""Snapshots taken from a running engine, one at a time.

Invariants: what a snapshot holds is one moment of all audiences; a file that couldn't be written
leaves the snapshots before it whole; a snapshot that the log brings back stays until a newer one
has what the log did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from headcount_server.codec.manifest import AudienceEntry, Manifest
from headcount_server.core.audience import Audience
from headcount_server.core.audience_dump import FrozenAudience
from headcount_server.core.erasures import Erasures
from headcount_server.core.state import State
from headcount_server.engine.interface import SnapshotProgress
from headcount_server.errors import Unavailable
from headcount_server.storage.snapshots import SnapshotStore, SnapshotWriter, encode_parts

_log = logging.getLogger(__name__)

ERASURES = "erasures"  # the part that belongs to no audience
FrozenOrSame = FrozenAudience | AudienceEntry


@dataclass(frozen=True, slots=True)
class Moment:
    """All audiences at one position of the log: frozen, or as the snapshot before has them."""

    position: int
    audiences: list[FrozenOrSame]
    erasures: Erasures


class Checkpoints:
    """Takes snapshots.

    Attributes:
        progress: of the one that is being written, or None.
        store: where they are kept.
        saved: the newest one of this engine's state, where it is known.
        pinned: names of snapshots that the log needs.
        lock: held while one is taken or brought back.
    """

    def __init__(self, store: SnapshotStore) -> None:
        self.store = store
        self.progress: SnapshotProgress | None = None
        self.saved: Manifest | None = None
        self.pinned: set[str] = set()
        self.lock = asyncio.Lock()

    async def save(
        self, name: str, now_us: int, log_id: str, freeze: Callable[[], Awaitable[Moment]]
    ) -> Manifest:
        """Writes a snapshot; the caller holds ``lock``.

        Args:
            name: "" for one made from the time.
            now_us: microseconds since 1970 UTC.
            log_id: of the log that goes on after it.
            freeze: gives what it is to hold.

        Raises:
            Unavailable: it couldn't be written.
        """
        name = name or _timed_name(now_us)
        try:
            await asyncio.to_thread(self.store.check_name, name)
            moment = await freeze()
            pinned = set(self.pinned)
            manifest = await asyncio.to_thread(self._write, name, now_us, moment, log_id)
        except OSError as error:
            raise Unavailable(
                f"the snapshot was not written: {error}; the snapshots before it are whole"
            ) from error
        self.saved = manifest
        self.pinned -= pinned
        try:
            await asyncio.to_thread(self.store.prune, self.pinned)
        except OSError as error:
            _log.warning("old snapshots can't be removed: %s", error)
        _log.info("snapshot %s: %d bytes", manifest.name, manifest.size_bytes)
        return manifest

    def unchanged(self, audience: Audience) -> AudienceEntry | None:
        """The audience in the newest snapshot, if it is the same state, by its revision."""
        for entry in self.saved.audiences if self.saved else ():
            if entry.name == audience.name:
                now = (audience.create_time_us, audience.revision)
                return entry if (entry.create_time_us, entry.revision) == now else None
        return None

    def write(self, now_us: int, moment: Moment) -> Manifest:
        """Writes a snapshot that no log goes on after. In a thread; raises OSError."""
        return self._write(_timed_name(now_us), now_us, moment, "")

    def rebase(self, now_us: int, state: State, log_id: str) -> Manifest:
        """Writes the newest snapshot once more, as the base of a new log. In a thread.

        Raises:
            OSError: it couldn't be written.
        """
        assert self.saved is not None
        moment = Moment(state.revision, list(self.saved.audiences), state.erasures)
        self.saved = self._write(_timed_name(now_us), now_us, moment, log_id)
        return self.saved

    def _write(self, name: str, now_us: int, moment: Moment, log_id: str) -> Manifest:
        writer = self.store.begin(name, now_us, moment.position, log_id, self.saved)
        try:
            if moment.erasures:
                writer.add_common(encode_parts([(ERASURES, moment.erasures.dump())]))
            for number, audience in enumerate(moment.audiences):
                self.progress = SnapshotProgress(name, now_us, number, len(moment.audiences))
                _add(writer, audience)
            return writer.commit()
        except BaseException:
            writer.abort()
            raise
        finally:
            self.progress = None


def _add(writer: SnapshotWriter, audience: FrozenOrSame) -> None:
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


def _timed_name(time_us: int) -> str:
    seconds, micros = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{micros:06d}Z"
