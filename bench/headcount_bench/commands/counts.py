"""``headcount-bench counts``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from headcount_bench.counts import CountFigures, measure
from headcount_bench.machine import describe_machine


@click.command()
@click.option("--subscribers", type=click.IntRange(1_000), default=1_000_000, show_default=True)
@click.option("--repeats", type=click.IntRange(5, 10_000), default=200, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--data", type=click.Path(path_type=Path), help="Keep the data directory here.")
def counts(subscribers: int, repeats: int, as_json: bool, data: Path | None) -> None:
    """Counts over gRPC of a server of its own with made-up data, one client at a time.

    Example:  headcount-bench counts --subscribers 1000000
    """
    loaded, figures = measure(subscribers, repeats, data)
    if as_json:
        stamp = {"time": datetime.now(UTC).isoformat(), **describe_machine()}
        for figure in figures:
            click.echo(json.dumps({**stamp, "subscribers": subscribers, **figure.as_dict()}))
        return
    console = Console(width=150)
    console.print(
        f"{subscribers:,} subscribers at {loaded.subscribers_per_s:,.0f}/s,"
        f" {loaded.event_count:,} events at {loaded.events_per_s:,.0f}/s,"
        f" resident {loaded.resident_bytes / 2**20:,.0f} MiB"
    )
    console.print(_table(figures))


def _table(figures: list[CountFigures]) -> Table:
    table = Table()
    table.add_column("rule", ratio=1)
    for name in ("count", "cold engine ms", "engine ms", "gRPC ms", "gRPC p95 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure in figures:
        table.add_row(
            figure.rule,
            f"{figure.total:,}",
            f"{figure.cold_engine_ms:.2f}",
            f"{figure.engine_ms:.3f}",
            f"{figure.call_ms:.3f}",
            f"{figure.call_p95_ms:.3f}",
        )
    return table
