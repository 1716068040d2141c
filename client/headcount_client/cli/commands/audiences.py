"""``audience create|list|describe|update|delete``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from headcount.v1 import schema_pb2

from headcount_client import results
from headcount_client.cli.output import print_json, print_table, say, shown, size
from headcount_client.cli.target import Target, target_options
from headcount_client.schema import SchemaError, from_toml

_SCHEMA = click.option(
    "--schema",
    "schema_file",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The schema, a TOML file.",
)


@click.group()
def audience() -> None:
    """Audiences: create, look at, extend, delete."""


@audience.command(
    "create",
    epilog="""\b
Examples:
  headcount audience create shop --schema shop.toml
  headcount audience create shop --schema shop.toml --check

\b
A schema file:
  [audience]
  key = "string"                 # uint32 | int64 | string
  time_zone = "Europe/Berlin"
  reachable = 'status = "active"'
  [attributes]
  country = "keyword"
  lifetime_spend = { type = "decimal", scale = 2 }
  [events.purchase]
  dimensions = ["category"]
  measures = { amount = { scale = 2 } }""",
)
@click.argument("name", metavar="NAME")
@_SCHEMA
@click.option("--check", is_flag=True, help="Check everything, create nothing.")
@target_options
def create(target: Target, name: str, schema_file: Path, check: bool) -> None:
    """Create an audience from a schema file."""
    schema = _schema(target, schema_file)
    with target.client() as client:
        answer = client.create_audience(name, schema, validate_only=check)
    if target.as_json:
        print_json(answer.audience)
        return
    declared = f"{len(schema.attributes)} attributes, {len(schema.events)} event types"
    say(f"{name} {'would be' if check else 'is'} created: {declared}")


@audience.command("list", epilog="Example:  headcount audience list")
@target_options
def list_(target: Target) -> None:
    """List all audiences."""
    with target.client() as client:
        found = list(client.list_audiences())
    if target.as_json:
        print_json([_brief(one) for one in found])
        return
    rows = [(one.name, one.key, one.time_zone, one.subscriber_count, one.revision) for one in found]
    columns = ("audience", "key", "time zone", "subscribers", "revision")
    print_table(columns, rows, numbers=columns[3:])


@audience.command("describe", epilog="Example:  headcount audience describe shop --values 5")
@click.argument("name", metavar="NAME")
@click.option(
    "--values",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Most frequent values to list of each attribute.",
)
@target_options
def describe(target: Target, name: str, values: int) -> None:
    """Show what an audience holds: sizes, frequent values, memory."""  # fmt: skip
    with target.client() as client:
        answer = client.describe_audience(name, value_limit=values)
    if target.as_json:
        print_json(answer)
        return
    if answer.audience is not None:
        _say_audience(answer.audience, answer)
    print_table(
        ("attribute", "type", "have it", "different", "frequent values, or range", "memory"),
        map(_attribute_row, answer.attributes),
        numbers=("have it", "different", "memory"),
    )
    if answer.events:
        print_table(
            (
                "event",
                "dimensions",
                "measures",
                "events",
                "first day",
                "last day",
                "kept",
                "memory",
            ),
            map(_event_row, answer.events),
            numbers=("events", "memory"),
        )


@audience.command("update", epilog="Example:  headcount audience update shop --schema shop.toml")
@click.argument("name", metavar="NAME")
@_SCHEMA
@click.option("--check", is_flag=True, help="Check everything, change nothing.")
@target_options
def update(target: Target, name: str, schema_file: Path, check: bool) -> None:
    """Add the attributes and event types that a schema file has more, and change settings."""
    schema = _schema(target, schema_file)
    with target.client() as client:
        answer = client.update_audience(name, schema, validate_only=check)
    if target.as_json:
        print_json(answer.audience)
        return
    say(f"{name} {'would be' if check else 'is'} updated")


@audience.command("delete", epilog="Example:  headcount audience delete shop")
@click.argument("name", metavar="NAME")
@target_options
def delete(target: Target, name: str) -> None:
    """Delete an audience with all that it holds."""
    with target.client() as client:
        client.delete_audience(name)
    if target.as_json:
        print_json({"audience": name, "deleted": True})
        return
    say(f"{name} is deleted")


def _schema(target: Target, file: Path) -> schema_pb2.Audience:
    try:
        schema = from_toml(file.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is no UTF-8 text: byte {error.start} is wrong") from None
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}") from None
    except SchemaError as error:
        raise click.UsageError(f"{file}: {error}") from None
    if schema.reachable:
        target.texts["reachable"] = schema.reachable
    return schema


def _brief(one: results.Audience) -> dict[str, Any]:
    return {
        "name": one.name,
        "key": one.key,
        "time_zone": one.time_zone,
        "audience_size": one.subscriber_count,
        "revision": one.revision,
    }


def _say_audience(one: results.Audience, answer: results.DescribeAudienceResponse) -> None:
    say(one.name, "bold")
    say(f"{shown(one.subscriber_count)} subscribers, {answer.segment_count} segments,"
        f" revision {one.revision}, {size(answer.memory_bytes)} of memory")  # fmt: skip
    say(f"keys: {one.key}; time zone: {one.time_zone}; reachable: {one.reachable or 'everyone'}")


def _attribute_row(one: results.AttributeDescription) -> tuple[Any, ...]:
    found = one.attribute
    kind = "" if found is None else found.type + (f"({found.scale})" if found.scale else "")
    values = ", ".join(f"{value.value} ({shown(value.count)})" for value in one.values)
    if one.minimum or one.maximum:
        values = f"{one.minimum} … {one.maximum}"
    distinct = "" if one.distinct_count < 0 else one.distinct_count
    name = found.name if found else ""
    return (name, kind, one.subscriber_count, distinct, values, size(one.memory_bytes))


def _event_row(one: results.EventDescription) -> tuple[Any, ...]:
    event = one.event
    dimensions = ", ".join(f"{d.dimension} ({shown(d.distinct_count)})" for d in one.dimensions)
    measures = ", ".join(measure.name for measure in event.measures) if event else ""
    name = event.name if event else ""
    days = (one.first_day, one.last_day, _kept(one))
    return (name, dimensions, measures, one.event_count, *days, size(one.memory_bytes))


def _kept(one: results.EventDescription) -> str:
    days = one.event.retention_days if one.event else 0
    kept = f"{days} days" if days else "for ever"
    return f"{kept}, from {one.kept_from}" if one.kept_from else kept
