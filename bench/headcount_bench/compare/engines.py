"""The engines, by the names that the command line has for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from headcount_bench.compare.engine import Engine


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine before it is opened.

    Attributes:
        module: of this package.
        name: of the class.
        subscriber_bytes: memory that it takes for each subscriber while it loads and answers.
        event_bytes: the same for each event.
    """

    module: str
    name: str
    subscriber_bytes: int
    event_bytes: int

    def open(self) -> Callable[[float], Engine]:
        """The class; its argument is how long a question may take, in seconds."""
        return getattr(import_module(f"headcount_bench.compare.{self.module}"), self.name)


ENGINES = {
    "duckdb": Kind("duck", "DuckDB", 400, 60),
    "clickhouse": Kind("clickhouse", "ClickHouse", 150, 40),
    "polars": Kind("polars_frames", "Polars", 500, 60),
    "postgres": Kind("postgres", "PostgreSQL", 200, 20),
    "sqlite": Kind("sqlite", "SQLite", 150, 10),
    "redis": Kind("redis_bitmaps", "Redis", 750, 30),
}
HEADCOUNT_SUBSCRIBER_BYTES = 350
HEADCOUNT_EVENT_BYTES = 40
PROCESS_BYTES = 700 << 20
