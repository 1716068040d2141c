"""``headcount-bench stalls``."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from headcount_bench.durability.preparing import made_or_copied
from headcount_bench.durability.run import needed_bytes
from headcount_bench.faults import BenchFault
from headcount_bench.inprocess import budgets
from headcount_bench.resources import require_disk
from headcount_bench.results import append
from headcount_bench.serving import serving
from headcount_bench.stalls.companions import Companion, companions
from headcount_bench.stalls.measuring import Beside, as_lines, measure
from headcount_bench.workload.dataset import open_dataset

_PLACE = click.Path(path_type=Path)


@click.command()
@click.option("--data", type=_PLACE, required=True, help="Directory of generated files.")
@click.option(
    "--beside", "names", multiple=True,
    help="One of the companions, by name; give several. All of them by default.",
)  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=3, show_default=True,
              help="Of each companion; a snapshot takes what it takes.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(1, 10_000), default=200, show_default=True,
              help="Reads a second.")  # fmt: skip
@click.option("--prepared", type=_PLACE,
              help="Data directory of these files; made where it is missing.")  # fmt: skip
@click.option("--work", type=_PLACE, help="Where the server's data directory is made.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--out", type=_PLACE, help="Add the JSON lines to this file too.")
def stalls(
    data: Path, names: tuple[str, ...], seconds: float, rate: float, prepared: Path | None,
    work: Path | None, as_json: bool, out: Path | None,
) -> None:  # fmt: skip
    """How long cheap counts take while a server has something heavy to do.

    A server of its own starts from a snapshot of generated files. Three counts are asked in turn at
    a fixed rate and timed from when they were due, beside one companion after the other: heavy
    questions, questions that were never asked, bulk loads, a snapshot. Where the budget is missed,
    the table says so: 99 of 100 reads within 20 ms.

    \b
    Examples:
      headcount-bench stalls --data data/1m
      headcount-bench stalls --data data/10m --beside none --beside sum --prepared data/served
    """
    found, chosen = open_dataset(data), _chosen(names)
    place = work or Path(tempfile.gettempdir())
    require_disk(place, needed_bytes(found), "the data directory")
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="headcount-bench-", dir=place) as directory:
        served = Path(directory) / "data"
        made_or_copied(data, served, prepared)
        with serving(served, ("--snapshot-log-bytes", "0")) as server:
            told = Console(stderr=True, style="dim")
            measured = asyncio.run(measure(server, chosen, seconds, rate, told.print))
    lines = as_lines(found, rate, measured)
    if out is not None:
        append(out, lines)
    if as_json:
        for line in lines:
            click.echo(json.dumps(line))
        return
    Console(width=150).print(_table(measured))


def _chosen(names: Sequence[str]) -> list[Companion]:
    every = companions()
    known = [one.name for one in every]
    for name in names:
        if name not in known:
            raise BenchFault(f"there is no companion {name!r}; there are {', '.join(known)}")
    return [one for one in every if not names or one.name in names]


def _table(measured: Sequence[Beside]) -> Table:
    shown = Table(title="reads beside")
    shown.add_column("what")
    for name in ("reads", "p50 ms", "p99 ms", "longest ms", "done", "its median ms", "longest"):
        shown.add_column(name, justify="right")
    for name in ("errors", f"p99 within {budgets.STALL_MS} ms"):
        shown.add_column(name)
    for one in measured:
        reads = one.stall.reads
        shown.add_row(
            one.companion.title, f"{reads.count:,}", f"{reads.ms(50):.1f}", f"{reads.ms(99):.1f}",
            f"{reads.max_ms:.1f}", f"{len(one.times):,}", f"{one.median_ms:,.1f}",
            f"{max(one.times, default=0):,.0f}",
            ", ".join(f"{name}: {count:,}" for name, count in sorted(reads.errors.items())),
            "yes" if reads.ms(99) <= budgets.STALL_MS else "no",
        )  # fmt: skip
    return shown
