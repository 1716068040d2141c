"""The measurements, in order: durable writes, recovery from the log, snapshots, stalls, recovery.

Every server is one of its own, in a process of its own, on a loopback port.
"""

from __future__ import annotations

import asyncio
import functools
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from headcount.v1 import ingest_service_pb2, query_service_pb2
from headcount_client.client import Client

from headcount_bench.durability.preparing import made_or_copied
from headcount_bench.durability.writing import (
    AUDIENCE,
    SCHEMA,
    Written,
    key_of,
    written,
)
from headcount_bench.load.beside import Stall, reads_beside
from headcount_bench.serving import Server, serving
from headcount_bench.workload import dataset
from headcount_bench.workload.dataset import AS_OF, Dataset
from headcount_bench.workload.questions import STANDARD, Kind

SYNCS = ("always", "interval=100ms", "off")
BATCH_CLIENTS, SINGLE_CLIENTS = 4, 64
_READ_RULE = next(one.rule for one in STANDARD if one.id == "s01")
_NO_SNAPSHOTS = ("--snapshot-log-bytes", "0")


@dataclass(frozen=True, slots=True)
class Recovery:
    """A start.

    Attributes:
        what: was on disk.
        seconds: from the start of the process to its first answer.
        resident_bytes: of the process then.
    """

    what: str
    seconds: float
    events: int
    subscribers: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was taken while reads went on."""

    what: str
    seconds: float
    bytes: int


@dataclass(slots=True)
class Run:
    """All that was measured."""

    written: list[Written] = field(default_factory=list[Written])
    recoveries: list[Recovery] = field(default_factory=list[Recovery])
    snapshots: list[Snapshot] = field(default_factory=list[Snapshot])
    stalls: list[Stall] = field(default_factory=list[Stall])


def measure_writes(run: Run, directory: Path, people: int, duration_s: float) -> None:
    """Durable writes under each setting of ``--sync``, then recovery from a log alone.

    Args:
        run: is added to.
        directory: empty; data directories are made in it.
        people: subscribers of the audience that is written to.
        duration_s: of each way of writing.
    """
    for sync in SYNCS:
        data = directory / sync.partition("=")[0]
        with serving(data, ("--sync", sync, *_NO_SNAPSHOTS)) as server:
            _create(server, people)
            for way, clients, single, stream in (
                ("batches of 1,000, streams", BATCH_CLIENTS, False, True),
                ("single events, unary", SINGLE_CLIENTS, True, False),
                ("single events, streams", SINGLE_CLIENTS, True, True),
            ):
                figures = Written(sync, way, clients)
                cpu_s = server.cpu_s()
                asyncio.run(
                    written(
                        server.address, figures, duration_s, people, single=single, stream=stream
                    )
                )
                figures.server_cpu_s = server.cpu_s() - cpu_s
                run.written.append(figures)
            if sync == "always":
                _kill(server)
        if sync == "always":
            with serving(data, _NO_SNAPSHOTS) as server:
                run.recoveries.append(_recovery("log alone", server))
        shutil.rmtree(data)


def measure_large(
    run: Run, found: Dataset, directory: Path, repeats: int, prepared: Path | None = None
) -> None:
    """Recovery from a snapshot of generated files, snapshots and stalls beside reads.

    Args:
        run: is added to.
        found: the files.
        directory: empty; the data directory is made in it.
        repeats: of the heaviest query.
        prepared: a data directory of these files, made where it is missing; left as it is.
    """
    data = directory / "large"
    made_or_copied(found.directory, data, prepared)
    with serving(data, _NO_SNAPSHOTS) as server:
        run.recoveries.append(_recovery("snapshot", server))
        with Client(server.address, timeout_s=600) as client:
            asyncio.run(_stalls(run, server, client, repeats))
        _kill(server)
    with serving(data, _NO_SNAPSHOTS) as server:
        run.recoveries.append(_recovery("snapshot and the log after it", server))
    shutil.rmtree(data)


async def _stalls(run: Run, server: Server, client: Client, repeats: int) -> None:
    request = query_service_pb2.CountRequest(audience=dataset.AUDIENCE, rule_text=_READ_RULE)
    request.as_of.FromDatetime(AS_OF)
    rules = [one.rule for one in STANDARD if one.kind is Kind.COUNT]

    def warm() -> None:
        for rule in (*rules, *rules):
            client.count(dataset.AUDIENCE, rule, as_of=AS_OF)

    def heaviest() -> None:
        asked = [rules[i % len(rules)] for i in range(1_000)]
        for _ in range(repeats):
            client.batch_count(dataset.AUDIENCE, asked, as_of=AS_OF)

    def snapshot(what: str) -> None:
        begin = time.perf_counter()
        taken = client.create_snapshot().snapshot
        size = taken.size_bytes if taken is not None else 0
        run.snapshots.append(Snapshot(what, time.perf_counter() - begin, size))

    def bulk() -> None:
        for _ in client.stream_writes(_bulk_batches(40, 50_000), in_flight=3):
            pass

    await asyncio.to_thread(warm)
    for beside, work in (
        ("nothing", lambda: time.sleep(5)),
        ("bulk load: upserts of 50,000 rows", bulk),
        ("nothing, after the load", lambda: time.sleep(5)),
        ("snapshot of what changed", lambda: snapshot("after the bulk load")),
        ("BatchCount of 1,000 rules", heaviest),
    ):
        beside_it = await reads_beside(
            server.address, [request], beside, functools.partial(asyncio.to_thread, work)
        )
        run.stalls.append(beside_it)


def _bulk_batches(count: int, size: int) -> list[ingest_service_pb2.UpsertSubscribersRequest]:
    batches: list[ingest_service_pb2.UpsertSubscribersRequest] = []
    for number in range(count):
        request = ingest_service_pb2.UpsertSubscribersRequest(audience=dataset.AUDIENCE)
        columns = request.columns
        columns.keys.texts.extend([f"new{number * size + i:09d}" for i in range(size)])
        ages = columns.columns.add(name="age").integers
        ages.values.extend([16 + i % 75 for i in range(size)])
        countries = columns.columns.add(name="country").coded_texts
        countries.dictionary.extend(["DE", "FR", "IT"])
        countries.codes.extend([i % 3 for i in range(size)])
        batches.append(request)
    return batches


def _create(server: Server, people: int) -> None:
    with Client(server.address, timeout_s=120) as client:
        client.create_audience(AUDIENCE, SCHEMA)
        for start in range(0, people, 50_000):
            request = ingest_service_pb2.UpsertSubscribersRequest(audience=AUDIENCE)
            end = min(people, start + 50_000)
            request.columns.keys.texts.extend([key_of(number) for number in range(start, end)])
            client.upsert_subscribers(AUDIENCE, columns=request.columns)


def _recovery(what: str, server: Server) -> Recovery:
    with Client(server.address) as client:
        status = client.get_server_status()
    audiences = status.audiences
    return Recovery(
        what,
        server.start_s,
        sum(one.event_count for one in audiences),
        sum(one.subscriber_count for one in audiences),
        status.resident_bytes,
    )


def _kill(server: Server) -> None:
    """Ends it as a failure would: without a last snapshot."""
    assert server.pid is not None
    process = psutil.Process(server.pid)
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def needed_bytes(found: Dataset | None) -> int:
    """Disk for all data directories, about."""
    writes = 2 << 30
    if found is None:
        return writes
    manifest = found.manifest
    return writes + 3 * (manifest.subscribers * 120 + manifest.events * 24)
