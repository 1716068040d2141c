"""Measurements of the engine at several sizes, each in a process of its own.

Data sets are generated where they are missing. What was measured before can be taken from files of
raw results.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.inprocess.run import needed_bytes
from headcount_bench.resources import require_disk, require_memory
from headcount_bench.sizes import name_size
from headcount_bench.workload.dataset import manifest_file
from headcount_bench.workload.generate import Plan, check

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """One size to measure, with the directory of its data set."""

    subscribers: int
    events_per_subscriber: float
    directory: Path

    @property
    def events(self) -> int:
        """About how many."""
        return round(self.subscribers * self.events_per_subscriber)

    @property
    def name(self) -> str:
        """For people."""
        return self.directory.name


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one size: the lines of ``headcount-bench engine``."""

    load: Line
    questions: Sequence[Line]
    snapshot: Line | None

    @property
    def subscribers(self) -> int:
        """How many."""
        return self.load["subscribers"]

    @property
    def events(self) -> int:
        """How many."""
        return self.load["events"]

    @property
    def lines(self) -> list[Line]:
        """All of them."""
        return [self.load, *([self.snapshot] if self.snapshot else []), *self.questions]


def sizes_of(numbers: Iterable[int], events_per_subscriber: float, root: Path) -> list[Size]:
    """Sizes with data sets below a directory: ``100k``, ``1m``, and ``50m-attributes``."""
    ending = "" if events_per_subscriber else "-attributes"
    return [
        Size(number, events_per_subscriber, root / f"{name_size(number)}{ending}")
        for number in numbers
    ]


def require_room(sizes: Iterable[Size], seed: int) -> None:
    """Raises BenchFault, before any runs, where memory or disk is too little for one of them."""
    missing = 0
    for size in sizes:
        what = f"measuring {size.subscribers:,} subscribers"
        require_memory(needed_bytes(size.subscribers, size.events), what)
        if not manifest_file(size.directory).exists():
            plan = Plan(size.subscribers, size.events_per_subscriber, seed, size.directory)
            check(plan)
            missing += plan.disk_bytes
            require_disk(size.directory, missing, "the data sets")


def measure_at(size: Size, seed: int, repeats: int) -> Point:
    """Generates the data set where it is missing, and measures, each in a process of its own.

    Raises:
        BenchFault: a process failed; with what it said.
    """
    if not manifest_file(size.directory).exists():
        _run(
            "generate", "--subscribers", str(size.subscribers), "--events-per-subscriber",
            str(size.events_per_subscriber), "--seed", str(seed), "--out", str(size.directory),
        )  # fmt: skip
    told = _run(
        "engine", "--data", str(size.directory), "--repeats", str(repeats), "--disk", "--json"
    )
    return points_of(map(json.loads, told.splitlines()))[0]


def points_of(lines: Iterable[Line]) -> list[Point]:
    """The points of raw results; of a size that was measured several times the last one.

    Runs that started from a snapshot are left out, since they say nothing of loading.
    """
    found: dict[tuple[int, bool], dict[str, Any]] = {}
    for line in lines:
        if line.get("command") not in ("engine", "growth") or line.get("started"):
            continue
        key = line["subscribers"], bool(line["events"])
        if line["result"] == "load":
            found[key] = {"load": line, "questions": [], "snapshot": None}
        elif key in found and line["result"] == "snapshot":
            found[key]["snapshot"] = line
        elif key in found:
            found[key]["questions"].append(line)
    return [Point(**parts) for _, parts in sorted(found.items())]


def read_points(files: Iterable[Path]) -> list[Point]:
    """The points of files of raw results.

    Raises:
        BenchFault: a file can't be read.
    """
    lines: list[Line] = []
    for file in files:
        try:
            lines += [json.loads(line) for line in file.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise BenchFault(f"{file}: it holds no raw results: {error}") from None
    return points_of(lines)


def measure_all(
    sizes: Sequence[Size],
    known: Sequence[Point],
    seed: int,
    repeats: int,
    tell: Callable[[str], None],
    keep: Callable[[Point], None] = lambda point: None,
) -> list[Point]:
    """A point for each size, measured now where it isn't known; ``keep`` is told each at once."""
    before = {(point.subscribers, bool(point.events)): point for point in known}
    wanted = [(size, before.get((size.subscribers, size.events > 0))) for size in sizes]
    require_room([size for size, point in wanted if point is None], seed)
    points: list[Point] = []
    for size, point in wanted:
        if point is None:
            tell(f"{size.name}: measuring")
            point = measure_at(size, seed, repeats)  # noqa: PLW2901
        keep(point)
        points.append(point)
    return points


def _run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headcount_bench", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().removeprefix("error: ") or f"it ended with {done.returncode}"
        code = done.returncode if done.returncode > 0 else FAILED
        raise BenchFault(f"headcount-bench {arguments[0]}: {said}", code)
    return done.stdout
