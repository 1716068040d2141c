"""Progress on a terminal, with rates; nothing where standard error is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def bars(totals: Mapping[str, int]) -> Generator[Callable[[str, int], None], None, None]:
    """A bar for each name; yields what is told a name and how much more of it is done."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(),
    ) as shown:  # fmt: skip
        tasks = {
            name: shown.add_task(name, total=total, rate="", start=False)
            for name, total in totals.items()
        }

        def advance(name: str, amount: int) -> None:
            task = shown.tasks[tasks[name]]
            if task.start_time is None:
                shown.start_task(tasks[name])
            shown.update(tasks[name], advance=amount, rate=f"{task.speed or 0:,.0f}/s")

        yield advance
