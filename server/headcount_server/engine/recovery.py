"""What is on disk, as a state: the newest snapshot of the log, and what the log has after it.

A torn tail of the last segment was promised to nobody: it is left out and told. Anything else that
doesn't fit stops the start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

from headcount_server.codec.commands import decode_command
from headcount_server.codec.log import SEGMENT_HEADER_BYTES, Frame, LogRecord, Torn, read_frames
from headcount_server.codec.manifest import Manifest, digest, encode_manifest
from headcount_server.core.commands import RestoreSnapshot
from headcount_server.core.erasures import Erasures
from headcount_server.core.state import State
from headcount_server.errors import DataLoss
from headcount_server.limits import LOAD_THREADS, Limits
from headcount_server.storage.log import Chain, LogStore, Segment
from headcount_server.storage.snapshots import SnapshotStore

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """A state and where it comes from.

    Attributes:
        state: of the snapshot and the log; its revision is the position in the log.
        saved: the snapshot; None: there was none.
        chain: segments that a log goes on after; none where it has to begin anew.
        log_id: of the log; empty where there was none.
        end: bytes of the last segment that count.
        replayed: commands of the log that were applied.
        torn: what was left out at the end, or "".
        pinned: snapshots that the log brings back, and which are needed as long as it does.
    """

    state: State
    saved: Manifest | None
    chain: Chain = field(default_factory=lambda: Chain((), 0, ()))
    log_id: bytes = b""
    end: int = 0
    replayed: int = 0
    torn: str = ""
    pinned: set[str] = field(default_factory=set[str])


def recovered(store: SnapshotStore | None, log: LogStore | None, limits: Limits) -> Recovered:
    """The state on disk. O(bytes).

    Raises:
        DataLoss: something is damaged, missing or of a newer format; names file, offset, remedy.
    """
    if store is None:
        return Recovered(State(limits), None)
    chain = log.chain() if log else Chain((), 0, ())
    if log is None or not chain.segments:
        saved = store.newest()
        return Recovered(_state_of(store, saved, limits), saved, chain)
    log_id = chain.segments[-1].header.log_id
    own = [manifest for manifest in store.list() if manifest.log_id == log_id.hex()]
    saved = own[0] if own else None
    found = Recovered(_state_of(store, saved, limits), saved, chain, log_id)
    _Replay(store, log, limits, found).run()
    return found


def load_state(store: SnapshotStore, manifest: Manifest, limits: Limits) -> State:
    """The state of a snapshot.

    Raises:
        DataLoss: it is damaged; names the file.
    """
    state = State(limits)
    for entry, parts in store.load(manifest):
        sizes = {file.part: file.size_bytes for file in entry.files}
        try:
            state.load_audience(parts, lambda jobs, sizes=sizes: _together(jobs, sizes))
        except DataLoss as error:
            if "file" in error.metadata:  # it is the file that is damaged
                raise
            what = f'audience "{entry.name}" of snapshot "{manifest.name}"'
            raise DataLoss(f"{what} can't be loaded: {error.message}") from error
    for part in store.load_common(manifest).values():
        state.erasures = Erasures.load(part)
    state.revision = manifest.position
    return state


def fingerprint(manifest: Manifest) -> str:
    """What tells a snapshot from another one of its name."""
    return digest(encode_manifest(manifest))


def _together(jobs: Mapping[str, Callable[[], None]], sizes: Mapping[str, int]) -> None:
    """Does the jobs that load parts in threads, the largest first.

    Much of each, the digest above all, is done without the GIL. What is raised is what the first
    in the order given raises.
    """
    with ThreadPoolExecutor(LOAD_THREADS, "headcount-load") as threads:
        largest_first = sorted(jobs, key=lambda part: (-sizes.get(part, 0), part))
        begun = {part: threads.submit(jobs[part]) for part in largest_first}
        for part in jobs:
            begun[part].result()


def _state_of(store: SnapshotStore, saved: Manifest | None, limits: Limits) -> State:
    return State(limits) if saved is None else load_state(store, saved, limits)


class _Replay:
    """Applies what a chain has after a snapshot."""

    def __init__(
        self, store: SnapshotStore, log: LogStore, limits: Limits, found: Recovered
    ) -> None:
        self._store = store
        self._log = log
        self._limits = limits
        self._found = found

    def run(self) -> None:
        """Brings ``found`` to the end of the log."""
        found, segments = self._found, self._found.chain.segments
        start = found.state.revision
        if segments[0].header.first > start + 1:
            self._log.damaged(
                segments[0].path, 0,
                f"begins at position {segments[0].header.first}, but what the snapshots hold ends"
                f" at {start}: the log between is missing",
            )  # fmt: skip
        for segment, following in pairwise(segments):
            if following.header.first > start + 1:  # else the snapshot has all of it
                end = self._read(segment, following)
                if end != following.header.first:
                    self._log.damaged(
                        following.path, 0, f"begins at position {following.header.first}, not {end}"
                    )
        last = self._read(segments[-1], None)
        if last <= start:  # the snapshot outlived the log: a new one begins after it
            numbers = Chain((), found.chain.last_number, tuple(s.path for s in segments))
            found.chain, found.end = numbers, 0
        for name in found.pinned:
            _log.info('the log restores snapshot "%s", which stays until another is taken', name)

    def _read(self, segment: Segment, following: Segment | None) -> int:
        """Applies the frames of a segment; returns the position after its last record."""
        data, path = self._log.read(segment), segment.path
        if following is not None:
            end = following.header.previous_end
            if not SEGMENT_HEADER_BYTES <= end <= len(data):
                self._log.damaged(path, len(data), f"has {len(data)} bytes; {end} belong to it")
            data = data[:end]
        position, end = segment.header.first, len(data)
        for frame in read_frames(data, position):
            if isinstance(frame, Torn):
                if following is not None or frame.is_damage:
                    self._log.damaged(path, frame.offset, "is damaged, and not at its end")
                self._found.torn = (
                    f"{path}: {len(data) - frame.offset} bytes after offset {frame.offset} were"
                    " being written when the server ended; they were never acknowledged and are"
                    " left out"
                )
                end = frame.offset
                break
            self._apply_frame(frame, path.name)
            position = frame.first + frame.count
        self._found.end = end
        return position

    def _apply_frame(self, frame: Frame, name: str) -> None:
        if frame.first + frame.count - 1 <= self._found.state.revision:
            return
        for position, record in enumerate(frame.records(name), frame.first):
            if position > self._found.state.revision:
                try:
                    self._apply(record)
                except Exception as error:
                    what = error.message if isinstance(error, DataLoss) else repr(error)
                    raise DataLoss(
                        f"{name}: the command at position {position} (offset {frame.offset}) can't"
                        f" be applied: {what}",
                        file=name,
                        offset=str(frame.offset),
                    ) from error
                self._found.replayed += 1

    def _apply(self, record: LogRecord) -> None:
        command = decode_command(record.command)
        if isinstance(command, RestoreSnapshot):
            self._restore(command)
            return
        applied = self._found.state.apply(command)
        if (command.audience, applied.revision) != (record.audience, record.revision):
            raise DataLoss(
                f'audience "{command.audience}" came to revision {applied.revision}; the log has'
                f' "{record.audience}" at {record.revision}'
            )

    def _restore(self, command: RestoreSnapshot) -> None:
        manifest = self._store.manifest(command.snapshot)
        if fingerprint(manifest) != command.digest:
            raise DataLoss(f'snapshot "{command.snapshot}" is not the one that was restored')
        found = self._found
        restored = load_state(self._store, manifest, self._limits)
        found.state = found.state.brought_back(restored, command)
        found.pinned.add(command.snapshot)
