"""Totals, averages, favourites, rates and stars as nodes: exact bounds, and what no event means."""

from __future__ import annotations

from fractions import Fraction

from headcount_server.core.faults import Faults, below, refuse
from headcount_server.core.plan import event_nodes, nodes, numbers
from headcount_server.core.plan.aggregate_nodes import (
    Average,
    Favourite,
    Rate,
    Ratios,
    Stars,
    Total,
)
from headcount_server.core.plan.bind_events import bind_event_span, bind_sources, is_empty
from headcount_server.core.plan.bind_tests import Bound, text_test
from headcount_server.core.plan.bind_values import Subject
from headcount_server.core.plan.kept import EVER, Need, check_kept
from headcount_server.core.plan.scope import Scope, unknown_property
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Function, Operator
from headcount_server.core.schema import EventSchema
from headcount_server.core.texts import OneOf

_STARS = Fraction(5, 2)  # stars of a campaign that was opened or clicked, of 5 for both


def bind_aggregate(scope: Scope, rule: tree.Aggregate, place: str) -> nodes.Node:
    """``sum``, ``avg``, ``min``, ``max`` and ``count distinct``. ``place`` ends with its variant.

    Raises:
        InvalidRule: an unknown name, a sum and such of what is no measure, a wrong test, value or
            window.
        Unimplemented: a test in the where isn't answered yet.
    """
    faults = Faults()
    source: event_nodes.Source | None = None
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    range = Ratios(None, None)
    scale = 0
    with faults.collecting():
        scale = _property_scale(scope, rule, place)
    with faults.collecting():
        source = _source(scope, rule.event, rule.where, place, rule.span)
    with faults.collecting():
        name = rule.function.name.lower().replace("_", " ")
        range = _range(scope, rule.test, Subject(name, "a number"), place, rule.span)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    if source is not None:
        check_kept(scope, (source,), span, Need.ALL, place, rule.span)
    if rule.function is Function.AVG:
        unit = Fraction(10) ** scale
        if source is None or is_empty(span):
            return _negated(rule.test, nodes.Nothing())
        mean = Average(source, rule.property, span, _scaled(range, unit))
        return _negated(rule.test, mean)
    low, high = _whole_range(range, scale)
    if source is None or is_empty(span):
        source = None
    return _negated(rule.test, _total(rule, source, span, low, high))


def bind_favourite(scope: Scope, rule: tree.Favourite, place: str) -> nodes.Node:
    """``favourite``. ``place`` ends with its variant.

    Raises:
        InvalidRule: an unknown name, a favourite of what is no dimension, a wrong test, value or
            window.
        Unimplemented: a test in the where isn't answered yet.
    """
    faults = Faults()
    source: event_nodes.Source | None = None
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    bound = Bound(OneOf(frozenset(), frozenset()))
    with faults.collecting():
        event = scope.event(rule.event, f"{place}.event", rule.span)
        _check_dimension(scope, rule.dimension, event, f"{place}.dimension", rule.span)
        bound = _favourite_test(scope, rule, event, place)
    with faults.collecting():
        source = _source(scope, rule.event, rule.where, place, rule.span)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    assert isinstance(bound.what, OneOf), "the test is = or in"
    found: nodes.Node = nodes.Nothing()
    if source is not None:
        check_kept(scope, (source,), span, Need.ALL, place, rule.span)
    if source is not None and not is_empty(span) and (bound.what.folded or bound.what.exact):
        found = Favourite(source, rule.dimension, span, bound.what)
    return _complement(found) if bound.negated else found


def bind_rate(scope: Scope, rule: tree.Rate, place: str) -> nodes.Node:
    """``rate``. ``place`` ends with its variant.

    Raises:
        InvalidRule: an unknown event, a wrong value or window.
    """
    faults = Faults()
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    range = Ratios(None, None)
    with faults.collecting():
        scope.event(rule.numerator, f"{place}.numerator", rule.span)
    with faults.collecting():
        scope.event(rule.denominator, f"{place}.denominator", rule.span)
    with faults.collecting():
        range = _range(scope, rule.test, Subject("rate", "a number"), place, rule.span)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    found: nodes.Node = nodes.Nothing()
    if not is_empty(span) and not _is_empty_range(range):
        part, of = event_nodes.Source(rule.numerator), event_nodes.Source(rule.denominator)
        check_kept(scope, (part, of), span, Need.ALL, place, rule.span)
        found = Rate(part, of, span, range)
    return _negated(rule.test, found)


def bind_stars(scope: Scope, rule: tree.Stars, place: str) -> nodes.Node:
    """``stars``. ``place`` ends with its variant.

    Raises:
        InvalidRule: the schema lacks what ``[engagement]`` names; a wrong value or window.
    """
    faults = Faults()
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    range = Ratios(None, None)
    names = scope.schema.engagement
    for name in (names.sent, names.open, names.click):
        with faults.collecting():
            _check_engagement(scope, name, place, rule.span)
    with faults.collecting():
        range = _range(scope, rule.test, Subject("stars", "a number"), place, rule.span)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    found: nodes.Node = nodes.Nothing()
    if not is_empty(span) and not _is_empty_range(range):
        answered = bind_event_span(scope, tree.Ever(), place)
        sent, opened, clicked = map(event_nodes.Source, (names.sent, names.open, names.click))
        check_kept(scope, (sent,), span, Need.ALL, place, rule.span)
        check_kept(scope, (opened, clicked), EVER, Need.ALL, place, rule.span)
        share = _scaled(range, 1 / _STARS)
        found = Stars(sent, opened, clicked, names.campaign, span, answered, share)
    return _negated(rule.test, found)


def _property_scale(scope: Scope, rule: tree.Aggregate, place: str) -> int:
    """Decimal places of what is aggregated: 0 for a number of values."""
    event = scope.event(rule.event, f"{place}.event", rule.span)
    scale = event.scale(rule.property)
    if scale is None and rule.property not in event.dimensions:
        unknown_property(scope, rule.property, event, f"{place}.property", rule.span)
    if rule.function is Function.COUNT_DISTINCT:
        return 0
    if scale is None:
        name = rule.function.name.lower()
        message = (
            f'"{rule.property}" is a dimension of event "{event.name}"; {name} needs a measure'
        )
        expected = tuple(name for name, _ in event.measures)
        refuse(
            f"{place}.property", message, "WRONG_TYPE", rule.span,
            found=rule.property, expected=expected,
        )  # fmt: skip
    return scale


def _check_dimension(
    scope: Scope, name: str, event: EventSchema, place: str, span: tree.Span | None
) -> None:
    if name in event.dimensions:
        return
    if event.scale(name) is not None:
        message = f'"{name}" is a measure of event "{event.name}"; a dimension is needed here'
        refuse(place, message, "WRONG_TYPE", span, found=name, expected=event.dimensions)
    unknown_property(scope, name, event, place, span)


def _check_engagement(scope: Scope, name: str, place: str, span: tree.Span | None) -> None:
    """That there is an event type that ``[engagement]`` names, with the dimension it names."""
    event = scope.events.get(name)
    dimension = scope.schema.engagement.campaign
    if event is None:
        lacking, reason, expected = f'event "{name}"', "UNKNOWN_EVENT", tuple(scope.events)
    elif dimension not in event.dimensions:
        lacking = f'dimension "{dimension}" of event "{name}"'
        reason, expected = "UNKNOWN_PROPERTY", event.dimensions
    else:
        return
    message = f"stars needs the {lacking} that [engagement] of the schema names; there is none"
    refuse(place, message, reason, span, found=name, expected=expected[:100])


def _favourite_test(scope: Scope, rule: tree.Favourite, event: EventSchema, place: str) -> Bound:
    place = below(place, "test", rule.test)
    equal = (Operator.EQUAL, Operator.NOT_EQUAL)
    if isinstance(rule.test, tree.In) or (
        isinstance(rule.test, tree.Compare) and rule.test.operator in equal
    ):
        subject = Subject(rule.dimension, f'a dimension of event "{event.name}"')
        return text_test(rule.test, scope.values, subject, place, rule.span)
    message = "a favourite takes =, !=, in and not in"
    return refuse(
        place, message, "UNSUPPORTED_TEST", rule.span, expected=("=", "!=", "in", "not in")
    )


def _source(
    scope: Scope, event: str, where: tree.Rule | None, place: str, span: tree.Span | None
) -> event_nodes.Source | None:
    """The events of one type that pass a where; None where none can."""
    scope.event(event, f"{place}.event", span)
    return next(iter(bind_sources(scope, (event,), where, place, span)), None)


def _range(
    scope: Scope,
    test: tree.NumberTest,
    subject: Subject,
    place: str,
    span: tree.Span | None,
) -> Ratios:
    """The numbers for which a test holds, or for ``!=`` doesn't."""
    place = below(place, "test", test)
    if isinstance(test, tree.Between):
        low = scope.values.number(test.low, subject, f"{place}.low", span)
        high = scope.values.number(test.high, subject, f"{place}.high", span)
        return Ratios(Fraction(low), Fraction(high))
    number = Fraction(scope.values.number(test.value, subject, f"{place}.value", span))
    match test.operator:
        case Operator.EQUAL | Operator.NOT_EQUAL:
            return Ratios(number, number)
        case Operator.LESS:
            return Ratios(None, number, high_open=True)
        case Operator.LESS_OR_EQUAL:
            return Ratios(None, number)
        case Operator.GREATER:
            return Ratios(number, None, low_open=True)
        case Operator.GREATER_OR_EQUAL:
            return Ratios(number, None)


def _scaled(range: Ratios, factor: Fraction) -> Ratios:
    low = None if range.low is None else range.low * factor
    high = None if range.high is None else range.high * factor
    return Ratios(low, high, range.low_open, range.high_open)


def _is_empty_range(range: Ratios) -> bool:
    return range.low is not None and range.high is not None and range.low > range.high


def _whole_range(range: Ratios, scale: int) -> tuple[int | None, int | None]:
    """The integers of a scale in a range, ends included."""
    unit = 10**scale
    low = high = None
    if range.low is not None:
        bound = range.low * unit
        low = bound.__floor__() + 1 if range.low_open else bound.__ceil__()
    if range.high is not None:
        bound = range.high * unit
        high = bound.__ceil__() - 1 if range.high_open else bound.__floor__()
    return low, high


def _total(
    rule: tree.Aggregate,
    source: event_nodes.Source | None,
    span: event_nodes.Span,
    low: int | None,
    high: int | None,
) -> nodes.Node:
    """Those whose total lies in the range; no event comes to 0 for sums and numbers of values."""

    def within(low: int | None, high: int | None) -> nodes.Node:
        if source is None or (low is not None and high is not None and low > high):
            return nodes.Nothing()
        return Total(source, rule.property, rule.function, span, low, high)

    if rule.function in (Function.MIN, Function.MAX):
        found = numbers.between(low, high)
        return nodes.Nothing() if found == numbers.EMPTY else within(found.low, found.high)
    if low is not None and high is not None and low > high:
        return nodes.Nothing()
    if rule.function is Function.COUNT_DISTINCT:
        low = None if low is None or low <= 0 else low
        if high is not None and high < 0:
            return nodes.Nothing()
    if (low is not None and low > 0) or (high is not None and high < 0):
        return within(low, high)
    outside: list[nodes.Node] = []
    if low is not None:
        outside.append(within(None, low - 1))
    if high is not None:
        outside.append(within(high + 1, None))
    outside = [node for node in outside if not isinstance(node, nodes.Nothing)]
    if not outside:
        return nodes.All()
    return nodes.Not(outside[0] if len(outside) == 1 else nodes.Or(tuple(outside)))


def _negated(test: tree.NumberTest, node: nodes.Node) -> nodes.Node:
    """The node itself, or for ``!=`` all others."""
    is_negated = isinstance(test, tree.Compare) and test.operator is Operator.NOT_EQUAL
    return _complement(node) if is_negated else node


def _complement(node: nodes.Node) -> nodes.Node:
    match node:
        case nodes.Nothing():
            return nodes.All()
        case nodes.All():
            return nodes.Nothing()
        case nodes.Not():
            return node.node
        case _:
            return nodes.Not(node)
