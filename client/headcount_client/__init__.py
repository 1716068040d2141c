"""Headcount's client library: exact live audience counts over gRPC.

``Client`` and ``AsyncClient`` have a method for every call of the contract; ``rules`` builds rules,
``errors`` holds what calls raise, ``results`` what they return.
"""

from headcount_client.async_client import AsyncClient
from headcount_client.calls.writes import delete_request, events_request, upsert_request
from headcount_client.client import Client
from headcount_client.errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    HeadcountError,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
    Violation,
)
from headcount_client.results.writes import EventRow, SubscriberRow
from headcount_client.retry import RetryPolicy
from headcount_client.schema import EventType, Schema, SchemaError
from headcount_client.values import Location

__all__ = [
    "Aborted",
    "AlreadyExists",
    "AsyncClient",
    "Cancelled",
    "Client",
    "DataLoss",
    "DeadlineExceeded",
    "EventRow",
    "EventType",
    "FailedPrecondition",
    "HeadcountError",
    "Internal",
    "InvalidArgument",
    "Location",
    "NotFound",
    "OutOfRange",
    "ResourceExhausted",
    "RetryPolicy",
    "Schema",
    "SchemaError",
    "SubscriberRow",
    "Unavailable",
    "Unimplemented",
    "Violation",
    "delete_request",
    "events_request",
    "upsert_request",
]
