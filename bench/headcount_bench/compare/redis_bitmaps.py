"""Redis with dense bitmaps: a bit for each subscriber, BITOP and BITCOUNT in one pipeline.

What Debian's package starts, on a socket of its own, nothing kept on disk. The bitmaps are those of
``blocks`` for events, counts as bit slices of each block, sums as bit slices over the windows that
are asked for; a bitmap for each value of a keyword with few values, cumulative ones for ages, bit
slices and cumulative bitmaps at round numbers for larger numbers. Of cities, campaigns and
categories only those asked for are kept: a dense bitmap for each would take many times the memory.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from headcount_bench.compare import redis_load
from headcount_bench.compare.algebra import (
    And,
    Answer,
    Ask,
    Breakdown,
    Contains,
    Count,
    Did,
    HasAny,
    Known,
    Not,
    OneOf,
    Or,
    Question,
    SumAtLeast,
    Within,
)
from headcount_bench.compare.blocks import cover
from headcount_bench.compare.dataset import Dataset
from headcount_bench.compare.engine import (
    Asked,
    Engine,
    Held,
    Inexpressible,
    Missing,
    TimedOut,
    needed,
)

_EVERYONE = "everyone"


class Redis(Engine):
    """A Redis server of its own on a Unix socket."""

    name = "Redis"
    ways = ("bitmaps",)

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._program = shutil.which("redis-server")
        if self._program is None:
            raise Missing("Redis: apt-get install redis-server")
        redis = needed("redis", self.name)
        self._client_of: Callable[..., Any] = redis.Redis
        self._timed_out = redis.exceptions.TimeoutError
        self._client: Any = None
        self.process: subprocess.Popen[bytes] | None = None
        self.place = tempfile.mkdtemp(prefix="hc-redis-")
        self._kept: redis_load.Kept = redis_load.Kept()
        self._values: dict[str, list[str]] = {}

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Starts the server and sets its bitmaps."""
        socket = f"{self.place}/socket"
        assert self._program is not None
        self.process = subprocess.Popen(
            [
                self._program, "--port", "0", "--unixsocket", socket, "--save", "",
                "--appendonly", "no", "--dir", self.place, "--daemonize", "no",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._client = self._client_of(unix_socket_path=socket, socket_timeout=self.timeout_s)
        self._wait(socket)
        self._kept = redis_load.kept(questions.values())
        self._values = redis_load.load(self._client, data, self._kept)

    def ask(self, way: str, question: Question) -> Asked:
        """The commands of the question; asking sends them in one round trip."""
        program = _Program(self._kept, self._values)
        program.question(question)

        def asked() -> Answer:
            pipeline = self._client.pipeline(transaction=False)
            for command in program.commands:
                pipeline.execute_command(*command)
            try:
                replies = pipeline.execute()
            except self._timed_out:
                self._client.close()
                raise TimedOut from None
            return program.answer(replies)

        return asked

    def held(self, way: str) -> Held:
        """What Redis says its data set takes, but for what questions leave."""
        self._client.execute_command("DEL", *(f"t{n}" for n in range(1_000)))
        return Held(int(self._client.info("memory")["used_memory_dataset"]), "memory")

    def close(self) -> None:
        """Ends the server."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        shutil.rmtree(self.place, ignore_errors=True)

    def _wait(self, socket: str) -> None:
        """Returns when the server answers; its file appears before it does."""
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process and self.process.poll() is None:
            if Path(socket).exists():
                self._client.ping()
                return
            time.sleep(0.01)
        raise Missing("Redis: redis-server didn't start")


class _Program:
    """A question as commands. Names of results are ``t0``, ``t1``, …, used again by the next."""

    def __init__(self, kept: redis_load.Kept, values: dict[str, list[str]]) -> None:
        self.commands: list[tuple[str, ...]] = []
        self._kept = kept
        self._values = values
        self._counts: list[int] = []
        self._made: dict[tuple[str, ...], str] = {}
        self._of_everyone: set[int] = set()
        self._drop_zeros = False

    def question(self, question: Question) -> None:
        """Adds the commands of a question."""
        if isinstance(question, Count):
            self._count_of(self._rows(question.ask))
        elif isinstance(question, Breakdown):
            rows = self._rows(question.ask)
            self._drop_zeros = True
            for value in sorted(self._values[question.by]):
                self._count_of(self._op("AND", rows, f"{question.by}:{value}"))
        else:
            segments = [self._rows(ask) for ask in question.segments]
            for place, a in enumerate(segments):
                self._count_of(a)
                for b in segments[place + 1 :]:
                    self._count_of(self._op("AND", a, b))

    def answer(self, replies: list[Any]) -> Answer:
        """What the replies say."""
        counts = [int(replies[place]) for place in self._counts]
        if self._drop_zeros:
            return tuple(count for count in counts if count)
        return tuple(counts)

    def _count_of(self, rows: str) -> None:
        self._counts.append(len(self.commands))
        self.commands.append(("BITCOUNT", rows))

    def _op(self, word: str, *rows: str) -> str:
        """A BITOP; one that was made before in this question is used again."""
        if len(rows) == 1 and word in ("AND", "OR"):
            return rows[0]
        key = (word, *rows)
        if key not in self._made:
            self._made[key] = f"t{len(self._made)}"
            self.commands.append(("BITOP", word, self._made[key], *rows))
        return self._made[key]

    def _rows(self, ask: Ask) -> str:
        if isinstance(ask, And):
            plus = [self._rows(part) for part in ask.parts if not isinstance(part, Not)]
            minus = [self._rows(part.part) for part in ask.parts if isinstance(part, Not)]
            made = self._op("AND", *(plus or [_EVERYONE]))
            return self._without(made, self._op("OR", *minus)) if minus else made
        if isinstance(ask, Or):
            return self._op("OR", *map(self._rows, ask.parts))
        if isinstance(ask, Not):
            return self._op("XOR", _EVERYONE, self._rows(ask.part))
        if isinstance(ask, Did):
            return self._did(ask)
        if isinstance(ask, OneOf | HasAny):
            return self._op("OR", *(f"{ask.attribute}:{value}" for value in ask.values))
        if isinstance(ask, Known):
            return f"{ask.attribute}:"
        if isinstance(ask, Within):
            return self._within(ask)
        if isinstance(ask, SumAtLeast):
            slices = redis_load.name_of(ask)
            bits = self._kept.bits.get(slices)
            if bits is None:
                raise Inexpressible("bitmaps don't know two properties of one event")
            return self._at_least(slices, bits, ask.minimum, f"{slices}:known")
        what = "a text" if isinstance(ask, Contains) else "the order of events"
        raise Inexpressible(f"bitmaps don't know {what}")

    def _without(self, rows: str, other: str) -> str:
        """Redis 7 has no and-not: a xor (a and b)."""
        return self._op("XOR", rows, self._op("AND", rows, other))

    def _within(self, ask: Within) -> str:
        if ask.attribute in redis_load.SMALL:  # cumulative, for every value
            return self._cumulative(ask)
        known = f"{ask.attribute}:known"
        made = known
        if ask.low is not None:
            if ask.low - 1 in redis_load.ROUND:
                made = self._op("XOR", known, f"{ask.attribute}:<={ask.low - 1}")
            else:
                made = self._at_least(ask.attribute, self._kept.bits[ask.attribute], ask.low, known)
        if ask.high is not None:
            above = self._at_least(
                ask.attribute, self._kept.bits[ask.attribute], ask.high + 1, known
            )
            made = self._without(made, above)
        return made

    def _cumulative(self, ask: Within) -> str:
        low, high = self._kept.ranges[ask.attribute]
        top = high if ask.high is None else min(ask.high, high)
        if top < low:
            return "nobody"
        upper = f"{ask.attribute}:<={top}"
        if ask.low is None or ask.low <= low:
            return upper
        return self._op("XOR", upper, f"{ask.attribute}:<={min(ask.low - 1, top)}")

    def _at_least(self, slices: str, bits: int, minimum: int, known: str) -> str:
        """Rows whose sliced number is at least that, from the least significant bit up."""
        if minimum <= 0:
            return known
        if minimum >= 1 << bits:
            return "nobody"
        bound = minimum - 1  # greater than
        made = ""
        for bit in range(bits):
            name = f"{slices}:{bit}"
            if bound >> bit & 1:
                made = self._op("AND", name, made) if made else ""
            else:
                made = self._op("OR", name, made) if made else name
        return made or "nobody"

    def _did(self, ask: Did) -> str:
        if ask.where.measures or len(ask.where.dimensions) > 1:
            raise Inexpressible("bitmaps don't know two properties of one event")
        if ask.times > 1:
            return self._often(ask)
        names: list[str] = []
        for event in ask.events:
            for one in redis_load.lanes(event, ask.where):
                names += self._there(one, ask)
        return self._op("OR", *names) if names else "nobody"

    def _there(self, lane: str, ask: Did) -> list[str]:
        names = (f"{lane}:{level}:{block}" for level, block in cover(ask.days))
        return [name for name in names if name in self._kept.names]

    def _often(self, ask: Did) -> str:
        """Adds the sliced counts of all blocks, saturating above what is asked for."""
        lanes = [lane for event in ask.events for lane in redis_load.lanes(event, ask.where)]
        numbers = [
            [name for name in (f"{block}:n{bit}" for bit in range(16)) if name in self._kept.names]
            for lane in lanes
            for block in self._there(lane, ask)
        ]
        while len(numbers) > 1:
            numbers.append(self._sum(numbers.pop(0), numbers.pop(0)))
        total = numbers[0] if numbers else []
        return self._at_least_of(total, ask.times)

    def _sum(self, a: list[str], b: list[str]) -> list[str]:
        """The slices of the sum of two sliced numbers: a ripple of carries."""
        total: list[str] = []
        carry = ""
        for bit in range(max(len(a), len(b))):
            inputs = [name for name in (*a[bit : bit + 1], *b[bit : bit + 1], carry) if name]
            total.append(self._op("XOR", *inputs) if len(inputs) > 1 else inputs[0])
            if len(inputs) == 3:
                x, y, z = inputs
                both = self._op("AND", x, y)
                either = self._op("AND", z, self._op("OR", x, y))
                carry = self._op("OR", both, either)
            else:
                carry = self._op("AND", *inputs) if len(inputs) == 2 else ""
        return [*total, carry] if carry else total

    def _at_least_of(self, slices: Iterable[str], minimum: int) -> str:
        names = list(slices)
        bound, made = minimum - 1, ""
        for bit, name in enumerate(names):
            if bound >> bit & 1:
                made = self._op("AND", name, made) if made else ""
            else:
                made = self._op("OR", name, made) if made else name
        return made or "nobody" if bound < 1 << len(names) else "nobody"
