"""The errors of the client, built from a call's status code and ``ErrorInfo.reason``.

Pure: reads statuses that have arrived. Every class stands for one gRPC code; ``reason`` tells more
precisely what went wrong and is stable, the message is for people and may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"
NEVER_LEFT = "failed to connect to all addresses"  # how gRPC's core words a failed connection


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of a request.

    Attributes:
        field: path into the request, for example ``rule_text`` or ``rows[17].values["age"]``.
        description: what was wrong and what would be right.
        reason: stable code of the fault, or "".
        line, column: place in a rule's text, from 1; 0 where there is none.
        start, end: the same in code points from 0; -1 where there is none.
        found: what stood there, or "".
        expected: what could stand there.
        suggestion: the nearest known name, or "".
    """

    field: str
    description: str
    reason: str = ""
    line: int = 0
    column: int = 0
    start: int = -1
    end: int = -1
    found: str = ""
    expected: tuple[str, ...] = ()
    suggestion: str = ""


class HeadcountError(Exception):
    """A call failed.

    Attributes:
        code: name of the gRPC status code, for example ``NOT_FOUND``.
        reason: stable reason, for example ``INVALID_RULE``; "" where no server answered.
        metadata: what the server adds to the reason.
        retry_after_s: seconds after which to try again, where the server says so.
        from_server: whether a server sent this; False where the call never reached one.
    """

    code = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after_s: float | None = None,
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = violations
        self.retry_after_s = retry_after_s
        if code:
            self.code = code

    @property
    def from_server(self) -> bool:
        """Whether a server answered; every answer of a Headcount server has a reason."""
        return bool(self.reason)

    @property
    def never_left(self) -> bool:
        """Whether the request certainly reached no server."""
        return not self.reason and self.message.startswith(NEVER_LEFT)


class InvalidArgument(HeadcountError):
    """A bad request, rule or value; ``violations`` lists the faults. Nothing was changed."""

    code = "INVALID_ARGUMENT"


class NotFound(HeadcountError):
    """An audience, segment, subscriber or snapshot that isn't there."""

    code = "NOT_FOUND"


class AlreadyExists(HeadcountError):
    """A name that is taken."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(HeadcountError):
    """Something in use, or a server that refuses writes."""

    code = "FAILED_PRECONDITION"


class Aborted(HeadcountError):
    """A stale etag: somebody else was faster."""

    code = "ABORTED"


class OutOfRange(HeadcountError):
    """A revision that isn't reached yet, or a gap in a producer's numbers."""

    code = "OUT_OF_RANGE"


class ResourceExhausted(HeadcountError):
    """A budget is spent or a queue full; ``retry_after_s`` says when to try again."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(HeadcountError):
    """No server there, or one that is starting or stopping."""

    code = "UNAVAILABLE"


class DataLoss(HeadcountError):
    """A stored file is damaged."""

    code = "DATA_LOSS"


class Unimplemented(HeadcountError):
    """A part of the contract that this server doesn't answer."""

    code = "UNIMPLEMENTED"


class DeadlineExceeded(HeadcountError):
    """The answer didn't come in time; a write may or may not have been applied."""

    code = "DEADLINE_EXCEEDED"


class Cancelled(HeadcountError):
    """The call was cancelled, for example by a server that was restarted."""

    code = "CANCELLED"


class Internal(HeadcountError):
    """A bug in the server; its log tells more."""

    code = "INTERNAL"


CLASSES: dict[str, type[HeadcountError]] = {
    cls.code: cls
    for cls in (
        InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, Aborted, OutOfRange,
        ResourceExhausted, Unavailable, DataLoss, Unimplemented, DeadlineExceeded, Cancelled,
        Internal,
    )
}  # fmt: skip


def error_of(
    code: str, message: str, trailing_metadata: Iterable[tuple[str, Any]] = ()
) -> HeadcountError:
    """The error of a failed call.

    Args:
        code: name of the gRPC status code.
        message: the status's message.
        trailing_metadata: pairs of key and value, as gRPC delivers them.
    """
    details = next((value for key, value in trailing_metadata if key == DETAILS_KEY), b"")
    status = _status(details)
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        for message_type in (info, bad, retry):
            detail.Unpack(message_type)  # leaves alone what is of another type
    delay = retry.retry_delay
    cls = CLASSES.get(code, HeadcountError)
    return cls(
        status.message or message,
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=_violations(bad, dict(info.metadata)),
        retry_after_s=delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else None,
        code=code,
    )


def _status(details: Any) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(details if isinstance(details, bytes) else b"")
    except DecodeError:
        return status_pb2.Status()


def _violations(
    bad: error_details_pb2.BadRequest, metadata: dict[str, str]
) -> tuple[Violation, ...]:
    """The faults; the metadata say where the first one is."""
    found = [Violation(v.field, v.description, v.reason) for v in bad.field_violations]
    if found:
        first = found[0]
        found[0] = Violation(
            first.field,
            first.description,
            first.reason,
            line=_number(metadata, "line", 0),
            column=_number(metadata, "column", 0),
            start=_number(metadata, "start", -1),
            end=_number(metadata, "end", -1),
            found=metadata.get("found", ""),
            expected=tuple(filter(None, metadata.get("expected", "").split(", "))),
            suggestion=metadata.get("suggestion", ""),
        )
    return tuple(found)


def _number(metadata: dict[str, str], key: str, default: int) -> int:
    text = metadata.get(key, "")
    return int(text) if text.isdecimal() else default
