"""AudienceService: conversion of requests and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from headcount.v1 import audience_service_pb2, schema_pb2

from headcount_server.core.audience import Audience
from headcount_server.core.commands import Command, CreateAudience, DeleteAudience, UpdateAudience
from headcount_server.core.query import describe
from headcount_server.core.schema import AttributeSchema, EventSchema, Schema
from headcount_server.engine.interface import CommandMaker, Engine
from headcount_server.errors import InvalidInput, InvalidSchema, StaleEtag, Violation
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, require
from headcount_server.rpc.paging import named_place, page_size, page_token
from headcount_server.rpc.schemas import (
    attribute_message,
    attributes_of,
    audience_message,
    change_days_of,
    declared_message,
    engagement_of,
    event_message,
    events_of,
    schema_of,
)

VALUES_DEFAULT, VALUES_MAX = 10, 1_000
_PAGE = b"audiences"
_UPDATABLE = ("attributes", "events", "reachable", "engagement", "change_days")

Named = TypeVar("Named", AttributeSchema, EventSchema)


class AudienceService:
    """Audiences and their schemas."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create_audience(
        self, request: audience_service_pb2.CreateAudienceRequest, _: Call
    ) -> audience_service_pb2.CreateAudienceResponse:
        """Creates an audience, or only checks that it could be."""
        require(audience=request.HasField("audience"))
        require(audience__name=request.audience.name, audience__key=request.audience.key)
        name, schema = request.audience.name, schema_of(request.audience)
        await self._change(
            lambda now_us: CreateAudience(name, schema, now_us), request.validate_only
        )
        if request.validate_only:
            message = declared_message(name, schema)
        else:
            message = audience_message(self._engine.audience(name))
        return audience_service_pb2.CreateAudienceResponse(audience=message)

    async def get_audience(
        self, request: audience_service_pb2.GetAudienceRequest, _: Call
    ) -> audience_service_pb2.GetAudienceResponse:
        """One audience with its schema."""
        require(audience=request.audience)
        audience = self._engine.audience(request.audience)
        return audience_service_pb2.GetAudienceResponse(audience=audience_message(audience))

    async def list_audiences(
        self, request: audience_service_pb2.ListAudiencesRequest, _: Call
    ) -> audience_service_pb2.ListAudiencesResponse:
        """A page of audiences, by name."""
        size = page_size(request.page_size, self._engine.limits)
        after = named_place(request.page_token, _PAGE)
        following = [audience for audience in self._engine.audiences() if audience.name > after]
        response = audience_service_pb2.ListAudiencesResponse()
        for audience in following[:size]:
            response.audiences.append(audience_message(audience))
        if len(following) > size:
            response.next_page_token = page_token(_PAGE, following[size - 1].name)
        return response

    async def update_audience(
        self, request: audience_service_pb2.UpdateAudienceRequest, _: Call
    ) -> audience_service_pb2.UpdateAudienceResponse:
        """Adds to the schema, changes settings."""
        require(audience=request.HasField("audience"))
        require(audience__name=request.audience.name)
        name = request.audience.name
        paths = _paths(request)

        def update(now_us: int) -> Command:
            audience = self._engine.audience(name)
            _check_etag(audience, request.audience.etag)
            return UpdateAudience(name, _updated(audience.schema, request.audience, paths), now_us)

        await self._change(update, request.validate_only)
        audience = self._engine.audience(name)
        if request.validate_only:
            message = declared_message(name, _updated(audience.schema, request.audience, paths))
        else:
            message = audience_message(audience)
        return audience_service_pb2.UpdateAudienceResponse(audience=message)

    async def delete_audience(
        self, request: audience_service_pb2.DeleteAudienceRequest, _: Call
    ) -> audience_service_pb2.DeleteAudienceResponse:
        """Deletes an audience with all that it holds."""
        require(audience=request.audience)

        def delete(now_us: int) -> Command:
            _check_etag(self._engine.audience(request.audience), request.etag)
            return DeleteAudience(request.audience, now_us)

        await self._engine.write(delete)
        return audience_service_pb2.DeleteAudienceResponse()

    async def describe_audience(
        self, request: audience_service_pb2.DescribeAudienceRequest, _: Call
    ) -> audience_service_pb2.DescribeAudienceResponse:
        """Sizes, value counts and memory by index."""
        require(audience=request.audience)
        if not 0 <= request.value_limit <= VALUES_MAX:
            what = f"value_limit is {request.value_limit}; it must be 0 to {VALUES_MAX}"
            refuse("value_limit", what, "OUT_OF_RANGE")
        audience = self._engine.audience(request.audience)
        return _description(audience, request.value_limit or VALUES_DEFAULT)

    async def _change(self, maker: CommandMaker, validate_only: bool) -> None:
        try:
            if validate_only:
                self._engine.validate(maker)
            else:
                await self._engine.write(maker)
        except InvalidInput as error:
            raise _placed(error) from None


def _placed(error: InvalidInput) -> InvalidInput:
    """The error with its places below the request's ``audience``."""
    violations = tuple(
        v if v.field.startswith("audience.") else replace(v, field=f"audience.{v.field}")
        for v in error.violations
    )
    return type(error)(error.message, violations, **error.metadata)


def _check_etag(audience: Audience, etag: str) -> None:
    if etag and etag != audience.etag:
        raise StaleEtag(
            f'audience "{audience.name}" was changed meanwhile: its etag is {audience.etag},'
            f" not {etag[:80]}; read it again",
            resource="audience",
            name=audience.name,
            etag=audience.etag,
        )


def _paths(request: audience_service_pb2.UpdateAudienceRequest) -> tuple[str, ...]:
    """What is to be updated."""
    for i, path in enumerate(request.update_mask.paths):
        if path not in _UPDATABLE:
            what = f'"{path[:80]}" can\'t be updated; {", ".join(_UPDATABLE)} can'
            refuse(f"update_mask.paths[{i}]", what, "INVALID_MASK")
    if request.update_mask.paths:
        return tuple(request.update_mask.paths)
    given = {field.name for field, _ in request.audience.ListFields()}
    return tuple(path for path in _UPDATABLE if path in given)


def _updated(schema: Schema, message: schema_pb2.Audience, paths: Sequence[str]) -> Schema:
    """The schema with what the message adds and sets."""
    attributes: tuple[AttributeSchema, ...] = ()
    events: tuple[EventSchema, ...] = ()
    if "attributes" in paths:
        attributes = _added("attributes", schema.attributes, attributes_of(message))
    if "events" in paths:
        given = events_of(message)
        schema = replace(schema, events=_kept_for(schema.events, given))
        events = _added("events", schema.events, given)
    schema = schema.extended(attributes, events)
    if "reachable" in paths:
        schema = replace(schema, reachable=message.reachable)
    if "engagement" in paths:
        schema = replace(schema, engagement=engagement_of(message.engagement))
    if "change_days" in paths:
        schema = replace(schema, change_days=change_days_of(message))
    return schema


def _kept_for(
    declared: tuple[EventSchema, ...], given: tuple[EventSchema, ...]
) -> tuple[EventSchema, ...]:
    """Event types kept for as long as those given of the same name are."""
    days = {event.name: event.retention_days for event in given}
    return tuple(
        replace(event, retention_days=days.get(event.name, event.retention_days))
        for event in declared
    )


def _added(field: str, declared: tuple[Named, ...], given: tuple[Named, ...]) -> tuple[Named, ...]:
    """Those that aren't declared yet; one that is must be equal."""
    known = {one.name: one for one in declared}
    for i, one in enumerate(given):
        if known.get(one.name, one) != one:
            place = f"audience.{field}[{i}]"
            what = f'"{one.name}" is declared otherwise, which can\'t be changed'
            raise InvalidSchema(f"{place}: {what}", (Violation(place, what, "INVALID_SCHEMA"),))
    return tuple(one for one in given if one.name not in known)


def _description(
    audience: Audience, value_limit: int
) -> audience_service_pb2.DescribeAudienceResponse:
    found = describe(audience, value_limit)
    response = audience_service_pb2.DescribeAudienceResponse(
        audience=audience_message(audience),
        segment_count=found.segment_count,
        key_memory_bytes=found.key_memory_bytes,
        memory_bytes=found.memory_bytes,
    )
    for attribute in found.attributes:
        message = response.attributes.add(
            attribute=attribute_message(attribute.attribute),
            subscriber_count=attribute.subscriber_count,
            distinct_count=attribute.distinct_count,
            minimum=attribute.minimum,
            maximum=attribute.maximum,
            memory_bytes=attribute.memory_bytes,
        )
        for value, count in attribute.values:
            message.values.add(value=value, count=count)
    for event in found.events:
        described = response.events.add(
            event=event_message(event.event),
            event_count=event.event_count,
            first_day=event.first_day,
            last_day=event.last_day,
            memory_bytes=event.memory_bytes,
            kept_from=event.kept_from,
        )
        for name, count in event.dimensions:
            described.dimensions.add(dimension=name, distinct_count=count)
    return response
