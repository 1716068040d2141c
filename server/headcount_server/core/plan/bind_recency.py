"""``first`` and ``last`` as nodes.

The last event lies in a window if one does and none lies after it: two counts of events. Only what
``is (…)`` asks of that very event has a node of its own.
"""

from __future__ import annotations

from headcount_server.core.calendar import Interval
from headcount_server.core.faults import Faults
from headcount_server.core.plan import event_nodes, nodes
from headcount_server.core.plan.aggregate_nodes import EdgePasses
from headcount_server.core.plan.bind_events import bind_sources, is_empty
from headcount_server.core.plan.kept import Need, check_kept
from headcount_server.core.plan.scope import Scope
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Edge
from headcount_server.core.windows import DayRange, InstantRange, event_span


def bind_recency(scope: Scope, rule: tree.Recency, place: str) -> nodes.Node:
    """``first`` or ``last`` of some events. ``place`` ends with its variant.

    Raises:
        InvalidRule: an unknown name, a wrong test, value or window.
        Unimplemented: a test in a where isn't answered yet.
    """
    faults = Faults()
    sources: tuple[event_nodes.Source, ...] = ()
    passing: tuple[event_nodes.Source, ...] | None = None
    window: DayRange | InstantRange = DayRange(None, None)
    with faults.collecting():
        sources = bind_sources(scope, rule.events, rule.where, place, rule.span)
    if rule.passes is not None:
        with faults.collecting():
            passing = bind_sources(scope, rule.events, rule.passes, place, rule.span, "passes")
    with faults.collecting():
        window = scope.window(rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    if window.empty or not sources or passing == ():
        return nodes.Nothing()
    found = [
        _in_window(scope, rule, place, sources, passing, inside, outside)
        for inside, outside in _pieces(scope, rule.edge, window)
    ]
    found = [node for node in found if not isinstance(node, nodes.Nothing)]
    if len(found) <= 1:
        return found[0] if found else nodes.Nothing()
    return nodes.Or(tuple(found))


_Range = DayRange | InstantRange


def _pieces(scope: Scope, edge: Edge, window: _Range) -> list[tuple[_Range, _Range | None]]:
    """The stretches of time of a window, each with all the time beyond it (None: there is none).

    Days are such stretches, but where the clock was set back over the midnight at an end.
    """
    if isinstance(window, InstantRange):
        return [(window, _beyond(edge, window.low, window.high))]
    intervals = scope.calendar.instants(window.low, window.high)
    end = window.high if edge is Edge.LAST else window.low
    if len(intervals) == 1:
        low, high = intervals[0]
        if end is None:
            return [(window, None)]
        after = DayRange(end + 1, None) if edge is Edge.LAST else DayRange(None, end - 1)
        beyond = scope.calendar.instants(after.low, after.high)
        if beyond == _following(edge, low, high):
            return [(window, after)]
    return [(InstantRange(low, high), _beyond(edge, low, high)) for low, high in intervals]


def _beyond(edge: Edge, low: int | None, high: int | None) -> InstantRange | None:
    if edge is Edge.LAST:
        return None if high is None else InstantRange(high + 1, None)
    return None if low is None else InstantRange(None, low - 1)


def _following(edge: Edge, low: int | None, high: int | None) -> tuple[Interval, ...]:
    beyond = _beyond(edge, low, high)
    return () if beyond is None else ((beyond.low, beyond.high),)


def _in_window(
    scope: Scope,
    rule: tree.Recency,
    place: str,
    sources: tuple[event_nodes.Source, ...],
    passing: tuple[event_nodes.Source, ...] | None,
    inside: _Range,
    outside: _Range | None,
) -> nodes.Node:
    """An event inside, none outside, and the edge one passes."""
    span = event_span(inside, scope.now_us, scope.calendar)
    if is_empty(span):
        return nodes.Nothing()
    need = Need.EDGE if passing is None else Need.ALL
    check_kept(scope, sources, span, need, place, rule.span)
    parts: list[nodes.Node] = [event_nodes.DidAtLeast(sources, span, 1)]
    if outside is not None:
        beyond = event_span(outside, scope.now_us, scope.calendar)
        if not is_empty(beyond):
            check_kept(scope, sources, beyond, Need.EDGE, place, rule.span)
            parts.append(nodes.Not(event_nodes.DidAtLeast(sources, beyond, 1)))
    if passing is not None:
        parts.append(EdgePasses(rule.edge, sources, span, passing))
    return parts[0] if len(parts) == 1 else nodes.And(tuple(parts))
