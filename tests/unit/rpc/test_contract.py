"""Every call of the contract is answered, or says that it isn't."""

import re

import pytest
from google.protobuf.descriptor_pool import Default
from headcount_server.rpc.admin_service import AdminService
from headcount_server.rpc.audience_service import AudienceService
from headcount_server.rpc.handlers import UNANSWERED
from headcount_server.rpc.ingest_service import IngestService
from headcount_server.rpc.query_service import QueryService
from headcount_server.rpc.segment_service import SegmentService

SERVICES = (AdminService, AudienceService, IngestService, QueryService, SegmentService)
CALLS = [
    (service, method.name)
    for service in SERVICES
    for method in Default().FindServiceByName(f"headcount.v1.{service.__name__}").methods
]


@pytest.mark.parametrize(("service", "call"), CALLS, ids=[call for _, call in CALLS])
def test_a_call_has_a_method_or_is_named_as_unanswered(service, call):
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()
    assert hasattr(service, method) != (call in UNANSWERED)


def test_no_call_is_named_that_the_contract_does_not_have():
    assert set(UNANSWERED) <= {call for _, call in CALLS}
