"""The log as the event loop sees it: its writer in a thread of its own, one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from headcount_server.codec.commands import encode_command
from headcount_server.codec.log import LogRecord
from headcount_server.core.commands import Logged
from headcount_server.storage.log import LogWriter

T = TypeVar("T")
Entry = tuple[str, int, Logged]  # audience, its revision after the command, the command


class Journal:
    """A log's writer.

    Attributes:
        log_id: of the log, in hexadecimal.
    """

    def __init__(self, writer: LogWriter) -> None:
        self.log_id = writer.log_id.hex()
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "headcount-log")

    async def append(self, entries: Sequence[Entry]) -> None:
        """Returns when the commands are as durable as was asked for; raises OSError if not."""
        await self._run(lambda: self._writer.append([_record(*entry) for entry in entries]))

    async def flush(self) -> None:
        """Makes durable what isn't; raises OSError if it can't be."""
        if self._writer.kept_bytes:
            await self._run(self._writer.flush)

    async def rotate(self) -> None:
        """Goes on in a new segment; raises OSError if it can't."""
        await self._run(self._writer.rotate)

    async def resume(self) -> None:
        """Goes on after a failure; raises OSError while writing doesn't work."""
        await self._run(self._writer.resume)

    async def forget(self, position: int) -> None:
        """Removes what a snapshot has; raises OSError if it can't."""
        await self._run(lambda: self._writer.forget(position))

    async def close(self) -> None:
        """Ends it, durable; raises OSError if that can't be."""
        try:
            await self._run(self._writer.close)
        finally:
            self._thread.shutdown()

    @property
    def first(self) -> int:
        """Position of the oldest command that the log may have."""
        return self._writer.first

    @property
    def written_bytes(self) -> int:
        """Bytes appended since it was opened."""
        return self._writer.written_bytes

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _record(audience: str, revision: int, command: Logged) -> LogRecord:
    return LogRecord(audience, revision, encode_command(command))
