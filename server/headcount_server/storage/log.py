"""The log on disk: ``log/NNNNNNNN.segment``, written at the end of the last one only.

Invariants:
- A segment's header is durable, with its name, before a frame is written to it.
- A header names the segment before it and how many bytes of that count. So a segment that failed is
  left as it is: the next one says where the log went on.
- After a failed write or sync nothing is written to that segment again. ``resume`` goes on in a new
  one from what is known to be durable, with what was acknowledged since written once more.
- A position is the number of a record in the log, from 1 without gaps.

Nothing here is safe for several threads at once: one thread owns a writer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NoReturn

from headcount_server.codec.log import (
    SEGMENT_HEADER_BYTES,
    LogRecord,
    SegmentHeader,
    decode_segment_header,
    encode_frame,
    encode_segment_header,
)
from headcount_server.errors import DataLoss
from headcount_server.limits import LOG_SEGMENT_BYTES_DEFAULT
from headcount_server.storage.files import AppendFile, FileSystem

_NAME = re.compile(r"([0-9]{8,})\.segment")
_PROBE = "probe.tmp"
_PROBE_BYTES = 256 << 10
_UNSYNCED_BYTES_MAX = 64 << 20  # acknowledged, and kept in memory until it is synced
_log = logging.getLogger(__name__)


class Sync(Enum):
    """When an acknowledged record is durable: at once, within an interval, or some time later."""

    ALWAYS = "always"
    INTERVAL = "interval"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of the log and its file."""

    path: Path
    header: SegmentHeader


@dataclass(frozen=True, slots=True)
class Chain:
    """The segments that make the log, each following the one before it.

    Attributes:
        segments: ascending; may be empty.
        last_number: the highest number that a file has, in the chain or not.
        strays: files that are no part of it: of segments that were never begun.
    """

    segments: tuple[Segment, ...]
    last_number: int
    strays: tuple[Path, ...]


class LogStore:
    """The log of one data directory.

    Args:
        files: the file system.
        directory: the data directory, which exists and is locked by the caller.
        sync: what ``append`` promises when it returns.
        segment_bytes: from which size on another segment is begun.
        new_id: makes the id of a new log, 16 random bytes.
    """

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        sync: Sync = Sync.ALWAYS,
        segment_bytes: int = LOG_SEGMENT_BYTES_DEFAULT,
        *,
        new_id: Callable[[], bytes],
    ) -> None:
        self.new_id = new_id
        self.sync = sync
        self.segment_bytes = segment_bytes
        self.files = files
        self.data = directory
        self.directory = directory / "log"

    def chain(self) -> Chain:
        """The segments on disk.

        Raises:
            DataLoss: a header is damaged, of a newer format, or of another log.
        """
        paths = self._paths()
        found: list[Segment] = []
        strays: list[Path] = []
        for number, path in sorted(paths.items(), reverse=True):
            wanted = found[-1].header.previous if found else number
            if number > wanted:  # begun and given up, or of a log before this one
                strays.append(path)
                continue
            if number < wanted:  # what lies between is missing; who reads says whether it matters
                break
            segment = self._segment(number, path)
            if segment is None and (found or self.files.size(path) > SEGMENT_HEADER_BYTES):
                self.damaged(path, 0, "has a damaged header")
            if segment is None:
                strays.append(path)
            elif found and segment.header.log_id != found[-1].header.log_id:
                self.damaged(path, 0, "belongs to another log")
            else:
                found.append(segment)
        return Chain(tuple(reversed(found)), max(paths, default=0), tuple(sorted(strays)))

    def read(self, segment: Segment) -> bytes:
        """All bytes of a segment."""
        return self.files.read(segment.path)

    def begin(self, chain: Chain, log_id: bytes, first: int, end: int) -> LogWriter:
        """Goes on after a chain, or begins a log where that is empty.

        Args:
            chain: what is on disk.
            log_id: of the chain, or a new one.
            first: position of the next record.
            end: bytes of the chain's last segment that count.

        Raises:
            OSError: it can't be written.
        """
        self.files.make_directory(self.directory)
        self.files.sync_directory(self.data)
        for path in chain.strays:
            self.files.remove(path)
        if chain.segments and self.files.size(chain.segments[-1].path) > end:
            self.files.cut(chain.segments[-1].path, end)
        return LogWriter(self, chain, log_id, first, end)

    def segment_files(self) -> list[Path]:
        """The files of segments, ascending, whatever is in them."""
        return [path for _, path in sorted(self._paths().items())]

    def path(self, number: int) -> Path:
        """The file of a segment."""
        return self.directory / f"{number:08d}.segment"

    def damaged(self, path: Path, offset: int, what: str) -> NoReturn:
        """Raise DataLoss that names file, offset and remedy."""
        raise DataLoss(
            f"{path} {what} (offset {offset}); nothing was changed."
            f" 'headcount recover --data {self.data}' tells what can be salvaged and what would be"
            " lost",
            file=str(path),
            offset=str(offset),
        )

    def _paths(self) -> dict[int, Path]:
        names = self.files.names(self.directory)
        parts = [(_NAME.fullmatch(name), name) for name in names]
        return {int(part[1]): self.directory / name for part, name in parts if part}

    def _segment(self, number: int, path: Path) -> Segment | None:
        data = self.files.read_start(path, SEGMENT_HEADER_BYTES)
        header = decode_segment_header(data, str(path))
        if header is not None and header.number != number:
            self.damaged(path, 0, f"is segment {header.number} under another name")
        return None if header is None else Segment(path, header)


@dataclass(slots=True)
class _Kept:
    """Records of one frame that are acknowledged and not known to be durable."""

    first: int
    records: Sequence[LogRecord]
    size: int


class LogWriter:
    """The end of a log.

    Attributes:
        log_id: of the log.
        next: position of the next record.
        is_broken: whether a write or sync failed; ``resume`` ends that.
        written_bytes: by ``append``, ever.
    """

    def __init__(self, store: LogStore, chain: Chain, log_id: bytes, first: int, end: int) -> None:
        self.log_id = log_id
        self.next = first
        self.is_broken = False
        self.written_bytes = 0
        self._store = store
        self._files = store.files
        self._segments = list(chain.segments)
        self._last_number = chain.last_number
        self._kept: list[_Kept] = []
        self._kept_bytes = 0
        self._synced = end  # of the last segment
        self._end = end
        self._header = b""
        self._file: AppendFile | None = None
        self._begin_segment(first)

    def append(self, records: Sequence[LogRecord]) -> None:
        """Writes records, one or more; when it returns they are as durable as the store's ``sync``.

        Raises:
            OSError: they are not; nothing may be appended before ``resume`` succeeded.
        """
        if self.is_broken:
            raise OSError("the log waits for the disk to work again")
        try:
            if self._end >= self._store.segment_bytes:
                self._rotate()
            if self._kept_bytes >= _UNSYNCED_BYTES_MAX:
                self._flush()
            self._write(records)
        except OSError:
            self._break()
            raise

    def flush(self) -> None:
        """Makes durable what isn't. Raises OSError as ``append`` does."""
        if self.is_broken:
            raise OSError("the log waits for the disk to work again")
        try:
            self._flush()
        except OSError:
            self._break()
            raise

    def rotate(self) -> None:
        """Goes on in a new segment, with everything before it durable. As ``append`` fails."""
        if self.is_broken:
            raise OSError("the log waits for the disk to work again")
        try:
            self._rotate()
        except OSError:
            self._break()
            raise

    def resume(self) -> None:
        """Goes on after a failure; does nothing where there was none.

        Raises:
            OSError: writing doesn't work yet.
        """
        if not self.is_broken:
            return
        self._probe()
        kept, before = self._kept, (self._synced, self._end)
        self._begin_segment(kept[0].first if kept else self.next)
        try:
            for one in kept:
                self._put(one.records, one.first)
            self._flush()
        except OSError:  # the next attempt follows the same segment as this one
            self._close_file()
            self._segments.pop()
            self._synced, self._end = before
            raise
        self.is_broken = False

    def forget(self, position: int) -> None:
        """Removes the segments of which no record lies after a position that a snapshot has."""
        removed = False
        while len(self._segments) > 1 and self._segments[1].header.first <= position + 1:
            self._files.remove(self._segments[0].path)
            del self._segments[0]
            removed = True
        if removed:
            self._files.sync_directory(self._store.directory)

    def close(self) -> None:
        """Ends it; what was acknowledged and isn't durable is made so. Raises OSError if not."""
        try:
            if self.is_broken and self._kept:
                self.resume()
            if not self.is_broken:
                self._flush()
        finally:
            self._close_file()

    @property
    def first(self) -> int:
        """Position of the oldest record."""
        return self._segments[0].header.first

    @property
    def kept_bytes(self) -> int:
        """Bytes of what is acknowledged and not known to be durable."""
        return self._kept_bytes

    def _write(self, records: Sequence[LogRecord]) -> None:
        size = self._put(records, self.next)
        if self._store.sync is Sync.ALWAYS:
            self._sync()
        self.written_bytes += size
        first, self.next = self.next, self.next + len(records)
        if self._store.sync is not Sync.ALWAYS:
            self._kept.append(_Kept(first, records, size))
            self._kept_bytes += size

    def _put(self, records: Sequence[LogRecord], first: int) -> int:
        assert self._file is not None
        data = b"".join(encode_frame(records, first, self._synced, self._header))
        self._file.write(data)
        self._end += len(data)
        return len(data)

    def _flush(self) -> None:
        if self._synced < self._end:
            self._sync()
        self._kept.clear()
        self._kept_bytes = 0

    def _sync(self) -> None:
        assert self._file is not None
        self._file.sync()
        self._synced = self._end

    def _rotate(self) -> None:
        self._flush()
        self._begin_segment(self.next)

    def _begin_segment(self, first: int) -> None:
        previous = self._segments[-1].header.number if self._segments else 0
        self._last_number += 1
        header = SegmentHeader(
            self.log_id, self._last_number, first, previous, self._synced if previous else 0
        )
        path = self._store.path(header.number)
        data = encode_segment_header(header)
        file = self._files.append_to(path)
        try:
            file.write(data)
            file.sync()
            self._files.sync_directory(self._store.directory)
        except OSError:
            file.close()
            raise
        self._close_file()
        self._file, self._header = file, data
        self._segments.append(Segment(path, header))
        self._synced = self._end = len(data)

    def _break(self) -> None:
        """Notes a failure, and takes back what it left, where the disk lets that happen."""
        self.is_broken = True
        if self._file is None:
            return
        try:
            self._file.truncate(self._end if self._kept else self._synced)
        except OSError as error:
            _log.warning("what the failed write left stays for now: %s", error)

    def _probe(self) -> None:
        """Raises OSError unless a file can be written, synced and removed."""
        path = self._store.directory / _PROBE
        if _PROBE in self._files.names(self._store.directory):
            self._files.remove(path)
        try:
            self._files.write(path, [bytes(_PROBE_BYTES)])
        finally:
            if _PROBE in self._files.names(self._store.directory):
                self._files.remove(path)

    def _close_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                _log.warning("a segment of the log can't be closed: %s", error)
