"""One event type of one audience, as readers see it.

A day's *stamp* grows when events come to it; so do the stamps of the aligned blocks of 4, 16, 64 …
days that hold it (block ``i`` of level ``n`` is the days ``i * 4**n`` to ``(i + 1) * 4**n - 1``).
The *era* grows when events go. Era and stamp together tell whether what was computed from a block
still holds. Chunks are shared between a store and the views frozen from it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from headcount_server.core.calendar import Calendar
from headcount_server.core.events.cache import BucketCache
from headcount_server.core.events.chunks import Chunk
from headcount_server.core.events.spellings import Spellings
from headcount_server.core.schema import EventSchema

LEVEL_BITS = 2  # a block has four of the level below
LEVELS = 12  # 4**11 days are more than the calendar has


class Event(NamedTuple):
    """One event as its subscriber's history shows it; None is a missing property.

    ``order`` is its place in the write order of the audience.
    """

    time: int
    order: int
    dimensions: dict[str, str | None]
    measures: dict[str, int | None]


@dataclass(slots=True)
class Contents:
    """What a view reads. A store changes its own in place; nobody changes a frozen view's.

    Attributes:
        chunks: day -> its chunks, oldest events first.
        days: the same days, ascending.
        stamps: level -> block -> stamp (0 where it is not listed).
        sizes: dimension -> codes known.
        kept_from: events on days before this one are folded (see ``folding``); None: none are.
    """

    chunks: dict[int, tuple[Chunk, ...]]
    days: list[int]
    stamps: tuple[dict[int, int], ...]
    spellings: dict[str, Spellings]
    sizes: dict[str, int]
    event_count: int
    next_order: int
    era: int
    version: int
    kept_from: int | None = None

    def copy(self) -> Contents:
        """The same state, which later changes of this one leave alone. O(days)."""
        return replace(
            self,
            chunks=dict(self.chunks),
            days=list(self.days),
            stamps=tuple(dict(stamps) for stamps in self.stamps),
            spellings=dict(self.spellings),
            sizes=dict(self.sizes),
        )


def no_contents(schema: EventSchema) -> Contents:
    """The state without an event."""
    spellings = {name: Spellings() for name in schema.dimensions}
    stamps: tuple[dict[int, int], ...] = tuple({} for _ in range(LEVELS))
    return Contents({}, [], stamps, spellings, dict.fromkeys(schema.dimensions, 0), 0, 0, 0, 0)


class EventView:
    """A consistent state of one event type. Reading changes nothing but the cache.

    Attributes:
        schema: the event type.
        calendar: of the audience.
        cache: partial results, shared with other types of the audience.
    """

    def __init__(
        self, schema: EventSchema, calendar: Calendar, cache: BucketCache, contents: Contents
    ) -> None:
        self.schema = schema
        self.calendar = calendar
        self.cache = cache
        self._contents = contents

    def contents(self) -> Contents:
        """The state to read, not to be changed. O(1), but a store puts pending events in place."""
        return self._contents

    @property
    def version(self) -> int:
        """Grows with every write that changes what can be read."""
        return self.contents().version

    @property
    def event_count(self) -> int:
        """Events of the type, those of the future included."""
        return self.contents().event_count

    @property
    def first_day(self) -> int | None:
        """The earliest day with an event; None where there is none."""
        days = self.contents().days
        return days[0] if days else None

    @property
    def last_day(self) -> int | None:
        """The latest day with an event; None where there is none."""
        days = self.contents().days
        return days[-1] if days else None

    @property
    def kept_from(self) -> int | None:
        """The first day whose events are kept in full; None where all are."""
        return self._contents.kept_from

    @property
    def spellings(self) -> Mapping[str, Spellings]:
        """Dimension -> its spellings, to turn codes into strings."""
        return self.contents().spellings

    def day_counts(self) -> dict[int, int]:
        """Day -> number of its events, ascending. O(days)."""
        contents = self.contents()
        return {day: sum(map(len, contents.chunks[day])) for day in contents.days}

    def values(self, dimension: str) -> list[str]:
        """The values of a dimension, each as first written, in that order. O(values)."""
        contents = self.contents()
        return contents.spellings[dimension].values(contents.sizes[dimension])

    def value_counts(self, dimension: str) -> list[tuple[str, int]]:
        """The values of a dimension with how many events have each, as ``values``. O(values).

        Events of the future count. Those written after a view was frozen do too.
        """
        contents = self.contents()
        return contents.spellings[dimension].counts(contents.sizes[dimension])

    def days_between(self, low: int, high: int) -> list[int]:
        """The days with events in a range (ends included), ascending. O(log days + result)."""
        days = self.contents().days
        return days[bisect_left(days, low) : bisect_left(days, high + 1)]

    def next_day(self, day: int) -> int | None:
        """The first day with events from ``day`` on. O(log days)."""
        days = self.contents().days
        place = bisect_left(days, day)
        return days[place] if place < len(days) else None

    def next_after(self, us: int) -> int | None:
        """The time of the first event after an instant; None where there is none.

        O(1) for each chunk from that day on that ends at the instant or before, else O(its events).
        """
        contents = self.contents()
        nearest: int | None = None
        # Days run out of order by one where the clock is set back, so one more is looked at.
        for day in contents.days[bisect_left(contents.days, self.calendar.day_of(us) - 1) :]:
            if nearest is not None and day > self.calendar.day_of(nearest) + 1:
                break
            for chunk in contents.chunks[day]:
                if chunk.last_time > us and (nearest is None or chunk.first_time < nearest):
                    times = chunk.times.unpack()
                    later = times[times > us]
                    if len(later):
                        least = int(later.min())
                        nearest = least if nearest is None else min(nearest, least)
        return nearest

    def chunks_of(self, day: int) -> tuple[Chunk, ...]:
        """The chunks of a day, oldest events first."""
        return self.contents().chunks.get(day, ())

    def stamp(self, level: int, block: int) -> int:
        """The stamp of a block."""
        return self.contents().stamps[level].get(block, 0)

    def events_of(self, row: int) -> list[Event]:
        """All events of a subscriber in the order of (time, writing). O(days log events)."""
        contents = self.contents()
        found: list[Event] = []
        for day in contents.days:
            for chunk in contents.chunks[day]:
                found.extend(_events(chunk, row, contents.spellings))
        found.sort(key=lambda event: (event.time, event.order))
        return found

    def nbytes(self) -> dict[str, int]:
        """Bytes by column, such as ``rows`` and ``property.amount``, and of what isn't a column.

        That is ``dictionaries``, ``pending`` events, and ``cache``, which the types share.
        """
        contents = self.contents()
        sizes: dict[str, int] = {"rows": 0, "times": 0, "orders": 0}
        for name in (*self.schema.dimensions, *(name for name, _ in self.schema.measures)):
            sizes[f"property.{name}"] = 0
        for day in contents.days:
            for chunk in contents.chunks[day]:
                for name, size in chunk.sizes().items():
                    sizes[name] += size
        sizes["dictionaries"] = sum(s.nbytes for s in contents.spellings.values())
        sizes["cache"] = self.cache.nbytes
        sizes["pending"] = 0
        return sizes


def _events(chunk: Chunk, row: int, spellings: Mapping[str, Spellings]) -> Iterator[Event]:
    at = chunk.places_of(row)
    if at.start == at.stop:
        return
    events = chunk.unpack(at)
    for i in range(len(events)):
        codes = {name: int(column[i]) for name, column in events.codes.items()}
        measures = {
            name: int(values[i]) if present is None or present[i] else None
            for name, (values, present) in events.measures.items()
        }
        dimensions = {
            name: spellings[name].spelling(code - 1) if code else None
            for name, code in codes.items()
        }
        yield Event(int(events.times[i]), int(events.orders[i]), dimensions, measures)
