"""``headcount serve``: the server of the command line."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from headcount_server.app import Settings
from headcount_server.app import serve as serve_until_stopped
from headcount_server.limits import (
    ERASURE_DAYS_DEFAULT,
    SNAPSHOT_LOG_BYTES_DEFAULT,
    SNAPSHOTS_KEPT_DEFAULT,
)
from headcount_server.storage.log import Sync

_DURATION = re.compile(r"(\d+)(s|m|h|d)")
_INTERVAL = re.compile(r"interval=(\d+)(ms|s)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class _Duration(click.ParamType):
    """``90s``, ``15m``, ``6h``, ``1d``, or ``off``; as seconds, 0 for off."""

    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        if isinstance(value, int | float):
            return float(value)
        if value == "off":
            return 0.0
        parts = _DURATION.fullmatch(value)
        if parts is None or int(parts[1]) == 0:
            self.fail(f"{value!r} is no duration such as 90s, 15m, 6h or 1d, nor off", param, ctx)
        return float(int(parts[1]) * _SECONDS[parts[2]])


@dataclass(frozen=True, slots=True)
class SyncWhen:
    """What ``--sync`` says; ``every_s`` in seconds, for an interval."""

    sync: Sync
    every_s: float = 0.0


class _SyncWhen(click.ParamType):
    """``always``, ``off``, or ``interval=`` with milliseconds or seconds."""

    name = "when"

    def convert(
        self, value: str | SyncWhen, param: click.Parameter | None, ctx: click.Context | None
    ) -> SyncWhen:
        """The setting."""
        if isinstance(value, SyncWhen):
            return value
        if value in ("always", "off"):
            return SyncWhen(Sync(value))
        parts = _INTERVAL.fullmatch(value)
        if parts is None or int(parts[1]) == 0:
            self.fail(f"{value!r} is neither always, nor off, nor like interval=100ms", param, ctx)
        return SyncWhen(Sync.INTERVAL, int(parts[1]) / (1_000 if parts[2] == "ms" else 1))


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:  headcount serve --data ./data --listen 0.0.0.0:7070 --snapshot-every 15m",
)
@click.option(
    "--data",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the log and the snapshots; made where it is missing.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:7070",
    show_default=True,
    help="Address to answer on; port 0 takes a free one; unix:PATH is a socket.",
)
@click.option(
    "--snapshots-kept",
    metavar="N",
    type=click.IntRange(min=1),
    default=SNAPSHOTS_KEPT_DEFAULT,
    show_default=True,
    help="How many snapshots stay on disk.",
)
@click.option(
    "--snapshot-every",
    metavar="DURATION",
    type=_Duration(),
    default="off",
    show_default=True,
    help="Writes a snapshot that often where something changed (90s, 15m, 6h, 1d).",
)
@click.option(
    "--snapshot-log-bytes",
    metavar="N",
    type=click.IntRange(min=0),
    default=SNAPSHOT_LOG_BYTES_DEFAULT,
    show_default=True,
    help="Writes a snapshot when the log has grown by that many bytes; 0: never.",
)
@click.option(
    "--erasure-days",
    metavar="N",
    type=click.IntRange(min=1),
    default=ERASURE_DAYS_DEFAULT,
    show_default=True,
    help="Within how many days snapshots and log that were written before somebody was erased"
    " are removed; a new snapshot is written first.",
)
@click.option(
    "--sync",
    metavar="WHEN",
    type=_SyncWhen(),
    default="always",
    show_default=True,
    help="When an acknowledged write is on disk: always (before it is acknowledged),"
    " interval=100ms (a failure of power may cost that much), or off (the system decides)."
    " A killed server loses nothing either way.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is told on standard error.",
)
def serve(
    data: Path,
    listen: str,
    snapshots_kept: int,
    snapshot_every: float,
    snapshot_log_bytes: int,
    erasure_days: int,
    sync: SyncWhen,
    log_level: str,
) -> None:
    """Answer over gRPC, from memory, what is kept in a data directory.

    Prints one line with the address when it is ready. SIGTERM or SIGINT ends it: running calls
    have 10 seconds, then what changed is kept in a snapshot.
    """
    settings = Settings(
        data,
        listen,
        snapshots_kept,
        snapshot_every,
        snapshot_log_bytes,
        erasure_days,
        sync.sync,
        sync.every_s,
    )
    sys.exit(serve_until_stopped(settings, log_level))
