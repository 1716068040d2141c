"""The oracle: an audience in dicts, lists and sets, and every rule answered person by person.

Values are plain: keyword and text ``str``, keywords a collection of ``str``, boolean ``bool``,
integer ``int``, decimal ``Decimal``, date ``datetime.date``, timestamp ``int`` µs since the epoch,
location ``(latitude, longitude)``. Rules are taken to be valid and bound to the schema.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from math import ceil

from headcount_server.core.rules import tree
from headcount_server.core.schema import AttributeType, Schema

from .events import Behaviour, Event
from .moves import Moves
from .time import Interval, Zone, anniversary, interval, micros, shift, whole
from .values import (
    Parameters,
    bound,
    keywords_holds,
    number,
    number_holds,
    order,
    place_holds,
    text_holds,
)

Key = str | int
Stored = str | Collection[str] | bool | int | Decimal | date | tuple[float, float]
_WORD = 2**64


@dataclass
class Subscriber:
    """One person: values by attribute, first write in µs, days of change by attribute."""

    known_since: int
    values: dict[str, Stored] = field(default_factory=dict[str, Stored])
    changes: dict[str, set[int]] = field(default_factory=dict[str, set[int]])


class Model:
    """One audience."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.zone = Zone(schema.time_zone)
        self.subscribers: dict[Key, Subscriber] = {}
        self.events: list[Event] = []
        self.segments: dict[str, tree.Rule] = {}
        self.clock: int | None = None  # of the writes that bear no time themselves
        self.moves = Moves(self.zone, lambda n, at: self.members(self.segments[n], at), self._times)
        self._writes = 0

    def upsert(
        self,
        key: Key,
        values: Mapping[str, Stored | None],
        at: int,
        known_since: int | None = None,
        changed_at: int | None = None,
    ) -> None:
        """Write values at a time in µs; None removes one, an attribute not named keeps its own."""
        self._pass(at)
        person = self.subscribers.setdefault(key, Subscriber(at))
        if known_since is not None:
            person.known_since = known_since
        day = self.zone.day(at if changed_at is None else changed_at)
        for name, value in values.items():
            new = None if isinstance(value, tuple | list | set | frozenset) and not value else value
            if self._identity(name, new) != self._identity(name, person.values.get(name)):
                person.changes.setdefault(name, set()).add(day)
            person.values.pop(name, None)
            if new is not None:
                person.values[name] = new
        self._follow()

    def record(
        self,
        key: Key,
        event: str,
        time: int,
        dimensions: Mapping[str, str] | None = None,
        measures: Mapping[str, Decimal] | None = None,
    ) -> None:
        """Write an event of a known subscriber; ``time`` in µs."""
        assert key in self.subscribers, key
        self._pass(self.clock)
        self._writes += 1
        kept = dict(dimensions or {}), dict(measures or {})
        self.events.append(Event(self._writes, key, time, event, *kept))
        self._follow()

    def erase(self, keys: Iterable[Key]) -> None:
        """Forget people and all their events; unknown keys are ignored."""
        self._pass(self.clock)
        gone = set(keys)
        self.events = [event for event in self.events if event.key not in gone]
        self.subscribers = {k: v for k, v in self.subscribers.items() if k not in gone}
        if self.moves.kept:
            self.moves.erase(gone)
        self._follow()

    def define(self, name: str, rule: tree.Rule, history_days: int = 0) -> None:
        """Create or replace a segment; the rule has no parameters.

        A history, once kept, is kept for ever; a segment uses only those defined before it.
        """
        self._pass(self.clock)
        self.segments[name] = rule
        self._follow()
        if history_days:
            self.moves.start(name)

    def advance(self, to: int) -> None:
        """Nothing is written, but time passes."""
        self.clock = to
        self._pass(to)

    def _pass(self, time: int | None) -> None:
        if time is not None:
            self.moves.before(time, any("HOUR" in repr(rule) for rule in self.segments.values()))

    def _follow(self) -> None:
        if self.moves.kept:
            self.moves.after()

    def _times(self) -> Iterator[int]:
        yield from (event.time for event in self.events)
        for person in self.subscribers.values():
            yield person.known_since
            yield from (value for value in person.values.values() if isinstance(value, int))

    def members(
        self,
        rule: tree.Rule,
        now: int,
        parameters: Parameters | None = None,
        within: tree.Rule | None = None,
    ) -> set[Key]:
        """Keys of the people in the set that a rule denotes at ``now`` (µs)."""
        rules = [bound(r, parameters or {}) for r in (rule, within) if r is not None]
        return {key for key in self.subscribers if all(self._holds(r, key, now) for r in rules)}

    def _identity(self, name: str, value: Stored | None) -> object:
        """What two equal values of an attribute have in common."""
        declared = self.schema.attribute(name)
        assert declared is not None, name
        if isinstance(value, str):
            return value.casefold()
        if declared.type is AttributeType.KEYWORDS and isinstance(value, Collection):
            return {str(v).casefold() for v in value}
        return value

    def _holds(self, rule: tree.Rule, key: Key, now: int) -> bool:
        match rule:
            case tree.Everyone():
                return True
            case tree.Nobody():
                return False
            case tree.And(rules):
                return all(self._holds(r, key, now) for r in rules)
            case tree.Or(rules):
                return any(self._holds(r, key, now) for r in rules)
            case tree.NoneOf(rules):
                return not any(self._holds(r, key, now) for r in rules)
            case tree.AtLeast(count, rules):
                return sum(self._holds(r, key, now) for r in rules) >= whole(count)
            case tree.Not(negated):
                return not self._holds(negated, key, now)
            case tree.WeightedSum(terms, test):
                held = (number(t.weight) for t in terms if self._holds(t.rule, key, now))
                return number_holds(test, sum(held, Fraction()))
            case tree.Sample(percent, seed):
                return Fraction(_dice(key, seed), _WORD) < number(percent) / 100
            case tree.Bucket(bucket, buckets, seed):
                return _dice(key, seed) * whole(buckets) // _WORD == whole(bucket) - 1
            case tree.IdIn(values):
                return any(
                    key == (value.text if isinstance(value, tree.Text) else number(value))
                    for value in values.values
                )
            case tree.InSegment(segment):
                assert isinstance(segment, tree.Text)
                return self._holds(self.segments[segment.text], key, now)
            case tree.KnownFor(duration):
                latest = shift(self.zone.day(now), -whole(duration.amount), duration.unit)
                return self.zone.day(self.subscribers[key].known_since) <= latest
            case tree.Attribute(name, test):
                return self._attribute(name, test, key, now)
            case tree.SegmentMove():
                return self.moves.has(key, rule, now)
            case _:
                mine = [event for event in self.events if event.key == key]
                behaviour = Behaviour(
                    self.schema, self.zone, now, mine, lambda name: self._day_of(name, key)
                )
                return behaviour.holds(rule)

    def _value(self, name: str, key: Key) -> Stored | None:
        if name == "key":
            return str(key)
        person = self.subscribers[key]
        return person.known_since if name == "known_since" else person.values.get(name)

    def _type(self, name: str) -> AttributeType:
        if name in ("key", "known_since"):
            return AttributeType.TEXT if name == "key" else AttributeType.TIMESTAMP
        declared = self.schema.attribute(name)
        assert declared is not None, name
        return declared.type

    def _day_of(self, name: str, key: Key) -> int | None:
        """The calendar day of a date or timestamp attribute."""
        value = self._value(name, key)
        if isinstance(value, date):
            return value.toordinal()
        return self.zone.day(value) if isinstance(value, int) else None

    def _attribute(self, name: str, test: tree.Test, key: Key, now: int) -> bool:
        value: object = self._value(name, key)
        if isinstance(test, tree.Changed):
            changed = self.subscribers[key].changes.get(name, ())
            window = interval(test.window, now, self.zone)
            today = self.zone.day(now)
            return any(window.low <= day <= window.high for day in changed if day <= today)
        match self._type(name):
            case AttributeType.KEYWORD | AttributeType.TEXT:
                return text_holds(test, value if isinstance(value, str) else None)
            case AttributeType.KEYWORDS:
                return keywords_holds(test, value)  # pyright: ignore[reportArgumentType]
            case AttributeType.BOOLEAN:
                assert isinstance(test, tree.Is)
                held = {"SET": value is not None, "MISSING": value is None}
                held |= {"TRUE": value is True, "FALSE": value is False}
                return held[test.state.name]
            case AttributeType.INTEGER | AttributeType.DECIMAL:
                assert isinstance(value, int | Decimal | None)
                if isinstance(test, tree.Rank):
                    return value is not None and self._ranked(name, test, Fraction(value))
                return number_holds(test, value)
            case AttributeType.LOCATION:
                return place_holds(test, value)  # pyright: ignore[reportArgumentType]
            case AttributeType.DATE | AttributeType.TIMESTAMP:
                return self._moment(name, test, key, now)

    def _ranked(self, name: str, test: tree.Rank, value: Fraction) -> bool:
        stored = [person.values.get(name) for person in self.subscribers.values()]
        ranking = [Fraction(v) for v in stored if isinstance(v, int | Decimal)]
        ranking.sort(reverse=not test.bottom)
        share = len(ranking) * number(test.amount) / 100
        places = ceil(share) if test.percent else whole(test.amount)
        better = sum(v < value if test.bottom else v > value for v in ranking)
        return better < places

    def _moment(self, name: str, test: tree.Test, key: Key, now: int) -> bool:
        value, day = self._value(name, key), self._day_of(name, key)
        match test:
            case tree.Is(state):
                return (day is not None) == (state is tree.State.SET)
            case tree.Compare(operator, tree.Timestamp(moment)):
                return order(operator, value, micros(moment))
            case tree.Compare(operator, tree.Date(literal)):
                return order(operator, day, literal.toordinal())
            case tree.CompareAttribute(operator, attribute, sign, offset):
                other = self._day_of(attribute, key)
                if day is None or other is None:
                    return operator is tree.Operator.NOT_EQUAL
                if offset is not None:
                    amount = whole(offset.amount) * (1 if sign is tree.Sign.PLUS else -1)
                    other = shift(other, amount, offset.unit)
                return order(operator, day, other)
            case _:
                return day is not None and self._on_calendar(test, day, value, now)

    def _on_calendar(self, test: tree.Test, day: int, value: object, now: int) -> bool:
        match test:
            case tree.InWindow(window):
                inside = interval(window, now, self.zone)
                if isinstance(value, int):
                    return inside.holds(self.zone, value)
                return inside.low <= day <= inside.high
            case tree.Anniversary(window):
                inside = interval(window, now, self.zone)
                return anniversary(day, Interval(inside.low, inside.high))
            case tree.MonthIn(parts):
                return date.fromordinal(day).month in map(whole, parts)
            case tree.DayOfMonthIn(parts):
                return date.fromordinal(day).day in map(whole, parts)
            case tree.WeekdayIn(parts):
                return date.fromordinal(day).isoweekday() in map(whole, parts)
            case tree.HourBetween(low, high):
                assert isinstance(value, int)
                hour, start, end = self.zone.hour(value), whole(low), whole(high)
                return start <= hour <= end if start <= end else hour >= start or hour <= end
            case _:
                raise AssertionError(f"{test} is no test on a date")


def _dice(key: Key, seed: tree.Value) -> int:
    """64 bits of chance, stable by key and seed."""
    assert isinstance(seed, tree.Text)
    z = _digest(str(key)) ^ _digest(seed.text)
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % _WORD
    return z ^ (z >> 31)


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
