"""The demo from start to end: a server, made-up data, questions, and how to go on by hand."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headcount.v1 import ingest_service_pb2 as pb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headcount_client.client import Client
from headcount_client.demo.generate import AUDIENCE, SCHEMA, Events, Shop, end_of, event_batches
from headcount_client.demo.show import show_breakdown, show_counts, show_explanation
from headcount_client.errors import HeadcountError

SUBSCRIBERS = 100_000
_BATCH_ROWS = 20_000
_IN_FLIGHT_MAX = 4
_STOP_TIMEOUT_S = 60.0


class ServerStartError(Exception):
    """``headcount serve`` ended or said nothing; the message says why."""


def run_demo(
    console: Console, data: Path | None, once: bool, subscribers: int = SUBSCRIBERS
) -> None:
    """Runs the demo.

    Args:
        console: where it is shown.
        data: directory to keep the data in; None: a temporary one that goes with the demo.
        once: end after the questions, instead of waiting to be interrupted.
        subscribers: how many to make up.

    Raises:
        ServerStartError: the server could not be started.
        HeadcountError: a call failed.
    """
    with contextlib.ExitStack() as stack:
        directory = data or _temporary(stack)
        address = stack.enter_context(_server(directory))
        console.print(f"A server answers on [bold]{address}[/bold]; data are in {directory}\n")
        client = stack.enter_context(Client(address))
        last_day = (datetime.now(UTC) - timedelta(days=1)).date()
        _load(client, console, Shop(subscribers, last_day))
        as_of = end_of(last_day)
        show_counts(client, console, as_of)
        show_explanation(client, console, as_of)
        show_breakdown(client, console, as_of)
        _tell_how_to_go_on(console, address)
        if not once:
            _wait(console)


def _temporary(stack: contextlib.ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headcount-")))


@contextlib.contextmanager
def _server(directory: Path) -> Generator[str]:
    """A server as a process of its own; ends with SIGTERM, so that it writes its snapshot."""
    command = [sys.executable, "-m", "headcount_client.cli", "serve"]
    command += ["--data", str(directory), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise ServerStartError(f"`headcount serve` ended with exit code {process.wait()}")
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _load(client: Client, console: Console, shop: Shop) -> None:
    with contextlib.suppress(HeadcountError):
        client.delete_audience(AUDIENCE)
    client.create_audience(AUDIENCE, SCHEMA)
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        _send(client, progress, "subscribers", shop.subscribers, _subscriber_requests(shop))
        for events in shop.events():
            _send(client, progress, events.event, len(events), _event_requests(events))
    console.print()


def _send(
    client: Client,
    progress: Progress,
    description: str,
    total: int,
    requests: Iterable[pb.StreamWritesRequest],
) -> None:
    task = progress.add_task(description, total=total)
    for answer in client.stream_writes(requests, in_flight=_IN_FLIGHT_MAX):
        if answer.accepted is None:
            raise HeadcountError(f"made-up {description} were refused: {answer.refused}")
        progress.advance(task, answer.accepted.accepted_count)


def _subscriber_requests(shop: Shop) -> Iterator[pb.StreamWritesRequest]:
    for columns in shop.subscriber_batches(_BATCH_ROWS):
        upsert = pb.UpsertSubscribersRequest(audience=AUDIENCE, columns=columns)
        yield pb.StreamWritesRequest(upsert_subscribers=upsert)


def _event_requests(events: Events) -> Iterator[pb.StreamWritesRequest]:
    for columns in event_batches(events, _BATCH_ROWS):
        record = pb.RecordEventsRequest(audience=AUDIENCE, columns=columns)
        yield pb.StreamWritesRequest(record_events=record)


def _tell_how_to_go_on(console: Console, address: str) -> None:
    console.print("\n[bold]Go on by hand[/bold], in another terminal:")
    for command in (
        f"headcount count {AUDIENCE} 'country = \"DE\" and did open in last 30 days'",
        f"headcount explain {AUDIENCE} 'age >= 30 and interests has \"yoga\"'",
        f"headcount breakdown {AUDIENCE} 'did purchase in last 30 days' --by city",
        f"headcount audience describe {AUDIENCE}",
    ):
        console.print(f"  {command} --address {address}", highlight=False, soft_wrap=True)


def _wait(console: Console) -> None:
    console.print("\nCtrl-C ends the demo.")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
