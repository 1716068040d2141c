"""``members``, ``export``, ``match``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click
from rich.text import Text

from headcount_client import results
from headcount_client.cli.arguments import (
    as_of_argument,
    keys_argument,
    question,
    question_options,
    rule_argument,
)
from headcount_client.cli.output import print_json, print_table, say, shown
from headcount_client.cli.target import Target, target_options

_WRITE_KEYS = 10_000


@click.command(
    epilog="""\b
Examples:
  headcount members shop 'plan = "pro"' --limit 20
  headcount members shop 'plan = "pro"' --sample 5 --seed monday --json"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="At most this many keys; 0: all.",
)
@click.option(
    "--sample",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="N members chosen at random instead.",
)
@click.option("--seed", default="", help="Another seed, another sample.")
@question_options
@target_options
def members(
    target: Target,
    audience: str,
    rule: str,
    limit: int,
    sample: int | None,
    seed: str,
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """List the keys of those who match RULE, sorted."""  # fmt: skip
    text = rule_argument(target, rule)
    arguments = question(target, within, params)
    with target.client() as client:
        arguments["as_of"] = as_of_argument(target, client, audience)
        if sample is not None:
            page: Any = client.sample_members(audience, text, size=sample, seed=seed, **arguments)
            keys = list(page.keys)
        else:
            size = min(limit or 10_000, 10_000)
            page = client.list_members_page(audience, text, page_size=size, **arguments)
            keys = list(page.keys)
            while page.next_page_token and (not limit or len(keys) < limit):
                page = client.list_members_page(
                    audience, text, page_size=size, page_token=page.next_page_token, **arguments
                )
                keys += page.keys
            keys = keys[: limit or None]
    if target.as_json:
        print_json(
            {"audience": audience, "count": page.total, "revision": page.revision, "keys": keys}
        )
        return
    for key in keys:
        click.echo(key)
    if page.total > len(keys):
        click.echo(f"… {shown(page.total)} in all; --limit 0 lists them", err=True)


@click.command(
    epilog="""\b
Examples:
  headcount export shop 'did click in last 7 days' --output keys.txt
  headcount export shop everyone --format roaring --output everyone.roaring"""
)
@click.argument("audience", metavar="NAME")
@click.argument("rule", metavar="RULE")
@click.option(
    "--format",
    "form",
    type=click.Choice(["keys", "roaring"]),
    default="keys",
    show_default=True,
    help="A key a line, or one portable roaring bitmap of the ids.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="By default standard output.",
)
@question_options
@target_options
def export(
    target: Target,
    audience: str,
    rule: str,
    form: str,
    output: Path | None,
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """Write the keys of all who match RULE, in no particular order."""  # fmt: skip
    text = rule_argument(target, rule)
    arguments = question(target, within, params)
    with target.client() as client:
        arguments["as_of"] = as_of_argument(target, client, audience)
        if form == "roaring":
            pieces = client.export_members_roaring(audience, text, **arguments)
            first = list(islice(pieces, 1))
            with _opened(output) as file:
                written = sum(file.write(piece) for piece in (*first, *pieces))
        else:
            keys = client.export_members(audience, text, **arguments)
            first = list(islice(keys, _WRITE_KEYS))
            with _opened(output) as file:
                written = 0
                while first:
                    file.write("".join(f"{key}\n" for key in first).encode())
                    written += len(first)
                    first = list(islice(keys, _WRITE_KEYS))
    if output is not None:
        unit = "bytes" if form == "roaring" else "keys"
        if target.as_json:
            print_json({"audience": audience, "file": str(output), unit: written})
        else:
            say(f"{shown(written)} {unit} written to {output}")


@click.command(
    epilog="""\b
Examples:
  headcount match shop anna@example.com
  headcount match shop 4711 --rule 'plan = "pro" and age >= 18'"""
)
@click.argument("audience", metavar="NAME")
@click.argument("key", metavar="KEY")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="A rule to try; repeatable.")
@click.option(
    "--segment", "segments", multiple=True, metavar="SEGMENT", help="A segment to try; repeatable."
)
@question_options
@target_options
def match(
    target: Target,
    audience: str,
    key: str,
    rules: tuple[str, ...],
    segments: tuple[str, ...],
    within: str | None,
    params: tuple[str, ...],
) -> None:
    """Tell which segments a subscriber matches, and what fails where not.

    Without --rule and --segment, every segment is tried.
    """  # fmt: skip
    texts = [
        rule_argument(target, rule, f"questions[{i}].rule_text") for i, rule in enumerate(rules)
    ]
    arguments = question(target, within, params)
    with target.client() as client:
        (known,) = keys_argument(client, audience, [key])
        answer = client.match_subscriber(
            audience,
            known,
            texts,
            segments=segments,
            as_of=as_of_argument(target, client, audience),
            **arguments,
        )
    if target.as_json:
        print_json(
            {
                "audience": audience,
                "key": known,
                "revision": answer.revision,
                "results": answer.results,
            }
        )
        return
    if not answer.results:
        say(f"{audience} has no segments; try a rule with --rule")
        return
    print_table(("segment or rule", "matches", "fails at"), map(_match_row, answer.results))


def _match_row(result: results.MatchResult) -> tuple[Any, ...]:
    name = result.segment or (result.root.text if result.root else "")
    if result.error is not None:
        return (name, Text("error", style="red"), result.error.message)
    matches = Text("yes", style="green") if result.matches else Text("no", style="red")
    return (name, matches, "; ".join(result.failing))


def _opened(output: Path | None) -> AbstractContextManager[IO[bytes]]:
    if output is None:
        return nullcontext(sys.stdout.buffer)
    try:
        return output.open("wb")
    except OSError as error:
        raise click.UsageError(f"{output} can't be written: {error.strerror}") from None
