"""What changing a rule would change: who matches both versions, only the old, only the new."""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core.keys import Keys
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.members import sampled
from headcount_server.core.rules.tree import Rule


@dataclass(frozen=True, slots=True)
class DiffPart:
    """Those whom the versions have in common, or one has alone.

    Attributes:
        sample: keys of some of them.
    """

    total: int
    reachable: int
    sample: Keys


@dataclass(frozen=True, slots=True)
class Diff:
    """Two versions of a rule beside each other."""

    old_total: int
    new_total: int
    both: DiffPart
    only_old: DiffPart
    only_new: DiffPart


def diff(ask: Ask, old: Rule, new: Rule, size: int, seed: str) -> Diff:
    """Compares two versions of a rule within the scope.

    Args:
        ask: the options.
        old: the version to compare with.
        new: the other one.
        size: keys in the sample of each part.
        seed: the same one samples the same keys of the same members.

    Raises:
        InvalidRule: a version doesn't fit the schema, or a parameter is unbound.
    """
    before, after = ask.members(old), ask.members(new)
    parts = (before & after, before - after, after - before)
    both, lost, won = (_part(ask, rows, size, seed) for rows in parts)
    return Diff(len(before), len(after), both, lost, won)


def _part(ask: Ask, rows: BitMap, size: int, seed: str) -> DiffPart:
    reachable = len(rows)
    if ask.reachable is not None:
        reachable = rows.intersection_cardinality(ask.rows(ask.reachable))
    return DiffPart(len(rows), reachable, sampled(ask.audience.keys, rows, size, seed))
