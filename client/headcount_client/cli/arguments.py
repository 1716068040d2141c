"""What is typed on a command line: rules, parameters, times, keys, lengths of time."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from headcount.v1 import query_service_pb2

from headcount_client.cli.target import Target
from headcount_client.client import Client
from headcount_client.values import Key

_BARE = re.compile(
    r"-?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)
_NAME = re.compile(r"\$?([a-z][a-z0-9_]*)")
_LENGTH = re.compile(r"([0-9]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def text_argument(value: str) -> str:
    """A text as typed, ``-`` for standard input, or ``@FILE``.

    Raises:
        click.UsageError: the file can't be read or isn't UTF-8.
    """
    if value != "-" and not value.startswith("@"):
        return value
    name = "standard input" if value == "-" else value[1:]
    try:
        content = sys.stdin.buffer.read() if value == "-" else Path(value[1:]).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"{name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is no UTF-8 text: byte {error.start} is wrong") from None


def rule_argument(target: Target, value: str, field: str = "rule_text") -> str:
    """A rule, kept for showing where its faults are."""
    text = text_argument(value).rstrip("\r\n")
    target.texts[field] = text
    return text


def parameters_argument(values: Iterable[str]) -> dict[str, query_service_pb2.ParameterValue]:
    """``NAME=VALUE`` pairs as parameters.

    Raises:
        click.UsageError: it is no such pair, or a name is given twice.
    """
    found: dict[str, query_service_pb2.ParameterValue] = {}
    for value in values:
        left, equals, right = value.partition("=")
        name = _NAME.fullmatch(left.strip())
        if not equals or name is None:
            raise click.UsageError(f"--param {value!r} must be NAME=VALUE")
        if name[1] in found:
            raise click.UsageError(f"--param {name[1]} is given twice")
        literal = _file_list(right) if right.startswith("@") else right
        found[name[1]] = query_service_pb2.ParameterValue(literal=literal)
    return found


def as_of_argument(target: Target, client: Client, audience: str) -> datetime | date | None:
    """``--as-of`` as a date or an aware datetime; one without an offset is in the audience's zone.

    Raises:
        click.UsageError: it is neither.
    """
    moment = parsed_as_of(target.as_of)
    if isinstance(moment, datetime) and moment.tzinfo is None:
        zone = client.get_audience(audience).audience
        return moment.replace(tzinfo=ZoneInfo(zone.time_zone if zone else "UTC"))
    return moment


def parsed_as_of(text: str) -> datetime | date | None:
    """A date, a datetime (naive without an offset), or None for "".

    Raises:
        click.UsageError: it is none of them.
    """
    if not text:
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--as-of {text!r} is no time; write 2026-03-31T09:00:00Z or 2026-03-31"
        ) from None


def moment_argument(text: str, zone: ZoneInfo, option: str) -> datetime | None:
    """A date (its midnight in the zone), a time, or a length of time before now such as 7d or 12h.

    Raises:
        click.UsageError: it is none of them.
    """
    if not text:
        return None
    length = re.fullmatch(r"([0-9]{1,6})(m|h|d)", text)
    if length is not None:
        unit = {"m": "minutes", "h": "hours", "d": "days"}[length[2]]
        return datetime.now(zone) - timedelta(**{unit: int(length[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{option} {text!r} is no time; write 2026-03-31, 2026-03-31T09:00:00Z, or 7d"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def keys_argument(client: Client, audience: str, texts: Iterable[str]) -> list[Key]:
    """Keys as the audience's key type has them.

    Raises:
        click.UsageError: the audience's keys are integers and this is none.
    """
    found = client.get_audience(audience).audience
    if found is None or found.key == "string":
        return list(texts)
    keys: list[Key] = []
    for text in texts:
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
            raise click.UsageError(f"{text!r} is no key of {audience}: its keys are {found.key}")
        keys.append(int(text))
    return keys


def length_argument(_context: Any, _parameter: Any, value: str | None) -> timedelta | None:
    """``100ms``, ``5s``, ``2m`` or ``1h``."""
    if value is None:
        return None
    parts = _LENGTH.fullmatch(value)
    if parts is None:
        raise click.BadParameter(f"{value!r} is no length of time such as 100ms, 5s, 2m or 1h")
    return timedelta(seconds=int(parts[1]) * _SECONDS[parts[2]])


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--param`` and ``--within``, of every command that asks for a rule."""
    within = click.option(
        "--within", metavar="RULE", help="Ask only about those who match this rule."
    )
    param = click.option(
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        help='Bind $NAME: a literal where it reads as one, else a string; ("a", "b") is a list,'
        " @FILE a list with one value a line.",
    )
    return within(param(command))


def plot_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--plot``, of the commands that show sizes over time."""
    return click.option(
        "--plot", metavar="FILE", help="Also draw them into a file: .png, .svg or .pdf."
    )(command)


def question(target: Target, within: str | None, params: Iterable[str]) -> dict[str, Any]:
    """The arguments that ``question_options`` make for a call."""
    arguments: dict[str, Any] = {"parameters": parameters_argument(params)}
    if within is not None:
        arguments["within"] = rule_argument(target, within, "within_text")
    return arguments


def _file_list(value: str) -> str:
    """A list literal of a file's lines; numbers, dates and times stand as they are."""
    lines = [line.rstrip("\r") for line in text_argument(value).split("\n")]
    found = [_literal(line) for line in lines if line]
    if not found:
        raise click.UsageError(f"{value} has no values; one a line is needed")
    return f"({', '.join(found)})"


def _exists(literal: str) -> bool:
    """Whether a number, date or time is one; February has no 30th."""
    if "-" not in literal[1:]:
        return True
    try:
        datetime.fromisoformat(literal)
    except ValueError:
        return False
    return True


def _literal(line: str) -> str:
    if _BARE.fullmatch(line) and _exists(line):
        return line
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
