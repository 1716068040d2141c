"""Rules as Python values: ``&`` is and, ``|`` is or, ``~`` is not. Pure and immutable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from headcount.v1 import rule_pb2

from headcount_client import values


class Expression:
    """A rule. Combine with ``&``, ``|`` and ``~``; never with ``and``, ``or`` and ``not``."""

    __slots__ = ("_rule",)

    def __init__(self, rule: rule_pb2.Rule) -> None:
        self._rule = rule

    def to_rule(self) -> rule_pb2.Rule:
        """The protobuf rule; a copy."""
        copy = rule_pb2.Rule()
        copy.CopyFrom(self._rule)
        return copy

    def __and__(self, other: Expression) -> Expression:
        return _joined(rule_pb2.COMBINATION_ALL, self, other)

    def __or__(self, other: Expression) -> Expression:
        return _joined(rule_pb2.COMBINATION_ANY, self, other)

    def __invert__(self) -> Expression:
        return combined(rule_pb2.COMBINATION_NOT, [self])

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule has no truth value; combine rules with &, | and ~")

    def __repr__(self) -> str:
        return f"<rule {' '.join(str(self._rule).split())}>"


def combined(
    combination: rule_pb2.Combination.ValueType, rules: Iterable[Expression]
) -> Expression:
    """Rules under one combination."""
    return Expression(
        rule_pb2.Rule(combination=combination, rules=[rule.to_rule() for rule in rules])
    )


def all_of(*rules: Expression) -> Expression:
    """All of the rules hold."""
    return combined(rule_pb2.COMBINATION_ALL, rules)


def any_of(*rules: Expression) -> Expression:
    """One or more of the rules hold."""
    return combined(rule_pb2.COMBINATION_ANY, rules)


def none_of(*rules: Expression) -> Expression:
    """None of the rules holds."""
    return combined(rule_pb2.COMBINATION_NONE, rules)


def at_least(count: int | rule_pb2.Value, *rules: Expression) -> Expression:
    """At least ``count`` of the rules hold; 0 is everyone."""
    rule = rule_pb2.Rule(rules=[rule.to_rule() for rule in rules])
    rule.at_least.CopyFrom(values.literal(count))
    return Expression(rule)


def conjunction(rules: tuple[Expression, ...]) -> rule_pb2.Rule:
    """One rule as it is, several joined by and."""
    if not rules:
        raise TypeError("one condition or more is needed")
    return rules[0].to_rule() if len(rules) == 1 else all_of(*rules).to_rule()


def _joined(
    combination: rule_pb2.Combination.ValueType, left: Expression, right: Any
) -> Expression:
    """``a & b & c`` is one node of three operands, as in the text form."""
    if not isinstance(right, Expression):
        raise TypeError(f"{right!r} is no rule")
    rule = rule_pb2.Rule(combination=combination)
    for operand in (left.to_rule(), right.to_rule()):
        if operand.WhichOneof("kind") == "combination" and operand.combination == combination:
            rule.rules.extend(operand.rules)
        else:
            rule.rules.append(operand)
    return Expression(rule)
