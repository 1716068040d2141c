"""Hypothesis strategies for valid rules over the schemas of ``settings``.

``families`` says which kinds of tests and rules may stand in them: ``SPINE`` for values, windows by
days and counts of events, ``FULL`` for the whole language.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from headcount_server.core.rules import tree
from hypothesis import strategies as st

from .events import event_rules
from .families import FULL, SPINE, Family
from .picking import Pick
from .settings import KEYS, Setting
from .values import attribute_names, attribute_test, number_test
from .windows import duration, window

__all__ = ["FULL", "SPINE", "Family", "Question", "questions", "rule", "rules"]
Bound = tree.Value | tuple[tree.Value, ...]
Make = Callable[[], tree.Rule]


@dataclass(frozen=True)
class Question:
    """A rule with parameters in some of its value positions, and what they are bound to."""

    rule: tree.Rule
    parameters: dict[str, Bound] = field(default_factory=dict[str, Bound])


@st.composite
def rules(
    draw: st.DrawFn,
    setting: Setting,
    families: frozenset[Family] = SPINE,
    segments: Sequence[str] = (),
) -> tree.Rule:
    """A valid rule without parameters, about what matters at ``setting.now``."""
    return rule(Pick(draw, setting, families), segments)


@st.composite
def questions(
    draw: st.DrawFn,
    setting: Setting,
    families: frozenset[Family] = SPINE,
    segments: Sequence[str] = (),
) -> Question:
    """A rule up to three of whose literals and lists are parameters."""
    pick = Pick(draw, setting, families)
    drawn = rule(pick, segments)
    chosen = pick.some(lambda: pick.index(8), 0, 3)
    parameters: dict[str, Bound] = {}
    seen = 0

    def part(node: Any) -> Any:
        nonlocal seen
        if isinstance(node, tree.Value | tree.ValueList):
            seen += 1
            if seen - 1 in chosen and _replaceable(node):
                return _parameter(node, parameters)
        if isinstance(node, tuple):
            return tuple(part(p) for p in node)  # pyright: ignore[reportUnknownVariableType]
        if is_dataclass(node) and not isinstance(node, type):
            return replace(node, **{f.name: part(getattr(node, f.name)) for f in fields(node)})
        return node

    return Question(part(drawn), parameters)


def rule(pick: Pick, segments: Sequence[str] = (), depth: int = 3) -> tree.Rule:
    """A rule of at most ``depth`` levels of and, or, not and groups."""
    if depth == 0 or not pick.rarely(2):
        return _leaf(pick, segments)

    def below() -> tree.Rule:
        return rule(pick, segments, depth - 1)

    def some() -> tuple[tree.Rule, ...]:
        return pick.some(below)

    makers: list[Make] = [
        lambda: tree.And(some()),
        lambda: tree.Or(some()),
        lambda: tree.Not(below()),
        lambda: tree.NoneOf(some()),
        lambda: tree.AtLeast(pick.number(1, 0, 2, 3, 4), some()),
    ]
    if pick.has(Family.WEIGHTED):

        def term() -> tree.Weight:
            return tree.Weight(pick.number(1, 10, "-0.5", "0.1", "1e30"), below())

        sums = (0, 1, 10, "0.6", "9.5")
        makers.append(lambda: tree.WeightedSum(pick.some(term), number_test(pick, *sums)))
    return pick.of(*makers)


def _leaf(pick: Pick, segments: Sequence[str]) -> tree.Rule:
    names, about_events = attribute_names(pick), event_rules(pick)

    def attribute() -> tree.Rule:
        name = pick.one(names)
        return tree.Attribute(name, attribute_test(pick, name))

    makers = [attribute, attribute] if names else []
    if about_events:
        makers += [lambda: pick.of(*about_events)] * 2
    if others := _others(pick, segments):
        makers.append(lambda: pick.of(*others))
    return pick.of(*makers)


def _others(pick: Pick, segments: Sequence[str]) -> list[Make]:
    makers: list[Make] = []
    if pick.has(Family.KNOWN_FOR):
        makers.append(lambda: tree.KnownFor(duration(pick)))
    if pick.has(Family.SEGMENT) and segments:
        makers += [lambda: tree.InSegment(tree.Text(pick.one(segments)))] * 3
    if pick.has(Family.MOVE) and segments:
        makers += [lambda: _move(pick, segments)] * 2
    if pick.has(Family.ID_IN):
        makers.append(lambda: tree.IdIn(tree.ValueList(pick.some(lambda: _key(pick)))))
    if pick.has(Family.SAMPLE):
        shares = (50, "10", 0, "99.9", 100, "33.333333333333")
        makers.append(lambda: tree.Sample(pick.number(*shares), _seed(pick)))
        makers.append(
            lambda: tree.Bucket(pick.number(1, 2, 3), pick.number(3, 4, 1000), _seed(pick))
        )
    if pick.has(Family.CONSTANT):
        makers.append(lambda: pick.one((tree.Everyone(), tree.Nobody())))
    return makers


def _move(pick: Pick, segments: Sequence[str]) -> tree.Rule:
    move, name = pick.one(tuple(tree.Move)), tree.Text(pick.one(segments))
    return tree.SegmentMove(move, name, window(pick, instants=True))


def _seed(pick: Pick) -> tree.Text:
    return tree.Text(pick.one(("spring-test", "", "É")))


def _key(pick: Pick) -> tree.Value:
    key = pick.one(KEYS[pick.setting.schema.key])
    return tree.Text(key) if isinstance(key, str) else pick.number(key)


def _replaceable(node: tree.Value | tree.ValueList) -> bool:
    if isinstance(node, tree.ValueList):
        return not any(isinstance(value, tree.Text) and value.exactly for value in node.values)
    return True


def _parameter(node: tree.Value | tree.ValueList, parameters: dict[str, Bound]) -> Any:
    name = f"p{len(parameters)}"
    if isinstance(node, tree.ValueList):
        parameters[name] = node.values
        return tree.ValueList(parameter=name)
    exactly = isinstance(node, tree.Text) and node.exactly
    parameters[name] = replace(node, exactly=False) if isinstance(node, tree.Text) else node
    return tree.Parameter(name, exactly)
