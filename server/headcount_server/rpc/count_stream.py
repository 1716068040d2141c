"""CountStream: counting while typing.

A stream has slots. Each slot has at most one question that is being answered and at most one answer
that waits to be sent; a newer question on it ends the one and drops the other. So nothing grows,
however fast somebody types and however slowly they read. The questions of one stream are answered
one at a time, and between two of them everybody else has a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from headcount.v1 import query_service_pb2

from headcount_server.core import query
from headcount_server.core.query import Ask
from headcount_server.core.rules.tree import Everyone
from headcount_server.errors import HeadcountError
from headcount_server.limits import Limits
from headcount_server.rpc import answers, status
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, require
from headcount_server.rpc.questions import Asked, Questions, Stopwatch, present

Request = query_service_pb2.CountStreamRequest
Response = query_service_pb2.CountStreamResponse
_NO_SLOT = -1  # where refusals of slots that there are not wait to be sent


class CountStream:
    """One stream of questions."""

    def __init__(self, questions: Questions, limits: Limits, call: Call) -> None:
        self._questions = questions
        self._limits = limits
        self._call = call
        self._running: dict[int, asyncio.Task[None]] = {}
        self._unsent: dict[int, Response] = {}
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def answers(self, requests: AsyncIterator[Any]) -> AsyncGenerator[Response, None]:
        """The answers, as they are ready; ends when the requests have and all is answered.

        Args:
            requests: each a request, or why it couldn't be decoded.

        Raises:
            InvalidInput: a request couldn't be decoded.
        """
        reader = asyncio.create_task(self._read(requests))
        reader.add_done_callback(lambda _: self._changed.set())
        try:
            while True:
                self._changed.clear()
                while self._unsent:
                    yield self._unsent.pop(next(iter(self._unsent)))
                if reader.done():
                    reader.result()
                    if not self._running and not self._unsent:
                        return
                await self._changed.wait()
        finally:
            reader.cancel()
            for task in self._running.values():
                task.cancel()

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            if isinstance(request, HeadcountError):
                raise request
            self._begin(request)

    def _begin(self, request: Request) -> None:
        """Start to answer a question in place of the slot's older one."""
        slot = request.slot
        if not 0 <= slot < self._limits.stream_slots_max:
            self._refuse_slot(request)
            return
        older = self._running.pop(slot, None)
        if older is not None:
            older.cancel()
        self._unsent.pop(slot, None)
        self._running[slot] = asyncio.create_task(self._answer(request))

    def _refuse_slot(self, request: Request) -> None:
        response = Response(slot=request.slot, sequence=request.sequence)
        try:
            highest = self._limits.stream_slots_max - 1
            what = f"slot is {request.slot}; the slots of a stream are 0 to {highest}"
            refuse("slot", what, "OUT_OF_RANGE")
        except HeadcountError as error:
            status.question_error(error, response.error)
        self._unsent[_NO_SLOT] = response
        self._changed.set()

    async def _answer(self, request: Request) -> None:
        response = Response(slot=request.slot, sequence=request.sequence)
        try:
            await self._fill(response, request)
        except HeadcountError as error:
            status.question_error(error, response.error)
        except Exception:
            status.question_error(status.bug("QueryService.CountStream"), response.error)
        if self._running.get(request.slot) is not asyncio.current_task():
            return  # a newer question came while this one could no longer be ended
        del self._running[request.slot]
        self._unsent[request.slot] = response
        self._changed.set()

    async def _fill(self, response: Response, request: Request) -> None:
        require(audience=request.audience, rule=request.WhichOneof("question"))
        asked = await self._questions.asked(request, tolerant=request.tolerant)
        await self._questions.reached(request.audience, request.at_least_revision, self._call)
        async with self._turn:
            await asyncio.sleep(0)  # others' turn; a newer question may end this one here
            ask = await self._questions.ask(request, self._call)
            watch = Stopwatch()
            try:
                counted(response, ask, asked, request.tolerant, request.explain)
            finally:
                watch.stamp(response, ask)


def counted(response: Response, ask: Ask, asked: Asked, tolerant: bool, explain: bool) -> None:
    """Fill in the counts of a question, and on request those of its nodes.

    Raises:
        HeadcountError: it can't be answered.
    """
    checked = present(ask, asked)
    if isinstance(checked, HeadcountError):
        raise checked
    with asked.locating():
        if explain:
            explained = query.explain(ask, asked.rule, tolerant=tolerant)
            answers.set_explanation(response, asked, explained)
            return
        rule, unfit = asked.rule, []
        if tolerant:
            found = query.checked(ask, asked.rule)
            rule, unfit = found.kept or Everyone(), query.faults(found)
        count = query.count(ask, rule)
    response.total, response.reachable = count.total, count.reachable
    answers.set_incomplete(response.incomplete, asked, unfit)
