"""Days, durations and windows of rules, drawn for a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Direction, Period, Unit

from .families import Family
from .picking import Pick
from .settings import dates, moment, times

CALENDAR_UNITS = (Unit.DAY, Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR)
_AMOUNTS: dict[Unit, tuple[int, ...]] = {
    Unit.MINUTE: (1, 0, 30, 90),
    Unit.HOUR: (1, 0, 2, 3, 5, 24, 25, 200),
    Unit.DAY: (1, 0, 2, 6, 7, 8, 28, 30, 31, 60, 90, 365, 366, 400, 4_000_000),
    Unit.WEEK: (1, 0, 2, 4, 13, 52, 53),
    Unit.MONTH: (1, 0, 2, 3, 6, 11, 12, 13, 24),
    Unit.QUARTER: (1, 0, 2, 4, 5),
    Unit.YEAR: (1, 0, 2, 4, 10, 3000, 9999),
}
_RECENT: dict[Unit, tuple[int, ...]] = {  # at most 400 days
    Unit.DAY: (0, 1, 7, 30, 365, 400),
    Unit.WEEK: (0, 1, 57),
    Unit.MONTH: (0, 1, 12, 13),
    Unit.QUARTER: (1, 4),
    Unit.YEAR: (0, 1),
}


def duration(
    pick: Pick,
    units: Sequence[Unit] = CALENDAR_UNITS,
    amounts: dict[Unit, tuple[int, ...]] = _AMOUNTS,
) -> tree.Duration:
    """A duration in one of these units."""
    unit = pick.one(units)
    return tree.Duration(pick.number(*amounts[unit]), unit)


def day(pick: Pick) -> tree.Date:
    """A date literal."""
    return tree.Date(pick.one(dates(pick.setting)))


def instant(pick: Pick) -> tree.Timestamp:
    """A timestamp literal."""
    return tree.Timestamp(moment(pick.one(times(pick.setting))))


def point(pick: Pick, instants: bool) -> tree.Date | tree.Timestamp:
    """A date literal, or a timestamp one where it may stand."""
    return instant(pick) if instants and pick.rarely(2) else day(pick)


def window(pick: Pick, instants: bool) -> tree.Window:
    """Any window; by hours and with timestamps only of what has instants."""
    units = CALENDAR_UNITS
    if instants and pick.has(Family.HOURS):
        units = (*units, Unit.HOUR, Unit.HOUR, Unit.HOUR)
    return pick.of(
        lambda: tree.InLast(duration(pick, units)),
        tree.Ever,
        lambda: tree.InNext(duration(pick, units)),
        lambda: tree.MoreThan(duration(pick, units), pick.one(tuple(Direction))),
        lambda: _between_relative(pick, units),
        lambda: tree.Calendar(pick.one(tuple(Period)), pick.one(CALENDAR_UNITS)),
        lambda: _between(pick, lambda: day(pick)),
        lambda: _between(pick, lambda: instant(pick) if instants else day(pick)),
        lambda: tree.On(day(pick)),
        lambda: tree.Before(point(pick, instants)),
        lambda: tree.After(point(pick, instants)),
    )


def event_window(pick: Pick) -> tree.Window | None:
    """Any window of events, or none."""
    return window(pick, instants=True) if pick.index(3) else None


def bounded_window(pick: Pick) -> tree.Window:
    """A window by days with two ends, as anniversaries take them."""
    return pick.of(
        lambda: tree.InNext(duration(pick)),
        lambda: tree.InLast(duration(pick)),
        lambda: _between_relative(pick, CALENDAR_UNITS),
        lambda: tree.Calendar(pick.one(tuple(Period)), pick.one(CALENDAR_UNITS)),
        lambda: _between(pick, lambda: day(pick)),
        lambda: tree.On(day(pick)),
    )


def recent_window(pick: Pick) -> tree.Window:
    """A window by days that begins at most 400 days before now, as ``changed`` takes them."""
    earliest = max(pick.setting.today.toordinal() - 400, 1)
    recent = [tree.Date(on) for on in dates(pick.setting) if on.toordinal() >= earliest]
    lately = duration(pick, amounts=_RECENT)
    return pick.of(
        lambda: tree.InLast(lately),
        lambda: tree.InNext(lately),
        lambda: tree.Calendar(Period.THIS, pick.one(CALENDAR_UNITS)),
        lambda: tree.Calendar(Period.LAST, pick.one(CALENDAR_UNITS[:-1])),
        lambda: tree.BetweenRelative(pick.number(0, 1), lately.amount, lately.unit, Direction.AGO),
        lambda: tree.On(pick.one(recent)),
        lambda: tree.After(pick.one(recent)),
        lambda: _between(pick, lambda: pick.one(recent)),
    )


def _between(pick: Pick, end: Callable[[], tree.Date | tree.Timestamp]) -> tree.Between:
    """Both ends; now and then exchanged."""

    def place(value: tree.Date | tree.Timestamp) -> str:
        moment_ = value.date if isinstance(value, tree.Date) else value.timestamp
        return moment_.isoformat() if isinstance(value, tree.Date) else f"{moment_:%Y%m%d%H%M%S%f}"

    low, high = sorted((end(), end()), key=place)
    return tree.Between(high, low) if pick.rarely(8) else tree.Between(low, high)


def _between_relative(pick: Pick, units: Sequence[Unit]) -> tree.BetweenRelative:
    far = duration(pick, units)
    near, direction = pick.number(0, 1, 2, 3), pick.one(tuple(Direction))
    return tree.BetweenRelative(near, far.amount, far.unit, direction)
