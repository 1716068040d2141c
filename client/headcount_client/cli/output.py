"""Answers on standard output: tables for people, JSON for programs."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 400  # wide enough for any row; nothing is folded for programs


@functools.cache
def console() -> Console:
    """Standard output; folded to its width only on a terminal."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_PIPE_WIDTH, no_color=True)


def say(text: str, style: str = "") -> None:
    """A line for people."""
    console().print(Text(text, style=style), soft_wrap=True)


def print_json(value: Any) -> None:
    """A value as one line of JSON."""
    click.echo(json.dumps(plain(value), ensure_ascii=False))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[str] = (),
    title: str = "",
) -> None:
    """A table for people; columns named in ``numbers`` are aligned to the right."""
    table = Table(box=box.SIMPLE, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        right = column in numbers
        table.add_column(
            column, justify="right" if right else "left", no_wrap=right, overflow="fold"
        )
    for row in rows:
        table.add_row(*[cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row])
    if console().is_terminal:
        console().print(table)
    else:
        for line in console().render_lines(table, pad=False):
            click.echo("".join(segment.text for segment in line).rstrip())


def shown(value: Any) -> str:
    """A value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}"
        case datetime():
            return rfc3339(value)
        case tuple() | list():
            return ", ".join(map(shown, value))
        case _:
            return str(value)


def share(part: int, whole: int) -> str:
    """A percentage, or "" of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def size(size_bytes: int) -> str:
    """An amount of memory as people read it."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def rfc3339(moment: datetime) -> str:
    """An instant in UTC: ``2026-03-31T09:00:00Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """A result as JSON has it: decimals and bytes as strings, times in UTC, lengths in ms."""
    match value:
        case datetime():
            return rfc3339(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value / timedelta(milliseconds=1)
        case Decimal():
            return format(value, "f")
        case bytes():
            return base64.b64encode(value).decode()
        case Message():
            return MessageToDict(value, preserving_proto_field_name=True)
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case _ if hasattr(value, "_asdict"):
            return {name: plain(one) for name, one in value._asdict().items()}
        case tuple() | list():
            return [plain(one) for one in value]
        case _ if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return {field.name: plain(getattr(value, field.name)) for field in fields}
        case _:
            return value
