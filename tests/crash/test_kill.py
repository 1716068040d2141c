"""``kill -9`` of the real server while clients write: nothing acknowledged is lost or half there.

Each client numbers its batches, so that what it sends again after a kill is applied once. Its
batches are of one size, so the number of subscribers and events tells how many batches there are.
"""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest
from headcount.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    audience_service_pb2,
    audience_service_pb2_grpc,
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    schema_pb2,
)

KILLS = int(os.environ.get("HEADCOUNT_KILLS", "8"))
CLIENTS = 4
ROWS = 5
PROGRAM = [sys.executable, "-c", "from headcount_server.cli.serve import serve; serve()"]


class Server:
    """One process after the other on a data directory."""

    def __init__(self, data, *arguments):
        self.data, self.arguments = data, arguments

    def start(self):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [*PROGRAM, "--data", str(self.data), "--listen", "127.0.0.1:0", *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return re.search(r" on (\S+)$", line)[1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Sender(threading.Thread):
    """Sends batches until the server is gone; remembers the revisions of those acknowledged."""

    def __init__(self, name, acknowledged, address):
        super().__init__()
        self.audience, self.acknowledged, self.address = name, acknowledged, address
        self.wrong = []
        self.has_written = threading.Event()

    def run(self):
        with grpc.insecure_channel(self.address) as channel:
            ingest = ingest_service_pb2_grpc.IngestServiceStub(channel)
            number = max(self.acknowledged, default=0)  # the last one once more, then new ones
            while True:
                try:
                    revision = self.send(ingest, max(number, 1))
                except grpc.RpcError as error:
                    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                        self.wrong.append(error)
                        self.has_written.set()
                    return
                is_new = max(number, 1) not in self.acknowledged
                known = self.acknowledged.setdefault(max(number, 1), revision)
                if known != revision:
                    self.wrong.append((number, known, revision))
                if is_new:
                    self.has_written.set()
                number = max(number, 1) + 1

    def send(self, ingest, number):
        keys = ingest_service_pb2.Keys(texts=[f"{number - number % 2}-{i}" for i in range(ROWS)])
        numbered = {"audience": self.audience, "producer": "p", "sequence": number}
        if number % 2:
            columns = ingest_service_pb2.SubscriberColumns(keys=keys)
            request = ingest_service_pb2.UpsertSubscribersRequest(columns=columns, **numbered)
            return ingest.UpsertSubscribers(request, timeout=20).revision
        times = ingest_service_pb2.Column(name="time")
        times.integers.values.extend([1_700_000_000] * ROWS)
        columns = ingest_service_pb2.EventColumns(keys=keys, times=times, event="open")
        request = ingest_service_pb2.RecordEventsRequest(
            columns=columns, create_missing=True, **numbered
        )
        return ingest.RecordEvents(request, timeout=20).revision


def create(address, name):
    request = audience_service_pb2.CreateAudienceRequest()
    request.audience.name, request.audience.key = name, schema_pb2.KEY_TYPE_STRING
    request.audience.events.add(name="open")
    with grpc.insecure_channel(address) as channel:
        audience_service_pb2_grpc.AudienceServiceStub(channel).CreateAudience(request, timeout=20)


def check(address, acknowledged, started):
    """Holds what the server has against what the clients know."""
    with grpc.insecure_channel(address) as channel:
        request = admin_service_pb2.GetServerStatusRequest()
        status = admin_service_pb2_grpc.AdminServiceStub(channel).GetServerStatus(
            request, timeout=20
        )
    for found in status.audiences:
        last = max(acknowledged[found.audience], default=0)
        batches = found.revision - 1
        assert last <= batches <= last + started, found
        # Batches 2k and 2k + 1 have the same keys, batch 1 those of 0; even ones have events.
        assert found.event_count == batches // 2 * ROWS
        assert found.subscriber_count == (batches // 2 + (1 if batches else 0)) * ROWS
        for number, revision in acknowledged[found.audience].items():
            assert revision == number + 1


@pytest.mark.parametrize("sync", ["always", "interval=20ms", "off"])
def test_a_killed_server_has_everything_that_it_acknowledged(tmp_path, sync):
    server = Server(tmp_path, "--sync", sync, "--snapshot-log-bytes", "200000")
    kills = KILLS if sync == "always" else max(KILLS // 10, 1)
    chance = random.Random(kills)
    acknowledged = {f"a{i}": {} for i in range(CLIENTS)}
    address = server.start()
    try:
        for name in acknowledged:
            create(address, name)
        for _ in range(kills):
            senders = [Sender(name, known, address) for name, known in acknowledged.items()]
            for sender in senders:
                sender.start()
            assert all(sender.has_written.wait(30) for sender in senders)
            time.sleep(chance.uniform(0.05, 0.4))  # the point at which it is killed
            server.kill()
            for sender in senders:
                sender.join(30)
                assert not sender.is_alive()
                assert not sender.wrong
            address = server.start()
            check(address, acknowledged, started=1)
    finally:
        server.kill()
    assert all(len(known) >= kills for known in acknowledged.values())
