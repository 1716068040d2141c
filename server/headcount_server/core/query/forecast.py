"""How the size of a rule moves in the days to come if nothing but the clock does.

Exact under that assumption: ``as_of`` moves the clock and not the data, so the answer for a day to
come is the plain answer as of its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core.faults import refuse
from headcount_server.core.plan.nodes import Node
from headcount_server.core.query.ask import Ask
from headcount_server.core.query.places import place_below
from headcount_server.core.rules.tree import Rule, SegmentMove, children, walk
from headcount_server.core.segments import segments_used


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """The size of a rule at one time.

    Attributes:
        time_us: microseconds.
        entered: how many match who didn't at the point before; 0 in the first.
        left: how many did and don't any more.
    """

    time_us: int
    total: int
    reachable: int
    entered: int
    left: int


def forecast(ask: Ask, rule: Rule, days: int) -> Iterator[ForecastPoint]:
    """The rule's size now, then at the last microsecond of each of the days after today.

    A day on which everything that the rule reads means the same as on the day before costs its
    binding alone, any other one an evaluation; each is done when the iterator is asked for it. A
    day that the audience's zone skips has no point.

    Args:
        ask: the options; valid for as long as the iterator is used.
        rule: what is asked.
        days: how many days after today, 1 or more.

    Raises:
        InvalidRule: the rule doesn't fit the schema, or asks who entered or left a segment.
    """
    _refuse_moves(ask, rule)
    state = _State(ask, rule)
    _refuse_moves(ask, rule)  # and those of segments that parameters name
    yield state.point(0, 0)
    today = ask.audience.calendar.day_of(ask.now_us)
    for day in range(today + 1, today + days + 1):
        end_us = ask.audience.calendar.end_of_day(day)
        if end_us > state.ask.now_us:
            later = _State(ask.at(end_us), rule, state)
            entered, left = later.moves_since(state)
            state = later
            yield state.point(entered, left)


class _State:
    """A rule at one time; what it denotes is taken from ``before`` where it is bound alike."""

    def __init__(self, ask: Ask, rule: Rule, before: _State | None = None) -> None:
        self.ask = ask
        node = ask.scoped(ask.bind(rule))
        self._bound = (node, ask.reachable, tuple(ask.segments.items()))
        if before is not None and before._bound == self._bound:
            self._rows, self._reachable = before._rows, before._reachable
        else:
            self._rows, self._reachable = _evaluated(ask, node)

    def moves_since(self, before: _State) -> tuple[int, int]:
        """How many entered and left."""
        if self._rows is before._rows:
            return 0, 0
        return (
            self._rows.difference_cardinality(before._rows),
            before._rows.difference_cardinality(self._rows),
        )

    def point(self, entered: int, left: int) -> ForecastPoint:
        """It as a point of the forecast."""
        return ForecastPoint(self.ask.now_us, len(self._rows), self._reachable, entered, left)


def _evaluated(ask: Ask, node: Node) -> tuple[BitMap, int]:
    rows = ask.rows(node)
    if ask.reachable is None:
        return rows, len(rows)
    return rows, rows.intersection_cardinality(ask.rows(ask.reachable))


def _refuse_moves(ask: Ask, rule: Rule) -> None:
    """Refuse what reads moves, itself or through a segment: those to come aren't known."""
    asked = ((rule, "rule"), (ask.within, "within"), (ask.audience.reachable, "reachable"))
    stack = [(root, place) for root, place in asked if root is not None]
    used: dict[str, None] = dict.fromkeys(ask.segments)
    for root, _ in stack:
        used.update(dict.fromkeys(segments_used(root)))
    while stack:
        node, place = stack.pop()
        if isinstance(node, SegmentMove):
            refuse(place, _no_forecast(node), "NO_FORECAST", node.span)
        stack.extend((part, place_below(place, i)) for i, part in enumerate(children(node)))
    names = list(used)
    for name in names:  # grows while it is walked
        segment = ask.audience.segments.get(name)
        if segment is None or segment.rule is None:
            continue
        for node, _ in walk(segment.rule):
            if isinstance(node, SegmentMove):
                refuse("rule", f'segment "{name}": {_no_forecast(node)}', "NO_FORECAST")
        below = [other for other in segments_used(segment.rule) if other not in used]
        used.update(dict.fromkeys(below))
        names += below


def _no_forecast(node: SegmentMove) -> str:
    return (
        f"who {node.move.name.lower()} a segment in the days to come isn't known, so a rule that"
        " asks for it has no forecast; ask for the segment itself"
    )
