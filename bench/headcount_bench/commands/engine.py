"""``headcount-bench engine``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from headcount_bench.inprocess import budgets
from headcount_bench.inprocess.asking import Figures, rounds_of
from headcount_bench.inprocess.run import Run, as_lines, measure
from headcount_bench.progress import bars
from headcount_bench.resources import in_units
from headcount_bench.results import append
from headcount_bench.workload.dataset import open_dataset


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Directory of generated files."
)
@click.option(
    "--repeats", type=click.IntRange(3, 100_000), default=50, show_default=True,
    help="How often each question is asked in each way.",
)  # fmt: skip
@click.option("--disk", is_flag=True, help="Write a snapshot at the end, and load it.")
@click.option(
    "--snapshot", "kept", type=click.Path(path_type=Path),
    help="Start from the snapshot of these files in this directory, made where there is none.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of tables.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the JSON lines to this file too.")
def engine(
    data: Path, repeats: int, disk: bool, kept: Path | None, as_json: bool, out: Path | None
) -> None:
    """Load generated files in this process, and ask the standard questions.

    The first ask builds indexes that later ones share. Without blocks there are neither roll-ups of
    behaviour nor kept results; cold has roll-ups but no kept results; warm has both. Budgets are
    those of 10 million subscribers with 60 million events on two cores. "cpu" is the median time of
    the processor, which others on the same machine hardly change. With --snapshot the load isn't
    measured but the first time; indexes are built after the start, as an idle server builds them.

    \b
    Examples:
      headcount-bench engine --data data/1m
      headcount-bench engine --data data/10m --repeats 200 --out results.jsonl
    """
    found = open_dataset(data)
    manifest = found.manifest
    with bars({
        "subscribers": manifest.subscribers, "events": manifest.events,
        "rounds": rounds_of(repeats),
    }) as advance:  # fmt: skip
        run = measure(found, repeats, advance, disk, kept)
    lines = as_lines(run)
    if out is not None:
        append(out, lines)
    if as_json:
        for line in lines:
            click.echo(json.dumps(line))
        return
    _show(run)


def _show(run: Run) -> None:
    console = Console(width=180)
    for rate, name, budget in (
        (run.subscribers, "subscribers", budgets.SUBSCRIBERS_PER_S),
        (run.events, "events", budgets.EVENTS_PER_S),
    ):
        if rate.rows:
            console.print(
                f"{rate.rows:,} {name} at {rate.rows_per_s:,.0f}/s"
                f" ({rate.rows_per_cpu_s:,.0f} a second of the processor),"
                f" {_met(rate.rows_per_s >= budget)} {budget:,}/s"
            )
    if run.start is not None:
        console.print(
            f"started from a snapshot in {run.start.seconds:.1f} s ({run.start.cpu_seconds:.1f} s"
            f" of the processor), {_met(run.start.seconds <= budgets.START_S)} {budgets.START_S} s;"
            f" indexes built in {run.start.settling_seconds:.1f} s, the longest step"
            f" {run.start.longest_step_ms:.0f} ms"
        )
    met = _met(run.resident_bytes <= budgets.MEMORY_BYTES)
    console.print(
        f"resident {in_units(run.resident_bytes)} ({met} {in_units(budgets.MEMORY_BYTES)}),"
        f" at most {in_units(run.peak_bytes)}"
    )
    if run.kept is not None:
        console.print(
            f"snapshot {in_units(run.kept.snapshot_bytes)}, written in"
            f" {run.kept.write_seconds:.1f} s, loaded in {run.kept.load_seconds:.1f} s"
            f" ({run.kept.load_cpu_seconds:.1f} s of the processor),"
            f" {_met(run.kept.load_seconds <= budgets.START_S)} {budgets.START_S} s"
        )
    console.print(_memory(run))
    console.print(_questions(run.figures))


def _memory(run: Run) -> Table:
    table = Table(title="memory by index")
    table.add_column("index")
    for name in ("bytes", "a row"):
        table.add_column(name, justify="right")
    for name, size in run.memory.items():
        of = run.data.manifest.event_counts.get(name.removeprefix("events."), 0)
        rows = of if name.startswith("events.") else run.data.manifest.subscribers
        table.add_row(name, f"{size:,}", f"{size / rows:.1f}" if rows else "")
    table.add_row("together", f"{sum(run.memory.values()):,}", "")
    return table


def _questions(figures: Sequence[Figures]) -> Table:
    table = Table(title="milliseconds")
    for name in ("id", "question"):
        table.add_column(name)
    numbers = ["count", "first", "no blocks"]
    parts = ("median", "p95", "p99", "cpu")
    numbers += [f"{way} {part}" for way in ("cold", "warm") for part in parts]
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_column("budget")
    for one in figures:
        name = one.question.id
        cells = [f"{one.shown():,}", ms(one.first), ms(one.times("no blocks").median)]
        for way in ("cold", "warm"):
            found = one.times(way)
            cells += [ms(found.median), ms(found.p95), ms(found.p99), ms(found.cpu_median)]
        met = budgets.is_met(one)
        budget = "" if met is None else f"{_met(met)} {budgets.budget_of(name)}"
        table.add_row(name, one.question.title, *cells, budget)
    return table


def ms(value: float) -> str:
    """Milliseconds with the digits that mean something."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _met(met: bool) -> str:
    return "met:" if met else "not met:"
