"""``top``: what a server does right now."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from headcount_client.cli.output import console, print_json, print_table, say, shown, size
from headcount_client.cli.rates import MethodRate, Rates, rates
from headcount_client.cli.target import Target, target_options
from headcount_client.client import Client

_ORDERS: dict[str, tuple[str, Callable[[MethodRate], Any]]] = {
    "c": ("calls", lambda one: (-one.calls_per_s, one.method)),
    "l": ("latency", lambda one: (-(one.p99_ms or 0), one.method)),
    "e": ("errors", lambda one: (-one.errors_per_s, one.method)),
    "r": ("running", lambda one: (-one.running, one.method)),
    "n": ("name", lambda one: one.method),
}
_KEYS = "q quits · sort by  c calls  l latency  e errors  r running  n name"


@click.command(
    epilog="""\b
Examples:
  headcount top
  headcount top --once --json"""
)
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3_600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long rates are measured.",
)
@click.option(
    "--sort",
    type=click.Choice([name for name, _ in _ORDERS.values()]),
    default="calls",
    show_default=True,
    help="What the methods are sorted by.",
)
@target_options
def top(target: Target, once: bool, interval: float, sort: str) -> None:
    """Show audiences, calls a second, latencies, memory and watches, again and again.

    Latencies are of the calls of the last interval, as the server measures them.
    """
    order = next(key for key, (name, _) in _ORDERS.items() if name == sort)
    try:
        with target.client() as client:
            if target.as_json or once or not console().is_terminal:
                _print_on(target, client, interval, once, order)
            else:
                _live(client, interval, order)
    except KeyboardInterrupt:
        return


def _print_on(target: Target, client: Client, interval: float, once: bool, order: str) -> None:
    before = client.get_server_status()
    while True:
        time.sleep(interval)
        after = client.get_server_status()
        found, before = rates(before, after), after
        if target.as_json:
            print_json(_plain(found, order))
        else:
            _print(found, order)
        if once:
            return


def _live(client: Client, interval: float, order: str) -> None:
    before = client.get_server_status()
    with Live(console=console(), screen=True, auto_refresh=False) as live, _keys() as key:
        found: Rates | None = None
        while True:
            until = time.monotonic() + (interval if found else min(interval, 0.3))
            while (left := until - time.monotonic()) > 0:
                pressed = key(left)
                if pressed == "q":
                    return
                if pressed in _ORDERS and found is not None:
                    order = pressed
                    live.update(_screen(found, order), refresh=True)
            after = client.get_server_status()
            found, before = rates(before, after), after
            live.update(_screen(found, order), refresh=True)


@contextmanager
def _keys() -> Generator[Callable[[float], str]]:
    """Waits for a key for some seconds; "" where none is pressed."""
    if not sys.stdin.isatty():
        yield lambda seconds: (time.sleep(seconds), "")[1]
        return
    import termios
    import tty

    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)

    def key(seconds: float) -> str:
        ready, _, _ = select.select([file], [], [], seconds)
        return os.read(file, 1).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(file)
        yield key
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def _summary(found: Rates) -> str:
    status = found.status
    cpu = "" if found.cpu is None else f", {100 * found.cpu:.0f} % of a core"
    return (
        f"headcount {status.version}, {status.state}, {size(status.resident_bytes)} resident{cpu},"
        f" {found.calls_per_s:,.1f} calls/s, {found.stream_count} running,"
        f" {shown(found.watch_count)} watched ({size(status.watch_bytes)})"
    )


_AUDIENCE_COLUMNS = (
    "audience", "subscribers", "events", "segments", "watches", "writes/s", "revision",
)  # fmt: skip
_METHOD_COLUMNS = ("method", "calls/s", "errors/s", "running", "p50 ms", "p99 ms")


def _audience_rows(found: Rates) -> list[tuple[str, ...]]:
    return [
        (
            one.status.audience, shown(one.status.subscriber_count), shown(one.status.event_count),
            shown(one.status.segment_count), shown(one.status.watch_count),
            f"{one.writes_per_s:,.1f}", shown(one.status.revision),
        )
        for one in found.audiences
    ]  # fmt: skip


def _method_rows(found: Rates, order: str) -> list[tuple[str, ...]]:
    return [
        (
            one.method, f"{one.calls_per_s:,.1f}", f"{one.errors_per_s:,.1f}", shown(one.running),
            _milliseconds(one.p50_ms), _milliseconds(one.p99_ms),
        )
        for one in sorted(found.methods, key=_ORDERS[order][1])
    ]  # fmt: skip


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _screen(found: Rates, order: str) -> Group:
    tables: list[Table] = []
    for columns, rows in (
        (_AUDIENCE_COLUMNS, _audience_rows(found)),
        (_METHOD_COLUMNS, _method_rows(found, order)),
    ):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for place, column in enumerate(columns):
            table.add_column(column, justify="right" if place else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    keys = Text(f"{_KEYS}   (by {_ORDERS[order][0]})", style="dim")
    return Group(
        Text(_summary(found), style="bold"), Text(), tables[0], Text(), tables[1], Text(), keys
    )


def _print(found: Rates, order: str) -> None:
    say(_summary(found), "bold")
    print_table(_AUDIENCE_COLUMNS, _audience_rows(found), numbers=_AUDIENCE_COLUMNS[1:])
    print_table(_METHOD_COLUMNS, _method_rows(found, order), numbers=_METHOD_COLUMNS[1:])


def _plain(found: Rates, order: str) -> dict[str, Any]:
    status = found.status
    return {
        "time": status.current_time,
        "seconds": round(found.seconds, 3),
        "version": status.version,
        "state": status.state,
        "resident_bytes": status.resident_bytes,
        "cpu": None if found.cpu is None else round(found.cpu, 4),
        "calls_per_s": round(found.calls_per_s, 3),
        "running": found.stream_count,
        "watches": found.watch_count,
        "watch_bytes": status.watch_bytes,
        "audiences": [
            {
                "name": one.status.audience,
                "audience_size": one.status.subscriber_count,
                "event_count": one.status.event_count,
                "segment_count": one.status.segment_count,
                "watches": one.status.watch_count,
                "revision": one.status.revision,
                "writes_per_s": round(one.writes_per_s, 3),
            }
            for one in found.audiences
        ],
        "methods": [
            {
                "method": one.method,
                "calls_per_s": round(one.calls_per_s, 3),
                "errors_per_s": round(one.errors_per_s, 3),
                "running": one.running,
                "p50_ms": one.p50_ms,
                "p99_ms": one.p99_ms,
            }
            for one in sorted(found.methods, key=_ORDERS[order][1])
        ],
    }
