"""Sending the rows of files: batches in flight, bad rows taken out, the rest sent again.

Rows of subscribers are applied in the order of the file, so the last line of a key wins: the next
batch is sent when the one before is settled. Batches of events are independent of each other, and
several are in flight. With ``strict`` nothing after the first bad line is applied.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headcount_client import results
from headcount_client.blocking import WriteStream
from headcount_client.calls.writes import Write
from headcount_client.cli.importing.batches import Batch, batch_of
from headcount_client.cli.importing.chunks import Chunk, Rejected
from headcount_client.cli.importing.layout import Layout
from headcount_client.cli.importing.resuming import NOT_NUMBERED, Numbering
from headcount_client.client import Client
from headcount_client.errors import CLASSES, HeadcountError

IN_FLIGHT = 4
READ_AHEAD = 3
MESSAGE_BYTES_MAX = 8 << 20  # half of what a server takes by default
_PART_ROWS_MIN = 64
_LISTED = 80  # bad rows that a part may be expected to have; a refusal lists 100
_TRIES = 8
_GAP = "OUT_OF_RANGE"  # how a batch is refused whose number isn't the next one
_CODES = {3: "INVALID_ARGUMENT", 5: "NOT_FOUND", 6: "ALREADY_EXISTS", 8: "RESOURCE_EXHAUSTED",
          9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED",
          13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS"}  # fmt: skip


class StoppedError(Exception):
    """The first bad line of a strict import."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.reason)
        self.rejected = rejected


@dataclass(slots=True)
class Tally:
    """What became of the rows of a file.

    Attributes:
        rows: rows read, bad lines included.
        accepted: rows applied.
        rejected: lines left out.
        created: subscribers that are new.
        revision: position of the last write.
        skipped: rows that an earlier import had sent.
    """

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    created: int = 0
    revision: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch made ready to be sent; ``position`` is how far the file is read with it."""

    batch: Batch
    request: Write | None
    rejected: list[Rejected]
    position: int


class Sender:
    """Sends the chunks of one file."""

    def __init__(
        self,
        client: Client,
        layout: Layout,
        *,
        strict: bool,
        contents: bool,
        reject: Callable[[Rejected], None],
        advance: Callable[[int, int], None],
        numbering: Numbering = NOT_NUMBERED,
    ) -> None:
        """Prepare.

        Args:
            client: of the server.
            layout: what rows are imported as.
            strict: whether to stop at the first bad line.
            contents: whether bad lines are wanted with their content.
            reject: takes each line that is left out.
            advance: takes position and rows, whenever a batch is settled.
            numbering: how batches are numbered, and how many of them the server has.
        """
        self.tally = Tally()
        self._client = client
        self._layout = layout
        self._strict = strict
        self._contents = contents
        self._reject = reject
        self._advance = advance
        self._numbering = numbering
        self._bad: list[Rejected] = []  # of the batch that is being settled
        self._empty: list[Batch] = []  # of which only the number is left, before the next one
        self._in_flight = IN_FLIGHT if layout.events and not strict else 1

    def send(self, chunks: Iterator[Chunk]) -> None:
        """Send all rows.

        Raises:
            StoppedError: a bad line of a strict import.
            HeadcountError: the server refused to go on; what the tally has is applied.
        """
        waiting: deque[Ready] = deque()
        with self._client.write_stream() as stream, self._client.write_stream() as repairs:
            for ready in _ahead(self._ready(chunks)):
                while len(waiting) >= self._in_flight:
                    self._settle(waiting.popleft(), stream, repairs)
                if 0 < ready.batch.sequence <= self._numbering.done:
                    self.tally.skipped += len(ready.batch)
                    self._finish(ready)
                    continue
                if self._strict and ready.rejected:
                    self._stop(ready, repairs)
                if ready.request is None:
                    self._finish(ready)
                    continue
                stream.send(ready.request)
                waiting.append(ready)
            while waiting:
                self._settle(waiting.popleft(), stream, repairs)

    def _ready(self, chunks: Iterator[Chunk]) -> Iterator[Ready]:
        sequence, producer = 0, self._numbering.producer
        for chunk in chunks:
            kept = chunk if self._contents else replace(chunk, content=_nothing)
            batch, rejected = batch_of(self._layout, kept)
            parts = [batch] if len(batch) else []
            while parts:
                part = parts.pop(0)
                request = part.request()
                if request.ByteSize() > MESSAGE_BYTES_MAX and len(part) > 1:
                    parts[:0] = _split(part, 2)
                    continue
                if producer:
                    sequence += 1
                    part = part.numbered(producer, sequence)
                    request.producer, request.sequence = producer, sequence
                yield Ready(part, request, rejected, chunk.position)
                rejected = []
            if rejected:
                yield Ready(batch, None, rejected, chunk.position)

    def _finish(self, ready: Ready) -> None:
        """Count the rows of a batch, and tell its bad lines in their order."""
        rows = 0 if ready.request is None else len(ready.batch)
        bad = sorted(ready.rejected + self._bad, key=lambda one: one.line)
        self._bad = []
        self.tally.rows += rows + len(ready.rejected)
        self.tally.rejected += len(bad)
        for one in bad:
            self._reject(one)
        self._advance(ready.position, self.tally.rows)

    def _settle(self, ready: Ready, stream: WriteStream, repairs: WriteStream) -> None:
        """Take the answer to a batch; send again what can be applied of a refused one."""
        answer = stream.receive()
        self._take(ready.batch, answer, repairs)
        self._finish(ready)

    def _take(
        self, batch: Batch, answer: results.StreamWritesResponse, repairs: WriteStream
    ) -> None:
        for _ in range(_TRIES):
            if _is_too_early(answer, batch):  # what was before it is settled only now
                for empty in self._empty:
                    _exchange(repairs, empty)
                self._empty.clear()
                answer = _exchange(repairs, batch)
                continue
            if answer.accepted is not None:
                self.tally.accepted += answer.accepted.accepted_count
                self.tally.created += answer.accepted.created_count
                self.tally.revision = max(self.tally.revision, answer.accepted.revision)
                return
            refused = answer.refused
            if refused is None or not refused.bad_rows:
                if refused is None or _CODES.get(refused.code) not in _AGAIN:
                    raise _error(refused)
                time.sleep(_AGAIN[_CODES[refused.code]])
                answer = _exchange(repairs, batch)
                continue
            self._take_bad(batch, refused, repairs)
            return
        raise _error(answer.refused)

    def _take_bad(self, batch: Batch, refused: results.WriteRefused, repairs: WriteStream) -> None:
        bad = _faults(refused)
        if self._strict:
            self._apply_before(batch, min(bad), bad[min(bad)], repairs)
        self._bad += [batch.rejected(index, reason) for index, reason in bad.items()]
        rest = np.setdiff1d(np.arange(len(batch)), np.fromiter(bad, np.int64, len(bad)))
        others = max(refused.bad_row_count - len(bad), 0)
        part = batch.part(rest)
        if others and batch.producer:  # one number, so one batch, of what is good
            part = self._good(part, others, repairs)
        if not len(part):
            self._empty += [part] if part.producer else []
            return
        for piece in _pieces(part, others if not batch.producer else 0):
            self._take(piece, _exchange(repairs, piece), repairs)

    def _good(self, batch: Batch, others: int, repairs: WriteStream) -> Batch:
        """The rows of a batch that the server would take; the others are noted as bad."""
        kept: list[NDArray[np.int64]] = []
        first = 0
        for piece in _pieces(batch, others):
            bad: dict[int, str] = {}
            repairs.send(piece.check())
            answer = repairs.receive()
            if answer.refused is not None and answer.refused.bad_rows:
                bad = _faults(answer.refused)
                self._bad += [piece.rejected(index, reason) for index, reason in bad.items()]
            good = np.setdiff1d(np.arange(len(piece)), np.fromiter(bad, np.int64, len(bad)))
            left = 0 if answer.refused is None else answer.refused.bad_row_count - len(bad)
            if left > 0:
                rest = self._good(piece.part(good), left, repairs)
                good = np.flatnonzero(np.isin(piece.rows, rest.rows))
            kept.append(good + first)
            first += len(piece)
        return batch.part(np.concatenate(kept))

    def _apply_before(self, batch: Batch, index: int, reason: str, repairs: WriteStream) -> None:
        """Apply the rows before the first bad one, then stop."""
        if index:
            before = batch.part(np.arange(index))
            self._take(before, _exchange(repairs, before), repairs)
        self.tally.rows += index + 1
        self._stop_at(batch.rejected(index, reason))

    def _stop(self, ready: Ready, repairs: WriteStream) -> None:
        """Apply the rows before the first line that is bad, then stop."""
        first = min(ready.rejected, key=lambda one: one.line)
        count = 0
        if ready.request is not None:
            lines = ready.batch.chunk.lines[ready.batch.rows]
            count = int(np.searchsorted(lines, first.line))
        if count:
            before = ready.batch.part(np.arange(count))
            self._take(before, _exchange(repairs, before), repairs)
        self.tally.rows += count + 1
        self._stop_at(first)

    def _stop_at(self, rejected: Rejected) -> None:
        self.tally.rejected += 1
        self._reject(rejected)
        raise StoppedError(rejected)


_AGAIN = {"RESOURCE_EXHAUSTED": 0.25, "UNAVAILABLE": 1.0}  # code to seconds


def _nothing(_index: int) -> str:
    return ""


def _exchange(repairs: WriteStream, batch: Batch) -> results.StreamWritesResponse:
    repairs.send(batch.request())
    return repairs.receive()


def _faults(refused: results.WriteRefused) -> dict[int, str]:
    """Index of a bad row -> what is wrong with it."""
    bad: dict[int, str] = {}
    for row in refused.bad_rows:
        fault = f"{row.field}: {row.description}"
        bad[row.index] = f"{bad[row.index]}; {fault}" if row.index in bad else fault
    return bad


def _is_too_early(answer: results.StreamWritesResponse, batch: Batch) -> bool:
    refused = answer.refused
    return bool(batch.producer) and refused is not None and _CODES.get(refused.code) == _GAP


def _pieces(batch: Batch, others: int) -> list[Batch]:
    """Parts so small that the bad rows of each, of which so many are left, can be listed."""
    if not others:
        return [batch]
    rows = max(_PART_ROWS_MIN, len(batch) * _LISTED // others)
    return _split(batch, -(-len(batch) // rows))


def _split(batch: Batch, parts: int) -> list[Batch]:
    if parts <= 1:
        return [batch]
    return [batch.part(rows) for rows in np.array_split(np.arange(len(batch)), parts) if len(rows)]


def _error(refused: results.WriteRefused | None) -> HeadcountError:
    if refused is None:
        return HeadcountError("the server answered a batch with nothing")
    code = _CODES.get(refused.code, "UNKNOWN")
    cls = CLASSES.get(code, HeadcountError)
    return cls(refused.message, reason=refused.reason, code=code)


def _ahead(items: Iterator[Ready]) -> Iterator[Ready]:
    """The items, made by another thread a few ahead."""
    made: queue.Queue[Any] = queue.Queue(READ_AHEAD)
    stop = threading.Event()
    done = object()

    def put(item: Any) -> None:
        while not stop.is_set():
            try:
                made.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
            put(done)
        except BaseException as error:  # handed to the thread that waits for the items
            put(error)

    thread = threading.Thread(target=make, name="import", daemon=True)
    thread.start()
    try:
        while True:
            item = made.get()
            if item is done:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
