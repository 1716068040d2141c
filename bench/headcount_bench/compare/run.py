"""Runs the comparison: one data set, Headcount and the others, interleaved question by question.

Headcount is timed *cold* (no results of earlier asks; roll-ups are there, as the others' indexes
are) and *warm*. Before a question is timed, each engine's answer is compared with Headcount's. Then
the engines take turns, so that whatever else the machine does hits all of them alike.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from headcount_bench.compare.algebra import Answer, Question
from headcount_bench.compare.asked import asked
from headcount_bench.compare.dataset import Dataset, prepare
from headcount_bench.compare.engine import Asked, Engine, Held, Inexpressible, Missing, TimedOut
from headcount_bench.compare.engines import (
    ENGINES,
    HEADCOUNT_EVENT_BYTES,
    HEADCOUNT_SUBSCRIBER_BYTES,
    PROCESS_BYTES,
)
from headcount_bench.compare.headcount import COLD, WARM, Headcount, timed
from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.resources import require_disk, require_memory
from headcount_bench.workload.dataset import Dataset as Generated

HEADCOUNT = Headcount.name
ROUNDS_MIN = 3
SECONDS_MAX = 4.0  # after that, a way that is slow is asked no more of a question
_DISK_SUBSCRIBER_BYTES, _DISK_EVENT_BYTES = 1_500, 400  # prepared files, and engines' own


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compare.

    Attributes:
        engines: names of ``ENGINES``, in the order in which they take turns.
        repeats: rounds of each question.
        timeout_s: how long an engine may take for one answer.
        alone: whether only one of them is loaded at a time, beside Headcount.
        work: where prepared files stay; None: a temporary place.
        is_chosen: whether the engines were named, so that one that isn't installed is an error.
    """

    engines: tuple[str, ...]
    repeats: int
    timeout_s: float
    alone: bool = False
    work: Path | None = None
    is_chosen: bool = False


@dataclass(slots=True)
class Figure:
    """One question asked of one engine in one way.

    Attributes:
        beside: the engines that took turns with it.
        times_ms: in order of time; empty where it wasn't answered.
        why: it wasn't answered: a timeout, or what can't be expressed.
    """

    question: str
    engine: str
    way: str
    beside: str
    answer: Answer = ()
    times_ms: list[float] = field(default_factory=list[float])
    why: str = ""

    @property
    def median_ms(self) -> float:
        """The median time."""
        return float(np.median(self.times_ms))

    @property
    def spread_ms(self) -> tuple[float, float]:
        """The 25th and 75th percentile."""
        low, high = np.percentile(self.times_ms, [25, 75]).tolist()
        return low, high


@dataclass(frozen=True, slots=True)
class Store:
    """What one engine holds for one way, and how long loading all its ways took."""

    engine: str
    way: str
    held: Held
    load_s: float


@dataclass(slots=True)
class Outcome:
    """What a comparison found."""

    figures: list[Figure] = field(default_factory=list[Figure])
    stores: list[Store] = field(default_factory=list[Store])
    missing: list[str] = field(default_factory=list[str])

    def add(self, other: Outcome) -> None:
        """What others that took turns gave; what Headcount holds is told once."""
        own = {(store.engine, store.way) for store in self.stores}
        self.figures += other.figures
        self.stores += [store for store in other.stores if (store.engine, store.way) not in own]
        self.missing += other.missing


Tell = Callable[[str], None]
Keep = Callable[[Outcome], None]


def compare(data: Generated, plan: Plan, tell: Tell, keep: Keep = lambda _: None) -> Outcome:
    """Loads the data set into Headcount and the others and asks all questions.

    Args:
        data: checked already.
        plan: what to compare.
        tell: is told what is being done.
        keep: gets what engines that took turns gave, as soon as they are done.

    Raises:
        BenchFault: too little memory or disk, an engine that was asked for isn't there, or an
            answer differs from Headcount's.
    """
    outcome = Outcome()
    with TemporaryDirectory(prefix="headcount-compare-") as temporary:
        place = plan.work or Path(temporary)
        _require_room(data, plan, place)
        groups = [(name,) for name in plan.engines] if plan.alone else [plan.engines]
        tell("preparing files for the other engines")
        dataset = prepare(data, place / "prepared", Path(temporary))
        tell("loading Headcount")
        peer = Headcount(data, plan.work / "headcount" if plan.work else None)
        questions = asked(peer.audience.schema, data.manifest)
        for group in groups:
            found = _ask_group(group, dataset, questions, peer, plan, tell)
            for place, (part, size) in enumerate(peer.held().items()):
                store = Store(HEADCOUNT, part, Held(size, "memory"), peer.load_s)
                found.stores.insert(place, store)
            keep(found)
            outcome.add(found)
    return outcome


def _ask_group(
    names: Sequence[str],
    data: Dataset,
    questions: dict[str, Question],
    peer: Headcount,
    plan: Plan,
    tell: Tell,
) -> Outcome:
    """Loads some engines, asks them in turns with Headcount, and ends them, whatever happens."""
    outcome = Outcome()
    with _opened(names, plan, outcome, tell) as engines:
        for engine in engines:
            tell(f"loading {engine.name}")
            begin = time.perf_counter()
            engine.load(data, questions)
            seconds = time.perf_counter() - begin
            outcome.stores += [
                Store(engine.name, way, engine.held(way), seconds) for way in engine.ways
            ]
        gc.collect()
        beside = ", ".join(engine.name for engine in engines)
        for name, question in questions.items() if engines else ():
            tell(f"asking {name} beside {beside}")
            outcome.figures += _ask(name, question, engines, peer, plan.repeats, beside)
    return outcome


@contextmanager
def _opened(
    names: Sequence[str], plan: Plan, outcome: Outcome, tell: Tell
) -> Generator[list[Engine], None, None]:
    engines: list[Engine] = []
    try:
        for name in names:
            try:
                engines.append(ENGINES[name].open()(plan.timeout_s))
            except Missing as missing:
                if plan.is_chosen:
                    raise BenchFault(f"it isn't installed: {missing}", FAILED) from None
                outcome.missing.append(str(missing))
                tell(f"left out, since it isn't installed: {missing}")
        yield engines
    finally:
        for engine in engines:
            engine.close()


def _ask(
    name: str,
    question: Question,
    engines: Sequence[Engine],
    peer: Headcount,
    repeats: int,
    beside: str,
) -> list[Figure]:
    """One question, first checked, then timed in turns."""
    truth = peer.answer(name)
    figures: list[Figure] = []
    turns: list[tuple[Figure, Callable[[], float]]] = []
    for way in (COLD, WARM):
        figure = Figure(name, HEADCOUNT, way, beside, truth)
        figures.append(figure)
        turns.append((figure, lambda way=way: peer.ask(name, way)))
    for engine in engines:
        for way in engine.ways:
            figure = Figure(name, engine.name, way, beside, truth)
            figures.append(figure)
            ready = _checked(engine, way, question, figure)
            if ready is not None:
                turns.append((figure, lambda ready=ready: timed(ready)))
    for turn in range(repeats):
        for figure, ask in turns:
            if figure.why or (turn >= ROUNDS_MIN and sum(figure.times_ms) > SECONDS_MAX * 1e3):
                continue
            try:
                figure.times_ms.append(ask())
            except TimedOut:
                figure.why = "timeout"
    return figures


def _checked(engine: Engine, way: str, question: Question, figure: Figure) -> Asked | None:
    """The question made ready, once its answer is seen to be Headcount's; None: no answer."""
    try:
        ready = engine.ask(way, question)
        found = ready()
    except Inexpressible as error:
        figure.why = f"inexpressible: {error}"
        return None
    except TimedOut:
        figure.why = "timeout"
        return None
    if found != figure.answer:
        raise BenchFault(
            f"{figure.question}: {engine.name} ({way}) answers {_shown(found)}, Headcount"
            f" {_shown(figure.answer)}",
            FAILED,
        )
    return ready


def _shown(answer: Answer) -> str:
    if len(answer) == 1:
        return f"{answer[0]:,}"
    return f"{len(answer)} numbers: " + ", ".join(f"{n:,}" for n in answer[:60])


def _require_room(data: Generated, plan: Plan, place: Path) -> None:
    people, events = data.manifest.subscribers, data.manifest.events
    own = people * HEADCOUNT_SUBSCRIBER_BYTES + events * HEADCOUNT_EVENT_BYTES + PROCESS_BYTES
    each = [
        people * ENGINES[name].subscriber_bytes + events * ENGINES[name].event_bytes
        for name in plan.engines
    ]
    needed = own + (max(each, default=0) if plan.alone else sum(each))
    require_memory(needed, f"comparing {people:,} subscribers and {events:,} events")
    disk = people * _DISK_SUBSCRIBER_BYTES + events * _DISK_EVENT_BYTES
    require_disk(place, disk, "files of the other engines")
