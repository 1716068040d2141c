"""Questions as SQL. What all dialects share is here; each engine's module has what differs.

``people`` has one row for each subscriber (``id`` and the attributes), every event type a table of
its name: ``id``, ``time`` (µs), ``day``, dimensions, measures in minor units.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    asks,
    leaves,
    pairs_of,
)

Rows = Iterable[tuple[Any, ...]]


class Dialect:
    """SQL for questions.

    Args:
        people: the table of subscribers.
        kept: columns of that table which hold an event condition's number of events or sum.
    """

    def __init__(self, people: str = "people", kept: dict[EventLeaf, str] | None = None) -> None:
        self.people = people
        self.kept = kept or {}

    def query(self, question: Question) -> str:
        """The statement; ``answer`` reads what it returns."""
        if isinstance(question, Count):
            return self.count(question.ask)
        if isinstance(question, Breakdown):
            return (
                f"SELECT {question.by}, count(*) FROM {self.people} s"
                f" WHERE {self.truth(question.ask)} GROUP BY {question.by}"
            )
        bits = [
            f"CASE WHEN {self.truth(ask)} THEN {1 << place} ELSE 0 END"
            for place, ask in enumerate(question.segments)
        ]
        masks = f"SELECT {' + '.join(bits)} AS mask FROM {self.people} s"
        return f"SELECT mask, count(*) FROM ({masks}) m GROUP BY mask"

    def count(self, ask: Ask) -> str:
        """A count; a condition on events alone needs no look at the subscribers."""
        if isinstance(ask, Did | SumAtLeast | Sequence) and ask_key(ask) not in self.kept:
            return f"SELECT count(*) FROM ({self.members(ask)}) m"
        return f"SELECT count(*) FROM {self.people} s WHERE {self.truth(ask)}"

    def truth(self, ask: Ask) -> str:
        """Whether a subscriber ``s`` is one of those asked for."""
        if isinstance(ask, And | Or):
            word = " AND " if isinstance(ask, And) else " OR "
            return f"({word.join(self.truth(part) for part in ask.parts)})"
        if isinstance(ask, Not):
            return self.untruth(ask.part)
        if isinstance(ask, Did | SumAtLeast | Sequence):
            column = self.kept.get(ask_key(ask))
            if column is not None:
                return f"(s.{column} >= {least(ask)})"
            return self.is_member(ask)
        return self.attribute(ask)

    def untruth(self, ask: Ask) -> str:
        """Whether ``s`` is not one of them; a missing value makes no condition true or unknown."""
        if isinstance(ask, And | Or):
            word = " OR " if isinstance(ask, And) else " AND "
            return f"({word.join(self.untruth(part) for part in ask.parts)})"
        if isinstance(ask, Not):
            return self.truth(ask.part)
        if isinstance(ask, Did | SumAtLeast | Sequence):
            return f"NOT {self.truth(ask)}"
        return self.is_not_true(self.attribute(ask))

    def is_not_true(self, condition: str) -> str:
        """True where a condition is false or unknown."""
        return f"({condition}) IS NOT TRUE"

    def attribute(self, ask: OneOf | HasAny | Known | Within | Contains) -> str:
        """A condition on one attribute of ``s``."""
        if isinstance(ask, OneOf):
            return f"s.{self.one_of(ask)}"
        if isinstance(ask, HasAny):
            return self.has_any(ask)
        if isinstance(ask, Known):
            return self.has_value(ask)
        if isinstance(ask, Within):
            return between(f"s.{ask.attribute}", ask.low, ask.high)
        return f"s.{ask.attribute} LIKE '%{escaped(ask.text)}%'"

    def one_of(self, ask: OneOf) -> str:
        """A column has one of some values."""
        return f"{ask.attribute} IN ({literals(ask.values)})"

    def passing(self, where: Where) -> list[str]:
        """Conditions on one event."""
        tests = [self.one_of(one) for one in where.dimensions]
        return tests + [between(one.attribute, one.low, one.high) for one in where.measures]

    def has_any(self, ask: HasAny) -> str:
        """At least one of the tags."""
        raise NotImplementedError

    def has_value(self, ask: Known) -> str:
        """Any tag at all."""
        raise NotImplementedError

    def is_member(self, ask: EventLeaf) -> str:
        """Whether ``s`` is among the members of a condition on events."""
        return f"s.id IN ({self.members(ask)})"

    def members(self, ask: EventLeaf) -> str:
        """A query for the ids of a condition on events, each once."""
        if isinstance(ask, Did):
            having = f" HAVING count(*) >= {ask.times}" if ask.times > 1 else ""
            return f"SELECT id FROM {self.source(ask)} GROUP BY id{having}"
        if isinstance(ask, SumAtLeast):
            return (
                f"SELECT id FROM {self.source(ask)} GROUP BY id"
                f" HAVING sum({ask.measure}) >= {ask.minimum}"
            )
        return self.sequence(ask)

    def source(self, ask: Did | SumAtLeast) -> str:
        """The events of a condition, as what follows FROM."""
        tests = [f"day BETWEEN {ask.days.first} AND {ask.days.last}", *self.passing(ask.where)]
        where = " AND ".join(tests)
        if isinstance(ask, SumAtLeast):
            return f"{ask.event} WHERE {where}"
        if len(ask.events) == 1:
            return f"{ask.events[0]} WHERE {where}"
        each = " UNION ALL ".join(f"SELECT id FROM {event} WHERE {where}" for event in ask.events)
        return f"({each}) e"

    def sequence(self, ask: Sequence) -> str:
        """Ids with the first event and then the second in time."""
        a = self.step(ask.first, ask.first_where, ask)
        b = self.step(ask.then, ask.then_where, ask)
        late = f" AND b.time <= a.time + {ask.within_us}" if ask.within_us is not None else ""
        return (
            f"SELECT DISTINCT a.id FROM ({a}) a JOIN ({b}) b"
            f" ON a.id = b.id AND b.time >= a.time{late}"
        )

    def next_after(self, ask: Sequence) -> str:
        """The same for engines with as-of joins: the next second event after each first one."""
        a = self.step(ask.first, ask.first_where, ask)
        b = self.step(ask.then, ask.then_where, ask)
        late = f" WHERE b.time <= a.time + {ask.within_us}" if ask.within_us is not None else ""
        return (
            f"SELECT DISTINCT a.id FROM ({a}) a ASOF JOIN ({b}) b"
            f" ON a.id = b.id AND a.time <= b.time{late}"
        )

    def step(self, event: str, where: Where, ask: Sequence) -> str:
        """The events of a step: id and time."""
        tests = [f"day BETWEEN {ask.days.first} AND {ask.days.last}", *self.passing(where)]
        return f"SELECT id, time FROM {event} WHERE {' AND '.join(tests)}"

    def profile(self, columns: str = "p.*") -> str:
        """A query for the subscribers with a column for each condition on events that is kept."""
        joins: list[str] = []
        shown: list[str] = []
        for place, (ask, column) in enumerate(self.kept.items()):
            assert isinstance(ask, Did | SumAtLeast)
            made = f"sum({ask.measure})" if isinstance(ask, SumAtLeast) else "count(*)"
            kind = "BIGINT" if isinstance(ask, SumAtLeast) else "INTEGER"
            shown.append(f"CAST(coalesce(k{place}.n, 0) AS {kind}) AS {column}")
            joins.append(
                f"LEFT JOIN (SELECT id, {made} AS n FROM {self.source(ask)} GROUP BY id) k{place}"
                f" ON p.id = k{place}.id"
            )
        return f"SELECT {', '.join([columns, *shown])} FROM people p {' '.join(joins)}"


def answer(question: Question, rows: Rows) -> Answer:
    """What the rows of ``Dialect.query`` say."""
    if isinstance(question, Count):
        return (int(next(iter(rows))[0]),)
    if isinstance(question, Pairs):
        return pairs_of({int(mask): n for mask, n in rows}, len(question.segments))
    return tuple(n for _, n in sorted(row for row in rows if row[0] is not None))


def ask_key(ask: EventLeaf) -> EventLeaf:
    """The condition without its threshold: what a kept column answers."""
    if isinstance(ask, Did):
        return Did(ask.events, ask.days, ask.where)
    if isinstance(ask, SumAtLeast):
        return SumAtLeast(ask.event, ask.measure, ask.days, 0, ask.where)
    return ask


def least(ask: EventLeaf) -> int:
    """From which number on a kept column says yes."""
    return ask.minimum if isinstance(ask, SumAtLeast) else ask.times if isinstance(ask, Did) else 1


def kept_columns(questions: Iterable[Question]) -> dict[EventLeaf, str]:
    """A column for each condition on events of the questions but for sequences."""
    found: dict[EventLeaf, str] = {}
    for question in questions:
        for ask in asks(question):
            for leaf in leaves(ask):
                if isinstance(leaf, Did | SumAtLeast):
                    found.setdefault(ask_key(leaf), f"kept{len(found)}")
    return found


def between(column: str, low: int | None, high: int | None) -> str:
    """A range whose ends are included."""
    if low is not None and high is not None:
        return f"{column} BETWEEN {low} AND {high}"
    if low is not None:
        return f"{column} >= {low}"
    return f"{column} IS NOT NULL" if high is None else f"{column} <= {high}"


def literals(values: tuple[str, ...]) -> str:
    """Texts as SQL writes them."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def escaped(text: str) -> str:
    """A text inside a LIKE pattern."""
    if set(text) & set("%_\\"):
        raise ValueError(f"{text!r} would be a pattern")
    return text.replace("'", "''")
