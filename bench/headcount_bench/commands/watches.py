"""``headcount-bench watches``."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from headcount_client.client import Client
from headcount_client.demo.loading import AUDIENCE, SCHEMA, load_events, load_people
from headcount_client.demo.people import generate
from rich.console import Console
from rich.table import Table

from headcount_bench.faults import BenchFault
from headcount_bench.machine import describe_machine
from headcount_bench.serving import serving
from headcount_bench.watches import WatchFigures, measure

_DAYS = 86_400

keep_option = click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the server's data in this directory, and start from what is there.",
)


@click.command()
@click.option("--subscribers", type=click.IntRange(20_000), default=1_000_000, show_default=True)
@click.option("--watches", "counts", default="1,100,1000,10000", show_default=True)
@click.option("--events", "rates", default="0,1000,20000", show_default=True, help="A second.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=10.0, show_default=True)
@keep_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def watches(
    subscribers: int, counts: str, rates: str, seconds: float, keep: Path | None, as_json: bool
) -> None:
    """Watches of a server of its own with made-up data, while events stream in.

    Example:  headcount-bench watches --watches 1000 --events 20000
    """
    found: list[WatchFigures] = []
    with loaded(subscribers, keep) as address:
        for count, rate in itertools.product(_numbers(counts), _numbers(rates)):
            figures = asyncio.run(measure(address, count, rate, seconds))
            found.append(figures)
            if as_json:
                stamp = {"time": datetime.now(UTC).isoformat(), **describe_machine()}
                click.echo(json.dumps({**stamp, "subscribers": subscribers, **figures.as_dict()}))
    if not as_json:
        Console(width=150).print(_table(found))


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


@contextmanager
def loaded(subscribers: int, keep: Path | None) -> Generator[str]:
    """A server of its own with made-up people and events; yields its address.

    Args:
        subscribers: how many, where the data is still to be made.
        keep: the directory of its data, used again where there is one; None: a temporary one.

    Raises:
        BenchFault: what was kept is of another number of subscribers.
    """
    with ExitStack() as stack:
        if keep is None:
            keep = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headcount-bench-")))
        is_made = keep.exists() and any(keep.iterdir())
        address = stack.enter_context(serving(keep)).address
        if not is_made:
            load(address, subscribers)
        with Client(address, timeout_s=600) as client:
            there = client.count(AUDIENCE, "everyone").total
        # Measurements add a subscriber with each write.
        if not subscribers <= there < 1.1 * subscribers + 10_000:
            raise BenchFault(f"{keep} has {there:,} subscribers, not {subscribers:,}")
        yield address


def load(address: str, subscribers: int) -> None:
    """Made-up people and a year of their events up to today."""
    today = int(datetime.now(UTC).timestamp()) // _DAYS
    people, events = generate(subscribers, today)
    with Client(address, timeout_s=600) as client:
        client.create_audience(AUDIENCE, SCHEMA)
        for _ in load_people(client, people):
            pass
        for one in events:
            for _ in load_events(client, people, one):
                pass


def _table(found: list[WatchFigures]) -> Table:
    table = Table()
    columns = (
        "watches", "events/s", "written/s", "CPU of a core", "without watches",
        "counting all 10×/s", "ratio", "client's CPU", "updates/s", "p50 ms", "p99 ms",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="right")
    for one in found:
        own = max(one.cpu - one.idle_cpu, 1e-4)
        table.add_row(
            f"{one.watches:,}", f"{one.events_per_s:,.0f}", f"{one.written_per_s:,.0f}",
            f"{one.cpu:.1%}", f"{one.idle_cpu:.1%}", f"{one.recount_cpu:,.2f}",
            f"{one.recount_cpu / own:,.1f}", f"{one.client_cpu:.1%}",
            f"{one.updates_per_s:,.0f}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}",
        )  # fmt: skip
    return table
