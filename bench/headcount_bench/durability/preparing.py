"""A data directory with a snapshot of generated files, made in a process of its own.

Run as ``python -m headcount_bench.durability.preparing DATA DIRECTORY``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from headcount_server.core.audience_dump import FrozenAudience
from headcount_server.core.erasures import Erasures
from headcount_server.engine.checkpoints import Checkpoints, Moment
from headcount_server.storage.files import OsFileSystem
from headcount_server.storage.snapshots import SnapshotStore

from headcount_bench.faults import FAILED, BenchFault
from headcount_bench.inprocess.loading import load
from headcount_bench.workload.dataset import open_dataset


def prepare(data: Path, directory: Path) -> None:
    """Makes the data directory of a server that has generated files as its newest snapshot.

    Raises:
        BenchFault: it couldn't be made; the reason is on standard error.
    """
    command = [sys.executable, "-m", __name__, str(data), str(directory)]
    if subprocess.run(command, check=False).returncode:
        raise BenchFault(f"{data} couldn't be loaded", FAILED)


def made_or_copied(data: Path, directory: Path, prepared: Path | None) -> None:
    """Makes such a data directory, or copies one.

    Args:
        data: the generated files.
        directory: is made.
        prepared: a data directory of these files, made where it is missing; left as it is.
            None: there is none, and none is kept.

    Raises:
        BenchFault: it couldn't be made.
    """
    if prepared is None:
        prepare(data, directory)
        return
    if not prepared.exists():
        prepare(data, prepared)
    shutil.copytree(prepared, directory, copy_function=_linked)  # files of snapshots never change


def _linked(old: str, new: str) -> None:
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


def main(data: Path, directory: Path) -> None:
    """What the process does."""
    found = open_dataset(data)
    loaded = load(found, lambda name, rows: None)
    files = OsFileSystem()
    files.make_directory(directory)
    store = SnapshotStore(files, directory)
    moment = Moment(loaded.audience.revision, [FrozenAudience(loaded.audience)], Erasures())
    manifest = Checkpoints(store).write(found.manifest.as_of_us, moment)
    print(f"{manifest.size_bytes} bytes", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
