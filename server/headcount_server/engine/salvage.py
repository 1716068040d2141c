"""What of a damaged data directory can be had back, what that gives up, and doing it.

Nothing is deleted: what is given up is moved to ``lost-N`` in the data directory, where it stays
until somebody is erased whom it may hold. What remains is written as a new snapshot, from which the
next start begins a new log. Where it is known which revisions are given up, the audiences' go on
after them, so that revisions never fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headcount_server.codec.commands import decode_command
from headcount_server.codec.log import (
    SEGMENT_HEADER_BYTES,
    Frame,
    LogRecord,
    SegmentHeader,
    Torn,
    decode_segment_header,
    frames_after,
    read_frames,
)
from headcount_server.codec.manifest import Manifest
from headcount_server.core.commands import RestoreSnapshot
from headcount_server.core.state import State
from headcount_server.engine.checkpoints import Checkpoints, Moment
from headcount_server.engine.recovery import fingerprint, load_state, recovered
from headcount_server.errors import DataLoss
from headcount_server.limits import Limits
from headcount_server.storage.log import LogStore
from headcount_server.storage.snapshots import SnapshotStore

_FIRST_FRAME = SEGMENT_HEADER_BYTES  # its offset in a segment


@dataclass(slots=True)
class Salvage:
    """What can be had back.

    Attributes:
        problem: what stops the start; "": nothing does, and nothing is given up.
        kept: what remains, in sentences.
        losses: what is given up, in sentences.
        moved: where that was moved, once it was.
    """

    problem: str
    kept: list[str] = field(default_factory=list[str])
    losses: list[str] = field(default_factory=list[str])
    moved: Path | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A readable frame."""

    path: Path
    frame: Frame

    @property
    def last(self) -> int:
        return self.frame.first + self.frame.count - 1

    def records(self) -> list[LogRecord]:
        return self.frame.records(str(self.path))


class Salvager:
    """Finds out, and carries out.

    Args:
        store: the snapshots of the data directory, which is locked.
        log: its log.
        limits: of the server.
    """

    def __init__(self, store: SnapshotStore, log: LogStore, limits: Limits) -> None:
        self._store = store
        self._log = log
        self._limits = limits
        self._bad: list[str] = []  # snapshots
        self._state = State(limits)
        self._revisions: dict[str, int] = {}  # audience -> the highest known, given up or not
        self._log_id = ""
        self._from_us = 0  # when the first of what is moved was written; 0: unknown

    def plan(self) -> Salvage:
        """What could be done; changes nothing. O(bytes).

        Raises:
            DataLoss: something is of a newer format, which no loss would make readable.
        """
        try:
            recovered(self._store, self._log, self._limits)
            return Salvage("")
        except DataLoss as error:
            if "version" in error.metadata:
                raise
            found = Salvage(error.message)
        good = self._good_snapshots(found)
        pieces = self._pieces(found)
        own = [one for one in good if one.log_id == self._log_id] if self._log_id else good
        self._from_us = self._oldest_us(pieces)
        base = max(own, key=lambda one: (_reach(pieces, one.position), one.sequence), default=None)
        self._replay(base, pieces, found)
        return found

    def carry_out(self, found: Salvage, now_us: int) -> None:
        """Gives up what a plan says. Raises OSError where it can't; then it may be tried again."""
        for name, audience in self._state.audiences.items():
            if audience.revision < self._revisions.get(name, 0):
                audience.revision = self._revisions[name] + 1
        names = sorted(self._state.audiences)
        audiences = [self._state.freeze_audience(name) for name in names]
        moment = Moment(self._state.revision, [*audiences], self._state.erasures)
        Checkpoints(self._store).write(now_us, moment)
        files, data = self._log.files, self._log.data
        found.moved = self._store.lost.make(self._from_us)
        for name in self._bad:
            self._store.set_aside(name, found.moved)
        if self._log.segment_files():
            files.rename(self._log.directory, found.moved / "log")
        files.sync_directory(found.moved)
        files.sync_directory(data)

    def _good_snapshots(self, found: Salvage) -> list[Manifest]:
        good: list[Manifest] = []
        for report in self._store.verify_all():
            if not report.faults:
                good.append(self._store.manifest(report.name))
                continue
            self._bad.append(report.name)
            found.losses.append(f'snapshot "{report.name}": {report.faults[0]}')
            try:
                for audience in self._store.manifest(report.name).audiences:
                    self._know(audience.name, audience.revision)
            except DataLoss:
                continue  # its manifest is what is damaged
        return good

    def _pieces(self, found: Salvage) -> list[_Piece]:
        """All readable frames that count, in order."""
        read: list[tuple[Path, bytes, SegmentHeader]] = []
        for path in self._log.segment_files():
            data = self._log.files.read(path)
            header = decode_segment_header(data, str(path))
            if header is not None:
                read.append((path, data, header))
            elif len(data) > SEGMENT_HEADER_BYTES:
                found.losses.append(f"{path}: all {len(data)} bytes, for its header is damaged")
        self._log_id = read[-1][2].log_id.hex() if read else ""
        ends = {header.previous: header.previous_end for _, _, header in read}
        pieces: list[_Piece] = []
        for path, data, header in read:
            counted = data[: ends.get(header.number, len(data))]
            for frame in read_frames(counted, header.first):
                if isinstance(frame, Torn):
                    what = f"{len(counted) - frame.offset} bytes after offset {frame.offset}"
                    found.losses.append(f"{path}: {what} are damaged, or follow what is")
                    pieces.extend(_Piece(path, one) for one in frames_after(counted, frame.offset))
                else:
                    pieces.append(_Piece(path, frame))
        return pieces

    def _oldest_us(self, pieces: Sequence[_Piece]) -> int:
        """When the first of what would be moved was written, microseconds since 1970; or 0."""
        paths = self._log.segment_files()
        first = pieces[0] if pieces else None
        try:
            times = [self._store.manifest(name).create_time_us for name in self._bad]
            if paths:
                if first is None or (first.path, first.frame.offset) != (paths[0], _FIRST_FRAME):
                    return 0  # the beginning is damaged
                times.append(decode_command(first.records()[0].command).time_us)
        except DataLoss:
            return 0
        return min(times, default=0)

    def _replay(self, base: Manifest | None, pieces: Sequence[_Piece], found: Salvage) -> None:
        """Brings the state as far as it goes, and tells what is beyond."""
        start = base.position if base else 0
        until, problem = self._applied(base, pieces, _reach(pieces, start))
        if problem:  # a command that can't be applied: all before it
            until, _ = self._applied(base, pieces, until)
            found.losses.append(problem)
        for piece in pieces:
            for position, record in enumerate(piece.records(), piece.frame.first):
                if position > until:
                    self._know(record.audience, record.revision)
        last = max((piece.last for piece in pieces), default=until)
        if last > until:
            found.losses.append(
                f"all commands of the log after position {until}, at least to {last}"
            )
        for name, revision in sorted(self._revisions.items()):
            held = self._state.audiences.get(name)
            now = held.revision if held else 0
            if name and revision > now:
                found.losses.append(f'audience "{name}": revisions {now + 1} to {revision} or more')
        name = f'snapshot "{base.name}"' if base else "nothing"
        found.kept.append(f"{name}, and the log after it to position {until}")
        for name, audience in sorted(self._state.audiences.items()):
            found.kept.append(
                f'audience "{name}": revision {audience.revision}, {audience.subscriber_count:,}'
                f" subscribers, {audience.event_count:,} events"
            )

    def _applied(
        self, base: Manifest | None, pieces: Sequence[_Piece], until: int
    ) -> tuple[int, str]:
        """The last position that could be applied, and why not the next one, or ""."""
        state = load_state(self._store, base, self._limits) if base else State(self._limits)
        self._state = state
        for piece in pieces:
            for position, record in enumerate(piece.records(), piece.frame.first):
                if not self._state.revision < position <= until:
                    continue
                try:
                    self._apply(record)
                except Exception as error:
                    return position - 1, f"{piece.path}: the command at {position}: {error}"
        return max(until, self._state.revision), ""

    def _apply(self, record: LogRecord) -> None:
        command = decode_command(record.command)
        if not isinstance(command, RestoreSnapshot):
            self._state.apply(command)
            return
        manifest = self._store.manifest(command.snapshot)
        if fingerprint(manifest) != command.digest:
            raise DataLoss(f'snapshot "{command.snapshot}" is not the one that was restored')
        restored = load_state(self._store, manifest, self._limits)
        self._state = self._state.brought_back(restored, command)

    def _know(self, audience: str, revision: int) -> None:
        self._revisions[audience] = max(revision, self._revisions.get(audience, 0))


def _reach(pieces: Sequence[_Piece], position: int) -> int:
    """The last position that frames lead to from one, without a gap."""
    for piece in pieces:
        if piece.frame.first <= position + 1 <= piece.last:
            position = piece.last
    return position
