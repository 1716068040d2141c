"""Binding: a rule tree and an audience's schema become a node that can be evaluated.

Names are checked, parameters replaced, windows resolved at the question's ``now``, numbers scaled,
negated tests written as ``Not``. Everything wrong in a rule is told at once, up to a bound; the
places of faults are described in ``core.faults``. Binding reads no data.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType

from headcount_server.core import windows
from headcount_server.core.calendar import calendar
from headcount_server.core.faults import Faults, refuse, variant
from headcount_server.core.plan import event_nodes, nodes
from headcount_server.core.plan.bind_aggregates import (
    bind_aggregate,
    bind_favourite,
    bind_rate,
    bind_stars,
)
from headcount_server.core.plan.bind_attributes import bind_attribute, negated, range_node
from headcount_server.core.plan.bind_campaigns import bind_campaigns, has_campaigns
from headcount_server.core.plan.bind_events import bind_did, bind_inactive, bind_where
from headcount_server.core.plan.bind_habits import bind_habit, bind_relative
from headcount_server.core.plan.bind_moves import bind_move
from headcount_server.core.plan.bind_recency import bind_recency
from headcount_server.core.plan.bind_scores import bind_bucket, bind_sample, bind_weighted
from headcount_server.core.plan.bind_sequences import bind_sequence
from headcount_server.core.plan.bind_values import Subject, Values
from headcount_server.core.plan.numbers import floor_scaled
from headcount_server.core.plan.scope import KNOWN_SINCE, NOTHING_FOLDED, Now, Scope, unknown
from headcount_server.core.rules import tree
from headcount_server.core.schema import KeyType, Schema
from headcount_server.core.windows import below_value, spelt
from headcount_server.errors import InvalidRule, Unimplemented
from headcount_server.limits import DEFAULT_LIMITS, INT64_MAX, INT64_MIN, Limits

_NO_HISTORIES: Mapping[str, int | None] = MappingProxyType({})


class Binder:
    """Binds rules for one question; rules bound by the same binder share their parts.

    Args:
        schema: of the audience.
        segments: rule by name; of a frozen segment it is not looked at.
        parameters: bound values; those that a rule doesn't use are ignored.
        now_us: the question's ``now`` in microseconds since 1970-01-01T00:00Z.
        limits: of the lists that parameters are bound to.
        frozen: names of the segments with a fixed list of members.
        changes_from: the first day of which all changes are kept; None: of all there were.
        histories: segments whose history is kept -> the first day of which all moves are kept;
            None: of all there were.
        kept_from: event types with folded events -> the first day that is kept in full.

    Attributes:
        scope: the audience's names, ``now`` and the parameters.
    """

    def __init__(
        self,
        schema: Schema,
        segments: Mapping[str, tree.Rule],
        parameters: Mapping[str, tree.Value | tree.ValueList],
        now_us: int,
        limits: Limits = DEFAULT_LIMITS,
        frozen: Container[str] = (),
        changes_from: int | None = None,
        histories: Mapping[str, int | None] = _NO_HISTORIES,
        kept_from: Mapping[str, int] = NOTHING_FOLDED,
    ) -> None:
        self.scope = Scope(
            schema,
            calendar(schema.time_zone),
            Now(now_us),
            Values(parameters, limits),
            changes_from,
            kept_from,
        )
        self._segments = segments
        self._frozen = frozen
        self._histories = histories
        self._bound: dict[int, tuple[tree.Rule, nodes.Node]] = {}
        self._bound_segments: dict[str, nodes.Node] = {}
        self._named: dict[str, None] = {}  # segments, as found in rules

    def bind(self, rule: tree.Rule, place: str = "rule") -> nodes.Node:
        """The node of a rule. Binding a part of a rule bound before gives the part's own node.

        Args:
            rule: any rule within the limits of ``core.rules.bounds``.
            place: path of the field that holds the rule, for faults.

        Raises:
            InvalidRule: with every fault found, up to a bound.
            LimitExceeded: a list that a parameter is bound to is too long.
            Unimplemented: nothing is wrong, but a part isn't answered by this version yet.
        """
        found = self._bound.get(id(rule))
        if found is not None:
            return found[1]
        node = self._node(rule, place)
        self._bound[id(rule)] = (rule, node)  # the rule is kept, so that its id stays its own
        return node

    def bind_where(self, where: tree.Rule, event: str, place: str = "where") -> event_nodes.Where:
        """The events of one type that pass a where.

        Raises:
            InvalidRule, LimitExceeded, Unimplemented: as ``bind``.
        """
        return bind_where(self.scope, where, self.scope.event(event, place, where.span), place)

    def _node(self, rule: tree.Rule, place: str) -> nodes.Node:
        at = f"{place}.{variant(type(rule))}"
        match rule:
            case tree.Attribute():
                return bind_attribute(self.scope, rule, at)
            case tree.And():
                return nodes.And(self._all(rule.rules, at))
            case tree.Or():
                return nodes.Or(self._all(rule.rules, at))
            case tree.NoneOf():
                return nodes.Not(nodes.Or(self._all(rule.rules, at)))
            case tree.Not():
                return negated(self.bind(rule.rule, f"{at}.rule"))
            case tree.AtLeast():
                return self._at_least(rule, at)
            case tree.Did():
                if has_campaigns(rule.where):
                    return bind_campaigns(self.scope, rule, at)
                if rule.relative:
                    return bind_relative(self.scope, rule, rule.relative, at)
                if rule.habit:
                    return bind_habit(self.scope, rule, rule.habit, at)
                return bind_did(self.scope, rule, at)
            case tree.Sequence():
                return bind_sequence(self.scope, rule, at)
            case tree.Recency():
                return bind_recency(self.scope, rule, at)
            case tree.Aggregate():
                return bind_aggregate(self.scope, rule, at)
            case tree.Favourite():
                return bind_favourite(self.scope, rule, at)
            case tree.Rate():
                return bind_rate(self.scope, rule, at)
            case tree.Stars():
                return bind_stars(self.scope, rule, at)
            case tree.InSegment():
                return self._in_segment(rule, at)
            case tree.Everyone():
                return nodes.All()
            case tree.Nobody():
                return nodes.Nothing()
            case tree.IdIn():
                return self._id_in(rule, at)
            case tree.KnownFor():
                return self._known_for(rule, at)
            case tree.Inactive():
                return bind_inactive(self.scope, rule, at)
            case tree.Sample():
                return bind_sample(self.scope, rule, at)
            case tree.Bucket():
                return bind_bucket(self.scope, rule, at)
            case tree.WeightedSum():
                return bind_weighted(self.scope, rule, at, self.bind)
            case tree.SegmentMove():
                return self._move(rule, at)
            case _:
                assert isinstance(rule, tree.LastCampaigns)
                message = "last campaigns stand only in the where of a did"
                return refuse(at, message, "UNSUPPORTED_TEST", rule.span)

    def _all(self, rules: tuple[tree.Rule, ...], place: str) -> tuple[nodes.Node, ...]:
        if not rules:
            refuse(f"{place}.rules", "at least one rule is needed", "EMPTY_LIST")
        faults = Faults()
        found: list[nodes.Node] = []
        for i, rule in enumerate(rules):
            with faults.collecting():
                found.append(self.bind(rule, f"{place}.rules[{i}]"))
        faults.check()
        return tuple(found)

    def _at_least(self, rule: tree.AtLeast, place: str) -> nodes.Node:
        faults = Faults()
        count = 0
        found: tuple[nodes.Node, ...] = ()
        with faults.collecting():
            count = self.scope.values.whole(rule.count, f"{place}.count", "the count", rule.span)
        with faults.collecting():
            found = self._all(rule.rules, place)
        faults.check()
        if count == 0:
            return nodes.All()
        return nodes.AtLeast(count, found) if count <= len(found) else nodes.Nothing()

    def _id_in(self, rule: tree.IdIn, place: str) -> nodes.Node:
        place = f"{place}.values"
        values, kind = self.scope.values, self.scope.schema.key
        subject = Subject("id", f"a {kind.value} key")
        if kind is KeyType.STRING:
            listed = values.texts(rule.values, subject, place, rule.span)
            keys = tuple(sorted({text.text for text in listed}))
            return nodes.KeyIn(keys) if keys else nodes.Nothing()
        found: set[int] = set()
        faults = Faults()
        for i, number in enumerate(values.numbers(rule.values, subject, place, rule.span)):
            key, exact = floor_scaled(number, 0)
            if exact and INT64_MIN <= key <= INT64_MAX:
                found.add(key)
            elif not exact and number.adjusted() < 40:
                with faults.collecting():
                    literal = tree.Number(number)
                    refuse(
                        below_value(f"{place}.values[{i}]", literal),
                        f"{subject}; {spelt(literal)} is no whole number",
                        "WRONG_TYPE",
                        rule.values.span or rule.span,
                        found=spelt(literal),
                        expected=("whole number",),
                    )
        faults.check()
        return nodes.KeyIn(tuple(sorted(found))) if found else nodes.Nothing()

    def _known_for(self, rule: tree.KnownFor, place: str) -> nodes.Node:
        scope = self.scope
        amount = scope.amount(rule.duration, f"{place}.duration", rule.span)
        days = windows.up_to(amount, rule.duration.unit, scope.now_us, scope.calendar)
        return range_node(scope, KNOWN_SINCE, days)

    # --- segments ------------------------------------------------------------------------------

    def _segment_name(self, value: tree.Value, place: str, span: tree.Span | None) -> str:
        """The name of a segment that exists."""
        subject = Subject("segment", "a name")
        name = self.scope.values.text(value, subject, place, span).text
        if name not in self._frozen and name not in self._segments:
            at = below_value(place, value)
            unknown("segment", name, tuple(self._segments), at, value.span or span)
        self._named[name] = None
        return name

    def _in_segment(self, rule: tree.InSegment, place: str) -> nodes.Node:
        name = self._segment_name(rule.segment, f"{place}.segment", rule.span)
        at = below_value(f"{place}.segment", rule.segment)
        for used in self._order(name, at, rule.segment.span or rule.span):
            try:
                self._bound_segments[used] = self._bind_segment(used)
            except InvalidRule as error:
                refuse(
                    at,
                    f'segment "{used}" can\'t be evaluated: {error.message}',
                    error.violations[0].reason if error.violations else error.reason,
                    rule.segment.span or rule.span,
                    found=used,
                )
            except Unimplemented as error:
                message = f'segment "{used}": {error.message}'
                raise Unimplemented(message, **error.metadata) from error
        bound = self._bound_segments[name]
        return bound if isinstance(bound, nodes.SegmentMembers) else nodes.InSegment(name)

    @property
    def bound_segments(self) -> Mapping[str, nodes.Node]:
        """What the segments used so far are bound to, each after those that it uses."""
        return self._bound_segments

    @property
    def named_segments(self) -> tuple[str, ...]:
        """The segments that anything bound so far names, those that they use included."""
        return tuple(dict.fromkeys((*self._named, *self._bound_segments)))

    @property
    def depends_on_now(self) -> bool:
        """Whether anything bound so far might be bound otherwise at another ``now``."""
        return self.scope.now.is_read

    def _bind_segment(self, name: str) -> nodes.Node:
        """A segment's rule, without the question's parameters; those it uses are bound."""
        if name in self._frozen:
            return nodes.SegmentMembers(name)
        scope = self.scope
        inner = Binder(
            scope.schema, self._segments, {}, scope.now.us, scope.values.limits, self._frozen,
            scope.changes_from, self._histories, scope.kept_from,
        )  # fmt: skip
        inner._bound_segments, inner._named = self._bound_segments, self._named
        bound = inner.bind(self._segments[name])
        scope.now.is_read |= inner.depends_on_now
        return bound

    def _order(self, name: str, place: str, span: tree.Span | None) -> list[str]:
        """The segments to bind for ``name``, each after those that it uses. No recursion.

        Raises:
            InvalidRule: one of them uses itself.
        """
        order: list[str] = []
        done = set(self._bound_segments)
        path: list[tuple[str, Iterator[str]]] = []
        if name not in done:
            path.append((name, self._uses(name)))
        open_names = {name}
        while path:
            current, rest = path[-1]
            used = next(rest, None)
            if used is None:
                path.pop()
                open_names.discard(current)
                done.add(current)
                order.append(current)
            elif used in open_names:
                names = [n for n, _ in path]
                cycle = " → ".join([*names[names.index(used) :], used])
                message = f'segment "{used}" would use itself: {cycle}'
                refuse(place, message, "SEGMENT_CYCLE", span, found=used)
            elif used not in done and (used in self._segments or used in self._frozen):
                path.append((used, self._uses(used)))
                open_names.add(used)
        return order

    def _uses(self, name: str) -> Iterator[str]:
        return iter(() if name in self._frozen else dependencies(self._segments[name]))

    def _move(self, rule: tree.SegmentMove, at: str) -> nodes.Node:
        name = self._segment_name(rule.segment, f"{at}.segment", rule.span)
        return bind_move(self.scope, rule, at, name, self._histories)


def dependencies(rule: tree.Rule) -> tuple[str, ...]:
    """The segments that a rule names, sorted, each once; not those that they use in turn. O(nodes).

    A name that is a parameter is not known before a question and left out.
    """
    return tuple(
        sorted(
            {
                node.segment.text
                for node, _ in tree.walk(rule)
                if isinstance(node, tree.InSegment | tree.SegmentMove)
                and isinstance(node.segment, tree.Text)
            }
        )
    )
