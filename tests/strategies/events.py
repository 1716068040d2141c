"""Rules about events, drawn for a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Many, Operator, Unit
from headcount_server.core.schema import EventSchema

from .families import Family
from .picking import Pick
from .settings import AMOUNTS, dimension_pool
from .values import keyword_test, named_number_test, number_test
from .windows import CALENDAR_UNITS, duration, event_window

_RATIOS = ("0.5", "0", "1", "2.5", "5", "0.3333", "0.333333333333333333", "2")
_SUMS = (*AMOUNTS, Decimal("0.005"), Decimal(2), Decimal("3.3333333333"), Decimal(10) ** 40)
_COUNTS = (1, 0, 2, 3, 4)


def event_rules(pick: Pick) -> list[Callable[[], tree.Rule]]:
    """What makes a rule of each family about events that is asked for; ``did`` twice."""
    makers: dict[Family, Callable[[Pick], tree.Rule]] = {
        Family.DID: did,
        Family.LAST_CAMPAIGNS: last_campaigns,
        Family.SEQUENCE: sequence,
        Family.RECENCY: recency,
        Family.AGGREGATE: aggregate,
        Family.FAVOURITE: favourite,
        Family.RATE: rate,
        Family.STARS: lambda pick: tree.Stars(number_test(pick, *_RATIOS), event_window(pick)),
        Family.INACTIVE: inactive,
    }
    found = [maker for family, maker in makers.items() if pick.has(family)]
    found += [did] * pick.has(Family.DID)
    return [lambda maker=maker: maker(pick) for maker in found]


def did(pick: Pick) -> tree.Did:
    """``did`` with a count, a where and a window, a relative window or a habit."""
    types = _types(pick)
    often = _often(pick) if pick.rarely(2) else None
    where = _where(pick, types)
    kinds = ["window", "window", "relative", "habit"]
    kind = pick.one(kinds[: 2 + pick.has(Family.RELATIVE) + pick.has(Family.HABIT)])
    if kind == "relative":
        return tree.Did(_names(types), often, where, relative=_relative(pick))
    if kind == "habit":
        return tree.Did(_names(types), often, where, habit=_habit(pick))
    return tree.Did(_names(types), often, where, event_window(pick))


def last_campaigns(pick: Pick) -> tree.Did:
    """``did open where campaign in at least 2 of last 5 campaigns sent``."""
    named = pick.setting.schema.engagement
    able = [event for event in pick.setting.schema.events if named.campaign in event.dimensions]
    types = pick.some(lambda: pick.one(able), 1, 2)
    quantifier = pick.one(tuple(tree.Quantifier))
    count = pick.number(*_COUNTS) if quantifier is tree.Quantifier.AT_LEAST else None
    last = pick.number(2, 1, 3, 5)
    where: tree.Rule = tree.LastCampaigns(named.campaign, quantifier, last, named.sent, count)
    if rest := _where(pick, types):
        where = tree.And((rest, where) if pick.rarely(2) else (where, rest))
    return tree.Did(_names(types), where=where, window=event_window(pick))


def sequence(pick: Pick) -> tree.Sequence:
    """Two to four steps with everything that may hang on them; now and then eight."""
    length = pick.one((2, 2, 2, 3, 3, 4, 8))
    pool = pick.some(lambda: pick.one(pick.setting.schema.events), 1, 2)  # few: chains exist
    types = [_types(pick), *((pick.one(pool),) for _ in range(length - 1))]
    negated = pick.rarely(3)
    steps = [tree.Step(_names(types[0]), where=_where(pick, types[0], 3))]
    for place in range(1, length):
        last = negated and place == length - 1
        where, within = _where(pick, types[place], 3), _elapsed(pick)
        without = None if last or pick.index(3) else _without(pick)
        steps.append(tree.Step(_names(types[place]), last, where, within, without))
    all_types = [event for step in types for event in step]
    shared = [n for n in types[0][0].dimensions if all(n in e.dimensions for e in all_types)]
    same = pick.one(("", "", *shared))
    return tree.Sequence(tuple(steps), _elapsed(pick), same, event_window(pick))


def recency(pick: Pick) -> tree.Recency:
    """``first`` and ``last``, with a where and an ``is``."""
    types, edge = _types(pick), pick.one(tuple(tree.Edge))
    where, passes = _where(pick, types), _where(pick, types)
    return tree.Recency(edge, _names(types), where, passes, event_window(pick))


def aggregate(pick: Pick) -> tree.Aggregate:
    """``sum avg min max`` of a measure, ``count distinct`` of a dimension."""
    event = pick.one([event for event in pick.setting.schema.events if event.measures])
    function = pick.one(tuple(tree.Function))
    if function is tree.Function.COUNT_DISTINCT:
        name, test = pick.one(event.dimensions), number_test(pick, 1, 0, 2, 3)
    else:
        name, test = pick.one(event.measures)[0], number_test(pick, *_SUMS)
    where = _where(pick, (event,))
    return tree.Aggregate(function, event.name, name, test, where, event_window(pick))


def favourite(pick: Pick) -> tree.Favourite:
    """``favourite`` with its four tests."""
    event = pick.one([event for event in pick.setting.schema.events if event.dimensions])
    name = pick.one(event.dimensions)
    pool = dimension_pool(name)
    test = pick.of(
        lambda: tree.Compare(pick.one((Operator.EQUAL, Operator.NOT_EQUAL)), pick.text(pool)),
        lambda: tree.In(pick.texts(pool), pick.rarely(2)),
    )
    return tree.Favourite(event.name, name, test, _where(pick, (event,)), event_window(pick))


def rate(pick: Pick) -> tree.Rate:
    """``rate(open / sent)``."""
    part, of = (pick.one(pick.setting.schema.events).name for _ in range(2))
    return tree.Rate(part, of, number_test(pick, *_RATIOS), event_window(pick))


def inactive(pick: Pick) -> tree.Inactive:
    """``inactive for``, by days or hours."""
    hours = (Unit.HOUR,) * pick.has(Family.HOURS)
    return tree.Inactive(duration(pick, (*CALENDAR_UNITS, *hours)))


def _types(pick: Pick) -> tuple[EventSchema, ...]:
    """One event type, or now and then several."""
    return pick.some(lambda: pick.one(pick.setting.schema.events), 1, 3 if pick.rarely(3) else 1)


def _names(types: Sequence[EventSchema]) -> tuple[str, ...]:
    return tuple(event.name for event in types)


def _where(pick: Pick, types: Sequence[EventSchema], out_of: int = 2) -> tree.Rule | None:
    """A where about all of these event types, one time in so many; else None."""
    texts = [n for n in types[0].dimensions if all(n in e.dimensions for e in types)]
    numbers = [n for n, _ in types[0].measures if all(e.scale(n) is not None for e in types)]
    if not texts + numbers or not pick.rarely(out_of):
        return None

    def test() -> tree.Rule:
        name = pick.one((*texts, *numbers))
        if name in texts:
            return tree.Attribute(name, keyword_test(pick, dimension_pool(name)))
        pool = (*AMOUNTS, "0.005") if types[0].scale(name) else (1, 0, 2, -1)
        return tree.Attribute(name, named_number_test(pick, *pool))

    def composed(depth: int) -> tree.Rule:
        if depth == 0 or pick.index(3) == 0:
            return test()
        below = pick.some(lambda: composed(depth - 1))
        return pick.of(
            lambda: tree.And(below),
            lambda: tree.Or(below),
            lambda: tree.Not(below[0]),
            lambda: tree.NoneOf(below),
            lambda: tree.AtLeast(pick.number(1, 0, 2), below),
        )

    return composed(2)


def _often(pick: Pick) -> tree.Often:
    many = pick.one(tuple(Many))
    low, high = pick.number(*_COUNTS), None
    if many is Many.BETWEEN:
        high = pick.number(*_COUNTS)
    return tree.Often(many, low, high, pick.rarely(2))


def _relative(pick: Pick) -> tree.Relative:
    name = pick.one(("signup_date", "birthday", "last_login", "known_since"))
    return tree.Relative(duration(pick), pick.one(tuple(tree.Side)), name)


def _habit(pick: Pick) -> tree.Habit:
    many = pick.one((Many.AT_LEAST, Many.AT_MOST, Many.EXACTLY))
    last, unit = pick.number(4, 1, 2, 13), pick.one((Unit.DAY, Unit.WEEK, Unit.MONTH))
    return tree.Habit(many, pick.number(*_COUNTS), last, unit)


def _elapsed(pick: Pick) -> tree.Duration | None:
    units = (Unit.WEEK, Unit.DAY, Unit.HOUR, Unit.MINUTE)
    return duration(pick, units) if pick.rarely(3) else None


def _without(pick: Pick) -> tree.Without:
    event = pick.one(pick.setting.schema.events)
    return tree.Without(event.name, _where(pick, (event,)))
