"""The transports against a fake server: deadlines, retries, paging, streams."""

import asyncio
import threading
from concurrent import futures

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from headcount.v1 import ingest_service_pb2 as ingest
from headcount.v1 import query_service_pb2 as query
from headcount.v1 import query_service_pb2_grpc
from headcount.v1.ingest_service_pb2_grpc import (
    IngestServiceServicer,
    add_IngestServiceServicer_to_server,
)
from headcount_client import AsyncClient, Client, RetryPolicy, errors, upsert_request

QUICK = RetryPolicy(attempts_max=4, backoff_s=0.001, backoff_max_s=0.002)


class Queries(query_service_pb2_grpc.QueryServiceServicer):
    """Fails as often as it is told to, then answers."""

    def __init__(self):
        self.failures = []
        self.requests = []

    def _take(self, request, context):
        self.requests.append(request)
        if self.failures:
            code, reason, retry_ms = self.failures.pop(0)
            context.abort_with_status(_status(code, reason, retry_ms))

    def Count(self, request, context):
        self._take(request, context)
        return query.CountResponse(total=42)

    def ListMembers(self, request, context):
        self._take(request, context)
        page = int(request.page_token or 0)
        response = query.ListMembersResponse(total=5)
        response.keys.numbers.extend(range(2 * page, min(2 * page + 2, 5)))
        response.next_page_token = str(page + 1) if page < 2 else ""
        return response

    def ExportMembers(self, request, context):
        self._take(request, context)
        for piece in (["a", "b"], ["c"]):
            response = query.ExportMembersResponse(total=3)
            response.keys.texts.extend(piece)
            yield response
        if request.rule_text == "breaks":
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


class Ingest(IngestServiceServicer):
    """Takes batches whose audience isn't "no"."""

    def __init__(self):
        self.taken = 0

    def UpsertSubscribers(self, request, context):
        self.taken += 1
        context.abort(grpc.StatusCode.UNAVAILABLE, "socket closed")

    def StreamWrites(self, request_iterator, context):
        for index, request in enumerate(request_iterator):
            self.taken += 1
            response = ingest.StreamWritesResponse(index=index)
            if request.upsert_subscribers.audience == "no":
                response.refused.message = "no such audience"
            else:
                response.accepted.accepted_count = len(request.upsert_subscribers.rows)
            yield response


class _Status(grpc.Status):
    def __init__(self, code, details, trailing_metadata):
        self.code, self.details, self.trailing_metadata = code, details, trailing_metadata


def _status(code, reason, retry_ms):
    status = status_pb2.Status(message="told")
    details = [error_details_pb2.ErrorInfo(reason=reason)]
    if retry_ms:
        details.append(error_details_pb2.RetryInfo())
        details[-1].retry_delay.FromMilliseconds(retry_ms)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return _Status(code, "told", (("grpc-status-details-bin", status.SerializeToString()),))


@pytest.fixture
def served():
    server = grpc.server(futures.ThreadPoolExecutor(8))
    queries, writes = Queries(), Ingest()
    query_service_pb2_grpc.add_QueryServiceServicer_to_server(queries, server)
    add_IngestServiceServicer_to_server(writes, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", queries, writes
    server.stop(None)


STARTING = (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", 1)
CANCELLED = (grpc.StatusCode.CANCELLED, "", 0)


def test_a_read_is_tried_again_until_it_is_answered(served):
    address, queries, _ = served
    queries.failures = [STARTING, CANCELLED, STARTING]
    with Client(address, retry=QUICK) as client:
        assert client.count("shop", "everyone").total == 42
    assert len(queries.requests) == 4


def test_attempts_end_with_the_last_error(served):
    address, queries, _ = served
    queries.failures = [STARTING] * 9
    with Client(address, retry=QUICK) as client, pytest.raises(errors.Unavailable) as caught:
        client.count("shop", "everyone")
    assert len(queries.requests) == 4
    assert caught.value.from_server


def test_a_refusal_is_not_tried_again(served):
    address, queries, _ = served
    queries.failures = [(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", 0)]
    with Client(address, retry=QUICK) as client, pytest.raises(errors.NotFound, match="told"):
        client.count("shop", "everyone")
    assert len(queries.requests) == 1


def test_a_write_that_may_have_arrived_is_not_tried_again(served):
    address, _, writes = served
    with Client(address, retry=QUICK) as client, pytest.raises(errors.Unavailable):
        client.upsert_subscribers("shop", [{"key": "a"}])
    assert writes.taken == 1


def test_retries_share_the_deadline(served):
    address, queries, _ = served
    queries.failures = [(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", 60_000)] * 3
    with Client(address, timeout_s=5) as client, pytest.raises(errors.Unavailable):
        client.count("shop", "everyone")
    assert len(queries.requests) == 1


def test_nobody_there_is_told_as_unreachable():
    with (
        Client("127.0.0.1:1", retry=RetryPolicy(attempts_max=1)) as client,
        pytest.raises(errors.Unavailable) as caught,
    ):
        client.count("shop", "everyone")
    assert not caught.value.from_server
    assert caught.value.never_left


def test_pages_are_read_as_one_listing(served):
    address, queries, _ = served
    with Client(address, retry=QUICK) as client:
        keys = client.list_members("shop", "everyone", page_size=2)
        assert next(keys) == 0
        assert len(queries.requests) == 1
        queries.failures = [STARTING]
        assert list(keys) == [1, 2, 3, 4]
    assert [request.page_token for request in queries.requests] == ["", "1", "1", "2"]


def test_an_export_is_tried_again_only_before_its_first_part(served):
    address, queries, _ = served
    with Client(address, retry=QUICK) as client:
        queries.failures = [STARTING]
        assert list(client.export_members("shop", "everyone")) == ["a", "b", "c"]
        assert len(queries.requests) == 2
        found = []
        with pytest.raises(errors.Unavailable, match="gone"):
            found.extend(client.export_members("shop", "breaks"))
    assert len(queries.requests) == 3


def test_a_stream_of_writes_is_answered_in_order(served):
    address, _, writes = served
    names = ["shop", "no", "shop"]
    with Client(address) as client:
        batches = (upsert_request(name, [{"key": "a"}, {"key": "b"}]) for name in names)
        answers = list(client.stream_writes(batches, in_flight=2))
    assert [answer.index for answer in answers] == [0, 1, 2]
    assert [answer.accepted is not None for answer in answers] == [True, False, True]
    assert answers[0].accepted.accepted_count == 2
    assert answers[1].refused.message == "no such audience"
    assert writes.taken == 3


def test_a_client_may_be_shared_between_threads(served):
    address, _, _ = served
    found = []
    with Client(address) as client:
        threads = [
            threading.Thread(target=lambda: found.append(client.count("s", "everyone").total))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [42] * 8


def test_another_deadline_on_the_same_channel(served):
    address, _, _ = served
    with Client(address) as client:
        assert client.with_timeout(5).count("shop", "everyone").total == 42
        assert client.count("shop", "everyone").total == 42


def test_the_asynchronous_client_does_the_same(served):
    address, queries, _ = served

    async def run():
        async with AsyncClient(address, retry=QUICK) as client:
            queries.failures = [STARTING, STARTING]
            assert (await client.count("shop", "everyone")).total == 42
            keys = [key async for key in client.list_members("shop", "everyone", page_size=2)]
            queries.failures = [STARTING]
            exported = [key async for key in client.export_members("shop", "everyone")]
            batches = [upsert_request(name, [{"key": "a"}]) for name in ("shop", "no", "shop")]
            answers = [answer async for answer in client.stream_writes(batches, in_flight=2)]
            queries.failures = [(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", 0)]
            with pytest.raises(errors.NotFound, match="told"):
                await client.count("shop", "everyone")
            return keys, exported, [answer.accepted is not None for answer in answers]

    keys, exported, accepted = asyncio.run(run())
    assert keys == [0, 1, 2, 3, 4]
    assert exported == ["a", "b", "c"]
    assert accepted == [True, False, True]


def test_methods_show_their_arguments():
    import inspect

    signature = inspect.signature(Client.count)
    assert list(signature.parameters)[:3] == ["self", "audience", "rule"]
    assert list(inspect.signature(Client("x").count).parameters)[:2] == ["audience", "rule"]
    assert "How many match" in (Client.count.__doc__ or "")
