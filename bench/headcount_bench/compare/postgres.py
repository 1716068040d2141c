"""PostgreSQL in a directory of its own, on a Unix socket: indexes, statistics, parallel workers."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute
from pyarrow import csv, parquet

from headcount_bench.compare.algebra import (
    Answer,
    Did,
    EventLeaf,
    HasAny,
    Known,
    Question,
)
from headcount_bench.compare.dataset import DIMENSIONS, EVENTS, KEYWORDS, MEASURES, TAGS, Dataset
from headcount_bench.compare.engine import Asked, Engine, Held, Missing, TimedOut, needed
from headcount_bench.compare.sql import Dialect, answer, kept_columns, literals

pc: Any = pyarrow.compute
_BATCH = 1 << 18
_PACKAGE = "PostgreSQL: apt-get install postgresql (initdb and postgres, on PATH or below /usr/lib)"
_INDEXES = (
    "people (country, gender, age)", "people (city)", "people (plan, lifetime_spend)",
    "people (status)", "people (lifetime_spend)", f"people USING gin ({TAGS})",
    "people USING gin (email gin_trgm_ops)",
    "open (day, id)", "open (id, day, time)", "click (day, id)", "click (id, day, time)",
    "click (campaign, day, id)", "purchase (day, id) INCLUDE (amount)",
    "purchase (id, day) INCLUDE (amount)", "purchase (category, day, id) INCLUDE (campaign)",
    "sent (day, id)",
)  # fmt: skip
_KINDS = {"age": "smallint", "signup_date": "integer", "lifetime_spend": "bigint", "email": "text"}


class PostgreSQL(Engine):
    """A PostgreSQL server of its own; ``windows`` has indexed columns kept for event conditions."""

    name = "PostgreSQL"
    ways = ("raw", "windows")

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._programs = _programs()
        psycopg = needed("psycopg", self.name)
        self._connect: Callable[..., Any] = psycopg.connect
        self._cancelled = psycopg.errors.QueryCanceled
        self.place = Path(tempfile.mkdtemp(prefix="hc-pg-"))
        self._database: Any = None
        self.process: subprocess.Popen[bytes] | None = None
        self._kept: dict[EventLeaf, str] = {}

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Starts the server, copies the files into tables, makes indexes and statistics."""
        self._start()
        run = self._database.execute
        run("CREATE EXTENSION pg_trgm")
        keywords = ", ".join(f"{name} text" for name in KEYWORDS)
        others = ", ".join(f"{name} {kind}" for name, kind in _KINDS.items())
        run(f"CREATE UNLOGGED TABLE people (id integer, {keywords}, {others}, {TAGS} text[])")
        self._copy("people", data.people, ["id", *KEYWORDS, *_KINDS, TAGS])
        run("ALTER TABLE people ADD PRIMARY KEY (id)")
        for event in EVENTS:
            columns = ["id integer", "time bigint", "day integer"]
            columns += [f"{name} text" for name in DIMENSIONS[event]]
            columns += [f"{name} bigint" for name in MEASURES[event]]
            run(f"CREATE UNLOGGED TABLE {event} ({', '.join(columns)})")
            names = [column.partition(" ")[0] for column in columns]
            self._copy(event, data.event(event), names)
        for index in _INDEXES:
            run(f"CREATE INDEX ON {index}")
        self._kept = kept_columns(questions.values())
        run(f"CREATE UNLOGGED TABLE profile AS {_Postgres('profile', self._kept).profile()}")
        run("ALTER TABLE profile ADD PRIMARY KEY (id)")
        for index in (*_INDEXES[:7], *(f"people ({name})" for name in self._kept.values())):
            run(f"CREATE INDEX ON {index.replace('people', 'profile', 1)}")
        run("VACUUM (ANALYZE, FREEZE)")
        run("CHECKPOINT")

    def ask(self, way: str, question: Question) -> Asked:
        """A statement that the server has prepared."""
        dialect = _Postgres() if way == "raw" else _Postgres("profile", self._kept)
        query = dialect.query(question)

        def asked() -> Answer:
            try:
                return answer(question, self._database.execute(query, prepare=True).fetchall())
            except self._cancelled:
                raise TimedOut from None

        return asked

    def held(self, way: str) -> Held:
        """Bytes of tables and indexes."""
        tables = ("people", *EVENTS) if way == "raw" else ("people", *EVENTS, "profile")
        query = "SELECT sum(pg_total_relation_size(c::regclass)) FROM unnest(%s::text[]) c"
        return Held(int(self._database.execute(query, (list(tables),)).fetchone()[0]), "disk")

    def close(self) -> None:
        """Stops the server and removes its directory."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if self.process is not None:
            self.process.send_signal(2)  # SIGINT: a fast stop
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        shutil.rmtree(self.place, ignore_errors=True)

    def _start(self) -> None:
        """A cluster of our own. The server refuses to be root, so root runs it as ``postgres``."""
        user = _user()
        if user is not None:
            os.chown(self.place, pwd.getpwnam(user).pw_uid, -1)
        directory, socket = self.place / "data", str(self.place)
        initdb, server = self._programs
        subprocess.run(
            [initdb, "-D", str(directory), "-U", "bench", "--auth=trust", "--no-sync",
             "--locale=C", "--encoding=UTF8"],
            check=True, stdout=subprocess.DEVNULL, user=user, cwd=socket,
        )  # fmt: skip
        settings = [f"-c{name}={value}" for name, value in self._settings().items()]
        self.process = subprocess.Popen(
            [server, "-D", str(directory), "-k", socket, *settings],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd=socket,
        )  # fmt: skip
        self._database = self._connected(socket)
        self._database.execute(f"SET statement_timeout = {int(self.timeout_s * 1_000)}")

    def _settings(self) -> dict[str, object]:
        memory_mb = psutil.virtual_memory().total >> 20
        workers = max(1, (os.cpu_count() or 2) - 1)
        return {
            "listen_addresses": "",
            "shared_buffers": f"{memory_mb // 6}MB",
            "effective_cache_size": f"{memory_mb // 2}MB",
            "work_mem": f"{memory_mb // 24}MB",
            "hash_mem_multiplier": 2,
            "maintenance_work_mem": f"{memory_mb // 24}MB",
            "max_parallel_workers_per_gather": workers,
            "max_parallel_maintenance_workers": workers,
            "random_page_cost": 1.1,
            "effective_io_concurrency": 200,
            "jit": "off",
            "fsync": "off",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "8GB",
            "autovacuum": "off",
        }

    def _connected(self, socket: str) -> Any:
        end = time.monotonic() + 30
        while self.process is not None and self.process.poll() is None:
            try:
                return self._connect(host=socket, user="bench", dbname="postgres", autocommit=True)
            except Exception:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        raise Missing("PostgreSQL: the server didn't start")

    def _copy(self, table: str, path: Path, names: list[str]) -> None:
        options = csv.WriteOptions(include_header=False)
        statement = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT csv)"
        # the server's own limit on a statement holds for questions only
        self._database.execute("SET statement_timeout = 0")
        with self._database.cursor() as cursor, cursor.copy(statement) as copy:
            for batch in parquet.ParquetFile(path).iter_batches(_BATCH, columns=names):
                sink = pa.BufferOutputStream()
                csv.write_csv(_plain(batch, names), sink, options)
                copy.write(sink.getvalue().to_pybytes())


class _Postgres(Dialect):
    """PostgreSQL's SQL: ``exists`` where it may become a semi-join."""

    def has_any(self, ask: HasAny) -> str:
        return f"s.{ask.attribute} && ARRAY[{literals(ask.values)}]"

    def has_value(self, ask: Known) -> str:
        return f"s.{ask.attribute} IS NOT NULL"

    def is_member(self, ask: EventLeaf) -> str:
        if not isinstance(ask, Did) or ask.times > 1 or len(ask.events) != 1:
            return super().is_member(ask)
        tests = [
            "e.id = s.id",
            f"day BETWEEN {ask.days.first} AND {ask.days.last}",
            *self.passing(ask.where),
        ]
        return f"EXISTS (SELECT FROM {ask.events[0]} e WHERE {' AND '.join(tests)})"


def _plain(batch: Any, names: list[str]) -> Any:
    """Columns as CSV can have them: dictionaries decoded, a list as PostgreSQL writes an array."""
    columns: dict[str, Any] = {}
    for name in names:
        column = batch.column(name)
        if pa.types.is_list(column.type):
            joined = pc.binary_join(column, ",")
            column = pc.binary_join_element_wise("{", joined, "}", "")
        elif pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        columns[name] = column
    return pa.table(columns)


def _programs() -> tuple[str, str]:
    """Paths of ``initdb`` and ``postgres``; Debian keeps them off PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    initdb, server = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if initdb is None or server is None:
        raise Missing(_PACKAGE)
    return initdb, server


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise Missing("PostgreSQL: it refuses to be root, and there is no user postgres") from None
