"""From a window to a range of days or instants, as the question's ``now`` has it.

Ranges include both ends; None is unbounded; a range with ``low > high`` holds nothing, which is
what a window with its ends exchanged comes to. An end that lies outside 0001 to 9999 excludes
nothing (None) or everything; no window overflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from headcount_server.core.calendar import (
    FIRST_DAY,
    FIRST_US,
    HOUR_US,
    LAST_DAY,
    LAST_US,
    Calendar,
    add,
    day_number,
    instant_us,
    period,
)
from headcount_server.core.faults import refuse, shortened, variant
from headcount_server.core.plan import event_nodes
from headcount_server.core.plan.numbers import floor_scaled
from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Direction, Unit

_FAR = 10**12  # units; farther than any two representable moments, days to years


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days since 1970-01-01 in the audience's zone."""

    low: int | None
    high: int | None

    @property
    def empty(self) -> bool:
        """Whether no day lies in it."""
        return self.low is not None and self.high is not None and self.low > self.high


@dataclass(frozen=True, slots=True)
class InstantRange:
    """Microseconds since 1970-01-01T00:00Z."""

    low: int | None
    high: int | None

    @property
    def empty(self) -> bool:
        """Whether no instant lies in it."""
        return self.low is not None and self.high is not None and self.low > self.high


def resolve(
    window: tree.Window,
    now_us: int,
    calendar: Calendar,
    *,
    hours: bool = True,
    place: str = "window",
) -> DayRange | InstantRange:
    """The days or instants of a window whose parameters are replaced.

    Args:
        window: any window; hours and timestamps give instants, all others days.
        now_us: the question's ``now``.
        calendar: of the audience's zone.
        hours: whether hours and timestamps may stand here.
        place: where the window is, for faults.

    Raises:
        InvalidRule: a minute; an hour or timestamp where none may be; an amount that is no whole
            number from 0; a moment that is no date or timestamp, or not both of one kind.
    """
    match window:
        case tree.Ever():
            return DayRange(None, None)
        case tree.InLast() | tree.InNext() | tree.MoreThan():
            return _relative(window, now_us, calendar, hours, place)
        case tree.BetweenRelative():
            return _between_relative(window, now_us, calendar, hours, place)
        case tree.Calendar():
            return _calendar(window, now_us, calendar, place)
        case tree.On():
            if isinstance(window.moment, tree.Timestamp):
                refuse(
                    f"{place}.moment.timestamp",
                    "on takes a date; use between for a range of timestamps",
                    "WRONG_TYPE",
                    window.moment.span or window.span,
                    expected=("date",),
                )
            return _moments(window.moment, window.moment, 0, 0, hours, place, ("moment",), window)
        case tree.Before():
            return _moments(None, window.moment, 0, -1, hours, place, ("moment",), window)
        case tree.After():
            return _moments(window.moment, None, 1, 0, hours, place, ("moment",), window)
        case tree.Between():
            low, high = window.low, window.high
            return _moments(low, high, 0, 0, hours, place, ("low", "high"), window)


def up_to(amount: int, unit: Unit, now_us: int, calendar: Calendar) -> DayRange:
    """The days at least ``amount`` units (days to years) before today."""
    return _days(None, add(calendar.day_of(now_us), -amount, unit))


def event_span(
    span: DayRange | InstantRange, now_us: int, calendar: Calendar
) -> event_nodes.Days | event_nodes.Instants:
    """The part of a range in which events up to ``now`` can lie; ``low > high`` where none can."""
    if isinstance(span, InstantRange):
        return event_nodes.Instants(
            span.low, now_us if span.high is None else min(span.high, now_us)
        )
    latest = calendar.latest_day(now_us)
    high = latest if span.high is None else min(span.high, latest)
    ended = high < LAST_DAY and calendar.end_of_day(high) <= now_us
    return event_nodes.Days(span.low, high, None if ended else now_us)


def whole(
    value: tree.Value, place: str, what: str, span: tree.Span | None, high: int = _FAR
) -> int:
    """A literal that counts something: a whole number from 0, at most ``high`` (cut off there)."""
    field = below_value(place, value)
    if not isinstance(value, tree.Number) or not value.number.is_finite():
        refuse(
            field,
            f"{what} must be a whole number, not {spelt(value)}",
            "WRONG_TYPE",
            value.span or span,
            found=spelt(value),
            expected=("whole number",),
        )
    number, exact = floor_scaled(value.number, 0)
    if number < 0 or (not exact and value.number.adjusted() < 40):
        refuse(
            field,
            f"{what} must be a whole number from 0, not {spelt(value)}",
            "OUT_OF_RANGE",
            value.span or span,
            found=spelt(value),
            expected=("whole number from 0",),
        )
    return min(number, high)


def amount_of(
    duration: tree.Duration,
    place: str,
    span: tree.Span | None,
    *,
    hours: bool,
    minutes: bool = False,
) -> int:
    """The amount of a duration whose unit may stand where it does (days and longer always may).

    Raises:
        InvalidRule: the unit may not stand here, or the amount is no whole number from 0.
    """
    unit = duration.unit
    _check_unit(unit, hours, f"{place}.unit", span, minutes)
    return whole(duration.amount, f"{place}.amount", f"the number of {_many(unit)}", span)


def below_value(place: str, value: tree.Value) -> str:
    """The place of a literal below the field that holds it."""
    return f"{place}.{variant(type(value))}"


def spelt(value: tree.Value) -> str:
    """A literal as the text form has it, cut where it is long."""
    match value:
        case tree.Text():
            return f'"{shortened(value.text)}"'
        case tree.Number():
            return _digits(value.number)
        case tree.Date():
            return value.date.isoformat()
        case tree.Timestamp():
            return value.timestamp.isoformat().replace("+00:00", "Z")
        case tree.Parameter():
            return f"${value.parameter}"


def _digits(number: Decimal) -> str:
    return shortened(format(number, "f")) if abs(number.adjusted()) < 100 else f"{number:.3e}"


def _relative(
    window: tree.InLast | tree.InNext | tree.MoreThan,
    now_us: int,
    calendar: Calendar,
    hours: bool,
    place: str,
) -> DayRange | InstantRange:
    unit = window.duration.unit
    amount = amount_of(window.duration, f"{place}.duration", window.span, hours=hours)
    back = isinstance(window, tree.InLast) or (
        isinstance(window, tree.MoreThan) and window.direction is Direction.AGO
    )
    if unit is Unit.HOUR:
        low, high = _clock_hour(now_us, -amount if back else amount, calendar)
        if isinstance(window, tree.MoreThan):
            return _instants(None, low - 1) if back else _instants(high + 1, None)
        return _instants(low, now_us) if back else _instants(now_us, high)
    today = calendar.day_of(now_us)
    edge = add(today, -amount if back else amount, unit)
    if isinstance(window, tree.MoreThan):
        return _days(None, edge - 1) if back else _days(edge + 1, None)
    return _days(edge, today) if back else _days(today, edge)


def _between_relative(
    window: tree.BetweenRelative, now_us: int, calendar: Calendar, hours: bool, place: str
) -> DayRange | InstantRange:
    _check_unit(window.unit, hours, f"{place}.unit", window.span)
    what = f"the number of {_many(window.unit)}"
    near = whole(window.low, f"{place}.low", what, window.span)
    far = whole(window.high, f"{place}.high", what, window.span)
    back = window.direction is Direction.AGO
    ends = (-far, -near) if back else (near, far)
    if window.unit is Unit.HOUR:
        (low, _), (_, high) = (_clock_hour(now_us, amount, calendar) for amount in ends)
        return _instants(low, high)
    today = calendar.day_of(now_us)
    return _days(add(today, ends[0], window.unit), add(today, ends[1], window.unit))


def _calendar(
    window: tree.Calendar, now_us: int, calendar: Calendar, place: str
) -> DayRange | InstantRange:
    _check_unit(window.unit, False, f"{place}.unit", window.span)
    shift = {tree.Period.THIS: 0, tree.Period.LAST: -1, tree.Period.NEXT: 1}[window.period]
    return _days(*period(calendar.day_of(now_us), window.unit, shift))


def _moments(
    low: tree.Value | None,
    high: tree.Value | None,
    low_shift: int,
    high_shift: int,
    hours: bool,
    place: str,
    fields: tuple[str, ...],
    window: tree.Window,
) -> DayRange | InstantRange:
    """Between two moments of one kind, each moved by a number of days or microseconds."""
    given = [moment for moment in (low, high) if moment is not None]
    for field, moment in zip(fields, given[: len(fields)], strict=True):
        _check_moment(moment, hours, f"{place}.{field}", window.span)
    if len({type(moment) for moment in given}) > 1:
        refuse(
            below_value(f"{place}.{fields[-1]}", given[-1]),
            f"a date and a timestamp don't mix: between {spelt(given[0])} and {spelt(given[-1])}",
            "WRONG_TYPE",
            given[-1].span or window.span,
            found=spelt(given[-1]),
            expected=("two dates", "two timestamps"),
        )
    ends = (
        None if low is None else _point(low) + low_shift,
        None if high is None else _point(high) + high_shift,
    )
    return _instants(*ends) if isinstance(given[0], tree.Timestamp) else _days(*ends)


def _check_moment(moment: tree.Value, hours: bool, place: str, span: tree.Span | None) -> None:
    if isinstance(moment, tree.Date) or (hours and isinstance(moment, tree.Timestamp)):
        return
    expected = ("date", "timestamp") if hours else ("date",)
    advice = (
        " (or say which unit: between 2 and 9 days ago)"
        if place.endswith((".low", ".high"))
        else ""
    )
    refuse(
        below_value(place, moment),
        f"{spelt(moment)} is no {' or '.join(expected)}"
        + (advice if isinstance(moment, tree.Number) else ""),
        "WRONG_TYPE",
        moment.span or span,
        found=spelt(moment),
        expected=expected,
    )


def _check_unit(
    unit: Unit, hours: bool, place: str, span: tree.Span | None, minutes: bool = False
) -> None:
    units = [u for u in Unit if (minutes or u is not Unit.MINUTE) and (hours or u is not Unit.HOUR)]
    if unit in units:
        return
    names = tuple(_many(u) for u in units)
    refuse(
        place,
        f"{_many(unit)} can't stand here; {', '.join(names[:-1])} and {names[-1]} can",
        "UNSUPPORTED_UNIT",
        span,
        found=_many(unit),
        expected=names,
    )


def _many(unit: Unit) -> str:
    return f"{unit.name.lower()}s"


def _point(moment: tree.Value) -> int:
    if isinstance(moment, tree.Date):
        return day_number(moment.date)
    assert isinstance(moment, tree.Timestamp)
    return instant_us(moment.timestamp)


def _clock_hour(now_us: int, hours: int, calendar: Calendar) -> tuple[int, int]:
    """First and last instant of the clock hour ``hours`` elapsed hours from the one of ``now``.

    Where the clock was changed by part of an hour in between, it is the clock hour that holds the
    start of ``now``'s moved by so many hours. Off the calendar both are that instant.
    """
    moved = calendar.hour_start(now_us) + hours * HOUR_US
    if not FIRST_US <= moved <= LAST_US:
        return moved, moved
    return calendar.hour_start(moved), calendar.hour_end(moved)


def _days(low: int | None, high: int | None) -> DayRange:
    """Cut to the days that can be written down; an empty range stays empty."""
    if (low is not None and low > LAST_DAY) or (high is not None and high < FIRST_DAY):
        return DayRange(1, 0)
    return DayRange(
        None if low is None or low <= FIRST_DAY else low,
        None if high is None or high >= LAST_DAY else high,
    )


def _instants(low: int | None, high: int | None) -> InstantRange:
    if (low is not None and low > LAST_US) or (high is not None and high < FIRST_US):
        return InstantRange(1, 0)
    return InstantRange(
        None if low is None or low <= FIRST_US else low,
        None if high is None or high >= LAST_US else high,
    )
