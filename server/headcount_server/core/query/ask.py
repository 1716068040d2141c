"""The options that every question shares, and evaluation under them."""

from __future__ import annotations

from collections.abc import Mapping

from pyroaring import BitMap

from headcount_server.core.plan.bind import Binder
from headcount_server.core.plan.evaluate import Evaluation
from headcount_server.core.plan.nodes import All, And, Node
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.rules.tree import Rule, Value, ValueList
from headcount_server.core.schema import Schema
from headcount_server.core.view import AudienceView
from headcount_server.limits import DEFAULT_LIMITS, Limits


def binder(
    audience: AudienceView,
    now_us: int,
    limits: Limits,
    parameters: Mapping[str, Value | ValueList] | None = None,
    schema: Schema | None = None,
    clock_us: int = 0,
    kept_from: Mapping[str, int] | None = None,
) -> Binder:
    """What binds rules to an audience as it is; the only place that says what that takes.

    Args:
        audience: whose names, segments and changes are meant.
        now_us: what ``now`` means, in microseconds.
        limits: of the server.
        parameters: what the parameters of the rules are bound to.
        schema: the one to bind to, where the audience is about to get another.
        clock_us: the time of a command about to be applied, which may end what is kept of moves.
        kept_from: event types with folded events -> first day kept; None: as it is.
    """
    rules = {name: s.rule for name, s in audience.segments.items() if s.rule is not None}
    frozen = frozenset(name for name, s in audience.segments.items() if s.frozen is not None)
    first_day = audience.changes.first_day
    declared = audience.schema if schema is None else schema
    clock_us = max(clock_us, audience.clock_us)
    histories = {name: h.kept_from(clock_us) for name, h in audience.histories.items()}
    kept = audience.kept_from if kept_from is None else kept_from
    return Binder(
        declared, rules, parameters or {}, now_us, limits, frozen, first_day, histories, kept
    )


class Ask:
    """One or several questions to one revision of an audience, at one ``now``.

    Valid only until the audience changes. Equal parts of its rules are evaluated once.

    Args:
        audience: who is asked about.
        now_us: what ``now`` means, in microseconds.
        parameters: what the parameters of the rules are bound to.
        within: a rule and-ed at the root of every count and of reachable; None: everyone.
        limits: of the server.

    Attributes:
        revision: of the audience, that the answers reflect.
        audience_size: how many subscribers it had then.

    Raises:
        InvalidRule: ``within`` can't be bound.
    """

    def __init__(
        self,
        audience: AudienceView,
        now_us: int,
        parameters: Mapping[str, Value | ValueList] | None = None,
        within: Rule | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.audience = audience
        self.revision = audience.revision
        self.audience_size = audience.subscriber_count
        self.now_us = now_us
        self.parameters = parameters or {}
        self.within = within
        self._limits = limits
        self._binder = binder(audience, now_us, limits, parameters)
        self._evaluation = Evaluation(audience, self._binder.bound_segments)
        self._scope: Node = All()
        if within is not None:
            self._scope = self._binder.bind(within, "within")
        self.reachable: Node | None = None  # who can be reached; None: everyone
        self._reached: Node | None = None  # the same, optimised
        if audience.reachable is not None:
            self.reachable = self._binder.bind(audience.reachable, "reachable")

    @property
    def everyone(self) -> BitMap:
        """Rows of the existing subscribers."""
        return self.audience.everyone

    @property
    def segments(self) -> Mapping[str, Node]:
        """What the segments used so far are bound to, each after those that it uses."""
        return self._binder.bound_segments

    @property
    def named_segments(self) -> tuple[str, ...]:
        """The segments that anything bound so far names, those that they use included."""
        return self._binder.named_segments

    def at(self, now_us: int, audience: AudienceView | None = None) -> Ask:
        """The same options at another ``now``, of the same audience or what has become of it."""
        audience = self.audience if audience is None else audience
        return Ask(audience, now_us, self.parameters, self.within, self._limits)

    def bind(self, rule: Rule) -> Node:
        """The bound rule, without the scope.

        Raises:
            InvalidRule: it doesn't fit the schema, or a parameter is unbound.
            Unimplemented: this version doesn't answer a part of it.
        """
        return self._binder.bind(rule)

    def scoped(self, node: Node) -> Node:
        """The node within the scope of the question."""
        return node if isinstance(self._scope, All) else And((node, self._scope))

    def rows(self, node: Node) -> BitMap:
        """The rows of a bound rule, without the scope; not to be modified."""
        return self._evaluation.rows(node)

    def scope(self) -> BitMap:
        """The rows of the scope; not to be modified."""
        return self.rows(self._scope)

    def count(self, node: Node) -> int:
        """How many rows a bound rule has within the scope."""
        return self._evaluation.count(self.scoped(node))

    def count_reachable(self, node: Node) -> tuple[int, int]:
        """How many rows a bound rule has within the scope, and how many of them can be reached."""
        return self._evaluation.count_reachable(*self.optimised(node))

    def optimised(self, node: Node) -> tuple[Node, Node | None]:
        """A bound rule within the scope, and who can be reached, as they are evaluated."""
        if self.reachable is not None and self._reached is None:
            self._reached = optimise(self.reachable)
        return optimise(self.scoped(node)), self._reached

    @property
    def depends_on_now(self) -> bool:
        """Whether anything bound so far might be bound otherwise at another ``now``."""
        return self._binder.depends_on_now

    def reached(self, members: BitMap) -> int:
        """How many of some members can be reached."""
        if self.reachable is None:
            return len(members)
        return members.intersection_cardinality(self.rows(self.reachable))

    def members(self, rule: Rule) -> BitMap:
        """The rows of a rule within the scope; not to be modified."""
        return self.rows(self.scoped(self.bind(rule)))
