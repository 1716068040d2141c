"""How long the answer of a rule stays as it is if nothing is written.

Between writes a rule's set changes only where a calendar day of the audience's zone ends (or a
clock hour, where windows are by hours), where an event that lay in the future comes to pass, and
where the time of a timestamp attribute goes by that an hour window looks at. The *horizon* is the
last instant before the first of these. A rule bound at its horizon denotes the same set as bound at
any instant from now up to it, so that it is bound once and stays good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.calendar import LAST_US
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Rule, Unit, Value, ValueList, children, walk
from headcount_server.core.schema import Schema
from headcount_server.core.view import AudienceView

Parameters = Mapping[str, Value | ValueList]


@dataclass(frozen=True, slots=True)
class Timing:
    """How a rule, with the segments that it uses, depends on the time.

    Attributes:
        days: whether it asks which day today is.
        hours: whether it asks which clock hour it is.
        events: event types that it reads: one of the future counts when its time comes.
        leaving: those of which an event counts at its very instant only (``in next 2 hours``).
        coming: timestamp attributes whose value begins to count at its instant.
        going: timestamp attributes whose value ceases to count after its instant.
        moves: segments whose moves it reads.
        segments: segments that it names at any depth, also where binding makes nothing of them.
    """

    days: bool
    hours: bool
    events: tuple[str, ...]
    leaving: tuple[str, ...]
    coming: tuple[str, ...]
    going: tuple[str, ...]
    moves: tuple[str, ...]
    segments: tuple[str, ...]


def horizon(audience: AudienceView, timing: Timing, now_us: int) -> int | None:
    """The last instant, ``now_us`` or later, up to which a rule's set stays as it is at ``now_us``.

    None where only a write can change it; such a rule is bound at ``LAST_US``. O(1) for each index
    that the rule reads and that has nothing in the future.

    Args:
        audience: as it is.
        timing: of the rule.
        now_us: microseconds.
    """
    ends: list[int | None] = []
    if timing.days or timing.hours:
        ends.append(audience.calendar.stretch_end(now_us))
    if timing.hours:
        ends.append(audience.calendar.hour_end(now_us))
    for event in timing.events:
        ends.append(_before(audience.events[event].next_after(now_us)))
    for event in timing.leaving:
        if audience.events[event].next_after(now_us - 1) == now_us:
            ends.append(now_us)
    for segment in timing.moves:
        history = audience.histories[segment]
        ends.append(_before(history.next_after(now_us)))
        if timing.hours and history.next_after(now_us - 1) == now_us:
            ends.append(now_us)
    for attribute in timing.coming:
        ends.append(_before(_times(audience, attribute).next_after(now_us)))
    for attribute in timing.going:
        ends.append(_times(audience, attribute).next_after(now_us - 1))
    return min((end for end in ends if end is not None and end < LAST_US), default=None)


def timing(
    rule: Rule,
    schema: Schema,
    segments: Mapping[str, Rule],
    parameters: Parameters | None = None,
) -> Timing:
    """How a rule depends on the time. O(nodes of it and of the segments that it uses).

    Args:
        rule: one that can be bound.
        schema: of the audience.
        segments: rule by name, static lists left out.
        parameters: what the rule's own parameters are bound to.
    """
    found = _Found(schema, parameters or {})
    stack: list[Rule] = [rule]
    seen: set[str] = set()
    while stack:
        node = stack.pop()
        found.note(node)
        stack.extend(children(node))
        if isinstance(node, tree.InSegment):
            name = found.text(node.segment)
            if name not in seen and name in segments:
                stack.append(segments[name])
            seen.add(name)
    return Timing(
        found.days,
        found.hours,
        *(
            tuple(sorted(names))
            for names in (found.events, found.leaving, found.coming, found.going, found.moves, seen)
        ),
    )


@dataclass(slots=True)
class _Found:
    """What was found so far."""

    schema: Schema
    parameters: Parameters
    days: bool = False
    hours: bool = False
    events: set[str] = field(default_factory=set[str])
    leaving: set[str] = field(default_factory=set[str])
    coming: set[str] = field(default_factory=set[str])
    going: set[str] = field(default_factory=set[str])
    moves: set[str] = field(default_factory=set[str])

    def note(self, node: Rule) -> None:
        """Adds what one node itself asks."""
        match node:
            case tree.Attribute():
                self._attribute(node)
            case tree.Did():
                self.days |= node.habit is not None
                for where, _ in walk(node.where) if node.where is not None else ():
                    if isinstance(where, tree.LastCampaigns):
                        self.events.add(where.event)
                self._events(node.events, node.window)
            case tree.Sequence():
                without = [step.without.event for step in node.steps if step.without is not None]
                types = tuple(event for step in node.steps for event in step.events)
                self._events((*types, *without), node.window)
            case tree.Recency():
                self._events(node.events, node.window)
            case tree.Aggregate() | tree.Favourite():
                self._events((node.event,), node.window)
            case tree.Rate():
                self._events((node.numerator, node.denominator), node.window)
            case tree.Stars():
                named = self.schema.engagement
                self._events((named.sent, named.open, named.click), node.window)
            case tree.Inactive():
                active = tuple(e.name for e in self.schema.events if self.schema.is_activity(e))
                self._events(active, tree.InLast(node.duration))
            case tree.KnownFor():
                self.days = True
            case tree.SegmentMove():
                self.moves.add(self.text(node.segment))
                self._window(node.window)
            case _:
                pass

    def text(self, value: Value) -> str:
        """The name that a literal or parameter gives."""
        if isinstance(value, tree.Parameter):
            bound = self.parameters[value.parameter]
            assert isinstance(bound, tree.Text)
            return bound.text
        assert isinstance(value, tree.Text)
        return value.text

    def _attribute(self, node: tree.Attribute) -> None:
        match node.test:
            case tree.InWindow(window):
                unit = self._window(window)
                if unit is Unit.HOUR and isinstance(window, tree.InLast):
                    self.coming.add(node.name)
                if unit is Unit.HOUR and isinstance(window, tree.InNext):
                    self.going.add(node.name)
            case tree.Anniversary(window):
                self._window(window)
            case tree.Changed():
                self.days = True
            case _:
                pass

    def _events(self, events: tuple[str, ...], window: tree.Window | None) -> None:
        self.events.update(events)
        if window is not None:
            unit = self._window(window)
            if unit is Unit.HOUR and isinstance(window, tree.InNext):
                self.leaving.update(events)

    def _window(self, window: tree.Window) -> Unit | None:
        """Notes what a window asks; its unit where it is relative to now."""
        match window:
            case tree.InLast() | tree.InNext() | tree.MoreThan():
                unit = window.duration.unit
            case tree.BetweenRelative() | tree.Calendar():
                unit = window.unit
            case _:
                return None
        if unit is Unit.HOUR:
            self.hours = True
        else:
            self.days = True
        return unit


def _before(instant: int | None) -> int | None:
    return None if instant is None else instant - 1


def _times(audience: AudienceView, attribute: str) -> NumberIndex:
    index = audience.index(attribute)
    assert isinstance(index, NumberIndex)
    return index
