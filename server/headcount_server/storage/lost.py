"""What a salvage gave up: ``lost-N`` in the data directory, which nobody reads.

Each has a file ``FROM`` that says since when what it holds was written, so that it can be removed
when somebody was erased after that. Where that file is missing nobody knows: it may hold anybody.
"""

from __future__ import annotations

import logging
import re
from itertools import count
from pathlib import Path

from headcount_server.storage.files import FileSystem

_NAME = re.compile(r"lost-[0-9]+")
_FROM = "FROM"
_MICROS = re.compile(rb"[0-9]{1,18}\n")
_log = logging.getLogger(__name__)


class LostFiles:
    """The directories of what was given up.

    Args:
        files: the file system.
        directory: the data directory, which is locked by the caller.
    """

    def __init__(self, files: FileSystem, directory: Path) -> None:
        self._files = files
        self._directory = directory

    def make(self, from_us: int) -> Path:
        """A new directory; its name is durable once the data directory is synced.

        Args:
            from_us: microseconds since 1970 of the first write of what it is to hold; 0: unknown.
        """
        names = self._files.names(self._directory)
        path = self._directory / next(n for i in count(1) if (n := f"lost-{i}") not in names)
        self._files.make_directory(path)
        self._files.write(path / _FROM, [f"{max(0, from_us)}\n".encode()])
        return path

    def remove(self, before_us: int) -> None:
        """Removes those that may hold what was written before a time."""
        doomed = [n for n in self._files.names(self._directory) if _NAME.fullmatch(n)]
        doomed = [name for name in doomed if self._from_us(name) < before_us]
        for name in doomed:
            _log.info("removing %s, which may hold persons who were erased since", name)
            self._files.remove_tree(self._directory / name)
        if doomed:
            self._files.sync_directory(self._directory)

    def _from_us(self, name: str) -> int:
        if _FROM not in self._files.names(self._directory / name):
            return 0
        text = self._files.read(self._directory / name / _FROM)
        return int(text) if _MICROS.fullmatch(text) else 0
