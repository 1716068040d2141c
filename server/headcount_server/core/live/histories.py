"""The histories of an audience's segments: how commands and the passing of time move people.

``audience.clock_us`` is the latest time that a command bore; it never goes back. Before a command
is applied, the clock goes through every instant up to the command's time at which somebody moves
without a write, so that a move bears the instant at which it was due, whenever the server got to
it. Then the command is applied, and the histories follow at its time, a segment after those that
it uses. The same commands give the same histories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from headcount_server.core.live.history import SegmentHistory
from headcount_server.core.live.maintained import Round
from headcount_server.core.live.touched import Touched
from headcount_server.core.segments import segments_used

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience
    from headcount_server.limits import Limits

T = TypeVar("T")


def followed(audience: Audience, time_us: int, limits: Limits, change: Callable[[], T]) -> T:
    """Changes an audience at a time, with the clock before it and the histories after it.

    Args:
        audience: what is changed.
        time_us: of the command.
        limits: of the server.
        change: the command itself.
    """
    advance(audience, time_us, limits)
    touched = audience.listen() if audience.histories else None
    result = change()
    if touched is not None:
        audience.unlisten(touched)
    if audience.histories:
        _update(audience, touched or Touched(), limits)
    return result


def advance(audience: Audience, to_us: int, limits: Limits) -> None:
    """Lets the clock go on; O(1) where nothing is due."""
    while (due := due_us(audience)) is not None and due <= to_us:
        audience.clock_us = max(audience.clock_us, due)
        _update(audience, Touched(), limits)
    audience.clock_us = max(audience.clock_us, to_us)


def due_us(audience: Audience) -> int | None:
    """The first instant at which somebody may move without a write; None: never. O(histories)."""
    ends = (history.maintained.horizon_us for history in audience.histories.values())
    end = min((end for end in ends if end is not None), default=None)
    return None if end is None else end + 1


def keep(audience: Audience, name: str) -> None:
    """Switches the history of a segment on or off, or takes the change of its rule."""
    history, segment = audience.histories.get(name), audience.segments.get(name)
    if segment is None or segment.rule is None or not segment.history_days:
        audience.histories.pop(name, None)
    elif history is None:
        audience.histories[name] = SegmentHistory(
            audience, segment.rule, segment.history_days, audience.revision, audience.clock_us
        )
    else:
        history.redefine(segment.rule, segment.history_days)


def resume(audience: Audience, limits: Limits) -> None:
    """Makes loaded histories go on."""
    round = Round(audience, audience.clock_us, Touched(), limits)
    for history in audience.histories.values():
        history.resume(round)


def _update(audience: Audience, touched: Touched, limits: Limits) -> None:
    round = Round(audience, audience.clock_us, touched, limits)
    for name in _order(audience):
        history = audience.histories[name]
        if history.is_new:
            history.start(round)
            continue
        if touched.moves:  # a rule may ask for them, beyond the rows of the round
            round = Round(audience, audience.clock_us, touched, limits)
        moved = history.update(round)
        if moved:
            touched.note_moves(name, moved)
            audience.note_moves(name, moved)


def _order(audience: Audience) -> tuple[str, ...]:
    """The segments with a history, each after those that it uses in any way. No recursion."""
    if audience.history_order is None:
        order: dict[str, None] = {}
        for name in sorted(audience.histories):
            stack = [(name, False)]
            while stack:
                current, is_done = stack.pop()
                if is_done:
                    order[current] = None
                elif current not in order:
                    stack.append((current, True))
                    segment = audience.segments.get(current)
                    if segment is not None and segment.rule is not None:
                        used = segments_used(segment.rule)
                        stack.extend((name, False) for name in reversed(used) if name not in order)
        audience.history_order = tuple(name for name in order if name in audience.histories)
    return audience.history_order
