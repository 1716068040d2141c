"""A server to measure: one that runs, or one of its own in another process."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from headcount_client.client import Client
from headcount_client.demo.server import ServerDidNotStart, running

from headcount_bench.faults import FAILED, UNREACHABLE, BenchFault

REACH_S = 3.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        pid: of its process, where that is on this machine; else None.
        start_s: from the start of its process until it answered; 0 where it ran already.
    """

    address: str
    pid: int | None
    start_s: float = 0.0

    def cpu_s(self) -> float:
        """Seconds that its process has used the processor for; 0 where that isn't known."""
        if self.pid is None:
            return 0.0
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


def running_at(address: str, pid: int | None) -> Server:
    """A server that runs.

    Raises:
        BenchFault: nothing answers there, or there is no such process.
    """
    with Client(address) as client:
        if not client.reaches(REACH_S):
            raise BenchFault(
                f"no server answers at {address}: start one with `headcount serve`, or leave"
                " --address out to measure a server of its own",
                UNREACHABLE,
            )
    if pid is not None and not psutil.pid_exists(pid):
        raise BenchFault(f"there is no process {pid}")
    return Server(address, pid)


@contextmanager
def serving(data: Path, options: Sequence[str] = ()) -> Generator[Server]:
    """A server of its own on a free loopback port, stopped at the end.

    Args:
        data: its data directory.
        options: more of ``headcount serve``.

    Raises:
        BenchFault: it didn't start; what it said is on standard error.
    """
    begin = time.perf_counter()
    try:
        with running(data, options) as started:
            yield Server(started.address, started.pid, time.perf_counter() - begin)
    except ServerDidNotStart as error:
        raise BenchFault(str(error), FAILED) from None
