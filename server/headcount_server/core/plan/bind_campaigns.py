"""A ``did`` about a person's last campaigns: where that test may stand, and what it is bound to."""

from __future__ import annotations

from headcount_server.core.faults import Faults, refuse, variant
from headcount_server.core.plan import behaviour_nodes, event_nodes, nodes
from headcount_server.core.plan.bind_attributes import negated
from headcount_server.core.plan.bind_events import (
    bind_event_span,
    bind_sources,
    is_empty,
    refuse_campaigns,
)
from headcount_server.core.plan.kept import EVER, Need, check_kept
from headcount_server.core.plan.scope import Scope, unknown_property
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Quantifier

_NO_TEST = tree.And(())  # every event passes; it keeps the places of the tests beside it


def has_campaigns(where: tree.Rule | None) -> bool:
    """Whether a where asks about last campaigns. O(nodes)."""
    return where is not None and any(
        isinstance(node, tree.LastCampaigns) for node, _ in tree.walk(where)
    )


def bind_campaigns(scope: Scope, rule: tree.Did, place: str) -> nodes.Node:
    """A ``did`` whose where has a test on last campaigns. ``place`` ends with its variant.

    Raises:
        InvalidRule: that test stands where it can't or twice, names what [engagement] doesn't, or
            something else in the rule is wrong.
        Unimplemented: a test in the where isn't answered yet.
    """
    assert rule.where is not None
    rest, test, at = _split(rule.where, f"{place}.where")
    found = [node for node, _ in tree.walk(rule.where) if isinstance(node, tree.LastCampaigns)]
    if test is None or len(found) > 1 or rule.often or rule.habit or rule.relative:
        refuse_campaigns(f"{place}.where", found[-1].span or rule.span)
    faults = Faults()
    sources: tuple[event_nodes.Source, ...] = ()
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    last, count = 0, 0
    with faults.collecting():
        where = None if rest == _NO_TEST else rest
        sources = bind_sources(scope, rule.events, where, place, rule.span)
    with faults.collecting():
        _check_names(scope, rule, test, at)
    with faults.collecting():
        last, count = _numbers(scope, test, at, test.span or rule.span)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    if test.quantifier is Quantifier.AT_LEAST and count == 0:
        return nodes.All()
    node: nodes.Node = nodes.Nothing()
    if sources and not is_empty(span) and count <= last:
        sent = (event_nodes.Source(test.event),)
        check_kept(scope, sources, span, Need.ALL, place, rule.span)
        check_kept(scope, sent, EVER, Need.ALL, place, rule.span)
        all_of = None if test.quantifier is Quantifier.ALL else count
        node = behaviour_nodes.LastCampaigns(
            sources, span, test.event, test.name, last, scope.now_us, all_of
        )
    return negated(node) if test.quantifier is Quantifier.NONE else node


def _split(where: tree.Rule, place: str) -> tuple[tree.Rule, tree.LastCampaigns | None, str]:
    """The where without its test on last campaigns, if that is joined by ``and``; and its place."""
    at = f"{place}.{variant(type(where))}"
    if isinstance(where, tree.LastCampaigns):
        return _NO_TEST, where, at
    if isinstance(where, tree.And):
        for i, rule in enumerate(where.rules):
            rest, found, found_at = _split(rule, f"{at}.rules[{i}]")
            if found is not None:
                rules = (*where.rules[:i], rest, *where.rules[i + 1 :])
                return tree.And(rules, where.span), found, found_at
    return where, None, at


def _check_names(scope: Scope, rule: tree.Did, test: tree.LastCampaigns, place: str) -> None:
    names, span = scope.schema.engagement, test.span or rule.span
    for field, found, right in (
        ("name", test.name, names.campaign),
        ("event", test.event, names.sent),
    ):
        if found != right:
            message = f'"{found}" stands where [engagement] names "{right}"'
            refuse(f"{place}.{field}", message, "WRONG_NAME", span, found=found, suggestion=right)
    events = [scope.event(test.event, f"{place}.event", span)]
    events += [scope.events[name] for name in rule.events if name in scope.events]
    for event in events:
        if test.name not in event.dimensions:
            unknown_property(scope, test.name, event, f"{place}.name", span)


def _numbers(
    scope: Scope, test: tree.LastCampaigns, place: str, span: tree.Span | None
) -> tuple[int, int]:
    """How many are the last campaigns, and how many of them are asked for; of ``all``, 1."""
    last = scope.values.whole(test.last, f"{place}.last", "the number of campaigns", span)
    if test.quantifier is not Quantifier.AT_LEAST:
        return last, 1
    if test.count is None:
        refuse(f"{place}.count", "at least … of needs a count", "MISSING", span)
    return last, scope.values.whole(test.count, f"{place}.count", "the count", span)
