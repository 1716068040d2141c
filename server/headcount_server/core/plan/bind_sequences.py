"""Sequences as nodes: which events each step is, and what the steps ask of each other."""

from __future__ import annotations

from headcount_server.core.calendar import DAY_US, FIRST_US, HOUR_US, LAST_US
from headcount_server.core.faults import Faults, refuse
from headcount_server.core.plan import behaviour_nodes, event_nodes, nodes
from headcount_server.core.plan.bind_events import bind_event_span, bind_sources, is_empty
from headcount_server.core.plan.kept import Need, check_kept
from headcount_server.core.plan.scope import Scope, unknown_property
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Unit
from headcount_server.limits import SEQUENCE_STEPS_MAX

_ELAPSED_US = {
    Unit.MINUTE: HOUR_US // 60,
    Unit.HOUR: HOUR_US,
    Unit.DAY: DAY_US,
    Unit.WEEK: 7 * DAY_US,
}


def bind_sequence(scope: Scope, rule: tree.Sequence, place: str) -> nodes.Node:
    """A ``did … then …``. ``place`` ends with its variant.

    Raises:
        InvalidRule: too few or too many steps, something that can't stand where it does, an unknown
            name, a wrong test, value, duration or window.
        Unimplemented: a test in a where isn't answered yet.
    """
    last = len(rule.steps) - 1
    if not 1 <= last < SEQUENCE_STEPS_MAX:
        message = f"a sequence has 2 to {SEQUENCE_STEPS_MAX} steps, not {last + 1}"
        refuse(f"{place}.steps", message, "OUT_OF_RANGE", rule.span)
    faults = Faults()
    steps: list[behaviour_nodes.SequenceStep] = []
    for i, step in enumerate(rule.steps):
        at, stands = f"{place}.steps[{i}]", step.span or rule.span
        with faults.collecting():
            _check_shape(step, i, last, at, stands)
        with faults.collecting():
            steps.append(_step(scope, step, at, stands))
        if rule.same:
            with faults.collecting():
                _check_same(scope, step, rule.same, f"{place}.same", stands)
    all_within: int | None = None
    if rule.all_within is not None:
        with faults.collecting():
            all_within = _elapsed(scope, rule.all_within, f"{place}.all_within", rule.span)
    span: event_nodes.Span = event_nodes.Days(1, 0, None)
    with faults.collecting():
        span = bind_event_span(scope, rule.window or tree.Ever(), f"{place}.window")
    faults.check()
    for step in steps:
        read = step.sources if step.without is None else (*step.sources, step.without)
        check_kept(scope, read, span, Need.ALL, place, rule.span)
    absent = steps.pop() if rule.steps[-1].negated else None
    if is_empty(span) or not all(step.sources for step in steps):
        return nodes.Nothing()
    if absent is not None and not absent.sources:
        absent = None
    return behaviour_nodes.Sequence(tuple(steps), span, absent, all_within, rule.same)


def _step(
    scope: Scope, step: tree.Step, place: str, span: tree.Span | None
) -> behaviour_nodes.SequenceStep:
    faults = Faults()
    sources: tuple[event_nodes.Source, ...] = ()
    within: int | None = None
    without: tuple[event_nodes.Source, ...] = ()
    with faults.collecting():
        sources = bind_sources(scope, step.events, step.where, place, span)
    if step.within is not None:
        with faults.collecting():
            within = _elapsed(scope, step.within, f"{place}.within", span)
    if step.without is not None:
        with faults.collecting():
            at = f"{place}.without"
            scope.event(step.without.event, f"{at}.event", span)
            without = bind_sources(scope, (step.without.event,), step.without.where, at, span)
    faults.check()
    return behaviour_nodes.SequenceStep(sources, within, without[0] if without else None)


def _check_shape(step: tree.Step, i: int, last: int, place: str, span: tree.Span | None) -> None:
    if step.negated and 0 < i < last:
        refuse(f"{place}.negated", "then not stands only as the last step", "INVALID", span)
    if i == 0 and (step.negated or step.within or step.without):
        message = "the first step has neither not, within nor without"
        refuse(place, message, "INVALID", span)
    if step.negated and step.without is not None:
        refuse(f"{place}.without", "without can't stand after then not", "INVALID", span)


def _check_same(
    scope: Scope, step: tree.Step, same: str, place: str, span: tree.Span | None
) -> None:
    for name in step.events:
        event = scope.events.get(name)
        if event is not None and same not in event.dimensions:
            if event.scale(same) is not None:
                message = (
                    f'"{same}" is a measure of event "{name}"; same needs a dimension of every step'
                )
                refuse(place, message, "WRONG_TYPE", span, found=same, expected=event.dimensions)
            unknown_property(scope, same, event, place, span)


def _elapsed(
    scope: Scope, duration: tree.Duration, place: str, span: tree.Span | None
) -> int | None:
    """Microseconds; None for a time longer than there is between any two events."""
    factor = _ELAPSED_US.get(duration.unit)
    if factor is None:
        expected = ("minutes", "hours", "days", "weeks")
        message = "elapsed time is in minutes, hours, days or weeks"
        refuse(f"{place}.unit", message, "UNSUPPORTED_UNIT", span, expected=expected)
    elapsed = factor * scope.amount(duration, place, span, hours=True, minutes=True)
    return elapsed if elapsed < LAST_US - FIRST_US else None
