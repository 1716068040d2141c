"""``headcount-bench durability``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from headcount_bench.durability.run import Run, measure_large, measure_writes, needed_bytes
from headcount_bench.machine import stamp
from headcount_bench.resources import in_units, require_disk
from headcount_bench.results import append
from headcount_bench.workload.dataset import open_dataset


@click.command()
@click.option("--data", type=click.Path(path_type=Path),
              help="Directory of generated files, for snapshots, stalls and recovery.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(0.1, 600), default=10, show_default=True,
              help="Seconds of each way of writing; 0.1 or more.")  # fmt: skip
@click.option("--subscribers", type=click.IntRange(64, 10_000_000), default=100_000,
              show_default=True, help="Of the audience that is written to.")  # fmt: skip
@click.option("--repeats", type=click.IntRange(1, 1_000), default=5, show_default=True,
              help="How often the heaviest query is asked.")  # fmt: skip
@click.option("--writes/--no-writes", default=True, show_default=True,
              help="Whether to measure durable writes.")  # fmt: skip
@click.option("--prepared", type=click.Path(path_type=Path),
              help="Data directory of these files; made where it is missing.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path), help="Where data directories are made.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of tables.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the JSON lines to this file too.")
def durability(
    data: Path | None, duration: float, subscribers: int, repeats: int, writes: bool,
    prepared: Path | None, work: Path | None, as_json: bool, out: Path | None,
) -> None:  # fmt: skip
    """Durable writes under each --sync; snapshots, stalls and recovery of generated files.

    \b
    Examples:
      headcount-bench durability --duration 5
      headcount-bench durability --data data/10m --no-writes --out results.jsonl
    """
    found = None if data is None else open_dataset(data)
    place = work or Path(tempfile.gettempdir())
    require_disk(place, needed_bytes(found), "the data directories")
    run = Run()
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="headcount-bench-", dir=place) as directory:
        if writes:
            measure_writes(run, Path(directory), subscribers, duration)
        if found is not None:
            measure_large(run, found, Path(directory), repeats, prepared)
    lines = _lines(run)
    if out is not None:
        append(out, lines)
    if as_json:
        for line in lines:
            click.echo(json.dumps(line))
        return
    _show(run)


def _lines(run: Run) -> list[dict[str, Any]]:
    begin = {**stamp(), "command": "durability"}
    lines: list[dict[str, Any]] = []
    for one in run.written:
        lines.append({
            **begin, "result": "writes", "sync": one.sync, "way": one.way, "clients": one.clients,
            "events": one.events, "events_per_s": one.events_per_s,
            "cpu_us_per_event": one.cpu_us_per_event, "p50_ms": one.ms(50), "p99_ms": one.ms(99),
        })  # fmt: skip
    for one in run.recoveries:
        lines.append({
            **begin, "result": "recovery", "what": one.what, "seconds": one.seconds,
            "subscribers": one.subscribers, "events": one.events,
            "resident_bytes": one.resident_bytes,
        })  # fmt: skip
    for one in run.snapshots:
        lines.append({
            **begin, "result": "snapshot", "what": one.what, "seconds": one.seconds,
            "bytes": one.bytes,
        })  # fmt: skip
    for one in run.stalls:
        reads = one.reads
        lines.append({
            **begin, "result": "stall", "beside": one.beside, "elapsed_s": one.elapsed_s,
            "reads": reads.count, "errors": reads.errors, "p50_ms": reads.ms(50),
            "p99_ms": reads.ms(99), "max_ms": reads.max_ms,
        })  # fmt: skip
    return lines


def _show(run: Run) -> None:
    console = Console(width=130)
    if run.written:
        shown = _table("durable writes", "sync", "way", "clients", "events/s", "CPU µs/event",
                       "p50 ms", "p99 ms")  # fmt: skip
        for one in run.written:
            shown.add_row(
                one.sync, one.way, str(one.clients), f"{one.events_per_s:,.0f}",
                f"{one.cpu_us_per_event:,.1f}", f"{one.ms(50):.1f}", f"{one.ms(99):.1f}",
            )  # fmt: skip
        console.print(shown)
    shown = _table("starts", "from", "seconds", "subscribers", "events", "resident")
    for one in run.recoveries:
        shown.add_row(
            one.what, f"{one.seconds:.1f}", f"{one.subscribers:,}", f"{one.events:,}",
            in_units(one.resident_bytes),
        )  # fmt: skip
    console.print(shown)
    for one in run.snapshots:
        console.print(f"snapshot {one.what}: {one.seconds:.1f} s, {in_units(one.bytes)}")
    if run.stalls:
        shown = _table("reads beside", "what", "seconds", "reads", "p50 ms", "p99 ms", "longest ms")
        for one in run.stalls:
            reads = one.reads
            shown.add_row(
                one.beside, f"{one.elapsed_s:.1f}", f"{reads.count:,}", f"{reads.ms(50):.1f}",
                f"{reads.ms(99):.1f}", f"{reads.max_ms:.1f}",
            )  # fmt: skip
        console.print(shown)


def _table(title: str, *columns: str) -> Table:
    shown = Table(title=title)
    for number, name in enumerate(columns):
        shown.add_column(name, justify="right" if number > 1 else "left")
    return shown
