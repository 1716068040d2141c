"""Samples, buckets and weighted sums as nodes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, lcm

from headcount_server.core.faults import Faults, below, refuse
from headcount_server.core.keys import stable_hash
from headcount_server.core.plan import nodes
from headcount_server.core.plan.attribute_nodes import Drawn
from headcount_server.core.plan.bind_checks import check_number, check_whole
from headcount_server.core.plan.bind_values import Subject
from headcount_server.core.plan.nodes import Scored
from headcount_server.core.plan.scope import Scope
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Operator
from headcount_server.limits import NUMBER_DIGITS_MAX

_WORD = 1 << 64
_TINY = -30  # a percentage below 10^-30 is less than one part of 2^64
_SUM = Subject("sum", "a number")

Bind = Callable[[tree.Rule, str], nodes.Node]


def bind_sample(scope: Scope, rule: tree.Sample, place: str) -> nodes.Node:
    """Those with u < p / 100. ``place`` ends with the rule's variant.

    Raises:
        InvalidRule: no percentage from 0 to 100, or no seed.
    """
    subject, field = Subject("sample", "a percentage"), f"{place}.percent"
    faults = Faults()
    percent, seed = Decimal(0), 0
    with faults.collecting():
        percent = check_number(
            scope, rule.percent, subject, field, rule.span, "a percentage", 0, 100
        )
    with faults.collecting():
        seed = _seed(scope, rule.seed, place, rule.span)
    faults.check()
    # u is a whole number of parts of 2^64, so u < p / 100 as it is below the number rounded up.
    tiny = percent.adjusted() < _TINY
    return _drawn(seed, 0, int(percent > 0) if tiny else ceil(Fraction(percent) * _WORD / 100))


def bind_bucket(scope: Scope, rule: tree.Bucket, place: str) -> nodes.Node:
    """Those with floor(u · N) = k − 1. ``place`` ends with the rule's variant.

    Raises:
        InvalidRule: no bucket from 1 to N, or no seed.
    """
    faults = Faults()
    bucket, buckets, seed = 1, 1, 0
    with faults.collecting():
        buckets = check_whole(
            scope, rule.buckets, f"{place}.buckets", rule.span, "how many buckets", 1, _WORD
        )
        bucket = check_whole(
            scope, rule.bucket, f"{place}.bucket", rule.span, "the bucket", 1, buckets
        )
    with faults.collecting():
        seed = _seed(scope, rule.seed, place, rule.span)
    faults.check()
    return _drawn(seed, -((1 - bucket) * _WORD // buckets), -(-bucket * _WORD // buckets))


def bind_weighted(scope: Scope, rule: tree.WeightedSum, place: str, bind: Bind) -> nodes.Node:
    """Weights in whole parts of the finest of them. ``place`` ends with the rule's variant.

    Raises:
        InvalidRule: no terms, a weight or bound that is no number, or a wrong rule.
    """
    if not rule.terms:
        refuse(f"{place}.terms", "at least one rule is needed", "EMPTY_LIST", rule.span)
    faults = Faults()
    weights: list[Fraction] = []
    below_: list[nodes.Node] = []
    low = high = None
    for i, term in enumerate(rule.terms):
        with faults.collecting():
            at = f"{place}.terms[{i}].weight"
            weights.append(_number(scope, term.weight, at, rule.span))
        with faults.collecting():
            below_.append(bind(term.rule, f"{place}.terms[{i}].rule"))
    with faults.collecting():
        low, high = _bounds(scope, rule.test, below(place, "test", rule.test), rule.span)
    faults.check()
    scale = lcm(*(weight.denominator for weight in weights))
    node = Scored(
        tuple(int(weight * scale) for weight in weights),
        tuple(below_),
        None if low is None else _first(low[0] * scale, low[1]),
        None if high is None else -_first(-high[0] * scale, high[1]),
    )
    negated = isinstance(rule.test, tree.Compare) and rule.test.operator is Operator.NOT_EQUAL
    return nodes.Not(node) if negated else node


_End = tuple[Fraction, bool]  # a bound, and whether it is left out itself


def _bounds(
    scope: Scope, test: tree.NumberTest, place: str, span: tree.Span | None
) -> tuple[_End | None, _End | None]:
    """Lower and upper bound of a test, or of what it negates."""
    if isinstance(test, tree.Between):
        low = _number(scope, test.low, f"{place}.low", test.span or span)
        return (low, False), (_number(scope, test.high, f"{place}.high", test.span or span), False)
    number = _number(scope, test.value, f"{place}.value", span)
    match test.operator:
        case Operator.EQUAL | Operator.NOT_EQUAL:
            return (number, False), (number, False)
        case Operator.LESS | Operator.LESS_OR_EQUAL:
            return None, (number, test.operator is Operator.LESS)
        case Operator.GREATER | Operator.GREATER_OR_EQUAL:
            return (number, test.operator is Operator.GREATER), None


def _first(bound: Fraction, is_open: bool) -> int:
    """The least integer above a bound, or at it."""
    return floor(bound) + 1 if is_open else ceil(bound)


def _number(scope: Scope, value: tree.Value, place: str, span: tree.Span | None) -> Fraction:
    number = scope.values.number(value, _SUM, place, span)
    if not -NUMBER_DIGITS_MAX <= number.adjusted() <= NUMBER_DIGITS_MAX:
        message = f"a number of a sum has at most {NUMBER_DIGITS_MAX} digits"
        refuse(place, message, "OUT_OF_RANGE", span)
    return Fraction(number)


def _drawn(seed: int, low: int, high: int) -> nodes.Node:
    if low >= high:
        return nodes.Nothing()
    return nodes.All() if (low, high) == (0, _WORD) else Drawn(seed, low, high)


def _seed(scope: Scope, seed: tree.Value, place: str, span: tree.Span | None) -> int:
    subject = Subject("seed", "a string")
    return stable_hash(scope.values.text(seed, subject, f"{place}.seed", span).text)
