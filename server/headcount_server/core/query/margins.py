"""What a group of rules would count without one of its parts, for every part at once.

Who lacks exactly one part, or has exactly one, is found in one pass over the parts; each part's
effect is then one intersection. O(parts) bitmap operations, two bitmaps besides the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.nodes import All, Node
from headcount_server.core.plan.nodes import AtLeast as AtLeastNode
from headcount_server.core.rules.tree import And, AtLeast, NoneOf, Or, Rule


@dataclass(frozen=True, slots=True)
class Margins:
    """The counts of a group without each of its parts.

    Attributes:
        without: for each part in its order; None where the rule is no group.
        redundant: for each part, whether it takes nobody away from what the other parts of an
            ``and`` leave, or adds nobody to those of an ``or`` or ``none of``; False where the
            others have nobody, because then the fault isn't its.
    """

    without: tuple[int | None, ...]
    redundant: tuple[bool, ...]


def margins(rule: Rule, bound: Node, parts: Sequence[BitMap], scope: BitMap) -> Margins:
    """The margins of a rule.

    Args:
        rule: any.
        bound: what it is bound to.
        parts: the rows of each of its parts, within the scope; not modified.
        scope: whom the question is about.
    """
    match rule:
        case And():
            return _of_intersection(parts, scope)
        case Or():
            return _of_union(parts)
        case NoneOf():
            union = _of_union(parts)
            without = tuple(len(scope) - (count or 0) for count in union.without)
            return Margins(without, union.redundant)
        case AtLeast():
            without = _of_at_least(bound, parts, scope)
            return Margins(without, (False,) * len(parts))
        case _:
            return Margins((None,) * len(parts), (False,) * len(parts))


def _of_intersection(parts: Sequence[BitMap], scope: BitMap) -> Margins:
    lacks_none, lacks_one = scope, bitmaps.EMPTY
    for rows in parts:
        lacks_one = (lacks_one & rows) | (lacks_none - rows)
        lacks_none = lacks_none & rows
    total = len(lacks_none)
    without = [total + lacks_one.difference_cardinality(rows) for rows in parts]
    return Margins(tuple(without), tuple(count == total > 0 for count in without))


def _of_union(parts: Sequence[BitMap]) -> Margins:
    anyone, several = bitmaps.EMPTY, bitmaps.EMPTY
    for rows in parts:
        several = several | (anyone & rows)
        anyone = anyone | rows
    total, once = len(anyone), anyone - several
    without = [total - once.intersection_cardinality(rows) for rows in parts]
    return Margins(tuple(without), tuple(count == total > 0 for count in without))


def _of_at_least(bound: Node, parts: Sequence[BitMap], scope: BitMap) -> tuple[int, ...]:
    if isinstance(bound, All):  # at least 0
        return (len(scope),) * len(parts)
    if not isinstance(bound, AtLeastNode):  # more than there are
        return (0,) * len(parts)
    enough = bitmaps.at_least(bound.count, parts)
    just_enough = enough - bitmaps.at_least(bound.count + 1, parts)
    return tuple(len(enough) - just_enough.intersection_cardinality(rows) for rows in parts)
