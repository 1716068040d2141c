"""``watch``: counts that move by themselves."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import click
from rich.live import Live
from rich.table import Table
from rich.text import Text

from headcount_client import results
from headcount_client.cli.arguments import length_argument, parameters_argument, rule_argument
from headcount_client.cli.feed import follow
from headcount_client.cli.held import HeldMembers
from headcount_client.cli.output import console, print_json, rfc3339, say, shown
from headcount_client.cli.sparks import spark
from headcount_client.cli.target import Target, target_options
from headcount_client.values import Key

_REMEMBERED = 60  # counts in the picture of a rule
_SHOWN_KEYS = 10


@click.command(
    epilog="""\b
Examples:
  headcount watch shop 'did click in last 1 hours'
  headcount watch shop 'plan = "pro"' --members --json
  headcount watch shop everyone 'plan = "pro"' --segment vip --min-interval 5s"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rules", metavar="RULE", nargs=-1)
@click.option("--segment", "segments", multiple=True, metavar="NAME", help="Watch a segment, too.")
@click.option("--members", is_flag=True, help="Also show who entered and left.")
@click.option(
    "--min-interval",
    metavar="TIME",
    default="100ms",
    show_default=True,
    callback=length_argument,
    help="At most one line in this time: 100ms, 5s, 1m.",
)
@click.option("--within", metavar="RULE", help="Count only those who match this rule.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Bind $NAME.")
@target_options
def watch(
    target: Target,
    audience: str,
    rules: tuple[str, ...],
    segments: tuple[str, ...],
    members: bool,
    min_interval: timedelta,
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """Show the count of RULE, then again whenever it changes. Ctrl-C ends it.

    Several rules and segments are shown side by side. When the server goes, it is tried again for
    30 seconds.
    """  # fmt: skip
    if target.as_of:
        raise click.UsageError("watch follows the clock and takes no --as-of")
    if not rules and not segments:
        raise click.UsageError("give a RULE or --segment NAME")
    fields = ["rule_text", *(f"questions[{n}].rule_text" for n in range(1, len(rules)))]
    texts = [rule_argument(target, rule, field) for rule, field in zip(rules, fields, strict=False)]
    scope = None if within is None else rule_argument(target, within, "within_text")
    parameters = parameters_argument(params)
    names = [*texts, *segments]
    view = _view(target, audience, names, len(texts), members)
    if threading.current_thread() is threading.main_thread():
        # What a shell starts in the background is told to ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with target.client() as client, view:

            def fetch(index: int, revision: int) -> Iterable[Key]:
                is_rule = index < len(texts)
                return client.export_members(
                    audience, texts[index] if is_rule else None,
                    segment=None if is_rule else names[index],
                    parameters=parameters, within=scope, at_least_revision=revision,
                )  # fmt: skip

            held = HeldMembers(fetch) if members else None

            def start() -> Iterator[results.WatchResponse]:
                if held is not None:
                    held.begin()
                return client.watch(
                    audience, texts, segments=segments, parameters=parameters, within=scope,
                    min_interval=min_interval, members=members,
                )  # fmt: skip

            follow(start, lambda update: view.show(update if held is None else held.net(update)))
    except KeyboardInterrupt:
        return


def _view(
    target: Target, audience: str, names: Sequence[str], rule_count: int, members: bool
) -> JsonLines | Lines | Board:
    if target.as_json:
        return JsonLines(audience, names, rule_count, members)
    if console().is_terminal:
        return Board(names)
    return Lines(names)


class _Shown:
    """What was shown last of each question; tells the change against it."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> None:
        """Begins to show."""

    def __exit__(self, *_: object) -> None:
        """Ends the showing."""

    def change(self, update: results.WatchResponse) -> int | None:
        """Against what was shown before, 0 for the first; None where nothing is to be shown.

        After the server was away its first answer may be what is shown already.
        """
        before = self._counts.get(update.index)
        now = (update.total, update.reachable)
        if before == now and not update.entered and not update.left:
            return None
        self._counts[update.index] = now
        return 0 if before is None else update.total - before[0]


class JsonLines(_Shown):
    """One JSON object a line."""

    def __init__(self, audience: str, names: Sequence[str], rule_count: int, members: bool) -> None:
        super().__init__()
        self._audience = audience
        self._names = names
        self._rule_count = rule_count
        self._members = members

    def show(self, update: results.WatchResponse) -> None:
        """Print an update."""
        change = self.change(update)
        if change is None:
            return
        line: dict[str, Any] = {"audience": self._audience}
        if len(self._names) > 1:
            kind = "rule" if update.index < self._rule_count else "segment"
            line |= {"index": update.index, kind: self._names[update.index]}
        line |= {
            "count": update.total,
            "reachable": update.reachable,
            "change": change,
            "revision": update.revision,
            "time": update.update_time,
        }
        if self._members:
            line |= {"entered": update.entered, "left": update.left}
        print_json(line)


class Lines(_Shown):
    """A line of text for each update."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def show(self, update: results.WatchResponse) -> None:
        """Print an update."""
        change = self.change(update)
        if change is None:
            return
        moment = rfc3339(update.update_time) if update.update_time else ""
        parts = [moment, shown(update.total), f"{change:+,}" if change else "", _moves(update)]
        if len(self._names) > 1:
            parts.append(self._names[update.index])
        say("  ".join(part for part in parts if part))


class Board(_Shown):
    """A table on a terminal that is drawn anew with each update."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names
        self._totals = [deque[int](maxlen=_REMEMBERED) for _ in names]
        self._rows: list[tuple[str, ...]] = [("",) * 5 for _ in names]
        self._live = Live(console=console(), auto_refresh=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, update: results.WatchResponse) -> None:
        """Draw an update."""
        change = self.change(update)
        if change is None:
            return
        totals = self._totals[update.index]
        totals.append(update.total)
        moment = rfc3339(update.update_time)[11:19] if update.update_time else ""
        self._rows[update.index] = (
            shown(update.total), f"{change:+,}" if change else "", shown(update.reachable),
            moment, _moves(update),
        )  # fmt: skip
        self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("rule", overflow="ellipsis", no_wrap=True, max_width=50)
        for name in ("count", "change", "reachable"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("at (UTC)", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("", no_wrap=True, overflow="ellipsis")
        for name, row, totals in zip(self._names, self._rows, self._totals, strict=True):
            picture = Text(spark(list(totals)), style="cyan")
            cells = [Text(name), *map(Text, row[:4]), picture, Text(row[4])]
            table.add_row(*cells)
        return table


def _moves(update: results.WatchResponse) -> str:
    """Some of the keys that entered and left."""
    keys = [f"+{key}" for key in update.entered] + [f"-{key}" for key in update.left]
    more = f" and {len(keys) - _SHOWN_KEYS:,} more" if len(keys) > _SHOWN_KEYS else ""
    return " ".join(keys[:_SHOWN_KEYS]) + more
