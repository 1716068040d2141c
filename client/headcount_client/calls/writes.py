"""The calls of IngestService, and the messages of batches.

Rows are ``SubscriberRow``/``EventRow``, or mappings of the shape of import files: ``key`` and a
value for each attribute (``key``, ``time``, ``event`` and properties, strings being dimensions and
numbers measures). A write that its producer numbers may be repeated, since it is applied once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from headcount.v1 import ingest_service_pb2 as pb

from headcount_client import results, values
from headcount_client.calls.steps import Steps, read, write
from headcount_client.results.convert import result
from headcount_client.results.writes import EventRow, SubscriberRow
from headcount_client.values import Key

SERVICE = "IngestService"
Write = (
    pb.UpsertSubscribersRequest | pb.RecordEventsRequest | pb.DeleteSubscribersRequest
    | pb.StreamWritesRequest
)  # fmt: skip


def upsert_subscribers(
    audience: str,
    rows: Iterable[SubscriberRow | Mapping[str, Any]] = (),
    *,
    columns: pb.SubscriberColumns | None = None,
    producer: str = "",
    sequence: int = 0,
    validate_only: bool = False,
) -> Steps[results.UpsertSubscribersResponse]:
    """Create subscribers and set or remove (None) their values, up to 100,000 rows."""
    request = upsert_request(
        audience, rows, columns=columns, producer=producer, sequence=sequence,
        validate_only=validate_only,
    )  # fmt: skip
    exchange = write(SERVICE, "UpsertSubscribers", request, idempotent=bool(producer))
    return result((yield exchange))


def record_events(
    audience: str,
    rows: Iterable[EventRow | Mapping[str, Any]] = (),
    *,
    columns: pb.EventColumns | None = None,
    create_missing: bool = False,
    producer: str = "",
    sequence: int = 0,
    validate_only: bool = False,
) -> Steps[results.RecordEventsResponse]:
    """Add events, up to 100,000; with ``create_missing`` unknown keys become subscribers."""
    request = events_request(
        audience, rows, columns=columns, create_missing=create_missing, producer=producer,
        sequence=sequence, validate_only=validate_only,
    )  # fmt: skip
    return result((yield write(SERVICE, "RecordEvents", request, idempotent=bool(producer))))


def delete_subscribers(
    audience: str, keys: Iterable[Key], *, producer: str = "", sequence: int = 0
) -> Steps[results.DeleteSubscribersResponse]:
    """Erase subscribers with everything known about them; unknown keys are ignored."""
    request = delete_request(audience, keys, producer=producer, sequence=sequence)
    return result((yield write(SERVICE, "DeleteSubscribers", request, idempotent=bool(producer))))


def get_subscriber(
    audience: str, key: Key, *, event_limit: int = 0, at_least_revision: int = 0
) -> Steps[results.GetSubscriberResponse]:
    """All that is known about one subscriber, with up to 1,000 latest events."""
    request = pb.GetSubscriberRequest(
        audience=audience,
        key=values.key(key),
        event_limit=event_limit,
        at_least_revision=at_least_revision,
    )
    return result((yield read(SERVICE, "GetSubscriber", request)))


def upsert_request(
    audience: str,
    rows: Iterable[SubscriberRow | Mapping[str, Any]] = (),
    *,
    columns: pb.SubscriberColumns | None = None,
    producer: str = "",
    sequence: int = 0,
    validate_only: bool = False,
) -> pb.UpsertSubscribersRequest:
    """A batch of subscribers, for ``stream_writes`` too."""
    request = pb.UpsertSubscribersRequest(
        audience=audience, columns=columns, producer=producer, sequence=sequence,
        validate_only=validate_only,
    )  # fmt: skip
    for row in rows:
        _fill_subscriber(request.rows.add(), _subscriber_row(row))
    return request


def events_request(
    audience: str,
    rows: Iterable[EventRow | Mapping[str, Any]] = (),
    *,
    columns: pb.EventColumns | None = None,
    create_missing: bool = False,
    producer: str = "",
    sequence: int = 0,
    validate_only: bool = False,
) -> pb.RecordEventsRequest:
    """A batch of events, for ``stream_writes`` too."""
    request = pb.RecordEventsRequest(
        audience=audience, columns=columns, create_missing=create_missing, producer=producer,
        sequence=sequence, validate_only=validate_only,
    )  # fmt: skip
    for row in rows:
        _fill_event(request.rows.add(), _event_row(row))
    return request


def delete_request(
    audience: str, keys: Iterable[Key], *, producer: str = "", sequence: int = 0
) -> pb.DeleteSubscribersRequest:
    """A batch of erasures, for ``stream_writes`` too."""
    return pb.DeleteSubscribersRequest(
        audience=audience, keys=values.keys(keys), producer=producer, sequence=sequence
    )


def stream_request(batch: Write) -> pb.StreamWritesRequest:
    """A batch as a message of StreamWrites."""
    match batch:
        case pb.StreamWritesRequest():
            return batch
        case pb.UpsertSubscribersRequest():
            return pb.StreamWritesRequest(upsert_subscribers=batch)
        case pb.RecordEventsRequest():
            return pb.StreamWritesRequest(record_events=batch)
        case pb.DeleteSubscribersRequest():
            return pb.StreamWritesRequest(delete_subscribers=batch)
        case _:
            raise TypeError(f"{type(batch).__name__} is no batch of writes")


def _subscriber_row(row: SubscriberRow | Mapping[str, Any]) -> SubscriberRow:
    if isinstance(row, SubscriberRow):
        return row
    rest = dict(row)
    return SubscriberRow(
        _taken(rest, "key"), known_since=rest.pop("known_since", None),
        changed_at=rest.pop("changed_at", None), values=rest,
    )  # fmt: skip


def _event_row(row: EventRow | Mapping[str, Any]) -> EventRow:
    if isinstance(row, EventRow):
        return row
    rest = dict(row)
    key, time, event = (_taken(rest, name) for name in ("key", "time", "event"))
    dimensions: dict[str, str] = {}
    measures: dict[str, Decimal] = {}
    for name, value in rest.items():
        if isinstance(value, float):
            raise values.refuse_float(value)
        if isinstance(value, bool):
            raise TypeError(f"{name}: {value!r} is neither a string nor a number")
        if isinstance(value, Decimal | int):
            measures[name] = Decimal(value)
        elif value is not None:
            dimensions[name] = value
    return EventRow(key, time, event, dimensions, measures)


def _taken(row: dict[str, Any], name: str) -> Any:
    if row.get(name) is None:
        raise ValueError(f"{name} is missing in {row!r}")
    return row.pop(name)


def _fill_subscriber(message: pb.SubscriberRow, row: SubscriberRow) -> None:
    message.key.CopyFrom(values.key(row.key))
    for name, value in row.values.items():
        message.values[name].CopyFrom(values.attribute_value(value))
    if row.known_since is not None:
        message.known_since.CopyFrom(_moment(row.known_since, "known_since"))
    if row.changed_at is not None:
        message.changed_at.CopyFrom(_moment(row.changed_at, "changed_at"))


def _fill_event(message: pb.EventRow, row: EventRow) -> None:
    message.key.CopyFrom(values.key(row.key))
    message.time.CopyFrom(_moment(row.time, "time"))
    message.event = row.event
    dimensions, measures = values.events_properties(row.dimensions, row.measures)
    message.dimensions.update(dimensions)
    message.measures.update(measures)


def _moment(moment: datetime, field: str) -> Any:
    try:
        return values.timestamp(moment)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{field}: {error}") from None
