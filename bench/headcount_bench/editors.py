"""Editors that type rules at once, each a CountStream that is asked at every keystroke.

A keystroke is due at its time whatever the answers do, and is answered by the first answer to it or
to a later one of its editor, whose question took its place.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections import deque
from dataclasses import asdict, dataclass

from headcount_client import AsyncClient
from headcount_client.count_streams import AsyncCountStream
from headcount_client.demo.loading import AUDIENCE

from headcount_bench.watches import cpu_share, rules

RULES = 400  # different ones, typed in turn


@dataclass(frozen=True, slots=True)
class EditorFigures:
    """What editors saw.

    Attributes:
        editors: how many typed at once.
        keys_per_s: keystrokes of each in a second.
        keystrokes: of all, all answered.
        answers: fewer where a keystroke took the place of one before it.
        cpu: the server's processor time over time, 1.0 for one whole core.
        p50_ms, p99_ms, max_ms: from a keystroke's time to its count.
    """

    editors: int
    keys_per_s: float
    keystrokes: int
    answers: int
    cpu: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    def as_dict(self) -> dict[str, int | float]:
        """Plain values for JSON."""
        return asdict(self)


class _Editor:
    """One stream: types rule after rule, and takes what is answered."""

    def __init__(self, stream: AsyncCountStream, texts: list[str], every_s: float) -> None:
        self.answers = 0
        self.latencies_s: list[float] = []
        self._stream = stream
        self._texts = texts
        self._every_s = every_s
        self._due: deque[tuple[int, float]] = deque()  # sequence and time of what is unanswered

    async def type(self, begin_s: float, count: int) -> None:
        """Types so many characters from a time of ``perf_counter`` on."""
        keystrokes = itertools.cycle(
            text[:length] for text in self._texts for length in range(1, len(text) + 1)
        )
        for number, text in enumerate(itertools.islice(keystrokes, count)):
            due = begin_s + number * self._every_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._due.append((await self._stream.ask(text, tolerant=True), due))
        await self._stream.end()

    async def read(self) -> None:
        """Takes the answers until the stream ends."""
        async for answer in self._stream:
            now = time.perf_counter()
            self.answers += 1
            while self._due and self._due[0][0] <= answer.sequence:
                self.latencies_s.append(now - self._due.popleft()[1])


async def measure(address: str, editors: int, keys_per_s: float, seconds: float) -> EditorFigures:
    """Lets editors type.

    Args:
        address: of a server with the made-up audience.
        editors: how many at once.
        keys_per_s: keystrokes of each in a second.
        seconds: how long.
    """
    texts = rules(RULES)
    async with AsyncClient(address, timeout_s=600) as client:
        work = [
            _Editor(client.count_stream(AUDIENCE), texts[number::editors] or texts, 1 / keys_per_s)
            for number in range(editors)
        ]
        cpu, _ = await cpu_share(client, _typed(work, keys_per_s, seconds))
    latencies = [1_000 * latency for one in work for latency in one.latencies_s]
    quantiles = statistics.quantiles(latencies, n=100, method="inclusive")
    return EditorFigures(
        editors, keys_per_s, len(latencies), sum(one.answers for one in work), cpu,
        quantiles[49], quantiles[98], max(latencies),
    )  # fmt: skip


async def _typed(editors: list[_Editor], keys_per_s: float, seconds: float) -> None:
    begin = time.perf_counter() + 0.1
    starts = [begin + number / keys_per_s / len(editors) for number in range(len(editors))]
    async with asyncio.TaskGroup() as group:
        for editor, start in zip(editors, starts, strict=True):
            group.create_task(editor.type(start, round(seconds * keys_per_s)))
            group.create_task(editor.read())
