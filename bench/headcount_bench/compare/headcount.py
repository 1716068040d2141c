"""Headcount's engine in this process, loaded from the files, or from a snapshot of the last run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from headcount_server.core.audience import Audience
from headcount_server.core.schema import AttributeType

from headcount_bench.compare.algebra import Answer
from headcount_bench.inprocess.asking import Answer as Asked
from headcount_bench.inprocess.asking import asker, forget
from headcount_bench.inprocess.keeping import leave, newest
from headcount_bench.inprocess.loading import load
from headcount_bench.inprocess.memory import by_index
from headcount_bench.workload.dataset import AUDIENCE, Dataset
from headcount_bench.workload.questions import QUESTIONS

COLD, WARM = "cold", "warm"


class Headcount:
    """The engine with one data set.

    Args:
        data: checked already.
        kept: directory where a snapshot stays for the next run; None: nowhere.
    """

    name = "Headcount"

    def __init__(self, data: Dataset, kept: Path | None) -> None:
        begin = time.perf_counter()
        self.audience = _loaded(data, kept)
        self.load_s = time.perf_counter() - begin
        now_us = data.manifest.as_of_us
        self._askers = {one.id: asker(self.audience, one, now_us) for one in QUESTIONS}

    def answer(self, name: str) -> Answer:
        """The answer in the terms of the comparison."""
        return _plain(self._askers[name]())

    def ask(self, name: str, way: str) -> float:
        """Milliseconds that an ask took; forgetting before it isn't timed."""
        if way == COLD:
            forget(self.audience, blocks=False)
        return timed(self._askers[name])

    def held(self) -> dict[str, int]:
        """Bytes of all, and of what answers alone are made of.

        Bitmaps elsewhere have neither keys nor texts nor the events one by one.
        """
        whole = by_index(self.audience)
        text = AttributeType.TEXT
        kept = (one for one in self.audience.attributes.values() if one.schema.type is not text)
        indexes = sum(sum(index.nbytes().values()) for index in kept)
        return {"all": sum(whole.values()), "indexes": indexes + whole["roll-ups"]}


def timed(ask: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    begin = time.perf_counter_ns()
    ask()
    return (time.perf_counter_ns() - begin) / 1e6


def _loaded(data: Dataset, kept: Path | None) -> Audience:
    """From the snapshot of a run before, else from the files, which leaves one where it is kept."""
    if kept is None:
        return load(data, _silent).audience
    state = newest(data, kept)
    if state is None:
        state = load(data, _silent).state
        leave(state, data, kept)
    return state.audience(AUDIENCE)


def _silent(what: str, rows: int) -> None:
    """Nobody is told."""


def _plain(answer: Asked) -> Answer:
    match answer:
        case int():
            return (answer,)
        case dict():
            return tuple(count for _, count in sorted(answer.items()) if count)
        case _:
            return tuple(n for place, row in enumerate(answer) for n in row[place:])
