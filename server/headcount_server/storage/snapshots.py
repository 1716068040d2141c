"""Snapshots on disk: ``snapshots/NAME/`` with a MANIFEST and immutable files of values.

Invariants:
- A directory under its name is complete: it is written as ``NAME.tmp``, every file and the
  directory synced, then renamed and the parent synced. What ends in ``.tmp`` a crash left behind.
- A file never changes. One whose bytes equal those of the newest snapshot's is a second name
  (hard link) of that file; a file system without links gets a copy.
- The newest snapshot is the one of the highest sequence in its manifest; the clock has no say.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headcount_server.codec import envelope, values
from headcount_server.codec.manifest import (
    AudienceEntry,
    FileEntry,
    Manifest,
    decode_manifest,
    digest,
    encode_manifest,
)
from headcount_server.errors import AlreadyExists, DataLoss, InvalidInput, NotFound, Violation
from headcount_server.limits import NAME_LENGTH_MAX, SNAPSHOTS_KEPT_DEFAULT
from headcount_server.storage.files import FileSystem
from headcount_server.storage.lost import LostFiles

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TMP = ".tmp"
_MANIFEST = "MANIFEST"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A part of an audience as the bytes of its file, in pieces."""

    part: str
    pieces: list[bytes]


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` found out about one snapshot.

    Attributes:
        name: of the snapshot.
        file_count: files looked at, the manifest included.
        size_bytes: of these files.
        faults: messages, each naming a file and offset; none: the snapshot is good.
    """

    name: str
    file_count: int
    size_bytes: int
    faults: tuple[str, ...]


def encode_parts(parts: Iterable[tuple[str, Any]]) -> Iterator[EncodedPart]:
    """The files of an audience's parts, each made when it is asked for. O(bytes)."""
    for part, value in parts:
        yield EncodedPart(part, envelope.wrap(list(values.encode_in_pieces(value))))


class SnapshotStore:
    """The snapshots of one data directory.

    Args:
        files: the file system.
        directory: the data directory, which exists and is locked by the caller.
        kept: how many snapshots stay, 1 or more; the oldest go first, whatever their names.

    Attributes:
        lost: what a salvage gave up of this data directory.
    """

    def __init__(
        self, files: FileSystem, directory: Path, kept: int = SNAPSHOTS_KEPT_DEFAULT
    ) -> None:
        assert kept >= 1
        self.kept = kept
        self._files = files
        self._directory = directory / "snapshots"
        self.lost = LostFiles(files, directory)

    def clean(self) -> None:
        """Removes what crashes left behind, and makes the directory of snapshots."""
        for name in self._files.names(self._directory):
            if name.endswith(_TMP):
                _log.warning("removing %s, which a crash left unfinished", self._directory / name)
                self._files.remove_tree(self._directory / name)
        self._files.make_directory(self._directory)
        self._files.sync_directory(self._directory.parent)

    def list(self) -> list[Manifest]:
        """The snapshots, the newest first.

        Raises:
            DataLoss: a manifest is damaged or of a newer format.
        """
        found = [self.manifest(name) for name in self._names()]
        return sorted(found, key=lambda manifest: -manifest.sequence)

    def newest(self) -> Manifest | None:
        """The newest snapshot, or None where there is none. Raises as ``list`` does."""
        return next(iter(self.list()), None)

    def manifest(self, name: str) -> Manifest:
        """What a snapshot holds.

        Raises:
            NotFound: there is no such snapshot.
            DataLoss: its manifest is damaged or of a newer format.
        """
        if name not in self._names():
            known = ", ".join(self._names()) or "none"
            raise NotFound(
                f'no snapshot "{name}"; there are: {known}', resource="snapshot", name=name
            )
        path = self._directory / name / _MANIFEST
        manifest = decode_manifest(self._read(path), str(path))
        if manifest.name != name:
            raise DataLoss(f'{path} is of a snapshot "{manifest.name}"', file=str(path))
        return manifest

    def load(self, manifest: Manifest) -> Iterator[tuple[AudienceEntry, Mapping[str, Any]]]:
        """The audiences of a snapshot with their parts, one after the other.

        A part is read from its file, checked and decoded when it is asked for, each time anew, in
        any thread; O(bytes) then. DataLoss is raised where the file is missing, damaged or of a
        newer format, and names file and offset.
        """
        for audience in manifest.audiences:
            yield audience, _StoredParts(self, manifest.name, audience.files)

    def load_common(self, manifest: Manifest) -> Mapping[str, Any]:
        """The parts that belong to no audience, as those of ``load``."""
        return _StoredParts(self, manifest.name, manifest.files)

    def part(self, name: str, file: FileEntry) -> Any:
        """What a file of a snapshot holds, checked. O(bytes), most of it without the GIL.

        Raises:
            DataLoss: as said of ``load``.
        """
        path = self._directory / name / file.file
        data = self._read(path)
        if digest(data) != file.digest:
            envelope.unwrap(data, str(path))  # names the place where it is damaged
            raise DataLoss(f"{path} is whole, but not the file of this snapshot", file=str(path))
        try:
            return values.decode(envelope.payload_of(data, str(path)))
        except DataLoss as error:
            if "file" in error.metadata:
                raise
            raise DataLoss(f"{path}: {error.message}", file=str(path)) from error

    def verify(self, name: str) -> Report:
        """Reads every file of a snapshot and tells what is damaged.

        Raises:
            NotFound: there is no such snapshot.
        """
        path = self._directory / name / _MANIFEST
        try:
            manifest = self.manifest(name)
        except DataLoss as error:
            return Report(name, 1, 0, (error.message,))
        faults: list[str] = []
        for file in manifest.all_files:
            try:
                self.part(name, file)
            except DataLoss as error:
                faults.append(error.message)
        count = 1 + len(manifest.all_files)
        size = manifest.size_bytes + self._files.size(path)
        return Report(name, count, size, tuple(faults))

    def set_aside(self, name: str, directory: Path) -> None:
        """Moves a snapshot to another directory of the data directory, which exists."""
        self._files.rename(self._directory / name, directory / f"snapshot-{name}")
        self._files.sync_directory(directory)
        self._files.sync_directory(self._directory)

    def verify_all(self) -> list[Report]:
        """A report on every snapshot, ascending by name."""
        return [self.verify(name) for name in self._names()]

    def begin(
        self,
        name: str,
        create_time_us: int,
        position: int = 0,
        log_id: str = "",
        base: Manifest | None = None,
    ) -> SnapshotWriter:
        """Starts a snapshot, which nobody sees before its ``commit``.

        Args:
            name: letters, digits, ``_``, ``-`` and ``.``.
            create_time_us: microseconds since 1970 UTC.
            position: of the last command in it, in the log ``log_id``.
            base: the snapshot to share files with; by default the newest.

        Raises:
            InvalidInput: the name can't be one.
            AlreadyExists: it is taken.
        """
        self.check_name(name)
        self._clear(self._directory / (name + _TMP))
        newest = next(iter(self._readable()), None)
        sequence = newest.sequence + 1 if newest else 1
        previous = base or newest
        manifest = Manifest(name, sequence, create_time_us, (), position, log_id)
        return SnapshotWriter(self._files, self._directory, previous, manifest)

    def check_name(self, name: str) -> None:
        """Raises as ``begin`` does of a name."""
        _validate_name(name)
        if name in self._names():
            raise AlreadyExists(f'snapshot "{name}" exists already', resource="snapshot", name=name)

    def prune(self, pinned: Collection[str] = ()) -> None:
        """Removes all but the newest ``kept`` snapshots, and those whose names are pinned.

        Damaged manifests stay and don't count.
        """
        self.remove([m.name for m in self._readable()[self.kept :] if m.name not in pinned])

    def remove(self, names: Iterable[str]) -> None:
        """Removes snapshots."""
        for name in names:
            doomed = self._directory / (name + _TMP)
            self._clear(doomed)
            self._files.rename(self._directory / name, doomed)
            self._files.remove_tree(doomed)
        self._files.sync_directory(self._directory)

    def _readable(self) -> list[Manifest]:
        """The snapshots whose manifests are good, the newest first."""
        found: list[Manifest] = []
        for name in self._names():
            try:
                found.append(self.manifest(name))
            except DataLoss as error:
                _log.error("left alone: %s", error.message)
        return sorted(found, key=lambda manifest: -manifest.sequence)

    def _clear(self, path: Path) -> None:
        if path.name in self._files.names(self._directory):
            self._files.remove_tree(path)

    def _names(self) -> list[str]:
        names = self._files.names(self._directory)
        return [name for name in names if _NAME.fullmatch(name) and not name.endswith(_TMP)]

    def _read(self, path: Path) -> bytes:
        try:
            return self._files.read(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DataLoss(
                f"{path} is missing; 'headcount snapshot verify' tells what is still good,"
                " 'headcount recover' what can be had back",
                file=str(path),
                offset="0",
            ) from error


class _StoredParts(Mapping[str, Any]):
    """The parts in some files of a snapshot, each read when it is asked for."""

    def __init__(self, store: SnapshotStore, name: str, files: Sequence[FileEntry]) -> None:
        self._store = store
        self._name = name
        self._files = {file.part: file for file in files}

    def __getitem__(self, part: str) -> Any:
        return self._store.part(self._name, self._files[part])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, part: object) -> bool:
        return part in self._files


class SnapshotWriter:
    """A snapshot in the making; ends with ``commit`` or ``abort``.

    Attributes:
        previous: the snapshot with which it shares files; or None.
    """

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        previous: Manifest | None,
        manifest: Manifest,
    ) -> None:
        self._files = files
        self._directory = directory
        self.previous = previous
        self._path = directory / (manifest.name + _TMP)
        self._manifest = manifest
        self._known = {file.digest: file for file in (previous.all_files if previous else ())}
        files.make_directory(self._path)

    def add(self, audience: AudienceEntry, parts: Iterable[EncodedPart]) -> None:
        """Writes an audience, of whose entry the files are still missing. O(bytes)."""
        written = tuple(self._write_and_let_go(part, self._file(part.part)) for part in parts)
        self._append(replace(audience, files=written))

    def add_common(self, parts: Iterable[EncodedPart]) -> None:
        """Writes what belongs to no audience. O(bytes)."""
        files = tuple(self._write(part, f"0000.{part.part}") for part in parts)
        self._manifest = replace(self._manifest, files=files)

    def carry(self, audience: AudienceEntry) -> None:
        """Takes over an audience of the previous snapshot, whose state hasn't changed since."""
        assert self.previous is not None
        assert audience in self.previous.audiences
        shared = tuple(self._share(file, self._file(file.part)) for file in audience.files)
        self._append(replace(audience, files=shared))

    def commit(self) -> Manifest:
        """Makes the snapshot durable, and only then visible."""
        self._files.write(self._path / _MANIFEST, [encode_manifest(self._manifest)])
        self._files.sync_directory(self._path)
        self._files.rename(self._path, self._directory / self._manifest.name)
        self._files.sync_directory(self._directory)
        return self._manifest

    def abort(self) -> None:
        """Leaves nothing behind, where the file system lets it."""
        try:
            self._files.remove_tree(self._path)
        except OSError as error:
            _log.warning("can't remove %s: %s; the next start will", self._path, error)

    def _append(self, audience: AudienceEntry) -> None:
        audiences = (*self._manifest.audiences, audience)
        self._manifest = replace(self._manifest, audiences=audiences)

    def _file(self, part: str) -> str:
        """A file's name: numbered, as audiences may differ in the case of letters alone."""
        return f"{len(self._manifest.audiences) + 1:04d}.{part}"

    def _write_and_let_go(self, part: EncodedPart, name: str) -> FileEntry:
        entry = self._write(part, name)
        while part.pieces:  # one by one: freed at once, hundreds of MiB hold everybody up
            part.pieces.pop()
        return entry

    def _write(self, part: EncodedPart, name: str) -> FileEntry:
        size = sum(map(len, part.pieces))
        entry = FileEntry(part.part, name, size, digest(*part.pieces))
        if not self._linked(self._known.get(entry.digest), name):
            self._files.write(self._path / name, part.pieces)
        return entry

    def _share(self, file: FileEntry, name: str) -> FileEntry:
        if not self._linked(file, name):
            assert self.previous is not None
            old = self._directory / self.previous.name / file.file
            data = self._files.read(old)
            if digest(data) != file.digest:
                envelope.damaged(str(old), 0, "has changed since it was written")
            self._files.write(self._path / name, [data])
        return replace(file, file=name)

    def _linked(self, file: FileEntry | None, name: str) -> bool:
        if file is None or self.previous is None:
            return False
        old = self._directory / self.previous.name / file.file
        try:
            if self._files.size(old) != file.size_bytes:
                return False
            self._files.link(old, self._path / name)
        except OSError:
            return False
        return True


def _validate_name(name: str) -> None:
    if len(name) > NAME_LENGTH_MAX or not _NAME.fullmatch(name) or name.endswith(_TMP):
        description = (
            f"snapshot name {name[:80]!r} must be 1 to {NAME_LENGTH_MAX} letters, digits, '_', '-'"
            " or '.', beginning with a letter or digit, and not end in '.tmp'"
        )
        raise InvalidInput(description, (Violation("snapshot", description, "INVALID_NAME"),))
