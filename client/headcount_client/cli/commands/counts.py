"""``count``, ``explain``, ``breakdown``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from rich.text import Text

from headcount_client import results
from headcount_client.cli.arguments import as_of_argument, question, question_options, rule_argument
from headcount_client.cli.output import print_json, print_table, rfc3339, say, share, shown
from headcount_client.cli.target import Target, target_options

Answer = results.CountResponse | results.ExplainResponse | results.BreakdownResponse


@click.command(
    epilog="""\b
Examples:
  headcount count shop 'country = "DE" and did open in last 30 days'
  headcount count shop 'age >= $low' --param low=18 --json
  headcount count shop @rule.txt --within 'plan = "pro"' --as-of 2026-03-31"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE")
@question_options
@click.option("--waterfall", is_flag=True, help="Also show the way from everyone to the reachable.")
@target_options
def count(
    target: Target,
    audience: str,
    rule: str,
    within: str | None,
    params: tuple[str, ...],
    waterfall: bool,
) -> None:
    """Count who matches RULE, and how many of them can be reached.

    RULE is a text; - reads it from standard input, @FILE from a file.
    """
    text = rule_argument(target, rule)
    arguments = question(target, within, params)
    with target.client() as client:
        as_of = as_of_argument(target, client, audience)
        answer = client.count(audience, text, as_of=as_of, waterfall=waterfall, **arguments)
    if target.as_json:
        shown_as = summary(audience, answer)
        if waterfall:
            shown_as["waterfall"] = answer.waterfall
        print_json(shown_as)
        return
    _say_counts(answer)
    if waterfall:
        rows = [(step.label, step.count, step.removed_count) for step in answer.waterfall]
        print_table(("step", "left", "removed"), rows, numbers=("left", "removed"))


@click.command(
    epilog="""\b
Examples:
  headcount explain shop 'country = "DE" and (age < 30 or did click in last 7 days)'
  headcount explain shop @rule.txt --json"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE")
@question_options
@target_options
def explain(
    target: Target, audience: str, rule: str, within: str | None, params: tuple[str, ...]
) -> None:
    """Show the count at every part of RULE: alone, cumulative, and what it removes."""
    text = rule_argument(target, rule)
    arguments = question(target, within, params)
    with target.client() as client:
        as_of = as_of_argument(target, client, audience)
        answer = client.explain(audience, text, as_of=as_of, **arguments)
    if target.as_json:
        print_json({**summary(audience, answer), "root": answer.root})
        return
    print_explanation(answer)
    _say_counts(answer)


@click.command(
    epilog="""\b
Examples:
  headcount breakdown shop 'did purchase in last 30 days' --by country
  headcount breakdown shop everyone --by age --edges 0,18,30,50,120
  headcount breakdown shop everyone --by signup_date --unit month --by plan"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE")
@click.option("--by", multiple=True, required=True, metavar="ATTRIBUTE", help="May be repeated.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Most frequent values to list; the others are counted together.",
)
@click.option("--edges", metavar="N,N,…", help="Histogram of numbers, with these ascending edges.")
@click.option(
    "--unit",
    type=click.Choice(["day", "week", "month", "quarter", "year"]),
    help="Histogram of dates and timestamps.",
)
@click.option("--base", metavar="RULE", help="What lift compares with; by default everyone.")
@question_options
@target_options
def breakdown(
    target: Target,
    audience: str,
    rule: str,
    by: tuple[str, ...],
    limit: int,
    edges: str | None,
    unit: str | None,
    base: str | None,
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """Count who matches RULE by the values of an attribute."""  # fmt: skip
    text = rule_argument(target, rule)
    arguments = question(target, within, params)
    if base is not None:
        arguments["base"] = rule_argument(target, base, "base_text")
    with target.client() as client:
        wanted = _by(by, limit, edges, unit, lambda: client.get_audience(audience).audience)
        as_of = as_of_argument(target, client, audience)
        answer = client.breakdown(audience, text, wanted, as_of=as_of, **arguments)
    if target.as_json:
        more = {"values": answer.values, "breakdowns": answer.breakdowns}
        print_json({**summary(audience, answer), **more})
        return
    for one in answer.breakdowns:
        print_breakdown(one, answer.total)
    _say_counts(answer)


def summary(audience: str, answer: Answer) -> dict[str, Any]:
    """What the JSON of every count has."""
    return {
        "audience": audience,
        "count": answer.total,
        "reachable": answer.reachable,
        "audience_size": answer.audience_size,
        "revision": answer.revision,
        "as_of": rfc3339(answer.as_of_time) if answer.as_of_time else None,
        "engine_ms": round(answer.engine_ms, 3),
    }


def print_explanation(answer: results.ExplainResponse) -> None:
    """The tree of a rule as a table.

    What a part of an ``or`` adds has a plus sign; ``without it`` is by how much the count of the
    group around a part would change.
    """
    rows = list(_node_rows(answer.root, "", "", "")) if answer.root else []
    columns = ("rule", "alone", "cumulative", "removed", "without it", "")
    print_table(columns, rows, numbers=columns[1:5])


def print_breakdown(result: results.BreakdownResult, total: int) -> None:
    """The values of one attribute as a table."""
    rows: list[tuple[Any, ...]] = [
        (value.value, value.count, share(value.count, total), f"{value.lift:.2f}")
        for value in result.values
    ]
    if result.other_count:
        rows.append((Text("other values", style="dim"), result.other_count, "", ""))
    if result.missing_count:
        missing = Text("no value", style="dim")
        rows.append((missing, result.missing_count, share(result.missing_count, total), ""))
    columns = (result.attribute, "count", "share", "lift")
    print_table(columns, rows, numbers=columns[1:])


def _say_counts(answer: Answer) -> None:
    of_all = f" ({share(answer.total, answer.audience_size)})" if answer.audience_size else ""
    say(f"{shown(answer.total)} of {shown(answer.audience_size)} match{of_all}", "bold")
    if answer.reachable != answer.total:
        reached = share(answer.reachable, answer.total)
        say(f"{shown(answer.reachable)} of them can be reached ({reached})")
    as_of = f", as of {rfc3339(answer.as_of_time)}" if answer.as_of_time else ""
    say(f"revision {answer.revision}{as_of}, {answer.engine_ms:.2f} ms in the engine", "dim")


def _node_rows(
    node: results.ExplainNode, lead: str, branch: str, below: str, sign: str = "", around: int = 0
) -> Iterator[tuple[Any, ...]]:
    text = Text.assemble((lead + branch, "dim"), node.text)
    if node.error is not None:
        yield (text, "", "", "", "", Text(node.error.message, style="red"))
        return
    note = Text("; ".join(warning.message for warning in node.warnings), style="yellow")
    removed = f"{sign}{shown(node.removed_count)}"
    without = "" if node.without_count is None else _change(node.without_count - around)
    yield (text, node.count, node.cumulative_count, removed, without, note)
    sign = "+" if _adds(node.nodes) else ""
    for child in node.nodes:
        is_last = child is node.nodes[-1]
        inner, further = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _node_rows(child, lead + below, inner, further, sign, node.count)


def _change(difference: int) -> str:
    return f"+{shown(difference)}" if difference > 0 else shown(difference)


def _adds(nodes: Sequence[results.ExplainNode]) -> bool:
    """Whether each part adds to the ones before it, as in an ``or``."""
    before = 0
    for node in nodes:
        if node.cumulative_count != before + node.removed_count:
            return False
        before = node.cumulative_count
    return len(nodes) > 1 and before > 0


def _by(
    names: tuple[str, ...], limit: int, edges: str | None, unit: str | None, audience: Any
) -> list[dict[str, Any]]:
    """What to break down by; edges and units go to the attributes of a type that takes them."""
    wanted: list[dict[str, Any]] = [{"attribute": name, "limit": limit} for name in names]
    if not edges and not unit:
        return wanted
    found = audience()
    types = {one.name: one.type for one in found.attributes} | {"known_since": "timestamp"}
    for one in wanted:
        kind = types.get(one["attribute"])
        if edges and (kind in ("integer", "decimal") or len(names) == 1):
            one["edges"] = _edges(edges)
        if unit and (kind in ("date", "timestamp") or len(names) == 1):
            one["unit"] = unit
    return wanted


def _edges(text: str) -> list[Decimal]:
    try:
        return [Decimal(edge.strip()) for edge in text.split(",")]
    except InvalidOperation:
        raise click.UsageError(f"--edges {text!r} must be numbers: 0,18,30,50") from None
