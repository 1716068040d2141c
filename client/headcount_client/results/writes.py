"""Answers of IngestService, field for field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from headcount_client.values import AttributeValue, Key


@dataclass(frozen=True, slots=True)
class UpsertSubscribersResponse:
    """Answer of UpsertSubscribers.

    Attributes:
        revision: position of this write in the audience's log.
        accepted_count: rows applied.
        created_count: subscribers that are new.
    """

    revision: int
    accepted_count: int
    created_count: int


@dataclass(frozen=True, slots=True)
class RecordEventsResponse:
    """Answer of RecordEvents.

    Attributes:
        revision: position of this write in the audience's log.
        accepted_count: rows applied.
        created_count: subscribers that are new.
    """

    revision: int
    accepted_count: int
    created_count: int


@dataclass(frozen=True, slots=True)
class DeleteSubscribersResponse:
    """Answer of DeleteSubscribers.

    Attributes:
        revision: position of this write in the audience's log.
        deleted_count: subscribers erased.
    """

    revision: int
    deleted_count: int


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """One subscriber of a batch to write.

    Attributes:
        key: the key.
        values: attribute name to value; None removes the value, what isn't named stays.
        known_since: when the subscriber became known; None: the time of the first write.
        changed_at: the time that `changed` takes for these values; None: that of the write.
    """

    key: Key
    values: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])
    known_since: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event, written or read.

    Attributes:
        key: the subscriber's key.
        time: when it happened; aware.
        event: name of the event type.
        dimensions: dimension name to value.
        measures: measure name to exact number.
    """

    key: Key
    time: datetime
    event: str
    dimensions: Mapping[str, str] = field(default_factory=dict[str, str])
    measures: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])


@dataclass(frozen=True, slots=True)
class GetSubscriberResponse:
    """Answer of GetSubscriber.

    Attributes:
        key: the key.
        values: attribute name to value, those with a value only.
        known_since: when the subscriber became known.
        events: latest events, the last one first.
        event_count: number of events of all types, those later than now included.
        revision: revision that the answer reflects.
    """

    key: Key
    values: dict[str, AttributeValue]
    known_since: datetime | None
    events: tuple[EventRow, ...]
    event_count: int
    revision: int


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a batch that can't be applied.

    Attributes:
        index: index in the batch, from 0.
        field: field, for example `age`.
        description: what was wrong and what would be right.
        reason: stable code of the fault.
    """

    index: int
    field: str
    description: str
    reason: str


@dataclass(frozen=True, slots=True)
class WriteAccepted:
    """A batch was applied.

    Attributes:
        revision: position of the write in the audience's log.
        accepted_count: rows applied.
        created_count: subscribers that are new.
    """

    revision: int
    accepted_count: int
    created_count: int


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """A batch was refused.

    Attributes:
        code: gRPC status code.
        reason: stable reason, as in ErrorInfo.
        message: what was wrong.
        bad_rows: the bad rows; where there are more than 100, the first ones.
        bad_row_count: number of bad rows in all.
    """

    code: int
    reason: str
    message: str
    bad_rows: tuple[BadRow, ...]
    bad_row_count: int


@dataclass(frozen=True, slots=True)
class StreamWritesResponse:
    """The answer to one batch of StreamWrites, in their order.

    Attributes:
        index: number of the batch on this stream, from 0.
        accepted: applied.
        refused: refused; nothing of it was applied.
    """

    index: int
    accepted: WriteAccepted | None
    refused: WriteRefused | None
