"""The blocking transport: drives calls over a ``grpc.Channel``.

Safe to share between threads. Each call has its own deadline, which its retries share.
"""

from __future__ import annotations

import queue
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc

from headcount_client.calls.steps import Exchange, Pages, Steps, Stream, method
from headcount_client.calls.writes import Write, stream_request
from headcount_client.channels import ADDRESS, OPTIONS, TIMEOUT_S, bound, serialize
from headcount_client.count_streams import CountStream
from headcount_client.errors import HeadcountError, error_of
from headcount_client.results.convert import result
from headcount_client.results.writes import StreamWritesResponse
from headcount_client.retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Transport:
    """A channel to a server, with a deadline for each call and a policy of retries."""

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        timeout_s: float | None = TIMEOUT_S,
        retry: RetryPolicy | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        """Open a channel; nothing is sent before the first call.

        Args:
            address: ``HOST:PORT`` or ``unix:PATH``.
            timeout_s: seconds that each call may take, its retries included; None: no limit.
            retry: how failed reads are repeated.
            credentials: of TLS; by default the connection is in the clear.
            channel: a channel to use instead; it stays open when the client is closed.
        """
        self.address = address
        self._timeout_s = timeout_s
        self._retry = retry or RetryPolicy()
        self._owned = channel is None
        self._channel = channel or _channel(address, credentials)
        self._calls: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; running calls end."""
        if self._owned:
            self._channel.close()

    def with_timeout(self, timeout_s: float | None) -> Self:
        """This client with another deadline for each call, in seconds, on the same channel."""
        return type(self)(
            self.address, timeout_s=timeout_s, retry=self._retry, channel=self._channel
        )

    def reaches(self, timeout_s: float) -> bool:
        """Whether a connection stands, or can be made within ``timeout_s`` seconds."""
        try:
            grpc.channel_ready_future(self._channel).result(timeout=timeout_s)
        except grpc.FutureTimeoutError:
            return False
        return True

    def write_stream(self) -> WriteStream:
        """Open a stream of batches; close it, or use it as a context manager."""
        found = method("IngestService", "StreamWrites")
        call = self._channel.stream_stream(
            found.path,
            request_serializer=serialize,
            response_deserializer=found.response.FromString,
        )
        return WriteStream(call)

    def stream_writes(
        self, batches: Iterable[Write], *, in_flight: int = 8
    ) -> Iterator[StreamWritesResponse]:
        """Send batches over one stream; the answers come in the batches' order.

        Args:
            batches: requests of ``upsert_request``, ``events_request`` and ``delete_request``.
            in_flight: how many batches may wait for their answer.

        Yields:
            For each batch whether it was ``accepted`` or ``refused``. After a refusal the stream
            goes on.
        """
        with self.write_stream() as stream:
            for batch in batches:
                while stream.outstanding >= in_flight:
                    yield stream.receive()
                stream.send(batch)
            while stream.outstanding:
                yield stream.receive()

    def count_stream(self, audience: str) -> CountStream:
        """Open a stream for counting while typing; close it, or use it as a context manager."""
        found = method("QueryService", "CountStream")
        call = self._channel.stream_stream(
            found.path,
            request_serializer=serialize,
            response_deserializer=found.response.FromString,
        )
        return CountStream(call, audience, self._run)

    def _run(self, steps: Steps[R]) -> R:
        try:
            exchange = next(steps)
            while True:
                exchange = steps.send(self._exchange(exchange))
        except StopIteration as stop:
            return stop.value

    def _exchange(self, exchange: Exchange) -> Any:
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        call = self._unary(exchange)
        attempt = 1
        while True:
            remaining = None if deadline is None else deadline - time.monotonic()
            try:
                return call(exchange.request, timeout=remaining)
            except grpc.RpcError as failure:
                error = _error(failure)
            remaining = None if deadline is None else deadline - time.monotonic()
            delay = self._retry.delay_s(
                error,
                idempotent=exchange.idempotent,
                attempt=attempt,
                remaining_s=remaining,
                chance=random.random(),
            )
            if delay is None:
                raise error
            time.sleep(delay)
            attempt += 1

    def _unary(self, exchange: Exchange) -> Callable[..., Any]:
        path = exchange.method.path
        if path not in self._calls:
            self._calls[path] = self._channel.unary_unary(
                path,
                request_serializer=serialize,
                response_deserializer=exchange.method.response.FromString,
            )
        return self._calls[path]

    def _iterate_pages(self, pages: Pages[T]) -> Iterator[T]:
        request: Any = self._run(pages.first)
        while True:
            response = self._exchange(Exchange(pages.method, request, idempotent=True))
            yield from pages.items(response)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def _iterate_stream(self, stream: Stream[T]) -> Iterator[T]:
        request = self._run(stream.request)
        start = self._channel.unary_stream(
            stream.method.path,
            request_serializer=serialize,
            response_deserializer=stream.method.response.FromString,
        )
        call: Any = None
        attempt, answered = 1, False
        while True:
            call = start(request)
            try:
                for response in call:
                    answered = True
                    yield from stream.items(response)
                return
            except grpc.RpcError as failure:
                error = _error(failure)
            finally:
                call.cancel()
            delay = self._retry.delay_s(
                error,
                idempotent=not answered,
                attempt=attempt,
                remaining_s=None,
                chance=random.random(),
            )
            if delay is None:
                raise error
            time.sleep(delay)
            attempt += 1


class WriteStream:
    """A stream of batches that are answered in their order. For one thread."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._responses: Any = call(iter(self._requests.get, None))
        self._waiting: deque[Write] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._requests.put(None)
        if self._waiting or kind is not None:
            self._responses.cancel()

    @property
    def outstanding(self) -> int:
        """How many batches wait for their answer."""
        return len(self._waiting)

    def send(self, batch: Write) -> None:
        """Hand a batch over; it is sent in the background."""
        self._waiting.append(batch)
        self._requests.put(stream_request(batch))

    def receive(self) -> StreamWritesResponse:
        """Wait for the answer to the oldest batch that has none.

        Raises:
            HeadcountError: the stream broke; what became of the batches that wait is not known.
        """
        try:
            response = next(self._responses)
        except grpc.RpcError as failure:
            raise _error(failure) from None
        except StopIteration:
            raise HeadcountError("the server ended the stream of writes early") from None
        self._waiting.popleft()
        return result(response)


def blocking(build: Callable[P, Steps[R]]) -> Callable[Concatenate[Any, P], R]:
    """A call as a blocking method."""
    return bound(build, Transport._run)  # pyright: ignore[reportPrivateUsage]


def iterating(
    build: Callable[P, Pages[T]] | Callable[P, Stream[T]],
) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """A listing or a stream as a method that returns an iterator over its items."""

    def run(transport: Transport, listing: Pages[T] | Stream[T]) -> Iterator[T]:
        if isinstance(listing, Pages):
            return transport._iterate_pages(listing)  # pyright: ignore[reportPrivateUsage]
        return transport._iterate_stream(listing)  # pyright: ignore[reportPrivateUsage]

    return bound(build, run)


def _channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(address, OPTIONS)
    return grpc.secure_channel(address, credentials, OPTIONS)


def _error(failure: Any) -> HeadcountError:
    code = failure.code().name
    return error_of(code, failure.details() or code, failure.trailing_metadata() or ())
