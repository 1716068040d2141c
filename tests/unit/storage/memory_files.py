"""A file system in memory that forgets what was not synced, and fails when it is told to."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Directory:
    """Names as a process sees them, and as they are after a crash."""

    entries: dict[str, Directory | bytearray] = field(default_factory=dict)
    durable: dict[str, Directory | bytearray] = field(default_factory=dict)

    def crash(self) -> None:
        self.entries = dict(self.durable)
        for entry in self.entries.values():
            if isinstance(entry, Directory):
                entry.crash()


class MemoryFiles:
    """See ``storage.files.FileSystem``, without its lock; a hard link is the same bytearray.

    ``fail_at`` counts down the calls that change something; the one that reaches 0 fails with
    ``failure``, half done where it can be.
    """

    def __init__(self) -> None:
        self.root = Directory()
        self.fail_at = -1
        self.failure: BaseException = Crash()
        self.links = True
        self.written: list[str] = []

    def crash(self) -> None:
        self.fail_at = -1
        self.root.crash()

    def read(self, path: Path) -> bytes:
        entry = self._directory(path.parent).entries.get(path.name)
        if not isinstance(entry, bytearray):
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return bytes(entry)

    def write(self, path: Path, pieces: Iterable[bytes]) -> None:
        data = bytearray(b"".join(pieces))
        entries = self._directory(path.parent).entries
        if path.name in entries:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        if self._fails():
            entries[path.name] = data[: len(data) // 2]
            raise self.failure
        entries[path.name] = data
        self.written.append(path.name)

    def size(self, path: Path) -> int:
        return len(self.read(path))

    def link(self, old: Path, new: Path) -> None:
        self._change()
        if not self.links:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        self._directory(new.parent).entries[new.name] = self._directory(old.parent).entries[
            old.name
        ]

    def rename(self, old: Path, new: Path) -> None:
        self._change()
        target = self._directory(new.parent).entries
        if isinstance(there := target.get(new.name), Directory) and there.entries:
            raise OSError(errno.ENOTEMPTY, "Directory not empty", str(new))
        target[new.name] = self._directory(old.parent).entries.pop(old.name)

    def names(self, directory: Path) -> list[str]:
        try:
            return sorted(self._directory(directory).entries)
        except FileNotFoundError:
            return []

    def make_directory(self, path: Path) -> None:
        self._change()
        here = self.root
        for name in path.parts[1:]:
            here = here.entries.setdefault(name, Directory())

    def remove_tree(self, path: Path) -> None:
        entries = self._directory(path.parent).entries
        if path.name not in entries:
            raise FileNotFoundError(errno.ENOENT, "No such directory", str(path))
        if self._fails():
            inside = entries[path.name].entries
            for name in sorted(inside)[::2]:
                del inside[name]
            raise self.failure
        del entries[path.name]

    def sync_directory(self, path: Path) -> None:
        self._change()
        directory = self._directory(path)
        directory.durable = dict(directory.entries)

    def _change(self) -> None:
        if self._fails():
            raise self.failure

    def _fails(self) -> bool:
        self.fail_at -= 1
        return self.fail_at == 0

    def _directory(self, path: Path) -> Directory:
        here = self.root
        for name in path.parts[1:]:
            found = here.entries.get(name)
            if not isinstance(found, Directory):
                raise FileNotFoundError(errno.ENOENT, "No such directory", str(path))
            here = found
        return here
