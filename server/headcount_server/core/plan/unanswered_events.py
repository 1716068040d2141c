"""Event conditions that are part of the language but not evaluated yet.

What can be checked of them is: a wrong one is refused like any other, a right one is told to be
unanswered by name.
"""

from __future__ import annotations

from typing import NoReturn

from headcount_server.core.faults import Faults, refuse
from headcount_server.core.plan.bind_events import bind_often, bind_sources
from headcount_server.core.plan.bind_tests import check_number_test, text_test, unanswered
from headcount_server.core.plan.bind_values import Subject
from headcount_server.core.plan.scope import Scope, subject_of, unknown_property
from headcount_server.core.plan.unanswered import check_moment
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Many, Operator, Unit
from headcount_server.limits import SEQUENCE_STEPS_MAX

UNANSWERED_EVENTS = (
    tree.Sequence | tree.Recency | tree.Aggregate | tree.Favourite | tree.Rate | tree.Stars
)
_CAMPAIGNS = (
    "last campaigns stand once in the where of a did, joined by and to its other tests, without how"
    " often, a habit or within … after"
)
_LENGTHS = (Unit.MONTH, Unit.QUARTER, Unit.YEAR)


def refuse_unanswered_event(scope: Scope, rule: UNANSWERED_EVENTS, place: str) -> NoReturn:
    """Check an event condition; ``place`` ends with its variant.

    Raises:
        InvalidRule: a literal, name, where or window in it is wrong.
        Unimplemented: nothing is.
    """
    faults = Faults()
    if rule.window is not None:
        with faults.collecting():
            scope.window(rule.window, f"{place}.window")
    with faults.collecting():
        if any(has_campaigns(where) for where in tree.wheres(rule)):
            refuse(place, _CAMPAIGNS, "UNSUPPORTED_IN_WHERE", rule.span)
    with faults.collecting():
        match rule:
            case tree.Sequence():
                _check_sequence(scope, rule, place)
                name = "then"
            case tree.Recency():
                _check_recency(scope, rule, place)
                name = rule.edge.name.lower()
            case tree.Aggregate():
                _check_aggregate(scope, rule, place)
                name = rule.function.name.lower().replace("_", " ")
            case tree.Favourite():
                _check_favourite(scope, rule, place)
                name = "favourite"
            case tree.Rate():
                scope.event(rule.numerator, f"{place}.numerator", rule.span)
                scope.event(rule.denominator, f"{place}.denominator", rule.span)
                check_number_test(
                    rule.test, scope.values, Subject("rate", "a number"), place, rule.span
                )
                name = "rate"
            case tree.Stars():
                check_number_test(
                    rule.test, scope.values, Subject("stars", "a number"), place, rule.span
                )
                _check_engagement(scope, place, rule.span)
                name = "stars"
        raise unanswered(name)
    faults.check()
    raise AssertionError("every branch above raises")


def refuse_unanswered_did(scope: Scope, rule: tree.Did, place: str) -> NoReturn:
    """Check a ``did`` with a habit, a relative window or last campaigns.

    Raises:
        InvalidRule: a literal, name, where or window in it is wrong.
        Unimplemented: nothing is.
    """
    faults = Faults()
    name = "in last … campaigns"
    with faults.collecting():
        _check_campaigns_place(rule, place)
        bind_sources(scope, rule.events, rule.where, place, rule.span)
    if rule.often is not None:
        with faults.collecting():
            bind_often(scope, rule.often, f"{place}.often", rule.span)
    with faults.collecting():
        if sum(part is not None for part in (rule.window, rule.relative, rule.habit)) > 1:
            message = "one of a window, a habit and within … after can be given"
            refuse(place, message, "INVALID", rule.span)
        if rule.window is not None:
            scope.window(rule.window, f"{place}.window")
        if rule.relative is not None:
            name = "within … after"
            _check_relative(scope, rule.relative, f"{place}.relative", rule.span)
        if rule.habit is not None:
            name = "in at least … of last …"
            _check_habit(scope, rule.habit, f"{place}.habit", rule.span)
    faults.check()
    raise unanswered(name)


def has_campaigns(where: tree.Rule | None) -> bool:
    """Whether a where asks about last campaigns. O(nodes)."""
    return where is not None and any(
        isinstance(node, tree.LastCampaigns) for node, _ in tree.walk(where)
    )


def _check_campaigns_place(rule: tree.Did, place: str) -> None:
    if not has_campaigns(rule.where):
        return
    assert rule.where is not None
    joined: list[tree.Rule] = []  # by and
    stack = [rule.where]
    while stack:
        node = stack.pop()
        if isinstance(node, tree.And):
            stack.extend(node.rules)
        else:
            joined.append(node)
    found = [node for node, _ in tree.walk(rule.where) if isinstance(node, tree.LastCampaigns)]
    alone = len(found) == 1 and any(node is found[0] for node in joined)
    if not alone or rule.often or rule.habit or rule.relative:
        refuse(f"{place}.where", _CAMPAIGNS, "UNSUPPORTED_IN_WHERE", found[-1].span or rule.span)


def _check_relative(
    scope: Scope, relative: tree.Relative, place: str, span: tree.Span | None
) -> None:
    scope.amount(relative.duration, f"{place}.duration", span)
    attribute = scope.attribute(relative.attribute, f"{place}.attribute", span)
    check_moment(subject_of(attribute), attribute.type, f"{place}.attribute", span)


def _check_habit(scope: Scope, habit: tree.Habit, place: str, span: tree.Span | None) -> None:
    scope.values.whole(habit.count, f"{place}.count", "the count", span)
    scope.values.whole(habit.last, f"{place}.last", "the number of periods", span)
    if habit.unit not in (Unit.DAY, Unit.WEEK, Unit.MONTH):
        message = "a habit is of days, weeks or months"
        refuse(
            f"{place}.unit", message, "UNSUPPORTED_UNIT", span, expected=("days", "weeks", "months")
        )
    if habit.many not in (Many.AT_LEAST, Many.AT_MOST, Many.EXACTLY):
        expected = ("at least", "at most", "exactly")
        refuse(
            f"{place}.many",
            "a habit takes at least, at most or exactly",
            "INVALID",
            span,
            expected=expected,
        )


def _check_sequence(scope: Scope, rule: tree.Sequence, place: str) -> None:
    last = len(rule.steps) - 1
    if not 1 <= last < SEQUENCE_STEPS_MAX:
        message = f"a sequence has 2 to {SEQUENCE_STEPS_MAX} steps, not {last + 1}"
        refuse(f"{place}.steps", message, "OUT_OF_RANGE", rule.span)
    faults = Faults()
    for i, step in enumerate(rule.steps):
        with faults.collecting():
            _check_step(scope, step, i, last, f"{place}.steps[{i}]", step.span or rule.span)
        with faults.collecting():
            if rule.same:
                _check_same(scope, step, rule.same, f"{place}.same", rule.span)
    with faults.collecting():
        if rule.all_within is not None:
            _check_elapsed(scope, rule.all_within, f"{place}.all_within", rule.span)
    faults.check()


def _check_step(
    scope: Scope, step: tree.Step, i: int, last: int, place: str, span: tree.Span | None
) -> None:
    bind_sources(scope, step.events, step.where, place, span)
    if step.negated and i != last:
        refuse(f"{place}.negated", "then not stands only as the last step", "INVALID", span)
    if i == 0 and (step.negated or step.within or step.without):
        message = "the first step has neither not, within nor without"
        refuse(place, message, "INVALID", span)
    if step.within is not None:
        _check_elapsed(scope, step.within, f"{place}.within", span)
    if step.without is not None:
        if step.negated:
            refuse(f"{place}.without", "without can't stand after then not", "INVALID", span)
        scope.event(step.without.event, f"{place}.without.event", span)
        bind_sources(scope, (step.without.event,), step.without.where, f"{place}.without", span)


def _check_same(
    scope: Scope, step: tree.Step, same: str, place: str, span: tree.Span | None
) -> None:
    for name in step.events:
        event = scope.events.get(name)
        if event is not None and same not in event.dimensions:
            unknown_property(scope, same, event, place, span)


def _check_elapsed(
    scope: Scope, duration: tree.Duration, place: str, span: tree.Span | None
) -> None:
    if duration.unit in _LENGTHS:
        expected = ("minutes", "hours", "days", "weeks")
        message = "elapsed time is in minutes, hours, days or weeks"
        refuse(f"{place}.unit", message, "UNSUPPORTED_UNIT", span, expected=expected)
    scope.amount(duration, place, span, hours=True, minutes=True)


def _check_recency(scope: Scope, rule: tree.Recency, place: str) -> None:
    faults = Faults()
    with faults.collecting():
        bind_sources(scope, rule.events, rule.where, place, rule.span)
    if rule.passes is not None:
        with faults.collecting():
            bind_sources(scope, rule.events, rule.passes, place, rule.span, "passes")
    faults.check()


def _check_aggregate(scope: Scope, rule: tree.Aggregate, place: str) -> None:
    event = scope.event(rule.event, f"{place}.event", rule.span)
    measured = event.scale(rule.property) is not None
    if not measured and rule.property not in event.dimensions:
        unknown_property(scope, rule.property, event, f"{place}.property", rule.span)
    if not measured and rule.function is not tree.Function.COUNT_DISTINCT:
        name = rule.function.name.lower()
        message = (
            f'"{rule.property}" is a dimension of event "{event.name}"; {name} needs a measure'
        )
        expected = tuple(name for name, _ in event.measures)
        refuse(f"{place}.property", message, "WRONG_TYPE", rule.span, expected=expected)
    subject = Subject(rule.function.name.lower().replace("_", " "), "a number")
    check_number_test(rule.test, scope.values, subject, place, rule.span)
    bind_sources(scope, (rule.event,), rule.where, place, rule.span)


def _check_favourite(scope: Scope, rule: tree.Favourite, place: str) -> None:
    event = scope.event(rule.event, f"{place}.event", rule.span)
    if rule.dimension not in event.dimensions:
        unknown_property(scope, rule.dimension, event, f"{place}.dimension", rule.span)
    equal = (Operator.EQUAL, Operator.NOT_EQUAL)
    subject = Subject(rule.dimension, f'a dimension of event "{event.name}"')
    if isinstance(rule.test, tree.In) or (
        isinstance(rule.test, tree.Compare) and rule.test.operator in equal
    ):
        text_test(rule.test, scope.values, subject, f"{place}.test", rule.span)
    else:
        message = "a favourite takes =, !=, in and not in"
        expected = ("=", "!=", "in", "not in")
        refuse(f"{place}.test", message, "UNSUPPORTED_TEST", rule.span, expected=expected)
    bind_sources(scope, (rule.event,), rule.where, place, rule.span)


def _check_engagement(scope: Scope, place: str, span: tree.Span | None) -> None:
    names = scope.schema.engagement
    for name in (names.sent, names.open, names.click):
        event = scope.event(name, place, span)
        if names.campaign not in event.dimensions:
            unknown_property(scope, names.campaign, event, place, span)
