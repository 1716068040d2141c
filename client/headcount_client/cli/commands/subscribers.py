"""``subscribers get|delete``."""

from __future__ import annotations

from typing import Any

import click

from headcount_client import results
from headcount_client.cli.arguments import keys_argument
from headcount_client.cli.output import print_json, print_table, rfc3339, say, shown
from headcount_client.cli.target import Target, target_options


@click.group()
def subscribers() -> None:
    """Single subscribers: look at, erase."""


@subscribers.command(
    "get", epilog="Example:  headcount subscribers get shop anna@example.com --events 20"
)
@click.argument("audience", metavar="NAME")
@click.argument("keys", metavar="KEY…", nargs=-1, required=True)
@click.option(
    "--events",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="Latest events to show.",
)
@target_options
def get(target: Target, audience: str, keys: tuple[str, ...], events: int) -> None:
    """Show all that is known about subscribers; in JSON one object a line."""  # fmt: skip
    with target.client() as client:
        for key in keys_argument(client, audience, keys):
            found = client.get_subscriber(audience, key, event_limit=events)
            if target.as_json:
                print_json({"audience": audience, **_plain(found)})
            else:
                _show(found)


@subscribers.command(
    "delete", epilog="Example:  headcount subscribers delete shop anna@example.com"
)
@click.argument("audience", metavar="NAME")
@click.argument("keys", metavar="KEY…", nargs=-1, required=True)
@target_options
def delete(target: Target, audience: str, keys: tuple[str, ...]) -> None:
    """Erase subscribers with everything known about them; unknown keys are ignored."""
    with target.client() as client:
        answer = client.delete_subscribers(audience, keys_argument(client, audience, keys))
    if target.as_json:
        print_json({"audience": audience, "deleted": answer.deleted_count,
                    "revision": answer.revision})  # fmt: skip
        return
    say(f"{shown(answer.deleted_count)} of {len(keys)} erased")


def _plain(found: results.GetSubscriberResponse) -> dict[str, Any]:
    return {
        "key": found.key,
        "known_since": found.known_since,
        "values": found.values,
        "event_count": found.event_count,
        "events": [
            {"time": one.time, "event": one.event, **one.dimensions, **one.measures}
            for one in found.events
        ],
        "revision": found.revision,
    }


def _show(found: results.GetSubscriberResponse) -> None:
    say(str(found.key), "bold")
    if found.known_since is not None:
        say(f"known since {rfc3339(found.known_since)}; {shown(found.event_count)} events", "dim")
    rows = [(name, _value(value)) for name, value in sorted(found.values.items())]
    print_table(("attribute", "value"), rows)
    if found.events:
        events = [
            (one.time, one.event, ", ".join(f"{k}={v}" for k, v in _properties(one).items()))
            for one in found.events
        ]
        print_table(("time", "event", "properties"), events)


def _properties(event: results.EventRow) -> dict[str, Any]:
    return {**event.dimensions, **event.measures}


def _value(value: Any) -> str:
    """Keys and numbers of people without separators, unlike counts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, int) else shown(value)
