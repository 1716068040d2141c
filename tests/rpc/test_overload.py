"""More calls at once than can be answered at once, over loopback."""

import asyncio

import grpc
import pytest
from headcount.v1 import audience_service_pb2, query_service_pb2, query_service_pb2_grpc
from headcount_server.limits import Limits

from tests.rpc.serving import audience, running, stubs

WITHIN_S = 60
EVERYONE = query_service_pb2.CountRequest(audience="a", rule_text="everyone")


@pytest.fixture(scope="module")
def address():
    with running() as server, stubs(server.address) as api:
        request = audience_service_pb2.CreateAudienceRequest(audience=audience("a"))
        api.audience.CreateAudience(request)
        yield server.address


def channels(address, number):
    """Connections of their own."""
    return [grpc.aio.insecure_channel(address, options=[("number", i)]) for i in range(number)]


async def counted(channel, number):
    """The codes of so many counts at once."""
    stub = query_service_pb2_grpc.QueryServiceStub(channel)
    await stub.Count(EVERYONE)

    async def one():
        try:
            await stub.Count(EVERYONE, timeout=WITHIN_S)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    return await asyncio.gather(*(one() for _ in range(number)))


def test_more_calls_than_grpc_lets_wait_by_default_are_all_answered(address):
    async def run():
        found = channels(address, 4)
        codes = await asyncio.gather(*(counted(channel, 600) for channel in found))
        await asyncio.gather(*(channel.close() for channel in found))
        return {code for some in codes for code in some}

    assert asyncio.run(run()) == {grpc.StatusCode.OK}


def test_calls_past_the_limit_of_those_that_wait_are_cancelled_and_others_answered():
    with running(limits=Limits(pending_requests_max=20)) as server, stubs(server.address) as api:
        request = audience_service_pb2.CreateAudienceRequest(audience=audience("a"))
        api.audience.CreateAudience(request)

        async def run():
            found = channels(server.address, 2)
            codes = await asyncio.gather(*(counted(channel, 500) for channel in found))
            last = await counted(found[0], 1)
            await asyncio.gather(*(channel.close() for channel in found))
            return {code for some in codes for code in some}, last

        codes, last = asyncio.run(asyncio.wait_for(run(), WITHIN_S))
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
        assert last == [grpc.StatusCode.OK]


def test_streams_that_are_opened_and_reset_leave_others_their_answers(address):
    async def run():
        rude, polite = channels(address, 2)
        stub = query_service_pb2_grpc.QueryServiceStub(rude)
        await stub.Count(EVERYONE)
        question = query_service_pb2.CountStreamRequest(audience="a", rule_text="everyone", slot=1)
        for _ in range(5):
            opened = [stub.CountStream() for _ in range(100)]
            await asyncio.gather(*(stream.write(question) for stream in opened))
            for stream in opened:
                stream.cancel()
            assert set(await counted(polite, 3)) == {grpc.StatusCode.OK}
        assert (await stub.Count(EVERYONE)).total == 0
        await asyncio.gather(rude.close(), polite.close())

    asyncio.run(asyncio.wait_for(run(), WITHIN_S))


def test_a_connection_has_no_more_calls_under_way_than_its_limit():
    with running(limits=Limits(concurrent_streams_max=2)) as server:

        async def run():
            (channel,) = channels(server.address, 1)
            stub = query_service_pb2_grpc.QueryServiceStub(channel)
            question = query_service_pb2.CountStreamRequest(
                audience="a", rule_text="everyone", slot=1, sequence=1
            )
            first, second = stub.CountStream(), stub.CountStream()
            for stream in (first, second):
                await stream.write(question)
                assert (await stream.read()).slot == 1
            third = stub.CountStream()
            waiting = asyncio.ensure_future(third.write(question))
            reading = asyncio.ensure_future(third.read())
            await first.done_writing()
            assert await first.read() is grpc.aio.EOF
            await waiting
            answer = await reading
            for stream in (second, third):
                stream.cancel()
            await channel.close()
            return answer.slot

        assert asyncio.run(asyncio.wait_for(run(), WITHIN_S)) == 1
