"""Tests on attributes as nodes: which tests a type has, and what each of them denotes."""

from __future__ import annotations

from fractions import Fraction

from headcount_server.core.calendar import day_number, instant_us
from headcount_server.core.faults import below, refuse
from headcount_server.core.plan import nodes, numbers
from headcount_server.core.plan.attribute_nodes import Ranked, Sized
from headcount_server.core.plan.bind_checks import check_number
from headcount_server.core.plan.bind_location import bind_box, bind_near
from headcount_server.core.plan.bind_moments import (
    bind_anniversary,
    bind_changed,
    bind_hours,
    bind_pair,
    bind_parts,
)
from headcount_server.core.plan.bind_tests import (
    NUMBER_TESTS,
    SET_TESTS,
    TEXT_TESTS,
    Bound,
    Listed,
    Presence,
    affix,
    number_test,
    presence,
    require,
    text_test,
)
from headcount_server.core.plan.bind_values import Subject, one_of
from headcount_server.core.plan.scope import BUILT_IN, Scope, subject_of
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Operator, Quantifier, State
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.texts import ContainsOneOf, OneOf, TextTest, fold
from headcount_server.core.windows import DayRange, InstantRange, below_value, spelt

_TINY = -30  # a percentage below 10^-30 is one place, as is one of 10^-30
_KEYWORDS_TESTS = (
    "has", "has any of", "has all of", "has none of", "has at least … of",
    "has value starting with", "size", *SET_TESTS,
)  # fmt: skip
_DATE_TESTS = (
    "=", "!=", "<", "<=", ">", ">=", "a window of time", "between", "anniversary", "month in",
    "day of month in", "weekday in", *SET_TESTS,
)  # fmt: skip
_TESTS: dict[AttributeType, tuple[str, ...]] = {
    AttributeType.KEYWORD: TEXT_TESTS,
    AttributeType.KEYWORDS: _KEYWORDS_TESTS,
    AttributeType.TEXT: (*TEXT_TESTS, "domain"),
    AttributeType.BOOLEAN: ("is true", "is false", *SET_TESTS),
    AttributeType.INTEGER: (*NUMBER_TESTS, "in top", "in bottom"),
    AttributeType.DECIMAL: (*NUMBER_TESTS, "in top", "in bottom"),
    AttributeType.DATE: _DATE_TESTS,
    AttributeType.TIMESTAMP: (*_DATE_TESTS, "hour between"),
    AttributeType.LOCATION: ("within … of", "in box", *SET_TESTS),
}


def bind_attribute(scope: Scope, rule: tree.Attribute, place: str) -> nodes.Node:
    """A condition on an attribute. ``place`` ends with the rule's variant.

    Raises:
        InvalidRule: an unknown name, a test that the type doesn't have, a value of a wrong type.
    """
    attribute = scope.attribute(rule.name, f"{place}.name", rule.span)
    test = rule.test
    at = below(place, "test", test)
    subject = subject_of(attribute)
    known = _TESTS[attribute.type]
    if attribute.name not in BUILT_IN:
        known = (*known, "changed")
    require(test, known, subject, at, rule.span)
    if isinstance(test, tree.Changed):
        return bind_changed(scope, attribute, test, at, rule.span)
    if isinstance(test, tree.Is) and test.state in (State.SET, State.MISSING):
        return _node(attribute, presence(test))
    match attribute.type:
        case AttributeType.KEYWORD | AttributeType.TEXT:
            return _text(scope, attribute, test, at, rule.span)
        case AttributeType.KEYWORDS:
            return _keywords(scope, attribute, test, at, rule.span)
        case AttributeType.BOOLEAN:
            assert isinstance(test, tree.Is)
            return nodes.IsTrue(attribute.name, test.state is State.TRUE)
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            return _number(scope, attribute, test, at, rule.span)
        case AttributeType.DATE | AttributeType.TIMESTAMP:
            return _moment(scope, attribute, test, at, rule.span)
        case AttributeType.LOCATION:
            if isinstance(test, tree.Near):
                return bind_near(scope, attribute, test, at, rule.span)
            assert isinstance(test, tree.InBox), "the test was checked to be one on locations"
            return bind_box(scope, attribute, test, at, rule.span)


def range_node(
    scope: Scope, attribute: AttributeSchema, span: DayRange | InstantRange
) -> nodes.Node:
    """Those whose date or timestamp lies in the range; a timestamp tested by days is its day's."""
    if span.empty:
        return nodes.Nothing()
    if isinstance(span, InstantRange) or attribute.type is AttributeType.DATE:
        intervals = ((span.low, span.high),)
    else:
        intervals = scope.calendar.instants(span.low, span.high)
    found = tuple(_interval(attribute, low, high) for low, high in intervals)
    return found[0] if len(found) == 1 else nodes.Or(found) if found else nodes.Nothing()


def negated(node: nodes.Node) -> nodes.Node:
    """Every existing subscriber minus ``node``."""
    match node:
        case nodes.All():
            return nodes.Nothing()
        case nodes.Nothing():
            return nodes.All()
        case nodes.Not():
            return node.node
        case _:
            return nodes.Not(node)


def _present(attribute: AttributeSchema) -> nodes.Node:
    return nodes.All() if attribute.name in BUILT_IN else nodes.IsSet(attribute.name)


def _interval(attribute: AttributeSchema, low: int | None, high: int | None) -> nodes.Node:
    if low is None and high is None:
        return _present(attribute)
    return nodes.NumberRange(attribute.name, low, high)


def _node(attribute: AttributeSchema, bound: Bound) -> nodes.Node:
    match bound.what:
        case Presence():
            node = _present(attribute)
        case Listed(values):
            node = nodes.NumberIn(attribute.name, values)
        case numbers.Range():
            empty = bound.what == numbers.EMPTY
            node = (
                nodes.Nothing() if empty else _interval(attribute, bound.what.low, bound.what.high)
            )
        case OneOf(folded, exact) | ContainsOneOf(folded, exact) if not folded and not exact:
            node = nodes.Nothing()
        case test:
            node = nodes.TextMatch(attribute.name, test)
    return negated(node) if bound.negated else node


def _text(
    scope: Scope, attribute: AttributeSchema, test: tree.Test, place: str, span: tree.Span | None
) -> nodes.Node:
    subject = subject_of(attribute)
    return _node(attribute, text_test(test, scope.values, subject, place, span))


def _keywords(
    scope: Scope, attribute: AttributeSchema, test: tree.Test, place: str, span: tree.Span | None
) -> nodes.Node:
    subject, values = subject_of(attribute), scope.values
    match test:
        case tree.Has():
            text = values.text(test.value, subject, f"{place}.value", span)
            return nodes.TextMatch(attribute.name, one_of([text]))
        case tree.HasPrefix():
            text = values.text(test.value, subject, f"{place}.value", span)
            return nodes.TextMatch(attribute.name, affix(text, at="start"))
        case tree.Size():
            return _size(scope, attribute, test, place, span)
        case _:
            assert isinstance(test, tree.HasOf), "the test was checked to be one on keywords"
            return _has_of(scope, attribute, test, place, span)


def _size(
    scope: Scope, attribute: AttributeSchema, test: tree.Size, place: str, span: tree.Span | None
) -> nodes.Node:
    """False where missing, but for its negation ``!=``."""
    subject = Subject("size", "a number")
    at = below(place, "test", test.test)
    is_negated = False
    if isinstance(test.test, tree.Compare):
        number = scope.values.number(test.test.value, subject, f"{at}.value", span)
        is_negated = test.test.operator is Operator.NOT_EQUAL
        operator = Operator.EQUAL if is_negated else test.test.operator
        found = numbers.compared(operator, number, 0)
    else:
        low = scope.values.number(test.test.low, subject, f"{at}.low", test.test.span or span)
        high = scope.values.number(test.test.high, subject, f"{at}.high", test.test.span or span)
        found = numbers.included(low, high, 0)
    empty = found == numbers.EMPTY or (found.high is not None and found.high < 1)
    node = nodes.Nothing() if empty else Sized(attribute.name, found.low, found.high)
    return negated(node) if is_negated else node


def _has_of(
    scope: Scope, attribute: AttributeSchema, test: tree.HasOf, place: str, span: tree.Span | None
) -> nodes.Node:
    """All four are tests of the values there are, so false for those without any."""
    listed = scope.values.texts(test.values, subject_of(attribute), f"{place}.values", span)
    if test.quantifier is Quantifier.AT_LEAST:
        if test.count is None:
            refuse(f"{place}.count", "has at least … of needs a count", "MISSING", span)
        count = scope.values.whole(test.count, f"{place}.count", "the count", span)
        return _has_at_least(attribute, count, listed)
    present = _present(attribute)
    if test.quantifier is Quantifier.ALL:
        each = {nodes.TextMatch(attribute.name, one_of([text])): None for text in listed}
        return _and(*each) if each else present
    any_of = _node(attribute, Bound(one_of(listed)))
    if test.quantifier is Quantifier.ANY:
        return any_of
    return present if any_of == nodes.Nothing() else nodes.And((present, nodes.Not(any_of)))


def _has_at_least(attribute: AttributeSchema, count: int, listed: list[tree.Text]) -> nodes.Node:
    """Literals that fold alike are one value, held by who has any of their spellings."""
    alike: dict[str, list[tree.Text]] = {}
    for text in listed:
        alike.setdefault(fold(text.text), []).append(text)
    if count == 0:
        return _present(attribute)
    if count > len(alike):
        return nodes.Nothing()
    each: list[nodes.Node] = []
    for texts in alike.values():
        loose = [text for text in texts if not text.exactly]
        test: TextTest = one_of(loose or texts)
        each.append(nodes.TextMatch(attribute.name, test))
    return each[0] if len(each) == 1 else nodes.AtLeast(count, tuple(each))


def _and(*each: nodes.Node) -> nodes.Node:
    return each[0] if len(each) == 1 else nodes.And(each)


def _number(
    scope: Scope, attribute: AttributeSchema, test: tree.Test, place: str, span: tree.Span | None
) -> nodes.Node:
    if isinstance(test, tree.Rank):
        return _rank(scope, attribute, test, place, span)
    subject = subject_of(attribute)
    return _node(attribute, number_test(test, attribute.scale, scope.values, subject, place, span))


def _rank(
    scope: Scope, attribute: AttributeSchema, test: tree.Rank, place: str, span: tree.Span | None
) -> nodes.Node:
    place = f"{place}.amount"
    if test.percent:
        subject = subject_of(attribute)
        number = check_number(scope, test.amount, subject, place, span, "a percentage", 0, 100)
        amount = Fraction(number) if number.adjusted() > _TINY else Fraction(1, 10**-_TINY)
        amount = amount if number else Fraction(0)
    else:
        amount = Fraction(scope.values.whole(test.amount, place, "how many", span))
    return Ranked(attribute.name, test.bottom, amount, test.percent) if amount else nodes.Nothing()


def _moment(
    scope: Scope, attribute: AttributeSchema, test: tree.Test, place: str, span: tree.Span | None
) -> nodes.Node:
    if isinstance(test, tree.InWindow):
        hours = attribute.type is AttributeType.TIMESTAMP
        return range_node(
            scope, attribute, scope.window(test.window, f"{place}.window", hours=hours)
        )
    match test:
        case tree.MonthIn() | tree.DayOfMonthIn() | tree.WeekdayIn():
            return bind_parts(scope, attribute, test, place, span)
        case tree.HourBetween():
            return bind_hours(scope, attribute, test, place, span)
        case tree.Anniversary():
            return bind_anniversary(scope, attribute, test, place, span)
        case tree.CompareAttribute():
            return bind_pair(scope, attribute, test, place, span)
        case _:
            assert isinstance(test, tree.Compare), "the test was checked to be one on moments"
            return _compared(scope, attribute, test, place, span)


def _compared(
    scope: Scope,
    attribute: AttributeSchema,
    test: tree.Compare,
    place: str,
    span: tree.Span | None,
) -> nodes.Node:
    """A date against a date, a timestamp against a timestamp, a timestamp against a date by day."""
    place = f"{place}.value"
    literal = scope.values.one(test.value, place, span)
    by_instant = isinstance(literal, tree.Timestamp)
    if isinstance(literal, tree.Date):
        point = day_number(literal.date)
    elif isinstance(literal, tree.Timestamp) and attribute.type is AttributeType.TIMESTAMP:
        point = instant_us(literal.timestamp)
    else:
        expected = ("date", "timestamp") if attribute.type is AttributeType.TIMESTAMP else ("date",)
        refuse(
            below_value(place, literal),
            f"{subject_of(attribute)}; {spelt(literal)} is no {' or '.join(expected)}",
            "WRONG_TYPE",
            literal.span or span,
            found=spelt(literal),
            expected=expected,
        )
    low, high = {
        Operator.EQUAL: (point, point),
        Operator.NOT_EQUAL: (point, point),
        Operator.LESS: (None, point - 1),
        Operator.LESS_OR_EQUAL: (None, point),
        Operator.GREATER: (point + 1, None),
        Operator.GREATER_OR_EQUAL: (point, None),
    }[test.operator]
    found = InstantRange(low, high) if by_instant else DayRange(low, high)
    node = range_node(scope, attribute, found)
    return negated(node) if test.operator is Operator.NOT_EQUAL else node
