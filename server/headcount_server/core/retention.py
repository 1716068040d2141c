"""From which day on the events of a type are to be kept in full, and what is due to be folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headcount_server.core.schema import EventSchema, Schema

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience


def due_day(audience: Audience, event: EventSchema, now_us: int) -> int | None:
    """The day before which events are to be folded now; None where that was done, or never is.

    So many days before today as the event type says, at the audience's own midnight.
    """
    if not event.retention_days:
        return None
    day = audience.calendar.day_of(now_us) - event.retention_days
    held = audience.kept_from.get(event.name)
    return day if held is None or day > held else None


def kept_from(audience: Audience, schema: Schema, now_us: int) -> dict[str, int]:
    """Event type -> the first day kept in full once all that is due under a schema is folded."""
    found = dict(audience.kept_from)
    for event in schema.events:
        day = due_day(audience, event, now_us)
        if day is not None:
            found[event.name] = day
    return found
