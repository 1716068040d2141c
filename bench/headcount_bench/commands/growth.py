"""``headcount-bench growth``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from headcount_bench.growth.plot import draw, require_matplotlib
from headcount_bench.growth.points import Line, Point, measure_all, read_points, sizes_of
from headcount_bench.resources import in_units
from headcount_bench.results import append
from headcount_bench.sizes import read_size, read_sizes

_PLACE = click.Path(path_type=Path)


@click.command()
@click.option("--sizes", default="100k,1m,10m", show_default=True, help="Numbers of subscribers.")
@click.option(
    "--attributes-only-size", "alone", default="", help="One more, without events, such as 50m."
)
@click.option(
    "--data", type=_PLACE, required=True,
    help="Directory of the data sets: 100k, 1m and so on, made where they are missing.",
)  # fmt: skip
@click.option(
    "--events-per-subscriber", type=click.FloatRange(0.1, 1_000), default=6, show_default=True,
    help="Of data sets that are missing.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--repeats", type=click.IntRange(3, 100_000), default=20, show_default=True)
@click.option(
    "--from", "files", type=_PLACE, multiple=True,
    help="Take sizes that were measured before from this file of raw results.",
)  # fmt: skip
@click.option("--plot", type=_PLACE, help="Draw into this file, such as growth.png.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--out", type=_PLACE, help="Add the JSON lines to this file too.")
def growth(
    sizes: str,
    alone: str,
    data: Path,
    events_per_subscriber: float,
    seed: int,
    repeats: int,
    files: Sequence[Path],
    plot: Path | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure the engine at several sizes, each in a process of its own.

    \b
    Examples:
      headcount-bench growth --sizes 100k,1m --data data --plot growth.svg
      headcount-bench growth --data data --attributes-only-size 50m --out results.jsonl
    """
    if plot is not None:
        require_matplotlib()
    wanted = sizes_of(read_sizes(sizes), events_per_subscriber, data)
    if alone:
        wanted += sizes_of([read_size(alone)], 0, data)

    def tell(what: str) -> None:
        click.echo(what, err=True)

    def keep(point: Point) -> None:
        if out is not None:
            append(out, _raw(point))

    points = measure_all(wanted, read_points(files), seed, repeats, tell, keep)
    if plot is not None:
        draw(points, plot)
    if as_json:
        for point in points:
            for line in _raw(point):
                click.echo(json.dumps(line))
        return
    Console(width=150).print(_table(points))


def _raw(point: Point) -> list[Line]:
    return [{**line, "command": "growth"} for line in point.lines]


def _table(points: Sequence[Point]) -> Table:
    table = Table(title="counts: median milliseconds without kept results")
    table.add_column("")
    for point in points:
        ending = "" if point.events else ", attributes only"
        table.add_column(f"{point.subscribers:,}{ending}", justify="right")
    names = {line["id"]: line["title"] for point in points for line in point.questions}
    for name, title in sorted(names.items()):
        cells: list[str] = []
        for point in points:
            found = [line for line in point.questions if line["id"] == name]
            cells.append(f"{found[0]['ms']['cold']['median']:.3g}" if found else "")
        table.add_row(f"{name} {title}", *cells)
    table.add_section()
    table.add_row("resident", *(in_units(point.load["resident_bytes"]) for point in points))
    for name in ("subscribers", "events"):
        rates = [point.load["rates"][name] for point in points]
        seconds = (f"{rate['engine_seconds']:,.1f} s" for rate in rates)
        table.add_row(f"loading {name}", *seconds)
        cpu = (f"{rate['engine_cpu_seconds']:,.1f} s" for rate in rates)
        table.add_row(f"loading {name}, of the processor", *cpu)
    return table
