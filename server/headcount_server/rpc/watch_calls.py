"""The calls of QueryService about counts over time: Watch and GetSegmentHistory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from headcount.v1 import query_service_pb2, rule_pb2

from headcount_server.core.query.history import history
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import KeyType
from headcount_server.engine.watched_rules import Update
from headcount_server.engine.watches import Watched
from headcount_server.errors import HeadcountError, LimitExceeded, Violation
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, require
from headcount_server.rpc.keys import set_keys
from headcount_server.rpc.planning_calls import PlanningCalls
from headcount_server.rpc.questions import present
from headcount_server.rpc.times import micros_of, set_time

INTERVAL_S = (0.1, 3_600.0)  # between two updates of a question, at least and at most

Response = query_service_pb2.WatchResponse


class WatchCalls(PlanningCalls):
    """Counts that move by themselves."""

    async def watch(
        self, request: query_service_pb2.WatchRequest, call: Call
    ) -> AsyncIterator[Response]:
        """The present count of each question, then one whenever it changed."""
        require(audience=request.audience, questions=request.questions)
        given, most = len(request.questions), self._limits.watches_per_stream_max
        if given > most:
            what = f"{given} are given; the limit watches_per_stream_max is {most}"
            violation = Violation("questions", what, "LIMIT_EXCEEDED")
            raise LimitExceeded(f"questions: {what}", (violation,), limit="watches_per_stream_max")
        interval_s = _interval_s(request)
        places = [f"questions[{index}]." for index in range(given)]
        asked = [
            await self._questions.asked(question, place)
            for question, place in zip(request.questions, places, strict=True)
        ]
        options: Any = request  # it has no as_of
        ask = await self._questions.ask(options, call)
        for one, place in zip(asked, places, strict=True):
            checked = present(ask, one)
            if isinstance(checked, HeadcountError):
                raise checked
            with one.locating(place):
                ask.bind(one.rule)
        rules = [one.rule for one in asked]
        watched = Watched(
            rules, ask.parameters, ask.within, interval_s, request.members, call.client
        )
        stream = self._engine.watch(ask.audience.name, watched)
        key_type = ask.audience.schema.key
        async with aclosing(stream.updates()) as updates:
            async for update in updates:
                for message in _messages(update, key_type, self._limits.watch_keys_max):
                    yield message

    async def get_segment_history(
        self, request: query_service_pb2.GetSegmentHistoryRequest, _: Call
    ) -> query_service_pb2.GetSegmentHistoryResponse:
        """The sizes of a segment over time."""
        require(audience=request.audience, segment=request.segment)
        unit = Unit(request.unit) if request.unit in rule_pb2.Unit.values()[1:] else None
        unit = unit if request.unit else Unit.DAY
        if unit is None:
            what = f"unit is {request.unit}; minute, hour and day are kept"
            refuse("unit", what, "INVALID_ENUM")
        now_us = self._engine.now_us()
        start_us = end_us = None
        if request.HasField("start_time"):
            start_us = micros_of(request.start_time, "start_time")
        if request.HasField("end_time"):
            end_us = micros_of(request.end_time, "end_time")
        end_us = now_us + 1 if end_us is None else min(end_us, now_us + 1)
        audience = self._engine.audience(request.audience)
        response = query_service_pb2.GetSegmentHistoryResponse()
        for kept in history(audience, request.segment, unit, start_us, end_us):
            point = response.points.add(
                total=kept.total, entered_count=kept.entered_count, left_count=kept.left_count
            )
            set_time(point.time, kept.time_us)
        return response


def _interval_s(request: query_service_pb2.WatchRequest) -> float:
    """The least time between updates in seconds; unset or 0 is the least there is."""
    duration = request.min_interval_duration
    seconds = duration.seconds + duration.nanos / 1e9
    low, high = INTERVAL_S
    if not seconds:
        return low
    if not low <= seconds <= high:
        what = f"{seconds:g} seconds; it must be 100 milliseconds to 1 hour, or 0 for the least"
        refuse("min_interval_duration", what, "OUT_OF_RANGE")
    return seconds


def _messages(update: Update, key_type: KeyType, most: int) -> Iterator[Response]:
    """An update as messages of at most so many keys; one that is not the last one says so."""
    entered, left = update.entered, update.left
    while True:
        message = Response(
            index=update.index,
            total=update.total,
            reachable=update.reachable,
            change=update.change,
            revision=update.revision,
        )
        set_time(message.update_time, update.time_us)
        if entered:
            set_keys(message.entered, entered[:most], key_type)
        room = most - min(most, len(entered))
        if left and room:
            set_keys(message.left, left[:room], key_type)
        entered, left = entered[most:], left[room:]
        message.continued = bool(entered or left)
        yield message
        if not message.continued:
            return
