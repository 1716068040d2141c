"""``headcount-bench plan``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import psutil
from headcount_client.schema import SchemaError, from_toml
from headcount_server.core.schema import Schema, validate_schema
from headcount_server.errors import HeadcountError
from headcount_server.limits import DEFAULT_LIMITS
from headcount_server.rpc.schemas import schema_of
from rich.console import Console
from rich.table import Table

from headcount_bench.faults import BenchFault
from headcount_bench.growth.points import measure_all, read_points, sizes_of
from headcount_bench.planning import coefficients
from headcount_bench.planning.checking import BOUND, Deviation, deviations, generated_counts
from headcount_bench.planning.coefficients import sample_of
from headcount_bench.planning.model import Demand, Forecast, forecast
from headcount_bench.planning.types import measure_types
from headcount_bench.resources import in_units
from headcount_bench.sizes import read_sizes

_PLACE = click.Path(path_type=Path)
_SUBSCRIBERS_MAX = 2**31


@click.command()
@click.option("--schema", "schema_path", type=_PLACE, help="Schema file, as `headcount` takes it.")
@click.option("--subscribers", type=click.IntRange(1, _SUBSCRIBERS_MAX), help="How many.")
@click.option("--events-per-day", type=click.FloatRange(0, 1e12), help="Of all types together.")
@click.option(
    "--days", type=click.IntRange(1, 36_500), default=365, show_default=True,
    help="How long events are kept.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--coefficients", "path", type=_PLACE, default=coefficients.OWN, show_default="measured ones",
    help="File of coefficients.",
)  # fmt: skip
@click.option("--calibrate", is_flag=True, help="Measure coefficients anew on this machine.")
@click.option("--sizes", default="100k,500k,10m", show_default=True, help="With --calibrate.")
@click.option("--data", type=_PLACE, help="With --calibrate: directory of the data sets.")
@click.option(
    "--check", is_flag=True, help="Compare forecasts with the raw results given with --from."
)
@click.option("--from", "files", type=_PLACE, multiple=True, help="File of raw results.")
def plan(
    schema_path: Path | None,
    subscribers: int | None,
    events_per_day: float | None,
    days: int,
    as_json: bool,
    path: Path,
    calibrate: bool,
    sizes: str,
    data: Path | None,
    check: bool,
    files: Sequence[Path],
) -> None:
    """Memory, disk, start-up time and throughput to expect.

    They are worked out from coefficients that were measured; seconds are those of one core as fast
    as the one measured. Events are taken to be of all types alike.

    \b
    Examples:
      headcount-bench plan --schema shop.toml --subscribers 4000000 --events-per-day 900000
      headcount-bench plan --calibrate --data data --coefficients mine.json
      headcount-bench plan --check --from results.jsonl
    """
    if calibrate:
        if data is None:
            raise BenchFault("--calibrate needs --data, a directory for the data sets")
        _calibrate(path, sizes, data, files)
        return
    known = coefficients.read(path)
    if check:
        found = [one for point in read_points(files) for one in deviations(point, known)]
        _show_check(found, as_json)
        return
    if schema_path is None or subscribers is None or events_per_day is None:
        raise BenchFault("--schema, --subscribers and --events-per-day are needed")
    schema = _schema(schema_path)
    if events_per_day and not schema.events:
        raise BenchFault(f"{schema_path}: it declares no event types, so there can be no events")
    each = round(events_per_day * days / max(len(schema.events), 1))
    demand = Demand(schema, subscribers, {event.name: each for event in schema.events}, days)
    expected = forecast(demand, known)
    if as_json:
        click.echo(json.dumps({
            "subscribers": subscribers, "events": demand.event_count, **asdict(expected),
            "counts_per_s": expected.counts_per_s, "measured": known.measured,
        }))  # fmt: skip
        return
    _show(demand, expected, known.measured)


def _schema(path: Path) -> Schema:
    try:
        schema = schema_of(from_toml(path.read_text()))
        validate_schema(schema, DEFAULT_LIMITS)
    except OSError as error:
        raise BenchFault(f"{path}: it can't be read: {error.strerror}") from None
    except SchemaError as error:
        raise BenchFault(f"{path}: {error}") from None
    except HeadcountError as error:
        raise BenchFault(f"{path}: {error.message}") from None
    return schema


def _calibrate(path: Path, sizes: str, data: Path, files: Sequence[Path]) -> None:
    def tell(what: str) -> None:
        click.echo(what, err=True)

    wanted = sizes_of(read_sizes(sizes), 6, data)
    points = measure_all(wanted, read_points(files), 1, 20, tell)
    samples = [sample_of(point, generated_counts(point.events)) for point in points]
    tell("types: measuring")
    coefficients.write(path, samples, measure_types())
    click.echo(f"{path}: coefficients of {len(samples)} sizes")


def _show(demand: Demand, expected: Forecast, measured: object) -> None:
    console = Console(width=110)
    free = psutil.virtual_memory().total
    table = Table(title=f"{demand.subscribers:,} subscribers, {demand.event_count:,} events")
    table.add_column("to expect")
    table.add_column("", justify="right")
    for name, text in (
        ("memory", in_units(expected.resident_bytes)),
        ("snapshot", in_units(expected.snapshot_bytes)),
        ("disk to provide", in_units(expected.disk_bytes)),
        ("log a day", in_units(expected.log_day_bytes)),
        ("start from a snapshot", f"{expected.start_s:,.1f} s"),
        ("loading subscribers", f"{expected.subscribers_per_s:,.0f}/s"),
        ("loading events", f"{expected.events_per_s:,.0f}/s"),
        ("a count", f"{expected.count_ms:.2f} ms"),
        ("counts of one core, without gRPC", f"{expected.counts_per_s:,.0f}/s"),
    ):
        table.add_row(name, text)
    table.add_section()
    for name, size in sorted(expected.memory.items(), key=lambda pair: -pair[1])[:10]:
        table.add_row(f"memory of {name}", in_units(size))
    console.print(table)
    if expected.resident_bytes > free:
        console.print(
            f"this machine has {in_units(free)} of memory:"
            f" {in_units(expected.resident_bytes - free)} are missing"
        )
    assert isinstance(measured, dict)
    console.print(
        f"from coefficients of {measured.get('time')}, commit {measured.get('commit')}, on"
        f" {measured.get('cores')} cores of {measured.get('processor')}"
    )


def _show_check(found: Sequence[Deviation], as_json: bool) -> None:
    if not found:
        raise BenchFault("--check needs raw results of headcount-bench engine --disk, with --from")
    if as_json:
        for one in found:
            more = {"relative": one.relative, "relative_unaided": one.relative_unaided}
            click.echo(json.dumps({**asdict(one), **more}))
        return
    table = Table(title=f"forecast against measured; within {BOUND:.0%} is good")
    for name in ("subscribers", "quantity", "forecast", "measured", "deviation", "", "unaided"):
        table.add_column(name, justify="left" if name in ("quantity", "") else "right")
    for one in found:
        table.add_row(
            f"{one.subscribers:,}", one.quantity, f"{one.expected:,.4g}", f"{one.measured:,.4g}",
            f"{one.relative:+.1%}", "" if one.is_within else "too far",
            "" if one.relative_unaided is None else f"{one.relative_unaided:+.1%}",
        )  # fmt: skip
    table.caption = "unaided: forecast from the coefficients of all other sizes"
    Console(width=110).print(table)
