"""The events of one type of one audience, as they are written.

Few events go to a pending tail in the order they come; the first read after them, or what makes the
tail long, sorts it into the chunks of its days. Many are sorted as they are written. When that
happens shows nowhere but in the time it takes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.calendar import Calendar
from headcount_server.core.events import counters, dump
from headcount_server.core.events.cache import BucketCache, Stamp, Value
from headcount_server.core.events.chunks import (
    Chunk,
    chunk_of,
    merged,
    with_newer,
    without_rows,
)
from headcount_server.core.events.columns import Events, Int64s, Mask, Rows, Unsigned, concatenate
from headcount_server.core.events.folding import Folded, fold, rows_of
from headcount_server.core.events.lanes import Kind, Lane
from headcount_server.core.events.sorting import event_order, run_starts
from headcount_server.core.events.spellings import Coded
from headcount_server.core.events.tables import Table
from headcount_server.core.events.view import LEVEL_BITS, LEVELS, Contents, EventView, no_contents
from headcount_server.core.plan.event_nodes import Source
from headcount_server.core.schema import EventSchema
from headcount_server.core.steps import Steps, finish

_TAIL_MIN = 1 << 12  # pending events that are left to reads: putting them in place takes few ms
_STEP_EVENTS = 1 << 13  # events that are coded in one step

Column = Sequence[str | None] | Coded
MeasureColumn = tuple[Int64s, Mask | None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Events that are made but can't be seen.

    Attributes:
        events: in the order they came.
        days: what the days with some of them hold then; None: they are few and stay pending.
    """

    events: Events
    days: Mapping[int, tuple[Chunk, ...]] | None


@dataclass(frozen=True, slots=True)
class Fold:
    """Days that are folded but still to be seen as they were, those before a day."""

    before_day: int
    changed: Mapping[int, Folded]


class EventStore(EventView):
    """The writable view of one event type.

    Args:
        schema: the event type.
        calendar: of the audience.
        cache: one for all event types of an audience; its own if None.
    """

    def __init__(
        self, schema: EventSchema, calendar: Calendar, cache: BucketCache | None = None
    ) -> None:
        own = BucketCache() if cache is None else cache
        super().__init__(schema, calendar, own, no_contents(schema))
        self._tail: list[Events] = []
        self._tail_length = 0

    def record(
        self,
        rows: NDArray[np.integer],
        times: Int64s,
        dimensions: Mapping[str, Column],
        measures: Mapping[str, MeasureColumn],
        orders: Int64s | None = None,
    ) -> None:
        """Append events; two equal ones are two events. Amortised O(1) for each.

        What is given was checked before: known names, columns of one length, times of the years
        0001 to 9999. The arrays are kept and not to be changed afterwards.

        Args:
            rows: the subscribers, in any order, repeated or not.
            times: microseconds, also late ones or of the future.
            dimensions: columns by name; a dimension left out is missing everywhere.
            measures: scaled integers and a mask of those present (None: all), by name.
            orders: the events' places in the audience's write order, ascending and above all
                given before; by default this type's own events are numbered.
        """
        self.publish(finish(self.recording(rows, times, dimensions, measures, orders)))

    def recording(
        self,
        rows: NDArray[np.integer],
        times: Int64s,
        dimensions: Mapping[str, Column],
        measures: Mapping[str, MeasureColumn],
        orders: Int64s | None = None,
    ) -> Steps[Recorded]:
        """As ``record``, in steps of about a millisecond; nobody sees it until ``publish``.

        Many events are put in order here. Nothing else may be written before they are published.
        """
        length = len(rows)
        state = self._contents
        assert len(times) == length
        if orders is None:
            orders = np.arange(state.next_order, state.next_order + length, dtype=np.int64)
        assert len(orders) == length
        assert not length or int(orders[0]) >= state.next_order
        codes: dict[str, Unsigned] = {}
        for name in self.schema.dimensions:
            codes[name] = yield from self._encoding(name, dimensions.get(name), length)
        columns: dict[str, MeasureColumn] = {}
        for name, _ in self.schema.measures:
            columns[name] = measures.get(name, _no_measure(length))
            assert len(columns[name][0]) == length
        times = np.asarray(times, dtype=np.int64)
        part = Events(rows.astype(np.uint32, copy=False), times, orders, codes, columns)
        if self._tail_length + length >= _TAIL_MIN:
            yield from self._settling()
        if length < _TAIL_MIN:
            return Recorded(part, None)
        return Recorded(part, (yield from self._placing(part)))

    def publish(self, recorded: Recorded) -> None:
        """Let events be seen. O(days of them)."""
        part = recorded.events
        if not len(part):
            return
        state = self._contents
        for name, codes in part.codes.items():
            state.spellings[name].count_uses(codes)
            state.sizes[name] = len(state.spellings[name])
        state.next_order = int(part.orders[-1]) + 1
        state.version += 1
        state.event_count += len(part)
        if recorded.days is None:
            self._tail.append(part)
            self._tail_length += len(part)
        else:
            assert not self._tail, "what came before is in its place"
            self._put(recorded.days)
        if state.kept_from is not None:
            self._fold_late(part, state.kept_from)

    def contents(self) -> Contents:
        """The state with every event in its day. O(n) for n pending events, else O(1)."""
        if self._tail:
            self._settle()
        return self._contents

    def settling(self) -> Iterator[None]:
        """Put pending events in place and make the buckets of all days, a block a step.

        Of no more than half of the cache, which other rules share.
        """
        if self._tail:
            self.contents()
            yield
        lane = Lane([self], [Source(self.schema.name)], Kind.DID)
        yield from lane.settling(lambda: self.cache.nbytes * 2 < self.cache.budget_bytes)

    @property
    def version(self) -> int:
        """As of a view. O(1)."""
        return self._contents.version

    @property
    def event_count(self) -> int:
        """As of a view. O(1)."""
        return self._contents.event_count

    def erase(self, rows: BitMap) -> None:
        """Take every event of some subscribers away, from the columns, caches and dictionaries.

        O(days log events) and O(n) for each day that has one of them. Call it with the same rows
        for every event type of the audience.
        """
        state = self.contents()
        wanted = bitmaps.to_array(rows)
        lost: list[Events] = []
        renamed: dict[int, int] = {}
        for day in list(state.days) if len(wanted) else []:
            kept = self._erase_day(state.chunks[day], wanted, lost, renamed)
            if kept:
                state.chunks[day] = kept
            else:
                del state.chunks[day]
                state.days.pop(bisect_left(state.days, day))
        if not lost:
            return
        gone = concatenate(lost)
        state.event_count -= len(gone)
        state.version += 1
        state.era += 1
        for name, spellings in state.spellings.items():
            state.spellings[name] = spellings.after_loss(gone.codes[name])
            if state.spellings[name] is not spellings:
                self.cache.forget(self._asks_for_values)
        self._erase_cached(rows, renamed)

    def forget_before(self, day: int) -> None:
        """Drop the events of earlier days. O(days dropped), and O(pending)."""
        state = self.contents()
        place = bisect_left(state.days, day)
        gone, state.days = state.days[:place], state.days[place:]
        for old in gone:
            state.event_count -= sum(map(len, state.chunks.pop(old)))
        if gone:
            state.version += 1
            state.era += 1

    def fold_before(self, day: int) -> None:
        """Fold the events of earlier days, those that come late too, once and for all.

        O(days folded log n) and O(n) for each of them that has an event of whoever has one on the
        days that are folded now.

        Args:
            day: not before that of the fold before.
        """
        self.publish_fold(finish(self.folding(day)))

    def folding(self, day: int) -> Steps[Fold]:
        """As ``fold_before``, in steps; nobody sees it until ``publish_fold``."""
        state = self.contents()
        yield
        old = state.kept_from
        fallen = [d for d in state.days if (old is None or d >= old) and d < day]
        rows = yield from rows_of([chunk for d in fallen for chunk in state.chunks[d]])
        days = state.days[: bisect_left(state.days, day)]
        return Fold(day, (yield from fold({d: state.chunks[d] for d in days}, rows)))

    def publish_fold(self, made: Fold) -> None:
        """Let a fold be seen. O(events that go)."""
        state = self._contents
        state.kept_from = made.before_day
        state.version += 1
        self._take(made.changed)

    def compact(self) -> None:
        """Make every day one tight chunk. O(events of the days that are not)."""
        state = self.contents()
        for day, chunks in state.chunks.items():
            state.chunks[day] = (merged(chunks),)

    def freeze(self) -> EventView:
        """The present state, read-only, which later writes leave alone. O(days), and O(pending)."""
        return EventView(self.schema, self.calendar, self.cache, self.contents().copy())

    def detached(self) -> EventStore:
        """A store of the present state that shares nothing that changes. O(days).

        Pending events stay pending in both. Another thread may settle and dump it while this one
        goes on: chunks and the columns of a tail never change, spellings only grow.
        """
        state = self._contents
        other = EventStore(self.schema, self.calendar)
        other._contents = state.copy()
        other._tail = list(self._tail)
        other._tail_length = self._tail_length
        return other

    def dump(self) -> dict[str, dump.Plain]:
        """Plain data that ``load`` reads, the same after the same writes. O(events)."""
        self.compact()
        return dump.dump(self)

    @classmethod
    def load(
        cls,
        schema: EventSchema,
        calendar: Calendar,
        parts: Mapping[str, dump.Plain],
        cache: BucketCache | None = None,
    ) -> EventStore:
        """The store that ``dump`` wrote. O(events); the arrays are kept, so they may be mapped.

        Raises:
            DataLoss: sizes, types, orders or codes don't fit.
        """
        store = cls(schema, calendar, cache)
        store._contents = dump.load(schema, calendar, parts)
        return store

    def nbytes(self) -> dict[str, int]:
        """As of a view; reading it leaves pending events pending."""
        tail, self._tail = self._tail, []
        sizes = super().nbytes()
        self._tail = tail
        sizes["pending"] = sum(part.nbytes for part in tail)
        return sizes

    def _encoding(self, name: str, column: Column | None, length: int) -> Steps[Unsigned]:
        """Codes; new spellings are nobody's until the events are published."""
        if column is None:
            return np.zeros(length, dtype=np.uint32)
        spellings = self._contents.spellings[name]
        if isinstance(column, Coded):
            parts = [spellings.encode(column)]
        else:
            parts = [np.zeros(0, dtype=np.uint32)]
            for start in range(0, length, _STEP_EVENTS):
                parts.append(spellings.encode(column[start : start + _STEP_EVENTS]))
                yield
        codes = np.concatenate(parts)
        assert len(codes) == length
        return codes

    def _fold_late(self, part: Events, kept_from: int) -> None:
        if int(part.times.min()) > self.calendar.end_of_day(kept_from - 1):
            return
        late = part.rows[self.calendar.days_of(part.times) < kept_from]
        if len(late):
            self.contents()
            self._fold(np.unique(late))

    def _fold(self, rows: Rows) -> None:
        """Fold the events of some rows: all that have one that isn't folded."""
        state = self._contents
        assert state.kept_from is not None
        days = state.days[: bisect_left(state.days, state.kept_from)]
        self._take(finish(fold({day: state.chunks[day] for day in days}, rows)))

    def _take(self, changed: Mapping[int, Folded]) -> None:
        """Put folded days in the place of what they were."""
        state = self._contents
        for day, folded in changed.items():
            if folded.after is None:
                del state.chunks[day]
                state.days.pop(bisect_left(state.days, day))
            else:
                state.chunks[day] = (folded.after,)
            left = 0 if folded.after is None else len(folded.after)
            state.event_count -= len(folded.before) - left
        if not changed:
            return
        state.era += 1
        for name, spellings in state.spellings.items():
            lost = np.concatenate([folded.before.codes[name] for folded in changed.values()])
            state.spellings[name] = spellings.after_loss(lost)
            if state.spellings[name] is not spellings:
                self.cache.forget(self._asks_for_values)

    def _settle(self) -> None:
        finish(self._settling())

    def _settling(self) -> Steps[None]:
        """Put pending events in place; in vain where a read comes first and does so at once."""
        tail = self._tail
        if tail:
            days = yield from self._placing(concatenate(tail))
            if self._tail is tail:
                self._tail, self._tail_length = [], 0
                self._put(days)

    def _placing(self, events: Events) -> Steps[dict[int, tuple[Chunk, ...]]]:
        """The chunks of each day that gets events, with these."""
        state = self._contents
        days = self.calendar.days_of(events.times)
        yield
        order = event_order(events.rows, events.times, days)
        yield
        events, days = events.take(order), days[order]
        yield
        starts = run_starts(days)
        ends = np.append(starts[1:], len(days))
        found: dict[int, tuple[Chunk, ...]] = {}
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            day, chunk = int(days[start]), chunk_of(events.take(slice(start, end)))
            held = state.chunks.get(day)
            found[day] = (chunk,) if held is None else with_newer(held, chunk)
            yield
        return found

    def _put(self, days: Mapping[int, tuple[Chunk, ...]]) -> None:
        state = self._contents
        for day, chunks in days.items():
            if day not in state.chunks:
                insort(state.days, day)
            state.chunks[day] = chunks
            for level in range(LEVELS):
                state.stamps[level][day >> LEVEL_BITS * level] = state.version

    def _erase_day(
        self, chunks: Sequence[Chunk], rows: Rows, lost: list[Events], renamed: dict[int, int]
    ) -> tuple[Chunk, ...]:
        kept: list[Chunk] = []
        for chunk in chunks:
            rest, gone = without_rows(chunk, rows)
            if rest is not None:
                kept.append(rest)
            if gone is not None:
                lost.append(gone)
                renamed[chunk.id] = 0 if rest is None else rest.id
        return tuple(kept)

    def _asks_for_values(self, subject: object) -> bool:
        """Whether a cached subject names values, which may be gone, of this type's dimensions."""
        if not isinstance(subject, tuple):
            return False
        sources = [part for part in subject if isinstance(part, Source)]
        if not any(source.event == self.schema.name for source in sources):
            return False
        plain = Source | str | int | Enum | None
        return any(source.where is not None for source in sources) or not all(
            isinstance(part, plain) for part in subject
        )

    def _erase_cached(self, rows: BitMap, renamed: Mapping[int, int]) -> None:
        """Subtract the rows from what is cached of this type alone; drop what others share.

        Args:
            renamed: id of a chunk that had some of the rows -> of the one in its place, or 0.
        """
        era = self._contents.era

        def concerns(subject: object) -> bool:
            return isinstance(subject, tuple) and any(
                isinstance(part, Source) and part.event == self.schema.name for part in subject
            )

        def change(stamp: Stamp, value: Value) -> tuple[Stamp, Value] | None:
            if len(stamp) != 2 or stamp[0] != era - 1 or isinstance(value, np.ndarray):
                return None
            of = stamp[1]
            if isinstance(of, tuple):
                of = tuple(sorted(new for id in of if (new := renamed.get(id, id))))
            if isinstance(value, Table):
                return (era, of), value.without(rows)
            return (era, of), counters.without(value, rows)

        self.cache.revise(concerns, change)


def _no_measure(length: int) -> MeasureColumn:
    return np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.bool_)
