"""``headcount-bench compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from headcount_bench.compare.engines import ENGINES
from headcount_bench.faults import BenchFault
from headcount_bench.workload.dataset import open_dataset

if TYPE_CHECKING:
    from headcount_bench.compare.report import Line
    from headcount_bench.compare.run import Outcome, Plan


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of generated files.")
@click.option(
    "--results", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare nothing: tell what runs before wrote to this file.",
)  # fmt: skip
@click.option(
    "--engines", help=f"Some of {', '.join(ENGINES)}, joined by commas; all that are installed."
)
@click.option(
    "--repeats", type=click.IntRange(3, 10_000), default=20, show_default=True,
    help="How often each engine is asked each question.",
)  # fmt: skip
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 3_600), default=60, show_default=True,
    help="Seconds that one answer may take. A query of Polars can't be stopped.",
)  # fmt: skip
@click.option(
    "--one-at-a-time", "alone", is_flag=True,
    help="Load one engine after the other, each beside Headcount: needs less memory.",
)  # fmt: skip
@click.option(
    "--work", type=click.Path(path_type=Path),
    help="Keep prepared files and a snapshot of Headcount here, for the next run.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of tables.")
@click.option("--markdown", is_flag=True, help="Tables in Markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the JSON lines to this file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the times, as PNG or SVG.")
def compare(
    data: Path | None,
    results: Path | None,
    engines: str | None,
    repeats: int,
    timeout_s: float,
    alone: bool,
    work: Path | None,
    as_json: bool,
    markdown: bool,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Ask Headcount and other engines the same questions over the same files.

    Every answer is compared with Headcount's before it is timed; a difference is an error. Engines
    that aren't installed are left out and named: `pip install 'headcount[compare]'` brings DuckDB,
    chdb, Polars and clients; redis-server and postgresql are packages of the system.

    \b
    Examples:
      headcount-bench compare --data data/1m
      headcount-bench compare --data data/10m --one-at-a-time --out compare.jsonl --plot compare.png
      headcount-bench compare --data data/1m --engines duckdb,redis --repeats 50
      headcount-bench compare --results compare.jsonl --markdown
    """
    from headcount_bench.compare import report
    from headcount_bench.compare.run import Plan

    if (data is None) == (results is None):
        raise BenchFault("--data or --results is needed, and not both")
    draw = report.plotter(plot) if plot is not None else None
    if data is None:
        assert results is not None
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        outcome = report.from_lines(lines)
    else:
        names = _names(engines)
        planned = Plan(names, repeats, timeout_s, alone, work, engines is not None)
        outcome, lines = _compared(data, planned, out)
    if draw is not None:
        draw(outcome)
    if as_json:
        for line in lines:
            click.echo(json.dumps(line))
    elif markdown:
        click.echo(report.as_markdown(outcome))
    else:
        report.show(outcome)


def _compared(data: Path, plan: Plan, out: Path | None) -> tuple[Outcome, list[Line]]:
    """Runs the comparison; what each turn gives is written when it is there."""
    from headcount_bench.compare import report
    from headcount_bench.compare.run import compare as run
    from headcount_bench.machine import stamp
    from headcount_bench.results import append

    found = open_dataset(data)
    console = Console(stderr=True)
    begun = stamp()  # of what runs, whatever is committed meanwhile
    lines: list[Line] = []

    def keep(part: Outcome) -> None:
        new = report.as_lines(part, begun, found.manifest)
        lines.extend(new)
        if out is not None:
            append(out, new)

    outcome = run(found, plan, lambda text: console.print(text, style="dim"), keep)
    return outcome, lines


def _names(engines: str | None) -> tuple[str, ...]:
    """The engines asked for.

    Raises:
        BenchFault: there is no such engine.
    """
    if engines is None:
        return tuple(ENGINES)
    names = tuple(name.strip() for name in engines.split(",") if name.strip())
    for name in names:
        if name not in ENGINES:
            raise BenchFault(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")
    if not names:
        raise BenchFault(f"no engine is named; there are {', '.join(ENGINES)}")
    return tuple(dict.fromkeys(names))
