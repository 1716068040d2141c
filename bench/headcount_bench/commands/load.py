"""``headcount-bench load``."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop
from headcount_client.client import Client
from rich.console import Console

from headcount_bench.faults import BenchFault
from headcount_bench.load.calls import Mode
from headcount_bench.load.driving import Measured, Plan, drive
from headcount_bench.load.figures import as_lines, plot, table
from headcount_bench.load.preparing import requests_for, writes_for
from headcount_bench.results import append
from headcount_bench.serving import Server, running_at, serving

_MODES = [mode.value for mode in Mode]


@click.command()
@click.option("--address", help="HOST:PORT of a server that runs.")
@click.option("--pid", type=int, help="Of its process on this machine, for the CPU that it takes.")
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Data directory of a server of its own, in place of --address.",
)  # fmt: skip
@click.option("--audience", default="bench", show_default=True)
@click.option("--rule", "rules", multiple=True, help="What is asked in turn; give several.")
@click.option(
    "--mode", "modes", type=click.Choice(_MODES), multiple=True, default=_MODES, show_default=True,
    help="Count, BatchCount or CountStream; several are measured one after the other.",
)  # fmt: skip
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=200, show_default=True,
              help="Calls a second.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 1_000), default=16, show_default=True,
              help="Calls that may wait for answers at once.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(0, 3_600, min_open=True), default=10,
              show_default=True, help="Seconds, for each mode.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1, 1_000), default=10, show_default=True)
@click.option("--writes", type=click.FloatRange(0), default=0, help="Events a second meanwhile.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
              help="Time in UTC that is taken for now; by default the server's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the JSON lines to this file too.")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="Draw latencies here.")
def load(
    address: str | None, pid: int | None, data: Path | None, audience: str, rules: tuple[str, ...],
    modes: tuple[str, ...], rate: float, concurrency: int, duration: float, batch_size: int,
    writes: float, as_of: datetime | None, as_json: bool, out: Path | None, plot_path: Path | None,
) -> None:  # fmt: skip
    """Ask a server at a fixed rate, whether or not it keeps up.

    Latency is counted from when a call was due, so a server that stalls can't hide it by being
    asked less (coordinated omission). *late* counts the calls that were due while all
    --concurrency calls were waiting for answers.

    \b
    Examples:
      headcount-bench load --address 127.0.0.1:7070 --rate 500 --duration 30
      headcount-bench load --data data --audience demo --writes 20000 --plot load.svg
    """
    if (address is None) == (data is None):
        raise BenchFault("give --address of a server that runs, or --data for one of its own")
    moment = None if as_of is None else as_of.replace(tzinfo=UTC)
    with ExitStack() as stack:
        if address is not None:
            server = running_at(address, pid)
        else:
            assert data is not None
            server = stack.enter_context(serving(data))
        client = stack.enter_context(Client(server.address, timeout_s=120))
        requests = requests_for(client, audience, rules, moment)
        beside = writes_for(client, audience, writes) if writes else None
        plan = Plan(requests, rate, concurrency, duration, batch_size, beside)
        measured = uvloop.run(_all(server, [Mode(mode) for mode in modes], plan))
    lines = as_lines(server.address, plan, measured)
    if out is not None:
        append(out, lines)
    if plot_path is not None:
        plot(plot_path, plan, measured)
    if as_json:
        for line in lines:
            click.echo(json.dumps(line))
        return
    Console(width=170).print(table(plan, measured))


async def _all(server: Server, modes: list[Mode], plan: Plan) -> list[Measured]:
    found: list[Measured] = []
    for mode in modes:
        found.append(await drive(server, mode, plan))
        await asyncio.sleep(0.2)
    return found
