"""Counts, margins, warnings and errors at every node, against plain sets of keys."""

from __future__ import annotations

from decimal import Decimal

import pytest
from headcount_server.core.audience import Audience
from headcount_server.core.commands import UpsertSubscribers
from headcount_server.core.query import Ask, ExplainNode, Explanation, explain
from headcount_server.core.rules import tree
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import KeyType, Schema
from headcount_server.core.steps import finish
from headcount_server.errors import InvalidRule
from headcount_server.limits import DEFAULT_LIMITS
from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = range(10)
Found = frozenset[int]


def audience() -> Audience:
    found = Audience("shop", Schema(KeyType.INT64), 0, DEFAULT_LIMITS)
    finish(found.upserting(UpsertSubscribers("shop", list(KEYS), (), 0)))()
    return found


def number(value: int) -> tree.Number:
    return tree.Number(Decimal(value))


SHOP = audience()
SCOPE = tree.IdIn(tree.ValueList(tuple(number(key) for key in range(7))))
EVERYONE = frozenset(KEYS)


# --- the oracle ----------------------------------------------------------------------------------


def group(rule: tree.Rule, parts: list[Found], scope: Found) -> Found:
    match rule:
        case tree.And():
            return scope.intersection(*parts)
        case tree.Or():
            return frozenset().union(*parts)
        case tree.NoneOf() | tree.Not():
            return scope.difference(*parts)
        case tree.AtLeast():
            least = int(rule.count.number)
            return frozenset(k for k in scope if sum(k in part for part in parts) >= least)
        case _:
            raise AssertionError(rule)


def denoted(rule: tree.Rule, scope: Found) -> Found | None:
    """Whom a rule denotes without its parts that don't fit; None if nothing is left of it."""
    match rule:
        case tree.Attribute():
            return None
        case tree.IdIn():
            return scope & {int(value.number) for value in rule.values.values}
        case _:
            parts = [denoted(part, scope) for part in tree.children(rule)]
            kept = [part for part in parts if part is not None]
            return group(rule, kept, scope) if kept else None


def check(node: ExplainNode, rule: tree.Rule, scope: Found) -> None:
    rows = denoted(rule, scope)
    assert (node.error is None) == (rows is not None)
    assert node.count == (0 if rows is None else len(rows))
    assert len(node.nodes) == len(tree.children(rule))
    pairs = list(zip(node.nodes, tree.children(rule), strict=True))
    for below, part in pairs:
        check(below, part, scope)
    kept = [(below, found) for below, part in pairs if (found := denoted(part, scope)) is not None]
    parts = [found for _, found in kept]
    if rows is None or isinstance(rule, tree.Not):
        assert all(below.without_count is None for below in node.nodes)
        return
    reasons = [warning.reason for warning in node.warnings]
    is_contradiction = isinstance(rule, tree.And) and len(parts) > 1 and all(parts) and not rows
    assert ("CONTRADICTION" in reasons) == is_contradiction
    for i, (below, found) in enumerate(kept):
        others = group(rule, parts[:i] + parts[i + 1 :], scope)
        assert below.without_count == len(others)
        check_order(below, rule, parts[: i + 1], scope)
        reasons = [warning.reason for warning in below.warnings]
        is_same = found >= others if isinstance(rule, tree.And) else others == rows
        met = others if isinstance(rule, tree.And) else frozenset().union(*parts)
        can_be = isinstance(rule, tree.And | tree.Or | tree.NoneOf)
        assert ("REDUNDANT" in reasons) == (can_be and is_same and bool(met))


def check_order(node: ExplainNode, rule: tree.Rule, up_to: list[Found], scope: Found) -> None:
    own, before = up_to[-1], up_to[:-1]
    if isinstance(rule, tree.And):
        left, now = scope.intersection(*before), scope.intersection(*up_to)
        assert (node.cumulative_count, node.removed_count) == (len(now), len(left - own))
    elif isinstance(rule, tree.Or):
        had, now = frozenset().union(*before), frozenset().union(*up_to)
        assert (node.cumulative_count, node.removed_count) == (len(now), len(own - had))
    else:
        assert (node.cumulative_count, node.removed_count) == (len(own), len(scope - own))


UNFIT = tree.Attribute("nosuch", tree.Is(tree.State.SET))
leaves = st.one_of(
    st.sets(st.sampled_from([*KEYS, 99]), min_size=1).map(
        lambda keys: tree.IdIn(tree.ValueList(tuple(number(key) for key in sorted(keys))))
    ),
    st.just(UNFIT),
)


def groups(below: st.SearchStrategy[tree.Rule]) -> st.SearchStrategy[tree.Rule]:
    several = st.lists(below, min_size=1, max_size=5).map(tuple)
    return st.one_of(
        several.map(tree.And),
        several.map(tree.Or),
        several.map(tree.NoneOf),
        st.builds(lambda k, rules: tree.AtLeast(number(k), rules), st.integers(0, 6), several),
        below.map(tree.Not),
    )


rules = st.recursive(leaves, groups, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(rules, st.booleans())
def test_every_node_is_what_plain_sets_say(rule: tree.Rule, is_scoped: bool):
    scope = frozenset(range(7)) if is_scoped else EVERYONE
    found = explain(Ask(SHOP, 0, {}, SCOPE if is_scoped else None), rule, tolerant=True)
    expected = denoted(rule, scope)
    assert found.total == (len(scope) if expected is None else len(expected))
    check(found.root, rule, scope)
    unfit = sum(node == UNFIT for node, _ in tree.walk(rule))
    assert [fault.reason for fault in found.incomplete] == ["UNKNOWN_ATTRIBUTE"] * unfit
    if not unfit:
        assert explain(Ask(SHOP, 0, {}, SCOPE if is_scoped else None), rule) == found


# --- by hand -------------------------------------------------------------------------------------


def explained(text: str, tolerant: bool = True) -> Explanation:
    return explain(Ask(SHOP, 0), parse(text), tolerant=tolerant)


def test_a_part_that_does_not_fit_is_left_out_and_told_at_its_place():
    found = explained("id in (1, 2) and (nosuch = 1 or id in (2, 3)) and not nosuch is set")
    assert found.total == 1
    assert [(v.field, v.reason) for v in found.incomplete] == [
        ("rule.rules[1].rules[0].attribute.name", "UNKNOWN_ATTRIBUTE"),
        ("rule.rules[2].rules[0].attribute.name", "UNKNOWN_ATTRIBUTE"),
    ]
    first, second, third = found.root.nodes
    assert (first.error, first.without_count, second.without_count) == (None, 2, 2)
    assert isinstance(second.nodes[0].error, InvalidRule)
    assert isinstance(third.error, InvalidRule)
    assert third.nodes[0].error is not None


def test_a_group_at_fault_itself_is_left_out_with_counts_of_its_parts():
    found = explained('id in (1) and at least 1 of (id in (1, 2), id in ("x"))')
    assert found.total == 1
    (both,) = found.root.nodes[1:]
    assert both.error is None
    assert both.nodes[0].count == 2
    assert both.nodes[1].error is not None
    found = explained("id in (1) and at least $k of (id in (2, 3), id in (4))")
    at_least = found.root.nodes[1]
    assert found.total == 1
    assert [v.field for v in found.incomplete] == ["rule.rules[1].at_least.count.parameter"]
    assert at_least.error is not None
    assert [node.count for node in at_least.nodes] == [2, 1]


def test_weights_keep_their_places_beside_a_term_left_out():
    found = explained("sum of (1 for nosuch = 1, $w for id in (1)) >= 1")
    assert sorted(v.field for v in found.incomplete) == [
        "rule.rules[0].attribute.name", "rule.weighted_sum.terms[1].weight.parameter",
    ]  # fmt: skip


def test_a_rule_of_which_nothing_is_left_counts_everyone():
    found = explained("nosuch = 1")
    assert (found.total, found.reachable, found.root.count) == (10, 10, 0)
    assert found.root.error is not None


def test_an_intolerant_question_fails():
    with pytest.raises(InvalidRule):
        explained("id in (1) and nosuch = 1", tolerant=False)


def test_a_contradiction_and_a_redundant_condition_are_told():
    found = explained("id in (1, 2) and id in (3, 4)")
    assert [w.reason for w in found.root.warnings] == ["CONTRADICTION"]
    found = explained("id in (1, 2) and id in (1, 2, 3)")
    assert [w.reason for w in found.root.nodes[0].warnings] == []
    assert [w.reason for w in found.root.nodes[1].warnings] == ["REDUNDANT"]


def test_nobody_is_redundant_beside_a_condition_that_nobody_matches():
    found = explained("id in (99) and id in (1, 2)")
    assert [w.reason for node in found.root.nodes for w in node.warnings] == []


def test_of_a_group_that_nobody_matches_no_part_is_redundant() -> None:
    found = explain(Ask(SHOP, 0), parse("id in (100) or id in (200)"))
    assert found.total == 0
    assert [node.warnings for node in found.root.nodes] == [(), ()]
