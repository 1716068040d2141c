"""JSON Lines files: an object a line. null is a missing value, an absent name leaves the value.

A batch has the same columns for all of its rows, so rows of subscribers that name
different attributes go into different chunks. Rows of one subscriber keep their order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headcount_client.cli.importing.chunks import Array, Chunk, FileFault, Rejected, text_array


@dataclass(frozen=True, slots=True)
class _Row:
    """A line, and target to text or list of texts."""

    line: int
    content: bytes
    values: dict[str, str | list[str]]


_EXPONENT_MAX = 1000  # beyond it a number isn't written out
_SHOWN_MAX = 80


class JsonSource:
    """A JSON Lines file."""

    def __init__(
        self,
        path: Path,
        *,
        lists: frozenset[str],
        places: frozenset[str],
        absent_is_missing: bool,
        in_order: bool,
    ) -> None:
        """Read the names of the whole file.

        Args:
            path: the file.
            lists: targets whose values are sets of strings.
            places: targets whose values are locations.
            absent_is_missing: whether a name that isn't there is a missing value, as of events.
            in_order: whether all rows must keep their order, not only those of one subscriber.

        Raises:
            FileFault: no line is an object.
        """
        self.name = str(path)
        self.total = path.stat().st_size
        self._path = path
        self._lists = lists
        self._places = places
        self._absent_is_missing = absent_is_missing
        self._in_order = in_order
        names: dict[str, None] = {}
        for _, _, content in _lines(path):
            try:
                found = json.loads(content)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                names.update(dict.fromkeys(found))
        if not names and self.total:
            raise FileFault("no line is a JSON object")
        self.columns: Sequence[str] = list(names)

    def chunks(self, targets: Mapping[str, str], rows: int) -> Iterator[Chunk]:
        """The rows, in chunks of at most ``rows``."""
        found: list[_Row] = []
        rejected: list[Rejected] = []
        end = 0
        for line, end, content in _lines(self._path):
            try:
                found.append(_Row(line, content, self._object(content, targets)))
            except ValueError as error:
                text = content.decode("utf-8", "replace")
                rejected.append(Rejected(line, str(error), text))
            if len(found) + len(rejected) >= rows:
                yield from self._chunks(found, rejected, end)
                found, rejected = [], []
        if found or rejected:
            yield from self._chunks(found, rejected, end)

    def _chunks(self, rows: list[_Row], rejected: list[Rejected], position: int) -> Iterator[Chunk]:
        groups = [rows] if self._absent_is_missing else list(_alike(rows, self._in_order))
        for i, group in enumerate(groups):
            names = dict.fromkeys(name for row in group for name in row.values)
            columns = {name: _array([row.values.get(name, "") for row in group]) for name in names}
            lines = np.array([row.line for row in group], dtype=np.int64)
            last = i == len(groups) - 1
            yield Chunk(lines, columns, position, rejected if last else [], _content(group))

    def _object(self, content: bytes, targets: Mapping[str, str]) -> dict[str, Any]:
        """Target to text, or to a list of texts.

        Raises:
            ValueError: the line is no object, or a value can't be imported.
        """
        try:
            found = json.loads(
                content.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant
            )
        except UnicodeDecodeError as error:
            raise ValueError(f"no valid UTF-8 at byte {error.start + 1}") from None
        except json.JSONDecodeError as error:
            raise ValueError(f"no valid JSON at column {error.colno}: {error.msg}") from None
        except RecursionError:
            raise ValueError("no valid row: nested too deep") from None
        if not isinstance(found, dict):
            raise ValueError(f"no JSON object but {_shown(found)}")
        values: dict[str, str | list[str]] = {}
        for name, value in found.items():
            target = targets.get(name)
            if target is None:
                continue
            is_text = type(value) is str and target not in self._lists
            values[target] = value if is_text else self._value(name, target, value)
        return values

    def _value(self, name: str, target: str, value: Any) -> str | list[str]:
        if isinstance(value, list):
            if target in self._lists:
                return [_text(name, item) for item in value if item not in (None, "")]
            if target in self._places and len(value) == 2:
                return ",".join(_text(name, item) for item in value)
            raise ValueError(f"{name}: a list can't be imported here: {_shown(value)}")
        text = _text(name, value)
        if target in self._lists:
            return [part for part in text.split("|") if part]
        return text


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Line number, bytes read so far, and content of each line that isn't blank."""
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            position += len(line)
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            content = content.strip()
            if content:
                yield number, position, content


def _alike(rows: list[_Row], in_order: bool) -> Iterator[list[_Row]]:
    """Groups of rows with the same names; a group's keys are in no earlier one that follows it."""
    start = 0
    while start < len(rows):
        groups: dict[frozenset[str], list[_Row]] = {}
        seen: dict[Any, frozenset[str]] = {}
        end = start
        for row in rows[start:]:
            names = frozenset(row.values)
            if in_order and groups and names not in groups:
                break
            if seen.setdefault(row.values.get("key"), names) != names:
                break
            groups.setdefault(names, []).append(row)
            end += 1
        yield from groups.values()
        start = end
    if not rows:
        yield []


def _content(rows: list[_Row]) -> Callable[[int], str]:
    return lambda index: rows[index].content.decode("utf-8", "replace")


def _array(values: list[Any]) -> Array:
    """Texts, or lists of texts, as an array."""
    if any(isinstance(value, list) for value in values):
        listed = [value if isinstance(value, list) else None for value in values]
        return pa.array(listed, pa.list_(pa.string()))
    return text_array(values)


def _text(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal() if abs(value.adjusted()) <= _EXPONENT_MAX:
            return format(value, "f")
        case Decimal():
            return str(value)
        case _:
            raise ValueError(f"{name}: {_shown(value)} can't be imported")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"no valid JSON: {name}")
