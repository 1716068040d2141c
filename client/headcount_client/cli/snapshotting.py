"""How far the server is with a snapshot, on a terminal while a command waits for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from headcount_client.client import Client
from headcount_client.errors import HeadcountError

_EVERY_S = 0.25  # between two looks; a status is cheap


@contextmanager
def followed(client: Client, console: Console | None = None) -> Generator[None]:
    """Shows a bar of the snapshot that the server writes, until the block is left.

    Args:
        client: of the server; asked for its status in a thread.
        console: where to; by default standard error, where that is a terminal.
    """
    if console is None:
        if not sys.stderr.isatty():
            yield
            return
        console = Console(stderr=True)
    ended = threading.Event()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(), console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("writing a snapshot", total=None, told="")
        thread = threading.Thread(target=_follow, args=(client, bar, task, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _follow(client: Client, bar: Progress, task: TaskID, ended: threading.Event) -> None:
    while not ended.wait(_EVERY_S):
        try:
            found = client.get_server_status().snapshot_progress
        except HeadcountError:
            continue  # whoever waits for the snapshot is told
        if found is None:
            continue
        done, total = found.written_count, found.audience_count
        # Of a single audience nothing is known but that it is being written.
        bar.update(
            task,
            description=f"writing snapshot {found.snapshot}",
            completed=done,
            total=total if total > 1 else None,
            told=f"{done} of {total} audience{'' if total == 1 else 's'}",
        )
