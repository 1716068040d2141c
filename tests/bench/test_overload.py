"""More callers than a server takes, on a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from headcount.v1 import query_service_pb2
from headcount_bench.cli import main
from headcount_bench.load.overload import Overload, overload
from headcount_bench.serving import Server, serving
from headcount_client.client import Client

from tests.bench.test_load import SCHEMA


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with serving(tmp_path_factory.mktemp("served")) as found:
        with Client(found.address) as client:
            client.create_audience("shop", SCHEMA)
        yield found


def test_every_number_of_callers_is_answered_and_told(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "raw.jsonl"
    run = ["overload", "--address", server.address, "--pid", str(server.pid), "--audience", "shop"]
    found = CliRunner().invoke(main, [
        *run, "--rule", "everyone", "--callers", "2,1100", "--duration", "0.2", "--json",
        "--out", str(out),
    ])  # fmt: skip
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [json.loads(line) for line in found.stdout.splitlines()] == lines
    assert [line["callers"] for line in lines] == [2, 1_100]
    for line in lines:
        assert line["answers"]["count"] >= line["callers"]
        assert line["answers"]["errors"] == line["health"]["errors"] == {}
        assert line["health"]["count"] > 0
        assert line["most_bytes"] >= line["before_bytes"] > 0
        assert line["after_ms"] > 0


class _NeverInTime(grpc.GenericRpcHandler):
    """Answers nothing that has a deadline."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        if context.time_remaining() is not None:
            await asyncio.Event().wait()
        return b""


def test_calls_that_are_not_answered_in_time_are_counted_by_their_code() -> None:
    found = asyncio.run(_overload_of_a_stuck_server())
    assert found.answers.count == 0
    assert found.answers.errors.keys() == {"DEADLINE_EXCEEDED"}
    assert found.answers.errors["DEADLINE_EXCEEDED"] >= 40


async def _overload_of_a_stuck_server() -> Overload:
    stuck = grpc.aio.server(handlers=[_NeverInTime()])
    port = stuck.add_insecure_port("127.0.0.1:0")
    await stuck.start()
    try:
        requests = [query_service_pb2.CountRequest()]
        return await overload(Server(f"127.0.0.1:{port}", None), requests, 40, 0.2, 0.05)
    finally:
        await stuck.stop(None)


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--callers", "16,many"], 2, '"many" is no number of callers'),
        (["--callers", "0"], 2, '"0" is no number of callers'),
        (["--audience", "none"], 3, 'no audience "none"'),
        (["--data", "."], 2, "give --address"),
    ],
)
def test_what_can_not_be_measured_is_told(
    server: Server, more: list[str], code: int, told: str
) -> None:
    found = CliRunner().invoke(main, ["overload", "--address", server.address, *more])
    assert found.exit_code == code
    assert told in found.output


def test_a_server_that_is_not_there_is_told() -> None:
    found = CliRunner().invoke(main, ["overload", "--address", "127.0.0.1:1"])
    assert found.exit_code == 4
    assert "no server answers at 127.0.0.1:1" in found.output
