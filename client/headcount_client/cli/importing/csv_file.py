"""CSV files by RFC 4180: UTF-8, a header line, quotes doubled in quoted fields.

Blocks are read by Arrow if every quote is plainly around a whole field, else by the ``csv`` module
at once, and if not all of their rows fit and are a line each, record by record, which finds the bad
lines exactly. All three give the same rows. Lines that are empty are left out. A quote that is
never closed spoils its own line only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from headcount_client.cli.importing.chunks import (
    Array,
    Chunk,
    FileFault,
    Lines,
    Rejected,
    consecutive,
    text_array,
)

BLOCK_BYTES = 4 << 20
RECORD_BYTES_MAX = 1 << 20  # a quoted field that goes on for longer is taken to be never closed
_UNFINISHED = "unexpected end of data"
_BOM = b"\xef\xbb\xbf"
csv.field_size_limit(RECORD_BYTES_MAX * 2)


class CsvSource:
    """A CSV file."""

    def __init__(self, path: Path, delimiter: str = ",") -> None:
        """Read the header.

        Raises:
            FileFault: there is none, or it can't be read.
        """
        self.name = str(path)
        self.total = path.stat().st_size
        self._path = path
        self._delimiter = delimiter
        self.columns: Sequence[str] = ()
        with path.open("rb") as file:
            self._start, self._first_line = self._read_header(file)

    def chunks(self, targets: Mapping[str, str], rows: int) -> Iterator[Chunk]:
        """The rows, in chunks of about ``rows``."""
        with self._path.open("rb") as file:
            file.seek(self._start)
            before = self._start
            for chunk in _Blocks(self, file, targets).chunks():
                yield from _sliced(chunk, rows, before)
                before = chunk.position

    def _read_header(self, file: Any) -> tuple[int, int]:
        """Where the rows begin: byte and line."""
        head = file.read(RECORD_BYTES_MAX)
        start = len(_BOM) if head.startswith(_BOM) else 0
        try:
            lines = head[start:].decode("utf-8", "surrogateescape").split("\n")
            reader = csv.reader(
                (line + "\n" for line in lines), strict=True, delimiter=self._delimiter
            )
            self.columns = next(reader, [])
        except csv.Error as error:
            raise FileFault(f"the header line can't be read: {error}") from None
        if not any(self.columns):
            raise FileFault("the first line must be a header with the columns' names; it is empty")
        for name in self.columns:
            if _is_broken(name):
                raise FileFault("the header line is no valid UTF-8")
        _refuse_twice(self.columns)
        consumed = "\n".join([*lines[: reader.line_num], ""])
        return start + len(consumed.encode("utf-8", "surrogateescape")), reader.line_num + 1

    @property
    def first_line(self) -> int:
        """Line of the first row."""
        return self._first_line

    @property
    def start(self) -> int:
        """Byte of the first row."""
        return self._start

    @property
    def delimiter(self) -> str:
        """What separates fields."""
        return self._delimiter


class _Blocks:
    """The reading of one file, a block at a time."""

    def __init__(self, source: CsvSource, file: Any, targets: Mapping[str, str]) -> None:
        self._columns = source.columns
        self._delimiter = source.delimiter
        self._file = file
        self._wanted = [(i, targets[c]) for i, c in enumerate(source.columns) if c in targets]
        self._line = source.first_line
        self._header_lines = source.first_line - 1
        self._position = source.start
        self._buffer = b""
        self._at_end = False

    def chunks(self) -> Iterator[Chunk]:
        """A chunk for each block."""
        size = BLOCK_BYTES
        while True:
            while len(self._buffer) < size and not self._at_end:
                piece = self._file.read(size - len(self._buffer))
                self._at_end = not piece
                self._buffer += piece
            if not self._buffer:
                return
            cut = len(self._buffer) if self._at_end else self._buffer.rfind(b"\n") + 1
            chunk = self._block(self._buffer[:cut]) if cut else None
            if chunk is not None:
                yield chunk
            size = BLOCK_BYTES if chunk is not None else len(self._buffer) + BLOCK_BYTES

    def _block(self, block: bytes) -> Chunk | None:
        """The rows of whole lines; None where a record needs more of the file."""
        chunk = self._by_arrow(block) or self._at_once(block)
        if chunk is None:
            return self._one_by_one(block)
        self._buffer = self._buffer[len(block) :]
        self._line += len(chunk.lines)
        return chunk

    def _at_once(self, block: bytes) -> Chunk | None:
        """All rows of a block with quotes, or None where they must be looked at one by one."""
        if b'"' not in block or len(self._columns) == 1:
            return None
        try:
            text = io.StringIO(block.decode("utf-8"), newline="")
            reader = csv.reader(text, strict=True, delimiter=self._delimiter)
            rows = list(reader)
        except (UnicodeDecodeError, csv.Error):
            return None
        if reader.line_num != len(rows) or set(map(len, rows)) != {len(self._columns)}:
            return None
        self._position += len(block)
        return self._chunk(rows, consecutive(self._line, len(rows)), [])

    def _by_arrow(self, block: bytes) -> Chunk | None:
        """All rows at once, or None where they must be looked at one by one."""
        if len(self._columns) == 1:
            return None
        plain = block.replace(b"\r\n", b"\n") if b"\r" in block else block
        if b"\r" in plain or b"\n\n" in plain or plain.startswith(b"\n"):
            return None
        if not _is_plainly_quoted(plain, self._delimiter):
            return None
        names = [str(i) for i in range(len(self._columns))]
        types = {str(i): pa.string() for i, _ in self._wanted}
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(plain),
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=len(plain) + 1, column_names=names
                ),
                arrow_csv.ParseOptions(delimiter=self._delimiter, ignore_empty_lines=False),
                arrow_csv.ConvertOptions(
                    column_types=types, include_columns=list(types), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != plain.count(b"\n") + (not plain.endswith(b"\n")):
            return None
        columns = {target: _whole(table.column(str(i))) for i, target in self._wanted}
        lines = consecutive(self._line, table.num_rows)
        self._position += len(block)

        def content(index: int) -> str:
            return plain.split(b"\n", index + 1)[index].decode("utf-8", "replace")

        return Chunk(lines, columns, self._position, [], content, self._header_lines)

    def _one_by_one(self, block: bytes) -> Chunk | None:
        """Record by record; what an unfinished record at the end needs stays in the buffer."""
        text = block.decode("utf-8", "surrogateescape")
        broken = _is_broken(text)
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        rows: list[list[str]] = []
        numbers: list[int] = []
        rejected: list[Rejected] = []
        at = 0
        for start, end, row, reading in _records(lines, self._delimiter):
            if reading == _UNFINISHED and not self._is_hopeless(lines, start):
                break
            at = end
            fault = reading or (self._row_fault(row, broken) if row else "")
            if fault:
                reason = "a quote is opened and never closed" if fault == _UNFINISHED else fault
                content = "\n".join(lines[start:end])
                rejected.append(Rejected(self._line + start, reason, _printable(content)))
            elif row:
                rows.append(row)
                numbers.append(self._line + start)
        if not at:
            return None
        self._line += at
        done = len("\n".join([*lines[:at], ""]).encode("utf-8", "surrogateescape"))
        done = min(done, len(block))
        self._position += done
        self._buffer = self._buffer[done:]
        return self._chunk(rows, np.array(numbers, dtype=np.int64), rejected)

    def _chunk(self, rows: list[list[str]], lines: Lines, rejected: list[Rejected]) -> Chunk:
        cells = list(zip(*rows, strict=True)) if rows else [() for _ in self._columns]
        columns: dict[str, Array] = {t: text_array(cells[i]) for i, t in self._wanted}

        def content(index: int) -> str:
            return _joined(rows[index])

        return Chunk(lines, columns, self._position, rejected, content, self._header_lines)

    def _row_fault(self, row: list[str], broken: bool) -> str:
        if len(row) != len(self._columns):
            few = "too few" if len(row) < len(self._columns) else "too many"
            return f"{few} columns: {len(row)}, the header has {len(self._columns)}"
        if broken:
            for name, cell in zip(self._columns, row, strict=True):
                if _is_broken(cell):
                    return f"{name}: no valid UTF-8"
        return ""

    def _is_hopeless(self, lines: list[str], start: int) -> bool:
        """Whether more of the file can't finish the record that begins at a line."""
        return self._at_end or sum(map(len, lines[start:])) > RECORD_BYTES_MAX


def _is_plainly_quoted(block: bytes, delimiter: str) -> bool:
    """Whether quotes stand only around whole fields, and none inside them. O(block)."""
    if b'"' not in block:
        return True
    text = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    before, after = text[quotes - 1], text[quotes + 1]
    opens = (before == ord(delimiter)) | (before == ord("\n"))
    closes = (after == ord(delimiter)) | (after == ord("\n"))
    odd = np.arange(len(quotes)) % 2 == 1
    return len(quotes) % 2 == 0 and bool(np.all((opens != odd) & (closes == odd)))


def _records(lines: list[str], delimiter: str) -> Iterator[tuple[int, int, list[str], str]]:
    """First line, line after the last, fields and fault of each record.

    After a fault the next line begins a record.
    """
    at = 0
    while at < len(lines):
        base = at
        reader = csv.reader(
            (lines[i] + "\n" for i in range(base, len(lines))), strict=True, delimiter=delimiter
        )
        while at < len(lines):
            try:
                row = next(reader)
            except csv.Error as error:
                yield at, at + 1, [], _reason(str(error))
                at += 1
                break
            except StopIteration:
                return
            end = base + reader.line_num
            yield at, end, row, ""
            at = end


def _reason(message: str) -> str:
    if message == _UNFINISHED:
        return message
    if "expected after" in message:
        return f"bad quoting: {message}"
    if "new-line character" in message:
        return "a carriage return stands in the line outside of quotes"
    return message


def _sliced(chunk: Chunk, rows: int, before: int) -> Iterator[Chunk]:
    """The chunk, read from position ``before``, in parts of at most ``rows`` rows."""
    count = len(chunk.lines)
    if count <= rows:
        yield chunk
        return
    rejected = chunk.rejected
    for start in range(0, count, rows):
        end = min(start + rows, count)
        last = end == count
        limit = int(chunk.lines[end - 1])
        now = [one for one in rejected if last or one.line <= limit]
        rejected = rejected[len(now) :]
        part = before + (chunk.position - before) * end // count
        yield replace(
            chunk,
            lines=chunk.lines[start:end],
            columns={name: array[start:end] for name, array in chunk.columns.items()},
            position=part,
            rejected=now,
            content=lambda index, start=start: chunk.content(start + index),
        )


def _refuse_twice(columns: Sequence[str]) -> None:
    for i, name in enumerate(columns):
        if not name:
            raise FileFault(f"column {i + 1} of the header has no name")
        if name in columns[:i]:
            raise FileFault(f'the header names column "{name}" twice')


def _whole(column: Any) -> Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _is_broken(text: str) -> bool:
    """Whether bytes that are no UTF-8 were read into the text."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _joined(row: Sequence[str]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="").writerow(row)
    return target.getvalue()
