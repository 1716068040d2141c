"""ClickHouse in this process (chdb): MergeTree tables, kept columns, and groupBitmap tables.

Raw tables are ordered by what questions ask for first: events by day and subscriber, subscribers by
id. The tables of bitmaps have one for each value of each keyword, each value of the ages, and for
each event type, alone and by value of each dimension that is asked for, one for each day and each
aligned run of 4, 16, 64 and 256 days. What bitmaps can't say is made into one from the raw tables.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

from headcount_bench.compare.algebra import (
    And,
    Answer,
    Ask,
    Breakdown,
    Contains,
    Count,
    Did,
    EventLeaf,
    HasAny,
    Known,
    Not,
    OneOf,
    Or,
    Pairs,
    Question,
    Sequence,
    SumAtLeast,
    Within,
)
from headcount_bench.compare.blocks import LEVEL_BITS, LEVELS, cover
from headcount_bench.compare.dataset import DIMENSIONS, EVENTS, KEYWORDS, MEASURES, TAGS, Dataset
from headcount_bench.compare.engine import Asked, Engine, Held, TimedOut, needed
from headcount_bench.compare.sql import Dialect, answer, between, kept_columns, literals

_BITMAPS = "AggregateFunction(groupBitmap, UInt32)"
_RAW = ("people", *EVENTS)
_TABLES = {"raw": _RAW, "windows": (*_RAW, "profile"), "bitmaps": ("attribute_rows", "event_rows")}
_EXACT = ("age",)  # numbers with so few values that each has a bitmap
_KINDS = {"age": "Nullable(Int16)", "signup_date": "Int32", "lifetime_spend": "Int64"}


class ClickHouse(Engine):
    """ClickHouse through chdb."""

    name = "ClickHouse"
    ways = ("raw", "windows", "bitmaps")

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._open: Callable[[str], Any] = needed("chdb.session", self.name).Session
        self._session: Any = None
        self._place: Any = None
        self._dialects: dict[str, Dialect] = {}

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Loads the files into tables of one part each and makes the bitmaps."""
        self._place = data.work / "clickhouse"
        self._session = self._open(str(self._place))
        self._run("CREATE DATABASE bench")
        self._run("USE bench")
        self._load_people(data)
        for event in EVENTS:
            self._load_events(data, event)
        kept = _ClickHouse("profile", kept_columns(questions.values()))
        columns = ["id", *KEYWORDS, "email", TAGS, *_KINDS]
        profile = kept.profile(", ".join(f"p.{name} AS {name}" for name in columns))
        self._run(f"CREATE TABLE profile ENGINE = MergeTree ORDER BY id AS {profile}")
        self._make_bitmaps()
        for table in (*_RAW, "profile", "attribute_rows", "event_rows"):
            self._run(f"OPTIMIZE TABLE {table} FINAL")
        bitmaps = _Bitmaps(_ClickHouse())
        self._dialects = {"raw": _ClickHouse(), "windows": kept}
        self._bitmaps = bitmaps

    def ask(self, way: str, question: Question) -> Asked:
        """The statement's text; ClickHouse parses and plans it in about a millisecond."""
        made = self._bitmaps if way == "bitmaps" else self._dialects[way]
        settings = f" SETTINGS max_execution_time = {self.timeout_s:g}"
        query = made.query(question) + settings

        def asked() -> Answer:
            rows = self._rows(query)
            if way == "bitmaps":
                return _bitmap_answer(question, rows)
            return answer(question, rows)

        return asked

    def held(self, way: str) -> Held:
        """Bytes of the parts on disk, compressed; they lie in the page cache."""
        rows = self._rows(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'bench'"
            f" AND table IN ({literals(_TABLES[way])})"
        )
        return Held(int(rows[0][0]), "disk, compressed")

    def close(self) -> None:
        """Ends the session and removes its tables."""
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)

    def _load_people(self, data: Dataset) -> None:
        columns = ["id UInt32", *(f"{name} LowCardinality(String)" for name in KEYWORDS)]
        columns += ["email String", f"{TAGS} Array(LowCardinality(String))"]
        columns += [f"{name} {kind}" for name, kind in _KINDS.items()]
        names = ", ".join(column.partition(" ")[0] for column in columns)
        self._create("people", columns, "id")
        self._run(f"INSERT INTO people ({names}) SELECT {names} FROM {_file(data.people)}")

    def _load_events(self, data: Dataset, event: str) -> None:
        columns = ["id UInt32", "time Int64 CODEC(Delta, LZ4)", "day Int32"]
        columns += [f"{name} LowCardinality(String)" for name in DIMENSIONS[event]]
        columns += [f"{name} Int64" for name in MEASURES[event]]
        names = ", ".join(column.partition(" ")[0] for column in columns)
        self._create(event, columns, "(day, id)")
        self._run(f"INSERT INTO {event} ({names}) SELECT {names} FROM {_file(data.event(event))}")

    def _make_bitmaps(self) -> None:
        self._create(
            "attribute_rows",
            ["attribute LowCardinality(String)", "value String", f"rows {_BITMAPS}"],
            "(attribute, value)",
        )
        into = "INSERT INTO attribute_rows SELECT"
        for name in (*KEYWORDS, *_EXACT):
            self._run(
                f"{into} '{name}', toString({name}), groupBitmapState(id) FROM people"
                f" WHERE {name} IS NOT NULL AND toString({name}) != '' GROUP BY {name}"
            )
        self._run(
            f"{into} '{TAGS}', tag, groupBitmapState(id) FROM people"
            f" ARRAY JOIN {TAGS} AS tag GROUP BY tag"
        )
        self._create(
            "event_rows",
            ["event LowCardinality(String)", "dimension LowCardinality(String)",
             "value LowCardinality(String)", "level UInt8", "block Int32", f"rows {_BITMAPS}"],
            "(event, dimension, value, level, block)",
        )  # fmt: skip
        for event in EVENTS:
            self._make_event_bitmaps(event, "", "''")
            for dimension in DIMENSIONS[event] if event != "sent" else ():
                self._make_event_bitmaps(event, dimension, dimension)

    def _make_event_bitmaps(self, event: str, dimension: str, value: str) -> None:
        self._run(
            f"INSERT INTO event_rows SELECT '{event}', '{dimension}', {value} AS v, 0, day,"
            f" groupBitmapState(id) FROM {event} GROUP BY v, day"
        )
        for level in range(1, LEVELS):
            self._run(
                f"INSERT INTO event_rows SELECT event, dimension, value, {level},"
                f" bitShiftRight(block, {LEVEL_BITS}) AS b, groupBitmapMergeState(rows)"
                f" FROM event_rows WHERE event = '{event}' AND dimension = '{dimension}'"
                f" AND level = {level - 1} GROUP BY event, dimension, value, b"
            )

    def _create(self, table: str, columns: list[str], order: str) -> None:
        self._run(
            f"CREATE TABLE {table} ({', '.join(columns)}) ENGINE = MergeTree ORDER BY {order}"
            + (" SETTINGS index_granularity = 16" if table.endswith("_rows") else "")
        )

    def _run(self, query: str) -> None:
        self._session.query(query)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        try:
            found = self._session.query(query, "JSONCompactEachRow")
        except Exception as error:
            if "TIMEOUT_EXCEEDED" in str(error):
                raise TimedOut from None
            raise
        return [_row(line) for line in found.bytes().splitlines()]


class _ClickHouse(Dialect):
    """ClickHouse's SQL. Keywords that are missing are empty texts; ages may be missing."""

    def count(self, ask: Ask) -> str:
        if isinstance(ask, Did) and ask.times == 1 and not self.kept:
            return f"SELECT uniqExact(id) FROM {self.source(ask)}"
        return super().count(ask)

    def has_any(self, ask: HasAny) -> str:
        return f"hasAny(s.{ask.attribute}, [{literals(ask.values)}])"

    def has_value(self, ask: Known) -> str:
        return f"notEmpty(s.{ask.attribute})"

    def is_not_true(self, condition: str) -> str:
        return f"NOT ifNull({condition}, 0)"

    def sequence(self, ask: Sequence) -> str:
        """By an as-of join."""
        return self.next_after(ask)


class _Bitmaps:
    """Questions as functions of bitmaps."""

    def __init__(self, raw: Dialect) -> None:
        self._raw = raw

    def query(self, question: Question) -> str:
        """The statement; ``_bitmap_answer`` reads what it returns."""
        if isinstance(question, Count):
            return f"SELECT {self._count(question.ask)}"
        if isinstance(question, Breakdown):
            return (
                f"WITH {self._rows(question.ask)} AS asked SELECT value,"
                " bitmapAndCardinality(rows, asked) AS n FROM attribute_rows"
                f" WHERE attribute = '{question.by}' AND n > 0 ORDER BY value"
            )
        named = [f"{self._rows(ask)} AS s{n}" for n, ask in enumerate(question.segments)]
        many = len(named)
        shown = [
            f"bitmapCardinality(s{a})" if a == b else f"bitmapAndCardinality(s{a}, s{b})"
            for a in range(many)
            for b in range(a, many)
        ]
        return f"WITH {', '.join(named)} SELECT {', '.join(shown)}"

    def _count(self, ask: Ask) -> str:
        """A count at the root, without building the last bitmap where a function does that."""
        if isinstance(ask, Not):
            return f"(SELECT count() FROM people) - {self._count(ask.part)}"
        if isinstance(ask, And) and len(ask.parts) > 1:
            *most, last = sorted(ask.parts, key=lambda part: isinstance(part, Not))
            so_far = self._rows(And(tuple(most)))
            if isinstance(last, Not):
                return f"bitmapAndnotCardinality({so_far}, {self._rows(last.part)})"
            return f"bitmapAndCardinality({so_far}, {self._rows(last)})"
        return f"bitmapCardinality({self._rows(ask)})"

    def _rows(self, ask: Ask) -> str:
        if isinstance(ask, And):
            first, *rest = sorted(ask.parts, key=lambda part: isinstance(part, Not))
            made = self._rows(first)
            for part in rest:
                negated = isinstance(part, Not)
                word = "bitmapAndnot" if negated else "bitmapAnd"
                made = f"{word}({made}, {self._rows(part.part if negated else part)})"
            return made
        if isinstance(ask, Or):
            made = self._rows(ask.parts[0])
            for part in ask.parts[1:]:
                made = f"bitmapOr({made}, {self._rows(part)})"
            return made
        if isinstance(ask, Not):
            everyone = "(SELECT groupBitmapState(id) FROM people)"
            return f"bitmapAndnot({everyone}, {self._rows(ask.part)})"
        if isinstance(ask, Did | SumAtLeast | Sequence):
            return self._did(ask)
        return self._attribute(ask)

    def _attribute(self, ask: OneOf | HasAny | Known | Within | Contains) -> str:
        merged = f"(SELECT groupBitmapMergeState(rows) FROM attribute_rows WHERE attribute = '{ask.attribute}'"  # noqa: E501
        if isinstance(ask, OneOf | HasAny):
            return f"{merged} AND value IN ({literals(ask.values)}))"
        if isinstance(ask, Known):
            return f"{merged})"
        if isinstance(ask, Within) and ask.attribute in _EXACT:
            if ask.low is None or ask.high is None:
                return f"{merged} AND {between('toInt64OrNull(value)', ask.low, ask.high)})"
            each = tuple(map(str, range(ask.low, ask.high + 1)))
            return f"{merged} AND value IN ({literals(each)}))"
        truth = self._raw.truth(ask)
        return f"(SELECT groupBitmapState(id) FROM people s WHERE {truth})"

    def _did(self, ask: EventLeaf) -> str:
        """From bitmaps where one condition on one dimension is asked, else from the raw tables."""
        simple = isinstance(ask, Did) and ask.times == 1 and not ask.where.measures
        if not isinstance(ask, Did) or not simple or len(ask.where.dimensions) > 1:
            return f"(SELECT groupBitmapState(id) FROM ({self._raw.members(ask)}))"
        dimension, values = "", ("",)
        for one in ask.where.dimensions:
            dimension, values = one.attribute, one.values
        blocks = ", ".join(f"({level}, {block})" for level, block in cover(ask.days))
        return (
            "(SELECT groupBitmapMergeState(rows) FROM event_rows"
            f" WHERE event IN ({literals(ask.events)}) AND dimension = '{dimension}'"
            f" AND value IN ({literals(values)}) AND (level, block) IN ({blocks}))"
        )


def _bitmap_answer(question: Question, rows: list[tuple[Any, ...]]) -> Answer:
    if isinstance(question, Pairs):
        return tuple(map(int, rows[0]))
    if isinstance(question, Count):
        return (int(rows[0][0]),)
    return tuple(int(n) for _, n in rows)


def _row(line: bytes) -> tuple[Any, ...]:
    """A row whose 64-bit numbers may be quoted; an empty text is a missing value."""
    cells = json.loads(line)
    *names, last = cells
    return (*(None if name == "" else name for name in names), int(last))


def _file(path: Any) -> str:
    return f"file('{path}', 'Parquet')"
