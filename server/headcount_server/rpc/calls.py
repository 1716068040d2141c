"""What a handler knows of its call, and where long work is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from headcount_server.errors import InvalidInput, Violation

INLINE_BYTES_MAX = 32 << 10  # longer texts and messages are read in a thread
WAIT_S_MAX = 60.0  # for a revision, where the call has no deadline
_ANSWER_S = 0.1  # left to answer in, of what a deadline leaves

P = ParamSpec("P")
T = TypeVar("T")


class Timed(Protocol):
    """What ends at a deadline; ``grpc.aio.ServicerContext`` is one."""

    def time_remaining(self) -> float | None:
        """Seconds to the deadline; None without one."""
        ...

    def peer(self) -> str:
        """Who calls: ``ipv4:127.0.0.1:54321``, ``ipv6:…`` or ``unix:…``."""
        ...


class Call:
    """One call as its handler sees it.

    Attributes:
        raw: the bytes of its request; empty for a stream of them.
    """

    __slots__ = ("_context", "raw")

    def __init__(self, context: Timed, raw: bytes = b"") -> None:
        self._context = context
        self.raw = raw

    @property
    def client(self) -> str:
        """Who calls, for limits: the address without its port."""
        peer = self._context.peer()
        return peer if peer.startswith("unix") else peer.rpartition(":")[0]

    def wait_s(self) -> float:
        """How long the handler may wait and still answer before the deadline."""
        remaining = self._context.time_remaining()
        if remaining is None:
            return WAIT_S_MAX
        return max(remaining - _ANSWER_S, remaining / 2, 0.0)


class Threads:
    """Threads for work that would keep other calls waiting.

    A thread or two read what is long, and hold the interpreter in slices. Others do what leaves the
    interpreter alone: one fewer than there are processors, so that calls have one to themselves.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="headcount-rpc")
        beside = max((os.cpu_count() or 1) - 1, 1)
        self._apart = ThreadPoolExecutor(max_workers=beside, thread_name_prefix="headcount-apart")

    async def run(self, size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``work``, done here if ``size`` (bytes to read) is small."""
        if size <= INLINE_BYTES_MAX:
            return work(*args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))

    async def apart(self, work: Callable[[], None]) -> None:
        """Returns when work is done that lets go of the interpreter; raises what it raises."""
        await asyncio.get_running_loop().run_in_executor(self._apart, work)

    def close(self) -> None:
        """Drops what hasn't begun; O(1)."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._apart.shutdown(wait=False, cancel_futures=True)


def require(**fields: object) -> None:
    """Raise InvalidInput naming every field that is empty.

    Args:
        fields: path to value; ``__`` in a path stands for ``.``.
    """
    missing = tuple(
        Violation(name.replace("__", "."), f"{name.replace('__', '.')} is missing", "MISSING")
        for name, value in fields.items()
        if not value
    )
    if missing:
        names = ", ".join(violation.field for violation in missing)
        raise InvalidInput(f"required and missing: {names}", missing)
