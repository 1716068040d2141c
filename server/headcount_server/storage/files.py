"""The file system as storage uses it: one seam for all calls, so that tests can stand in for it.

What is written is durable only after its sync: a file's bytes after ``write`` (which syncs), its
name after ``sync_directory`` of its directory. ``rename`` is atomic. Paths are absolute or relative
to the process's directory; errors are ``OSError``, as the system gives them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from headcount_server.errors import InUse

Piece = bytes | memoryview


class Lock(Protocol):
    """A lock that is held until it is released, or the process ends."""

    def release(self) -> None:
        """Give it back. Once."""
        ...


class AppendFile(Protocol):
    """A file that grows at its end. After an OSError of ``write`` or ``sync`` nobody knows what of
    it is on disk beyond what was synced before.
    """

    def write(self, data: Piece) -> None:
        """Adds all of the bytes; part of them may be there after an error."""
        ...

    def sync(self) -> None:
        """Makes the bytes durable; an error is never to be tried again on the same file."""
        ...

    def truncate(self, size: int) -> None:
        """Cuts it to a size; the next bytes go there."""
        ...

    def close(self) -> None:
        """Ends it. Once."""
        ...


class FileSystem(Protocol):
    """Every call that storage makes."""

    def read(self, path: Path) -> bytes:
        """The whole file."""
        ...

    def read_start(self, path: Path, size: int) -> bytes:
        """The first bytes of a file, fewer where it has fewer."""
        ...

    def append_to(self, path: Path) -> AppendFile:
        """A new, empty file to add to; FileExistsError where there is one."""
        ...

    def cut(self, path: Path, size: int) -> None:
        """Cuts a file to a size, synced."""
        ...

    def remove(self, path: Path) -> None:
        """Removes a file."""
        ...

    def write(self, path: Path, pieces: Iterable[Piece]) -> None:
        """A new file of these bytes, synced; FileExistsError where there is one."""
        ...

    def size(self, path: Path) -> int:
        """Bytes of a file; FileNotFoundError where there is none."""
        ...

    def link(self, old: Path, new: Path) -> None:
        """A second name for a file; OSError where the file system has no such thing."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Another name, atomically."""
        ...

    def names(self, directory: Path) -> list[str]:
        """Names in a directory, ascending; of none where there is no such directory."""
        ...

    def make_directory(self, path: Path) -> None:
        """A directory and those above it; those that exist stay as they are."""
        ...

    def remove_tree(self, path: Path) -> None:
        """Removes a directory with all in it."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Makes the names in a directory durable."""
        ...

    def lock(self, path: Path) -> Lock:
        """Takes the lock that a file stands for; creates the file.

        Raises:
            InUse: somebody else holds it.
        """
        ...


class OsFileSystem:
    """The file system of the machine."""

    def read(self, path: Path) -> bytes:
        """See FileSystem."""
        return path.read_bytes()

    def read_start(self, path: Path, size: int) -> bytes:
        """See FileSystem."""
        with path.open("rb") as file:
            return file.read(size)

    def append_to(self, path: Path) -> AppendFile:
        """See FileSystem."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return _OsAppendFile(os.open(path, flags, 0o644))

    def cut(self, path: Path, size: int) -> None:
        """See FileSystem."""
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def remove(self, path: Path) -> None:
        """See FileSystem."""
        path.unlink()

    def write(self, path: Path, pieces: Iterable[Piece]) -> None:
        """See FileSystem."""
        with path.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())

    def size(self, path: Path) -> int:
        """See FileSystem."""
        return path.stat().st_size

    def link(self, old: Path, new: Path) -> None:
        """See FileSystem."""
        os.link(old, new)

    def rename(self, old: Path, new: Path) -> None:
        """See FileSystem."""
        old.rename(new)

    def names(self, directory: Path) -> list[str]:
        """See FileSystem."""
        try:
            return sorted(os.listdir(directory))
        except FileNotFoundError:
            return []

    def make_directory(self, path: Path) -> None:
        """See FileSystem."""
        path.mkdir(parents=True, exist_ok=True)

    def remove_tree(self, path: Path) -> None:
        """See FileSystem."""
        shutil.rmtree(path)

    def sync_directory(self, path: Path) -> None:
        """See FileSystem."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: Path) -> Lock:
        """See FileSystem. An advisory lock (flock), which ends with the process."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise _locked(path, holder) from error
        return _HeldLock(descriptor)


class _OsAppendFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: Piece) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        # macOS keeps fsync'ed bytes in the drive's cache, and has no fdatasync.
        full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:
            fcntl.fcntl(self._descriptor, full)
        else:
            os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)

    def close(self) -> None:
        os.close(self._descriptor)


class _HeldLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


def _locked(path: Path, holder: str) -> InUse:
    by = f" (process {holder})" if holder.isdigit() else ""
    return InUse(
        f"data directory {path.parent} is in use by another Headcount{by}:"
        " stop it, or ask it through --address",
        directory=str(path.parent),
        process=holder,
    )
