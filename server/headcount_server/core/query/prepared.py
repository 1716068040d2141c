"""Rules bound once and counted many times.

Binding depends on the schema, the rules of the segments that are used, from when on changes, moves
and events are kept and, where a window is in it, on ``now``. A ``Prepared`` knows what it was bound
to and is counted only where binding anew would give the same; it holds no data of the audience.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headcount_server.core.plan.evaluate import Evaluation
from headcount_server.core.plan.nodes import Node
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.counting import Count
from headcount_server.core.rules.tree import Rule
from headcount_server.core.schema import Schema
from headcount_server.core.view import AudienceView


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rule and the audience's reachable rule, bound and optimised.

    Attributes:
        node: the rule within the scope of the question.
        reachable: who can be reached; None: everyone.
        segments: what the segments in them are bound to, each after those that it uses.
        now_us: the ``now`` that it is bound to; None: it is the same at any.
    """

    node: Node
    reachable: Node | None
    segments: Mapping[str, Node]
    now_us: int | None
    _schema: Schema
    _reachable_rule: Rule | None
    _segments_named: tuple[tuple[str, Rule | None, tuple[bool, int | None]], ...]
    _changes_from: int | None
    _kept_from: Mapping[str, int]

    def fits(self, audience: AudienceView, now_us: int) -> bool:
        """Whether binding to the audience as it is would give the same. O(segments used)."""
        if self.now_us is not None and self.now_us != now_us:
            return False
        if audience.schema is not self._schema or audience.reachable is not self._reachable_rule:
            return False
        if audience.changes.first_day != self._changes_from:
            return False
        if audience.kept_from != self._kept_from:
            return False
        for name, rule, kept_from in self._segments_named:
            segment = audience.segments.get(name)
            if segment is None or segment.rule is not rule:
                return False
            if _kept_from(audience, name) != kept_from:
                return False
        return True

    def count(self, audience: AudienceView) -> Count:
        """The count over an audience that it fits."""
        evaluation = Evaluation(audience, self.segments)
        return Count(*evaluation.count_reachable(self.node, self.reachable))


def prepare(ask: Ask, rule: Rule) -> Prepared:
    """Binds a rule for later.

    Args:
        ask: the options; nothing else should be bound by it.
        rule: what is asked.

    Raises:
        InvalidRule: the rule doesn't fit the schema, or a parameter is unbound.
    """
    audience = ask.audience
    node, reachable = ask.optimised(ask.bind(rule))
    named = tuple(
        (name, audience.segments[name].rule, _kept_from(audience, name))
        for name in ask.named_segments
    )
    return Prepared(
        node, reachable, ask.segments, ask.now_us if ask.depends_on_now else None,
        audience.schema, audience.reachable, named, audience.changes.first_day,
        audience.kept_from,
    )  # fmt: skip


def _kept_from(audience: AudienceView, name: str) -> tuple[bool, int | None]:
    """Whether a segment's moves are kept, and from when on, as binding sees it."""
    history = audience.histories.get(name)
    return (False, None) if history is None else (True, history.kept_from(audience.clock_us))
