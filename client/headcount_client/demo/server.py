"""A server as a process of its own, for as long as somebody needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headcount_client.errors import HeadcountError

_STOP_S = 120.0


class ServerDidNotStart(HeadcountError):
    """A server ended before it was ready; what it said is on standard error."""


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers.

    Attributes:
        address: where.
        pid: of its process.
    """

    address: str
    pid: int


@contextmanager
def running(data: Path, more: Sequence[str] = ()) -> Generator[Started]:
    """Start a server on a free loopback port; it is stopped, and keeps its data, at the end.

    Args:
        data: its data directory.
        more: more options of ``headcount serve``.

    Raises:
        ServerDidNotStart: it didn't start; what it said is on standard error.
    """
    options = ["--data", str(data), "--listen", "127.0.0.1:0", "--log-level", "warning", *more]
    process = subprocess.Popen(
        [sys.executable, "-m", "headcount_client", "serve", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the caller, who then stops the server
    )
    try:
        yield Started(_address(process), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    """The last word of the line that a server prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.strip():
        raise ServerDidNotStart(f"the server didn't start (it ended with {process.wait(_STOP_S)})")
    return line.split()[-1]
