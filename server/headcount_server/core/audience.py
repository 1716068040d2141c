"""One audience: its keys, indexes, events, segments, and what a write does to them.

Everything here changes only through the methods that ``State.apply`` calls, in the order of the
log; none of them reads a clock. ``revision`` is the number of commands applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes import AttributeIndex, make_index
from headcount_server.core.calendar import calendar
from headcount_server.core.changes import Changes
from headcount_server.core.commands import (
    DeleteSubscribers,
    FoldEvents,
    Keys,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.events.cache import BucketCache
from headcount_server.core.events.store import EventStore, Recorded
from headcount_server.core.keys import KeyDirectory
from headcount_server.core.live.touched import Touched
from headcount_server.core.plan.lookup_cache import LookupCache
from headcount_server.core.plan.scope import KNOWN_SINCE
from headcount_server.core.plan.words import WordForms
from headcount_server.core.producers import Producers
from headcount_server.core.rules.tree import Rule
from headcount_server.core.schema import Schema
from headcount_server.core.segments import Segment
from headcount_server.core.steps import Steps, finish
from headcount_server.core.upserts import meeting, upserting
from headcount_server.core.values import ValueColumn
from headcount_server.limits import Limits

if TYPE_CHECKING:
    from headcount_server.core.live.history import SegmentHistory

_FOUND_MAX = 64  # batches whose rows are remembered between validation and application
_FOUND_KEYS_MAX = 4_096  # of a batch that is remembered beside others

Rows = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class SubscriberRecord:
    """All that is known about one subscriber.

    Attributes:
        values: attribute -> canonical value (see ``core.values``), those with a value only.
        known_since_us: microseconds.
        events: (event type, time, dimensions, measures) by falling time.
    """

    key: str | int
    values: dict[str, Any]
    known_since_us: int
    events: tuple[tuple[str, int, dict[str, str], dict[str, int]], ...]


class Audience:
    """The state of one audience."""

    def __init__(self, name: str, schema: Schema, create_time_us: int, limits: Limits) -> None:
        self.name = name
        self.schema = schema
        self.create_time_us = create_time_us
        self.limits = limits
        self.revision = 0
        self.schema_version = 1
        self.reachable: Rule | None = None
        self.calendar = calendar(schema.time_zone)
        self.keys = KeyDirectory(schema.key, schema.partitions, limits)
        self.known_since = make_index(KNOWN_SINCE)
        self.attributes: dict[str, AttributeIndex] = {}
        self.events: dict[str, EventStore] = {}
        self.kept_from: dict[str, int] = {}  # event type -> first day kept in full; replaced
        self.segments: dict[str, Segment] = {}
        self.changes = Changes()
        self.producers = Producers(limits)
        self.next_order = 0  # place of the next event in the audience's write order
        self.buckets = BucketCache()
        self.lookups = LookupCache()
        self.words = WordForms()
        self._found: dict[int, tuple[Keys, NDArray[np.int64]]] = {}  # by the keys' identity
        self._listeners: list[Touched] = []
        self.clock_us = create_time_us  # the latest time that a command bore
        self.histories: dict[str, SegmentHistory] = {}
        self.history_order: tuple[str, ...] | None = None  # None: to be found
        self.extend(schema)

    @property
    def everyone(self) -> BitMap:
        """Rows of the existing subscribers; not modified."""
        return self.keys.everyone

    @property
    def subscriber_count(self) -> int:
        """Number of existing subscribers."""
        return len(self.keys)

    @property
    def event_count(self) -> int:
        """Number of events of all types."""
        return sum(store.event_count for store in self.events.values())

    @property
    def etag(self) -> str:
        """Changes with the schema and settings."""
        return f"{self.create_time_us:x}-{self.schema_version}"

    def index(self, attribute: str) -> AttributeIndex:
        """The index of an attribute, ``known_since`` included."""
        return self.known_since if attribute == "known_since" else self.attributes[attribute]

    def listen(self) -> Touched:
        """What is touched from now on, kept up to date by every write until ``unlisten``."""
        touched = Touched()
        self._listeners.append(touched)
        return touched

    def unlisten(self, touched: Touched) -> None:
        """Ends a ``listen``."""
        self._listeners = [held for held in self._listeners if held is not touched]

    def note_redefined(self, segment: str | None) -> None:
        """Tells who listens that a segment, or with None the schema, is another or gone."""
        self.history_order = None
        for touched in self._listeners:
            if segment is None:
                touched.schema = True
            else:
                touched.segments[segment] = None

    def note_attribute(self, attribute: str, rows: BitMap) -> None:
        """Tells who listens that values of an attribute changed."""
        for touched in self._listeners:
            touched.note_attribute(attribute, rows)

    def note_created(self, rows: BitMap) -> None:
        """Tells who listens of new subscribers."""
        for touched in self._listeners:
            touched.created = touched.created | rows
            touched.note_attribute("known_since", rows)

    def note_moves(self, segment: str, rows: BitMap) -> None:
        """Tells who listens that rows entered or left a segment whose history is kept."""
        for touched in self._listeners:
            touched.note_moves(segment, rows)

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The row of each key, or -1. Remembers the answers for the writes that follow."""
        return finish(self.finding(keys))

    def finding(self, keys: Keys) -> Steps[NDArray[np.int64]]:
        """As ``find``, in steps of about a millisecond."""
        known = self._found.get(id(keys))
        if known is None or known[0] is not keys:
            found = yield from self.keys.finding(keys)
            if len(self._found) >= _FOUND_MAX or len(keys) > _FOUND_KEYS_MAX:
                self._found.clear()
            known = self._found[id(keys)] = (keys, found)
        return known[1]

    def extend(self, schema: Schema) -> None:
        """Takes a schema that adds to the present one."""
        self.schema = schema
        for attribute in schema.attributes:
            if attribute.name not in self.attributes:
                self.attributes[attribute.name] = make_index(attribute)
        for event in schema.events:
            if event.name not in self.events:
                self.events[event.name] = EventStore(event, self.calendar, self.buckets)
            self.events[event.name].schema = event

    def settling(self) -> Iterator[None]:
        """Does in small steps what the next questions would have to do at once.

        That is, to build what many writes or a load left unbuilt. Each step takes a few
        milliseconds; questions and writes may come in between.
        """
        for index in (self.known_since, *self.attributes.values()):
            yield from index.settling()
        for store in list(self.events.values()):
            yield from store.settling()

    def upserting(self, command: UpsertSubscribers) -> Steps[Callable[[], int]]:
        """Makes a batch of subscribers aside; what it gives writes it, and tells how many are new.

        In steps of about a millisecond, none of which anybody sees. Nothing else may be written
        before the batch is.
        """
        made = yield from upserting(self, command)

        def publish() -> int:
            self._found.clear()
            return made.publish(self)

        return publish

    def recording(self, command: RecordEvents) -> Steps[Callable[[], int]]:
        """Makes a batch of events aside, as ``upserting`` does one of subscribers."""
        met = None
        if command.create_missing:
            met = yield from meeting(self, command.keys, command.time_us)
            rows = met.added.rows
        else:
            rows = (yield from self.finding(command.keys)).astype(np.uint32)
        made: list[tuple[str, Rows, Recorded]] = []
        names = {group.event for group in command.groups}
        assert len(names) == len(command.groups), "an event type has one group"
        for group in command.groups:
            places = np.arange(len(rows)) if group.rows is None else group.rows
            own, times = rows[places], command.times[places]
            dimensions = {name: _spellings(column) for name, column in group.dimensions.items()}
            measures = {name: (c.data, c.present) for name, c in group.measures.items()}
            store = self.events[group.event]
            orders = places + self.next_order
            yield
            recorded = yield from store.recording(own, times, dimensions, measures, orders)
            made.append((group.event, own, recorded))

        def publish() -> int:
            if met is None:
                self._found.pop(id(command.keys), None)
            else:
                self._found.clear()
                met.publish(self)
            for name, own, recorded in made:
                if self._listeners:
                    got = bitmaps.from_rows(own)
                    for touched in self._listeners:
                        touched.note_events(name, got, self.next_order)
                self.events[name].publish(recorded)
            self.next_order += len(rows)
            return 0 if met is None else met.created_count

        return publish

    def folding(self, command: FoldEvents) -> Steps[Callable[[], int]]:
        """Folds the events of one type before a day, aside, as ``upserting`` writes subscribers."""
        store = self.events[command.event]
        made = yield from store.folding(command.before_day)

        def publish() -> int:
            store.publish_fold(made)
            self.note_kept()
            self.note_redefined(None)
            return 0

        return publish

    def note_kept(self) -> None:
        """Takes the first days kept from the stores. O(event types)."""
        found = ((name, store.kept_from) for name, store in self.events.items())
        self.kept_from = {name: day for name, day in found if day is not None}

    def delete(self, command: DeleteSubscribers) -> int:
        """Erases subscribers with all that is known about them; returns how many there were."""
        found = self.find(command.keys)
        self._found.clear()
        rows = bitmaps.from_rows(found[found >= 0])
        self.erase(rows)
        return len(rows)

    def erase(self, rows: BitMap) -> None:
        """Erases existing subscribers with all that is known about them."""
        if not rows:
            return
        self._erase_values(rows)
        for store in self.events.values():
            store.erase(rows)
        self.changes.erase(rows)
        self.lookups.clear()
        self.words.clear()
        for history in self.histories.values():
            history.erase(rows)
        for name, segment in self.segments.items():
            if segment.frozen is not None and segment.frozen.intersect(rows):
                self.segments[name] = _shrunk(segment, rows)
        erased = bitmaps.to_array(rows)
        self.keys.remove(erased)
        self.keys.release(erased)
        for touched in self._listeners:
            touched.erased = touched.erased | rows

    def subscriber(self, key: str | int, event_limit: int = 0) -> SubscriberRecord | None:
        """All that is known about a key, with its latest events; None for an unknown key."""
        keys: Keys = [key] if isinstance(key, str) else np.array([key], np.int64)
        row = int(self.keys.find(keys)[0])
        if row < 0:
            return None
        values = {
            name: value
            for name, index in self.attributes.items()
            if (value := index.get(row)) is not None
        }
        events: list[tuple[str, int, dict[str, str], dict[str, int]]] = []
        if event_limit:
            for name, store in self.events.items():
                for event in store.events_of(row):
                    dimensions = {n: v for n, v in event.dimensions.items() if v is not None}
                    measures = {n: v for n, v in event.measures.items() if v is not None}
                    events.append((name, event.time, dimensions, measures))
            events.sort(key=lambda event: event[1])
        latest = tuple(reversed(events[-event_limit:])) if event_limit else ()
        return SubscriberRecord(self.keys.key(row), values, self.known_since.get(row), latest)

    def _erase_values(self, rows: BitMap) -> None:
        for name, index in (("known_since", self.known_since), *self.attributes.items()):
            had = index.erase(rows)
            self.note_attribute(name, had)


def _spellings(column: ValueColumn) -> list[str | None]:
    present = column.present
    if present.all():
        return column.data
    return [text if there else None for text, there in zip(column.data, present, strict=True)]


def _shrunk(segment: Segment, rows: BitMap) -> Segment:
    frozen = segment.frozen
    assert frozen is not None
    return Segment(
        segment.name, None, frozen - rows, segment.history_days, segment.create_time_us,
        segment.update_time_us, segment.version,
    )  # fmt: skip
