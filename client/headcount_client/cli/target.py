"""What a command talks to, and how its answers are shown: the options that all commands take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from headcount_client.channels import ADDRESS
from headcount_client.client import Client
from headcount_client.errors import HeadcountError
from headcount_client.retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT_S = 60.0
RETRY = RetryPolicy(attempts_max=3, backoff_s=0.1)
EMBEDDED_GROUP = "headcount.embedded"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask and how to answer.

    Attributes:
        address: of the server.
        embedded: a data directory to serve in this process instead, or None.
        as_json: whether programs read the answers.
        as_of: the time to take for now, as it was typed, or "".
        texts: the rules that were typed, by the field they went into; for showing faults.
    """

    address: str = ADDRESS
    embedded: Path | None = None
    as_json: bool = False
    as_of: str = ""
    texts: dict[str, str] = field(default_factory=dict[str, str])

    @contextmanager
    def client(self) -> Generator[Client]:
        """A client of the server, or of the data directory, for one command."""
        with (
            self._serving() as address,
            Client(address, timeout_s=TIMEOUT_S, retry=RETRY) as client,
        ):
            yield client

    @contextmanager
    def _serving(self) -> Generator[str]:
        if self.embedded is None:
            yield self.address
            return
        found = list(entry_points(group=EMBEDDED_GROUP, name="engine"))
        if not found:
            raise click.UsageError(
                "--embedded needs the server package, which isn't installed; install headcount"
                " whole, or name a server with --address"
            )
        with _as_own_errors(), found[0].load()(self.embedded) as address:
            yield address


def target_options(command: Callable[Concatenate[Target, P], R]) -> Callable[P, R]:
    """Give a command the options of every command; it gets them as its first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        context = click.get_current_context()
        taken: dict[str, Any] = {
            name: kwargs.pop(name) for name in ("address", "embedded", "as_json", "as_of")
        }
        given = {name: value for name, value in taken.items() if value not in (None, False, "")}
        if "address" in given and "embedded" in given:
            raise click.UsageError("give either --address or --embedded, not both")
        target = replace(context.ensure_object(Target), **given)
        context.find_root().meta["headcount.target"] = target
        return command(target, *args, **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run  # pyright: ignore[reportReturnType]


@contextmanager
def _as_own_errors() -> Generator[None]:
    """Errors of the server package, known by their reason, as errors of the client."""
    try:
        yield
    except (HeadcountError, click.ClickException):
        raise
    except Exception as error:
        reason, message = getattr(error, "reason", None), getattr(error, "message", None)
        if not isinstance(reason, str) or not isinstance(message, str):
            raise
        raise HeadcountError(message, reason=reason) from error


def _directory(_context: Any, _parameter: Any, value: str | None) -> Path | None:
    return None if value is None else Path(value)


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--address",
        metavar="HOST:PORT",
        help=f"The server. [env: HEADCOUNT_ADDRESS; default: {ADDRESS}]",
    ),
    click.option(
        "--embedded",
        metavar="DIR",
        callback=_directory,
        help="A data directory to work on in this process, without a server.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs."),
    click.option(
        "--as-of",
        metavar="TIME",
        help="The time to take for now: 2026-03-31T09:00:00Z, or a date (its midnight in the"
        " audience's zone).",
    ),
)
