"""Polars: lazy queries over frames in memory, categorical keywords, events ordered by day."""

from __future__ import annotations

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
    Where,
    Within,
    leaves,
    pairs_of,
)
from headcount_bench.compare.dataset import DIMENSIONS, EVENTS, KEYWORDS, TAGS, Dataset
from headcount_bench.compare.engine import Asked, Engine, Held, needed
from headcount_bench.compare.sql import ask_key, kept_columns, least

Frame = Any  # of Polars, which is imported where it is there
Expression = Any


class Polars(Engine):
    """Polars; ``windows`` has a column for each condition on events. A query can't be stopped."""

    name = "Polars"
    ways = ("raw", "windows")

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._polars: Any = needed("polars", self.name)
        self._frames: dict[str, Frame] = {}
        self._kept: dict[EventLeaf, str] = {}

    def load(self, data: Dataset, questions: dict[str, Question]) -> None:
        """Reads the files into frames and makes the kept columns."""
        pl = self._polars
        coded = [pl.col(name).cast(pl.Categorical) for name in KEYWORDS]
        tags = pl.col(TAGS).cast(pl.List(pl.Categorical))
        people = pl.read_parquet(data.people).with_columns(*coded, tags)
        self._frames["people"] = people.set_sorted("id").rechunk()
        for event in EVENTS:
            columns = [pl.col(name).cast(pl.Categorical) for name in DIMENSIONS[event]]
            frame = pl.read_parquet(data.event(event)).with_columns(*columns)
            self._frames[event] = frame.set_sorted("day").rechunk()
        self._kept = kept_columns(questions.values())
        profile = self._frames["people"].lazy()
        for ask, column in self._kept.items():
            assert isinstance(ask, Did | SumAtLeast)
            made = pl.col(ask.measure).sum() if isinstance(ask, SumAtLeast) else pl.len()
            numbers = self._source(ask).group_by("id").agg(made.alias(column))
            profile = profile.join(numbers, on="id", how="left", maintain_order="left")
            profile = profile.with_columns(pl.col(column).fill_null(0))
        self._frames["profile"] = profile.collect().rechunk()

    def ask(self, way: str, question: Question) -> Asked:
        """The lazy query; asking optimises and collects it."""
        kept = self._kept if way == "windows" else {}
        if isinstance(question, Count):
            query = self._count(question.ask, kept)
        elif isinstance(question, Breakdown):
            who = self._whose(question.ask, kept)
            query = who.group_by(question.by).agg(self._polars.len())
        else:
            query = self._masks(question, kept)

        def asked() -> Answer:
            found = query.collect()
            if isinstance(question, Count):
                return (int(found.item()),)
            rows = found.rows()
            if isinstance(question, Pairs):
                return pairs_of(dict(rows), len(question.segments))
            return tuple(n for _, n in sorted(row for row in rows if row[0] is not None))

        return asked

    def held(self, way: str) -> Held:
        """What Polars estimates that its frames take."""
        names = [*EVENTS, "people"] + (["profile"] if way == "windows" else [])
        return Held(sum(int(self._frames[name].estimated_size()) for name in names), "memory")

    def close(self) -> None:
        """Frees the frames."""
        self._frames.clear()

    def _count(self, ask: Ask, kept: dict[EventLeaf, str]) -> Frame:
        pl = self._polars
        if isinstance(ask, Did) and ask.times == 1 and not kept:
            return self._source(ask).select(pl.col("id").n_unique())
        if isinstance(ask, Did | SumAtLeast | Sequence) and not kept:
            return self._members(ask).select(pl.len())
        return self._whose(ask, kept).select(pl.len())

    def _whose(self, ask: Ask, kept: dict[EventLeaf, str]) -> Frame:
        """Subscribers that a rule holds for: semi- and anti-joins where they do, else flags."""
        people = self._frames["profile" if kept else "people"].lazy()
        parts = ask.parts if isinstance(ask, And) else (ask,)
        plain = [part for part in parts if self._is_plain(part, kept)]
        for part in plain:
            people = people.filter(self._truth(part, kept, {}))
        flagged: list[Ask] = []
        for part in parts:
            leaf = part.part if isinstance(part, Not) else part
            if part in plain:
                continue
            if isinstance(leaf, Did | SumAtLeast | Sequence):
                how = "anti" if isinstance(part, Not) else "semi"
                people = people.join(self._members(leaf), on="id", how=how)
            else:
                flagged.append(part)
        people, flags = self._flags(people, flagged, kept)
        for part in flagged:
            people = people.filter(self._truth(part, kept, flags))
        return people

    def _masks(self, question: Pairs, kept: dict[EventLeaf, str]) -> Frame:
        pl = self._polars
        people = self._frames["profile" if kept else "people"].lazy()
        people, flags = self._flags(people, question.segments, kept)
        mask = pl.lit(0, pl.Int32)
        for place, ask in enumerate(question.segments):
            truth = self._truth(ask, kept, flags).fill_null(False)
            mask = mask + truth.cast(pl.Int32) * (1 << place)
        return people.select(mask.alias("mask")).group_by("mask").agg(pl.len())

    def _flags(
        self, people: Frame, asks: Any, kept: dict[EventLeaf, str]
    ) -> tuple[Frame, dict[EventLeaf, str]]:
        """A column of truth for each condition on events that isn't kept."""
        pl = self._polars
        flags: dict[EventLeaf, str] = {}
        for ask in asks:
            for leaf in leaves(ask):
                if not isinstance(leaf, Did | SumAtLeast | Sequence) or leaf in flags:
                    continue
                if ask_key(leaf) not in kept:
                    flags[leaf] = f"flag{len(flags)}"
                    truth = self._members(leaf).with_columns(pl.lit(True).alias(flags[leaf]))
                    people = people.join(truth, on="id", how="left")
        return people, flags

    def _is_plain(self, ask: Ask, kept: dict[EventLeaf, str]) -> bool:
        return not any(
            isinstance(leaf, Did | SumAtLeast | Sequence) and ask_key(leaf) not in kept
            for leaf in leaves(ask)
        )

    def _truth(
        self, ask: Ask, kept: dict[EventLeaf, str], flags: dict[EventLeaf, str]
    ) -> Expression:
        pl = self._polars
        if isinstance(ask, And | Or):
            parts = [self._truth(part, kept, flags) for part in ask.parts]
            return pl.all_horizontal(parts) if isinstance(ask, And) else pl.any_horizontal(parts)
        if isinstance(ask, Not):
            return ~self._truth(ask.part, kept, flags).fill_null(False)
        if isinstance(ask, Did | SumAtLeast | Sequence):
            if ask_key(ask) in kept:
                return pl.col(kept[ask_key(ask)]) >= least(ask)
            return pl.col(flags[ask])
        return self._attribute(ask)

    def _attribute(self, ask: OneOf | HasAny | Known | Within | Contains) -> Expression:
        pl = self._polars
        column = pl.col(ask.attribute)
        if isinstance(ask, OneOf):
            if len(ask.values) == 1:
                return column == ask.values[0]
            return column.is_in(pl.Series(ask.values, dtype=pl.Categorical).implode())
        if isinstance(ask, HasAny):
            holds = [column.list.contains(pl.lit(value, pl.Categorical)) for value in ask.values]
            return pl.any_horizontal(holds)
        if isinstance(ask, Known):
            return column.list.len() > 0
        if isinstance(ask, Within):
            return _between(column, ask)
        return column.str.contains(ask.text, literal=True)

    def _members(self, ask: EventLeaf) -> Frame:
        """Ids of a condition on events, each once."""
        pl = self._polars
        if isinstance(ask, Did):
            if ask.times == 1:
                return self._source(ask).select("id").unique()
            numbers = self._source(ask).group_by("id").agg(pl.len().alias("n"))
            return numbers.filter(pl.col("n") >= ask.times).select("id")
        if isinstance(ask, SumAtLeast):
            sums = self._source(ask).group_by("id").agg(pl.col(ask.measure).sum().alias("n"))
            return sums.filter(pl.col("n") >= ask.minimum).select("id")
        first = self._events(ask.first, ask.first_where, ask).select("id", "time")
        then = self._events(ask.then, ask.then_where, ask).select("id", pl.col("time").alias("b"))
        elapsed = pl.col("b") - pl.col("time")
        in_time = elapsed >= 0 if ask.within_us is None else elapsed.is_between(0, ask.within_us)
        return first.join(then, on="id").filter(in_time).select("id").unique()

    def _source(self, ask: Did | SumAtLeast) -> Frame:
        if isinstance(ask, SumAtLeast):
            return self._events(ask.event, ask.where, ask)
        each = [self._events(event, ask.where, ask).select("id") for event in ask.events]
        return each[0] if len(each) == 1 else self._polars.concat(each)

    def _events(self, event: str, where: Where, ask: Did | SumAtLeast | Sequence) -> Frame:
        pl = self._polars
        frame = self._frames[event].lazy()
        frame = frame.filter(pl.col("day").is_between(ask.days.first, ask.days.last))
        for one in where.dimensions:
            frame = frame.filter(self._attribute(one))
        for one in where.measures:
            frame = frame.filter(_between(pl.col(one.attribute), one))
        return frame


def _between(column: Expression, ask: Within) -> Expression:
    if ask.low is not None and ask.high is not None:
        return column.is_between(ask.low, ask.high)
    if ask.low is not None:
        return column >= ask.low
    return column.is_not_null() if ask.high is None else column <= ask.high
