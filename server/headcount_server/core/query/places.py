"""Paths into the protobuf tree of a rule, for answers that name its nodes."""

from __future__ import annotations


def place_below(place: str, number: int) -> str:
    """The path of the ``number``-th operand of the rule at ``place``."""
    return f"{place}.rules[{number}]"
