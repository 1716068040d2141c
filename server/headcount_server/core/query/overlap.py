"""What several rules have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pyroaring import BitMap

from headcount_server.core import unlocked
from headcount_server.core.query.ask import Ask
from headcount_server.core.rules.tree import Rule
from headcount_server.core.steps import SETTLED, Steps, apart, finish


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
    """As ``overlap``: a step for a rule, then, apart, one for it with those before, and for a cut.

    The audience is read until every rule is evaluated.
    """
    sets: list[BitMap] = []
    for rule in rules:
        sets.append(ask.members(rule))
        yield
    containers = unlocked.containers(ask.everyone)
    yield SETTLED
    matrix = [[0] * len(sets) for _ in sets]
    for i, left in enumerate(sets):
        before = sets[:i]
        counts = yield from apart(
            partial(unlocked.shared_counts, left, before), i * containers * unlocked.COUNT_NS
        )
        matrix[i][: i + 1] = [*counts, len(left)]
        for j, count in enumerate(counts):
            matrix[j][i] = count
    made_ns = containers * unlocked.MAKE_NS
    union = yield from apart(partial(unlocked.union, sets), len(sets) * made_ns)
    found = (yield from _regions(sets, union, made_ns)) if regions else ()
    return Overlap(tuple(map(tuple, matrix)), found, len(union))


def _regions(
    sets: Sequence[BitMap], union: BitMap, made_ns: float
) -> Steps[tuple[OverlapRegion, ...]]:
    parts: list[tuple[tuple[int, ...], BitMap]] = [((), union)]
    for i, rows in enumerate(sets):
        cut = partial(_cut, parts, i, rows)
        parts = yield from apart(cut, 2 * len(parts) * made_ns)
    found = [OverlapRegion(indexes, len(part)) for indexes, part in parts if indexes]
    return tuple(sorted(found, key=lambda region: (-len(region.indexes), region.indexes)))


def _cut(
    parts: Sequence[tuple[tuple[int, ...], BitMap]], index: int, rows: BitMap
) -> list[tuple[tuple[int, ...], BitMap]]:
    """Each part inside and outside of some rows."""
    inside = [((*indexes, index), unlocked.shared(part, rows)) for indexes, part in parts]
    return inside + [(indexes, unlocked.without(part, rows)) for indexes, part in parts]
