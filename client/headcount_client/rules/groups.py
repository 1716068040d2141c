"""Rules that stand by themselves: everyone, samples, ids, segments, weights, inactivity."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from headcount.v1 import rule_pb2
from headcount.v1.rule_pb2 import Rule

from headcount_client import values
from headcount_client.rules.expression import Expression
from headcount_client.rules.literals import value_list
from headcount_client.rules.numbers import Comparable, Number
from headcount_client.rules.windows import Windowed, duration

everyone = Expression(Rule(everyone=Rule.Everyone()))
nobody = Expression(Rule(nobody=Rule.Nobody()))


class WeightedSum(Comparable[Expression]):
    """The weights of the rules that hold, added; compare it to get a rule."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[tuple[Number, Expression], ...]) -> None:
        self._parts = parts

    def tested(self, test: rule_pb2.NumberTest) -> Expression:
        """The rule that a test of the sum makes."""
        rule = Rule(rules=[part.to_rule() for _, part in self._parts])
        rule.weighted_sum.weights.extend(values.literal(weight) for weight, _ in self._parts)
        rule.weighted_sum.test.CopyFrom(test)
        return Expression(rule)


class SegmentMove(Expression, Windowed["SegmentMove"]):
    """Somebody entered or left a segment, in a window."""

    __slots__ = ()

    def in_window(self, window: rule_pb2.Window) -> SegmentMove:
        """In a window given as a message."""
        rule = self.to_rule()
        rule.segment_move.window.CopyFrom(window)
        return SegmentMove(rule)


def segment(name: str | rule_pb2.Value) -> Expression:
    """``in segment "vip"``."""
    return Expression(Rule(in_segment=Rule.InSegment(segment=values.literal(name))))


def entered(name: str | rule_pb2.Value) -> SegmentMove:
    """Entered a segment whose history is kept."""
    return _move(rule_pb2.SEGMENT_MOVE_KIND_ENTERED, name)


def left(name: str | rule_pb2.Value) -> SegmentMove:
    """Left a segment whose history is kept."""
    return _move(rule_pb2.SEGMENT_MOVE_KIND_LEFT, name)


def ids(keys: Iterable[str | int] | rule_pb2.Value) -> Expression:
    """``id in (…)``: the subscribers with these keys."""
    return Expression(Rule(id_in=Rule.IdIn(values=value_list(keys))))


def sample(percent: int | Decimal | rule_pb2.Value, seed: str | rule_pb2.Value) -> Expression:
    """``sample 10% seed "s"``: stable by key, independent between seeds."""
    node = Rule.Sample(percent=values.literal(percent), seed=values.literal(seed))
    return Expression(Rule(sample=node))


def bucket(number: Number, *, of: Number, seed: str | rule_pb2.Value) -> Expression:
    """``bucket 3 of 10 seed "s"``: from 1; the buckets are disjoint and together everyone."""
    node = Rule.Bucket(
        bucket=values.literal(number), buckets=values.literal(of), seed=values.literal(seed)
    )
    return Expression(Rule(bucket=node))


def weighted(*parts: tuple[Number, Expression]) -> WeightedSum:
    """``sum of (10 for r, -5 for s)``: pairs of a weight and a rule."""
    return WeightedSum(parts)


def inactive_for(amount: Number, unit: str) -> Expression:
    """No event of an active type in the last time."""
    return Expression(Rule(inactive=Rule.Inactive(duration=duration(amount, unit))))


def known_for(amount: Number, unit: str) -> Expression:
    """``known for at least 30 days``."""
    return Expression(Rule(known_for=Rule.KnownFor(duration=duration(amount, unit))))


def _move(kind: rule_pb2.SegmentMoveKind.ValueType, name: str | rule_pb2.Value) -> SegmentMove:
    node = Rule.SegmentMove(move=kind, segment=values.literal(name))
    return SegmentMove(Rule(segment_move=node))
