"""The passing of time, for the histories of segments and for events kept for a time.

Whoever is due to enter or leave a segment without a write does so by a command of the log, so that
a restart finds the same. One is written when an instant is due, also for what fell due while the
server was down; a write that comes first does the same by itself. Events that are kept for a time
are folded by such commands too, once a day for each type, and at the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Protocol

from headcount_server.core.audience import Audience
from headcount_server.core.commands import AdvanceClock, Applied, FoldEvents
from headcount_server.core.live.histories import due_us
from headcount_server.core.retention import due_day
from headcount_server.engine.clock import Clock
from headcount_server.errors import HeadcountError

_CHECK_S = 0.5  # the clock may be set, and a write may bring an earlier instant
_log = logging.getLogger(__name__)


class Writer(Protocol):
    """What ticks need of the engine."""

    now_us: Clock

    def audiences(self) -> Sequence[Audience]:
        """All audiences, ascending by name."""
        ...

    def write(self, command: AdvanceClock | FoldEvents) -> Awaitable[Applied]:
        """Applies a command in its turn."""
        ...


async def tick(writer: Writer) -> int:
    """Lets time pass where somebody is due to move or events to be folded; how many commands.

    Raises:
        HeadcountError: writes are refused at present.
    """
    due = [(a.name, at) for a in writer.audiences() if (at := due_us(a)) is not None]
    now = writer.now_us() if due else 0
    late = [name for name, at in due if at <= now]
    for name in late:
        await writer.write(AdvanceClock(name, now))
    folds = _folds(writer)
    for fold in folds:
        await writer.write(fold)
    return len(late) + len(folds)


async def keep_ticking(writer: Writer) -> None:
    """Ticks at once, and as soon as anybody is due; until it is cancelled."""
    refused = ""
    standing: set[tuple[str, str]] = set()
    while True:
        try:
            await tick(writer)
            refused = ""
            standing = tell_standing(writer.audiences(), standing)
        except HeadcountError as error:  # read-only, or an audience just deleted
            if error.message != refused:
                _log.warning("time passes later for histories and retention: %s", error.message)
            refused = error.message
        await asyncio.sleep(_wait_s(writer))


def tell_standing(
    audiences: Sequence[Audience], before: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Logs which histories stand still, and which go on again; those that stand still.

    A history does while its segment's rule can't be bound, as where events that it needs were
    folded. It goes on with the first write or instant at which the rule can be bound again.

    Args:
        audiences: all there are.
        before: audience and segment of those that stood still when this was called last.
    """
    standing = {
        (audience.name, segment)
        for audience in audiences
        for segment, history in audience.histories.items()
        if history.stands_still
    }
    for audience, segment in sorted(standing - before):
        _log.warning(
            'the history of segment "%s" of audience "%s" stands still: its rule can\'t be answered'
            " any more; counting the segment says why",
            segment, audience,
        )  # fmt: skip
    there = {(audience.name, segment) for audience in audiences for segment in audience.histories}
    for audience, segment in sorted((before - standing) & there):
        _log.warning('the history of segment "%s" of audience "%s" goes on', segment, audience)
    return standing


def _folds(writer: Writer) -> list[FoldEvents]:
    found: list[FoldEvents] = []
    for audience in writer.audiences():
        for event in audience.schema.events:
            if event.retention_days:
                now = writer.now_us()
                day = due_day(audience, event, now)
                if day is not None:
                    found.append(FoldEvents(audience.name, event.name, day, now))
    return found


def _wait_s(writer: Writer) -> float:
    due = [at for audience in writer.audiences() if (at := due_us(audience)) is not None]
    left = (min(due) - writer.now_us()) / 1e6 if due else _CHECK_S
    return min(max(left, 0.01), _CHECK_S)
