"""``headcount snapshot verify``: what of a data directory is still good, without a server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from headcount_server.app import EXIT_FAILED
from headcount_server.app import verify as reports_on
from headcount_server.storage.snapshots import Report


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:  headcount snapshot verify --data ./audiences",
)
@click.option(
    "--data",
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The data directory; a server may be using it.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each snapshot.")
def verify(data: Path, as_json: bool) -> None:
    """Read every file of every snapshot and tell what is damaged, and where.

    Exit code 0: all are good; 3: some are not. A damaged snapshot is left as it is: to start
    without it, move its directory out of DIR/snapshots.
    """
    try:
        reports = reports_on(data)
    except OSError as error:
        click.echo(f"headcount: {error}", err=True)
        sys.exit(EXIT_FAILED)
    for report in reports:
        click.echo(_as_json(report) if as_json else _as_text(report))
    if not reports and not as_json:
        click.echo(f"no snapshots in {data}")
    sys.exit(EXIT_FAILED if any(report.faults for report in reports) else 0)


def _as_json(report: Report) -> str:
    found = {
        "snapshot": report.name,
        "files": report.file_count,
        "size_bytes": report.size_bytes,
        "faults": list(report.faults),
    }
    return json.dumps(found, ensure_ascii=False)


def _as_text(report: Report) -> str:
    state = f"{len(report.faults)} damaged" if report.faults else "good"
    head = f"{report.name}: {state} ({report.file_count} files, {report.size_bytes:,} bytes)"
    return "\n  ".join([head, *report.faults])
