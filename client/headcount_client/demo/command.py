"""``headcount demo``."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from headcount_client.channels import ADDRESS
from headcount_client.cli.commands.counts import print_breakdown, print_explanation
from headcount_client.cli.output import print_table, say, share, shown
from headcount_client.client import Client
from headcount_client.demo.loading import AUDIENCE, SCHEMA, load_events, load_people
from headcount_client.demo.people import generate
from headcount_client.demo.server import running

SUBSCRIBERS = 100_000
RULES = (
    'country = "DE"',
    'age between 25 and 40 and tags has any of ("outdoor", "running")',
    'email ends with "@gmail.com" and plan in ("basic", "pro")',
    "did open at least 3 times in last 90 days",
    "did open in last 90 days and did not click in last 90 days",
    'did purchase where (category = "shoes" and amount > 50) in last 180 days',
    "lifetime_spend >= 200 and did not purchase in last 90 days",
    'at least 2 of (plan = "pro", tags has "beta", did click at least 2 times in last 60 days)',
)
EXPLAINED = (
    'country in ("DE", "AT", "CH") and (did click in last 60 days or plan = "pro")'
    " and not did purchase in last 30 days and age >= 30"
)
BROKEN_DOWN = 'did purchase where (category = "shoes") in last 180 days'


@click.command(
    epilog="""\b
Examples:
  headcount demo
  headcount demo --once
  headcount demo --data ./demo-data"""
)
@click.option("--once", is_flag=True, help="End after the questions instead of waiting.")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep the data; by default they are gone at the end.",
)
@click.option(
    "--subscribers",
    type=click.IntRange(1000, 5_000_000),
    default=SUBSCRIBERS,
    show_default=True,
    help="How many to make up.",
)
def demo(once: bool, data: Path | None, subscribers: int) -> None:
    """Start a server with made-up data, ask it some questions, tell how to go on."""  # fmt: skip
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headcount-")))
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _interrupt)
        try:
            say("Starting a server …")
            address = stack.enter_context(running(folder)).address
            client = stack.enter_context(Client(address, timeout_s=120))
            say(f"It answers on {address} and keeps its data in {folder}.\n")
            _load(client, subscribers)
            _ask(client)
            if once:
                say("To go on by hand: headcount demo, which waits with its server running.")
            else:
                _tell(address)
                say("\nCtrl-C ends the server and the demo.", "bold")
                threading.Event().wait()
        except KeyboardInterrupt:
            say("\nStopping the server …")


def _load(client: Client, subscribers: int) -> None:
    if any(found.name == AUDIENCE for found in client.list_audiences()):
        say("The data are there already.\n")
        return
    say(f"Making up {subscribers:,} subscribers and a year of their events …")
    people, events = generate(subscribers, (date.today() - date(1970, 1, 1)).days)
    client.create_audience(AUDIENCE, SCHEMA)
    begin = time.perf_counter()
    console = Console(highlight=False)
    with Progress(
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stdout.isatty(),
    ) as progress:
        _follow(progress, "subscribers", len(people.keys), load_people(client, people))
        for one in events:
            _follow(progress, one.event, len(one), load_events(client, people, one))
    elapsed = time.perf_counter() - begin
    total = sum(map(len, events))
    say(f"{len(people.keys):,} subscribers and {total:,} events loaded in {elapsed:.1f} s.\n")


def _follow(progress: Progress, name: str, total: int, batches: Iterable[int]) -> None:
    bar = progress.add_task(name, total=total)
    for rows in batches:
        progress.advance(bar, rows)


def _ask(client: Client) -> None:
    rows: list[tuple[object, ...]] = []
    for rule in RULES:
        first, again = client.count(AUDIENCE, rule), client.count(AUDIENCE, rule)
        part = share(again.total, again.audience_size)
        times = (f"{first.engine_ms:.1f}", f"{again.engine_ms:.2f}")
        rows.append((rule, again.total, part, again.reachable, *times))
    say("How many match? Exactly, and with those among them who can be reached:", "bold")
    columns = ("rule", "count", "share", "reachable", "first ms", "again ms")
    print_table(columns, rows, numbers=columns[1:])
    explained = client.explain(AUDIENCE, EXPLAINED)
    say("Where does a rule lose people? The count at each of its parts:", "bold")
    print_explanation(explained)
    broken_down = client.breakdown(
        AUDIENCE, BROKEN_DOWN, [{"attribute": "country"}, {"attribute": "plan"}]
    )
    say(f"Who are the {shown(broken_down.total)} that match {BROKEN_DOWN}?", "bold")
    for one in broken_down.breakdowns:
        print_breakdown(one, broken_down.total)


def _tell(address: str) -> None:
    at = "" if address == ADDRESS else f" --address {address}"
    rule = shlex.quote('plan = "pro" and did open in last 30 days')
    say("Go on by hand:", "bold")
    for command in (
        f"headcount count {AUDIENCE} {rule}{at}",
        f"headcount explain {AUDIENCE} {rule}{at}",
        f"headcount breakdown {AUDIENCE} everyone --by age --edges 0,20,30,40,50,60,120{at}",
        f"headcount members {AUDIENCE} {rule} --limit 5{at}",
        f"headcount segment create {AUDIENCE} vip {shlex.quote('lifetime_spend >= 500')}{at}",
        f"headcount match {AUDIENCE} s000001{at}",
        f"headcount audience describe {AUDIENCE}{at}",
    ):
        say(f"  {command}", "cyan")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
