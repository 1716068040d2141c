"""What changing a rule would change: who matches both versions, only the old, only the new."""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core.keys import Keys
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.members import sampled
from headcount_server.core.rules.tree import Rule
from headcount_server.core.steps import Steps, finish


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
    return finish(diff_steps(ask, old, new, size, seed))


def diff_steps(ask: Ask, old: Rule, new: Rule, size: int, seed: str) -> Steps[Diff]:
    """As ``diff``: a step for each version, each part and each few members."""
    before = ask.members(old)
    yield
    after = ask.members(new)
    yield
    both = yield from _part(ask, before & after, size, seed)
    lost = yield from _part(ask, before - after, size, seed)
    won = yield from _part(ask, after - before, size, seed)
    return Diff(len(before), len(after), both, lost, won)


def _part(ask: Ask, rows: BitMap, size: int, seed: str) -> Steps[DiffPart]:
    reachable = len(rows)
    if ask.reachable is not None:
        reachable = rows.intersection_cardinality(ask.rows(ask.reachable))
    keys = yield from sampled(ask.audience.keys, rows, size, seed)
    return DiffPart(len(rows), reachable, keys)
