"""Commands: everything that changes state, as immutable values that carry their own time.

A command holds every choice that was made when it was accepted (time, parsed values), so that
applying the same commands in the same order gives the same state. Times are microseconds since
1970-01-01T00:00Z. A command of a batch is applied whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headcount_server.core.rules.tree import Rule
from headcount_server.core.schema import Schema
from headcount_server.core.values import ValueColumn

Keys = Sequence[str] | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Producer:
    """Who numbered a batch, for exactly-once writes: ``sequence`` counts from 1 without gaps."""

    name: str
    sequence: int


@dataclass(frozen=True, slots=True)
class CreateAudience:
    """A new, empty audience."""

    audience: str
    schema: Schema
    time_us: int


@dataclass(frozen=True, slots=True)
class UpdateAudience:
    """A schema that extends the present one, or other settings."""

    audience: str
    schema: Schema
    time_us: int


@dataclass(frozen=True, slots=True)
class DeleteAudience:
    """The end of an audience."""

    audience: str
    time_us: int


@dataclass(frozen=True, slots=True)
class AttributeValues:
    """Values of one attribute in a batch of subscribers.

    Attributes:
        attribute: name of the attribute.
        values: one value for each of ``rows``.
        rows: indexes into the batch, ascending; None: every row of the batch, in order.
    """

    attribute: str
    values: ValueColumn
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class UpsertSubscribers:
    """Creates subscribers and sets or removes values; a key may stand several times.

    Attributes:
        keys: one for each row.
        values: columns; rows of an attribute that no column names keep their values.
        known_since: for each row microseconds, where ``known_since_present``; None: for none.
        changed_at: likewise, the time that ``changed`` takes; else ``time_us``.
    """

    audience: str
    keys: Keys
    values: tuple[AttributeValues, ...]
    time_us: int
    known_since: ValueColumn | None = None
    changed_at: ValueColumn | None = None
    producer: Producer | None = None


@dataclass(frozen=True, slots=True)
class EventGroup:
    """The events of one type in a batch.

    Attributes:
        event: name of the event type.
        rows: indexes into the batch, ascending; None: every row.
        dimensions: name -> one keyword value for each of ``rows``.
        measures: name -> one integer of the measure's scale for each of ``rows``.
    """

    event: str
    rows: NDArray[np.int64] | None = None
    dimensions: dict[str, ValueColumn] = field(default_factory=dict[str, ValueColumn])
    measures: dict[str, ValueColumn] = field(default_factory=dict[str, ValueColumn])


@dataclass(frozen=True, slots=True)
class RecordEvents:
    """Adds events, in the order of the rows.

    Attributes:
        keys: one for each row.
        times: microseconds, one for each row.
        groups: by event type; every row stands in exactly one.
        create_missing: whether unknown keys become subscribers.
    """

    audience: str
    keys: Keys
    times: NDArray[np.int64]
    groups: tuple[EventGroup, ...]
    time_us: int
    create_missing: bool = False
    producer: Producer | None = None


@dataclass(frozen=True, slots=True)
class DeleteSubscribers:
    """Erases subscribers with everything known about them; unknown keys are ignored."""

    audience: str
    keys: Keys
    time_us: int
    producer: Producer | None = None


@dataclass(frozen=True, slots=True)
class CreateSegment:
    """Saves a rule under a new name; ``history_days`` 0 keeps no history."""

    audience: str
    segment: str
    rule: Rule
    history_days: int
    time_us: int


@dataclass(frozen=True, slots=True)
class UpdateSegment:
    """Replaces a segment's rule and settings."""

    audience: str
    segment: str
    rule: Rule
    history_days: int
    time_us: int


@dataclass(frozen=True, slots=True)
class DeleteSegment:
    """The end of a segment."""

    audience: str
    segment: str
    time_us: int


@dataclass(frozen=True, slots=True)
class FreezeSegment:
    """A static list of the members that ``rule`` had at ``as_of_us``, at this place in the log."""

    audience: str
    segment: str
    rule: Rule
    as_of_us: int
    time_us: int


@dataclass(frozen=True, slots=True)
class AdvanceClock:
    """The passing of time where nothing was written: whoever is due to enter or leave a segment
    whose history is kept does so, each at the instant at which it was due."""

    audience: str
    time_us: int


@dataclass(frozen=True, slots=True)
class FoldEvents:
    """Of the events of one type on days before ``before_day`` each subscriber keeps the first and
    the last, without dimensions and measures; later ones of those days are folded as they come."""

    audience: str
    event: str
    before_day: int
    time_us: int


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """All audiences become those of a snapshot, with revisions that go on from the present ones.

    Attributes:
        snapshot: its name.
        digest: of its manifest, in hexadecimal.
        position: of the snapshot in this log: erasures after it are done once more. None: it is of
            another log, and those at ``create_time_us`` or later are.
        create_time_us: when the snapshot was taken.
    """

    snapshot: str
    digest: str
    time_us: int
    position: int | None = None
    create_time_us: int = 0


Write = UpsertSubscribers | RecordEvents | DeleteSubscribers
Command = (
    CreateAudience | UpdateAudience | DeleteAudience | Write | CreateSegment | UpdateSegment
    | DeleteSegment | FreezeSegment | AdvanceClock | FoldEvents
)  # fmt: skip
Logged = Command | RestoreSnapshot  # what a log holds


@dataclass(frozen=True, slots=True)
class Applied:
    """What a command did.

    Attributes:
        revision: position of the command in its audience's log.
        accepted_count: rows applied.
        created_count: subscribers that are new.
        deleted_count: subscribers erased.
    """

    revision: int
    accepted_count: int = 0
    created_count: int = 0
    deleted_count: int = 0
