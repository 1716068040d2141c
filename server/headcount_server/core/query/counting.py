"""Counts: total, reachable, and the waterfall from everyone to the reachable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headcount_server.core.plan.nodes import All, And, Node
from headcount_server.core.query.ask import Ask
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import And as AndRule
from headcount_server.core.rules.tree import Rule
from headcount_server.core.steps import Steps, finish
from headcount_server.errors import HeadcountError


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """How many are left after a step, and how many it took away."""

    label: str
    count: int
    removed_count: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many match, and how many of them can be reached."""

    total: int
    reachable: int
    waterfall: tuple[WaterfallStep, ...] = ()


def count(ask: Ask, rule: Rule, waterfall: bool = False) -> Count:
    """The exact count of a rule.

    Args:
        ask: the options.
        rule: what is asked.
        waterfall: whether to count each step from everyone to the reachable too.

    Raises:
        InvalidRule: the rule doesn't fit the schema, or a parameter is unbound.
    """
    node = ask.bind(rule)
    total, reachable = ask.count_reachable(node)
    return Count(total, reachable, _waterfall(ask, rule, reachable) if waterfall else ())


def batch_count(ask: Ask, rules: Sequence[Rule | HeadcountError]) -> list[Count | HeadcountError]:
    """The counts of many rules at one revision; an error in the place of a rule that has one."""
    return finish(batch_count_steps(ask, rules))


def batch_count_steps(
    ask: Ask, rules: Sequence[Rule | HeadcountError]
) -> Steps[list[Count | HeadcountError]]:
    """As ``batch_count``, a step for each rule."""
    counts: list[Count | HeadcountError] = []
    for rule in rules:
        try:
            counts.append(rule if isinstance(rule, HeadcountError) else count(ask, rule))
        except HeadcountError as error:
            counts.append(error)
        yield
    return counts


def _waterfall(ask: Ask, rule: Rule, reachable: int) -> tuple[WaterfallStep, ...]:
    parts = rule.rules if isinstance(rule, AndRule) else (rule,)
    left = ask.count(All())
    steps = [WaterfallStep("audience", left, len(ask.everyone) - left)]
    so_far: tuple[Node, ...] = ()
    for part in parts:
        so_far = (*so_far, ask.bind(part))
        now_left = ask.count(And(so_far))
        steps.append(WaterfallStep(format_rule(part), now_left, left - now_left))
        left = now_left
    steps.append(WaterfallStep("reachable", reachable, left - reachable))
    return tuple(steps)
