"""A generated data set as the other engines take it: the same rows, with dense ids for keys.

An expert gives an engine dense 32-bit ids, a table for each event type and rows ordered by day, so
that is what all of them load, from Parquet files written beside once: ``people.parquet`` (``id``
and the attributes) and ``TYPE.parquet`` (``id``, ``time`` in µs, ``day``, dimensions, measures),
ordered by day and id. Days are numbers of days since 1970, decimals are whole minor units.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray
from pyarrow import parquet

from headcount_bench.workload.dataset import Dataset as Generated

pc: Any = pyarrow.compute
DAY_US = 86_400_000_000
EVENTS = ("sent", "open", "click", "purchase")
TAGS = "interests"
KEYWORDS = ("country", "city", "gender", "plan", "status", "language", "email_domain")
NUMBERS = ("age", "signup_date", "lifetime_spend")
DIMENSIONS = dict.fromkeys(EVENTS, ("campaign",)) | {"purchase": ("campaign", "category")}
MEASURES: dict[str, tuple[str, ...]] = dict.fromkeys(EVENTS, ()) | {"purchase": ("amount",)}
_STAMP = "prepared.json"
_ROWS = 1 << 20

Column = Any  # of Arrow, which has no types
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Prepared files.

    Attributes:
        directory: where they are.
        subscribers: how many; ids are 0 to that less one.
        events: how many of each type.
        work: an empty place for an engine's own files.
    """

    directory: Path
    subscribers: int
    events: dict[str, int]
    work: Path

    @property
    def people(self) -> Path:
        """The file of subscribers."""
        return self.directory / "people.parquet"

    def event(self, name: str) -> Path:
        """The file of one event type."""
        return self.directory / f"{name}.parquet"

    def column(self, path: Path, name: str) -> Column:
        """One column of a file, whole."""
        return parquet.read_table(path, columns=[name]).column(0).combine_chunks()

    def codes(self, path: Path, name: str) -> tuple[Codes, list[str]]:
        """A column of keywords as codes and their values; -1 where there is none."""
        whole = self.column(path, name)
        if not pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_encode()
        return _codes(whole), whole.dictionary.to_pylist()

    def integers(self, path: Path, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """A column of numbers, and where it has one."""
        whole = self.column(path, name)
        present = np.asarray(pc.is_valid(whole).to_numpy(zero_copy_only=False))
        return whole.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64), present

    def tags(self) -> tuple[NDArray[np.int64], Codes, list[str]]:
        """Who has a tag, which, and the tags: one row for each tag of each subscriber, by id."""
        whole = self.column(self.people, TAGS)
        owners = pc.list_parent_indices(whole).to_numpy(zero_copy_only=False)
        coded = pc.list_flatten(whole).dictionary_encode()
        return owners.astype(np.int64), _codes(coded), coded.dictionary.to_pylist()

    def ids_and_days(self, event: str) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
        """Who did it when, ordered by day and id."""
        table = parquet.read_table(self.event(event), columns=["id", "day"])
        return table["id"].to_numpy(), table["day"].to_numpy()


def prepare(generated: Generated, directory: Path, work: Path) -> Dataset:
    """Writes the files, unless they are there already for this data set. About 2 s a million rows.

    Args:
        generated: the data set.
        directory: for the prepared files.
        work: for the files of engines.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stamp = directory / _STAMP
    made_of = json.dumps([str(generated.directory.resolve()), repr(generated.manifest)])
    if not stamp.is_file() or stamp.read_text() != made_of:
        stamp.unlink(missing_ok=True)
        _people(generated.subscribers, directory / "people.parquet")
        _events(generated, directory)
        stamp.write_text(made_of)
    counts = {event: generated.manifest.event_counts.get(event, 0) for event in EVENTS}
    return Dataset(directory, generated.manifest.subscribers, counts, work)


def _people(source: Path, target: Path) -> None:
    file = parquet.ParquetFile(source)
    writer: Any = None
    for batch in file.iter_batches(_ROWS):
        columns = {"id": _ids(batch.column("key"))}
        columns |= {name: batch.column(name) for name in (*KEYWORDS, "email", TAGS)}
        columns["age"] = batch.column("age").cast(pa.int32())
        columns["signup_date"] = batch.column("signup_date").cast(pa.int32())
        columns["lifetime_spend"] = _minor_units(batch.column("lifetime_spend"))
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(target, table.schema, compression="lz4")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _events(generated: Generated, directory: Path) -> None:
    parts: dict[str, list[pa.Table]] = {event: [] for event in EVENTS}
    if generated.manifest.events:
        for batch in _event_batches(generated.events):
            for event in EVENTS:
                chosen = batch.filter(pc.equal(batch["event"].cast(pa.string()), event))
                parts[event].append(chosen.select(_event_columns(event)))
    for event in EVENTS:
        table = pa.concat_tables(parts.pop(event)).unify_dictionaries()
        order = np.lexsort((table["id"].to_numpy(), table["day"].to_numpy()))
        target = directory / f"{event}.parquet"
        parquet.write_table(table.take(order), target, compression="lz4", row_group_size=_ROWS)


def _event_batches(source: Path) -> Iterator[pa.Table]:
    for batch in parquet.ParquetFile(source).iter_batches(_ROWS):
        times = batch.column("time").cast(pa.int64()).to_numpy()
        yield pa.table(
            {
                "id": _ids(batch.column("key")),
                "time": times,
                "day": (times // DAY_US).astype(np.int32),
                "event": batch.column("event"),
                "campaign": batch.column("campaign"),
                "category": batch.column("category"),
                "amount": _minor_units(batch.column("amount")),
            }
        )


def _event_columns(event: str) -> list[str]:
    return ["id", "time", "day", *DIMENSIONS[event], *MEASURES[event]]


def _ids(keys: Column) -> Column:
    """Dense ids from keys, which are a letter and the subscriber's number from 1 on."""
    numbers = pc.utf8_slice_codeunits(keys, 1).cast(pa.uint32())
    return pc.subtract(numbers, pa.scalar(1, pa.uint32()))


def _minor_units(decimals: Column) -> Column:
    """Whole cents from decimals of two places."""
    hundred = pa.scalar(Decimal(100), pa.decimal128(3, 0))
    return pc.multiply(decimals, hundred).cast(pa.int64())


def _codes(whole: Column) -> Codes:
    return whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
