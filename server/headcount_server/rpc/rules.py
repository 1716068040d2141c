"""Rules between the contract's messages and the rule tree.

Both mirror each other: a class of ``core.rules.tree`` is the message with its fields. Converters
are therefore derived once, at import, from the classes' fields and the messages' descriptors; the
exceptions are the composites (``combination``, ``at_least``, ``weighted_sum`` with their operands
in ``Rule.rules``), two variants whose names are words of Python (``in_list``, ``state``) and
literals.

Reading checks everything that a message can get wrong (a variant that isn't set, an enum's zero,
a number that is none, something required that isn't there) and names the place as a path into the
message. Depth and nodes are bounded while reading; the protobuf decoder stops at 100 levels
before. Spans are written and never read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from headcount.v1 import rule_pb2

from headcount_server.core.rules import tree
from headcount_server.core.rules.bounds import check_bounds
from headcount_server.errors import InvalidRule, LimitExceeded, Violation
from headcount_server.limits import DEFAULT_LIMITS, NUMBER_DIGITS_MAX, Limits
from headcount_server.rpc import mirror
from headcount_server.rpc.mirror import Reading, UnreadableError
from headcount_server.rpc.places import contract_place
from headcount_server.rpc.times import fault_of, raw_micros, set_time

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def rule_of(
    message: rule_pb2.Rule, limits: Limits = DEFAULT_LIMITS, place: str = "rule"
) -> tree.Rule:
    """The tree of a message. O(message).

    Args:
        message: as it came.
        limits: bounds of depth, nodes and lists.
        place: path of the message in its request, for errors.

    Raises:
        InvalidRule: something is missing or can't be read.
        LimitExceeded: naming the limit.
    """
    reading = Reading(limits)
    try:
        rule = _read_rule(message, reading)
    except UnreadableError as fault:
        raise _error(fault, place) from None
    try:
        check_bounds(rule, limits)
    except (InvalidRule, LimitExceeded) as error:
        raise _replaced(error, place) from None
    return rule


def rule_message(rule: tree.Rule, message: rule_pb2.Rule | None = None) -> rule_pb2.Rule:
    """The message of a tree, with its spans. O(tree)."""
    message = rule_pb2.Rule() if message is None else message
    _write_rule(rule, message)
    return message


def value_of(message: rule_pb2.Value, place: str) -> tree.Value:
    """A literal.

    Raises:
        InvalidRule: it can't be read.
    """
    try:
        return _read_value(message, Reading(DEFAULT_LIMITS))
    except UnreadableError as fault:
        raise _error(fault, place) from None


def list_of(message: rule_pb2.ValueList, place: str, limits: Limits) -> tree.ValueList:
    """A list of literals.

    Raises:
        InvalidRule: a literal can't be read.
        LimitExceeded: there are too many.
    """
    try:
        return _read_list(message, Reading(limits))
    except UnreadableError as fault:
        raise _error(fault, place) from None


def span_message(span: tree.Span | None, message: rule_pb2.TextSpan) -> None:
    """Fill a span; without one the message stays absent."""
    if span is not None:
        message.start, message.end = span.start, span.end
        message.SetInParent()


# --- errors ---------------------------------------------------------------------------------------


def _error(fault: UnreadableError, place: str) -> InvalidRule | LimitExceeded:
    path = fault.path(place)
    message = f"{path}: {fault.description}"
    if fault.limit:
        violation = Violation(path, fault.description, "LIMIT_EXCEEDED")
        return LimitExceeded(message, (violation,), limit=fault.limit)
    return InvalidRule(message, (Violation(path, fault.description, fault.reason),))


def _replaced(error: InvalidRule | LimitExceeded, place: str) -> InvalidRule | LimitExceeded:
    """The core's error with its places below ``place``."""
    first = error.violations[0]
    path = place + contract_place(first.field).removeprefix("rule")
    violation = Violation(path, first.description, first.reason)
    return type(error)(f"{path}: {first.description}", (violation,), **error.metadata)


# --- literals -------------------------------------------------------------------------------------


def _read_value(message: rule_pb2.Value, _: Reading) -> tree.Value:
    kind = message.WhichOneof("kind")
    if kind == "text":
        return tree.Text(message.text, message.exactly)
    if kind == "parameter":
        return tree.Parameter(message.parameter, message.exactly)
    if kind is None:
        raise UnreadableError(mirror.unset(message), "UNSET")
    if message.exactly:
        raise UnreadableError("only a text can be compared exactly", "WRONG_TYPE", "exactly")
    if kind == "number":
        return tree.Number(_number(message.number))
    if kind == "date":
        return tree.Date(_date(message.date))
    if problem := fault_of(message.timestamp):
        raise UnreadableError(problem, "INVALID_TIME", "timestamp")
    return tree.Timestamp(_EPOCH + raw_micros(message.timestamp) * _MICROSECOND)


def _number(text: str) -> Decimal:
    if len(text) > NUMBER_DIGITS_MAX + 2:
        description = f"the number has more digits than the limit of {NUMBER_DIGITS_MAX}"
        raise UnreadableError(description, "LIMIT_EXCEEDED", "number", limit="number_digits_max")
    if not _NUMBER.fullmatch(text):
        raise UnreadableError(
            f"{text[:80]!r} is no exact decimal such as -12 or 0.5", "INVALID_NUMBER", "number"
        )
    return Decimal(text)


def _date(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UnreadableError(
        f"{text[:80]!r} is no date that exists, such as 2026-03-31", "INVALID_DATE", "date"
    )


def _write_value(value: tree.Value, message: rule_pb2.Value) -> None:
    match value:
        case tree.Text():
            message.text = value.text
            message.exactly = value.exactly
        case tree.Number():
            message.number = format(value.number, "f")
        case tree.Date():
            message.date = value.date.isoformat()
        case tree.Timestamp():
            set_time(message.timestamp, (value.timestamp - _EPOCH) // _MICROSECOND)
        case tree.Parameter():
            message.parameter = value.parameter
            message.exactly = value.exactly
    span_message(value.span, message.span)


def _read_list(message: rule_pb2.ValueList, reading: Reading) -> tree.ValueList:
    if len(message.values) > reading.limits.list_values_max:
        limit = reading.limits.list_values_max
        description = f"the list has {len(message.values)} values; the limit is {limit}"
        raise UnreadableError(description, "LIMIT_EXCEEDED", "values", limit="list_values_max")
    return tree.ValueList(
        mirror.read_many(message, "values", _read_value, reading), message.parameter
    )


def _write_list(values: tree.ValueList, message: rule_pb2.ValueList) -> None:
    for value in values.values:
        _write_value(value, message.values.add())
    message.parameter = values.parameter
    span_message(values.span, message.span)


# --- rules ----------------------------------------------------------------------------------------


def _read_rule(message: rule_pb2.Rule, reading: Reading) -> tree.Rule:
    reading.enter()
    kind = message.WhichOneof("kind")
    if kind is None:
        raise UnreadableError(mirror.unset(message), "UNSET")
    composite = _COMPOSITES.get(kind)
    if composite is not None:
        if not message.rules:
            raise UnreadableError(f"{kind} needs one rule or more", "MISSING", "rules")
        rule = composite(message, reading)
    else:
        if message.rules:
            raise UnreadableError(
                f"{kind} has no operands; rules must be empty", "INVALID_SHAPE", "rules"
            )
        rule = mirror.read_variant(message, kind, _RULES.readers[kind], reading)
    reading.leave()
    return rule


def _rules(message: rule_pb2.Rule, reading: Reading) -> tuple[tree.Rule, ...]:
    return mirror.read_many(message, "rules", _read_rule, reading)


def _combination(message: rule_pb2.Rule, reading: Reading) -> tree.Rule:
    combination = message.combination
    rules = _rules(message, reading)
    if combination == rule_pb2.COMBINATION_ALL:
        return tree.And(rules)
    if combination == rule_pb2.COMBINATION_ANY:
        return tree.Or(rules)
    if combination == rule_pb2.COMBINATION_NONE:
        return tree.NoneOf(rules)
    if combination == rule_pb2.COMBINATION_NOT:
        if len(rules) != 1:
            raise UnreadableError(
                f"COMBINATION_NOT has one rule, not {len(rules)}", "INVALID_SHAPE", "rules"
            )
        return tree.Not(rules[0])
    raise mirror.not_said(combination, "combination", rule_pb2.Combination.DESCRIPTOR)


def _at_least(message: rule_pb2.Rule, reading: Reading) -> tree.Rule:
    count = mirror.read_variant(message, "at_least", _read_value, reading)
    return tree.AtLeast(count, _rules(message, reading))


def _weighted_sum(message: rule_pb2.Rule, reading: Reading) -> tree.Rule:
    sum_message = message.weighted_sum
    if len(sum_message.weights) != len(message.rules):
        description = f"{len(sum_message.weights)} weights for {len(message.rules)} rules"
        raise UnreadableError(description, "INVALID_SHAPE", "weighted_sum.weights")
    rules = _rules(message, reading)
    weights, test = mirror.read_variant(message, "weighted_sum", _read_sum, reading)
    return tree.WeightedSum(tuple(map(tree.Weight, weights, rules)), test)


def _read_sum(message: rule_pb2.Rule.WeightedSum, reading: Reading) -> Any:
    weights = mirror.read_many(message, "weights", _read_value, reading)
    return weights, mirror.required(message, "test", _NUMBER_TESTS.read, reading)


_COMPOSITES: dict[str, Callable[[rule_pb2.Rule, Reading], tree.Rule]] = {
    "combination": _combination,
    "at_least": _at_least,
    "weighted_sum": _weighted_sum,
}
_COMBINATIONS: dict[type, rule_pb2.Combination.ValueType] = {
    tree.And: rule_pb2.COMBINATION_ALL,
    tree.Or: rule_pb2.COMBINATION_ANY,
    tree.NoneOf: rule_pb2.COMBINATION_NONE,
    tree.Not: rule_pb2.COMBINATION_NOT,
}


def _write_rule(rule: tree.Rule, message: rule_pb2.Rule) -> None:
    match rule:
        case tree.And() | tree.Or() | tree.NoneOf() | tree.AtLeast():
            operands = rule.rules
        case tree.Not():
            operands = (rule.rule,)
        case tree.WeightedSum():
            operands = tuple(term.rule for term in rule.terms)
        case _:
            operands = ()
    for operand in operands:
        _write_rule(operand, message.rules.add())
    if isinstance(rule, tree.AtLeast):
        _write_value(rule.count, message.at_least)
    elif isinstance(rule, tree.WeightedSum):
        for term in rule.terms:
            _write_value(term.weight, message.weighted_sum.weights.add())
        _NUMBER_TESTS.write(rule.test, message.weighted_sum.test)
    elif operands:
        message.combination = _COMBINATIONS[type(rule)]
    else:
        _RULES.write(rule, message)
    span_message(rule.span, message.span)


# --- what mirrors ---------------------------------------------------------------------------------


def _read_window(message: rule_pb2.Window, reading: Reading) -> tree.Window:
    return _WINDOWS.read(message, reading)


def _write_window(window: tree.Window, message: rule_pb2.Window) -> None:
    _WINDOWS.write(window, message)
    span_message(window.span, message.span)


_ENUMS: dict[str, type[Enum]] = {
    "Combination": Enum, "Unit": tree.Unit, "Direction": tree.Direction,
    "CalendarPeriod": tree.Period, "Operator": tree.Operator, "TestState": tree.State,
    "OffsetSign": tree.Sign, "Quantifier": tree.Quantifier, "LengthUnit": tree.LengthUnit,
    "SegmentMoveKind": tree.Move, "Many": tree.Many, "DateSide": tree.Side,
    "EventEdge": tree.Edge, "AggregateFunction": tree.Function,
}  # fmt: skip

_MIRROR = mirror.Mirror(_ENUMS)
_MIRROR.special(rule_pb2.Value, _read_value, _write_value)
_MIRROR.special(rule_pb2.ValueList, _read_list, _write_list)
_MIRROR.special(rule_pb2.Rule, _read_rule, _write_rule)
_MIRROR.special(rule_pb2.Window, _read_window, _write_window)
_MIRROR.absent(rule_pb2.Window, tree.Ever())
_MIRROR.structure(tree.Duration, rule_pb2.CalendarDuration)
for _structure in (tree.Often, tree.Relative, tree.Habit, tree.Without, tree.Step):
    _MIRROR.structure(_structure, getattr(rule_pb2, _structure.__name__))
_WINDOWS = _MIRROR.union(
    rule_pb2.Window,
    (tree.Ever, tree.InLast, tree.InNext, tree.MoreThan, tree.Between, tree.BetweenRelative,
     tree.Calendar, tree.On, tree.Before, tree.After),
)  # fmt: skip
_NUMBER_TESTS = _MIRROR.union(rule_pb2.NumberTest, (tree.Compare, tree.Between))
_TESTS = _MIRROR.union(
    rule_pb2.Test,
    (tree.Is, tree.Compare, tree.CompareAttribute, tree.In, tree.Contains, tree.ContainsAny,
     tree.StartsWith, tree.EndsWith, tree.Like, tree.Matches, tree.Domain, tree.Has, tree.HasOf,
     tree.HasPrefix, tree.Size, tree.Rank, tree.InWindow, tree.Anniversary, tree.Changed,
     tree.MonthIn, tree.DayOfMonthIn, tree.WeekdayIn, tree.HourBetween, tree.Near, tree.InBox),
    {tree.In: "in_list", tree.Is: "state"},
)  # fmt: skip
_MIRROR.special(rule_pb2.NumberTest, _NUMBER_TESTS.read, _NUMBER_TESTS.write)
_MIRROR.special(rule_pb2.Test, _TESTS.read, _TESTS.write)
_RULES = _MIRROR.union(
    rule_pb2.Rule,
    (tree.Everyone, tree.Nobody, tree.Sample, tree.Bucket, tree.IdIn, tree.InSegment,
     tree.SegmentMove, tree.Attribute, tree.LastCampaigns, tree.Did, tree.Sequence, tree.Recency,
     tree.Aggregate, tree.Favourite, tree.Rate, tree.Stars, tree.Inactive, tree.KnownFor),
)  # fmt: skip
