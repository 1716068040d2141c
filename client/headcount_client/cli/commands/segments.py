"""``segment create|list|show|update|delete|history``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from headcount_client import results
from headcount_client.cli.arguments import moment_argument, plot_option, rule_argument
from headcount_client.cli.output import print_json, print_table, rfc3339, say, shown
from headcount_client.cli.plots import plot as draw
from headcount_client.cli.sparks import bar, spark, squeezed
from headcount_client.cli.target import Target, target_options

_HISTORY = click.option(
    "--history", type=click.IntRange(0), metavar="DAYS", help="Keep sizes and moves for so long."
)


@click.group()
def segment() -> None:
    """Segments: saved, named rules."""


@segment.command(
    "create", epilog="""Example:  headcount segment create shop vip 'lifetime_spend >= 500'"""
)
@click.argument("audience", metavar="AUDIENCE")
@click.argument("name", metavar="NAME")
@click.argument("rule", metavar="RULE")
@_HISTORY
@target_options
def create(target: Target, audience: str, name: str, rule: str, history: int | None) -> None:
    """Save RULE under a name."""
    text = rule_argument(target, rule)
    with target.client() as client:
        answer = client.create_segment(audience, name, text, history_days=history or 0)
    _show(target, answer.segment, answer.revision, "is created")


@segment.command("list", epilog="Example:  headcount segment list shop")
@click.argument("audience", metavar="AUDIENCE")
@target_options
def list_(target: Target, audience: str) -> None:
    """List the segments of an audience."""
    with target.client() as client:
        found = list(client.list_segments(audience))
    if target.as_json:
        print_json([_plain(one) for one in found])
        return
    rows = [(one.name, one.rule_text or "(static list)") for one in found]
    print_table(("segment", "rule"), rows)


@segment.command("show", epilog="Example:  headcount segment show shop vip")
@click.argument("audience", metavar="AUDIENCE")
@click.argument("name", metavar="NAME")
@target_options
def show(target: Target, audience: str, name: str) -> None:
    """Show a segment."""
    with target.client() as client:
        found = client.get_segment(audience, name).segment
    _show(target, found, 0, "")


@segment.command(
    "update", epilog="""Example:  headcount segment update shop vip 'lifetime_spend >= 1000'"""
)
@click.argument("audience", metavar="AUDIENCE")
@click.argument("name", metavar="NAME")
@click.argument("rule", metavar="RULE")
@_HISTORY
@target_options
def update(target: Target, audience: str, name: str, rule: str, history: int | None) -> None:
    """Change a segment's rule."""
    text = rule_argument(target, rule)
    with target.client() as client:
        answer = client.update_segment(audience, name, text, history_days=history)
    _show(target, answer.segment, answer.revision, "is updated")


@segment.command("delete", epilog="Example:  headcount segment delete shop vip")
@click.argument("audience", metavar="AUDIENCE")
@click.argument("name", metavar="NAME")
@target_options
def delete(target: Target, audience: str, name: str) -> None:
    """Delete a segment that nothing else uses."""
    with target.client() as client:
        answer = client.delete_segment(audience, name)
    if target.as_json:
        print_json({"audience": audience, "segment": name, "deleted": True,
                    "revision": answer.revision})  # fmt: skip
        return
    say(f"{name} is deleted")


@segment.command(
    "history",
    epilog="""\b
Examples:
  headcount segment history shop vip --since 30d
  headcount segment history shop vip --unit minute --since 2026-03-31 --plot vip.png""",
)
@click.argument("audience", metavar="AUDIENCE")
@click.argument("name", metavar="NAME")
@click.option(
    "--unit",
    type=click.Choice(["minute", "hour", "day"]),
    default="day",
    show_default=True,
    help="How far the points are apart.",
)
@click.option("--since", default="", metavar="TIME", help="From then on: a date, a time, or 7d.")
@click.option("--until", default="", metavar="TIME", help="Before then; by default now.")
@plot_option
@target_options
def history(
    target: Target, audience: str, name: str, unit: str, since: str, until: str, plot: str | None
) -> None:
    """Show a segment's size over time, and who entered and left.

    Sizes are kept of segments that were created or updated with --history DAYS.
    """
    with target.client() as client:
        found = client.get_audience(audience).audience
        zone = ZoneInfo(found.time_zone if found else "UTC")
        start = moment_argument(since, zone, "--since")
        end = moment_argument(until, zone, "--until")
        answer = client.get_segment_history(
            audience, name, unit=unit, start_time=start, end_time=end
        )
    points = [(point, point.time.astimezone(zone)) for point in answer.points if point.time]
    if plot is not None:
        totals = [point.total for point, _ in points]
        entered = [point.entered_count for point, _ in points]
        left = [point.left_count for point, _ in points]
        draw(plot, f"{audience}: {name}", [moment for _, moment in points], totals, entered, left)
    if target.as_json:
        plain = [
            {
                "time": point.time, "count": point.total, "entered": point.entered_count,
                "left": point.left_count,
            }
            for point, _ in points
        ]  # fmt: skip
        print_json({"audience": audience, "segment": name, "unit": unit, "points": plain})
        return
    _print_history(name, unit, points)


def _print_history(
    name: str, unit: str, points: Sequence[tuple[results.HistoryPoint, datetime]]
) -> None:
    if not points:
        say(f"nothing is kept of {name} in that time")
        return
    highest = max(point.total for point, _ in points)
    rows = [
        (
            moment.date().isoformat() if unit == "day" else moment.strftime("%Y-%m-%d %H:%M"),
            point.total,
            f"+{shown(point.entered_count)}" if point.entered_count else "",
            f"-{shown(point.left_count)}" if point.left_count else "",
            bar(point.total, highest),
        )
        for point, moment in points
    ]
    columns = (unit, "count", "entered", "left", "")
    print_table(columns, rows, numbers=columns[1:4])
    say(spark(squeezed([point.total for point, _ in points])))


def _show(target: Target, found: results.Segment | None, revision: int, done: str) -> None:
    if found is None:
        return
    if target.as_json:
        print_json({**_plain(found), **({"revision": revision} if revision else {})})
        return
    say(f"{found.name} {done}".rstrip(), "bold")
    say(found.rule_text or f"a static list of {found.frozen_count}")
    if not done:
        if found.history_days:
            say(f"sizes and moves are kept for {found.history_days} days")
        if found.update_time is not None:
            say(f"last changed {rfc3339(found.update_time)}", "dim")


def _plain(one: results.Segment) -> dict[str, object]:
    return {
        "audience": one.audience,
        "name": one.name,
        "rule": one.rule_text,
        "history_days": one.history_days,
        "frozen": one.frozen,
        "create_time": one.create_time,
        "update_time": one.update_time,
        "etag": one.etag,
    }
