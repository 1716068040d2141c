"""Paths into the protobuf tree of a rule, for answers that name its nodes."""

from __future__ import annotations

from headcount_server.core.rules.tree import Rule


def place_below(rule: Rule, place: str, number: int) -> str:
    """The path of the ``number``-th operand of the rule at ``place``."""
    del rule
    return f"{place}.rules[{number}]"
