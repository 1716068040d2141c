"""Rules about one person's behaviour, over a plain list of events; sequences by brute force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Many, Quantifier
from headcount_server.core.schema import Schema

from .time import ELAPSED, FOREVER, Interval, Zone, interval, period_start, shift, whole
from .values import number_holds, order, same, text_holds


@dataclass(frozen=True)
class Event:
    """One event; ``seq`` is its place in the order of writing, ``time`` µs since the epoch."""

    seq: int
    key: str | int
    time: int
    event: str
    dimensions: dict[str, str]
    measures: dict[str, Decimal]


class Behaviour:
    """The events of one person up to ``now``, and the answers of event rules about them.

    ``day_of`` gives the calendar day of one of the person's date attributes, or None.
    """

    def __init__(
        self,
        schema: Schema,
        zone: Zone,
        now: int,
        events: Sequence[Event],
        day_of: Callable[[str], int | None],
    ) -> None:
        self._schema, self._zone, self._now, self._day_of = schema, zone, now, day_of
        self._past = [event for event in events if event.time <= now]

    def holds(self, rule: tree.Rule) -> bool:
        """Whether the person is in the set that an event rule denotes."""
        match rule:
            case tree.Did():
                return self._did(rule)
            case tree.Sequence():
                return any(self._chains(rule))
            case tree.Recency():
                return self._recency(rule)
            case tree.Aggregate():
                return number_holds(rule.test, self._aggregate(rule))
            case tree.Favourite():
                return self._favourite(rule)
            case tree.Rate():
                part, of = (
                    len(self._found((name,), None, rule.window))
                    for name in (rule.numerator, rule.denominator)
                )
                return number_holds(rule.test, Fraction(part, of) if of else None)
            case tree.Stars():
                return number_holds(rule.test, self._stars(rule))
            case tree.Inactive(duration):
                active = tuple(e.name for e in self._schema.events if self._schema.is_activity(e))
                return not self._found(active, None, tree.InLast(duration))
            case _:
                raise AssertionError(f"{rule} is no rule about events")

    def _found(
        self, names: Sequence[str], where: tree.Rule | None, window: tree.Window | None
    ) -> list[Event]:
        return self._inside(names, where, interval(window, self._now, self._zone))

    def _inside(
        self, names: Sequence[str], where: tree.Rule | None, inside: Interval
    ) -> list[Event]:
        return [
            event
            for event in self._past
            if event.event in names
            and self._passes(where, event)
            and inside.holds(self._zone, event.time)
        ]

    def _passes(self, where: tree.Rule | None, event: Event) -> bool:
        match where:
            case None:
                return True
            case tree.And(rules):
                return all(self._passes(rule, event) for rule in rules)
            case tree.Or(rules):
                return any(self._passes(rule, event) for rule in rules)
            case tree.NoneOf(rules):
                return not any(self._passes(rule, event) for rule in rules)
            case tree.AtLeast(count, rules):
                return sum(self._passes(rule, event) for rule in rules) >= whole(count)
            case tree.Not(rule):
                return not self._passes(rule, event)
            case tree.Attribute(name, test):
                declared = self._schema.event(event.event)
                if declared is not None and name in declared.dimensions:
                    return text_holds(test, event.dimensions.get(name))
                return number_holds(test, event.measures.get(name))
            case _:
                raise AssertionError(f"{where} has no place in a where")

    def _did(self, rule: tree.Did) -> bool:
        inside = interval(rule.window, self._now, self._zone)
        tests, campaigns = _split(rule.where)
        if rule.relative:
            day = self._day_of(rule.relative.attribute)
            if day is None:
                return False
            amount, unit = whole(rule.relative.duration.amount), rule.relative.duration.unit
            if rule.relative.side is tree.Side.AFTER:
                inside = Interval(day, shift(day, amount, unit))
            else:
                inside = Interval(shift(day, -amount, unit), day)
        events = self._inside(rule.events, tests, inside)
        if campaigns:
            return self._last_campaigns(campaigns, events)
        if rule.habit:
            unit, periods = rule.habit.unit, 0
            for back in range(whole(rule.habit.last)):
                start = shift(period_start(self._zone.day(self._now), unit), -back, unit)
                end = FOREVER if start == -FOREVER else shift(start, 1, unit) - 1
                period = [e for e in events if start <= self._zone.day(e.time) <= end]
                periods += self._enough(rule.often, period)
            return _many(rule.habit.many, periods, whole(rule.habit.count), None)
        return self._enough(rule.often, events)

    def _enough(self, often: tree.Often | None, events: Sequence[Event]) -> bool:
        if often is None:
            return bool(events)
        days = {self._zone.day(event.time) for event in events}
        high = None if often.high is None else whole(often.high)
        return _many(
            often.many, len(days) if often.on_days else len(events), whole(often.low), high
        )

    def _last_campaigns(self, rule: tree.LastCampaigns, events: Sequence[Event]) -> bool:
        latest: dict[str, int] = {}
        for sending in self._found((rule.event,), None, None):
            name = _folded(sending, rule.name)
            if name is not None:
                latest[name] = max(sending.time, latest.get(name, -FOREVER))
        last = sorted(latest, key=lambda name: (latest[name], name), reverse=True)
        last = set(last[: whole(rule.last)])
        answered = last & {_folded(event, rule.name) for event in events}
        match rule.quantifier:
            case Quantifier.ANY:
                return bool(answered)
            case Quantifier.ALL:
                return bool(last) and answered == last
            case Quantifier.NONE:
                return not answered
            case Quantifier.AT_LEAST:
                return len(answered) >= whole(rule.count)

    def _recency(self, rule: tree.Recency) -> bool:
        events = self._found(rule.events, rule.where, None)
        if not events:
            return False
        pick = min if rule.edge is tree.Edge.FIRST else max
        event = pick(events, key=lambda e: (e.time, e.seq))
        window = interval(rule.window, self._now, self._zone)
        return self._passes(rule.passes, event) and window.holds(self._zone, event.time)

    def _aggregate(self, rule: tree.Aggregate) -> Fraction | int | None:
        events = self._found((rule.event,), rule.where, rule.window)
        if rule.function is tree.Function.COUNT_DISTINCT:
            texts = {_folded(e, rule.property) for e in events}
            return len((texts | {e.measures.get(rule.property) for e in events}) - {None})
        values = [
            Fraction(e.measures[rule.property]) for e in events if rule.property in e.measures
        ]
        match rule.function:
            case tree.Function.SUM:
                return sum(values, Fraction())
            case tree.Function.AVG:
                return sum(values, Fraction()) / len(values) if values else None
            case tree.Function.MIN:
                return min(values, default=None)
            case tree.Function.MAX:
                return max(values, default=None)

    def _favourite(self, rule: tree.Favourite) -> bool:
        events = self._found((rule.event,), rule.where, rule.window)
        spellings = [e.dimensions[rule.dimension] for e in events if rule.dimension in e.dimensions]
        counts = Counter(spelling.casefold() for spelling in spellings)
        most = max(counts.values(), default=0)
        favourites = [s for s in spellings if counts[s.casefold()] == most]
        match rule.test:
            case tree.Compare(operator, literal):
                return order(operator, any(same(literal, s) for s in favourites), True)
            case tree.In(values, negated):
                return any(same(v, s) for v in values.values for s in favourites) != negated
            case _:
                raise AssertionError(f"{rule.test} is no test on a favourite")

    def _stars(self, rule: tree.Stars) -> Fraction | None:
        names = self._schema.engagement

        def campaigns(event: str, window: tree.Window | None) -> set[str]:
            found = {_folded(e, names.campaign) for e in self._found((event,), None, window)}
            return {name for name in found if name is not None}

        sent = campaigns(names.sent, rule.window)
        answers = (sent & campaigns(names.open, None), sent & campaigns(names.click, None))
        points = Fraction(sum(len(answered) for answered in answers), 2)
        return points / len(sent) * 5 if sent else None

    def _chains(self, rule: tree.Sequence) -> Iterator[bool]:
        """For each choice of different events for the steps, whether it is a chain."""
        steps = rule.steps[:-1] if rule.steps[-1].negated else rule.steps
        choices = [self._found(step.events, step.where, rule.window) for step in rule.steps]

        def extend(chain: list[Event]) -> Iterator[bool]:
            if len(chain) == len(steps):
                yield self._unspoilt(rule, chain) and (
                    len(steps) == len(rule.steps)
                    or not any(self._fits(rule, chain, event) for event in choices[-1])
                )
                return
            for event in choices[len(chain)]:
                if self._fits(rule, chain, event):
                    yield from extend([*chain, event])

        return extend([])

    def _fits(self, rule: tree.Sequence, chain: list[Event], event: Event) -> bool:
        """Whether ``event`` can be the step after those of ``chain``, by time and ``same``."""
        if event in chain or (rule.same and _folded(event, rule.same) is None):
            return False
        if not chain:
            return True
        limits = ((rule.all_within, chain[0]), (rule.steps[len(chain)].within, chain[-1]))
        return (
            event.time >= chain[-1].time
            and all(limit is None or event.time - e.time <= _elapsed(limit) for limit, e in limits)
            and (not rule.same or _folded(event, rule.same) == _folded(chain[0], rule.same))
        )

    def _unspoilt(self, rule: tree.Sequence, chain: list[Event]) -> bool:
        """Whether no ``without`` event that is no step itself lies between its two steps."""
        for before, this, step in zip(chain, chain[1:], rule.steps[1:], strict=False):
            if step.without is not None and any(
                before.time <= event.time <= this.time and event not in chain
                for event in self._found((step.without.event,), step.without.where, None)
            ):
                return False
        return True


def _split(where: tree.Rule | None) -> tuple[tree.Rule | None, tree.LastCampaigns | None]:
    """The other tests of a where joined by ``and``, and the one on the last campaigns."""
    if isinstance(where, tree.LastCampaigns):
        return None, where
    if not isinstance(where, tree.And):
        return where, None
    parts = [_split(rule) for rule in where.rules]
    found = [campaigns for _, campaigns in parts if campaigns]
    return tree.And(tuple(rest for rest, _ in parts if rest)), found[0] if found else None


def _folded(event: Event, dimension: str) -> str | None:
    value = event.dimensions.get(dimension)
    return None if value is None else value.casefold()


def _elapsed(duration: tree.Duration) -> int:
    return whole(duration.amount) * ELAPSED[duration.unit]


def _many(many: Many, count: int, low: int, high: int | None) -> bool:
    return {
        Many.AT_LEAST: count >= low,
        Many.AT_MOST: count <= low,
        Many.EXACTLY: count == low,
        Many.MORE_THAN: count > low,
        Many.FEWER_THAN: count < low,
        Many.BETWEEN: low <= count <= (low if high is None else high),
    }[many]
