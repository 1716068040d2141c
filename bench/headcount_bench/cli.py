"""``headcount-bench``: what the measurements are called.

A command is a module of ``commands``, named as it is, and is imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from headcount_bench.faults import BenchFault

COMMANDS = {  # name: what it does, for the list of commands
    "generate": "Make up subscribers and a year of their events, as Parquet files.",
    "engine": "Load them in this process, and ask the standard questions.",
    "load": "Open-loop load on a server over gRPC, with writes streaming in.",
    "overload": "More callers than a server takes: answers, refusals, health.",
    "growth": "The same at several sizes, each in a process of its own.",
    "durability": "Durable writes, snapshots beside reads, and recovery.",
    "stalls": "Cheap reads beside heavy questions, bulk loads and a snapshot.",
    "plan": "Memory, disk, start-up time and throughput to expect of a schema and sizes.",
    "counts": "Counts over gRPC of a server of its own with made-up data.",
    "watches": "What watches cost while events stream in, and how fast a change is told.",
    "editors": "From keystroke to count: editors that type rules at once.",
    "compare": "The same questions to Headcount and to other engines, over the same files.",
}


class Commands(click.Group):
    """The commands, and the exit codes of their faults."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"headcount_bench.commands.{cmd_name}")
        return getattr(module, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Turns faults into messages and exit codes."""
        try:
            return super().invoke(ctx)
        except BenchFault as fault:
            click.echo(f"error: {fault.message}", err=True)
            ctx.exit(fault.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure Headcount on this machine.

    \b
    Examples:
      headcount-bench generate --subscribers 1000000 --out data/1m
      headcount-bench engine --data data/1m
      headcount-bench growth --sizes 100k,1m --data data --plot growth.svg
      headcount-bench plan --schema shop.toml --subscribers 4000000 --events-per-day 900000
      headcount-bench counts --subscribers 1000000

    Exit codes: 0 done, 2 wrong usage, 3 what this machine or a server can't do, 4 no server there.
    """
