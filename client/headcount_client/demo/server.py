"""A server as a process of its own, for as long as the demo runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from headcount_client.errors import HeadcountError

STOP_S = 60.0


@contextmanager
def running(data: Path) -> Generator[str]:
    """Start a server on a free loopback port; it is stopped, and keeps its data, at the end.

    Yields:
        Its address.

    Raises:
        HeadcountError: it didn't start; what it said is on standard error.
    """
    options = ["--data", str(data), "--listen", "127.0.0.1:0", "--log-level", "warning"]
    process = subprocess.Popen(
        [sys.executable, "-m", "headcount_client", "serve", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is the demo's, which then stops the server
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    """The last word of the line that a server prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.strip():
        raise HeadcountError(f"the server didn't start (it ended with {process.wait(STOP_S)})")
    return line.split()[-1]
