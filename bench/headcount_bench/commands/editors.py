"""``headcount-bench editors``."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from headcount_bench.commands.watches import keep_option, loaded
from headcount_bench.editors import EditorFigures, measure
from headcount_bench.machine import describe_machine


@click.command()
@click.option("--subscribers", type=click.IntRange(1_000), default=1_000_000, show_default=True)
@click.option("--editors", "count", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option(
    "--keys", "keys_per_s", type=click.FloatRange(0.1, 100), default=5.0, show_default=True,
    help="Keystrokes of each editor in a second.",
)  # fmt: skip
@click.option("--seconds", type=click.FloatRange(1, 600), default=20.0, show_default=True)
@keep_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def editors(
    subscribers: int,
    count: int,
    keys_per_s: float,
    seconds: float,
    keep: Path | None,
    as_json: bool,
) -> None:
    """From keystroke to count: editors that type rules at once, over CountStream.

    Example:  headcount-bench editors --subscribers 1000000 --editors 50
    """
    with loaded(subscribers, keep) as address:
        asyncio.run(measure(address, count, keys_per_s, min(seconds, 5.0)))  # first asks
        figures = asyncio.run(measure(address, count, keys_per_s, seconds))
    if as_json:
        stamp = {"time": datetime.now(UTC).isoformat(), **describe_machine()}
        click.echo(json.dumps({**stamp, "subscribers": subscribers, **figures.as_dict()}))
    else:
        Console(width=120).print(_table(figures))


def _table(found: EditorFigures) -> Table:
    table = Table()
    for column in (
        "editors", "keys/s each", "keystrokes", "answers", "CPU of a core", "p50 ms", "p99 ms",
        "max ms",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    table.add_row(
        f"{found.editors:,}", f"{found.keys_per_s:g}", f"{found.keystrokes:,}",
        f"{found.answers:,}", f"{found.cpu:.1%}", f"{found.p50_ms:.1f}", f"{found.p99_ms:.1f}",
        f"{found.max_ms:.1f}",
    )  # fmt: skip
    return table
