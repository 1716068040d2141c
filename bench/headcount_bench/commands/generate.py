"""``headcount-bench generate``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from headcount_bench.progress import bars
from headcount_bench.resources import in_units
from headcount_bench.workload import dataset
from headcount_bench.workload import generate as generating
from headcount_bench.workload.generate import Plan, check


@click.command()
@click.option(
    "--subscribers", type=click.IntRange(1, generating.SUBSCRIBERS_MAX), required=True,
    help="How many to make up.",
)  # fmt: skip
@click.option(
    "--events-per-subscriber", type=click.FloatRange(0, 1_000), default=6, show_default=True,
    help="On average; 0 makes no event file.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Directory, made if need be."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object when it is done.")
def generate(
    subscribers: int, events_per_subscriber: float, seed: int, out: Path, as_json: bool
) -> None:
    """Make up subscribers and a year of their events, as Parquet files.

    The same sizes and seed give the same files. `headcount import` takes them as they are.

    \b
    Examples:
      headcount-bench generate --subscribers 1000000 --out data/1m
      headcount-bench generate --subscribers 10_000_000 --events-per-subscriber 6 --seed 1 --out data/10m
      headcount audience create shop --schema data/1m/schema.toml
      headcount import shop data/1m/subscribers.parquet
      headcount import shop --events data/1m/events.parquet
    """  # noqa: E501
    plan = Plan(subscribers, events_per_subscriber, seed, out)
    check(plan)
    click.echo(
        f"{plan.subscribers:,} subscribers, {plan.events:,} events: about"
        f" {in_units(plan.disk_bytes)} of disk, {in_units(plan.memory_bytes)} of memory",
        err=True,
    )
    begin = time.perf_counter()
    with bars({"subscribers": plan.subscribers, "events": plan.events}) as advance:
        manifest = generating.generate(plan, advance)
    seconds = time.perf_counter() - begin
    files = {
        path.name: path.stat().st_size
        for path in (
            dataset.schema_file(out), dataset.subscriber_file(out), dataset.event_file(out)
        )
        if path.exists()
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps({
            **asdict(manifest), "directory": str(out), "files": files,
            "seconds": round(seconds, 3),
        }))  # fmt: skip
        return
    total = sum(files.values())
    click.echo(
        f"{out}: {manifest.subscribers:,} subscribers, {manifest.events:,} events,"
        f" {in_units(total)} in {seconds:,.0f} s; ask them as of {manifest.as_of}"
    )
