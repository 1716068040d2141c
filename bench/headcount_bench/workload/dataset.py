"""A directory of generated files: what is in it, and whether it is whole.

``schema.toml``, ``subscribers.parquet`` and ``events.parquet`` are what ``headcount audience
create`` and ``headcount import`` take as they are. ``manifest.json`` is written last: a directory
without it isn't whole. Keys are ``s`` and nine digits, from ``s000000001`` on without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from headcount_bench.faults import BenchFault

AUDIENCE = "bench"
FORMAT = 1
DAYS = 365
LAST_DAY = date(2026, 6, 30)
FIRST_DAY = LAST_DAY - timedelta(days=DAYS - 1)
AS_OF = datetime(2026, 6, 30, 12, tzinfo=UTC)
KEY_DIGITS = 9
SCHEMA = """\
[audience]
key = "string"
time_zone = "UTC"

[attributes]
country = "keyword"
city = "keyword"
gender = "keyword"
age = "integer"
plan = "keyword"
status = "keyword"
language = "keyword"
interests = "keywords"
signup_date = "date"
lifetime_spend = { type = "decimal", scale = 2 }
email_domain = "keyword"
email = "text"

[events.sent]
dimensions = ["campaign"]
activity = false

[events.open]
dimensions = ["campaign"]

[events.click]
dimensions = ["campaign"]

[events.purchase]
dimensions = ["campaign", "category"]
measures = { amount = { scale = 2 } }
"""
_CODED = pa.dictionary(pa.int32(), pa.string())
SUBSCRIBER_FIELDS = pa.schema(
    [
        ("key", pa.string()),
        ("country", _CODED),
        ("city", _CODED),
        ("gender", _CODED),
        ("age", pa.int16()),
        ("plan", _CODED),
        ("status", _CODED),
        ("language", _CODED),
        ("interests", pa.list_(pa.string())),
        ("signup_date", pa.date32()),
        ("lifetime_spend", pa.decimal128(12, 2)),
        ("email_domain", _CODED),
        ("email", pa.string()),
    ]
)
EVENT_FIELDS = pa.schema(
    [
        ("key", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("event", _CODED),
        ("campaign", _CODED),
        ("category", _CODED),
        ("amount", pa.decimal128(12, 2)),
    ]
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """How a data set was made.

    Attributes:
        events: number of events of all types.
        event_counts: event type to the number of its events.
        days: calendar days with events, the last one up to ``as_of``.
        as_of: the time that the standard questions are asked at, RFC 3339; no event is later.
    """

    subscribers: int
    events_per_subscriber: float
    events: int
    event_counts: Mapping[str, int]
    seed: int
    days: int
    as_of: str
    numpy: str
    format: int = FORMAT

    @property
    def as_of_time(self) -> datetime:
        """``as_of`` with its zone."""
        return datetime.fromisoformat(self.as_of)

    @property
    def as_of_us(self) -> int:
        """``as_of`` in microseconds since 1970."""
        return int(self.as_of_time.timestamp()) * 1_000_000


@dataclass(frozen=True, slots=True)
class Dataset:
    """A whole data set."""

    directory: Path
    manifest: Manifest

    @property
    def schema(self) -> str:
        """Text of the schema file."""
        return schema_file(self.directory).read_text()

    @property
    def subscribers(self) -> Path:
        """The subscriber file."""
        return subscriber_file(self.directory)

    @property
    def events(self) -> Path:
        """The event file; there is none where there are no events."""
        return event_file(self.directory)


def schema_file(directory: Path) -> Path:
    """Path of the schema of a data set."""
    return directory / "schema.toml"


def subscriber_file(directory: Path) -> Path:
    """Path of the subscribers of a data set."""
    return directory / "subscribers.parquet"


def event_file(directory: Path) -> Path:
    """Path of the events of a data set."""
    return directory / "events.parquet"


def manifest_file(directory: Path) -> Path:
    """Path of the manifest of a data set."""
    return directory / "manifest.json"


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Makes the data set whole."""
    manifest_file(directory).write_text(json.dumps(asdict(manifest), indent=2) + "\n")


def open_dataset(directory: Path) -> Dataset:
    """The data set of a directory.

    Raises:
        BenchFault: there is none, it isn't whole, or a file isn't what manifest and schema say.
    """
    if not directory.is_dir():
        raise BenchFault(
            f"{directory}: there is no such directory; make a data set with"
            f" headcount-bench generate --subscribers 1000000 --out {directory}"
        )
    path = manifest_file(directory)
    if not path.is_file():
        raise BenchFault(
            f"{directory}: there is no manifest.json, so it is no whole data set; make one with"
            f" headcount-bench generate --subscribers 1000000 --out {directory}"
        )
    try:
        manifest = Manifest(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise BenchFault(f"{path}: it is no manifest of a data set: {error}") from None
    if manifest.format != FORMAT:
        raise BenchFault(
            f"{path}: format {manifest.format}; this version reads {FORMAT}; generate it again"
        )
    if not schema_file(directory).is_file():
        raise BenchFault(f"{schema_file(directory)}: it is missing; generate the data set again")
    if schema_file(directory).read_text() != SCHEMA:
        raise BenchFault(
            f"{schema_file(directory)}: it isn't the schema of the generated files, so they"
            " don't match it; generate the data set again"
        )
    _check(subscriber_file(directory), SUBSCRIBER_FIELDS, manifest.subscribers)
    if manifest.events:
        _check(event_file(directory), EVENT_FIELDS, manifest.events)
    return Dataset(directory, manifest)


def _check(path: Path, fields: pa.Schema, rows: int) -> None:
    if not path.is_file():
        raise BenchFault(f"{path}: it is missing; generate the data set again")
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BenchFault(f"{path}: it is no Parquet file that can be read: {error}") from None
    with file:
        found = file.schema_arrow
        for field in fields:
            if field.name not in found.names:
                raise BenchFault(f'{path}: there is no column "{field.name}", which the schema has')
            if found.field(field.name).type != field.type:
                raise BenchFault(
                    f'{path}: column "{field.name}" is {found.field(field.name).type}, where the'
                    f" schema needs {field.type}"
                )
        if file.metadata.num_rows != rows:
            raise BenchFault(
                f"{path}: {file.metadata.num_rows:,} rows, but the manifest says {rows:,}"
            )
