"""SQLite: a file mapped into memory, covering indexes, statistics; one thread, as SQLite is."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from headcount_bench.compare.algebra import Answer, HasAny, Known, Question
from headcount_bench.compare.dataset import (
    DIMENSIONS,
    EVENTS,
    KEYWORDS,
    MEASURES,
    NUMBERS,
    TAGS,
    Dataset,
)
from headcount_bench.compare.engine import Asked, Engine, Held, TimedOut
from headcount_bench.compare.sql import Dialect, answer, literals

_BATCH = 1 << 17
_STEPS = 20_000  # of SQLite's machine, less than a millisecond
_ATTRIBUTES = (*KEYWORDS, *NUMBERS, "email")
_INDEXES = (
    "country_i ON people (country, gender, age)",
    "city_i ON people (city)",
    "plan_i ON people (plan, lifetime_spend)",
    "status_i ON people (status)",
    "spend_i ON people (lifetime_spend, plan)",
    "email_i ON people (email)",
    "tag_i ON tags (tag, id)",
    "sent_i ON sent (day, id)",
    "open_i ON open (day, id)",
    "open_id_i ON open (id, day, time)",
    "click_i ON click (day, id)",
    "click_id_i ON click (id, day, time)",
    "click_campaign_i ON click (campaign, day, id)",
    "purchase_i ON purchase (day, id)",
    "purchase_id_i ON purchase (id, day, amount)",
    "purchase_category_i ON purchase (category, day, id, campaign)",
)


class SQLite(Engine):
    """SQLite of Python's standard library."""

    name = "SQLite"
    ways = ("raw",)

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._file: Path | None = None
        self._database: sqlite3.Connection | None = None

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Loads the files, then makes indexes and statistics."""
        self._file = data.work / "bench.sqlite"
        self._database = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        run = self._database.execute
        for setting in (
            "journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "temp_store=MEMORY",
            "cache_size=-1000000", f"mmap_size={1 << 40}", "page_size=8192",
        ):  # fmt: skip
            run(f"PRAGMA {setting}")
        run("BEGIN")
        columns = ", ".join(_ATTRIBUTES)
        run(f"CREATE TABLE people (id INTEGER PRIMARY KEY, {columns})")
        run("CREATE TABLE tags (id INTEGER, tag TEXT)")
        self._insert("people", _rows(data.people, ["id", *_ATTRIBUTES]), 1 + len(_ATTRIBUTES))
        self._insert("tags", _tags(data.people), 2)
        for event in EVENTS:
            names = ["id", "time", "day", *DIMENSIONS[event], *MEASURES[event]]
            run(f"CREATE TABLE {event} ({', '.join(names)})")
            self._insert(event, _rows(data.event(event), names), len(names))
        for index in _INDEXES:
            run(f"CREATE INDEX {index}")
        run("COMMIT")
        run("ANALYZE")

    def ask(self, way: str, question: Question) -> Asked:
        """The statement's text; sqlite3 keeps it prepared."""
        query = _SQLite().query(question)

        def asked() -> Answer:
            assert self._database is not None
            with self._limited():
                return answer(question, self._database.execute(query).fetchall())

        return asked

    def held(self, way: str) -> Held:
        """Bytes of the file, which lies in the page cache."""
        return Held(self._file.stat().st_size if self._file else 0, "disk")

    def close(self) -> None:
        """Removes the file."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _insert(self, table: str, rows: Iterator[tuple[Any, ...]], width: int) -> None:
        assert self._database is not None
        places = ", ".join("?" * width)
        self._database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)

    @contextmanager
    def _limited(self) -> Generator[None, None, None]:
        assert self._database is not None
        end = time.monotonic() + self.timeout_s
        self._database.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise TimedOut from None
            raise


class _SQLite(Dialect):
    """SQLite's SQL: tags are a table of their own."""

    def has_any(self, ask: HasAny) -> str:
        return f"s.id IN (SELECT id FROM tags WHERE tag IN ({literals(ask.values)}))"

    def has_value(self, ask: Known) -> str:
        return "s.id IN (SELECT id FROM tags)"


def _rows(path: Path, names: list[str]) -> Iterator[tuple[Any, ...]]:
    for batch in parquet.ParquetFile(path).iter_batches(_BATCH, columns=names):
        yield from zip(*(_listed(batch.column(name)) for name in names), strict=True)


def _listed(column: Any) -> list[Any]:
    """Python's values of a column; those of a dictionary are made once."""
    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    values = [*column.dictionary.to_pylist(), None]
    return [values[code] for code in column.indices.fill_null(len(values) - 1).to_pylist()]


def _tags(path: Path) -> Iterator[tuple[Any, ...]]:
    for row, tags in _rows(path, ["id", TAGS]):
        for tag in tags or ():
            yield row, tag
