"""Errors from statuses, and when a call is tried again."""

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from headcount_client import errors
from headcount_client.errors import DETAILS_KEY, error_of
from headcount_client.retry import NO_RETRY, RetryPolicy

POLICY = RetryPolicy(attempts_max=4, backoff_s=0.1, backoff_max_s=0.3, multiplier=2)
REFUSED = errors.Unavailable("failed to connect to all addresses; last error: refused")


def status(*details, message="it failed"):
    found = status_pb2.Status(message=message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        found.details.append(packed)
    return ((DETAILS_KEY, found.SerializeToString()), ("other", "x"))


def delay(error, *, idempotent=True, attempt=1, remaining_s=None, chance=0.0, policy=POLICY):
    return policy.delay_s(
        error, idempotent=idempotent, attempt=attempt, remaining_s=remaining_s, chance=chance
    )


def test_a_rule_fault_has_its_place_and_suggestion():
    info = error_details_pb2.ErrorInfo(
        reason="INVALID_RULE",
        metadata={
            "line": "2", "column": "5", "start": "9", "end": "15", "found": "contry",
            "expected": "country, city", "suggestion": "country",
        },
    )  # fmt: skip
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="rule_text", description="unknown", reason="UNKNOWN_ATTRIBUTE")
    bad.field_violations.add(field="rule_text", description="another")
    error = error_of("INVALID_ARGUMENT", "short", status(info, bad))
    assert type(error) is errors.InvalidArgument
    assert (error.message, error.reason) == ("it failed", "INVALID_RULE")
    first, second = error.violations
    assert (first.line, first.column, first.start, first.end) == (2, 5, 9, 15)
    assert first.expected == ("country", "city")
    assert (first.suggestion, first.found) == ("country", "contry")
    assert (second.description, second.line, second.start) == ("another", 0, -1)


@pytest.mark.parametrize("code", sorted(errors.CLASSES))
def test_each_code_has_its_class(code):
    error = error_of(code, "no")
    assert type(error).code == code
    assert not error.from_server


def test_a_code_without_a_class_is_kept():
    error = error_of("PERMISSION_DENIED", "no")
    assert type(error) is errors.HeadcountError
    assert error.code == "PERMISSION_DENIED"


def test_details_that_are_no_status_leave_the_message():
    assert error_of("INTERNAL", "no", [(DETAILS_KEY, b"\xff\xff")]).message == "no"


def test_retry_info_becomes_seconds():
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    assert error_of("UNAVAILABLE", "", status(retry)).retry_after_s == 1.5


def test_waits_grow_up_to_the_longest():
    waits = [delay(REFUSED, attempt=attempt, chance=1.0) for attempt in (1, 2, 3)]
    assert waits == pytest.approx([0.1, 0.2, 0.3])
    assert delay(REFUSED, chance=0.0) == pytest.approx(0.05)


def test_attempts_end():
    assert delay(REFUSED, attempt=4) is None
    assert delay(REFUSED, policy=NO_RETRY) is None


def test_the_server_says_when_to_try_again():
    starting = errors.Unavailable("recovering", reason="UNAVAILABLE", retry_after_s=1.0)
    assert delay(starting) == 1.0
    assert delay(starting, remaining_s=0.9) is None
    assert delay(errors.ResourceExhausted("full", retry_after_s=0.2)) == 0.2
    assert delay(errors.ResourceExhausted("full")) is None


def test_a_restart_that_cancels_a_read_is_tried_again_and_a_refusal_is_not():
    assert delay(errors.Cancelled("gone")) is not None
    for cls in (errors.InvalidArgument, errors.NotFound, errors.Internal, errors.DeadlineExceeded):
        assert delay(cls("no")) is None


def test_a_write_is_tried_again_only_if_it_never_left():
    assert delay(REFUSED, idempotent=False) is not None
    assert delay(errors.Unavailable("socket closed"), idempotent=False) is None
    assert delay(errors.Cancelled("gone"), idempotent=False) is None
    stopping = errors.Unavailable("stopping", reason="UNAVAILABLE", retry_after_s=1.0)
    assert delay(stopping, idempotent=False) is None
