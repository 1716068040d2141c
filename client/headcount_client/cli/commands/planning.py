"""``forecast`` and ``diff``: what a rule will do, and what changing it would do."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from headcount_client import results
from headcount_client.cli.arguments import (
    as_of_argument,
    plot_option,
    question,
    question_options,
    rule_argument,
)
from headcount_client.cli.output import print_json, print_table, rfc3339, say, share, shown
from headcount_client.cli.plots import plot as draw
from headcount_client.cli.sparks import bar, spark, squeezed
from headcount_client.cli.target import Target, target_options

_SHOWN_KEYS = 10


@click.command(
    epilog="""\b
Examples:
  headcount forecast shop 'did open in last 30 days' --days 30
  headcount forecast shop --segment vip --days 90 --plot vip.png"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE", required=False)
@click.option("--segment", metavar="NAME", help="A segment instead of a rule.")
@click.option(
    "--days",
    type=click.IntRange(1, 400),
    default=30,
    show_default=True,
    help="How many days after today.",
)
@plot_option
@question_options
@target_options
def forecast(
    target: Target,
    audience: str,
    rule: str | None,
    segment: str | None,
    days: int,
    plot: str | None,
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """Show how many will enter and leave RULE in the days to come if nothing else happens.

    Exact under that assumption: dates, windows and ages move on, and nobody does anything.
    """
    if (rule is None) == (segment is None):
        raise click.UsageError("give either a RULE or --segment NAME")
    text = None if rule is None else rule_argument(target, rule)
    arguments = question(target, within, params)
    with target.client() as client:
        as_of = as_of_argument(target, client, audience)
        found = client.get_audience(audience).audience
        answer = client.with_timeout(None).forecast(
            audience, text, segment=segment, days=days, as_of=as_of, **arguments
        )
    zone = ZoneInfo(found.time_zone if found else "UTC")
    title = segment or (text or "").strip()
    if plot is not None:
        times = [_moment(point, zone) for point in answer]
        totals = [point.total for point in answer]
        entered = [point.entered_count for point in answer]
        left = [point.left_count for point in answer]
        draw(plot, f"{audience}: {title}", times, totals, entered, left)
    if target.as_json:
        print_json(_plain(audience, answer))
        return
    _print_points(answer, zone)


@click.command(
    epilog="""\b
Examples:
  headcount diff shop 'age > 30' 'age >= 30 and age is set'
  headcount diff shop --segment vip 'lifetime_spend >= 1000'"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rules", metavar="[OLD] NEW", nargs=-1, required=True)
@click.option("--segment", metavar="NAME", help="A segment as the OLD version.")
@click.option(
    "--sample",
    type=click.IntRange(1, 10_000),
    default=_SHOWN_KEYS,
    show_default=True,
    metavar="N",
    help="At most N keys of each part.",
)
@click.option("--seed", default="", help="Another seed, another sample.")
@question_options
@target_options
def diff(
    target: Target,
    audience: str,
    rules: tuple[str, ...],
    segment: str | None,
    sample: int,
    seed: str,
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """Compare two versions of a rule before saving: who stays, who is lost, who is won."""
    if len(rules) != (2 if segment is None else 1):
        raise click.UsageError("give OLD and NEW, or --segment NAME and NEW")
    new = rule_argument(target, rules[-1], "new.rule_text")
    old = rule_argument(target, rules[0], "old.rule_text") if segment is None else None
    arguments = question(target, within, params)
    with target.client() as client:
        as_of = as_of_argument(target, client, audience)
        answer = client.diff(
            audience, old, new, old_segment=segment, sample_size=sample, seed=seed, as_of=as_of,
            **arguments,
        )  # fmt: skip
    if target.as_json:
        print_json(_plain_diff(audience, answer))
        return
    rows = [
        (name, part.total, share(part.total, answer.old_total), part.reachable, part.sample)
        for name, part in (
            ("both", answer.both),
            ("only old", answer.only_old),
            ("only new", answer.only_new),
        )
    ]
    print_table(
        ("who matches", "count", "of the old", "reachable", "some of them"),
        rows,
        numbers=("count", "of the old", "reachable"),
    )
    change = answer.new_total - answer.old_total
    say(f"{shown(answer.old_total)} → {shown(answer.new_total)} ({change:+,})", "bold")
    _say_stamp(answer)


def _print_points(answer: results.ForecastResponse, zone: ZoneInfo) -> None:
    highest = max(point.total for point in answer)
    rows: list[tuple[Any, ...]] = []
    for place, point in enumerate(answer):
        day = _moment(point, zone).date().isoformat() if place else "now"
        entered = f"+{shown(point.entered_count)}" if point.entered_count else ""
        left = f"-{shown(point.left_count)}" if point.left_count else ""
        picture = bar(point.total, highest)
        rows.append((day, point.total, entered, left, point.reachable, picture))
    columns = ("end of", "count", "enter", "leave", "reachable", "")
    print_table(columns, rows, numbers=columns[1:5])
    entered = sum(point.entered_count for point in answer)
    left = sum(point.left_count for point in answer)
    totals = [point.total for point in answer]
    say(spark(squeezed(totals)))
    say(
        f"{shown(totals[0])} → {shown(totals[-1])} in {len(answer) - 1} days:"
        f" {shown(entered)} enter, {shown(left)} leave",
        "bold",
    )
    _say_stamp(answer)


def _say_stamp(answer: results.ForecastResponse | results.DiffResponse) -> None:
    as_of = f", as of {rfc3339(answer.as_of_time)}" if answer.as_of_time else ""
    say(f"revision {answer.revision}{as_of}, {answer.engine_ms:.2f} ms in the engine", "dim")


def _moment(point: results.ForecastPoint, zone: ZoneInfo) -> datetime:
    assert point.time is not None
    return point.time.astimezone(zone)


def _plain(audience: str, answer: results.ForecastResponse) -> dict[str, Any]:
    return {
        "audience": audience,
        "points": [
            {
                "time": point.time,
                "count": point.total,
                "reachable": point.reachable,
                "entered": point.entered_count,
                "left": point.left_count,
            }
            for point in answer
        ],
        **_stamp(answer),
    }


def _plain_diff(audience: str, answer: results.DiffResponse) -> dict[str, Any]:
    parts = {"both": answer.both, "only_old": answer.only_old, "only_new": answer.only_new}
    return {
        "audience": audience,
        "old_count": answer.old_total,
        "new_count": answer.new_total,
        **{
            name: {"count": part.total, "reachable": part.reachable, "sample": part.sample}
            for name, part in parts.items()
        },
        **_stamp(answer),
    }


def _stamp(answer: results.ForecastResponse | results.DiffResponse) -> dict[str, Any]:
    return {
        "audience_size": answer.audience_size,
        "revision": answer.revision,
        "as_of": rfc3339(answer.as_of_time) if answer.as_of_time else None,
        "engine_ms": round(answer.engine_ms, 3),
    }
