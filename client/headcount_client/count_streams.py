"""Counting while typing: a stream of questions in slots, blocking and for asyncio.

Each question on a slot takes the place of the one before it there, which may then stay without an
answer. So answers are told apart by their ``slot`` and ``sequence``, and may come in another order
than the questions.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from headcount.v1 import query_service_pb2 as pb

from headcount_client.calls.queries import count_stream_request
from headcount_client.calls.questions import AsOf, Parameters, RuleLike
from headcount_client.calls.steps import Steps
from headcount_client.errors import HeadcountError, error_of
from headcount_client.results.convert import result
from headcount_client.results.queries import CountStreamResponse


class CountStream(Iterator[CountStreamResponse]):
    """An open stream to one audience; iterating waits for the next answer.

    One thread may ask while another one iterates. Leaving it as a context manager ends it.

    Example:
        with client.count_stream("shop") as counts:
            counts.ask('country = "DE" and age >', tolerant=True)
            print(next(counts).total)
    """

    def __init__(self, call: Any, audience: str, run: Callable[[Steps[Any]], Any]) -> None:
        self._audience = audience
        self._run = run
        self._requests: queue.SimpleQueue[pb.CountStreamRequest | None] = queue.SimpleQueue()
        self._responses: Any = call(iter(self._requests.get, None))
        self._sequence = itertools.count(1)
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(
        self,
        rule: RuleLike | None = None,
        *,
        segment: str | None = None,
        slot: int = 0,
        as_of: AsOf = None,
        parameters: Parameters = None,
        within: RuleLike | None = None,
        at_least_revision: int = 0,
        tolerant: bool = False,
        explain: bool = False,
    ) -> int:
        """Ask on a slot, 0 to 63, in place of what was asked there; returns at once.

        With ``tolerant`` what is unfinished or doesn't fit the schema is left out; with ``explain``
        the answer has the counts of every node.

        Returns:
            The question's sequence, which its answer has too; rising from 1.
        """
        sequence = next(self._sequence)
        asked = count_stream_request(
            self._audience, rule, segment, slot, sequence, as_of, parameters, within,
            at_least_revision, tolerant, explain,
        )  # fmt: skip
        self._requests.put(self._run(asked))
        return sequence

    def end(self) -> None:
        """Say that all is asked; iterating still gives the answers that are due, and then ends."""
        self._requests.put(None)

    def close(self) -> None:
        """End the stream; answers that are due are dropped, and iterating ends."""
        self._closed = True
        self._requests.put(None)
        self._responses.cancel()

    def __next__(self) -> CountStreamResponse:
        """Wait for an answer. Raises HeadcountError if the stream broke."""
        try:
            return result(next(self._responses))
        except grpc.RpcError as failure:
            if self._closed:
                raise StopIteration from None
            raise _error(failure) from None


class AsyncCountStream(AsyncIterator[CountStreamResponse]):
    """As ``CountStream``, for asyncio: one task may ask while another one iterates.

    Example:
        async with client.count_stream("shop") as counts:
            await counts.ask('country = "DE" and age >', tolerant=True)
            print((await anext(counts)).total)
    """

    def __init__(
        self, call: Any, audience: str, run: Callable[[Steps[Any]], Coroutine[Any, Any, Any]]
    ) -> None:
        self._audience = audience
        self._run = run
        self._call = call
        self._sequence = itertools.count(1)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def ask(
        self,
        rule: RuleLike | None = None,
        *,
        segment: str | None = None,
        slot: int = 0,
        as_of: AsOf = None,
        parameters: Parameters = None,
        within: RuleLike | None = None,
        at_least_revision: int = 0,
        tolerant: bool = False,
        explain: bool = False,
    ) -> int:
        """Ask on a slot; as ``CountStream.ask``. Raises HeadcountError if the stream broke."""
        sequence = next(self._sequence)
        asked = count_stream_request(
            self._audience, rule, segment, slot, sequence, as_of, parameters, within,
            at_least_revision, tolerant, explain,
        )  # fmt: skip
        request = await self._run(asked)
        try:
            await self._call.write(request)
        except grpc.aio.AioRpcError as failure:
            raise _error(failure) from None
        return sequence

    async def end(self) -> None:
        """Say that all is asked; iterating still gives the answers that are due, and then ends."""
        await self._call.done_writing()

    def close(self) -> None:
        """End the stream; answers that are due are dropped."""
        self._closed = True
        self._call.cancel()

    async def __anext__(self) -> CountStreamResponse:
        """Wait for an answer. Raises HeadcountError if the stream broke."""
        if self._closed:
            raise StopAsyncIteration
        try:
            response = await self._call.read()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise StopAsyncIteration from None  # it was the stream that was cancelled
            raise
        except grpc.aio.AioRpcError as failure:
            raise _error(failure) from None
        if response is not grpc.aio.EOF:  # pyright: ignore[reportAttributeAccessIssue]
            return result(response)
        failure = error_of((await self._call.code()).name, await self._call.details() or "")
        if failure.code != "OK":
            raise failure
        raise StopAsyncIteration


def _error(failure: Any) -> HeadcountError:
    code = failure.code().name
    return error_of(code, failure.details() or code, failure.trailing_metadata() or ())
