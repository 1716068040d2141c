"""What several rules have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.query.ask import Ask
from headcount_server.core.rules.tree import Rule
from headcount_server.core.steps import Steps, finish


@dataclass(frozen=True, slots=True)
class OverlapRegion:
    """Those who match exactly the rules of these indexes."""

    indexes: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pairwise and regional counts.

    Attributes:
        rows: ``rows[i][j]`` is how many rules i and j have in common.
        regions: on request, by falling number of rules, then by indexes; empty ones too.
        union_count: how many match one rule or more.
    """

    rows: tuple[tuple[int, ...], ...]
    regions: tuple[OverlapRegion, ...]
    union_count: int


def overlap(ask: Ask, rules: Sequence[Rule], regions: bool) -> Overlap:
    """The overlap of rules within the scope. O(rules²), and O(2^rules) for regions."""
    return finish(overlap_steps(ask, rules, regions))


def overlap_steps(ask: Ask, rules: Sequence[Rule], regions: bool) -> Steps[Overlap]:
    """As ``overlap``: a step for a rule, for a rule with those before it, and for a cut."""
    sets: list[BitMap] = []
    for rule in rules:
        sets.append(ask.members(rule))
        yield
    matrix = [[0] * len(sets) for _ in sets]
    for i, left in enumerate(sets):
        matrix[i][i] = len(left)
        for j in range(i):
            matrix[i][j] = matrix[j][i] = left.intersection_cardinality(sets[j])
        yield
    union = bitmaps.union(sets)
    yield
    found = (yield from _regions(sets, union)) if regions else ()
    return Overlap(tuple(map(tuple, matrix)), found, len(union))


def _regions(sets: Sequence[BitMap], union: BitMap) -> Steps[tuple[OverlapRegion, ...]]:
    parts: list[tuple[tuple[int, ...], BitMap]] = [((), union)]
    for i, rows in enumerate(sets):
        inside = [((*indexes, i), part & rows) for indexes, part in parts]
        outside = [(indexes, part - rows) for indexes, part in parts]
        parts = inside + outside
        yield
    found = [OverlapRegion(indexes, len(part)) for indexes, part in parts if indexes]
    return tuple(sorted(found, key=lambda region: (-len(region.indexes), region.indexes)))
