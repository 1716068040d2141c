"""The command line's frame: finding commands, common options, errors to exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from headcount_client.cli import faults
from headcount_client.cli.target import Target
from headcount_client.errors import HeadcountError

COMMANDS_GROUP = "headcount.commands"
_PACKAGE = "headcount_client.cli.commands"
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("headcount_client.demo.command", "demo"),
    "audience": (f"{_PACKAGE}.audiences", "audience"),
    "import": (f"{_PACKAGE}.importing", "import_files"),
    "count": (f"{_PACKAGE}.counts", "count"),
    "explain": (f"{_PACKAGE}.counts", "explain"),
    "breakdown": (f"{_PACKAGE}.counts", "breakdown"),
    "forecast": (f"{_PACKAGE}.planning", "forecast"),
    "diff": (f"{_PACKAGE}.planning", "diff"),
    "members": (f"{_PACKAGE}.members", "members"),
    "export": (f"{_PACKAGE}.members", "export"),
    "match": (f"{_PACKAGE}.members", "match"),
    "watch": (f"{_PACKAGE}.watching", "watch"),
    "segment": (f"{_PACKAGE}.segments", "segment"),
    "subscribers": (f"{_PACKAGE}.subscribers", "subscribers"),
    "snapshot": (f"{_PACKAGE}.operating", "snapshot"),
    "status": (f"{_PACKAGE}.operating", "status"),
    "top": (f"{_PACKAGE}.topping", "top"),
}
FROM_SERVER = ("serve",)


class Commands(click.Group):
    """The commands of this package, loaded when used, and those of installed entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of their use."""
        installed = sorted(name for name in _installed() if " " not in name)
        return list(dict.fromkeys(["demo", *FROM_SERVER, *installed, *COMMANDS]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name in COMMANDS:
            module, name = COMMANDS[cmd_name]
            command = getattr(importlib.import_module(module), name)
            return _with_installed_parts(cmd_name, command)
        found = _installed().get(cmd_name)
        if found is not None:
            return found.load()
        return _absent(cmd_name) if cmd_name in FROM_SERVER else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed, or a usage error with the nearest one."""
        from headcount_client.names import did_you_mean

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"no such command: {args[0]}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with:  headcount demo",
)
@click.option("--address", metavar="HOST:PORT", envvar="HEADCOUNT_ADDRESS", help="The server.")
@click.option("--embedded", metavar="DIR", help="A data directory to work on in this process.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
@click.option("--as-of", metavar="TIME", default="", help="The time to take for now.")
@click.version_option(package_name="headcount", prog_name="headcount")
@click.pass_context
def headcount(
    context: click.Context, address: str | None, embedded: str | None, as_json: bool, as_of: str
) -> None:
    """Exact live audience counts: how many subscribers match a rule, right now."""
    target = Target(as_json=as_json, as_of=as_of, embedded=Path(embedded) if embedded else None)
    context.obj = target if not address else _at(target, address)


def main(args: list[str] | None = None) -> None:
    """Run the command line and end the process.

    Exit codes: 0 done, 2 wrong usage, 3 the server's error, 4 unreachable, 130 interrupted.
    """
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    meta: dict[str, Any] = {}
    try:
        with headcount.make_context("headcount", list(sys.argv[1:] if args is None else args)) as c:
            meta = c.meta
            result = headcount.invoke(c)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return faults.EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        return faults.EXIT_INTERRUPTED
    except HeadcountError as error:
        target = meta.get("headcount.target", Target())
        faults.report(error, _place(target), target.texts)
        return faults.exit_code(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _at(target: Target, address: str) -> Target:
    return Target(address, target.embedded, target.as_json, target.as_of)


def _place(target: Target) -> str:
    return target.address if target.embedded is None else str(target.embedded)


def _installed() -> Mapping[str, Any]:
    return {point.name: point for point in entry_points(group=COMMANDS_GROUP)}


def _with_installed_parts(name: str, command: click.Command) -> click.Command:
    """A group with the commands that an entry point named ``"group command"`` adds to it."""
    if isinstance(command, click.Group):
        for full, point in _installed().items():
            group, _, part = full.partition(" ")
            if group == name and part and part not in command.commands:
                command.add_command(point.load(), part)
    return command


def _absent(name: str) -> click.Command:
    """Stands for a command of the server package where that isn't installed."""

    @click.command(
        name,
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
        help="Answer over gRPC from a data directory (needs the server package).",
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def missing(arguments: tuple[str, ...]) -> None:
        raise click.UsageError(
            f"headcount {name} comes with the server package, which isn't installed here; install"
            " headcount whole"
        )

    return missing
