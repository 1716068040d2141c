"""The manifest of a snapshot <-> its text (FORMAT.md, "Manifest").

The first line carries the checksum of all that follows, in every version of the format, so that
damage is told from newness; the rest is JSON that people can read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from headcount_server.codec.envelope import damaged
from headcount_server.core.rules.plain import Form
from headcount_server.errors import DataLoss

FORMAT_VERSION = 1
DIGEST_BYTES = 16  # 128 bits: equal digests are equal files
_FIRST_LINE = re.compile(rb"headcount snapshot ([0-9a-f]{32})\n")
_FILE_NAME = re.compile(r"[0-9]{4,}\.[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a snapshot.

    Attributes:
        part: name of the part of the audience that it holds.
        file: its name in the snapshot's directory.
        size_bytes: of the whole file.
        digest: BLAKE2b-128 of the whole file, in hexadecimal.
    """

    part: str
    file: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class AudienceEntry:
    """One audience of a snapshot; ``create_time_us`` in microseconds since 1970 UTC."""

    name: str
    revision: int
    create_time_us: int
    subscriber_count: int
    event_count: int
    files: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot holds.

    Attributes:
        name: of the snapshot.
        sequence: counts the snapshots of a data directory from 1; the highest is the newest.
        create_time_us: microseconds since 1970 UTC.
        audiences: ascending by name.
        position: in the log, of the last command that it holds; 0: none.
        log_id: of that log, in hexadecimal; "": there was none.
        files: what belongs to no audience.
    """

    name: str
    sequence: int
    create_time_us: int
    audiences: tuple[AudienceEntry, ...]
    position: int = 0
    log_id: str = ""
    files: tuple[FileEntry, ...] = ()

    @property
    def all_files(self) -> list[FileEntry]:
        """Every file but the manifest."""
        return [*self.files, *(file for audience in self.audiences for file in audience.files)]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, those shared with other snapshots included."""
        return sum(file.size_bytes for file in self.all_files)


_FORM: Form[Manifest] = Form(Manifest)


def digest(*pieces: bytes) -> str:
    """BLAKE2b-128 of the pieces joined, in hexadecimal. 1 GB/s, without the GIL."""
    found = blake2b(digest_size=DIGEST_BYTES)
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's file; equal manifests give equal bytes."""
    plain = {"format": FORMAT_VERSION, **_FORM.encode(manifest)}
    body = json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n"
    return f"headcount snapshot {digest(body)}\n".encode() + body


def decode_manifest(data: bytes, name: str) -> Manifest:
    """The manifest of a file's bytes.

    Raises:
        DataLoss: the file (called ``name`` in the message) is damaged, or of a newer format.
    """
    first = _FIRST_LINE.match(data)
    if first is None:
        damaged(name, 0, "is no manifest of a snapshot")
    body = data[first.end() :]
    if digest(body) != first[1].decode():
        damaged(name, first.end(), "is damaged: its checksum doesn't fit")
    try:
        plain: dict[str, Any] = json.loads(body)
        version = plain.pop("format")
        if type(version) is not int or version < 1:
            raise DataLoss(f"format {version!r} is no version")
        if version > FORMAT_VERSION:
            _refuse_newer(name, version)
        manifest = _FORM.decode(plain)
    except (ValueError, KeyError, AttributeError) as error:
        raise DataLoss(f"{name} can't be read: {error!r}", file=name) from error
    _check(manifest, name)
    return manifest


def _refuse_newer(name: str, version: int) -> None:
    raise DataLoss(
        f"{name} has format version {version}; this program reads up to {FORMAT_VERSION}:"
        " use the version of Headcount that wrote it, or a newer one",
        file=name,
        version=str(version),
    )


def _check(manifest: Manifest, name: str) -> None:
    names = [audience.name for audience in manifest.audiences]
    files = manifest.all_files
    if names != sorted(set(names)):
        raise DataLoss(f"{name}: audiences are out of order or stand twice", file=name)
    if not all(_FILE_NAME.fullmatch(file.file) for file in files):
        raise DataLoss(f"{name}: a file's name isn't one of a snapshot", file=name)
    if len({file.file for file in files}) != len(files):
        raise DataLoss(f"{name}: a file stands twice", file=name)
