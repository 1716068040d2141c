"""The calls of QueryService that help to decide before saving: Forecast and Diff."""

from __future__ import annotations

import asyncio
import time

from headcount.v1 import query_service_pb2

from headcount_server.core import query
from headcount_server.core.query import Ask, ForecastPoint
from headcount_server.errors import HeadcountError
from headcount_server.rpc import answers
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, require
from headcount_server.rpc.questions import Asked, Stopwatch, present
from headcount_server.rpc.rule_calls import RuleCalls

FORECAST_DAYS_DEFAULT = 30
SAMPLE_DEFAULT = 10
_SLICE_S = 0.001  # of evaluating days to come, before others get their turn


class PlanningCalls(RuleCalls):
    """What a rule will do, and what changing it would do."""

    async def forecast(
        self, request: query_service_pb2.ForecastRequest, call: Call
    ) -> query_service_pb2.ForecastResponse:
        """How many will enter and leave if nothing but the clock moves.

        The days are evaluated in slices, and all at one revision: where somebody writes in between
        it begins again while writes wait.
        """
        require(audience=request.audience, rule=request.WhichOneof("question"))
        most = self._limits.forecast_days_max
        if not 0 <= request.days <= most:
            refuse("days", f"days is {request.days}; it must be 0 to {most}", "OUT_OF_RANGE")
        days = request.days or FORECAST_DAYS_DEFAULT
        ask, asked, watch = await self._questions.question(request, call)
        points = await self._points(ask, asked, days)
        if points is None:
            async with self._engine.still():
                ask = ask.at(ask.now_us, self._engine.audience(request.audience))
                points = await self._points(ask, asked, days)
                assert points is not None
        response = query_service_pb2.ForecastResponse()
        answers.set_forecast(response, points)
        watch.stamp(response, ask)
        return response

    async def diff(
        self, request: query_service_pb2.DiffRequest, call: Call
    ) -> query_service_pb2.DiffResponse:
        """Two versions of a rule beside each other."""
        require(
            audience=request.audience,
            old=request.old.WhichOneof("question"),
            new=request.new.WhichOneof("question"),
        )
        most = self._limits.sample_size_max
        if not 0 <= request.sample_size <= most:
            what = f"sample_size is {request.sample_size}; it must be 0 to {most}"
            refuse("sample_size", what, "OUT_OF_RANGE")
        old = await self._questions.asked(request.old, "old.")
        new = await self._questions.asked(request.new, "new.")
        ask = await self._questions.ask(request, call)
        watch = Stopwatch()
        for asked, place in ((old, "old."), (new, "new.")):
            checked = present(ask, asked)
            if isinstance(checked, HeadcountError):
                raise checked
            with asked.locating(place):
                ask.bind(asked.rule)
        size = request.sample_size or SAMPLE_DEFAULT
        found, ask = await self._slices.answer(
            ask, lambda ask: query.diff_steps(ask, old.rule, new.rule, size, request.seed)
        )
        response = query_service_pb2.DiffResponse()
        answers.set_diff(response, found, ask.audience.schema.key)
        watch.stamp(response, ask)
        return response

    async def _points(self, ask: Ask, asked: Asked, days: int) -> list[ForecastPoint] | None:
        """The points of a forecast; None where the audience changed meanwhile."""
        audience = ask.audience
        revision, points, since = audience.revision, list[ForecastPoint](), time.monotonic()
        with asked.locating():
            for point in query.forecast(ask, asked.rule, days):
                points.append(point)
                if time.monotonic() - since > _SLICE_S:
                    await asyncio.sleep(0)
                    present_one = self._engine.audience(audience.name)
                    if present_one is not audience or audience.revision != revision:
                        return None
                    since = time.monotonic()
        return points
