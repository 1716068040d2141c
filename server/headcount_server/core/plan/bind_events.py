"""Conditions on behaviour as nodes: which events, how often, when; and wheres as sets of events."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn

from headcount_server.core import texts
from headcount_server.core.faults import Faults, below, refuse, variant
from headcount_server.core.plan import event_nodes, nodes, numbers
from headcount_server.core.plan.bind_attributes import negated
from headcount_server.core.plan.bind_tests import (
    NUMBER_TESTS,
    TEXT_TESTS,
    Bound,
    Listed,
    Presence,
    number_test,
    require,
    text_test,
)
from headcount_server.core.plan.bind_values import Subject
from headcount_server.core.plan.kept import Need, check_kept
from headcount_server.core.plan.scope import Scope, properties, unknown_property
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Many
from headcount_server.core.schema import EventSchema
from headcount_server.core.windows import event_span
from headcount_server.limits import INT64_MAX

_NO_EVENT = event_nodes.WhereOr(())
_ONCE = tree.Number(Decimal(1))
_CAMPAIGNS = (
    "last campaigns stand once in the where of a did, joined by and to its other tests, without how"
    " often, a habit or within … after"
)


def bind_did(scope: Scope, rule: tree.Did, place: str) -> nodes.Node:
    """A ``did`` with neither a habit nor a relative window. ``place`` ends with its variant.

    Raises:
        InvalidRule: an unknown name, a wrong test, value or window.
        Unimplemented: a part of it isn't answered yet.
    """
    faults = Faults()
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    sources: tuple[event_nodes.Source, ...] = ()
    with faults.collecting():
        sources = bind_sources(scope, rule.events, rule.where, place, rule.span)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    often = rule.often or tree.Often(Many.AT_LEAST, _ONCE)
    low, high = 1, 1
    with faults.collecting():
        low, high = bind_often(scope, often, f"{place}.often", rule.span)
    faults.check()

    def at_least(count: int) -> nodes.Node:
        if count == 0:
            return nodes.All()
        if count >= INT64_MAX or not sources or is_empty(span):
            return nodes.Nothing()
        need = Need.ONE if count == 1 else Need.ALL
        check_kept(scope, sources, span, need, place, rule.span)
        return event_nodes.DidAtLeast(sources, span, count, often.on_days)

    return bounded_count(often.many, low, high, at_least)


def bind_inactive(scope: Scope, rule: tree.Inactive, place: str) -> nodes.Node:
    """No event of an active type in the last so many units. ``place`` ends with its variant.

    Raises:
        InvalidRule: a wrong duration.
    """
    amount = scope.amount(rule.duration, f"{place}.duration", rule.span, hours=True)
    duration = tree.Duration(tree.Number(Decimal(amount)), rule.duration.unit)
    span = bind_event_span(scope, tree.InLast(duration, rule.span), place)
    active = sorted(e.name for e in scope.schema.events if scope.schema.is_activity(e))
    sources = tuple(event_nodes.Source(name) for name in active)
    if not sources or is_empty(span):
        return nodes.All()
    check_kept(scope, sources, span, Need.ONE, place, rule.span)
    return nodes.Not(event_nodes.DidAtLeast(sources, span, 1))


def bind_sources(
    scope: Scope,
    events: tuple[str, ...],
    where: tree.Rule | None,
    place: str,
    span: tree.Span | None,
    field: str = "where",
) -> tuple[event_nodes.Source, ...]:
    """The event types, by name and each once, with the where as it is for each of them.

    ``place`` holds the ``events`` and the where, in ``field``.

    Raises:
        InvalidRule: no event type, an unknown one, or a wrong where.
        Unimplemented: a test in the where isn't answered yet.
    """
    if not events:
        refuse(f"{place}.events", "which event? none is named", "MISSING", span)
    faults = Faults()
    declared: dict[str, EventSchema] = {}
    for i, name in enumerate(events):
        with faults.collecting():
            event = scope.event(name, f"{place}.events[{i}]", span)
            declared[event.name] = event
    bound: dict[str, event_nodes.Where | None] = {}
    for name in sorted(declared):
        with faults.collecting():
            event, at = declared[name], f"{place}.{field}"
            bound[name] = None if where is None else bind_where(scope, where, event, at)
    faults.check()
    return tuple(
        event_nodes.Source(name, condition)
        for name, condition in bound.items()
        if condition != _NO_EVENT
    )


def bind_often(
    scope: Scope, often: tree.Often, place: str, span: tree.Span | None
) -> tuple[int, int]:
    """The bounds of a count; both the same but for BETWEEN.

    Raises:
        InvalidRule: one is no whole number from 0, or is missing.
    """
    what = "the number of days" if often.on_days else "the number of times"
    low = scope.values.whole(often.low, f"{place}.low", what, span, INT64_MAX)
    if often.many is not Many.BETWEEN:
        return low, low
    if often.high is None:
        refuse(f"{place}.high", "between needs two numbers", "MISSING", span)
    return low, scope.values.whole(often.high, f"{place}.high", what, span, INT64_MAX)


def bind_where(scope: Scope, where: tree.Rule, event: EventSchema, place: str) -> event_nodes.Where:
    """The events of one type that pass a where; ``place`` is the field that holds it.

    Raises:
        InvalidRule: an unknown property, a wrong test or value, a condition that isn't about one
            event.
        Unimplemented: a test in it isn't answered yet.
    """
    match where:
        case tree.And() | tree.Or() | tree.NoneOf() | tree.AtLeast():
            return _where_of(scope, where, event, f"{place}.{variant(type(where))}")
        case tree.Not():
            return _where_not(bind_where(scope, where.rule, event, f"{place}.not.rule"))
        case tree.Attribute():
            return _where_test(scope, where, event, f"{place}.attribute")
        case tree.LastCampaigns():
            return refuse_campaigns(f"{place}.last_campaigns", where.span)
        case _:
            return refuse(
                f"{place}.{variant(type(where))}",
                "a where tests dimensions and measures of one event; this is about a subscriber",
                "UNSUPPORTED_IN_WHERE",
                where.span,
                expected=properties(event),
            )


def refuse_campaigns(place: str, span: tree.Span | None) -> NoReturn:
    """Raise InvalidRule for last campaigns that stand where they can't."""
    refuse(place, _CAMPAIGNS, "UNSUPPORTED_IN_WHERE", span)


def _where_of(
    scope: Scope,
    where: tree.And | tree.Or | tree.NoneOf | tree.AtLeast,
    event: EventSchema,
    place: str,
) -> event_nodes.Where:
    faults = Faults()
    bound: list[event_nodes.Where] = []
    count = 0
    if isinstance(where, tree.AtLeast):
        with faults.collecting():
            field = f"{place}.count"
            count = scope.values.whole(where.count, field, "the count", where.span)
    for i, rule in enumerate(where.rules):
        with faults.collecting():
            bound.append(bind_where(scope, rule, event, f"{place}.rules[{i}]"))
    faults.check()
    parts = tuple(bound)
    match where:
        case tree.And():
            return event_nodes.WhereAnd(parts)
        case tree.Or():
            return event_nodes.WhereOr(parts)
        case tree.NoneOf():
            return _where_not(event_nodes.WhereOr(parts))
        case tree.AtLeast():
            if count == 0:
                return event_nodes.WhereAnd(())
            return event_nodes.WhereAtLeast(count, parts) if count <= len(parts) else _NO_EVENT


def _where_not(where: event_nodes.Where) -> event_nodes.Where:
    return where.where if isinstance(where, event_nodes.WhereNot) else event_nodes.WhereNot(where)


def _where_test(
    scope: Scope, rule: tree.Attribute, event: EventSchema, place: str
) -> event_nodes.Where:
    name, at = rule.name, below(place, "test", rule.test)
    scale = event.scale(name)
    if name in event.dimensions:
        subject = Subject(name, f'a dimension of event "{event.name}"')
        require(rule.test, TEXT_TESTS, subject, at, rule.span)
        bound = text_test(rule.test, scope.values, subject, at, rule.span)
    elif scale is not None:
        subject = Subject(name, f'a measure of event "{event.name}"')
        require(rule.test, NUMBER_TESTS, subject, at, rule.span)
        bound = number_test(rule.test, scale, scope.values, subject, at, rule.span)
    else:
        unknown_property(scope, name, event, f"{place}.name", rule.span)
    where = _where(name, bound)
    return _where_not(where) if bound.negated else where


def _where(name: str, bound: Bound) -> event_nodes.Where:
    match bound.what:
        case Presence():
            return event_nodes.PropertyIsSet(name)
        case Listed(values):
            return event_nodes.MeasureIn(name, values)
        case numbers.Range(low, high):
            if bound.what == numbers.EMPTY:
                return _NO_EVENT
            if bound.what == numbers.FULL:
                return event_nodes.PropertyIsSet(name)
            return event_nodes.MeasureRange(name, low, high)
        case texts.OneOf(folded, exact) | texts.ContainsOneOf(folded, exact) if (
            not folded and not exact
        ):
            return _NO_EVENT
        case test:
            return event_nodes.DimensionMatch(name, test)


def bind_event_span(scope: Scope, window: tree.Window, place: str) -> event_nodes.Span:
    """When the events of a condition lie; ``place`` is the field that holds the window.

    Raises:
        InvalidRule: see ``windows.resolve``.
    """
    return event_span(scope.window(window, place), scope.now_us, scope.calendar)


def is_empty(span: event_nodes.Span) -> bool:
    """Whether no event can lie in a span."""
    return span.low is not None and span.low > span.high


def bounded_count(
    many: Many, low: int, high: int, at_least: Callable[[int], nodes.Node]
) -> nodes.Node:
    """A bounded count in terms of ``at_least``; exchanged bounds are nobody."""
    match many:
        case Many.AT_LEAST:
            return at_least(low)
        case Many.MORE_THAN:
            return at_least(low + 1)
        case Many.AT_MOST:
            return negated(at_least(low + 1))
        case Many.FEWER_THAN:
            return negated(at_least(low))
        case Many.EXACTLY | Many.BETWEEN:
            if low > high:
                return nodes.Nothing()
            enough, too_many = at_least(low), at_least(high + 1)
            if isinstance(enough, nodes.Nothing) or isinstance(too_many, nodes.Nothing):
                return enough
            if isinstance(enough, nodes.All):
                return nodes.Not(too_many)
            return nodes.And((enough, nodes.Not(too_many)))
