"""Rows of a file to batches of writes, any part of which can be made again without some rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from headcount.v1 import ingest_service_pb2 as pb

from headcount_client.calls.writes import Write
from headcount_client.cli.importing.chunks import Array, Chunk, Lines, Rejected, text_array
from headcount_client.cli.importing.columns import Bad, broken_texts, column, keys, texts
from headcount_client.cli.importing.layout import MIXED, Layout
from headcount_client.names import did_you_mean, listed


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that can be sent, all with a key that the audience can have.

    Attributes:
        layout: what they are imported as.
        chunk: the rows they are from.
        rows: their indexes in the chunk, ascending.
        keys: their keys.
        producer, sequence: how the batch is numbered; "": it isn't.
    """

    layout: Layout
    chunk: Chunk
    rows: Lines
    keys: Array
    producer: str = ""
    sequence: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, indexes: Lines) -> Batch:
        """Some of the rows, by their indexes in this batch."""
        taken = self.keys.take(pa.array(indexes, pa.int64()))
        return replace(self, rows=self.rows[indexes], keys=taken)

    def rejected(self, index: int, reason: str) -> Rejected:
        """The row at an index as one that isn't imported."""
        row = int(self.rows[index])
        return Rejected(int(self.chunk.lines[row]), reason, self.chunk.content(row))

    def line(self, index: int) -> int:
        """Line of the row at an index."""
        return int(self.chunk.lines[int(self.rows[index])])

    def numbered(self, producer: str, sequence: int) -> Batch:
        """The same rows under a number."""
        return replace(self, producer=producer, sequence=sequence)

    def check(self) -> Write:
        """The batch as a message that is only to be checked. O(values)."""
        request = replace(self, producer="", sequence=0).request()
        request.validate_only = True
        return request

    def request(self) -> pb.UpsertSubscribersRequest | pb.RecordEventsRequest:
        """The batch as a message. O(values)."""
        columns: Mapping[str, Array] = self.chunk.columns
        if not len(self) and self.producer:  # its number is all that there is of it
            kind = pb.RecordEventsRequest if self.layout.events else pb.UpsertSubscribersRequest
            return kind(
                audience=self.layout.audience, producer=self.producer, sequence=self.sequence
            )
        if len(self.rows) < len(self.chunk.lines):
            chosen = pa.array(self.rows)
            columns = {target: array.take(chosen) for target, array in columns.items()}
        request = self._events(columns) if self.layout.events else self._subscribers(columns)
        request.producer, request.sequence = self.producer, self.sequence
        return request

    def _subscribers(self, columns: Mapping[str, Array]) -> pb.UpsertSubscribersRequest:
        request = pb.UpsertSubscribersRequest(audience=self.layout.audience)
        self._set_keys(request.columns.keys)
        for target, array in columns.items():
            if target != "key":
                request.columns.columns.append(self._column(target, array))
        return request

    def _events(self, columns: Mapping[str, Array]) -> pb.RecordEventsRequest:
        layout = self.layout
        request = pb.RecordEventsRequest(
            audience=layout.audience, create_missing=layout.create_missing
        )
        message = request.columns
        self._set_keys(message.keys)
        message.event = layout.event
        if "time" not in columns:  # no row of a JSON Lines file has one
            columns = {**columns, "time": text_array([""] * len(self))}
        for target, array in columns.items():
            match target:
                case "key":
                    continue
                case "time":
                    message.times.CopyFrom(self._column(target, array))
                case "event":
                    message.events.CopyFrom(self._column(target, array))
                case _ if array.null_count < len(array):
                    message.columns.append(self._column(target, array))
                case _:
                    continue  # no event of these has the property
        return request

    def _column(self, target: str, array: Array) -> pb.Column:
        kind = self.layout.kinds[target]
        kind = "keyword" if kind in (MIXED, "event") else kind
        return column(target, kind, array, is_utc=self.layout.is_utc)

    def _set_keys(self, message: pb.Keys) -> None:
        if self.layout.key == "string":
            message.texts.extend(self.keys.to_pylist())
        else:
            message.numbers.extend(self.keys.to_numpy().tolist())


def batch_of(layout: Layout, chunk: Chunk) -> tuple[Batch, list[Rejected]]:
    """The rows of a chunk that can be sent, and those that can't, in order of lines."""
    chunk, bad = _checked(chunk)
    keys_, bad_keys = _keys(layout, chunk)
    bad = bad_keys | bad
    if "event" in layout.required:
        bad = _bad_events(layout, chunk) | bad
    count = len(chunk.lines)
    good = np.arange(count, dtype=np.int64)
    if bad:
        good = np.setdiff1d(good, np.fromiter(bad, np.int64, len(bad)))
        keys_ = keys_.take(pa.array(good))
    rejected = list(chunk.rejected)
    for index, reason in bad.items():
        rejected.append(Rejected(int(chunk.lines[index]), reason, chunk.content(index)))
    return Batch(layout, chunk, good, keys_), sorted(rejected, key=lambda one: one.line)


def _checked(chunk: Chunk) -> tuple[Chunk, Bad]:
    """The chunk with texts that are UTF-8, and the rows where they weren't."""
    bad: Bad = {}
    columns: dict[str, Array] = {}
    for target, array in chunk.columns.items():
        columns[target], broken = broken_texts(array)
        bad |= {index: f"{target}: {reason}" for index, reason in broken.items()}
    if not bad:
        return chunk, bad
    return replace(chunk, columns=columns), bad


def _keys(layout: Layout, chunk: Chunk) -> tuple[Array, Bad]:
    if layout.key_from_line:
        array = pa.array(chunk.lines - chunk.header_lines)
    elif "key" in chunk.columns:
        array = chunk.columns["key"]
    else:  # JSON rows, none of which has one
        array = pa.array([""] * len(chunk.lines), pa.string())
    return keys(array, layout.key)


def _bad_events(layout: Layout, chunk: Chunk) -> Bad:
    """Rows whose event type isn't declared."""
    if "event" in chunk.columns:
        array = chunk.columns["event"]
        array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
        array = texts(array)
    else:
        array = pa.array([""] * len(chunk.lines), pa.string())
    encoded = array.dictionary_encode()
    reasons: dict[int, str] = {}
    for code, name in enumerate(encoded.dictionary.to_pylist()):
        if not name:
            reasons[code] = "event: it is missing"
        elif name not in layout.event_names:
            hint = did_you_mean(name, layout.event_names)
            hint = hint or f"; the event types are {listed(layout.event_names)}"
            reasons[code] = f'event: unknown event type "{name[:80]}"{hint}'
    if not reasons:
        return {}
    codes = encoded.indices.to_numpy()
    return {int(i): reasons[int(codes[i])] for i in np.flatnonzero(np.isin(codes, list(reasons)))}
