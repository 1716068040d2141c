"""Which indexes a bound rule reads: what has to be touched before its set can change by a write.

Created and erased rows touch every rule, since a negation holds for who has nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headcount_server.core.live.touched import Touched
from headcount_server.core.plan import nodes
from headcount_server.core.plan.aggregate_nodes import (
    Average,
    EdgePasses,
    Favourite,
    Rate,
    Stars,
    Total,
)
from headcount_server.core.plan.attribute_nodes import (
    ChangedIn,
    Inside,
    Near,
    PairHolds,
    PartIn,
    Ranked,
    Sized,
)
from headcount_server.core.plan.behaviour_nodes import (
    DidRelative,
    Habit,
    LastCampaigns,
    Moved,
    Sequence,
)
from headcount_server.core.plan.event_nodes import DidAtLeast, Source
from headcount_server.core.plan.nodes import Node

_OnAttribute = (
    nodes.IsSet | nodes.TextMatch | nodes.IsTrue | nodes.NumberRange | nodes.NumberIn
    | ChangedIn | Inside | Near | PairHolds | PartIn | Ranked | Sized | DidRelative
)  # fmt: skip


Indexes = tuple[frozenset[str], frozenset[str], frozenset[str]]  # attributes, event types, moves


@dataclass(frozen=True, slots=True)
class Reads:
    """What a bound rule reads, the segments that it uses included.

    Attributes:
        attributes: names; ``key`` never changes and is none of them.
        events: event types.
        segments: names of the segments used, at any depth.
        moves: names of the segments whose moves it asks for.
        ranked: attributes that ``in top`` or ``in bottom`` ranks: where one of them is touched,
            anybody may come or go.
    """

    attributes: frozenset[str]
    events: frozenset[str]
    segments: frozenset[str]
    moves: frozenset[str]
    ranked: frozenset[str]

    def is_touched(self, touched: Touched) -> bool:
        """Whether anything was touched that can matter to the rule. O(indexes touched)."""
        return bool(
            touched.created
            or touched.erased
            or not self.attributes.isdisjoint(touched.attributes)
            or not self.events.isdisjoint(touched.events)
            or not self.moves.isdisjoint(touched.moves)
        )

    def those_touched(self, touched: Touched) -> Indexes:
        """Which of the indexes that it reads were touched: attributes, event types, moves."""
        return (
            self.attributes.intersection(touched.attributes),
            self.events.intersection(touched.events),
            self.moves.intersection(touched.moves),
        )

    def is_reordered(self, touched: Touched) -> bool:
        """Whether a ranked value changed."""
        return any(name in self.ranked for name in touched.attributes)


def reads(node: Node, segments: Mapping[str, Node]) -> Reads:
    """What a bound rule reads. O(nodes).

    Args:
        node: the bound rule.
        segments: what the segments in it are bound to.
    """
    attributes: set[str] = set()
    events: set[str] = set()
    used: set[str] = set()
    moves: set[str] = set()
    ranked: set[str] = set()
    for leaf in leaves(node, segments):
        if isinstance(leaf, nodes.InSegment | nodes.SegmentMembers):
            used.add(leaf.segment)
        if isinstance(leaf, _OnAttribute):
            attributes.add(leaf.attribute)
        if isinstance(leaf, PairHolds):
            attributes.add(leaf.other)
        if isinstance(leaf, Ranked):
            ranked.add(leaf.attribute)
        if isinstance(leaf, Moved):
            moves.add(leaf.segment)
        events.update(source.event for source in sources(leaf))
    attributes.discard("key")
    return Reads(*map(frozenset, (attributes, events, used, moves, ranked)))


def leaves(node: Node, segments: Mapping[str, Node]) -> Iterator[nodes.Leaf]:
    """Every leaf of a bound rule and, once each, of the segments that it uses. No recursion."""
    stack: list[Node] = [node]
    seen: set[str] = set()
    while stack:
        part = stack.pop()
        if isinstance(part, nodes.Not):
            stack.append(part.node)
        elif isinstance(part, nodes.And | nodes.Or | nodes.AtLeast | nodes.Scored):
            stack.extend(part.nodes)
        else:
            yield part
            if isinstance(part, nodes.InSegment) and part.segment not in seen:
                seen.add(part.segment)
                stack.append(segments[part.segment])


def sources(leaf: nodes.Leaf) -> tuple[Source, ...]:
    """The events that a leaf asks about, also those it only orders by or must not find."""
    match leaf:
        case DidAtLeast() | DidRelative() | Habit() | EdgePasses():
            return leaf.sources
        case LastCampaigns():
            return (*leaf.sources, Source(leaf.sent))
        case Sequence():
            steps = leaf.steps if leaf.absent is None else (*leaf.steps, leaf.absent)
            absent = tuple(step.without for step in steps if step.without is not None)
            return (*(source for step in steps for source in step.sources), *absent)
        case Total() | Average() | Favourite():
            return (leaf.source,)
        case Rate():
            return (leaf.numerator, leaf.denominator)
        case Stars():
            return (leaf.sent, leaf.open, leaf.click)
        case _:
            return ()
