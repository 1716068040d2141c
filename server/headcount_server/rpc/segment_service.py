"""SegmentService: conversion of requests and answers.

A segment's rule comes as a tree or a text and goes out as both, without spans.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headcount.v1 import segment_service_pb2

from headcount_server.core.audience import Audience
from headcount_server.core.commands import (
    Applied,
    Command,
    CreateSegment,
    DeleteSegment,
    FreezeSegment,
    UpdateSegment,
)
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.tree import Rule
from headcount_server.core.segments import Segment, find
from headcount_server.engine.interface import CommandMaker, Engine
from headcount_server.errors import InUse, InvalidInput, StaleEtag
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, Threads, require
from headcount_server.rpc.paging import named_place, page_size, page_token
from headcount_server.rpc.questions import Asked, Questions
from headcount_server.rpc.rules import rule_message
from headcount_server.rpc.times import micros_of, set_time

_UPDATABLE = ("rule", "rule_text", "history_days")


class SegmentService:
    """Saved, named rules of an audience."""

    def __init__(self, engine: Engine, threads: Threads) -> None:
        self._engine = engine
        self._questions = Questions(engine, threads)

    async def create_segment(
        self, request: segment_service_pb2.CreateSegmentRequest, _: Call
    ) -> segment_service_pb2.CreateSegmentResponse:
        """Saves a rule under a name, or only checks that it could."""
        message = request.segment
        require(segment__audience=message.audience, segment__name=message.name)
        _check_history(message.history_days)
        asked = await self._asked(message)
        if asked is None:
            refuse("segment.rule", "the rule is missing; give rule or rule_text", "MISSING")

        def create(now_us: int) -> Command:
            return CreateSegment(
                message.audience, message.name, asked.rule, message.history_days, now_us
            )

        applied = await self._change(create, asked, request.validate_only)
        response = segment_service_pb2.CreateSegmentResponse()
        if applied is None:
            unsaved = Segment(message.name, asked.rule, None, message.history_days, 0, 0, 0)
            _fill(response.segment, message.audience, unsaved)
        else:
            response.revision = applied.revision
            self._fill_saved(response.segment, message.audience, message.name)
        return response

    async def get_segment(
        self, request: segment_service_pb2.GetSegmentRequest, _: Call
    ) -> segment_service_pb2.GetSegmentResponse:
        """One segment."""
        require(audience=request.audience, segment=request.segment)
        response = segment_service_pb2.GetSegmentResponse()
        self._fill_saved(response.segment, request.audience, request.segment)
        return response

    async def list_segments(
        self, request: segment_service_pb2.ListSegmentsRequest, _: Call
    ) -> segment_service_pb2.ListSegmentsResponse:
        """A page of segments, by name."""
        require(audience=request.audience)
        size = page_size(request.page_size, self._engine.limits)
        question = f"segments {request.audience}".encode()
        after = named_place(request.page_token, question)
        segments = self._engine.audience(request.audience).segments
        names = sorted(name for name in segments if name > after)
        response = segment_service_pb2.ListSegmentsResponse()
        for name in names[:size]:
            _fill(response.segments.add(), request.audience, segments[name])
        if len(names) > size:
            response.next_page_token = page_token(question, names[size - 1])
        return response

    async def update_segment(
        self, request: segment_service_pb2.UpdateSegmentRequest, _: Call
    ) -> segment_service_pb2.UpdateSegmentResponse:
        """Changes the rule or settings of a segment, or only checks that it could."""
        message = request.segment
        require(segment__audience=message.audience, segment__name=message.name)
        _check_history(message.history_days)
        sets_rule, sets_history = _updates(request)
        asked = await self._asked(message) if sets_rule else None
        if sets_rule and asked is None:
            refuse("segment.rule", "the rule is missing; give rule or rule_text", "MISSING")

        def update(now_us: int) -> Command:
            segment = self._current(message.audience, message.name, message.etag)
            rule = segment.rule if asked is None else asked.rule
            if rule is None:
                raise InUse(
                    f'segment "{segment.name}" is a static list, which has no rule to update',
                    segment=segment.name,
                )
            days = message.history_days if sets_history else segment.history_days
            return UpdateSegment(message.audience, message.name, rule, days, now_us)

        applied = await self._change(update, asked, request.validate_only)
        response = segment_service_pb2.UpdateSegmentResponse()
        if applied is not None:
            response.revision = applied.revision
        self._fill_saved(response.segment, message.audience, message.name)
        return response

    async def delete_segment(
        self, request: segment_service_pb2.DeleteSegmentRequest, _: Call
    ) -> segment_service_pb2.DeleteSegmentResponse:
        """Deletes a segment that nothing uses."""
        require(audience=request.audience, segment=request.segment)

        def delete(now_us: int) -> Command:
            self._current(request.audience, request.segment, request.etag)
            return DeleteSegment(request.audience, request.segment, now_us)

        applied = await self._engine.write(delete)
        return segment_service_pb2.DeleteSegmentResponse(revision=applied.revision)

    async def freeze_segment(
        self, request: segment_service_pb2.FreezeSegmentRequest, _: Call
    ) -> segment_service_pb2.FreezeSegmentResponse:
        """Saves the present members of a rule as a static list."""
        require(
            audience=request.audience,
            segment=request.segment,
            rule=request.WhichOneof("question"),
        )
        as_of_us = micros_of(request.as_of, "as_of") if request.HasField("as_of") else None
        asked = await self._questions.asked(request)

        def freeze(now_us: int) -> Command:
            if asked.segment:
                find(asked.segment, self._engine.audience(request.audience).segments)
            as_of = now_us if as_of_us is None else as_of_us
            return FreezeSegment(request.audience, request.segment, asked.rule, as_of, now_us)

        with asked.locating():
            applied = await self._engine.write(freeze)
        response = segment_service_pb2.FreezeSegmentResponse(revision=applied.revision)
        self._fill_saved(response.segment, request.audience, request.segment)
        return response

    async def _asked(self, message: segment_service_pb2.Segment) -> Asked | None:
        if message.HasField("rule") and message.rule_text:
            refuse("segment.rule_text", "give rule or rule_text, not both", "BOTH_GIVEN")
        if message.HasField("rule"):
            return Asked(await self._questions.rule(message.rule, "segment.rule"))
        if message.rule_text:
            text = message.rule_text
            return Asked(await self._questions.text(text, "segment.rule_text"), text)
        return None

    async def _change(
        self, maker: CommandMaker, asked: Asked | None, validate_only: bool
    ) -> Applied | None:
        try:
            if not validate_only:
                return await self._engine.write(maker)
            self._engine.validate(maker)
        except InvalidInput as error:
            located = asked.located(error) if asked is not None else error
            raise _placed(located) from None
        return None

    def _current(self, audience: str, name: str, etag: str) -> Segment:
        """The segment as it is now, whose etag is the one given, if one is."""
        segment = find(name, self._engine.audience(audience).segments)
        if etag and etag != segment.etag:
            raise StaleEtag(
                f'segment "{name}" was changed meanwhile: its etag is {segment.etag},'
                f" not {etag[:80]}; read it again",
                resource="segment",
                name=name,
                etag=segment.etag,
            )
        return segment

    def _fill_saved(self, message: segment_service_pb2.Segment, audience: str, name: str) -> None:
        found: Audience = self._engine.audience(audience)
        _fill(message, audience, find(name, found.segments))


def _placed(error: Any) -> Any:
    """The error with its places below the request's ``segment``."""
    violations = tuple(
        v if v.field.startswith("segment.") else replace(v, field=f"segment.{v.field}")
        for v in error.violations
    )
    return type(error)(error.message, violations, **error.metadata)


def _check_history(days: int) -> None:
    if days < 0:
        refuse("segment.history_days", f"{days} days; 0 or more are possible", "OUT_OF_RANGE")


def _updates(request: segment_service_pb2.UpdateSegmentRequest) -> tuple[bool, bool]:
    """Whether the rule, and whether the history, is updated."""
    for i, path in enumerate(request.update_mask.paths):
        if path not in _UPDATABLE:
            what = f'"{path[:80]}" can\'t be updated; {", ".join(_UPDATABLE)} can'
            refuse(f"update_mask.paths[{i}]", what, "INVALID_MASK")
    paths = set(request.update_mask.paths)
    if paths:
        return bool(paths & {"rule", "rule_text"}), "history_days" in paths
    message = request.segment
    sets_rule = message.HasField("rule") or bool(message.rule_text)
    if not sets_rule and not message.history_days:
        refuse("segment.rule", "nothing to update; give rule, rule_text or history_days", "MISSING")
    return sets_rule, message.history_days != 0


def _fill(message: segment_service_pb2.Segment, audience: str, segment: Segment) -> None:
    message.audience, message.name = audience, segment.name
    message.history_days = segment.history_days
    if segment.version:
        message.etag = segment.etag
        set_time(message.create_time, segment.create_time_us)
        set_time(message.update_time, segment.update_time_us)
    if segment.frozen is not None:
        message.frozen, message.frozen_count = True, len(segment.frozen)
    rule: Rule | None = segment.rule
    if rule is not None:
        message.rule_text = format_rule(rule)
        rule_message(rule, message.rule)
