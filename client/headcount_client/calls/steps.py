"""Calls as data: what is sent, what comes back, and which may be repeated. Pure.

A call is a generator of exchanges: it yields an ``Exchange``, is sent the response, and returns the
result. The transports drive it, blocking or not; so every call is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf import message_factory
from google.protobuf.message import Message
from headcount.v1 import (
    admin_service_pb2,
    audience_service_pb2,
    ingest_service_pb2,
    query_service_pb2,
    segment_service_pb2,
)

R = TypeVar("R")
T = TypeVar("T")
Steps: TypeAlias = Generator["Exchange", Any, R]

_FILES = (
    admin_service_pb2, audience_service_pb2, ingest_service_pb2, query_service_pb2,
    segment_service_pb2,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the contract.

    Attributes:
        path: ``/package.Service/Method``.
        response: class of its responses.
    """

    path: str
    response: type[Message]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to be sent and answered; ``idempotent`` ones may be tried again."""

    method: Method
    request: Message
    idempotent: bool


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A listing, a page at a time.

    Attributes:
        first: yields the request of the first page; its ``page_token`` is set for the others.
        items: the items of a page's response.
    """

    method: Method
    first: Steps[Message]
    items: Callable[[Any], list[T]]


@dataclass(frozen=True, slots=True)
class Stream(Generic[T]):
    """A stream of responses to one request.

    Attributes:
        request: yields the request.
        items: the items of one response.
    """

    method: Method
    request: Steps[Message]
    items: Callable[[Any], list[T]]


@cache
def method(service: str, name: str) -> Method:
    """The method of a service of the contract."""
    for file in _FILES:
        found = file.DESCRIPTOR.services_by_name.get(service)
        if found is not None:
            descriptor = found.methods_by_name[name]
            response = message_factory.GetMessageClass(descriptor.output_type)
            return Method(f"/{found.full_name}/{name}", response)
    raise LookupError(service)


def read(service: str, name: str, request: Message) -> Exchange:
    """An exchange that changes nothing, and may be repeated."""
    return Exchange(method(service, name), request, idempotent=True)


def write(service: str, name: str, request: Message, *, idempotent: bool = False) -> Exchange:
    """An exchange that changes something."""
    return Exchange(method(service, name), request, idempotent)


def ready(request: Message) -> Steps[Message]:
    """A request that needs no exchange before it."""
    return request
    yield  # makes this a generator
