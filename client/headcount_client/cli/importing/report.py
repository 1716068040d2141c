"""What an import tells while it runs: progress, and the lines that it leaves out."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from headcount_client.cli.importing.chunks import Rejected

SHOWN_MAX = 10  # bad lines of a file told on standard error
_COLUMNS = ("file", "line", "reason", "content")


class RejectFile:
    """A CSV file of the lines that are left out: file, line, reason, content."""

    def __init__(self, path: Path | None) -> None:
        self._file: Any = None
        if path is not None:
            self._file = path.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(_COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def write(self, file: str, rejected: Rejected) -> None:
        """Write a line."""
        if self._file is not None:
            self._writer.writerow((file, rejected.line, rejected.reason, rejected.content))


class Complaints:
    """Tells the first bad lines of a file on standard error, and how many more there are."""

    def __init__(self, file: str, rejects: RejectFile) -> None:
        self._file = file
        self._rejects = rejects
        self._count = 0
        self._console = Console(stderr=True, highlight=False, no_color=not sys.stderr.isatty())

    def add(self, rejected: Rejected) -> None:
        """Take a bad line."""
        self._rejects.write(self._file, rejected)
        self._count += 1
        if self._count <= SHOWN_MAX:
            line = f"{self._file}:{rejected.line}: {rejected.reason}"
            self._console.print(line, markup=False, soft_wrap=True)

    def end(self) -> None:
        """Tell how many weren't told."""
        if self._count > SHOWN_MAX:
            hint = "" if self._rejects.is_open else "; --reject-file FILE keeps them all"
            more = f"… and {self._count - SHOWN_MAX:,} more bad lines{hint}"
            self._console.print(more, markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Rows so far, and rows a second."""

    def render(self, task: Task) -> Text:
        """The column."""
        rows = int(task.fields.get("rows", 0))
        elapsed = task.finished_time or task.elapsed or 0
        rate = f"  {rows / elapsed:,.0f} rows/s" if elapsed else ""
        return Text(f"{rows:,} rows{rate}")


def progress_bar() -> Progress:
    """A bar for each file, on a terminal only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
