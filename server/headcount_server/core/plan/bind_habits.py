"""A ``did`` by calendar periods, or within days of a date attribute, as nodes."""

from __future__ import annotations

from decimal import Decimal

from headcount_server.core.calendar import FIRST_DAY, LAST_DAY, period
from headcount_server.core.faults import Faults, refuse
from headcount_server.core.plan import behaviour_nodes, event_nodes, nodes
from headcount_server.core.plan.bind_checks import check_moment
from headcount_server.core.plan.bind_events import bind_often, bind_sources, bounded_count
from headcount_server.core.plan.kept import EVER, Need, check_kept
from headcount_server.core.plan.scope import BUILT_IN, Scope, subject_of
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Many, Unit
from headcount_server.limits import INT64_MAX

_ONCE = tree.Often(Many.AT_LEAST, tree.Number(Decimal(1)))
_PERIODS = (Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR)


def bind_habit(scope: Scope, rule: tree.Did, habit: tree.Habit, place: str) -> nodes.Node:
    """A ``did … in at least 3 of last 4 weeks``. ``place`` ends with the variant of ``rule``.

    Raises:
        InvalidRule: a window beside it, an unknown name, a wrong test, value or unit.
        Unimplemented: a test in the where isn't answered yet.
    """
    faults = Faults()
    sources: tuple[event_nodes.Source, ...] = ()
    low, high, count, last = 1, 1, 0, 0
    often = rule.often or _ONCE
    with faults.collecting():
        _check_alone(rule, place)
    with faults.collecting():
        sources = bind_sources(scope, rule.events, rule.where, place, rule.span)
    with faults.collecting():
        low, high = bind_often(scope, often, f"{place}.often", rule.span)
    at = f"{place}.habit"
    with faults.collecting():
        count = scope.values.whole(habit.count, f"{at}.count", "the count", rule.span)
        last = scope.values.whole(habit.last, f"{at}.last", "the number of periods", rule.span)
    with faults.collecting():
        _check_habit(habit, at, rule.span)
    faults.check()
    least, most = _ends(often.many, low, high)

    def of_periods(wanted: int, enough: int, at_most: int | None) -> nodes.Node:
        if wanted == 0:
            return nodes.All()
        if wanted > last or not sources or (at_most is not None and enough > at_most):
            return nodes.Nothing()
        earliest = period(scope.calendar.day_of(scope.now_us), habit.unit, 1 - last)[0]
        span = event_nodes.Days(max(earliest, FIRST_DAY), LAST_DAY, None)
        check_kept(scope, sources, span, Need.ALL, place, rule.span)
        return behaviour_nodes.Habit(
            sources, habit.unit, last, scope.now_us, enough, at_most, wanted, often.on_days
        )

    def at_least(wanted: int) -> nodes.Node:
        if wanted == 0:
            return nodes.All()
        if least > 0 or (most is not None and most < 0):
            return of_periods(wanted, least, most)
        # A period without events is enough, so that those with too many are counted.
        if wanted > last:
            return nodes.Nothing()
        if most is None:
            return nodes.All()
        return nodes.Not(of_periods(last - wanted + 1, most + 1, None))

    return bounded_count(habit.many, count, count, at_least)


def bind_relative(scope: Scope, rule: tree.Did, relative: tree.Relative, place: str) -> nodes.Node:
    """A ``did … within 30 days after signup_date``. ``place`` ends with the variant of ``rule``.

    Raises:
        InvalidRule: a window beside it, an unknown name, no date attribute, a wrong test, value or
            unit.
        Unimplemented: a test in the where isn't answered yet.
    """
    faults = Faults()
    sources: tuple[event_nodes.Source, ...] = ()
    low, high, amount = 1, 1, 0
    often = rule.often or _ONCE
    with faults.collecting():
        _check_alone(rule, place)
    with faults.collecting():
        sources = bind_sources(scope, rule.events, rule.where, place, rule.span)
    with faults.collecting():
        low, high = bind_often(scope, often, f"{place}.often", rule.span)
    at = f"{place}.relative"
    with faults.collecting():
        amount = scope.amount(relative.duration, f"{at}.duration", rule.span)
    with faults.collecting():
        attribute = scope.attribute(relative.attribute, f"{at}.attribute", rule.span)
        check_moment(subject_of(attribute), attribute.type, f"{at}.attribute", rule.span)
    faults.check()
    if relative.side is tree.Side.BEFORE:
        amount = -amount

    def at_least(count: int) -> nodes.Node:
        if count == 0:
            return nodes.All()
        if count >= INT64_MAX or not sources:
            return nodes.Nothing()
        check_kept(scope, sources, EVER, Need.ALL, place, rule.span)
        return behaviour_nodes.DidRelative(
            sources, relative.attribute, amount, relative.duration.unit, scope.now_us, count,
            often.on_days,
        )  # fmt: skip

    node = bounded_count(often.many, low, high, at_least)
    if relative.attribute in BUILT_IN or isinstance(
        node, nodes.Nothing | behaviour_nodes.DidRelative
    ):
        return node
    present = nodes.IsSet(relative.attribute)
    return present if isinstance(node, nodes.All) else nodes.And((present, node))


def _check_alone(rule: tree.Did, place: str) -> None:
    if sum(part is not None for part in (rule.window, rule.relative, rule.habit)) > 1:
        message = "one of a window, a habit and within … after can be given"
        refuse(place, message, "INVALID", rule.span)


def _check_habit(habit: tree.Habit, place: str, span: tree.Span | None) -> None:
    if habit.unit not in _PERIODS:
        expected = tuple(f"{unit.name.lower()}s" for unit in _PERIODS)
        message = "a habit is of days, weeks, months, quarters or years"
        refuse(f"{place}.unit", message, "UNSUPPORTED_UNIT", span, expected=expected)
    if habit.many not in (Many.AT_LEAST, Many.AT_MOST, Many.EXACTLY):
        expected = ("at least", "at most", "exactly")
        message = "a habit takes at least, at most or exactly"
        refuse(f"{place}.many", message, "INVALID", span, expected=expected)


def _ends(many: Many, low: int, high: int) -> tuple[int, int | None]:
    """The least and the most events that are enough; the most may be less than none."""
    match many:
        case Many.AT_LEAST:
            return low, None
        case Many.MORE_THAN:
            return low + 1, None
        case Many.AT_MOST:
            return 0, low
        case Many.FEWER_THAN:
            return 0, low - 1
        case Many.EXACTLY | Many.BETWEEN:
            return low, high
