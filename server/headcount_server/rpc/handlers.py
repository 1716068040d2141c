"""Handlers for the methods of a service, derived from its descriptor: one wrapper per arity.

Requests arrive as bytes and are decoded here, so that a malformed one is INVALID_ARGUMENT. A
wrapper decodes, calls the service's method of the same name in snake_case, and turns errors into
statuses. Where a service has a method of that name and ``_again``, that is asked first: it answers
bytes that it knows with bytes, or None, and waits for nothing. Cancellation passes through: where a
client goes or its deadline passes, the handler's task is cancelled.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from headcount_server.errors import HeadcountError, InvalidInput, Unimplemented, Violation
from headcount_server.rpc import status
from headcount_server.rpc.call_stats import CallStats, MethodStats
from headcount_server.rpc.calls import Call, Threads

UNANSWERED = {}
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

Context = grpc.aio.ServicerContext[bytes, bytes]


def service_handler(
    descriptor: ServiceDescriptor, service: object, threads: Threads, stats: CallStats
) -> grpc.GenericRpcHandler:
    """The handlers of all methods of a service; their calls are counted in ``stats``."""
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
    for method in descriptor.methods:
        handlers[method.name] = _method(method, service, threads, stats)
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _method(
    method: MethodDescriptor, service: object, threads: Threads, stats: CallStats
) -> grpc.RpcMethodHandler[bytes, bytes]:
    name = f"{method.containing_service.name}.{method.name}"
    counted = stats.of(name)
    decode = _decoder(GetMessageClass(method.input_type), threads)
    implementation: Any = getattr(service, _CAPITAL.sub("_", method.name).lower(), None)
    if implementation is None:
        implementation = _unanswered(UNANSWERED[method.name], method.server_streaming)
    if method.client_streaming:
        assert method.server_streaming, "no method takes a stream and gives one answer"
        handler = _stream_stream(name, decode, implementation, counted)
        return grpc.stream_stream_rpc_method_handler(handler)
    if method.server_streaming:
        handler = _unary_stream(name, decode, implementation, counted)
        return grpc.unary_stream_rpc_method_handler(handler)
    again = getattr(service, f"{_CAPITAL.sub('_', method.name).lower()}_again", _not_again)
    handler = _unary_unary(name, decode, implementation, again, counted)
    return grpc.unary_unary_rpc_method_handler(handler)


def _decoder(message: type[Message], threads: Threads) -> Callable[[bytes], Any]:
    name = message.DESCRIPTOR.name

    async def decode(raw: bytes) -> Message:
        try:
            return await threads.run(len(raw), message.FromString, raw)
        except DecodeError:
            what = f"the bytes are no {name}, or nest deeper than 100 levels"
            raise InvalidInput(what, (Violation("", what, "MALFORMED"),)) from None

    return decode


def _unanswered(message: str, streams: bool) -> Any:
    async def answer(*_: Any) -> NoReturn:
        raise Unimplemented(message)

    async def stream(*_: Any) -> AsyncIterator[Message]:
        raise Unimplemented(message)
        yield

    return stream if streams else answer


def _not_again(_: bytes) -> None:
    return None


def _unary_unary(
    name: str,
    decode: Any,
    implementation: Any,
    again: Callable[[bytes], bytes | None],
    stats: MethodStats,
) -> Any:
    async def handle(raw: bytes, context: Context) -> bytes | None:
        failure: HeadcountError | None = None
        begin = stats.begin()
        try:
            answer = again(raw)
            if answer is not None:
                return answer
            response = await implementation(await decode(raw), Call(context, raw))
            return response.SerializeToString()
        except HeadcountError as error:
            failure = error
        except Exception:
            failure = status.bug(name)
        finally:
            stats.end(begin, failure is not None)
        assert failure is not None
        return await _abort(context, failure)

    return handle


def _unary_stream(name: str, decode: Any, implementation: Any, stats: MethodStats) -> Any:
    async def responses(raw: bytes, call: Call) -> AsyncGenerator[Message]:
        return implementation(await decode(raw), call)

    return _streaming(name, responses, stats)


def _stream_stream(name: str, decode: Any, implementation: Any, stats: MethodStats) -> Any:
    async def requests(raw: AsyncIterator[bytes]) -> AsyncIterator[Message | HeadcountError]:
        """Each message, or why it can't be decoded."""
        async for one in raw:
            try:
                request = await decode(one)
            except HeadcountError as error:
                request = error
            yield request

    async def responses(raw: AsyncIterator[bytes], call: Call) -> AsyncGenerator[Message]:
        return implementation(requests(raw), call)

    return _streaming(name, responses, stats)


def _streaming(
    name: str, begin: Callable[[Any, Call], Awaitable[AsyncGenerator[Message]]], stats: MethodStats
) -> Any:
    """A handler that sends what the stream that ``begin`` gives for a request yields."""

    async def handle(raw: Any, context: Context) -> AsyncIterator[bytes]:
        failure: HeadcountError | None = None
        since = stats.begin()
        try:
            async with aclosing(await begin(raw, Call(context))) as responses:
                async for response in responses:
                    yield response.SerializeToString()
            return
        except HeadcountError as error:
            failure = error
        except Exception:
            failure = status.bug(name)
        finally:
            stats.end(since, failure is not None)
        assert failure is not None
        await _abort(context, failure)

    return handle


async def _abort(context: Context, error: HeadcountError) -> NoReturn:
    found = status.status_of(error)
    trailing = status.trailing_metadata(found)
    await context.abort(status.code_of(error), found.message, trailing)
