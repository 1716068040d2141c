"""``watch``: a count that moves by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from headcount_client import results
from headcount_client.cli.arguments import length_argument, parameters_argument, rule_argument
from headcount_client.cli.output import print_json, rfc3339, say, shown
from headcount_client.cli.target import Target, target_options
from headcount_client.errors import Cancelled, Unavailable

RECONNECT_S = 30.0
_PAUSE_S = 0.5


@click.command(
    epilog="""\b
Examples:
  headcount watch shop 'did click in last 1 hours'
  headcount watch shop 'plan = "pro"' --members --json"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE")
@click.option("--members", is_flag=True, help="Also show who entered and left.")
@click.option(
    "--min-interval",
    metavar="TIME",
    default="100ms",
    show_default=True,
    callback=length_argument,
    help="At most one line in this time: 100ms, 5s, 1m.",
)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Bind $NAME.")
@target_options
def watch(
    target: Target,
    audience: str,
    rule: str,
    members: bool,
    min_interval: timedelta,
    params: tuple[str, ...],
) -> None:
    """Show the count of RULE, then again whenever it changes. Ctrl-C ends it.

    When the server goes, it is tried again for 30 seconds.
    """  # fmt: skip
    if target.as_of:
        raise click.UsageError("watch follows the clock and takes no --as-of")
    text = rule_argument(target, rule)
    parameters = parameters_argument(params)
    lines = Lines(target, audience, members)
    with target.client() as client:
        try:
            follow(
                lambda: client.watch(
                    audience, text, parameters=parameters, min_interval=min_interval,
                    members=members,
                ),
                lines.show,
            )  # fmt: skip
        except KeyboardInterrupt:
            return


def follow(start: Callable[[], Any], show: Callable[[results.WatchResponse], None]) -> None:
    """Show every update; start again for a while when the server goes.

    Raises:
        HeadcountError: a refusal, or no server for RECONNECT_S seconds.
    """
    gone_since: float | None = None
    while True:
        try:
            for update in start():
                gone_since = None
                show(update)
            return
        except (Unavailable, Cancelled) as error:
            now = time.monotonic()
            gone_since = now if gone_since is None else gone_since
            if now - gone_since > RECONNECT_S:
                raise Unavailable(f"gone for {RECONNECT_S:.0f} s: {error.message}") from None
            time.sleep(_PAUSE_S)


class Lines:
    """The lines of a watch; each tells the change against the one before."""

    def __init__(self, target: Target, audience: str, members: bool) -> None:
        self._target = target
        self._audience = audience
        self._members = members
        self._count: int | None = None

    def show(self, update: results.WatchResponse) -> None:
        """Print an update."""
        change = 0 if self._count is None else update.total - self._count
        self._count = update.total
        if not self._target.as_json:
            moved = f"{change:+,}" if change else ""
            moment = rfc3339(update.update_time) if update.update_time else ""
            say(f"{moment}  {shown(update.total)}  {moved}".rstrip())
            return
        line: dict[str, Any] = {
            "audience": self._audience,
            "count": update.total,
            "reachable": update.reachable,
            "change": change,
            "revision": update.revision,
            "time": update.update_time,
        }
        if self._members:
            line |= {"entered": update.entered, "left": update.left}
        print_json(line)
