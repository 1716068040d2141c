"""The asynchronous transport: drives the same calls over a ``grpc.aio.Channel``."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc
import grpc.aio

from headcount_client.calls.steps import Exchange, Pages, Steps, Stream, method
from headcount_client.calls.writes import Write, stream_request
from headcount_client.channels import ADDRESS, OPTIONS, TIMEOUT_S, bound, serialize
from headcount_client.count_streams import AsyncCountStream
from headcount_client.errors import HeadcountError, error_of
from headcount_client.results.convert import result
from headcount_client.results.writes import StreamWritesResponse
from headcount_client.retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class AsyncTransport:
    """A channel to a server, for one event loop."""

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        timeout_s: float | None = TIMEOUT_S,
        retry: RetryPolicy | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        """Open a channel; the arguments are those of ``Client``."""
        self.address = address
        self._timeout_s = timeout_s
        self._retry = retry or RetryPolicy()
        self._owned = channel is None
        self._channel = channel or _channel(address, credentials)
        self._calls: dict[str, Callable[..., Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel; running calls end."""
        if self._owned:
            await self._channel.close()

    def with_timeout(self, timeout_s: float | None) -> Self:
        """This client with another deadline for each call, in seconds, on the same channel."""
        return type(self)(
            self.address, timeout_s=timeout_s, retry=self._retry, channel=self._channel
        )

    async def stream_writes(
        self, batches: Iterable[Write] | AsyncIterator[Write], *, in_flight: int = 8
    ) -> AsyncIterator[StreamWritesResponse]:
        """Send batches over one stream; as ``Client.stream_writes``."""
        found = method("IngestService", "StreamWrites")
        call: Any = self._channel.stream_stream(
            found.path,
            request_serializer=serialize,
            response_deserializer=found.response.FromString,
        )()
        waiting: deque[Write] = deque()
        try:
            async for batch in _each(batches):
                while len(waiting) >= in_flight:
                    yield await _answer(call, waiting)
                waiting.append(batch)
                await call.write(stream_request(batch))
            await call.done_writing()
            while waiting:
                yield await _answer(call, waiting)
        except grpc.aio.AioRpcError as failure:
            raise _error(failure) from None
        finally:
            call.cancel()

    def count_stream(self, audience: str) -> AsyncCountStream:
        """Open a stream for counting while typing; close it, or use ``async with``."""
        found = method("QueryService", "CountStream")
        call: Any = self._channel.stream_stream(
            found.path,
            request_serializer=serialize,
            response_deserializer=found.response.FromString,
        )()
        return AsyncCountStream(call, audience, self._run)

    async def _run(self, steps: Steps[R]) -> R:
        try:
            exchange = next(steps)
            while True:
                exchange = steps.send(await self._exchange(exchange))
        except StopIteration as stop:
            return stop.value

    async def _exchange(self, exchange: Exchange) -> Any:
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        call = self._unary(exchange)
        attempt = 1
        while True:
            remaining = None if deadline is None else deadline - time.monotonic()
            try:
                return await call(exchange.request, timeout=remaining)
            except grpc.aio.AioRpcError as failure:
                error = _error(failure)
            remaining = None if deadline is None else deadline - time.monotonic()
            await self._pause(error, exchange.idempotent, attempt, remaining)
            attempt += 1

    async def _pause(
        self, error: HeadcountError, idempotent: bool, attempt: int, remaining_s: float | None
    ) -> None:
        """Wait before the next attempt, or raise ``error``."""
        delay = self._retry.delay_s(
            error,
            idempotent=idempotent,
            attempt=attempt,
            remaining_s=remaining_s,
            chance=random.random(),
        )
        if delay is None:
            raise error
        await asyncio.sleep(delay)

    def _unary(self, exchange: Exchange) -> Callable[..., Any]:
        path = exchange.method.path
        if path not in self._calls:
            self._calls[path] = self._channel.unary_unary(
                path,
                request_serializer=serialize,
                response_deserializer=exchange.method.response.FromString,
            )
        return self._calls[path]

    async def _iterate_pages(self, pages: Pages[T]) -> AsyncIterator[T]:
        request: Any = await self._run(pages.first)
        while True:
            response = await self._exchange(Exchange(pages.method, request, idempotent=True))
            for item in pages.items(response):
                yield item
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def _iterate_stream(self, stream: Stream[T]) -> AsyncIterator[T]:
        request = await self._run(stream.request)
        start: Any = self._channel.unary_stream(
            stream.method.path,
            request_serializer=serialize,
            response_deserializer=stream.method.response.FromString,
        )
        attempt, answered = 1, False
        while True:
            call = start(request)
            try:
                async for response in call:
                    answered = True
                    for item in stream.items(response):
                        yield item
                return
            except grpc.aio.AioRpcError as failure:
                error = _error(failure)
            finally:
                call.cancel()
            await self._pause(error, not answered, attempt, None)
            attempt += 1


def awaiting(build: Callable[P, Steps[R]]) -> Callable[Concatenate[Any, P], Awaitable[R]]:
    """A call as a coroutine method."""
    return bound(build, AsyncTransport._run)  # pyright: ignore[reportPrivateUsage]


def iterating(
    build: Callable[P, Pages[T]] | Callable[P, Stream[T]],
) -> Callable[Concatenate[Any, P], AsyncIterator[T]]:
    """A listing or a stream as a method that returns an asynchronous iterator over its items."""

    def run(transport: AsyncTransport, listing: Pages[T] | Stream[T]) -> AsyncIterator[T]:
        if isinstance(listing, Pages):
            return transport._iterate_pages(listing)  # pyright: ignore[reportPrivateUsage]
        return transport._iterate_stream(listing)  # pyright: ignore[reportPrivateUsage]

    return bound(build, run)


async def _each(batches: Iterable[Write] | AsyncIterator[Write]) -> AsyncIterator[Write]:
    if isinstance(batches, AsyncIterator):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch


async def _answer(call: Any, waiting: deque[Write]) -> StreamWritesResponse:
    response = await call.read()
    if response is grpc.aio.EOF:  # pyright: ignore[reportAttributeAccessIssue]
        failure = error_of((await call.code()).name, await call.details() or "")
        raise (
            failure
            if failure.code != "OK"
            else HeadcountError("the server ended the stream of writes early")
        )
    waiting.popleft()
    return result(response)


def _channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(address, OPTIONS)
    return grpc.aio.secure_channel(address, credentials, OPTIONS)


def _error(failure: grpc.aio.AioRpcError) -> HeadcountError:
    code = failure.code().name
    trailing: Any = failure.trailing_metadata() or ()
    return error_of(code, failure.details() or code, trailing)
