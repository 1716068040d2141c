"""The only table from domain errors to gRPC status codes, and the errors as they go out.

Every error carries ``google.rpc.ErrorInfo`` (domain ``headcount``, the class's stable reason and
its metadata). Bad input carries ``BadRequest`` with its faults, and the metadata say where the
first one is; what may be tried again carries ``RetryInfo``. The trailing metadata stay below the
8 KiB that every client takes: faults that don't fit are left out and their number is told. A bug
is INTERNAL; its traceback is logged and never sent.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from headcount.v1 import ingest_service_pb2, query_service_pb2

from headcount_server import errors
from headcount_server.errors import HeadcountError, InvalidInput, Violation
from headcount_server.rpc.places import contract_place

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

DOMAIN = "headcount"
DETAILS_KEY = "grpc-status-details-bin"
DETAILS_BYTES_MAX = 5_000  # 6,668 as base64
MESSAGE_BYTES_MAX = 900  # percent-encoded, as it travels
FAULTS_MAX = 100  # of one rule, or rows of one batch, listed in a response
_TEXT_BYTES_MAX = 480  # of one description or value of the metadata
_LOGGER = logging.getLogger("headcount.rpc")

CODES: dict[type[HeadcountError], grpc.StatusCode] = {
    errors.HeadcountError: grpc.StatusCode.INTERNAL,
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidRule: grpc.StatusCode.INVALID_ARGUMENT,
    errors.LimitExceeded: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidBatch: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidSchema: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.InUse: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NoHistory: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ReadOnly: grpc.StatusCode.FAILED_PRECONDITION,
    errors.WrongKeyType: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StaleEtag: grpc.StatusCode.ABORTED,
    errors.RevisionOutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DataLoss: grpc.StatusCode.DATA_LOSS,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
}
_RETRY_MS = {grpc.StatusCode.RESOURCE_EXHAUSTED: 200, grpc.StatusCode.UNAVAILABLE: 1_000}


def code_of(error: HeadcountError) -> grpc.StatusCode:
    """The status code of a domain error."""
    return CODES[type(error)]


def status_of(error: HeadcountError) -> status_pb2.Status:
    """The error as ``google.rpc.Status``, at most DETAILS_BYTES_MAX bytes."""
    code = code_of(error)
    status = status_pb2.Status(code=_number(code), message=_short(error.message))
    violations = error.violations if isinstance(error, InvalidInput) else ()
    metadata = dict(error.metadata)
    if violations:
        metadata = _first_fault(violations[0]) | metadata
    if code in _RETRY_MS:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(_RETRY_MS[code])
        _add(status, retry)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for key, value in metadata.items():
        info.metadata[key] = _cut(value, _TEXT_BYTES_MAX)
    bad = _bad_request(violations, DETAILS_BYTES_MAX - status.ByteSize() - info.ByteSize() - 200)
    if len(bad.field_violations) < len(violations):
        info.metadata["violations_count"] = str(len(violations))
    _add(status, info)
    if violations:
        _add(status, bad)
    return status


def trailing_metadata(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """What ends a call with ``status`` besides code and message."""
    return ((DETAILS_KEY, status.SerializeToString()),)


def bug(method: str) -> HeadcountError:
    """The error to send for the exception being handled, whose traceback is logged."""
    reference = uuid.uuid4().hex[:12]
    _LOGGER.exception("bug in %s, reference %s", method, reference)
    return HeadcountError(
        f"internal error; the server's log tells more under {reference}", reference=reference
    )


def question_error(
    error: HeadcountError, message: query_service_pb2.QuestionError | None = None
) -> query_service_pb2.QuestionError:
    """The error of one of several questions, as part of a response."""
    message = query_service_pb2.QuestionError() if message is None else message
    message.code = _number(code_of(error))
    message.reason = error.reason
    message.message = error.message
    if isinstance(error, InvalidInput):
        add_faults(error.violations[:FAULTS_MAX], message.faults)
    return message


def add_faults(
    violations: Iterable[Violation],
    target: RepeatedCompositeFieldContainer[query_service_pb2.RuleFault],
) -> None:
    """Append faults of a rule to a repeated field."""
    for violation in violations:
        fault = target.add(
            field=contract_place(violation.field),
            description=violation.description,
            reason=violation.reason,
            line=violation.line,
            column=violation.column,
            found=violation.found,
            expected=violation.expected,
            suggestion=violation.suggestion,
        )
        if violation.start >= 0:
            fault.span.start, fault.span.end = violation.start, violation.end


def refusal(error: HeadcountError) -> ingest_service_pb2.WriteRefused:
    """The error of one batch of a stream."""
    message = ingest_service_pb2.WriteRefused(
        code=_number(code_of(error)), reason=error.reason, message=error.message
    )
    if isinstance(error, InvalidInput):
        rows = [violation for violation in error.violations if violation.row >= 0]
        for violation in rows[:FAULTS_MAX]:
            message.bad_rows.add(
                index=violation.row,
                field=violation.field,
                description=violation.description,
                reason=violation.reason,
            )
        message.bad_row_count = int(error.metadata.get("bad_rows", len(rows)))
    return message


def _number(code: grpc.StatusCode) -> int:
    return code.value[0]


def _first_fault(violation: Violation) -> dict[str, str]:
    """The place of a fault as metadata; what isn't known is left out."""
    found = {"field": contract_place(violation.field), "fault": violation.reason}
    if violation.row >= 0:
        found["row"] = str(violation.row)
    if violation.line:
        found |= {"line": str(violation.line), "column": str(violation.column)}
    if violation.start >= 0:
        found |= {"start": str(violation.start), "end": str(violation.end)}
    words = {"found": violation.found, "suggestion": violation.suggestion}
    words["expected"] = ", ".join(violation.expected)
    return found | {key: word for key, word in words.items() if word}


def _bad_request(violations: tuple[Violation, ...], budget: int) -> error_details_pb2.BadRequest:
    """As many of the faults as fit into ``budget`` bytes, in their order."""
    bad = error_details_pb2.BadRequest()
    for violation in violations:
        one = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(_place(violation), _TEXT_BYTES_MAX),
            description=_cut(violation.description, _TEXT_BYTES_MAX),
            reason=violation.reason,
        )
        budget -= one.ByteSize() + 4
        if budget < 0:
            break
        bad.field_violations.append(one)
    return bad


def _place(violation: Violation) -> str:
    """Path in the request; of a bad row with its index."""
    place = contract_place(violation.field)
    return place if violation.row < 0 else f"rows[{violation.row}].{place}"


def _add(status: status_pb2.Status, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


def _short(message: str) -> str:
    """The message, cut so that it fits into a header, where most bytes past ASCII take three."""
    size = 0
    for i, character in enumerate(message):
        printable = " " <= character <= "~" and character != "%"
        size += 1 if printable else 3 * len(character.encode(errors="replace"))
        if size > MESSAGE_BYTES_MAX:
            return message[: i - 1] + "…"
    return message


def _cut(text: str, size: int) -> str:
    """The text, cut to at most ``size`` bytes of UTF-8."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= size:
        return text
    return encoded[: size - 3].decode(errors="ignore") + "…"
