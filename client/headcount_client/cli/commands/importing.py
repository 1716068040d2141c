"""``import``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.progress import Progress

from headcount_client.cli import faults
from headcount_client.cli.importing.chunks import FileFault, Source
from headcount_client.cli.importing.csv_file import CsvSource
from headcount_client.cli.importing.json_file import JsonSource
from headcount_client.cli.importing.layout import (
    Choices,
    Layout,
    check_choices,
    layout_of,
    targets_of,
)
from headcount_client.cli.importing.parquet_file import ParquetSource
from headcount_client.cli.importing.report import Complaints, RejectFile, progress_bar
from headcount_client.cli.importing.resuming import numbering
from headcount_client.cli.importing.sending import Sender, StoppedError, Tally
from headcount_client.cli.output import print_json, say, shown
from headcount_client.cli.target import Target, target_options
from headcount_client.client import Client
from headcount_client.errors import NotFound

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".json": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
_DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";"}


@dataclass(frozen=True, slots=True)
class _Options:
    audience: str
    strict: bool
    rows: int
    choices: Choices
    shape: tuple[object, ...]
    resume: bool


@click.command(
    "import",
    epilog="""\b
Examples:
  headcount import shop subscribers.csv
  headcount import shop orders.parquet --events --event purchase --map customer=key --map at=time
  headcount import shop a.csv b.csv --reject-file bad.csv --json
  headcount import shop orders.parquet --events --event purchase --resume

\b
Subscriber files have a key column and one per attribute, and may have known_since and changed_at.
Event files have key, time, event, and one column per dimension and measure.
An empty field is a missing value; a column that is absent leaves values as they are.""",
)
@click.argument("audience", metavar="NAME")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--events", is_flag=True, help="The rows are events, not subscribers.")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="COLUMN=FIELD",
    help="Import a column as this field; repeatable.",
)
@click.option(
    "--ignore", "ignored", multiple=True, metavar="COLUMN", help="Leave a column out; repeatable."
)
@click.option(
    "--event",
    metavar="NAME",
    default="",
    help="Type of all events, of files without an event column.",
)
@click.option(
    "--key-from-line",
    is_flag=True,
    help="The key is the number of the row's line without the header, from 1.",
)
@click.option(
    "--create-missing",
    is_flag=True,
    help="Create subscribers for events of unknown keys; else these are bad lines.",
)
@click.option(
    "--reject-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write bad lines here, as CSV: file, line, reason, content.",
)
@click.option("--strict", is_flag=True, help="Stop at the first bad line, with exit code 3.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="By default the file's name tells.",
)
@click.option(
    "--delimiter",
    default=None,
    metavar="CHARACTER",
    help="What separates fields of CSV: a character, or tab. [default: ,]",
)
@click.option(
    "--batch-rows",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="Rows in one write.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with an import that was broken off, without loss or doubling: the same files, as"
    " they were, and the same options. A file that changed, or was never begun, is refused.",
)
@target_options
def import_files(
    target: Target,
    audience: str,
    files: tuple[str, ...],
    events: bool,
    mapped: tuple[str, ...],
    ignored: tuple[str, ...],
    event: str,
    key_from_line: bool,
    create_missing: bool,
    reject_file: Path | None,
    strict: bool,
    form: str | None,
    delimiter: str | None,
    batch_rows: int,
    resume: bool,
) -> int:
    """Import files of subscribers, or of events: CSV, JSON Lines, Parquet."""  # fmt: skip
    if (event or create_missing) and not events:
        raise click.UsageError("--event and --create-missing go with --events")
    if resume and strict:
        raise click.UsageError("--strict stops at a bad line, so there is nothing to --resume")
    shape = (form, delimiter, batch_rows, strict)
    options = _Options(audience, strict, batch_rows, _choices(mapped, ignored), shape, resume)
    with target.client() as client:
        try:
            layout = _layout(client, audience, events, event, key_from_line, create_missing)
            sources = [_opened(file, form, delimiter, layout, strict) for file in files]
            targets = _checked(layout, sources, options.choices)
        except FileFault as fault:
            raise click.UsageError(str(fault)) from None
        try:
            rejects = RejectFile(reject_file)
        except OSError as error:
            message = f"{reject_file} can't be written: {error.strerror}"
            raise click.UsageError(message) from None
        with rejects, progress_bar() as progress:
            for source, columns in zip(sources, targets, strict=True):
                if not _import(target, client, layout, source, columns, options, rejects, progress):
                    return faults.EXIT_SERVER
    return 0


def _import(
    target: Target,
    client: Client,
    layout: Layout,
    source: Source,
    columns: dict[str, str],
    options: _Options,
    rejects: RejectFile,
    progress: Progress,
) -> bool:
    """Import one file; whether to go on."""
    complaints = Complaints(source.name, rejects)
    bar = progress.add_task(Path(source.name).name, total=source.total, rows=0)

    def advance(position: int, rows: int) -> None:
        progress.update(bar, completed=position, rows=rows)

    try:
        numbers = numbering(
            client, layout, Path(source.name), columns, options.shape, options.resume
        )
    except FileFault as fault:
        faults.complain(f"{source.name}: {fault}")
        return False
    sender = Sender(
        client,
        layout,
        numbering=numbers,
        strict=options.strict,
        contents=rejects.is_open,
        reject=complaints.add,
        advance=advance,
    )
    going_on = True
    try:
        sender.send(source.chunks(columns, options.rows))
        advance(source.total, sender.tally.rows)
    except StoppedError as stopped:
        going_on = False
        faults.complain(f"stopped at line {stopped.rejected.line} of {source.name} (--strict)")
    except FileFault as fault:
        going_on = False
        faults.complain(f"{source.name}: {fault}")
    finally:
        complaints.end()
        _tell(target, source, sender.tally, client, options.audience, options.resume)
    return going_on


def _tell(
    target: Target, source: Source, tally: Tally, client: Client, audience: str, resumed: bool
) -> None:
    if not target.as_json:
        say(
            f"{source.name}: {shown(tally.rows)} rows, {shown(tally.accepted)} accepted,"
            f" {shown(tally.rejected)} rejected"
            + (f", {shown(tally.skipped)} there already" if tally.skipped else "")
        )
        return
    if not tally.revision:
        found = client.get_audience(audience).audience
        tally.revision = found.revision if found else 0
    told: dict[str, object] = {
        "file": source.name,
        "rows": tally.rows,
        "accepted": tally.accepted,
        "rejected": tally.rejected,
        "revision": tally.revision,
    }
    if resumed:
        told["skipped"] = tally.skipped
    print_json(told)


def _layout(
    client: Client, name: str, events: bool, event: str, key_from_line: bool, create_missing: bool
) -> Layout:
    found = client.get_audience(name).audience
    if found is None:
        raise NotFound(f"no audience {name}")
    return layout_of(
        found,
        events=events,
        event=event,
        key_from_line=key_from_line,
        create_missing=create_missing,
    )


def _opened(
    file: str, form: str | None, delimiter: str | None, layout: Layout, strict: bool
) -> Source:
    path = Path(file)
    form = form or FORMATS.get(path.suffix.lower())
    if form is None:
        raise FileFault(
            f"{file}: its name doesn't tell what it is; name it .csv, .jsonl or .parquet, or give"
            " --format"
        )
    try:
        if form == "parquet":
            return ParquetSource(path)
        if form == "jsonl":
            return JsonSource(
                path,
                lists=layout.of_kind("keywords"),
                places=layout.of_kind("location"),
                absent_is_missing=layout.events,
                in_order=strict,
            )
        return CsvSource(path, _delimiter(delimiter, path))
    except OSError as error:
        raise FileFault(f"{file} can't be read: {error.strerror}") from None
    except FileFault as fault:
        raise FileFault(f"{file}: {fault}") from None


def _checked(layout: Layout, sources: Sequence[Source], choices: Choices) -> list[dict[str, str]]:
    check_choices(choices, [column for source in sources for column in source.columns])
    targets: list[dict[str, str]] = []
    for source in sources:
        try:
            targets.append(targets_of(layout, source.columns, choices))
        except FileFault as fault:
            raise FileFault(f"{source.name}: {fault}") from None
    return targets


def _choices(mapped: tuple[str, ...], ignored: tuple[str, ...]) -> Choices:
    pairs: dict[str, str] = {}
    for pair in mapped:
        column, equals, field = pair.rpartition("=")
        if not equals or not column or not field:
            raise click.UsageError(f"--map {pair!r} must be COLUMN=FIELD")
        if column in pairs:
            raise click.UsageError(f'--map names column "{column}" twice')
        pairs[column] = field
    return Choices(pairs, frozenset(ignored))


def _delimiter(given: str | None, path: Path) -> str:
    if given is None:
        return "\t" if path.suffix.lower() == ".tsv" else ","
    delimiter = _DELIMITERS.get(given, given)
    if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
        raise click.UsageError(f"--delimiter {given!r} must be one character, or tab")
    return delimiter
