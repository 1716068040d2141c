"""Comparisons of computed numbers: aggregates, rates, sizes, weights. Pure and immutable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

from headcount.v1 import rule_pb2

from headcount_client import values

E = TypeVar("E")
Number = int | Decimal | rule_pb2.Value


class Comparable(Generic[E]):
    """What is compared with a number; ``==`` and its kind give a rule, so it can't be hashed."""

    __slots__ = ()
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def tested(self, test: rule_pb2.NumberTest) -> E:
        """The rule that a test of the number makes."""
        raise NotImplementedError

    def __eq__(self, other: Any) -> E:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared(rule_pb2.OPERATOR_EQUAL, other)

    def __ne__(self, other: Any) -> E:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared(rule_pb2.OPERATOR_NOT_EQUAL, other)

    def __lt__(self, other: Number) -> E:
        return self._compared(rule_pb2.OPERATOR_LESS, other)

    def __le__(self, other: Number) -> E:
        return self._compared(rule_pb2.OPERATOR_LESS_OR_EQUAL, other)

    def __gt__(self, other: Number) -> E:
        return self._compared(rule_pb2.OPERATOR_GREATER, other)

    def __ge__(self, other: Number) -> E:
        return self._compared(rule_pb2.OPERATOR_GREATER_OR_EQUAL, other)

    def is_between(self, low: Number, high: Number) -> E:
        """``between 3 and 5``, both ends included."""
        ends = rule_pb2.Between(low=values.literal(low), high=values.literal(high))
        return self.tested(rule_pb2.NumberTest(between=ends))

    def _compared(self, operator: rule_pb2.Operator.ValueType, other: Any) -> E:
        compare = rule_pb2.Compare(operator=operator, value=values.literal(other))
        return self.tested(rule_pb2.NumberTest(compare=compare))
