"""A pytest plugin that moves the boundary of every comparison of the core, one at a time.

    python -m pytest -p tests.mutation.boundaries -p no:xdist tests/unit tests/meaning ...

All tests run once, and what each reaches is noted. Then every comparison gets a process of its own,
forked from this one, in which it is moved (`>=` to `>`, and so on) and the tests that reach it run,
those that reach least first, until one fails. What survives and isn't in `equivalent.tsv` fails the
run. A general tool starts Python and collects the tests once for each mutant: minutes instead of a
fraction of a second here.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.comparisons import SWITCH, Place, survivors_listed, switchable

EQUIVALENT = Path(__file__).with_name("equivalent.tsv")
FAILED, SURVIVED = 1, 0


@dataclass
class _Run:
    """What is known while modules are loaded and tests run."""

    places: list[Place] = field(default_factory=list)
    reached: set[int] = field(default_factory=set)
    moved: int | None = None

    def is_moved(self, number: int) -> bool:
        self.reached.add(number)
        return number == self.moved


_RUN = _Run()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("boundaries")
    group.addoption("--boundaries-below", default="headcount_server/core/", help="folder")
    group.addoption("--boundaries-of", default="", help="part of a path below it")
    group.addoption("--boundary-seconds", type=float, default=15, help="of tests for each")
    group.addoption("--boundaries-known", default=str(EQUIVALENT), help="list of survivors")


def pytest_configure(config: pytest.Config) -> None:
    folder, part = config.getoption("--boundaries-below"), config.getoption("--boundaries-of")
    sys.dont_write_bytecode = True
    sys.pycache_prefix = tempfile.mkdtemp(prefix="boundaries-")  # nothing compiled before counts
    setattr(builtins, SWITCH, _RUN.is_moved)
    compiled = importlib.machinery.SourceFileLoader.source_to_code

    def source_to_code(self: Any, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        _, below, name = str(path).rpartition(folder)
        if not below or part not in name:
            return compiled(self, data, path)
        tree, places = switchable(data, name, len(_RUN.places))
        _RUN.places.extend(places)
        return compile(tree, path, "exec", dont_inherit=True)

    importlib.machinery.SourceFileLoader.source_to_code = source_to_code  # type: ignore[method-assign]


def pytest_runtestloop(session: pytest.Session) -> bool:
    took: dict[int, float] = {}
    reaching: dict[int, set[int]] = {}
    for number, item in enumerate(session.items):
        _RUN.reached.clear()
        began = time.perf_counter()
        if not _passes(item):
            raise session.Failed(f"{item.nodeid} fails with nothing moved")
        took[number] = time.perf_counter() - began
        reaching[number] = set(_RUN.reached)
    tests: dict[int, list[int]] = {place: [] for place in range(len(_RUN.places))}
    for number in sorted(took, key=lambda at: took[at] * len(reaching[at])):
        for place in reaching[number]:
            tests[place].append(number)
    known = survivors_listed(Path(session.config.getoption("--boundaries-known")).read_text())
    open_places = [at for at, place in enumerate(_RUN.places) if place.key not in known]
    seconds = session.config.getoption("--boundary-seconds")
    failed = 0
    print(
        f"\n{len(_RUN.places)} boundaries, {len(_RUN.places) - len(open_places)} known", flush=True
    )
    for at, result in _each(open_places, tests, session.items, seconds):
        if result == SURVIVED:
            failed += 1
            place = _RUN.places[at]
            print(
                f"survived {len(tests[at])} tests: {place.path}:{place.line} "
                f"{place.function}: {place.comparison}", flush=True,
            )  # fmt: skip
    print(f"{len(open_places) - failed} of {len(open_places)} boundaries moved failed a test")
    session.testsfailed = failed
    return True


def _each(
    places: list[int], tests: dict[int, list[int]], items: list[pytest.Item], seconds: float
) -> Iterator[tuple[int, int]]:
    """Each place and its result, as many at a time as there are processors."""
    running: dict[int, int] = {}
    for place in places:
        if len(running) >= (os.cpu_count() or 1):
            yield _ended(running)
        if not (child := os.fork()):
            os._exit(_moved(place, [items[number] for number in tests[place]], seconds))
        running[child] = place
    while running:
        yield _ended(running)


def _ended(running: dict[int, int]) -> tuple[int, int]:
    child, status = os.wait()
    return running.pop(child), os.waitstatus_to_exitcode(status)


def _moved(place: int, items: list[pytest.Item], seconds: float) -> int:
    """Of the forked process. A test that hangs is ended by the alarm, and has failed."""
    signal.alarm(int(seconds * 3) + 1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    _RUN.moved = place
    until = time.perf_counter() + seconds
    try:
        for item in items:
            if not _passes(item):
                return FAILED
            if time.perf_counter() > until:
                break
    except BaseException:
        return FAILED
    return SURVIVED


def _passes(item: pytest.Item) -> bool:
    again = getattr(item, "_initrequest", None)
    if again is not None:
        again()
    return not any(report.failed for report in runtestprotocol(item, nextitem=None, log=False))
