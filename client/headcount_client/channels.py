"""What both transports share: options of channels, bytes of messages, binding calls to methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

ADDRESS = "127.0.0.1:7070"
TIMEOUT_S = 30.0
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),  # the retry policy is the client's own
]


def serialize(message: Message) -> bytes:
    """The bytes of a request."""
    return message.SerializeToString()


def bound(build: Callable[..., Any], run: Callable[[Any, Any], Any]) -> Any:
    """A method with the signature and docstring of ``build`` that runs what ``build`` returns."""

    @functools.wraps(build)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return run(self, build(*args, **kwargs))

    signature = inspect.signature(build)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [own, *signature.parameters.values()]
    method.__dict__["__signature__"] = signature.replace(parameters=parameters)
    return method
