"""Errors as gRPC statuses: one table, details of a bounded size, bugs that tell nothing."""

import base64
import logging

import grpc
import pytest
from google.rpc import error_details_pb2
from headcount_server import errors
from headcount_server.errors import HeadcountError, InvalidBatch, InvalidInput, Violation
from headcount_server.rpc import status

METADATA_BYTES = 8 << 10  # what every gRPC client takes


def classes(root=HeadcountError):
    yield root
    for below in root.__subclasses__():
        yield from classes(below)


def details(found):
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    unpacked = {}
    for packed in found.details:
        for kind in kinds:
            message = kind()
            if packed.Unpack(message):
                unpacked[kind.__name__] = message
    return unpacked


def test_every_error_class_has_a_code_of_its_own_in_the_table():
    assert set(status.CODES) == set(classes())


def test_reasons_are_stable_and_different():
    reasons = [error.reason for error in status.CODES]
    assert len(set(reasons)) == len(reasons)
    assert all(reason == reason.upper() for reason in reasons)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NotFound, grpc.StatusCode.NOT_FOUND),
        (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
        (errors.InUse, grpc.StatusCode.FAILED_PRECONDITION),
        (errors.StaleEtag, grpc.StatusCode.ABORTED),
        (errors.RevisionOutOfRange, grpc.StatusCode.OUT_OF_RANGE),
        (errors.DataLoss, grpc.StatusCode.DATA_LOSS),
        (errors.Unimplemented, grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_codes_follow_the_contract(kind, code):
    found = status.status_of(kind("what was wrong", key="value"))
    assert found.code == code.value[0]
    info = details(found)["ErrorInfo"]
    assert (info.reason, info.domain, info.metadata["key"]) == (kind.reason, "headcount", "value")


@pytest.mark.parametrize("kind", [errors.Overloaded, errors.Unavailable])
def test_what_may_be_tried_again_says_when(kind):
    retry = details(status.status_of(kind("later")))["RetryInfo"]
    assert 0 < retry.retry_delay.ToMilliseconds() <= 1_000


def test_a_fault_of_a_rule_tells_its_place_and_what_was_meant():
    violation = Violation(
        "rule.and.rules[0].attribute.name", 'unknown attribute "contry"', "UNKNOWN_ATTRIBUTE",
        2, 3, 17, 23, "contry", ("country", "city"), "country",
    )  # fmt: skip
    found = details(status.status_of(errors.InvalidRule("no", (violation,))))
    metadata = dict(found["ErrorInfo"].metadata)
    assert metadata == {
        "field": "rule.rules[0].attribute.name", "fault": "UNKNOWN_ATTRIBUTE", "line": "2",
        "column": "3", "start": "17", "end": "23", "found": "contry",
        "expected": "country, city", "suggestion": "country",
    }  # fmt: skip
    (bad,) = found["BadRequest"].field_violations
    assert bad.field == "rule.rules[0].attribute.name"
    assert bad.reason == "UNKNOWN_ATTRIBUTE"
    assert bad.description == 'unknown attribute "contry"'


@pytest.mark.parametrize("text", ["x" * 100_000, "€" * 100_000, "%\n" * 50_000])
def test_details_and_message_stay_within_what_clients_take(text):
    violations = tuple(Violation(text, text, "INVALID", found=text, row=i) for i in range(1_000))
    error = InvalidBatch(text, violations, bad_rows="1000")
    found = status.status_of(error)
    encoded = base64.b64encode(found.SerializeToString())
    header = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in found.message)
    assert len(encoded) + header + 500 < METADATA_BYTES
    unpacked = details(found)
    assert unpacked["ErrorInfo"].metadata["violations_count"] == "1000"
    assert unpacked["ErrorInfo"].metadata["bad_rows"] == "1000"
    assert 1 <= len(unpacked["BadRequest"].field_violations) < 1_000


def test_faults_that_fit_are_all_told():
    violations = tuple(Violation(f"rows[{i}]", "too long", "INVALID") for i in range(30))
    found = details(status.status_of(InvalidInput("no", violations)))
    assert len(found["BadRequest"].field_violations) == 30
    assert "violations_count" not in found["ErrorInfo"].metadata


def test_a_bug_is_logged_and_not_sent(caplog):
    with caplog.at_level(logging.ERROR, "headcount.rpc"):
        try:
            raise ZeroDivisionError("the secret")
        except ZeroDivisionError:
            error = status.bug("QueryService.Count")
    assert status.code_of(error) is grpc.StatusCode.INTERNAL
    found = status.status_of(error)
    assert "secret" not in str(found)
    assert "ZeroDivisionError" not in str(found)
    reference = details(found)["ErrorInfo"].metadata["reference"]
    assert reference in caplog.text
    assert "the secret" in caplog.text


def test_a_refused_batch_lists_its_bad_rows():
    rows = tuple(Violation("age", "no number", "INVALID_VALUE", row=i) for i in (3, 7))
    refused = status.refusal(InvalidBatch("no", rows, bad_rows="12"))
    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [(row.index, row.field) for row in refused.bad_rows] == [(3, "age"), (7, "age")]
    assert refused.bad_row_count == 12
