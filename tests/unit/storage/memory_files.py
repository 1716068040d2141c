"""A file system in memory that forgets what was not synced, and fails when it is told to."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


class Crash(BaseException):
    """The process ends here."""


class Content(bytearray):
    """A file's bytes as a process sees them; the first ``durable`` are there after a crash."""

    durable = 0


@dataclass
class Directory:
    """Names as a process sees them, and as they are after a crash."""

    entries: dict[str, Directory | Content] = field(default_factory=dict)
    durable: dict[str, Directory | Content] = field(default_factory=dict)

    def crash(self, torn: int) -> None:
        self.entries = dict(self.durable)
        for entry in self.entries.values():
            if isinstance(entry, Directory):
                entry.crash(torn)
            else:
                del entry[entry.durable + torn :]
                entry.durable = len(entry)


class MemoryFiles:
    """See ``storage.files.FileSystem``, without its lock; a hard link is the same content.

    ``fail_at`` counts down the calls that change something; the one that reaches 0 fails with
    ``failure``, half done where it can be, and so do those after it while ``stays_broken``.
    ``room`` is how many bytes the disk still takes; None: any.
    """

    def __init__(self) -> None:
        self.root = Directory()
        self.fail_at = -1
        self.failure: BaseException = Crash()
        self.stays_broken = False
        self.room: int | None = None
        self.links = True
        self.written: list[str] = []

    def crash(self, torn: int = 0) -> None:
        """Forgets what was not synced, but for ``torn`` bytes of what every file had of it."""
        self.fail_at = -1
        self.stays_broken = False
        self.root.crash(torn)

    def read(self, path: Path) -> bytes:
        return bytes(self.content(path))

    def read_start(self, path: Path, size: int) -> bytes:
        return bytes(self.content(path)[:size])

    def write(self, path: Path, pieces: Iterable[bytes]) -> None:
        data = b"".join(pieces)
        fails = self._fails()
        content = self._new(path)
        if fails:
            content.extend(data[: len(data) // 2])
            raise self.failure
        self._take_room(content, data)
        content.durable = len(content)
        self.written.append(path.name)

    def append_to(self, path: Path) -> MemoryAppendFile:
        self._change()
        return MemoryAppendFile(self, self._new(path))

    def cut(self, path: Path, size: int) -> None:
        self._change()
        content = self.content(path)
        del content[size:]
        content.durable = len(content)

    def remove(self, path: Path) -> None:
        self._change()
        self.content(path)
        del self._directory(path.parent).entries[path.name]

    def size(self, path: Path) -> int:
        return len(self.content(path))

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

    def content(self, path: Path) -> Content:
        """The bytes of a file, to be looked at or damaged."""
        entry = self._directory(path.parent).entries.get(path.name)
        if not isinstance(entry, Content):
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return entry

    def add(self, content: Content, data: bytes) -> None:
        """What a write at the end does."""
        if self._fails():
            content.extend(data[: len(data) // 2])
            raise self.failure
        self._take_room(content, data)

    def make_durable(self, content: Content) -> None:
        """What a sync does."""
        self._change()
        content.durable = len(content)

    def shorten(self, content: Content, size: int) -> None:
        """What a truncation does."""
        self._change()
        del content[size:]
        content.durable = min(content.durable, size)

    def _new(self, path: Path) -> Content:
        entries = self._directory(path.parent).entries
        if path.name in entries:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        content = entries[path.name] = Content()
        return content

    def _take_room(self, content: Content, data: bytes) -> None:
        if self.room is not None and len(data) > self.room:
            content.extend(data[: self.room])
            self.room = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.room is not None:
            self.room -= len(data)
        content.extend(data)

    def _change(self) -> None:
        if self._fails():
            raise self.failure

    def _fails(self) -> bool:
        self.fail_at -= 1
        return self.fail_at == 0 or (self.stays_broken and self.fail_at < 0)

    def _directory(self, path: Path) -> Directory:
        here = self.root
        for name in path.parts[1:]:
            found = here.entries.get(name)
            if not isinstance(found, Directory):
                raise FileNotFoundError(errno.ENOENT, "No such directory", str(path))
            here = found
        return here


class MemoryAppendFile:
    """See ``storage.files.AppendFile``."""

    def __init__(self, files: MemoryFiles, content: Content) -> None:
        self._files = files
        self._content = content

    def write(self, data: bytes) -> None:
        self._files.add(self._content, bytes(data))

    def sync(self) -> None:
        self._files.make_durable(self._content)

    def truncate(self, size: int) -> None:
        self._files.shorten(self._content, size)

    def close(self) -> None:
        pass
