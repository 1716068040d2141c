"""DuckDB in memory: enumerated keywords, a list of tags, events ordered by day and subscriber."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from headcount_bench.compare.algebra import (
    Answer,
    EventLeaf,
    HasAny,
    Known,
    OneOf,
    Question,
    Sequence,
)
from headcount_bench.compare.dataset import DIMENSIONS, EVENTS, KEYWORDS, MEASURES, TAGS, Dataset
from headcount_bench.compare.engine import Asked, Engine, Held, TimedOut, needed
from headcount_bench.compare.sql import Dialect, answer, kept_columns, literals

_LONG = 8  # a list of values


class DuckDB(Engine):
    """DuckDB; ``windows`` has a column for each condition on events, kept by a nightly job."""

    name = "DuckDB"
    ways = ("raw", "windows")

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        duckdb = needed("duckdb", self.name)
        self._interrupted = duckdb.InterruptException
        self._database: Any = duckdb.connect(":memory:")
        self._values: dict[str, set[str]] = {}
        self._dialects: dict[str, Dialect] = {}
        self._held: dict[str, int] = {}

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Loads the files into memory and makes the table of kept columns."""
        run = self._database.execute
        for name in KEYWORDS:
            self._enumerate(name, f"SELECT {name} AS v FROM '{data.people}'")
        self._enumerate(TAGS, f"SELECT unnest({TAGS}) AS v FROM '{data.people}'")
        for name in ("campaign", "category"):
            having = [event for event in EVENTS if name in DIMENSIONS[event]]
            each = (f"SELECT DISTINCT {name} AS v FROM '{data.event(event)}'" for event in having)
            self._enumerate(name, " UNION ".join(each))
        coded = ", ".join(f"{name}::VARCHAR::{name} AS {name}" for name in KEYWORDS)
        coded += f", {TAGS}::{TAGS}[] AS {TAGS}"
        run(f"CREATE TABLE people AS SELECT * REPLACE ({coded}) FROM '{data.people}' ORDER BY id")
        for event in EVENTS:
            dimensions = [f"{name}::VARCHAR::{name} AS {name}" for name in DIMENSIONS[event]]
            columns = ", ".join(["id", "time", "day", *dimensions, *MEASURES[event]])
            run(f"CREATE TABLE {event} AS SELECT {columns} FROM '{data.event(event)}'")
        self._held["raw"] = self._used()
        kept = _Duck(self._values, "profile", kept_columns(questions.values()))
        run(f"CREATE TABLE profile AS {kept.profile()} ORDER BY p.id")
        self._held["windows"] = self._used()
        self._dialects = {"raw": _Duck(self._values), "windows": kept}

    def ask(self, way: str, question: Question) -> Asked:
        """A prepared statement's text; DuckDB parses and plans it in less than a millisecond."""
        query = self._dialects[way].query(question)

        def asked() -> Answer:
            with self._limited():
                return answer(question, self._database.execute(query).fetchall())

        return asked

    def held(self, way: str) -> Held:
        """Memory; that of ``windows`` has the raw tables too, from which it is kept."""
        return Held(self._held[way], "memory")

    def close(self) -> None:
        """Frees the memory."""
        self._database.close()

    def _enumerate(self, name: str, values: str) -> None:
        self._database.execute(
            f"CREATE TYPE {name} AS ENUM (SELECT DISTINCT v::VARCHAR FROM ({values})"
            " WHERE v IS NOT NULL ORDER BY 1)"
        )
        found = self._database.execute(f"SELECT unnest(enum_range(NULL::{name}))::VARCHAR")
        self._values[name] = {value for (value,) in found.fetchall()}

    def _used(self) -> int:
        self._database.execute("CHECKPOINT")
        query = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()"
        return int(self._database.execute(query).fetchone()[0])

    @contextmanager
    def _limited(self) -> Generator[None, None, None]:
        timer = threading.Timer(self.timeout_s, self._database.interrupt)
        timer.start()
        try:
            yield
        except self._interrupted:
            raise TimedOut from None
        finally:
            timer.cancel()


class _Duck(Dialect):
    """DuckDB's SQL.

    Args:
        values: of each enumeration; a value that is none of them is not even compared.
        people: the table of subscribers.
        kept: columns of that table which hold an event condition's number of events or sum.
    """

    def __init__(
        self,
        values: dict[str, set[str]],
        people: str = "people",
        kept: dict[EventLeaf, str] | None = None,
    ) -> None:
        super().__init__(people, kept)
        self._values = values

    def one_of(self, ask: OneOf) -> str:
        """A long list is joined, which DuckDB does faster than comparing with each."""
        known = self._known(ask)
        if not known:
            return f"{ask.attribute} IS NULL AND FALSE"
        if len(known) <= _LONG:
            return f"{ask.attribute} IN ({literals(known)})"
        return f"{ask.attribute} IN (SELECT unnest([{literals(known)}]::{ask.attribute}[]))"

    def has_any(self, ask: HasAny) -> str:
        tags = (f"{literals((one,))}::{ask.attribute}" for one in self._known(ask))
        each = (f"list_contains(s.{ask.attribute}, {tag})" for tag in tags)
        return f"({' OR '.join(each) or 'FALSE'})"

    def has_value(self, ask: Known) -> str:
        return f"len(s.{ask.attribute}) > 0"

    def sequence(self, ask: Sequence) -> str:
        """By an as-of join."""
        return self.next_after(ask)

    def _known(self, ask: OneOf | HasAny) -> tuple[str, ...]:
        return tuple(value for value in ask.values if value in self._values[ask.attribute])
