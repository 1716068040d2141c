"""``headcount-bench overload``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import uvloop
from headcount.v1 import query_service_pb2 as pb
from headcount_client.client import Client
from rich.console import Console
from rich.table import Table

from headcount_bench.faults import BenchFault
from headcount_bench.load.overload import Overload
from headcount_bench.load.overload import overload as put
from headcount_bench.load.pace import Recorded
from headcount_bench.load.preparing import requests_for
from headcount_bench.machine import stamp
from headcount_bench.resources import in_units
from headcount_bench.results import append
from headcount_bench.serving import Server, running_at, serving

_CALLERS_MAX = 50_000


@click.command()
@click.option("--address", help="HOST:PORT of a server that runs.")
@click.option("--pid", type=int, help="Of its process on this machine, for its memory.")
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Data directory of a server of its own, in place of --address.",
)  # fmt: skip
@click.option("--audience", default="bench", show_default=True)
@click.option("--rule", "rules", multiple=True, help="What is asked in turn; give several.")
@click.option("--callers", "sizes", default="16,256,4000,20000", show_default=True,
              help="Callers at once, one measurement each.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(0, 600, min_open=True), default=5,
              show_default=True, help="Seconds in which calls are sent.")  # fmt: skip
@click.option("--deadline", type=click.FloatRange(0, 600, min_open=True), default=30,
              show_default=True, help="Seconds that one call may take.")  # fmt: skip
@click.option("--as-of", type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
              help="Time in UTC that is taken for now; by default the server's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the JSON lines to this file too.")
def overload(
    address: str | None, pid: int | None, data: Path | None, audience: str, rules: tuple[str, ...],
    sizes: str, duration: float, deadline: float, as_of: datetime | None, as_json: bool,
    out: Path | None,
) -> None:  # fmt: skip
    """Have more callers ask than the server can answer, each as soon as it has its answer.

    Beside them a connection of its own checks the server's health ten times a second. *After* is
    one count once all callers are gone.

    \b
    Examples:
      headcount-bench overload --address 127.0.0.1:7070 --audience demo --callers 100,5000
      headcount-bench overload --data data --audience demo --rule everyone
    """
    if (address is None) == (data is None):
        raise BenchFault("give --address of a server that runs, or --data for one of its own")
    numbers = _numbers(sizes)
    moment = None if as_of is None else as_of.replace(tzinfo=UTC)
    with ExitStack() as stack:
        if address is not None:
            server = running_at(address, pid)
        else:
            assert data is not None
            server = stack.enter_context(serving(data))
        client = stack.enter_context(Client(server.address, timeout_s=120))
        requests = requests_for(client, audience, rules, moment)
        measured = uvloop.run(_all(server, requests, numbers, duration, deadline))
    lines = [_line(server.address, requests, one) for one in measured]
    if out is not None:
        append(out, lines)
    if as_json:
        for line in lines:
            click.echo(json.dumps(line))
        return
    Console(width=150).print(_table(measured))


async def _all(
    server: Server,
    requests: Sequence[pb.CountRequest],
    callers: Sequence[int],
    duration_s: float,
    deadline_s: float,
) -> list[Overload]:
    return [await put(server, requests, number, duration_s, deadline_s) for number in callers]


def _numbers(text: str) -> list[int]:
    """Numbers of callers.

    Raises:
        BenchFault: one is none, or is too large.
    """
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and 1 <= int(part) <= _CALLERS_MAX):
            raise BenchFault(
                f'"{part}" is no number of callers: give 1 to {_CALLERS_MAX:,}, several with commas'
                " between them, such as 16,4000"
            )
    return [int(part) for part in parts]


def _line(address: str, requests: Sequence[pb.CountRequest], one: Overload) -> dict[str, Any]:
    return {
        **stamp(), "command": "overload", "server": address,
        "rules": [request.rule_text for request in requests], "callers": one.callers,
        "elapsed_s": one.elapsed_s, "answered_per_s": one.answered_per_s,
        "answers": _figures(one.answers), "health": _figures(one.health),
        "before_bytes": one.before_bytes, "most_bytes": one.most_bytes, "after_ms": one.after_ms,
    }  # fmt: skip


def _figures(of: Recorded) -> dict[str, Any]:
    ms = {f"p{percent}": of.ms(percent) for percent in (50, 99)}
    return {"count": of.count, "errors": of.errors, "ms": ms, "max_ms": of.max_ms}


def _table(measured: Sequence[Overload]) -> Table:
    shown = Table(title="more callers than are answered at once")
    for name in ("callers", "answered/s", "p50 ms", "p99 ms", "longest ms"):
        shown.add_column(name, justify="right")
    shown.add_column("refused or cancelled")
    for name in ("health p99 ms", "longest", "memory", "a caller", "after ms"):
        shown.add_column(name, justify="right")
    for one in measured:
        grown = one.most_bytes - one.before_bytes
        answers = one.answers
        shown.add_row(
            f"{one.callers:,}", f"{one.answered_per_s:,.0f}", f"{answers.ms(50):,.0f}",
            f"{answers.ms(99):,.0f}", f"{answers.max_ms:,.0f}",
            ", ".join(f"{name}: {count:,}" for name, count in sorted(answers.errors.items())),
            f"{one.health.ms(99):.0f}", f"{one.health.max_ms:.0f}",
            f"+{in_units(grown)}" if one.before_bytes else "",
            f"{grown / one.callers / 1_024:,.0f} KiB" if one.before_bytes else "",
            f"{one.after_ms:.1f}",
        )  # fmt: skip
    return shown
