"""Rules of the standard questions made plain for one ``now``; see ``algebra``."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from headcount_server.core.rules import tree
from headcount_server.core.schema import AttributeType, Schema

from headcount_bench.compare import algebra
from headcount_bench.compare.algebra import Ask, Days, Where

_EPOCH = date(1970, 1, 1)
_UNIT_US = {
    tree.Unit.MINUTE: 60_000_000,
    tree.Unit.HOUR: 3_600_000_000,
    tree.Unit.DAY: 86_400_000_000,
    tree.Unit.WEEK: 604_800_000_000,
}


class Untranslatable(ValueError):
    """A rule has a part that the comparison doesn't know."""


class Translator:
    """Makes rules plain.

    Args:
        schema: of the audience.
        today: the day that holds ``now``, in days since 1970-01-01.
        first_day: before every event there is.
        active: event types that count as activity.
    """

    def __init__(self, schema: Schema, today: int, first_day: int, active: tuple[str, ...]) -> None:
        self._schema = schema
        self._today = today
        self._first_day = first_day
        self._active = active

    def ask(self, rule: tree.Rule) -> Ask:
        """The plain form.

        Raises:
            Untranslatable: it has a part that the comparison doesn't know.
        """
        if isinstance(rule, tree.And):
            return algebra.And(tuple(map(self.ask, rule.rules)))
        if isinstance(rule, tree.Or):
            return algebra.Or(tuple(map(self.ask, rule.rules)))
        if isinstance(rule, tree.NoneOf):
            return algebra.Not(algebra.Or(tuple(map(self.ask, rule.rules))))
        if isinstance(rule, tree.Not):
            return algebra.Not(self.ask(rule.rule))
        if isinstance(rule, tree.Attribute):
            return self._attribute(rule)
        return self._events(rule)

    def _attribute(self, rule: tree.Attribute) -> Ask:
        schema = self._schema.attribute(rule.name)
        if schema is None:
            raise Untranslatable(f"unknown attribute {rule.name}")
        test = rule.test
        if schema.type is AttributeType.KEYWORDS:
            return _tags(rule.name, test)
        if isinstance(test, tree.Contains):
            return _negated(algebra.Contains(rule.name, _text(test.value).lower()), test.negated)
        if isinstance(test, tree.Compare) and test.operator is tree.Operator.NOT_EQUAL:
            return algebra.Not(algebra.OneOf(rule.name, (_text(test.value),)))
        if isinstance(test, tree.In):
            return _negated(_one_of(rule.name, test), test.negated)
        if schema.type is AttributeType.KEYWORD:
            return _one_of(rule.name, test)
        if isinstance(test, tree.InWindow) and schema.type is AttributeType.DATE:
            days = self._days(test.window)
            return algebra.Within(rule.name, days.first, days.last)
        return _range(rule.name, test, schema.scale)

    def _events(self, rule: tree.Rule) -> Ask:
        if isinstance(rule, tree.Inactive):
            days = self._days(tree.InLast(rule.duration))
            return algebra.Not(algebra.Did(self._active, days))
        if isinstance(rule, tree.Did) and rule.relative is None and rule.habit is None:
            where = self._where(rule.where, rule.events[0])
            days = self._days(rule.window)
            return algebra.Did(rule.events, days, where, _times(rule.often))
        if isinstance(rule, tree.Aggregate) and rule.function is tree.Function.SUM:
            scale = self._scale(rule.event, rule.property)
            bounds = _range(rule.property, rule.test, scale)
            if bounds.low is None or bounds.high is not None:
                raise Untranslatable("a sum is compared with >= or > only")
            days, where = self._days(rule.window), self._where(rule.where, rule.event)
            return algebra.SumAtLeast(rule.event, rule.property, days, bounds.low, where)
        if isinstance(rule, tree.Sequence) and not rule.same and rule.all_within is None:
            return self._sequence(rule)
        raise Untranslatable(f"the comparison doesn't know {type(rule).__name__}")

    def _sequence(self, rule: tree.Sequence) -> Ask:
        first, then = rule.steps[0], rule.steps[1]
        names = {event for step in rule.steps for event in step.events}
        plain = not any(step.negated or step.without for step in rule.steps)
        if len(rule.steps) != 2 or len(names) != 2 or not plain:
            raise Untranslatable("only two plain steps of different types are compared")
        return algebra.Sequence(
            first.events[0],
            self._where(first.where, first.events[0]),
            then.events[0],
            self._where(then.where, then.events[0]),
            _elapsed(then.within),
            self._days(rule.window),
        )

    def _where(self, rule: tree.Rule | None, event: str) -> Where:
        if rule is None:
            return Where()
        parts = rule.rules if isinstance(rule, tree.And) else (rule,)
        dimensions: list[algebra.OneOf] = []
        measures: list[algebra.Within] = []
        declared = self._schema.event(event)
        for part in parts:
            if not isinstance(part, tree.Attribute) or declared is None:
                raise Untranslatable("only tests joined by and are compared in a where")
            if part.name in declared.dimensions:
                dimensions.append(_one_of(part.name, part.test))
            else:
                scale = self._scale(event, part.name)
                measures.append(_range(part.name, part.test, scale))
        return Where(tuple(dimensions), tuple(measures))

    def _scale(self, event: str, measure: str) -> int:
        declared = self._schema.event(event)
        scale = None if declared is None else declared.scale(measure)
        if scale is None:
            raise Untranslatable(f"unknown measure {event}.{measure}")
        return scale

    def _days(self, window: tree.Window | None) -> Days:
        today = self._today
        if window is None or isinstance(window, tree.Ever):
            return Days(self._first_day, today)
        if isinstance(window, tree.InLast):
            return Days(today - _whole_days(window.duration), today)
        if isinstance(window, tree.BetweenRelative) and window.unit is tree.Unit.DAY:
            low, high = int(_number(window.low)), int(_number(window.high))
            if window.direction is tree.Direction.AGO:
                return Days(today - high, today - low)
        if isinstance(window, tree.MoreThan) and window.direction is tree.Direction.AGO:
            return Days(self._first_day, today - _whole_days(window.duration) - 1)
        raise Untranslatable(f"the comparison doesn't know the window {window}")


def _tags(name: str, test: tree.Test) -> Ask:
    if isinstance(test, tree.Has):
        return algebra.HasAny(name, (_text(test.value),))
    if isinstance(test, tree.HasOf):
        values = tuple(map(_text, test.values.values))
        if test.quantifier is tree.Quantifier.ANY:
            return algebra.HasAny(name, values)
        if test.quantifier is tree.Quantifier.NONE:  # somebody without any is not among them
            return algebra.And((algebra.Known(name), algebra.Not(algebra.HasAny(name, values))))
        if test.quantifier is tree.Quantifier.ALL:
            return algebra.And(tuple(algebra.HasAny(name, (value,)) for value in values))
    raise Untranslatable(f"the comparison doesn't know {type(test).__name__} of {name}")


def _one_of(name: str, test: tree.Test) -> algebra.OneOf:
    if isinstance(test, tree.Compare) and test.operator is tree.Operator.EQUAL:
        return algebra.OneOf(name, (_text(test.value),))
    if isinstance(test, tree.In):
        return algebra.OneOf(name, tuple(map(_text, test.values.values)))
    raise Untranslatable(f"the comparison doesn't know {type(test).__name__} of {name}")


def _range(name: str, test: tree.Test | tree.NumberTest, scale: int) -> algebra.Within:
    """The range of whole minor units that a test of a number leaves."""
    if isinstance(test, tree.InWindow) and isinstance(test.window, tree.Between):
        low, high = _number(test.window.low), _number(test.window.high)
        return algebra.Within(name, _up(low, scale), _down(high, scale))
    if isinstance(test, tree.Between):
        return algebra.Within(name, _up(_number(test.low), scale), _down(_number(test.high), scale))
    if not isinstance(test, tree.Compare):
        raise Untranslatable(f"the comparison doesn't know {type(test).__name__} of {name}")
    value = _number(test.value)
    if test.operator is tree.Operator.GREATER_OR_EQUAL:
        return algebra.Within(name, _up(value, scale), None)
    if test.operator is tree.Operator.GREATER:
        return algebra.Within(name, _down(value, scale) + 1, None)
    if test.operator is tree.Operator.LESS_OR_EQUAL:
        return algebra.Within(name, None, _down(value, scale))
    if test.operator is tree.Operator.LESS:
        return algebra.Within(name, None, _up(value, scale) - 1)
    return algebra.Within(name, _up(value, scale), _down(value, scale))


def _up(value: Decimal, scale: int) -> int:
    return int(value.scaleb(scale).to_integral_value(ROUND_CEILING))


def _down(value: Decimal, scale: int) -> int:
    return int(value.scaleb(scale).to_integral_value(ROUND_FLOOR))


def _negated(ask: Ask, negated: bool) -> Ask:
    return algebra.Not(ask) if negated else ask


def _times(often: tree.Often | None) -> int:
    if often is None:
        return 1
    if often.on_days or often.many not in (tree.Many.AT_LEAST, tree.Many.MORE_THAN):
        raise Untranslatable("how often is compared with at least or more than only")
    return int(_number(often.low)) + (often.many is tree.Many.MORE_THAN)


def _elapsed(duration: tree.Duration | None) -> int | None:
    return None if duration is None else int(_number(duration.amount)) * _UNIT_US[duration.unit]


def _whole_days(duration: tree.Duration) -> int:
    amount = int(_number(duration.amount))
    if duration.unit is tree.Unit.WEEK:
        return amount * 7
    if duration.unit is not tree.Unit.DAY:
        raise Untranslatable("windows are compared in days and weeks only")
    return amount


def _text(value: tree.Value) -> str:
    if not isinstance(value, tree.Text):
        raise Untranslatable(f"a text is needed, not {value}")
    return value.text


def _number(value: tree.Value) -> Decimal:
    if not isinstance(value, tree.Number):
        raise Untranslatable(f"a number is needed, not {value}")
    return value.number


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days
