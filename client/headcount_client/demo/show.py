"""What the demo asks, and how it shows the answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from headcount_client.client import Client
from headcount_client.demo.generate import AUDIENCE
from headcount_client.results import ExplainNode

RULES = (
    'country = "DE"',
    'country in ("DE", "AT", "CH") and age between 25 and 44',
    'interests has any of ("running", "cycling") and not interests has "sale"',
    "did open in last 30 days",
    "did open at least 3 times in last 90 days and did not click in last 90 days",
    'did purchase where (category = "shoes" and amount >= 50) in last 180 days',
    'at least 2 of (plan = "pro", lifetime_spend >= 200, did purchase in last 365 days)',
    'email ends with "@gmail.com" and signup_date in last 365 days',
)
EXPLAINED = (
    'country in ("DE", "AT", "CH") and (plan = "pro" or did purchase in last 180 days)'
    " and not (did click in last 30 days)"
)


def show_counts(client: Client, console: Console, as_of: datetime) -> None:
    """A table of counts."""
    table = Table(title="How many match, right now?", title_justify="left")
    table.add_column("rule", ratio=1)
    for name in ("count", "share", "reachable", "engine ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for rule in RULES:
        found = client.count(AUDIENCE, rule, as_of=as_of)
        share = found.total / max(1, found.audience_size)
        engine_ms = (found.engine_duration or timedelta()).total_seconds() * 1_000
        table.add_row(
            rule, f"{found.total:,}", f"{share:.1%}", f"{found.reachable:,}", f"{engine_ms:.2f}"
        )
    console.print(table)


def show_explanation(client: Client, console: Console, as_of: datetime) -> None:
    """The counts at every node of one rule."""
    found = client.explain(AUDIENCE, EXPLAINED, as_of=as_of)
    console.print("\n[bold]Why? The count at every node (alone, and what is left after it)[/bold]")
    if found.root is not None:
        console.print(_tree(found.root, None))


def show_breakdown(client: Client, console: Console, as_of: datetime) -> None:
    """One rule by country, with lift."""
    found = client.breakdown(AUDIENCE, "did purchase in last 90 days", by="country", as_of=as_of)
    table = Table(title="did purchase in last 90 days, by country", title_justify="left")
    for name in ("country", "count", "lift"):
        table.add_column(name, justify="left" if name == "country" else "right")
    for value in found.values[:8]:
        table.add_row(value.value, f"{value.count:,}", f"{value.lift:.2f}")
    console.print(table)


def _tree(node: ExplainNode, above: Tree | None) -> Tree:
    label = f"{node.text}  [bold]{node.count:,}[/bold] [dim]→ {node.cumulative_count:,}[/dim]"
    branch = Tree(label) if above is None else above.add(label)
    for below in node.nodes:
        _tree(below, branch)
    return branch
