"""The calls of each mode, as coroutines that return when one call is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any

import grpc
from headcount.v1 import query_service_pb2 as pb

Send = Callable[[int], Awaitable[None]]  # takes the number of the call
_SERVICE = "/headcount.v1.QueryService"
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a connection for each channel
]


class Mode(Enum):
    """How counts are asked for."""

    UNARY = "unary"
    BATCH = "batch"
    STREAM = "stream"


def unary(
    channel: grpc.aio.Channel,
    requests: Sequence[pb.CountRequest],
    deadline_s: float | None = None,
) -> Send:
    """``Count`` of one rule after the other; the requests are encoded once."""
    encoded = [request.SerializeToString() for request in requests]
    call: Any = channel.unary_unary(f"{_SERVICE}/Count")

    async def send(number: int) -> None:
        await call(encoded[number % len(encoded)], timeout=deadline_s)

    return send


def batch(channel: grpc.aio.Channel, requests: Sequence[pb.CountRequest], size: int) -> Send:
    """``BatchCount`` of ``size`` rules, taken in turn."""
    call: Any = channel.unary_unary(f"{_SERVICE}/BatchCount")
    encoded: list[bytes] = []
    for start in range(len(requests)):
        message = pb.BatchCountRequest(audience=requests[0].audience)
        if requests[0].HasField("as_of"):
            message.as_of.CopyFrom(requests[0].as_of)
        for offset in range(size):
            rule = requests[(start + offset) % len(requests)]
            message.questions.add(rule_text=rule.rule_text)
        encoded.append(message.SerializeToString())

    async def send(number: int) -> None:
        await call(encoded[number % len(encoded)])

    return send


class Typist:
    """One ``CountStream``: a question, its answer, the next one."""

    def __init__(self, channel: grpc.aio.Channel, requests: Sequence[pb.CountRequest]) -> None:
        method: Any = channel.stream_stream(
            f"{_SERVICE}/CountStream",
            request_serializer=pb.CountStreamRequest.SerializeToString,
            response_deserializer=pb.CountStreamResponse.FromString,
        )
        self._call = method()
        self._requests = requests

    async def send(self, number: int) -> None:
        """Asks, and waits for the answer.

        Raises:
            grpc.aio.AioRpcError: the stream broke.
            ValueError: the question was refused.
        """
        asked = self._requests[number % len(self._requests)]
        message = pb.CountStreamRequest(
            audience=asked.audience, rule_text=asked.rule_text, slot=0, sequence=number
        )
        if asked.HasField("as_of"):
            message.as_of.CopyFrom(asked.as_of)
        await self._call.write(message)
        answer = await self._call.read()
        if not isinstance(answer, pb.CountStreamResponse):  # the end of the stream
            raise ValueError("stream")
        if answer.HasField("error"):
            raise ValueError(answer.error.reason)

    def close(self) -> None:
        """Ends the stream."""
        self._call.cancel()
