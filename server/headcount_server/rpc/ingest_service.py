"""IngestService: batches into commands, acknowledged in order; one subscriber read back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from headcount.v1 import ingest_service_pb2

from headcount_server.core.audience import Audience
from headcount_server.core.commands import (
    Applied,
    Command,
    DeleteSubscribers,
    RecordEvents,
    UpsertSubscribers,
)
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.values import to_python
from headcount_server.engine.interface import Engine
from headcount_server.errors import HeadcountError, NotFound
from headcount_server.limits import Limits
from headcount_server.rpc import status
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.batches import Batch, delete_command, record_command, upsert_command
from headcount_server.rpc.calls import Call, Threads, require
from headcount_server.rpc.keys import as_keys, key_of, set_key
from headcount_server.rpc.questions import Questions
from headcount_server.rpc.times import set_time

EVENTS_MAX = 1_000  # of one subscriber, in one answer
_CONVERTERS: dict[str, Callable[[Any, Audience, int, Limits], Any]] = {
    "UpsertSubscribersRequest": upsert_command,
    "RecordEventsRequest": record_command,
    "DeleteSubscribersRequest": delete_command,
}
Write = TypeVar("Write", UpsertSubscribers, RecordEvents, DeleteSubscribers)


class IngestService:
    """Writes."""

    def __init__(self, engine: Engine, threads: Threads) -> None:
        self._engine = engine
        self._threads = threads
        self._questions = Questions(engine, threads)

    async def upsert_subscribers(
        self, request: ingest_service_pb2.UpsertSubscribersRequest, _: Call
    ) -> ingest_service_pb2.UpsertSubscribersResponse:
        """Creates subscribers and sets or removes values, or only checks that it could."""
        applied = await self._write(request, request.validate_only)
        return ingest_service_pb2.UpsertSubscribersResponse(
            revision=applied.revision,
            accepted_count=applied.accepted_count,
            created_count=applied.created_count,
        )

    async def record_events(
        self, request: ingest_service_pb2.RecordEventsRequest, _: Call
    ) -> ingest_service_pb2.RecordEventsResponse:
        """Adds events, or only checks that it could."""
        applied = await self._write(request, request.validate_only)
        return ingest_service_pb2.RecordEventsResponse(
            revision=applied.revision,
            accepted_count=applied.accepted_count,
            created_count=applied.created_count,
        )

    async def delete_subscribers(
        self, request: ingest_service_pb2.DeleteSubscribersRequest, _: Call
    ) -> ingest_service_pb2.DeleteSubscribersResponse:
        """Erases subscribers."""
        applied = await self._write(request)
        return ingest_service_pb2.DeleteSubscribersResponse(
            revision=applied.revision, deleted_count=applied.deleted_count
        )

    async def stream_writes(
        self, requests: AsyncIterator[Any], _: Call
    ) -> AsyncIterator[ingest_service_pb2.StreamWritesResponse]:
        """Batches, answered in their order; a batch is read when the one before it is answered."""
        index = 0
        async for request in requests:
            response = ingest_service_pb2.StreamWritesResponse(index=index)
            try:
                applied = await self._write(*_batch(request))
            except HeadcountError as error:
                response.refused.CopyFrom(status.refusal(error))
            except Exception:
                error = status.bug("IngestService.StreamWrites")
                response.refused.CopyFrom(status.refusal(error))
            else:
                response.accepted.revision = applied.revision
                response.accepted.accepted_count = applied.accepted_count
                response.accepted.created_count = applied.created_count
            yield response
            index += 1

    async def get_subscriber(
        self, request: ingest_service_pb2.GetSubscriberRequest, call: Call
    ) -> ingest_service_pb2.GetSubscriberResponse:
        """All that is known about one subscriber."""
        require(audience=request.audience, key=request.HasField("key"))
        if not 0 <= request.event_limit <= EVENTS_MAX:
            what = f"event_limit is {request.event_limit}; it must be 0 to {EVENTS_MAX}"
            refuse("event_limit", what, "OUT_OF_RANGE")
        await self._questions.reached(request.audience, request.at_least_revision, call)
        audience = self._engine.audience(request.audience)
        key = key_of(request.key, audience.schema.key)
        return _subscriber(audience, key, request.event_limit)

    async def _write(self, request: Batch, validate_only: bool = False) -> Applied:
        """Applies a batch as of the audience's schema at its turn."""
        require(audience=request.audience)
        audience = self._engine.audience(request.audience)
        schema, created_us = audience.schema, audience.create_time_us
        convert, limits = _CONVERTERS[type(request).__name__], self._engine.limits
        size = request.ByteSize()
        command = await self._threads.run(size, convert, request, audience, 0, limits)

        def at_turn(now_us: int) -> Command:
            present = self._engine.audience(request.audience)
            if present.schema is schema and present.create_time_us == created_us:
                return replace(command, time_us=now_us)
            return convert(request, present, now_us, limits)

        if not validate_only:
            return await self._engine.write(at_turn, size)
        self._engine.validate(at_turn)
        revision = self._engine.audience(request.audience).revision
        return Applied(revision, len(command.keys))


def _batch(request: ingest_service_pb2.StreamWritesRequest | HeadcountError) -> tuple[Batch, bool]:
    if isinstance(request, HeadcountError):
        raise request
    kind = request.WhichOneof("write")
    if kind is None:
        refuse("write", "there is no batch; set one of the three", "UNSET")
    batch = getattr(request, kind)
    return batch, kind != "delete_subscribers" and batch.validate_only


# --- reading back ---------------------------------------------------------------------------------


def _subscriber(
    audience: Audience, key: str | int, event_limit: int
) -> ingest_service_pb2.GetSubscriberResponse:
    record = audience.subscriber(key, event_limit)
    if record is None:
        raise NotFound(f"no subscriber {key!r}", resource="subscriber", name=str(key))
    response = ingest_service_pb2.GetSubscriberResponse(revision=audience.revision)
    set_key(response.key, record.key)
    set_time(response.known_since, record.known_since_us)
    for attribute in audience.schema.attributes:
        if attribute.name in record.values:
            _set_value(response.values[attribute.name], attribute, record.values[attribute.name])
    scales = {event.name: dict(event.measures) for event in audience.schema.events}
    for name, time_us, dimensions, measures in record.events:
        event = response.events.add(event=name, dimensions=dimensions)
        set_key(event.key, record.key)
        set_time(event.time, time_us)
        for measure, value in measures.items():
            event.measures[measure] = format(Decimal(value).scaleb(-scales[name][measure]), "f")
    row = int(audience.keys.find(as_keys(key))[0])
    response.event_count = sum(len(store.events_of(row)) for store in audience.events.values())
    return response


def _set_value(
    message: ingest_service_pb2.AttributeValue, attribute: AttributeSchema, value: Any
) -> None:
    match attribute.type:
        case AttributeType.KEYWORD | AttributeType.TEXT:
            message.text = value
        case AttributeType.KEYWORDS:
            message.texts.values.extend(value)
        case AttributeType.BOOLEAN:
            message.boolean = value
        case AttributeType.INTEGER:
            message.integer = value
        case AttributeType.DECIMAL:
            message.decimal = format(to_python(attribute, value), "f")
        case AttributeType.DATE:
            message.date = to_python(attribute, value).isoformat()
        case AttributeType.TIMESTAMP:
            set_time(message.timestamp, value)
        case AttributeType.LOCATION:
            message.location.latitude, message.location.longitude = value
