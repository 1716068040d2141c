"""QueryService: conversion of questions and answers; the answers come from ``core.query``."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any

from headcount.v1 import query_service_pb2, rule_pb2

from headcount_server.core import query
from headcount_server.core.query import Ask, By
from headcount_server.core.rules.tree import InSegment, Rule, Text, Unit
from headcount_server.core.schema import KeyType
from headcount_server.core.steps import Steps
from headcount_server.engine.interface import Engine
from headcount_server.errors import (
    HeadcountError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Violation,
    WrongKeyType,
)
from headcount_server.rpc import answers
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, Threads, require
from headcount_server.rpc.count_stream import CountStream
from headcount_server.rpc.kept_counts import KeptCounts
from headcount_server.rpc.keys import as_keys, key_of, set_keys
from headcount_server.rpc.paging import page_size, page_token, place_of
from headcount_server.rpc.questions import Asked, Stopwatch, present
from headcount_server.rpc.watch_calls import WatchCalls

BREAKDOWNS_MAX = 20
_SAMPLE_DEFAULT = 10
_BREAKDOWN_DEFAULT = 1_000
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


class QueryService(WatchCalls):
    """Questions about an audience."""

    def __init__(self, engine: Engine, threads: Threads) -> None:
        super().__init__(engine, threads)
        self._counts = KeptCounts(engine)

    async def count(
        self, request: query_service_pb2.CountRequest, call: Call
    ) -> query_service_pb2.CountResponse:
        """The exact count of a rule."""
        ask, asked, watch = await self._questions.question(request, call)
        response = query_service_pb2.CountResponse()
        with asked.locating():
            if request.waterfall:
                found = query.count(ask, asked.rule, waterfall=True)
            else:
                found = self._counts.count(call.raw, request, ask, asked.rule)
        answers.set_count(response, found)
        watch.stamp(response, ask)
        return response

    def count_again(self, raw: bytes) -> bytes | None:
        """The exact count of a request that was counted before; None for any other."""
        return self._counts.answer(raw)

    async def batch_count(
        self, request: query_service_pb2.BatchCountRequest, call: Call
    ) -> query_service_pb2.BatchCountResponse:
        """The counts of many rules at one revision."""
        require(audience=request.audience, questions=request.questions)
        self._check_number(request.questions, self._limits.batch_rules_max, "batch_rules_max")
        asked = await self._questions.each(request.questions)
        ask = await self._questions.ask(request, call)
        watch = Stopwatch()
        asked = [present(ask, one) for one in asked]
        response = query_service_pb2.BatchCountResponse()
        rules = _rules(asked)
        found, ask = await self._slices.answer(ask, lambda ask: query.batch_count_steps(ask, rules))
        answers.set_counts(response, asked, found)
        watch.stamp(response, ask)
        return response

    async def count_stream(
        self, requests: AsyncIterator[Any], call: Call
    ) -> AsyncIterator[query_service_pb2.CountStreamResponse]:
        """Counting while typing."""
        stream = CountStream(self._questions, self._limits, call)
        async with aclosing(stream.answers(requests)) as found:
            async for answer in found:
                yield answer

    async def explain(
        self, request: query_service_pb2.ExplainRequest, call: Call
    ) -> query_service_pb2.ExplainResponse:
        """The count at every node of a rule."""
        tolerant = request.tolerant
        ask, asked, watch = await self._questions.question(request, call, tolerant=tolerant)
        with asked.locating():
            found, ask = await self._slices.answer(
                ask, lambda ask: query.explain_steps(ask, asked.rule, tolerant=tolerant)
            )
        response = query_service_pb2.ExplainResponse()
        answers.set_explanation(response, asked, found)
        watch.stamp(response, ask)
        return response

    async def list_members(
        self, request: query_service_pb2.ListMembersRequest, call: Call
    ) -> query_service_pb2.ListMembersResponse:
        """A page of keys, ascending."""
        size = page_size(request.page_size, self._limits)
        question = _question_bytes(request)
        ask, asked, watch = await self._questions.question(request, call)
        key_type = ask.audience.schema.key
        after = place_of(request.page_token, question)
        if after is not None and isinstance(after, str) != (key_type is KeyType.STRING):
            refuse("page_token", "the page token has a key of another type", "PAGE_TOKEN_MISMATCH")
        with asked.locating():
            (keys, total, following), ask = await self._slices.answer(
                ask, lambda ask: query.page_steps(ask, asked.rule, after, size)
            )
        response = query_service_pb2.ListMembersResponse(
            total=total, next_page_token=page_token(question, following)
        )
        set_keys(response.keys, keys, key_type)
        watch.stamp(response, ask)
        return response

    async def export_members(
        self, request: query_service_pb2.ExportMembersRequest, call: Call
    ) -> AsyncIterator[query_service_pb2.ExportMembersResponse]:
        """All keys, or one bitmap, in pieces."""
        if request.format not in query_service_pb2.ExportFormat.values():
            refuse("format", f"format is {request.format}, which means nothing", "INVALID_ENUM")
        as_bitmap = request.format == query_service_pb2.EXPORT_FORMAT_ROARING
        ask, asked, watch = await self._questions.question(request, call)
        key_type = ask.audience.schema.key
        if as_bitmap and key_type is not KeyType.UINT32:
            raise WrongKeyType(
                f"only keys that are uint32 have a bitmap; this audience's are {key_type.value}",
                key=key_type.value,
            )
        with asked.locating():
            total, messages = answers.exported(ask, asked.rule, as_bitmap)
        first = query_service_pb2.ExportMembersResponse(total=total)
        watch.stamp(first, ask)
        for message in messages:
            if first.total or first.HasField("as_of_time"):
                message.MergeFrom(first)
                first.Clear()
            yield message

    async def sample_members(
        self, request: query_service_pb2.SampleMembersRequest, call: Call
    ) -> query_service_pb2.SampleMembersResponse:
        """Some members, the same ones for the same seed."""
        if not 0 <= request.size <= self._limits.sample_size_max:
            what = f"size is {request.size}; it must be 0 to {self._limits.sample_size_max}"
            refuse("size", what, "OUT_OF_RANGE")
        ask, asked, watch = await self._questions.question(request, call)
        with asked.locating():
            size = request.size or _SAMPLE_DEFAULT
            (keys, total), ask = await self._slices.answer(
                ask, lambda ask: query.sample_steps(ask, asked.rule, size, request.seed)
            )
        response = query_service_pb2.SampleMembersResponse(total=total)
        set_keys(response.keys, keys, ask.audience.schema.key)
        watch.stamp(response, ask)
        return response

    async def breakdown(
        self, request: query_service_pb2.BreakdownRequest, call: Call
    ) -> query_service_pb2.BreakdownResponse:
        """A count broken down by attributes, with lift against a base."""
        require(audience=request.audience, rule=request.WhichOneof("question"), by=request.by)
        self._check_number(request.by, BREAKDOWNS_MAX, "breakdowns_max", "by")
        by = [_by(message, f"by[{i}]") for i, message in enumerate(request.by)]
        base = await self._questions.within(request, "base_question")
        ask, asked, watch = await self._questions.question(request, call)
        with asked.locating():
            ask.bind(asked.rule)
        if base is not None:
            with base.locating():
                _bind(ask, base.rule, "base")
        compared = None if base is None else base.rule
        found, ask = await self._slices.answer(
            ask, lambda ask: query.breakdown_steps(ask, asked.rule, by, compared)
        )
        response = query_service_pb2.BreakdownResponse()
        answers.set_breakdown(response, found)
        watch.stamp(response, ask)
        return response

    async def overlap(
        self, request: query_service_pb2.OverlapRequest, call: Call
    ) -> query_service_pb2.OverlapResponse:
        """What several rules have in common."""
        require(audience=request.audience, questions=request.questions)
        self._check_number(request.questions, self._limits.overlap_sets_max, "overlap_sets_max")
        if request.regions:
            highest = self._limits.overlap_regions_max
            self._check_number(request.questions, highest, "overlap_regions_max")
        places = [f"questions[{i}]." for i in range(len(request.questions))]
        asked = [
            await self._questions.asked(message, place)
            for message, place in zip(request.questions, places, strict=True)
        ]
        ask = await self._questions.ask(request, call)
        watch = Stopwatch()
        for one, place in zip(asked, places, strict=True):
            checked = present(ask, one)
            if isinstance(checked, HeadcountError):
                raise checked
            with one.locating(place):
                ask.bind(one.rule)
        response = query_service_pb2.OverlapResponse()
        rules = [one.rule for one in asked]
        found, ask = await self._slices.answer(
            ask, lambda ask: query.overlap_steps(ask, rules, request.regions)
        )
        answers.set_overlap(response, found)
        watch.stamp(response, ask)
        return response

    async def match_subscriber(
        self, request: query_service_pb2.MatchSubscriberRequest, call: Call
    ) -> query_service_pb2.MatchSubscriberResponse:
        """Which rules and segments a subscriber matches."""
        require(audience=request.audience, key=request.HasField("key"))
        self._check_number(request.questions, self._limits.batch_rules_max, "batch_rules_max")
        asked = await self._questions.each(request.questions)
        ask = await self._questions.ask(request, call)
        watch = Stopwatch()
        key = key_of(request.key, ask.audience.schema.key)
        (tried, found), ask = await self._slices.answer(ask, lambda ask: _matched(ask, key, asked))
        response = query_service_pb2.MatchSubscriberResponse()
        answers.set_match(response, tried, found)
        watch.stamp(response, ask)
        return response

    def _check_number(
        self, given: Sequence[Any], highest: int, limit: str, place: str = "questions"
    ) -> None:
        if len(given) > highest:
            what = f"{len(given)} are given; the limit {limit} is {highest}"
            violation = Violation(place, what, "LIMIT_EXCEEDED")
            raise LimitExceeded(f"{place}: {what}", (violation,), limit=limit)


def _matched(
    ask: Ask, key: str | int, asked: Sequence[Asked | HeadcountError]
) -> Steps[tuple[list[Asked | HeadcountError], list[query.MatchResult]]]:
    """What is tried on a subscriber, every segment if nothing is asked, and how it matches."""
    row = int(ask.audience.keys.find(as_keys(key))[0])
    if row < 0:
        raise NotFound(f"no subscriber {key!r}", resource="subscriber", name=str(key))
    if not asked:
        names = sorted(ask.audience.segments)
        asked = [Asked(InSegment(Text(name)), segment=name) for name in names]
    tried = [present(ask, one) for one in asked]
    questions = [(one.segment, one.rule) if isinstance(one, Asked) else ("", one) for one in tried]
    return tried, (yield from query.match_steps(ask, row, questions))


def _rules(asked: Sequence[Asked | HeadcountError]) -> list[Rule | HeadcountError]:
    return [one.rule if isinstance(one, Asked) else one for one in asked]


def _bind(ask: Ask, rule: Rule, place: str) -> None:
    """Bind a rule that stands in another field than ``rule``, for the place of its faults."""
    try:
        ask.bind(rule)
    except InvalidInput as error:
        violations = tuple(
            replace(v, field=place + v.field.removeprefix("rule")) for v in error.violations
        )
        raise type(error)(error.message, violations, **error.metadata) from None


def _by(message: query_service_pb2.BreakdownBy, place: str) -> By:
    if not message.attribute:
        refuse(f"{place}.attribute", "attribute is missing", "MISSING")
    edges: list[Decimal] = []
    for i, edge in enumerate(message.edges):
        if not _DECIMAL.fullmatch(edge):
            refuse(f"{place}.edges[{i}]", f"{edge[:80]!r} is no exact decimal", "INVALID_NUMBER")
        edges.append(Decimal(edge))
    if message.unit not in rule_pb2.Unit.values():
        refuse(f"{place}.unit", f"unit is {message.unit}, which means nothing", "INVALID_ENUM")
    unit = Unit(message.unit) if message.unit else None
    return By(message.attribute, message.limit or _BREAKDOWN_DEFAULT, tuple(edges), unit)


def _question_bytes(request: query_service_pb2.ListMembersRequest) -> bytes:
    """What pages of one question have in common."""
    question = query_service_pb2.ListMembersRequest()
    question.CopyFrom(request)
    for field in ("page_size", "page_token", "at_least_revision"):
        question.ClearField(field)
    return question.SerializeToString(deterministic=True)
